//! A real cluster: three primaries, each with a replica.

use crate::{
    RedisServer,
    server::{self, Builder},
};
use redis::{Cmd, FromRedisValue, RedisResult, Value, cmd};
use std::{
    thread,
    time::{Duration, Instant},
};

/// Of 16384 slots each primary has a third.
const SLOTS: u16 = 16_384;
const PRIMARIES: usize = 3;
/// A node that does not answer for so long is held to be down. With less, a busy machine alone would cause failovers.
const NODE_TIMEOUT: Duration = Duration::from_millis(1_500);
/// How long the nodes may take to agree about something.
const AGREEMENT: Duration = Duration::from_secs(60);
/// After five seconds a node gives up a failover by command, which is lost where its primary can't be told at once.
const GIVEN_UP: Duration = Duration::from_secs(6);

/// A running cluster; all of its nodes end when it is dropped.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts one whose nodes have no further arguments.
    pub fn start() -> Self {
        Self::start_with(RedisServer::builder())
    }

    /// Starts one whose nodes are built like this, and waits until it serves every slot and its replicas follow.
    pub fn start_with(node: Builder) -> Self {
        let timeout = NODE_TIMEOUT.as_millis().to_string();
        let node = node.cluster().args(["--cluster-node-timeout", &timeout]).args([
            // A replica that is short of news is promoted all the same: there is no other.
            "--cluster-replica-validity-factor",
            "0",
            "--repl-diskless-sync-delay",
            "0",
        ]);
        let start = |_| {
            let node = node.clone();
            thread::spawn(move || node.start())
        };
        let starting: Vec<_> = (0..2 * PRIMARIES).map(start).collect();
        let nodes: Vec<_> = starting.into_iter().map(|node| node.join().expect("a node starts")).collect();
        let cluster = Self { nodes };
        cluster.introduce();
        cluster.assign_slots();
        cluster.assign_replicas();
        cluster.wait_until_whole();
        cluster
    }

    /// `redis-cluster://host:port,host:port`: a client finds the others by itself.
    pub fn url(&self) -> String {
        self.url_as("")
    }

    /// The same with a login: `name:password@`.
    pub fn url_as(&self, login: &str) -> String {
        let [first, second] = [0, 1].map(|node| self.nodes[node].addr());
        format!("redis-cluster://{login}{first},{second}")
    }

    /// Every node, those that are down as well.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// The slot of a key.
    pub fn slot(&self, key: &str) -> u16 {
        self.alive().run(cmd("CLUSTER").arg("KEYSLOT").arg(key))
    }

    /// A key with this start that the node which serves `other` does not serve.
    pub fn key_apart_from(&self, other: &str, start: &str) -> String {
        let taken = self.primary_of(other);
        let mut keys = (0..).map(|number| format!("{start}{number}"));
        keys.find(|key| self.primary_of(key) != taken).expect("each node serves a third of all keys")
    }

    /// Which of the [nodes](Self::nodes) serves this key now.
    pub fn primary_of(&self, key: &str) -> usize {
        let slot = self.slot(key);
        self.owner(self.alive(), slot).expect("every slot is served")
    }

    /// Kills the node that serves this key; returns which one it was.
    pub fn kill_primary_of(&self, key: &str) -> usize {
        let primary = self.primary_of(key);
        self.nodes[primary].kill();
        primary
    }

    /// Waits until all nodes that are up agree that another node than this one serves the key; returns which one.
    pub fn wait_for_promotion(&self, key: &str, dead: usize) -> usize {
        self.wait_for_another_than(dead, key, || {})
    }

    /// The same, and does something before each look.
    fn wait_for_another_than(&self, old: usize, key: &str, mut meanwhile: impl FnMut()) -> usize {
        let slot = self.slot(key);
        let mut promoted = old;
        eventually("a replica is promoted", || {
            meanwhile();
            let owners: Vec<_> = self.up().map(|node| self.owner(node, slot)).collect();
            promoted = owners[0].unwrap_or(old);
            promoted != old && owners.iter().all(|owner| *owner == owners[0]) && self.all_say_ok()
        });
        promoted
    }

    /// Starts a node that was killed again, empty, and waits until it has become a replica of whoever serves its slots now.
    pub fn restart_as_replica(&self, node: usize) {
        self.nodes[node].restart();
        eventually("the node becomes a replica", || replicates(&self.nodes[node]));
        self.wait_until_whole();
    }

    /// Makes the replica of the node that serves this key take over, without a loss; returns which one that is.
    pub fn fail_over(&self, key: &str) -> usize {
        let primary = self.primary_of(key);
        let id = id(&self.nodes[primary]);
        let replica = self
            .up()
            .find(|node| facts(node).iter().any(|fact| fact.myself && fact.primary == id))
            .expect("a primary has a replica");
        let mut asked: Option<Instant> = None;
        let promoted = self.wait_for_another_than(primary, key, || {
            if asked.is_none_or(|asked| asked.elapsed() > GIVEN_UP) {
                // Refused if it has taken over meanwhile.
                let _: RedisResult<()> = try_run(replica, cmd("CLUSTER").arg("FAILOVER"));
                asked = Some(Instant::now());
            }
        });
        self.wait_until_whole();
        promoted
    }

    /// Begins to move the slot of a key to the primary after its own: from now on the first answers `ASK` for what it no
    /// longer has. [`Migration::finish`] moves the keys, after which it answers `MOVED`.
    pub fn begin_migration(&self, key: &str) -> Migration<'_> {
        let slot = self.slot(key);
        let from = self.primary_of(key);
        let primaries: Vec<_> = (0..self.nodes.len()).filter(|node| self.serves(*node)).collect();
        let place = primaries.iter().position(|node| *node == from).expect("it is a primary");
        let to = primaries[(place + 1) % primaries.len()];
        let set = |node: usize, what: &str, other: usize| {
            let other = id(&self.nodes[other]);
            self.nodes[node].run::<()>(cmd("CLUSTER").arg("SETSLOT").arg(slot).arg(what).arg(other));
        };
        set(to, "IMPORTING", from);
        set(from, "MIGRATING", to);
        Migration { cluster: self, slot, from, to }
    }

    /// Every node meets every other, and knows all of them.
    fn introduce(&self) {
        for (number, node) in self.nodes.iter().enumerate() {
            node.run::<()>(cmd("CLUSTER").arg("SET-CONFIG-EPOCH").arg(number + 1));
        }
        for (number, node) in self.nodes.iter().enumerate() {
            for other in &self.nodes[number + 1..] {
                node.run::<()>(cmd("CLUSTER").arg("MEET").arg("127.0.0.1").arg(other.port()));
            }
        }
        eventually("the nodes know each other", || {
            self.nodes.iter().all(|node| {
                let facts = facts(node);
                facts.len() == self.nodes.len() && facts.iter().all(|fact| !fact.handshake)
            })
        });
    }

    fn assign_slots(&self) {
        let share = usize::from(SLOTS).div_ceil(PRIMARIES);
        let slots: Vec<u16> = (0..SLOTS).collect();
        for (node, slots) in self.nodes.iter().zip(slots.chunks(share)) {
            node.run::<()>(cmd("CLUSTER").arg("ADDSLOTS").arg(slots));
        }
    }

    fn assign_replicas(&self) {
        let (primaries, replicas) = self.nodes.split_at(PRIMARIES);
        for (primary, replica) in primaries.iter().zip(replicas) {
            let id = id(primary);
            // It has to have heard that the other is a primary.
            eventually("a replica is accepted", || {
                let command = cmd("CLUSTER").arg("REPLICATE").arg(&id).clone();
                command.exec(&mut replica.connection()).is_ok()
            });
        }
    }

    /// Every node that is up finds every slot served, and every replica follows its primary.
    pub fn wait_until_whole(&self) {
        let is_whole = |node: &RedisServer| {
            !facts(node).iter().any(|fact| fact.myself && fact.primary != "-") || replicates(node)
        };
        eventually("the cluster is whole", || {
            self.all_say_ok()
                && self.up().all(is_whole)
                && (0..SLOTS).step_by(1_000).all(|slot| self.agreed(slot))
        });
    }

    fn agreed(&self, slot: u16) -> bool {
        let mut owners = self.up().map(|node| self.owner(node, slot));
        let first = owners.next().flatten();
        first.is_some() && owners.all(|owner| owner == first)
    }

    fn all_say_ok(&self) -> bool {
        self.up().all(|node| {
            let info: RedisResult<String> = try_run(node, cmd("CLUSTER").arg("INFO"));
            info.is_ok_and(|info| info.contains("cluster_state:ok"))
        })
    }

    /// The nodes that run.
    fn up(&self) -> impl Iterator<Item = &RedisServer> {
        self.nodes.iter().filter(|node| node.is_running())
    }

    fn alive(&self) -> &RedisServer {
        self.up().next().expect("a node is up")
    }

    fn serves(&self, node: usize) -> bool {
        let port = self.nodes[node].port();
        ranges(self.alive()).iter().any(|range| range.port == port)
    }

    /// Who serves this slot, in the eyes of a node.
    fn owner(&self, asked: &RedisServer, slot: u16) -> Option<usize> {
        let range = ranges(asked).into_iter().find(|range| (range.first..=range.last).contains(&slot))?;
        self.nodes.iter().position(|node| node.port() == range.port)
    }
}

/// A slot on its way from one node to another.
#[derive(Debug)]
#[must_use = "a migration that is not finished leaves the slot between two nodes"]
pub struct Migration<'a> {
    cluster: &'a RedisCluster,
    slot: u16,
    from: usize,
    to: usize,
}

impl<'a> Migration<'a> {
    /// The node that the slot leaves.
    pub fn from(&self) -> &'a RedisServer {
        &self.cluster.nodes[self.from]
    }

    /// The node that the slot goes to.
    pub fn to(&self) -> &'a RedisServer {
        &self.cluster.nodes[self.to]
    }

    /// Moves the keys that the first node has at this moment.
    pub fn move_keys(&self) {
        let from = self.from();
        loop {
            let keys: Vec<Vec<u8>> = from.run(cmd("CLUSTER").arg("GETKEYSINSLOT").arg(self.slot).arg(100));
            if keys.is_empty() {
                return;
            }
            let mut migrate = cmd("MIGRATE");
            migrate.arg("127.0.0.1").arg(self.to().port()).arg("").arg(0).arg(5_000);
            if let Some(password) = self.to().password() {
                migrate.arg("AUTH").arg(password);
            }
            // A key that has meanwhile expired is no failure.
            from.run::<()>(migrate.arg("KEYS").arg(keys));
        }
    }

    /// Moves the keys, and gives the slot to its new node.
    pub fn finish(self) {
        self.move_keys();
        let id = id(self.to());
        let set = |node: &RedisServer| {
            node.run::<()>(cmd("CLUSTER").arg("SETSLOT").arg(self.slot).arg("NODE").arg(&id));
        };
        // The new owner first: else the slot would for a moment be nobody's.
        set(self.to());
        // Keys that came to the old node since then.
        self.move_keys();
        set(self.from());
        eventually("the nodes agree on the migrated slot", || {
            self.cluster.up().all(|node| self.cluster.owner(node, self.slot) == Some(self.to))
        });
    }
}

struct Range {
    first: u16,
    last: u16,
    port: u16,
}

struct Fact {
    myself: bool,
    handshake: bool,
    /// The id of its primary, `-` if it is one.
    primary: String,
}

fn ranges(asked: &RedisServer) -> Vec<Range> {
    let slots: Vec<Vec<Value>> = try_run(asked, cmd("CLUSTER").arg("SLOTS")).unwrap_or_default();
    let range = |slots: Vec<Value>| {
        let mut fields = slots.into_iter();
        let first = u16::from_redis_value(fields.next()?).ok()?;
        let last = u16::from_redis_value(fields.next()?).ok()?;
        let node = Vec::<Value>::from_redis_value(fields.next()?).ok()?;
        let port = u16::from_redis_value(node.into_iter().nth(1)?).ok()?;
        Some(Range { first, last, port })
    };
    slots.into_iter().filter_map(range).collect()
}

/// What a node knows of every node.
fn facts(asked: &RedisServer) -> Vec<Fact> {
    let nodes: String = try_run(asked, cmd("CLUSTER").arg("NODES")).unwrap_or_default();
    let fact = |line: &str| {
        let mut fields = line.split(' ').skip(2);
        let (flags, primary) = (fields.next()?, fields.next()?);
        let flag = |name| flags.split(',').any(|flag| flag == name);
        Some(Fact { myself: flag("myself"), handshake: flag("handshake"), primary: primary.to_owned() })
    };
    nodes.lines().filter_map(fact).collect()
}

fn id(node: &RedisServer) -> String {
    node.run(cmd("CLUSTER").arg("MYID"))
}

fn replicates(node: &RedisServer) -> bool {
    let info: RedisResult<String> = try_run(node, cmd("INFO").arg("replication"));
    info.is_ok_and(|info| info.contains("role:slave") && info.contains("master_link_status:up"))
}

/// For nodes that may be loading what they replicate.
fn try_run<T: FromRedisValue>(node: &RedisServer, command: &Cmd) -> RedisResult<T> {
    command.query(&mut node.connection())
}

fn eventually(what: &str, holds: impl FnMut() -> bool) {
    server::eventually(what, AGREEMENT, holds);
}
