//! Why a guard was confirmed by fewer replicas than required.

use std::time::Duration;

use super::connection::NodeConnection;

/// The reason, as text.
pub(super) async fn unconfirmed(
    node: &NodeConnection,
    confirmed: i64,
    replicas: u8,
    within: Duration,
) -> String {
    let reason = format!("{confirmed} of {replicas} replicas confirmed the guard within {within:?}");
    // A user that may not run `INFO` gets only the first part.
    let info = node.call_write::<String>(redis::cmd("INFO").arg("replication")).await.ok();
    let connected = info.as_deref().and_then(connected);
    match connected.filter(|connected| *connected < u64::from(replicas)) {
        Some(connected) => format!(
            "{reason}: {connected} are connected to the server; connect as many as `wait_replicas` says, or lower it"
        ),
        None => reason,
    }
}

fn connected(info: &str) -> Option<u64> {
    info.lines().find_map(|line| line.strip_prefix("connected_slaves:"))?.trim().parse().ok()
}
