//! The topology of a cluster: its nodes and their slots.
//!
//! redis-rs has a client for clusters, but it repeats a command whose answer was lost, and an `acquire` or a `fill` that is
//! executed twice breaks the fence. Here each node has a connection of its own, and a command is sent again only if a node has
//! answered that it did not execute it (`MOVED`, `ASK`).

use std::{
    fmt, mem,
    sync::{Arc, MutexGuard, atomic::AtomicBool},
    time::Duration,
};

use futures_util::future::join_all;
use redis::{Cmd, ConnectionInfo, ErrorKind, FromRedisValue, RedisError, RedisResult, ServerErrorKind};
use tokio::time::sleep;

use self::slots::{SlotRanges, fetch_from_seed, host_of, most_frequent, parse_slots, slots_command};
use super::{
    address::{host_and_port, with_host},
    connection::{Common, NodeConnection, Purpose},
    failure::Failure,
    handshake::Target,
    outage::OutageLog,
    sole_task::SoleTask,
};
use crate::{
    backoff::Backoff,
    lock::{Mutex, RwLock},
    patience::in_awake_time,
    telemetry::{Node, NodeState},
    thread::{self, Clock},
};

mod slots;

/// Number of slots of a cluster.
const SLOTS: usize = 16_384;
/// Maximum number of redirects that a command follows.
const MAX_REDIRECTS: usize = 3;
/// Maximum number of nodes that are asked for the topology.
const MAX_NODES_ASKED: usize = 5;
/// How long to wait between two refreshes while the topology is incomplete.
const REFRESH_PAUSES: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));

/// The slot of a key: a hash of the part between the first `{` and the next `}`, or of the whole key.
pub(super) fn slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let length = rest.iter().position(|byte| *byte == b'}').filter(|length| *length > 0)?;
        Some(&rest[..length])
    });
    let hash = crc16::State::<crc16::XMODEM>::calculate(tag.unwrap_or(key));
    // CRC-16/XMODEM modulo 16,384, as the cluster specification has it.
    hash % 16_384
}

/// A cluster. Cheap to clone.
#[derive(Clone)]
pub(super) struct Cluster(Arc<State>);

struct State {
    seeds: Vec<ConnectionInfo>,
    common: Common,
    topology: RwLock<Topology>,
    /// Nodes without known slots to which others have redirected us, until the next refresh.
    provisional: Mutex<Vec<(String, NodeConnection)>>,
    /// A task refreshes the topology.
    refreshing: AtomicBool,
    /// Its outage while no node is known. Those that are have outages of their own.
    without_nodes: Arc<OutageLog>,
}

/// The nodes and their slots.
#[derive(Debug, Clone)]
struct Topology {
    /// By slot: the index of its node plus one, or 0.
    owners: Arc<[u16]>,
    nodes: Vec<(String, NodeConnection)>,
}

/// Where a node redirects a command.
enum Redirect {
    /// The slot has moved for good.
    Moved(NodeConnection),
    /// The slot is moving, and this key has moved already.
    Ask(NodeConnection),
}

impl Cluster {
    /// Fetches the topology and connects to the nodes once, then keeps trying in the background.
    pub(super) async fn connect(seeds: Vec<ConnectionInfo>, common: Common) -> Cluster {
        let limits = common.limits;
        let topology = RwLock::new(Topology { owners: vec![0; SLOTS].into(), nodes: Vec::new() });
        let (provisional, refreshing) = (Mutex::default(), AtomicBool::new(false));
        let without_nodes = Arc::new(OutageLog::new(described(&seeds), common.owed.clone()));
        let cluster =
            Cluster(Arc::new(State { seeds, common, topology, provisional, refreshing, without_nodes }));
        let first = cluster.clone();
        let attempt = thread::spawn(async move {
            in_awake_time!(Clock::Real, limits.connect, first.0.refresh()) == Some(true)
        });
        if !attempt.await.unwrap_or(false) {
            cluster.0.keep_refreshing();
        }
        cluster
    }

    pub(super) fn describe(&self) -> String {
        described(&self.0.seeds)
    }

    /// Why no node is known, if that is so.
    pub(super) fn why_no_node(&self) -> Option<Failure> {
        let (reason, _) = self.0.without_nodes.reason()?;
        Some(Failure::Down(format!("no node of the cluster is known: {reason}")))
    }

    /// Whether no node is known, or the log does not say yet that they are.
    pub(super) fn is_in_outage(&self) -> bool {
        self.0.without_nodes.is_open()
    }

    /// What is shown in the place of nodes while none is known.
    pub(super) fn stats_without_nodes(&self) -> Option<Node> {
        let (reason, since) = self.0.without_nodes.reason()?;
        let (state, outages) = (NodeState::Down { reason, since }, self.0.without_nodes.number());
        Some(Node { address: addresses(&self.0.seeds), state, outages, in_flight: 0 })
    }

    /// The connections to all known primaries.
    pub(super) fn connections(&self) -> Vec<NodeConnection> {
        self.0.topology().nodes.iter().map(|(_, node)| node.clone()).collect()
    }

    /// The connection to the node that has a slot.
    pub(super) fn owner(&self, slot: u16) -> Result<NodeConnection, Failure> {
        let found = {
            let topology = self.0.topology.read();
            let owner = usize::from(topology.owners[usize::from(slot)]);
            owner.checked_sub(1).map(|number| topology.nodes[number].1.clone())
        };
        match found {
            Some(node) => {
                if !node.is_up() {
                    // Its replica may have taken over.
                    self.0.keep_refreshing();
                }
                Ok(node)
            }
            None => {
                self.0.keep_refreshing();
                let no_node = || Failure::Down(format!("no node of the cluster is known for slot {slot}"));
                Err(self.why_no_node().unwrap_or_else(no_node))
            }
        }
    }

    /// Sends a command to where the error of a node redirects it.
    pub(super) async fn follow_redirects<T: FromRedisValue + Send + 'static>(
        &self,
        mut error: RedisError,
        command: &Cmd,
        purpose: Purpose,
    ) -> Result<T, Failure> {
        for _ in 0..MAX_REDIRECTS {
            let (node, asking) = match self.redirect_target(&error) {
                Some(Redirect::Moved(to)) => (to, false),
                Some(Redirect::Ask(to)) => (to, true),
                None => break,
            };
            node.connect_for_caller().await;
            let answer = match (asking, purpose) {
                (true, _) => call_asking(&node, command, purpose).await,
                (false, Purpose::Reads) => node.call(command).await,
                (false, Purpose::Writes) => node.call_write(command).await,
            };
            match answer {
                Err(Failure::Redis(next)) => error = next,
                answer => return answer,
            }
        }
        Err(Failure::Redis(error))
    }

    /// Where an error redirects a command. Records slots that have moved for good.
    fn redirect_target(&self, error: &RedisError) -> Option<Redirect> {
        if error.kind() == ErrorKind::Server(ServerErrorKind::ClusterDown) {
            self.0.keep_refreshing();
        }
        let (address, slot) = error.redirect_node()?;
        let node = self.0.node(address)?;
        if error.kind() == ErrorKind::Server(ServerErrorKind::Ask) {
            return Some(Redirect::Ask(node));
        }
        self.0.moved(slot, address, &node);
        self.0.keep_refreshing();
        Some(Redirect::Moved(node))
    }

    /// Takes note of an error in the answer of several commands.
    pub(super) fn note_error(&self, error: &RedisError) {
        self.redirect_target(error);
    }
}

/// Without secrets.
fn described(seeds: &[ConnectionInfo]) -> String {
    format!("redis cluster at {}", addresses(seeds))
}

fn addresses(seeds: &[ConnectionInfo]) -> String {
    let seeds: Vec<String> = seeds.iter().map(|seed| seed.addr().to_string()).collect();
    seeds.join(", ")
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cluster").field(&self.describe()).finish()
    }
}

/// Sends a command to a node that has the key already but not yet its slot.
async fn call_asking<T: FromRedisValue + Send + 'static>(
    node: &NodeConnection,
    command: &Cmd,
    purpose: Purpose,
) -> Result<T, Failure> {
    let mut both = redis::pipe();
    both.cmd("ASKING").ignore().add_command(command.clone());
    let (answer,): (RedisResult<T>,) = match purpose {
        Purpose::Reads => node.call_all(&mut both).await?,
        Purpose::Writes => node.call_all_write(both).await?,
    };
    answer.map_err(Failure::Redis)
}

impl State {
    fn topology(&self) -> Topology {
        self.topology.read().clone()
    }

    fn provisional(&self) -> MutexGuard<'_, Vec<(String, NodeConnection)>> {
        self.provisional.lock()
    }

    /// The connection to a node, which need not be known yet.
    fn node(self: &Arc<Self>, address: &str) -> Option<NodeConnection> {
        let of = |nodes: &[(String, NodeConnection)]| {
            nodes.iter().find(|(known, _)| known == address).map(|(_, node)| node.clone())
        };
        let topology = self.topology();
        if let Some(node) = of(&topology.nodes) {
            return Some(node);
        }
        let mut provisional = self.provisional();
        if let Some(node) = of(&provisional) {
            return Some(node);
        }
        let (host, port) = host_and_port(address)?;
        // A node that names no host means the host that was asked.
        let host = if host.is_empty() { host_of(&self.seeds[0])? } else { host };
        let info = with_host(&self.seeds[0], host, port);
        let node = NodeConnection::new(Target::Server(info.into()), &self.common);
        if topology.nodes.iter().any(|(_, node)| !node.is_up()) {
            // It may have taken over from that one.
            node.expect_outage();
        }
        provisional.push((address.to_owned(), node.clone()));
        Some(node)
    }

    /// A node has named the new node of a slot.
    fn moved(&self, slot: u16, address: &str, node: &NodeConnection) {
        let mut topology = self.topology.write();
        let known = topology.nodes.iter().position(|(known, _)| known == address);
        let number = known.unwrap_or_else(|| {
            topology.nodes.push((address.to_owned(), node.clone()));
            topology.nodes.len() - 1
        });
        let mut owners = topology.owners.to_vec();
        if let (Some(owner), Ok(number)) = (owners.get_mut(usize::from(slot)), u16::try_from(number + 1)) {
            *owner = number;
        }
        topology.owners = owners.into();
    }

    /// Refreshes the topology in the background until every slot's node is known and connected, unless a task does so already.
    fn keep_refreshing(self: &Arc<Self>) {
        let Some(task) = SoleTask::begin(self, |cluster| &cluster.refreshing) else { return };
        thread::spawn(async move {
            let mut pauses = REFRESH_PAUSES.pauses();
            loop {
                // The last cache is gone: stop.
                let Some(cluster) = task.owner() else { return };
                if cluster.refresh().await {
                    return;
                }
                drop(cluster);
                sleep(pauses.next_pause()).await;
            }
        });
    }

    /// Refreshes the topology once; `true` if it is complete.
    async fn refresh(self: &Arc<Self>) -> bool {
        let found = match self.fetch_topology().await {
            Ok(found) => found,
            Err(reason) => {
                if self.topology().nodes.is_empty() {
                    self.without_nodes.begin();
                    self.without_nodes.note(&reason);
                }
                return false;
            }
        };
        let mut nodes = Vec::with_capacity(found.len());
        let mut owners = vec![0; SLOTS];
        for (number, (address, ranges)) in found.into_iter().enumerate() {
            let (Some(node), Ok(number)) = (self.node(&address), u16::try_from(number + 1)) else {
                return false;
            };
            for (from, to) in ranges {
                owners[usize::from(from)..=usize::from(to).min(SLOTS - 1)].fill(number);
            }
            nodes.push((address, node));
        }
        let whole = !owners.contains(&0);
        let connections: Vec<NodeConnection> = nodes.iter().map(|(_, node)| node.clone()).collect();
        let previous = {
            let mut topology = self.topology.write();
            mem::replace(&mut *topology, Topology { owners: owners.into(), nodes })
        };
        for (_, node) in previous.nodes {
            if !connections.iter().any(|known| known.is(&node)) {
                node.replaced();
            }
        }
        self.without_nodes.end(&addresses(&self.seeds), Duration::ZERO);
        // Those that have slots are in the topology now.
        let provisional = mem::take(&mut *self.provisional());
        drop(provisional);
        join_all(connections.iter().filter(|node| !node.is_up()).map(NodeConnection::connect)).await;
        whole && connections.iter().all(NodeConnection::is_up)
    }

    /// The primaries and their slots according to most of the nodes that are asked: a node that was cut off from the others may hold an
    /// outdated topology. Or why none of them answers.
    async fn fetch_topology(self: &Arc<Self>) -> Result<SlotRanges, String> {
        let mut connections: Vec<NodeConnection> =
            self.topology().nodes.into_iter().map(|(_, node)| node).collect();
        connections.retain(NodeConnection::is_up);
        if !connections.is_empty() {
            let first = getrandom::u32().unwrap_or(0) as usize % connections.len();
            connections.rotate_left(first);
            connections.truncate(MAX_NODES_ASKED);
            let answers = join_all(connections.iter().map(|node| self.fetch_from_node(node))).await;
            if let Some(nodes) = most_frequent(&answers.into_iter().flatten().collect::<Vec<_>>()) {
                return Ok(nodes);
            }
        }
        let (within, mut reasons) = (self.common.limits.connect, Vec::new());
        for seed in &self.seeds {
            let reason = match in_awake_time!(Clock::Real, within, fetch_from_seed(seed)) {
                Some(Ok(nodes)) => return Ok(nodes),
                Some(Err(reason)) => reason,
                None => format!("no answer within {within:?}"),
            };
            reasons.push(format!("{}: {reason}", seed.addr()));
        }
        Err(reasons.join("; "))
    }

    async fn fetch_from_node(&self, node: &NodeConnection) -> Option<SlotRanges> {
        let within = self.common.limits.call;
        // Also in the closed window of a node that is back, which reads have to wait for.
        let answer = in_awake_time!(Clock::Real, within, node.call_write(&slots_command()))?.ok()?;
        parse_slots(&answer, host_of(node.info()?)?)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::TcpListener,
        pin::pin,
        task::{Context, Waker},
    };

    use redis::{IntoConnectionInfo, Value};

    use super::{
        super::{capabilities::Capabilities, limits::Limits},
        *,
    };
    use crate::store::changes::ChangeListeners;

    #[tokio::test]
    async fn calls_that_are_redirected_to_a_silent_node_share_one_attempt_to_connect() {
        const LONG: Duration = Duration::from_secs(20);
        // It takes connections, and never says anything.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let silent = listener.local_addr().unwrap();
        let limits = Limits { connect: LONG, call: LONG, value: 0, in_flight: 100 };
        let (listeners, reconnected, owed) = (ChangeListeners::default(), Arc::default(), Arc::default());
        let capabilities = Capabilities::new("cluster").clustered();
        let common = Common { limits, listeners, reconnected, owed, capabilities, home: None };
        let seeds = vec!["redis://127.0.0.1:1".into_connection_info().unwrap()];
        let cluster = Cluster::connect(seeds, common).await;
        let said = redis::parse_redis_value(format!("-ASK 5 {silent}\r\n").as_bytes()).unwrap();
        let Value::ServerError(said) = said else { panic!("{said:?}") };
        let node = cluster.0.node(&silent.to_string()).unwrap();
        let get = redis::cmd("GET");
        let mut holders = Vec::new();
        for _ in 0..10 {
            let call = cluster.follow_redirects::<()>(said.clone().into(), &get, Purpose::Reads);
            assert!(pin!(call).poll(&mut Context::from_waker(Waker::noop())).is_pending());
            // The caller goes away; its attempt does not.
            holders.push(node.holders());
        }
        assert!(holders.iter().all(|number| *number <= holders[0]), "{holders:?}");
    }

    #[test]
    fn slots_are_those_of_the_specification() {
        // From the specification, and checked with `CLUSTER KEYSLOT`.
        for (key, expected) in [("123456789", 12_739), ("foo", 12_182), ("", 0), ("foo{}{bar}", 8_363)] {
            assert_eq!(slot(key.as_bytes()), expected, "{key}");
        }
        assert_eq!(slot(b"{user1000}.following"), slot(b"user1000"));
        assert_eq!(slot(b"shop:{tenant}:a"), slot(b"tenant"));
        assert_eq!(slot(b"foo{{bar}}zap"), slot(b"{bar"));
        assert_eq!(slot(b"open{bar"), slot(b"open{bar"));
    }
}
