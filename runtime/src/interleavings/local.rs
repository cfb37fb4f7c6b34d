//! Scenarios of a process that keeps local copies: it has asked for the key twice, so that it registers one while the others go on.

use super::{
    scenario::{Call, KEEPS_COPIES, KEY, Promise, Scenario, read, refresh, transaction, update, write},
    scenarios::hold,
    search::KINDS,
};

/// What follows on two reads of the process that keeps copies. Calls are numbered from 2 on.
fn copied<const N: usize>(name: &'static str, calls: [Call; N]) -> Scenario {
    copied_after([read(), read().after(0)], name, calls)
}

fn copied_after<const N: usize>(hot: [Call; 2], name: &'static str, calls: [Call; N]) -> Scenario {
    let later = calls.map(|call| if call.after.is_none() { call.after(1) } else { call });
    let calls: Vec<Call> = hot.into_iter().chain(later).collect();
    Scenario::of(name, &calls).old(&KEEPS_COPIES)
}

fn local() -> Vec<Scenario> {
    let after = || read().after(2);
    vec![
        copied("local-read-write", [write(), read()]),
        copied("local-write-elsewhere", [write().elsewhere(), read(), after()]),
        copied("local-read-elsewhere", [write(), read(), read().elsewhere().during(2)]),
        copied("local-update", [update().elsewhere(), read(), after()]),
        copied("local-unguarded", [write().elsewhere().unguarded(), read(), after()])
            .promising(Promise::ReadsSeeWrites),
        copied("local-transaction", [transaction().elsewhere(), read(), after()]),
        copied("local-anew", [refresh().elsewhere(), read(), after()]),
    ]
}

fn local_in_trouble() -> Vec<Scenario> {
    let elsewhere = [read().elsewhere(), read().elsewhere().after(0)];
    vec![
        copied("local-cancelled", [write().elsewhere().cancellable(), read()]).cancels(1),
        copied("local-cut-off", [write().cut_off(), read(), read().after(2)]),
        copied_after(elsewhere, "local-death", [write(), read().elsewhere()]).death(),
    ]
}

/// A copy of an entry with tags is registered on these too.
fn local_with_tags() -> Vec<Scenario> {
    let t = &["#t"];
    let after = || read().after(2);
    let one = |scenario: Scenario| scenario.tagged(&["t"]);
    vec![
        one(copied("local-tag-write", [write().of(t), read()])),
        one(copied("local-tag-elsewhere", [write().of(t).elsewhere(), read(), after()])),
        one(copied("local-tag-entry", [write().elsewhere(), read()])),
        one(copied("local-tag-and-entry", [write().of(&[KEY, "#t"]).elsewhere(), read()])),
        one(copied("local-tag-unguarded", [write().of(t).elsewhere().unguarded(), read()]))
            .promising(Promise::ReadsSeeWrites),
        one(copied("local-tag-transaction", [transaction().of(t).elsewhere(), read()])),
        one(copied("local-tag-anew", [refresh().elsewhere(), read()])),
        one(copied("local-tag-cancelled", [write().of(t).elsewhere().cancellable(), read()])).cancels(1),
        one(copied("local-tag-cut-off", [write().of(t).cut_off(), read()])),
        copied("local-two-tags", [write().of(&["#u"]).elsewhere(), read()]).tagged(&["t", "u"]),
    ]
}

/// They hold, and a copy is given in some run of each.
fn hold_and_give_copies(scenarios: Vec<Scenario>) {
    for (scenario, report) in hold(scenarios) {
        assert!(report.counts[KINDS - 1] > 0, "{scenario}: no copy is given");
    }
}

#[test]
fn local_copies() {
    hold_and_give_copies(local());
}

#[test]
fn local_copies_of_entries_with_tags() {
    hold_and_give_copies(local_with_tags());
}

#[test]
fn local_copies_in_trouble() {
    hold_and_give_copies(local_in_trouble());
}
