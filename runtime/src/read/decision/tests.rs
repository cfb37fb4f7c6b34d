//! The decisions as a table of all that can be found, for every caller.

use std::time::Duration;

use cached_aside_protocol::entry::Refresh;

use super::*;
use crate::{function::staleness::Freshness, outcome::Loaded};

/// What is found, and what is done then by: a caller after its first look; a call that runs no body; a follower that is given
/// nothing, without and with a soft limit; a follower whose turn it is to lead (what it begins with); a leader with time to wait,
/// without a soft limit, before the soft limit, and at it; and a leader whose wait is over, in the same three cases.
///
/// Of an entry that is due for a refresh nobody has the right to refresh it (`free`), the last refresh failed a moment ago
/// (`rests`), or one runs (`runs`).
const TABLE: &str = "
    hit            | give       | hit    |            |            |        | give       | give       | give       | give       | give       | give
    early free     | revalidate | stale  |            |            |        | revalidate | revalidate | revalidate | revalidate | revalidate | revalidate
    early rests    | stale      | stale  |            |            |        | stale      | stale      | stale      | stale      | stale      | stale
    early runs     | stale      | stale  |            |            |        | stale      | stale      | stale      | stale      | stale      | stale
    stale free     | revalidate | stale  |            |            |        | revalidate | revalidate | revalidate | revalidate | revalidate | revalidate
    stale rests    | stale      | stale  |            |            |        | stale      | stale      | stale      | stale      | stale      | stale
    stale runs     | stale      | stale  |            |            |        | stale      | stale      | stale      | stale      | stale      | stale
    if error free  | join       | absent | load/stale | stale      | time   | elect      | elect      | elect      | elect      | elect      | elect
    if error rests | stale      | absent |            |            |        | stale      | stale      | stale      | stale      | stale      | stale
    if error runs  | join       | absent | load/stale | stale      | time   | wait       | wait soft  | stale      | load/stale | load/stale | stale
    needs time     | join       | absent | load       | load       | time   | look       | look       | look       | look       | look       | look
    vacant         | join       | absent | load       | load       | header | acquire    | acquire    | acquire    | acquire    | acquire    | acquire
    lease          | join       | absent | load       | load       | vacant | wait       | wait       | wait       | load       | load       | load
    bypass         | join       | absent | load       | load       | bypass | load       | load       | load       | load       | load       | load
";

const HEADER: Bytes = Bytes::from_static(b"header");

fn found(name: &str) -> Lookup<u8, u8> {
    let missing = match name {
        "hit" => return Lookup::Hit(Hit { value: Loaded::Value(1), bytes: Bytes::new(), age: None }),
        "needs time" => Missing::NeedsServerTime,
        "vacant" => Missing::Vacant(HEADER),
        "lease" => Missing::Lease,
        "bypass" => Missing::Bypass,
        stale => {
            let (freshness, refresh) = stale.rsplit_once(' ').unwrap();
            let freshness = match freshness {
                "early" => Freshness::EarlyRefresh,
                "stale" => Freshness::Stale,
                "if error" => Freshness::StaleIfError,
                other => panic!("{other}"),
            };
            let now = Duration::from_secs(100);
            let until = if refresh == "free" { now } else { now + Duration::from_millis(1) };
            let refresh = Refresh { runs: refresh == "runs", failures: 0, until };
            let (bytes, age) = (Bytes::new(), Duration::ZERO);
            return Lookup::Stale(StaleEntry { value: Some(1), bytes, freshness, refresh, now, age });
        }
    };
    missing.into()
}

fn caller(name: &str) -> &'static str {
    match after_first_look(found(name)) {
        CallerStep::Give(_) => "give",
        CallerStep::GiveStale(_) => "stale",
        CallerStep::Revalidate(_) => "revalidate",
        CallerStep::Join(_) => "join",
    }
}

fn cached(name: &str) -> &'static str {
    match only_cached(found(name)) {
        Cached::Hit(_) => "hit",
        Cached::Stale(_) => "stale",
        Cached::Absent => "absent",
    }
}

fn follower(name: &str, has_soft_limit: bool) -> &'static str {
    let CallerStep::Join(at_hand) = after_first_look(found(name)) else { return "" };
    match of_follower_without_result(at_hand, has_soft_limit) {
        FollowerStep::GiveStale(_) => "stale",
        FollowerStep::LoadUnstored(Some(_)) => "load/stale",
        FollowerStep::LoadUnstored(None) => "load",
    }
}

fn new_leader(name: &str) -> &'static str {
    let CallerStep::Join(at_hand) = after_first_look(found(name)) else { return "" };
    match of_new_leader(&at_hand) {
        Missing::NeedsServerTime => "time",
        Missing::Vacant(header) if header.is_empty() => "vacant",
        Missing::Vacant(header) => {
            assert_eq!(header, HEADER);
            "header"
        }
        Missing::Lease => "lease",
        Missing::Bypass => "bypass",
    }
}

fn leader(name: &str, clocks: Clocks) -> &'static str {
    match of_leader(found(name), clocks) {
        LeaderStep::Give(_) => "give",
        LeaderStep::GiveStale(_) => "stale",
        LeaderStep::Revalidate(_) => "revalidate",
        LeaderStep::WaitForChange(_, until) if until == clocks.patience => "wait",
        LeaderStep::WaitForChange(_, until) if Some(until) == clocks.soft => "wait soft",
        LeaderStep::WaitForChange(_, until) => panic!("{until:?} of {clocks:?}"),
        LeaderStep::Elect(_) => "elect",
        LeaderStep::Acquire(header) => {
            assert_eq!(header, HEADER);
            "acquire"
        }
        LeaderStep::LookWithTime => "look",
        LeaderStep::LoadUnstored(Some(_)) => "load/stale",
        LeaderStep::LoadUnstored(None) => "load",
    }
}

#[test]
fn what_is_done_about_everything_that_can_be_found() {
    let now = Instant::now();
    let (soon, later) = (now + Duration::from_millis(1), now + Duration::from_millis(2));
    let clocks = |patience, soft| Clocks { now, patience, soft };
    let mut rows = 0;
    for line in TABLE.lines().filter(|line| !line.trim().is_empty()) {
        let mut columns = line.split('|').map(str::trim);
        let name = columns.next().unwrap();
        let expected: Vec<&str> = columns.collect();
        let done = [
            caller(name),
            cached(name),
            follower(name, false),
            follower(name, true),
            new_leader(name),
            leader(name, clocks(later, None)),
            leader(name, clocks(later, Some(soon))),
            leader(name, clocks(later, Some(now))),
            leader(name, clocks(now, None)),
            leader(name, clocks(now, Some(soon))),
            leader(name, clocks(now, Some(now))),
        ];
        assert_eq!(done[..], expected, "{name}");
        rows += 1;
    }
    // Three states of an entry with three of its refresh, a hit, and four reasons why there is nothing.
    assert_eq!(rows, 3 * 3 + 1 + 4);
}

#[test]
fn a_leader_does_not_wait_for_its_soft_limit_longer_than_for_its_patience() {
    let now = Instant::now();
    let (soon, later) = (now + Duration::from_millis(1), now + Duration::from_millis(2));
    let clocks = Clocks { now, patience: soon, soft: Some(later) };
    assert_eq!(leader("if error runs", clocks), "wait");
}

#[test]
fn a_right_to_refresh_that_no_clock_could_have_given_is_over() {
    let Lookup::Stale(stale) = found("stale runs") else { unreachable!() };
    let hour = Duration::from_secs(3600);
    for (until, is_over) in [(stale.now + hour, false), (stale.now + hour + Duration::from_millis(1), true)] {
        let Lookup::Stale(mut stale) = found("stale runs") else { unreachable!() };
        stale.refresh.until = until;
        assert_eq!(stale.is_given_at_once(), !is_over);
    }
}
