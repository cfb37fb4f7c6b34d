//! How long a guard waits for replicas, and why it was confirmed by fewer than required.

use std::time::Duration;

/// The longest pause between two looks of a server at waits that are over (`hz 10`).
const PAUSE: Duration = Duration::from_millis(100);

/// How long a server may wait for its replicas, so that its answer, with the reason if they don't confirm, is there in time. It looks for
/// waits that are over when it has something else to do, and ten times a second.
pub(super) fn longest_wait(left: Duration) -> Duration {
    left.saturating_sub(PAUSE).mul_f64(0.75).max(left / 4)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_confirmation_is_there_in_time() {
        for limit in [200, 250, 1_000, 60_000].map(Duration::from_millis) {
            let answered = longest_wait(limit) + PAUSE;
            assert!(answered <= limit.mul_f64(0.9), "{answered:?} of {limit:?}");
        }
        let short = Duration::from_millis(40);
        assert_eq!(longest_wait(short), Duration::from_millis(10), "replicas have some time to confirm");
    }
}
