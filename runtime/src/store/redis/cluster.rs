//! The topology of a cluster: its nodes and their slots.
//!
//! redis-rs has a client for clusters, but it repeats a command whose answer was lost, and an `acquire` or a `fill` that is
//! executed twice breaks the fence. Here each node has a connection of its own, and a command is sent again only if a node has
//! answered that it did not execute it (`MOVED`, `ASK`).

use std::{
    collections::BTreeMap,
    fmt, mem,
    sync::{Arc, MutexGuard, atomic::AtomicBool},
    time::Duration,
};

use futures_util::future::join_all;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue,
    RedisError, RedisResult, ServerErrorKind, Value,
};
use tokio::time::sleep;

use super::{
    address::{host_and_port, with_host},
    connection::{Common, NodeConnection, Purpose},
    failure::Failure,
    handshake::Target,
    sole_task::SoleTask,
};
use crate::{
    backoff::Backoff,
    lock::{Mutex, RwLock},
    patience::in_awake_time,
    thread::{self, Clock},
};

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
        let cluster = Cluster(Arc::new(State { seeds, common, topology, provisional, refreshing }));
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
        let seeds: Vec<String> = self.0.seeds.iter().map(|seed| seed.addr().to_string()).collect();
        format!("redis cluster at {}", seeds.join(", "))
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
                Err(Failure::Down(format!("no node of the cluster is known for slot {slot}")))
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
            if !node.is_up() {
                node.connect().await;
            }
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
        let Some(found) = self.fetch_topology().await else { return false };
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
        {
            let mut topology = self.topology.write();
            *topology = Topology { owners: owners.into(), nodes };
        }
        // Those that have slots are in the topology now.
        let provisional = mem::take(&mut *self.provisional());
        drop(provisional);
        join_all(connections.iter().filter(|node| !node.is_up()).map(NodeConnection::connect)).await;
        whole && connections.iter().all(NodeConnection::is_up)
    }

    /// The primaries and their slots according to most of the nodes that are asked: a node that was cut off from the others may hold an
    /// outdated topology.
    async fn fetch_topology(self: &Arc<Self>) -> Option<SlotRanges> {
        let mut connections: Vec<NodeConnection> =
            self.topology().nodes.into_iter().map(|(_, node)| node).collect();
        connections.retain(NodeConnection::is_up);
        if !connections.is_empty() {
            let first = getrandom::u32().unwrap_or(0) as usize % connections.len();
            connections.rotate_left(first);
            connections.truncate(MAX_NODES_ASKED);
            let answers = join_all(connections.iter().map(|node| self.fetch_from_node(node))).await;
            if let Some(nodes) = most_frequent(&answers.into_iter().flatten().collect::<Vec<_>>()) {
                return Some(nodes);
            }
        }
        for seed in &self.seeds {
            if let Some(Some(nodes)) =
                in_awake_time!(Clock::Real, self.common.limits.connect, fetch_from_seed(seed))
            {
                return Some(nodes);
            }
        }
        None
    }

    async fn fetch_from_node(&self, node: &NodeConnection) -> Option<SlotRanges> {
        let within = self.common.limits.call;
        let answer = in_awake_time!(Clock::Real, within, node.call(&slots_command()))?.ok()?;
        parse_slots(&answer, host_of(node.info()?)?)
    }
}

/// Primaries by address, each with its ranges of slots, inclusive.
type SlotRanges = BTreeMap<String, Vec<(u16, u16)>>;

fn slots_command() -> Cmd {
    let mut slots_command = redis::cmd("CLUSTER");
    // Deprecated since 7.0 in favour of `SHARDS`, which older servers do not know.
    slots_command.arg("SLOTS");
    slots_command
}

/// Asks a seed over a connection that is closed afterwards.
async fn fetch_from_seed(seed: &ConnectionInfo) -> Option<SlotRanges> {
    let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    let client = Client::open(seed.clone()).ok()?;
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.ok()?;
    parse_slots(&slots_command().query_async(&mut connection).await.ok()?, host_of(seed)?)
}

/// Parses the answer of `CLUSTER SLOTS`; `host` is the host that was asked.
fn parse_slots(answer: &Value, host: &str) -> Option<SlotRanges> {
    let Value::Array(ranges) = answer else { return None };
    let mut nodes = SlotRanges::new();
    for range in ranges {
        let Value::Array(range) = range else { return None };
        let [Value::Int(from), Value::Int(to), Value::Array(primary), ..] = range.as_slice() else {
            return None;
        };
        let [name, Value::Int(port), ..] = primary.as_slice() else { return None };
        let name = match name {
            Value::BulkString(name) => std::str::from_utf8(name).ok()?,
            Value::SimpleString(name) => name,
            _ => "",
        };
        // A node that does not know its own address means the host that was asked.
        let name = if matches!(name, "" | "?") { host } else { name };
        let slots = (u16::try_from(*from).ok()?, u16::try_from(*to).ok()?);
        nodes.entry(format!("{name}:{port}")).or_default().push(slots);
    }
    (!nodes.is_empty()).then_some(nodes)
}

fn most_frequent(answers: &[SlotRanges]) -> Option<SlotRanges> {
    let count = |nodes: &SlotRanges| answers.iter().filter(|other| *other == nodes).count();
    answers.iter().max_by_key(|nodes| count(nodes)).cloned()
}

fn host_of(info: &ConnectionInfo) -> Option<&str> {
    match info.addr() {
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => Some(host),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn range(from: i64, to: i64, host: &str, port: i64) -> Value {
        let node = |host: &str, port| {
            Value::Array(vec![
                Value::BulkString(host.into()),
                Value::Int(port),
                Value::BulkString(b"id".to_vec()),
            ])
        };
        Value::Array(vec![Value::Int(from), Value::Int(to), node(host, port), node("replica", 9)])
    }

    #[test]
    fn the_primaries_of_an_answer_are_grouped() {
        let answer = Value::Array(vec![range(0, 9, "a", 1), range(10, 19, "", 2), range(20, 29, "a", 1)]);
        let nodes = parse_slots(&answer, "here").unwrap();
        assert_eq!(nodes["a:1"], [(0, 9), (20, 29)]);
        assert_eq!(nodes["here:2"], [(10, 19)]);
        assert_eq!(nodes.len(), 2);
        assert_eq!(parse_slots(&Value::Array(Vec::new()), "here"), None);
        assert_eq!(parse_slots(&Value::Nil, "here"), None);
    }

    #[test]
    fn a_node_that_was_cut_off_is_outvoted() {
        let old = parse_slots(&Value::Array(vec![range(0, 9, "a", 1)]), "").unwrap();
        let new = parse_slots(&Value::Array(vec![range(0, 9, "b", 1)]), "").unwrap();
        assert_eq!(most_frequent(&[old, new.clone(), new.clone()]), Some(new));
        assert_eq!(most_frequent(&[]), None);
    }
}
