//! What nodes say of the slots of a cluster.

use std::collections::BTreeMap;

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ProtocolVersion, RedisError, Value,
};

use super::super::failure::explained;

/// Primaries by address, each with its ranges of slots, inclusive.
pub(super) type SlotRanges = BTreeMap<String, Vec<(u16, u16)>>;

pub(super) fn slots_command() -> Cmd {
    let mut slots_command = redis::cmd("CLUSTER");
    // Deprecated since 7.0 in favour of `SHARDS`, which older servers do not know.
    slots_command.arg("SLOTS");
    slots_command
}

/// Asks a seed over a connection that is closed afterwards; or why it says nothing.
pub(super) async fn fetch_from_seed(seed: &ConnectionInfo) -> Result<SlotRanges, String> {
    let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    // Whatever its URL says: a server that does not know `HELLO` says so with the login that came with it.
    let redis = seed.redis_settings().clone().set_protocol(ProtocolVersion::RESP2);
    let client = Client::open(seed.clone().set_redis_settings(redis)).map_err(|error| explained(&error))?;
    let connection = client.get_multiplexed_async_connection_with_config(&config).await;
    let mut connection = connection.map_err(|error| explained(&error))?;
    let answer = slots_command().query_async(&mut connection).await.map_err(|error| reason_of(&error))?;
    let host = host_of(seed).ok_or("it has no host")?;
    parse_slots(&answer, host).ok_or_else(|| "it knows no node that has slots".to_owned())
}

/// Why `CLUSTER SLOTS` failed.
fn reason_of(error: &RedisError) -> String {
    if error.detail().is_some_and(|detail| detail.contains("cluster support disabled")) {
        return format!("{error}; it is a server by itself: write `redis://…`");
    }
    error.to_string()
}

/// Parses the answer of `CLUSTER SLOTS`; `host` is the host that was asked.
pub(super) fn parse_slots(answer: &Value, host: &str) -> Option<SlotRanges> {
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

pub(super) fn most_frequent(answers: &[SlotRanges]) -> Option<SlotRanges> {
    let count = |nodes: &SlotRanges| answers.iter().filter(|other| *other == nodes).count();
    answers.iter().max_by_key(|nodes| count(nodes)).cloned()
}

pub(super) fn host_of(info: &ConnectionInfo) -> Option<&str> {
    match info.addr() {
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => Some(host),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use cached_aside_tests::RedisServer;
    use redis::IntoConnectionInfo;

    use super::*;

    #[tokio::test]
    async fn a_seed_is_spoken_to_in_resp2_whatever_its_url_says() {
        let server = RedisServer::builder().resp2().password("secret").start();
        let seed = (server.url() + "?protocol=resp3").into_connection_info().unwrap();
        let reason = fetch_from_seed(&seed).await.unwrap_err();
        assert!(reason.contains("it is a server by itself") && !reason.contains("secret"), "{reason}");
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
