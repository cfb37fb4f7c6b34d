//! What the nemesis does in its classes.

use std::time::{Duration, Instant};

use cached_aside_tests::chaos::{
    class::Class,
    nemesis::{Act, Nemesis},
};

/// What a nemesis does in a thousand turns, one after the other.
fn acts(class: Class) -> Vec<Act> {
    let mut now = Instant::now();
    let mut nemesis = Nemesis::new(1, class, 3, now);
    let mut next = || {
        now += nemesis.pause();
        nemesis.act(now)
    };
    (0..1_000).filter_map(|_| next()).collect()
}

#[test]
fn processes_pause_for_up_to_two_seconds_and_redis_is_left_alone() {
    let acts = acts(Class::Pauses);
    let pauses = acts.iter().filter_map(|act| match act {
        Act::Stop(_, time) => Some(*time),
        Act::Kill(_) | Act::ScriptFlush => None,
        other => panic!("{other}"),
    });
    let pauses: Vec<Duration> = pauses.collect();
    let range = Duration::from_millis(200)..=Duration::from_secs(2);
    assert!(pauses.len() > 50 && pauses.iter().all(|pause| range.contains(pause)), "{pauses:?}");
    assert!(pauses.iter().any(|pause| *pause > Duration::from_millis(1_500)), "{pauses:?}");
}

#[test]
fn a_server_is_killed_and_stopped_again_and_again() {
    let acts = acts(Class::Restarts);
    let count = |is: fn(&Act) -> bool| acts.iter().filter(|act| is(act)).count();
    let restarts = count(|act| matches!(act, Act::Restart(_)));
    let stops = count(|act| matches!(act, Act::StopRedis(_)));
    assert!(restarts > 10 && stops > 5, "{restarts} restarts, {stops} stops");
}

#[test]
fn entries_are_lost_while_there_are_copies_of_them() {
    let acts = acts(Class::LostCopies);
    let count = |is: fn(&Act) -> bool| acts.iter().filter(|act| is(act)).count();
    let (evicted, flushed) =
        (count(|act| matches!(act, Act::Evict(_))), count(|act| matches!(act, Act::FlushAll)));
    assert!(evicted > 20 && flushed > 5, "{evicted} evictions, {flushed} flushes");
}
