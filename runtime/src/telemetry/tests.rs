//! What `Stats` prints, and how functions are told apart in it.

use super::*;

#[test]
fn stats_print_a_line_a_function_a_line_a_server_and_one_of_writes() {
    assert_eq!(Stats::default().to_string(), "writes: none");
    let mut stats = Stats {
        writes: 7,
        invalidated: 9,
        guards_failed: 2,
        guards_lost: 1,
        writes_refused: 3,
        undelivered: 6,
        delivered: 4,
        recovering: 2,
        ..Stats::default()
    };
    stats.functions.insert("app::load".to_owned(), Counts { hits: 5, loads: 1, ..Counts::default() });
    let down = NodeState::Down { reason: "connection refused".to_owned(), since: Instant::now() };
    for (address, state, outages, in_flight) in [("a:1", NodeState::Up, 0, 0), ("b:2", down, 2, 1)] {
        stats.nodes.push(Node { address: address.to_owned(), state, outages, in_flight });
    }
    assert_eq!(
        stats.to_string(),
        "app::load: hits=5 loads=1\n\
         server a:1: up\n\
         server b:2: down for 0 s (connection refused), outages=2 in_flight=1\n\
         writes: writes=7 invalidated=9 guards_failed=2 guards_lost=1 writes_refused=3 undelivered=6 delivered=4 \
         recovering=2"
    );
}

#[test]
fn functions_of_one_path_are_counted_apart() {
    static ONE: ReadFunction = ReadFunction::declare("app::apart", "load", "one", Duration::from_secs(1));
    static OTHER: ReadFunction = ReadFunction::declare("app::apart", "load", "other", Duration::from_secs(1));
    let table = CounterTable::new();
    table.of(&ONE).hits.add(1);
    table.of(&OTHER).hits.add(2);
    let stats = table.read();
    let hits: Vec<u64> = stats.functions.values().map(|counts| counts.hits).collect();
    assert_eq!(hits, [1, 2], "{stats}");
    assert!(stats.functions.keys().all(|name| name.starts_with("app::apart::load")), "{stats}");
    assert_eq!(stats.function("load").hits, 3, "the name alone means both");
    assert_eq!(stats.function("app::apart::load").hits, 3, "and so does the path");
}
