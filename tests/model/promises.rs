//! With every mechanism at work the promises hold in every scene, and every scene is a busy one.

use crate::scene::Scene;
use crate::scenes;
use stateright::{Checker, Model};
use std::fmt::Debug;
use std::hash::Hash;
use std::io::Write as _;
use std::time::Instant;

/// Explores all of a scene.
fn holds(scene: Scene) {
    all_of(scene.name, scene);
}

/// What the search asks of a state.
pub(crate) trait Searched: Clone + Debug + Hash + PartialEq + Send + Sync {}

impl<S: Clone + Debug + Hash + PartialEq + Send + Sync> Searched for S {}

/// What it asks of a step.
pub(crate) trait Taken: Clone + Debug + PartialEq {}

impl<S: Clone + Debug + PartialEq> Taken for S {}

/// Explores all of a scene, and prints how large it was.
pub(crate) fn all_of<M>(name: &str, scene: M)
where
    M: Model<State: Searched, Action: Taken> + Send + Sync + 'static,
{
    let started = Instant::now();
    let run = scene.checker().threads(2).spawn_bfs().join();
    run.assert_properties();
    let (states, steps) = (run.unique_state_count(), run.max_depth());
    let seconds = started.elapsed().as_secs_f32();
    // Past the capture of the test runner: the size of a proof is part of it.
    let report = format!("model: {name}: {states} states, {steps} steps deep, {seconds:.1} s\n");
    std::io::stderr().write_all(report.as_bytes()).expect("the report is printed");
    assert!(states > 10_000, "the scene is too small to prove anything");
}

macro_rules! hold {
    ($($scene:ident),+ $(,)?) => {
        $(
            #[test]
            fn $scene() {
                holds(scenes::$scene());
            }
        )+
    };
}

hold!(
    calm,
    apart,
    expiries,
    crashes,
    crashes_apart,
    late_commands,
    late_fills,
    late_twice,
    late_and_dead,
    cancellations,
    everything,
    puts,
    puts_and_crashes,
    puts_unguarded,
    removes,
    unguarded,
    losses,
    lapses,
    outage,
    deliveries,
    refreshes,
    refreshes_in_trouble,
    refreshes_in_an_outage,
    refreshes_after_changes,
    anew,
    anew_in_trouble,
    anew_after_changes,
    anew_apart,
    anew_late,
    anew_loads,
    tags,
    tags_apart,
    tags_late,
    tags_and_crashes,
    tags_two,
    tags_together,
    tags_and_entry,
    tags_and_entry_late,
    tags_lost,
    tags_expiries,
    tags_refreshes,
    tags_anew,
    tags_found,
    lag,
);
