//! Why a guard was confirmed by fewer replicas than required.

use std::time::Duration;

/// The reason, as text. `info` is what `INFO replication` answered; a user that may not run it gets only the first part.
pub(super) fn unconfirmed(confirmed: i64, replicas: u8, within: Duration, info: Option<&str>) -> String {
    let reason = format!("{confirmed} of {replicas} replicas confirmed the guard within {within:?}");
    let connected = info.and_then(connected);
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
