//! A real primary with replicas, and the sentinels that watch over them.

use crate::{
    RedisServer,
    server::{self, Builder},
};
use redis::{RedisResult, cmd};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

/// What the sentinels call the service.
pub const SERVICE: &str = "shop";
const SENTINELS: usize = 3;
/// A primary that does not answer for so long is held to be down. With less, a busy machine alone would cause failovers.
const DOWN_AFTER: Duration = Duration::from_secs(1);
const FAILOVER_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the sentinels may take to agree about something. Those that were given no time do nothing for half a minute.
const AGREEMENT: Duration = Duration::from_secs(120);

/// A primary, its replicas, and three sentinels; all of them end when it is dropped.
#[derive(Debug)]
pub struct Sentinels {
    servers: Vec<RedisServer>,
    watchers: Vec<RedisServer>,
    /// Which of the servers the sentinels last agreed upon.
    primary: AtomicUsize,
}

impl Sentinels {
    /// Starts servers with no further arguments: a primary and two replicas.
    pub fn start() -> Self {
        Self::start_with(&RedisServer::builder(), 2)
    }

    /// Starts servers that are built like this, the primary and so many replicas, and waits until the sentinels know all
    /// of them.
    pub fn start_with(server: &Builder, replicas: usize) -> Self {
        let server = server.clone().args(["--repl-diskless-sync-delay", "0"]);
        let primary = server.clone().start();
        let mut servers: Vec<_> =
            (0..replicas).map(|_| server.clone().replica_of(&primary).start()).collect();
        server::eventually("the replicas follow", AGREEMENT, || {
            let info: String = primary.run(cmd("INFO").arg("replication"));
            info.matches("state=online").count() == replicas
        });
        let config = config(&primary);
        servers.insert(0, primary);
        let watchers =
            (0..SENTINELS).map(|_| RedisServer::builder().sentinel(config.clone()).start()).collect();
        let this = Self { servers, watchers, primary: AtomicUsize::new(0) };
        this.wait_until_known();
        this
    }

    /// `redis-sentinel://host:port,host:port,host:port/service`
    pub fn url(&self) -> String {
        self.url_as("")
    }

    /// The same with a login for the servers: `name:password@`.
    pub fn url_as(&self, login: &str) -> String {
        let addresses: Vec<_> = self.watchers.iter().map(|sentinel| sentinel.addr().to_string()).collect();
        format!("redis-sentinel://{login}{}/{SERVICE}", addresses.join(","))
    }

    /// The servers: the first primary, then the replicas.
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// The sentinels themselves.
    pub fn sentinels(&self) -> &[RedisServer] {
        &self.watchers
    }

    /// The server that was last agreed upon.
    pub fn primary(&self) -> &RedisServer {
        &self.servers[self.primary.load(SeqCst)]
    }

    /// Has the sentinels promote a replica while the primary still runs; returns once they agree about it.
    pub fn fail_over(&self) {
        let old = self.primary.load(SeqCst);
        server::eventually("a failover is accepted", AGREEMENT, || {
            let command = cmd("SENTINEL").arg("FAILOVER").arg(SERVICE).clone();
            command.exec(&mut self.watchers[0].connection()).is_ok()
        });
        self.wait_for_promotion(old);
    }

    /// Kills the primary; returns which of the servers that was. [`Sentinels::wait_for_promotion`] waits for another one.
    pub fn kill_primary(&self) -> usize {
        let old = self.primary.load(SeqCst);
        self.servers[old].kill();
        old
    }

    /// Waits until the sentinels agree on another primary than this one, which says itself that it is.
    pub fn wait_for_promotion(&self, old: usize) {
        server::eventually("a replica is promoted", AGREEMENT, || {
            let said: Vec<_> = self.watchers.iter().map(|sentinel| self.named_by(sentinel)).collect();
            let Some(new) = said[0] else { return false };
            let agreed = new != old && said.iter().all(|named| *named == Some(new));
            let promoted = agreed && role(&self.servers[new]).is_ok_and(|role| role == "master");
            if promoted {
                self.primary.store(new, SeqCst);
            }
            promoted
        });
    }

    /// Starts a server that was killed again, as a replica of the primary, and waits until it follows.
    ///
    /// Left to the sentinels, it would be a primary, and an empty one, until they have noticed.
    pub fn restart_as_replica(&self, server: usize) {
        let port = self.primary().port().to_string();
        self.servers[server].restart_with(&["--replicaof", "127.0.0.1", &port]);
        server::eventually("it follows", AGREEMENT, || {
            let info: RedisResult<String> =
                cmd("INFO").arg("replication").query(&mut self.servers[server].connection());
            info.is_ok_and(|info| info.contains("role:slave") && info.contains("master_link_status:up"))
        });
    }

    fn named_by(&self, sentinel: &RedisServer) -> Option<usize> {
        let address: Option<(String, u16)> =
            sentinel.run(cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(SERVICE));
        let port = address?.1;
        self.servers.iter().position(|server| server.port() == port)
    }

    fn wait_until_known(&self) {
        server::eventually("the sentinels know everybody", AGREEMENT, || {
            self.watchers.iter().all(|sentinel| {
                let facts: BTreeMap<String, String> =
                    sentinel.run(cmd("SENTINEL").arg("MASTER").arg(SERVICE));
                let number = |name: &str| facts.get(name).and_then(|text| text.parse::<usize>().ok());
                number("num-slaves") == Some(self.servers.len() - 1)
                    && number("num-other-sentinels") == Some(SENTINELS - 1)
                    && facts.get("flags").is_some_and(|flags| flags == "master")
            })
        });
    }
}

fn config(primary: &RedisServer) -> String {
    let password = primary
        .password()
        .map_or_else(String::new, |password| format!("sentinel auth-pass {SERVICE} {password}\n"));
    format!(
        "sentinel monitor {SERVICE} 127.0.0.1 {port} {quorum}
sentinel down-after-milliseconds {SERVICE} {down}
sentinel failover-timeout {SERVICE} {failover}
{password}",
        port = primary.port(),
        quorum = SENTINELS / 2 + 1,
        down = DOWN_AFTER.as_millis(),
        failover = FAILOVER_TIMEOUT.as_millis(),
    )
}

fn role(server: &RedisServer) -> RedisResult<String> {
    let info: redis::InfoDict = cmd("INFO").arg("replication").query(&mut server.connection())?;
    Ok(info.get("role").unwrap_or_default())
}
