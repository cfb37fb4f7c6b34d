//! The nodes of a cluster, and which of them has which slots.
//!
//! redis-rs has a client for clusters, but it repeats a command whose answer was lost, and an `acquire` or a `fill` that is
//! carried out twice breaks the fence. Here each node has a link of its own, and a command is sent again only where a node
//! has said that it did not carry it out (`MOVED`, `ASK`).

use std::{
    collections::BTreeMap,
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::join_all;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue,
    RedisError, RedisResult, ServerErrorKind, Value,
};
use tokio::time::sleep;

use super::{
    address::{elsewhere, host_and_port},
    connection::{Common, For, Link},
    failure::Failure,
    handshake::Target,
};
use crate::{
    backoff::Backoff,
    patience::in_awake_time,
    thread::{self, Clock},
};

/// So many slots there are.
const SLOTS: usize = 16_384;
/// A command is sent on so many times.
const HOPS: usize = 3;
/// So many nodes are asked for the others.
const ASKED: usize = 5;
/// The pauses between questions after the nodes, while something is missing.
const ASK: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));

/// The slot of a key: of the part between the first `{` and the next `}`, or of the whole.
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
pub(super) struct Cluster(Arc<Shared>);

struct Shared {
    seeds: Vec<ConnectionInfo>,
    common: Common,
    map: RwLock<Map>,
    /// Nodes to which others have sent us and that have no slots as far as is known, until the map is asked for again.
    guests: Mutex<Vec<(String, Link)>>,
    /// The task that asks for the nodes, while there is one.
    asking: AtomicBool,
}

/// Who has what.
#[derive(Debug, Clone)]
struct Map {
    /// By slot: the number of a node, and one more than that.
    owners: Arc<[u16]>,
    nodes: Vec<(String, Link)>,
}

/// Where a node sent us.
enum Elsewhere {
    /// The slot has moved for good.
    Moved(Link),
    /// The slot is moving, and this key has already.
    Ask(Link),
}

impl Cluster {
    /// Asks for the nodes and connects to them once, and goes on trying in the background.
    pub(super) async fn connect(seeds: Vec<ConnectionInfo>, common: Common) -> Cluster {
        let limits = common.limits;
        let map = RwLock::new(Map { owners: vec![0; SLOTS].into(), nodes: Vec::new() });
        let (guests, asking) = (Mutex::default(), AtomicBool::new(false));
        let cluster = Cluster(Arc::new(Shared { seeds, common, map, guests, asking }));
        let first = cluster.clone();
        let attempt = thread::spawn(async move {
            in_awake_time!(Clock::Real, limits.connect, first.0.refresh()) == Some(true)
        });
        if !attempt.await.unwrap_or(false) {
            cluster.0.keep_asking();
        }
        cluster
    }

    pub(super) fn place(&self) -> String {
        let seeds: Vec<String> = self.0.seeds.iter().map(|seed| seed.addr().to_string()).collect();
        format!("redis cluster at {}", seeds.join(", "))
    }

    /// The links of all primaries that are known.
    pub(super) fn links(&self) -> Vec<Link> {
        self.0.map().nodes.iter().map(|(_, link)| link.clone()).collect()
    }

    /// The link of the node that has a slot.
    pub(super) fn owner(&self, slot: u16) -> Result<Link, Failure> {
        let found = {
            let map = self.0.map.read().unwrap_or_else(PoisonError::into_inner);
            let owner = usize::from(map.owners[usize::from(slot)]);
            owner.checked_sub(1).map(|number| map.nodes[number].1.clone())
        };
        match found {
            Some(link) => {
                if !link.is_up() {
                    // Its replica may have taken over.
                    self.0.keep_asking();
                }
                Ok(link)
            }
            None => {
                self.0.keep_asking();
                Err(Failure::Down(format!("no node of the cluster is known for slot {slot}")))
            }
        }
    }

    /// Sends a command on to where the error of a node says.
    pub(super) async fn send_on<T: FromRedisValue + Send + 'static>(
        &self,
        mut error: RedisError,
        command: &Cmd,
        purpose: For,
    ) -> Result<T, Failure> {
        for _ in 0..HOPS {
            let (link, asking) = match self.elsewhere(&error) {
                Some(Elsewhere::Moved(to)) => (to, false),
                Some(Elsewhere::Ask(to)) => (to, true),
                None => break,
            };
            if !link.is_up() {
                link.connect().await;
            }
            let answer = match (asking, purpose) {
                (true, _) => ask(&link, command, purpose).await,
                (false, For::Reads) => link.call(command).await,
                (false, For::Writes) => link.call_of_write(command).await,
            };
            match answer {
                Err(Failure::Redis(next)) => error = next,
                answer => return answer,
            }
        }
        Err(Failure::Redis(error))
    }

    /// Where the node of an error says that the key is. Learns from it where the slot is for good.
    fn elsewhere(&self, error: &RedisError) -> Option<Elsewhere> {
        if error.kind() == ErrorKind::Server(ServerErrorKind::ClusterDown) {
            self.0.keep_asking();
        }
        let (address, slot) = error.redirect_node()?;
        let link = self.0.link(address)?;
        if error.kind() == ErrorKind::Server(ServerErrorKind::Ask) {
            return Some(Elsewhere::Ask(link));
        }
        self.0.moved(slot, address, &link);
        self.0.keep_asking();
        Some(Elsewhere::Moved(link))
    }

    /// Takes note of an error in the answer of several commands.
    pub(super) fn refused(&self, error: &RedisError) {
        self.elsewhere(error);
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cluster").field(&self.place()).finish()
    }
}

/// Sends a command to a node that does not have the slot yet, but the key already.
async fn ask<T: FromRedisValue + Send + 'static>(
    link: &Link,
    command: &Cmd,
    purpose: For,
) -> Result<T, Failure> {
    let mut both = redis::pipe();
    both.cmd("ASKING").ignore().add_command(command.clone());
    let (answer,): (RedisResult<T>,) = match purpose {
        For::Reads => link.call_all(&mut both).await?,
        For::Writes => link.call_all_of_write(both).await?,
    };
    answer.map_err(Failure::Redis)
}

impl Shared {
    fn map(&self) -> Map {
        self.map.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn guests(&self) -> MutexGuard<'_, Vec<(String, Link)>> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The link of a node, which need not be known yet.
    fn link(self: &Arc<Self>, address: &str) -> Option<Link> {
        let of = |nodes: &[(String, Link)]| {
            nodes.iter().find(|(known, _)| known == address).map(|(_, link)| link.clone())
        };
        let map = self.map();
        if let Some(link) = of(&map.nodes) {
            return Some(link);
        }
        let mut guests = self.guests();
        if let Some(link) = of(&guests) {
            return Some(link);
        }
        let (host, port) = host_and_port(address)?;
        // A node that names no host is where we asked.
        let host = if host.is_empty() { host_of(&self.seeds[0])? } else { host };
        let info = elsewhere(&self.seeds[0], host, port);
        let link = Link::new(Target::Server(info.into()), &self.common);
        if map.nodes.iter().any(|(_, link)| !link.is_up()) {
            // It may have taken over from that one.
            link.expect_outage();
        }
        guests.push((address.to_owned(), link.clone()));
        Some(link)
    }

    /// A node has said where a slot is.
    fn moved(&self, slot: u16, address: &str, link: &Link) {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        let known = map.nodes.iter().position(|(known, _)| known == address);
        let number = known.unwrap_or_else(|| {
            map.nodes.push((address.to_owned(), link.clone()));
            map.nodes.len() - 1
        });
        let mut owners = map.owners.to_vec();
        if let (Some(owner), Ok(number)) = (owners.get_mut(usize::from(slot)), u16::try_from(number + 1)) {
            *owner = number;
        }
        map.owners = owners.into();
    }

    /// Asks in the background who has what, until every slot's node is known and connected, unless somebody is doing so.
    fn keep_asking(self: &Arc<Self>) {
        if self.asking.load(Relaxed) || self.asking.swap(true, Relaxed) {
            return;
        }
        let task = Asking(Arc::downgrade(self));
        thread::spawn(async move {
            let mut pauses = ASK.pauses();
            loop {
                // The last cache has gone: so may this.
                let Some(cluster) = task.0.upgrade() else { return };
                if cluster.refresh().await {
                    return;
                }
                drop(cluster);
                sleep(pauses.next_pause()).await;
            }
        });
    }

    /// Asks once; `true` if nothing is missing.
    async fn refresh(self: &Arc<Self>) -> bool {
        let Some(found) = self.ask().await else { return false };
        let mut nodes = Vec::with_capacity(found.len());
        let mut owners = vec![0; SLOTS];
        for (number, (address, ranges)) in found.into_iter().enumerate() {
            let (Some(link), Ok(number)) = (self.link(&address), u16::try_from(number + 1)) else {
                return false;
            };
            for (from, to) in ranges {
                owners[usize::from(from)..=usize::from(to).min(SLOTS - 1)].fill(number);
            }
            nodes.push((address, link));
        }
        let whole = !owners.contains(&0);
        let links: Vec<Link> = nodes.iter().map(|(_, link)| link.clone()).collect();
        {
            let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
            *map = Map { owners: owners.into(), nodes };
        }
        // Those among them that have slots are in the map now.
        let guests = mem::take(&mut *self.guests());
        drop(guests);
        join_all(links.iter().filter(|link| !link.is_up()).map(Link::connect)).await;
        whole && links.iter().all(Link::is_up)
    }

    /// The primaries, each with its slots, as most of the nodes that are asked say: one that was cut off from the others
    /// may go on believing what was.
    async fn ask(self: &Arc<Self>) -> Option<Nodes> {
        let mut links: Vec<Link> = self.map().nodes.into_iter().map(|(_, link)| link).collect();
        links.retain(Link::is_up);
        if !links.is_empty() {
            let first = getrandom::u32().unwrap_or(0) as usize % links.len();
            links.rotate_left(first);
            links.truncate(ASKED);
            let answers = join_all(links.iter().map(|link| self.ask_node(link))).await;
            if let Some(nodes) = most_frequent(&answers.into_iter().flatten().collect::<Vec<_>>()) {
                return Some(nodes);
            }
        }
        for seed in &self.seeds {
            if let Some(Some(nodes)) = in_awake_time!(Clock::Real, self.common.limits.connect, ask_seed(seed))
            {
                return Some(nodes);
            }
        }
        None
    }

    async fn ask_node(&self, link: &Link) -> Option<Nodes> {
        let within = self.common.limits.call;
        let answer = in_awake_time!(Clock::Real, within, link.call(&question()))?.ok()?;
        understood(&answer, host_of(link.info()?)?)
    }
}

/// Says, when it ends for whatever reason, that nobody is asking any more.
struct Asking(Weak<Shared>);

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(cluster) = self.0.upgrade() {
            cluster.asking.store(false, Relaxed);
        }
    }
}

/// Primaries by address, each with the slots that it has, from and to.
type Nodes = BTreeMap<String, Vec<(u16, u16)>>;

fn question() -> Cmd {
    let mut question = redis::cmd("CLUSTER");
    // Deprecated since 7.0 in favour of `SHARDS`, which older servers do not know.
    question.arg("SLOTS");
    question
}

/// Asks a node over a connection of its own.
async fn ask_seed(seed: &ConnectionInfo) -> Option<Nodes> {
    let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    let client = Client::open(seed.clone()).ok()?;
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.ok()?;
    understood(&question().query_async(&mut connection).await.ok()?, host_of(seed)?)
}

/// What an answer says; `host` is where it came from.
fn understood(answer: &Value, host: &str) -> Option<Nodes> {
    let Value::Array(ranges) = answer else { return None };
    let mut nodes = Nodes::new();
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
        // A node that does not know its own address is where we asked.
        let name = if matches!(name, "" | "?") { host } else { name };
        let slots = (u16::try_from(*from).ok()?, u16::try_from(*to).ok()?);
        nodes.entry(format!("{name}:{port}")).or_default().push(slots);
    }
    (!nodes.is_empty()).then_some(nodes)
}

fn most_frequent(answers: &[Nodes]) -> Option<Nodes> {
    let count = |nodes: &Nodes| answers.iter().filter(|other| *other == nodes).count();
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
        // From the specification, and asked of a server by `CLUSTER KEYSLOT`.
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
        let nodes = understood(&answer, "here").unwrap();
        assert_eq!(nodes["a:1"], [(0, 9), (20, 29)]);
        assert_eq!(nodes["here:2"], [(10, 19)]);
        assert_eq!(nodes.len(), 2);
        assert_eq!(understood(&Value::Array(Vec::new()), "here"), None);
        assert_eq!(understood(&Value::Nil, "here"), None);
    }

    #[test]
    fn a_node_that_was_cut_off_is_outvoted() {
        let old = understood(&Value::Array(vec![range(0, 9, "a", 1)]), "").unwrap();
        let new = understood(&Value::Array(vec![range(0, 9, "b", 1)]), "").unwrap();
        assert_eq!(most_frequent(&[old, new.clone(), new.clone()]), Some(new));
        assert_eq!(most_frequent(&[]), None);
    }
}
