//! The scenarios, and what became of them.

use std::time::Duration;

use super::{
    batches::{batches, batches_in_trouble, tagged_batches, tagged_batches_in_trouble},
    scenario::{
        EARLY, GUARD_FOR, IN_BACKGROUND, KEEPS, PAST_A_LEASE, Promise, REVALIDATES, Scenario, change, read,
        refresh, transaction, transaction_of_result, update, write,
    },
    search::{Report, Schedule, Violation, replay, search},
    tagged::{tagged, tagged_in_trouble},
};

/// A little longer than an impatient call waits for the store.
const PAST_THE_TIMEOUT: Duration = Duration::from_millis(260);
/// A little longer than a guard.
const PAST_A_GUARD: Duration = GUARD_FOR.saturating_add(Duration::from_millis(10));

/// Calls of one process.
fn one_process() -> Vec<Scenario> {
    vec![
        Scenario::new("read-read", [read(), read()]),
        Scenario::new("read-read-cached", [read(), read()]).cached(),
        Scenario::new("read-write", [read(), write()]),
        Scenario::new("read-write-cached", [read(), write()]).cached(),
        Scenario::new("write-write", [write(), write()]),
        Scenario::new("write-write-cached", [write(), write()]).cached(),
        Scenario::new("read-read-write", [read(), read(), write()]),
        Scenario::new("read-read-write-cached", [read(), read(), write()]).cached(),
        Scenario::new("read-write-read", [read(), write(), read().after(1)]),
        Scenario::new("read-write-read-cached", [read(), write(), read().after(1)]).cached(),
        Scenario::new("read-write-write", [read(), write(), write()]),
        Scenario::new("read-write-write-cached", [read(), write(), write()]).cached(),
    ]
}

/// Calls of two processes with one store.
fn two_processes() -> Vec<Scenario> {
    vec![
        Scenario::new("processes-read-read", [read(), read().elsewhere()]),
        Scenario::new("processes-read-write", [read(), write().elsewhere()]),
        Scenario::new("processes-read-write-cached", [read(), write().elsewhere()]).cached(),
        Scenario::new("processes-read-read-write", [read(), read().elsewhere(), write()]),
        Scenario::new("processes-read-write-read", [read(), write(), read().elsewhere().after(1)]),
    ]
}

/// Bodies that fail, and functions without a guard or with a strict one.
fn other_functions() -> Vec<Scenario> {
    vec![
        Scenario::new("failing-read", [read().fails(), read(), read()]).in_order(),
        Scenario::new("failing-read-write", [read().fails(), write(), read().after(1)]),
        Scenario::new("failing-write", [read(), write().fails(), read().after(1)]),
        Scenario::new("failing-write-cached", [read(), write().fails(), read().after(1)]).cached(),
        Scenario::new("unguarded", [read(), write().unguarded(), read().after(1)])
            .promising(Promise::ReadsSeeWrites),
        Scenario::new("unguarded-cached", [read(), write().unguarded(), read().after(1)])
            .cached()
            .promising(Promise::ReadsSeeWrites),
        Scenario::new("unguarded-unguarded", [read(), write().unguarded(), write().unguarded()])
            .promising(Promise::ReadsSeeWrites),
        Scenario::new("unguarded-guarded", [read(), write(), write().unguarded()])
            .promising(Promise::ReadsSeeWrites),
        Scenario::new("required", [write().required(), read()]).cached().faults(1),
    ]
}

/// Calls that are dropped anywhere.
fn cancelled() -> Vec<Scenario> {
    vec![
        Scenario::new("cancelled-leader", [read().cancellable(), read().during(0), write().during(0)])
            .in_order()
            .cancels(1),
        Scenario::new("cancelled-read", [read().cancellable(), write(), read().after(1)]).cancels(1),
        Scenario::new("cancelled-follower", [read(), read().cancellable().during(0), read().during(0)])
            .cancels(1),
        Scenario::new("cancelled-write", [read(), write().cancellable().during(0), read().after(1)])
            .cancels(1),
        Scenario::new("cancelled-write-cached", [write().cancellable(), read()]).cached().cancels(1),
        Scenario::new("cancelled-write-write", [write().cancellable(), write()]).cached().cancels(1),
        Scenario::new("processes-cancelled-read", [read().cancellable(), read().elsewhere()]).cancels(1),
    ]
}

/// Commands that are lost or come late, and calls that the store does not answer.
fn faults() -> Vec<Scenario> {
    vec![
        Scenario::new("fault-read-read", [read(), read()]).faults(1),
        Scenario::new("fault-read-write", [read(), write()]).faults(1),
        Scenario::new("fault-read-write-cached", [read(), write()]).cached().faults(1),
        Scenario::new("faults-write-read-cached", [write(), read().after(0)]).cached().faults(2),
        Scenario::new("fault-read-write-read", [read(), write().during(0), read().after(1)]).faults(1),
        Scenario::new("processes-fault-read-read", [read(), read().elsewhere()]).faults(1),
        Scenario::new("cut-off-read", [read().cut_off(), write(), read().after(0)]).cached(),
        Scenario::new("cut-off-read-cold", [read().cut_off(), write(), read().after(0)]),
        Scenario::new("cut-off-write", [read(), write().cut_off(), read().after(1)]),
        Scenario::new("cut-off-write-cached", [read(), write().cut_off(), read().after(1)]).cached(),
        Scenario::new("cut-off-write-delivery", [read(), write().cut_off(), read().after(1)])
            .cached()
            .pause(Duration::from_millis(100)),
    ]
}

/// Leases and guards that end too early, and processes that die.
fn ends() -> Vec<Scenario> {
    vec![
        Scenario::new("lease-ends", [read(), write().during(0)]).pause(PAST_A_LEASE),
        Scenario::new("lease-ends-read", [read(), read().elsewhere().during(0)]).pause(PAST_A_LEASE),
        Scenario::new("impatient", [read(), write().during(0)]).pause(PAST_THE_TIMEOUT).impatient(),
        Scenario::new("impatient-cached", [read(), write()]).cached().pause(PAST_THE_TIMEOUT).impatient(),
        Scenario::new("guard-ends", [write(), read().during(0)])
            .pause(PAST_A_GUARD)
            .promising(Promise::ReadsSeeWrites),
        Scenario::new("death-of-a-leader", [read(), read().elsewhere()]).death(),
        Scenario::new("death-of-a-reader", [read(), write().elsewhere()]).death(),
        Scenario::new("death-among-writers", [write(), write().elsewhere(), read().elsewhere().after(1)])
            .death(),
        Scenario::new("death-of-a-writer", [write(), read().elsewhere(), read().elsewhere().after(1)])
            .cached()
            .death(),
    ]
}

/// Writes that leave their version behind.
fn updates() -> Vec<Scenario> {
    vec![
        Scenario::new("update-read", [read(), update(), read().after(1)]),
        Scenario::new("update-read-cached", [read(), update(), read().after(1)]).cached(),
        Scenario::new("update-update", [update(), update(), read().after(0)]),
        Scenario::new("update-write", [update(), write(), read().after(0)]),
        Scenario::new("update-unguarded", [update(), write().unguarded(), read().after(1)])
            .cached()
            .promising(Promise::ReadsSeeWrites),
        Scenario::new("processes-update-read", [update(), read().elsewhere(), read().elsewhere().after(0)]),
        Scenario::new("processes-update-update", [update(), update().elsewhere(), read().after(1)]),
        Scenario::new("failing-update", [update().fails(), read(), read().after(0)]).cached(),
        Scenario::new("cancelled-update", [update().cancellable(), read()]).cached().cancels(1),
        Scenario::new("fault-update", [update(), read().after(0)]).cached().faults(1),
        Scenario::new("fault-update-update", [update(), update(), read().after(0)]).in_order().faults(1),
        Scenario::new("cut-off-update", [update().cut_off(), update(), read().after(0)]),
        Scenario::new("update-guard-ends", [update(), read().during(0)])
            .pause(PAST_A_GUARD)
            .promising(Promise::ReadsSeeWrites),
        Scenario::new("death-of-an-update", [update(), read().elsewhere(), read().elsewhere().after(1)])
            .cached()
            .death(),
    ]
}

/// Transactions, whose commit comes after the annotated write inside of them has returned.
fn transactions() -> Vec<Scenario> {
    vec![
        Scenario::new("transaction-read", [transaction(), read(), read().after(0)]),
        Scenario::new("transaction-read-cached", [transaction(), read(), read().after(0)]).cached(),
        Scenario::new("transaction-of-result", [transaction_of_result(), read(), read().after(0)]).cached(),
        Scenario::new("transaction-write", [transaction(), write(), read().after(0)]),
        Scenario::new("transaction-transaction", [transaction(), transaction_of_result()]).cached(),
        Scenario::new("transaction-update", [transaction(), update(), read().after(0)]).cached(),
        Scenario::new("failing-transaction", [transaction().fails(), read(), read().after(0)]).cached(),
        Scenario::new("cancelled-transaction", [transaction().cancellable(), read()]).cached().cancels(1),
        Scenario::new("fault-transaction", [transaction(), read().after(0)]).cached().faults(1),
        Scenario::new(
            "processes-transaction",
            [transaction(), read().elsewhere(), read().elsewhere().after(0)],
        ),
        Scenario::new(
            "death-of-a-transaction",
            [transaction(), read().elsewhere(), read().elsewhere().after(1)],
        )
        .cached()
        .death(),
    ]
}

/// A write that the store does not answer, while others load.
fn bypassing() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "cut-off-write-reads",
            [read(), read().during(0), write().cut_off().after(0), read().after(2)],
        ),
        Scenario::new(
            "processes-cut-off-write",
            [read(), read().elsewhere(), write().cut_off().during(1), read().after(2)],
        )
        .promising(Promise::InOneProcess),
    ]
}

/// Values that are stale, or soon will be.
fn refreshes() -> Vec<Scenario> {
    vec![
        Scenario::new("stale-read-write", [read(), write()]).old(&REVALIDATES),
        Scenario::new("stale-read-read", [read(), read()]).old(&REVALIDATES),
        Scenario::new("stale-read-write-read", [read(), write(), read().after(1)]).old(&REVALIDATES),
        Scenario::new("stale-read-read-write", [read(), read(), write()]).old(&REVALIDATES),
        Scenario::new("stale-unguarded", [read(), write().unguarded(), read().after(1)])
            .old(&REVALIDATES)
            .promising(Promise::ReadsSeeWrites),
        Scenario::new("stale-update", [read(), update(), read().after(1)]).old(&REVALIDATES),
        Scenario::new("processes-stale", [read(), read().elsewhere(), write()]).old(&REVALIDATES),
        Scenario::new("kept-read-read", [read(), read()]).old(&KEEPS),
        Scenario::new("kept-read-write-read", [read(), write(), read().after(1)]).old(&KEEPS),
        Scenario::new("kept-failing-write-read", [read().fails(), write(), read().after(1)]).old(&KEEPS),
        Scenario::new("kept-failing-read", [read().fails(), read().during(0), read().during(0)])
            .old(&KEEPS)
            .in_order(),
        Scenario::new("processes-kept", [read().fails(), read().elsewhere(), write()]).old(&KEEPS),
        Scenario::new("background-read-write-read", [read(), write(), read().after(1)]).old(&IN_BACKGROUND),
        Scenario::new("background-failing-write", [read().fails(), write()]).old(&IN_BACKGROUND),
        Scenario::new("early-read-write-read", [read(), write(), read().after(1)]).old(&EARLY),
        Scenario::new("early-read-read", [read(), read()]).old(&EARLY),
    ]
}

/// Calls that load anew, whatever is there.
fn anew() -> Vec<Scenario> {
    vec![
        Scenario::new("anew-read", [refresh(), read()]),
        Scenario::new("anew-read-cached", [refresh(), read()]).cached(),
        Scenario::new("anew-write-read", [refresh(), write(), read().after(1)]).cached(),
        Scenario::new("anew-write-read-cold", [refresh(), write(), read().after(1)]),
        Scenario::new("anew-anew-write", [refresh(), refresh(), write()]).cached(),
        Scenario::new("read-anew-write", [read(), refresh(), write()]),
        Scenario::new("processes-anew-read", [refresh(), read().elsewhere(), write()]),
        Scenario::new("processes-anew-anew", [refresh(), refresh().elsewhere(), write()]).cached(),
        Scenario::new("failing-anew", [refresh().fails(), write()]).cached(),
        Scenario::new("anew-update", [refresh(), update(), read().after(1)]).cached(),
        Scenario::new("stale-anew", [refresh(), write()]).old(&REVALIDATES),
        Scenario::new("kept-anew", [refresh(), read()]).old(&KEEPS),
        Scenario::new("cancelled-anew", [refresh().cancellable(), write()]).cached().cancels(1),
        Scenario::new("fault-anew", [refresh(), write()]).cached().faults(1),
        Scenario::new("cut-off-anew", [refresh().cut_off(), write(), read().after(1)]).cached(),
        Scenario::new("anew-ends", [refresh(), write().during(0)]).cached().pause(PAST_A_LEASE),
        Scenario::new("death-of-an-anew", [refresh(), write().elsewhere()]).cached().death(),
    ]
}

/// Calls that load anew after a change that nobody announced.
fn anew_after_changes() -> Vec<Scenario> {
    let scenarios = vec![
        Scenario::new("change-anew-read", [refresh(), change(), read().after(0)]).cached(),
        Scenario::new("change-anew-read-cold", [refresh(), change(), read().after(0)]),
        Scenario::new("change-read-anew", [read(), change().during(0), refresh().after(1)]),
        Scenario::new("change-anew-anew", [refresh(), refresh(), change(), read().after(0)]).cached(),
        Scenario::new(
            "processes-change-anew-read",
            [refresh(), read().elsewhere(), change(), read().after(0)],
        ),
        Scenario::new(
            "processes-change-anew-anew",
            [refresh(), refresh().elsewhere(), change(), read().after(0)],
        )
        .in_order(),
        Scenario::new(
            "processes-change-anew-anew-cached",
            [refresh(), refresh().elsewhere(), change(), read().after(0)],
        )
        .cached()
        .in_order(),
        Scenario::new("change-anew-write", [refresh(), write(), change(), read().after(0)])
            .cached()
            .in_order(),
    ];
    scenarios.into_iter().map(|scenario| scenario.promising(Promise::LoadedAnew)).collect()
}

/// The same in trouble.
fn refreshes_in_trouble() -> Vec<Scenario> {
    vec![
        Scenario::new("stale-cancelled", [read().cancellable(), write(), read().after(1)])
            .old(&REVALIDATES)
            .cancels(1),
        Scenario::new("kept-cancelled", [read().cancellable(), read().during(0)]).old(&KEEPS).cancels(1),
        Scenario::new("stale-fault", [read(), write()]).old(&REVALIDATES).faults(1),
        Scenario::new("kept-fault", [read(), read()]).old(&KEEPS).faults(1),
        Scenario::new("stale-cut-off-write", [read(), write().cut_off(), read().after(1)]).old(&REVALIDATES),
        Scenario::new("refresh-ends", [read(), write().during(0)]).old(&REVALIDATES).pause(PAST_A_LEASE),
        Scenario::new("refresh-ends-read", [read(), read().elsewhere().during(0)])
            .old(&REVALIDATES)
            .pause(PAST_A_LEASE),
        Scenario::new("death-of-a-refresher", [read(), read().elsewhere(), write().elsewhere()])
            .old(&REVALIDATES)
            .death(),
        Scenario::new("death-of-a-reloader", [read(), read().elsewhere()]).old(&KEEPS).death(),
        Scenario::new("death-in-the-background", [read(), write().elsewhere(), read().elsewhere().after(1)])
            .old(&IN_BACKGROUND)
            .death(),
    ]
}

fn all() -> Vec<Scenario> {
    let calls = [one_process(), two_processes(), other_functions(), cancelled(), faults(), ends()].concat();
    [
        calls,
        transactions(),
        batches(),
        batches_in_trouble(),
        bypassing(),
        updates(),
        anew(),
        anew_after_changes(),
        refreshes(),
        refreshes_in_trouble(),
        tagged(),
        tagged_in_trouble(),
        tagged_batches(),
        tagged_batches_in_trouble(),
    ]
    .concat()
}

/// Runs all schedules of these scenarios.
pub(super) fn hold(scenarios: Vec<Scenario>) -> Vec<(&'static str, Report)> {
    let mut reports = Vec::new();
    for scenario in scenarios {
        match search(&scenario, true) {
            Ok(report) => {
                println!("{:<28} {report}", scenario.name);
                reports.push((scenario.name, report));
            }
            Err(violation) => {
                let (name, schedule) = (scenario.name, &violation.schedule);
                let Violation { why, .. } = &violation;
                panic!("{name}: {why}\nSCHEDULE={name}:{schedule}\n{}", replay(&scenario, schedule));
            }
        }
    }
    reports
}

#[test]
fn calls_of_one_process() {
    hold(one_process());
}

#[test]
fn calls_of_two_processes() {
    hold(two_processes());
}

#[test]
fn functions_of_other_kinds() {
    hold(other_functions());
}

#[test]
fn calls_that_are_cancelled() {
    hold(cancelled());
}

#[test]
fn commands_that_are_lost() {
    hold(faults());
}

#[test]
fn keys_on_the_recovery_list_are_left_alone() {
    hold(bypassing());
}

#[test]
fn writes_that_leave_their_value() {
    hold(updates());
}

#[test]
fn transactions_that_commit_after_their_writes() {
    hold(transactions());
}

#[test]
fn calls_that_load_anew() {
    hold(anew());
}

#[test]
fn calls_that_load_anew_what_others_have_changed() {
    hold(anew_after_changes());
}

#[test]
fn leases_guards_and_processes_that_end() {
    hold(ends());
}

#[test]
fn batches_of_two_keys() {
    hold(batches());
}

#[test]
fn batches_of_two_keys_in_trouble() {
    hold(batches_in_trouble());
}

#[test]
fn values_that_are_refreshed() {
    hold(refreshes());
}

#[test]
fn refreshes_that_are_lost() {
    hold(refreshes_in_trouble());
}

/// What is left out has been seen: without leaving anything out there are as many schedules, and they come to the same.
#[test]
fn nothing_is_left_out() {
    for scenario in [
        Scenario::new("read-read", [read(), read()]),
        Scenario::new("read-write-cached", [read(), write()]).cached(),
        Scenario::new("write-write", [write(), write()]),
        Scenario::new("write-cancelled-read", [write(), read().cancellable()]).cached().cancels(1),
        Scenario::new("fault-write-read", [write(), read().after(0)]).cached().faults(1),
        Scenario::new("processes-read-read", [read(), read().elsewhere().during(0)]),
    ] {
        let skipping = search(&scenario, true).expect("every promise is kept");
        let all = search(&scenario, false).expect("every promise is kept");
        assert_eq!(all.schedules, all.runs as u128, "{}", scenario.name);
        assert_eq!(skipping.schedules, all.schedules, "{}", scenario.name);
        assert_eq!(skipping.outcomes, all.outcomes, "{}", scenario.name);
    }
}

/// Shows the schedule that the environment names.
#[test]
fn replays() {
    let Ok(text) = std::env::var("SCHEDULE") else { return };
    let (name, schedule) = text.split_once(':').expect("a scenario, a colon, a schedule");
    let schedule: Schedule = schedule.parse().expect("numbers with `-` between them");
    let scenario = all().into_iter().find(|scenario| scenario.name == name).expect("the name of a scenario");
    println!("{}", replay(&scenario, &schedule));
}
