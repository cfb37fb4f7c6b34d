//! `watch`: entries as they change.

use std::time::Duration;

use cached_aside::inspect::is_published;
use cached_aside::redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ProtocolVersion, PushInfo, PushKind, Value,
    aio::MultiplexedConnection, cmd,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use wildmatch::WildMatch;

use crate::{
    entry::Entry,
    failure::Failure,
    output::{self, shown},
    servers::Connected,
};

/// How long between attempts to connect to a server that went away.
const AGAIN: Duration = Duration::from_secs(1);

/// Shows the entries that match, each time that they change, until the program is interrupted.
pub(crate) async fn watch(at: &Connected, pattern: &str, as_json: bool) -> Result<bool, Failure> {
    let prefix = at.servers.prefix();
    let (sender, mut pushes) = unbounded_channel();
    // Each tells of changes for as long as it is open.
    let mut connections = Vec::new();
    for info in at.servers.infos().await {
        connections.push(listen(info, &prefix, sender.clone()).await.map_err(Failure::NoChanges)?);
    }
    if !as_json {
        eprintln!("watching {} server(s); interrupt it to end", connections.len());
        output::line(format!("{:<8}  {}", "UTC", Entry::heads()))?;
    }
    let matches = WildMatch::new(pattern);
    loop {
        let interrupted = tokio::signal::ctrl_c();
        let push: PushInfo = tokio::select! {
            push = pushes.recv() => match push { Some(push) => push, None => return Ok(true) },
            _ = interrupted => return Ok(true),
        };
        match push.kind {
            // `FLUSHALL` or `FLUSHDB`.
            PushKind::Invalidate if push.data.contains(&Value::Nil) => {
                if as_json {
                    output::json_line(&serde_json::json!({ "key": null, "state": "flushed" }))?;
                } else {
                    output::line(format!("{}  flushed    every key of a server is gone", clock()))?;
                }
            }
            PushKind::Invalidate => {
                let keys = keys(&push.data, &prefix, &matches);
                show(at, &keys, as_json).await?;
            }
            PushKind::Disconnection => {
                eprintln!("the connection to a server was closed; connecting again");
                drop(connections);
                connections = again(at, &prefix, &sender, &mut pushes).await;
            }
            _ => {}
        }
    }
}

/// A connection that is told of each change of a key with this prefix.
pub(crate) async fn listen(
    info: ConnectionInfo,
    prefix: &str,
    pushes: UnboundedSender<PushInfo>,
) -> Result<MultiplexedConnection, String> {
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let client = Client::open(info.set_redis_settings(settings)).map_err(|error| error.to_string())?;
    let config = AsyncConnectionConfig::new().set_push_sender(pushes);
    let connect = client.get_multiplexed_async_connection_with_config(&config);
    let mut connection = connect.await.map_err(|error| error.to_string())?;
    let tracking = cmd("CLIENT").arg("TRACKING").arg("ON").arg("BCAST").arg("PREFIX").arg(prefix).clone();
    tracking.exec_async(&mut connection).await.map_err(|error| error.to_string())?;
    Ok(connection)
}

/// Connects to all servers again, as often as it takes.
async fn again(
    at: &Connected,
    prefix: &str,
    sender: &UnboundedSender<PushInfo>,
    pushes: &mut UnboundedReceiver<PushInfo>,
) -> Vec<MultiplexedConnection> {
    loop {
        tokio::time::sleep(AGAIN).await;
        let mut connections = Vec::new();
        let mut failed = false;
        for info in at.servers.infos().await {
            match listen(info, prefix, sender.clone()).await {
                Ok(connection) => connections.push(connection),
                Err(_) => failed = true,
            }
        }
        if !failed && !connections.is_empty() {
            // What the old connections said meanwhile, their ends among it.
            while pushes.try_recv().is_ok() {}
            eprintln!("connected again; what changed meanwhile was missed");
            return connections;
        }
    }
}

/// The keys that a push names and that match.
fn keys(data: &[Value], prefix: &str, matches: &WildMatch) -> Vec<String> {
    let keys = data.iter().flat_map(|value| match value {
        Value::Array(keys) => keys.as_slice(),
        _ => &[],
    });
    let texts = keys.filter_map(|key| match key {
        Value::BulkString(key) => std::str::from_utf8(key).ok()?.strip_prefix(prefix),
        _ => None,
    });
    texts.filter(|key| matches.matches(key) && !is_published(key)).map(str::to_owned).collect()
}

async fn show(at: &Connected, keys: &[String], as_json: bool) -> Result<(), Failure> {
    let entries = match at.entries(keys).await {
        Ok(entries) => entries,
        Err(error) => {
            eprintln!("{error}");
            return Ok(());
        }
    };
    for key in keys {
        let entry = entries.iter().find(|entry| entry.key == *key);
        if as_json {
            let gone = || serde_json::json!({ "key": key, "state": "absent" });
            output::json_line(&entry.map_or_else(gone, Entry::to_json))?;
        } else {
            let row = entry.map_or_else(|| format!("{:<9} {:>43} {}", "gone", "", shown(key)), Entry::row);
            output::line(format!("{}  {row}", clock()))?;
        }
    }
    Ok(())
}

/// The time of day, UTC.
fn clock() -> String {
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("{:02}:{:02}:{:02}", now / 3600 % 24, now / 60 % 60, now % 60)
}
