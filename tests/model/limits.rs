//! Where the promises end: each limit that the documentation names, and that it is really there.

use crate::history::Promise;
use crate::mutations::breaks;
use crate::scene::{Mechanism, Scene, Trouble, Write};
use crate::scenes;

#[test]
fn a_lost_guard_costs_p2() {
    breaks(Scene { promises: &[Promise::Monotonic], ..scenes::losses() }, Promise::Monotonic);
}

#[test]
fn a_guard_that_lapses_under_its_writer_costs_p2() {
    breaks(Scene { promises: &[Promise::Monotonic], ..scenes::lapses() }, Promise::Monotonic);
}

/// The second step deletes what was stored meanwhile, so that P1 falls only if it does not arrive.
#[test]
fn a_lapsed_guard_and_a_late_release_cost_p1() {
    let trouble = Trouble { lapses: 1, timeouts: 1, ..Trouble::NONE };
    let scene = Scene { name: "lapsed and late", trouble, writes: vec![Write::by(1)], ..scenes::lapses() };
    breaks(scene, Promise::ReadsSeeWrites);
}

#[test]
fn guard_off_costs_p2() {
    breaks(Scene { promises: &[Promise::Monotonic], ..scenes::unguarded() }, Promise::Monotonic);
}

#[test]
fn a_best_effort_write_in_an_outage_costs_p1_elsewhere() {
    let promises = &[Promise::ReadsSeeWrites];
    let scene = Scene { name: "outage elsewhere", readers: &[0, 1], promises, ..scenes::outage() };
    breaks(scene, Promise::ReadsSeeWrites);
}

#[test]
fn a_statement_that_outlives_the_guard_of_its_dead_caller_costs_p3() {
    breaks(scenes::crashes().without(Mechanism::StatementsEnd), Promise::CrashSafe);
}

/// `settle` keeps old values out of the cache; a body that reads the lagging replica still sees them.
#[test]
fn a_lagging_origin_costs_p1_of_its_own_reads() {
    breaks(Scene { promises: &[Promise::ReadsSeeWrites], ..scenes::lag() }, Promise::ReadsSeeWrites);
}
