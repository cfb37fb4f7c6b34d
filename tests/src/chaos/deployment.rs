//! The Redis of the chaos test: one server, a cluster, or a primary that sentinels watch over.

use super::{
    class::{Class, FIRST_TAGGED, ROWS},
    setup::NAMESPACE,
};
use crate::{RedisCluster, RedisServer, Sentinels};
use redis::cmd;

pub(super) enum Deployment {
    One(Box<RedisServer>),
    Cluster(RedisCluster),
    Sentinels(Sentinels),
}

impl Deployment {
    pub(super) fn start(class: Class) -> Self {
        match class {
            Class::Cluster => Self::Cluster(RedisCluster::start()),
            // With a second replica, the one that confirms a guard need not be the one that is promoted.
            Class::Sentinels => Self::Sentinels(Sentinels::start_with(&RedisServer::builder(), 1)),
            _ => Self::One(Box::new(RedisServer::start())),
        }
    }

    pub(super) fn url(&self) -> String {
        match self {
            Self::One(server) => server.url(),
            Self::Cluster(cluster) => cluster.url(),
            Self::Sentinels(sentinels) => sentinels.url(),
        }
    }

    /// Every server that holds data.
    pub(super) fn servers(&self) -> &[RedisServer] {
        match self {
            Self::One(server) => std::slice::from_ref(&**server),
            Self::Cluster(cluster) => cluster.nodes(),
            Self::Sentinels(sentinels) => sentinels.servers(),
        }
    }

    /// The server that has this row now.
    fn primary(&self, row: u64) -> &RedisServer {
        match self {
            Self::One(server) => server,
            Self::Cluster(cluster) => &cluster.nodes()[cluster.primary_of(&key(row))],
            Self::Sentinels(sentinels) => sentinels.primary(),
        }
    }

    /// What stands under a row's key.
    pub(super) fn held(&self, row: u64) -> Option<Vec<u8>> {
        self.primary(row).run(cmd("GET").arg(key(row)))
    }

    /// The entry of a row, or what else stands under its key, is gone as by an eviction.
    pub(super) fn evict(&self, row: u64) {
        let _: u64 = self.primary(row).run(cmd("DEL").arg(key(row)));
    }

    /// A replica takes the place of the primary that has this row, which still runs.
    pub(super) fn fail_over(&self, row: u64) {
        match self {
            Self::One(_) => {}
            Self::Cluster(cluster) => drop(cluster.fail_over(&key(row))),
            Self::Sentinels(sentinels) => sentinels.fail_over(),
        }
    }

    /// The primary that has this row is killed, and comes back as a replica of the one that took its place.
    pub(super) fn kill_primary(&self, row: u64) {
        match self {
            Self::One(_) => {}
            Self::Cluster(cluster) => {
                let dead = cluster.kill_primary_of(&key(row));
                cluster.wait_for_promotion(&key(row), dead);
                cluster.restart_as_replica(dead);
            }
            Self::Sentinels(sentinels) => {
                let dead = sentinels.kill_primary();
                sentinels.wait_for_promotion(dead);
                sentinels.restart_as_replica(dead);
            }
        }
    }

    /// The slot that has this row goes to another primary, while it is used.
    pub(super) fn move_slot(&self, row: u64) {
        if let Self::Cluster(cluster) = self {
            let migration = cluster.begin_migration(&key(row));
            migration.move_keys();
            migration.finish();
        }
    }
}

fn key(row: u64) -> String {
    let tagged = (FIRST_TAGGED..ROWS).contains(&row);
    format!("{NAMESPACE}:{}:{row}", if tagged { "tagged" } else { "row" })
}
