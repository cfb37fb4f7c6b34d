use super::*;

/// A deadline that far away would panic when it is added to the time.
#[test]
fn no_time_is_longer_than_a_clock_can_count_to() {
    let function = || ReadFunction::declare("module", "load", "key", Duration::from_secs(1));
    for forever in [
        (|f| f.wait(Duration::MAX)) as fn(ReadFunction) -> ReadFunction,
        |f| f.soft_limit(Duration::MAX),
        |f| f.hard_limit(Duration::MAX),
    ] {
        let function = std::panic::AssertUnwindSafe(function());
        assert!(std::panic::catch_unwind(|| forever({ function }.0)).is_err());
    }
    let longest = function().wait(MAX_TTL).soft_limit(MAX_TTL);
    assert!(std::time::Instant::now().checked_add(longest.settings.wait).is_some());
}

#[test]
fn defaults() {
    static READ: ReadFunction = ReadFunction::declare("module", "load", "key", Duration::from_secs(1));
    let ReadSettings { jitter_per_mille, lease, wait, none_ttl, .. } = READ.settings;
    assert_eq!((jitter_per_mille, none_ttl), (100, None));
    assert_eq!((lease, wait), (Duration::from_secs(1), Duration::from_secs(5)));
    assert!(READ.settings.file.ends_with("function/read/tests.rs"));
}
