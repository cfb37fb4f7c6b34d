//! The times of hits, loads and guards, as an exporter gets them.

use std::collections::BTreeMap;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use super::*;

#[tokio::test(start_paused = true)]
async fn the_times_of_hits_loads_and_guards_are_published() {
    let world = World::new();
    world.read(Body::Succeeds).await.unwrap();
    world.store().set("read", Gate::Slow);
    for _ in 0..2 {
        world.read(Body::Succeeds).await.unwrap();
    }
    world.store().set("read", Gate::Passes);
    world.store().set("guard", Gate::Slow);
    world.write(&SAVE, Body::Succeeds).await.unwrap();
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let published = || {
        metrics::with_local_recorder(&recorder, || world.cache.stats().publish());
        let histograms = snapshotter.snapshot().into_vec().into_iter().filter_map(|(key, _, _, value)| {
            let DebugValue::Histogram(times) = value else { return None };
            let labels: Vec<&str> = key.key().labels().map(metrics::Label::value).collect();
            let times =
                times.into_iter().map(|seconds| Duration::from_secs_f64(seconds.into_inner())).collect();
            Some((format!("{} {}", key.key().name(), labels.join(",")), times))
        });
        histograms.collect::<BTreeMap<String, Vec<Duration>>>()
    };
    let about = |time: Duration, expected: Duration| time.abs_diff(expected) <= expected / 8 + TICK;
    let times = published();
    let function = format!("{}::version", module_path!().trim_end_matches("::times"));
    for (name, number, expected) in [
        (format!("cached_aside_hit_seconds {function}"), 2, SLOW),
        (format!("cached_aside_load_seconds {function}"), 1, BODY),
        ("cached_aside_guard_seconds ".to_owned(), 1, SLOW),
    ] {
        let of_one = times.get(&name).unwrap_or_else(|| panic!("{name} in {times:?}"));
        assert_eq!(of_one.len(), number, "{name}: {of_one:?}");
        assert!(of_one.iter().all(|time| about(*time, expected)), "{name}: {of_one:?}");
    }
    let again = published();
    assert!(again.values().all(Vec::is_empty), "each time is published once: {again:?}");
}
