//! Scenarios of batches: calls that read two keys with one body.

use super::{
    scenario::{
        Call, KEEPS, KEY, PAST_A_LEASE, REVALIDATES, Scenario, batch, evict, read, refreshed_batch,
        reversed_batch, write,
    },
    scenarios::hold,
};

/// Calls that read two keys with one body.
pub(super) fn batches() -> Vec<Scenario> {
    vec![
        Scenario::new("batch-read", [batch(), read()]),
        Scenario::new("batch-batch", [batch(), reversed_batch()]),
        Scenario::new("batch-write", [batch(), write()]),
        Scenario::new("batch-write-cached", [batch(), write()]).cached(),
        Scenario::new("batch-write-batch", [batch(), write().during(0), reversed_batch().after(1)]),
        Scenario::new("batch-read-write", [batch(), read().during(0), write().during(0)]),
        Scenario::new("failing-batch", [batch().fails(), read().during(0)]),
        Scenario::new("stale-batch", [batch(), write()]).old(&REVALIDATES),
        Scenario::new("kept-batch", [batch(), reversed_batch()]).old(&KEEPS),
    ]
}

/// The same in trouble.
pub(super) fn batches_in_trouble() -> Vec<Scenario> {
    vec![
        Scenario::new("cancelled-batch", [batch().cancellable(), reversed_batch()]).cancels(1),
        Scenario::new("cancelled-batch-read", [batch().cancellable(), read().during(0)]).cancels(1),
        Scenario::new("fault-batch", [batch(), write()]).faults(1),
        Scenario::new("processes-batch-batch", [batch(), reversed_batch().elsewhere()]),
        Scenario::new("death-of-a-batch", [batch(), reversed_batch().elsewhere().during(0)]).death(),
        Scenario::new("batch-lease-ends", [batch(), write().during(0)]).pause(PAST_A_LEASE),
        Scenario::new("cut-off-write-batch", [batch(), write().cut_off().during(0), batch().after(1)]),
    ]
}

/// Batches of entries that carry tags.
pub(super) fn tagged_batches() -> Vec<Scenario> {
    let (t, u, entry_and_t) = (&["#t"], &["#u"], &[KEY, "#t"]);
    let one = |name, calls: &[Call]| Scenario::of(name, calls).tagged(&["t"]);
    vec![
        one("tag-batch-write", &[batch(), write().of(t)]),
        one("tag-batch-write-cached", &[batch(), write().of(t)]).cached(),
        one("tag-batch-write-batch", &[batch(), write().of(t).during(0), batch().after(1)]),
        one("tag-batch-batch", &[batch(), reversed_batch().during(0), write().of(t).during(0)]).in_order(),
        one("tag-batch-and-entry", &[batch(), write().of(entry_and_t)]).cached(),
        one("tag-batch-anew", &[refreshed_batch(), write().of(t).during(0)]),
        one("tag-batch-stale", &[batch(), write().of(t)]).old(&REVALIDATES),
        one("tag-batch-kept", &[batch().fails(), write().of(t).during(0)]).old(&KEEPS),
        Scenario::new("tags-batch", [batch(), write().of(u).during(0)]).tagged(&["t", "u"]),
        Scenario::new("tags-batch-cached", [batch(), write().of(u)]).tagged(&["t", "u"]).cached(),
    ]
}

/// The same in trouble.
pub(super) fn tagged_batches_in_trouble() -> Vec<Scenario> {
    let t = &["#t"];
    let one = |name, calls: &[Call]| Scenario::of(name, calls).tagged(&["t"]);
    vec![
        one("tag-batch-evicted", &[batch(), evict(t).during(0), read().after(1)]),
        one("tag-batch-cut-off-write", &[batch(), write().of(t).cut_off().during(0), batch().after(1)]),
        one("tag-batch-cut-off", &[batch().cut_off(), write().of(t), batch().after(0)]).cached(),
        one("tag-batch-fault", &[batch(), write().of(t).during(0)]).faults(1),
        one("tag-batch-lease-ends", &[batch(), write().of(t).during(0)]).pause(PAST_A_LEASE),
        one("tag-batch-cancelled", &[batch().cancellable(), write().of(t).during(0)]).cancels(1),
        one(
            "tag-batch-processes",
            &[batch(), write().of(t).during(0), reversed_batch().elsewhere().after(1)],
        ),
    ]
}

#[test]
fn batches_of_entries_that_carry_tags() {
    hold(tagged_batches());
    hold(tagged_batches().into_iter().take(3).map(Scenario::entry_last).collect());
}

#[test]
fn batches_of_entries_that_carry_tags_in_trouble() {
    hold(tagged_batches_in_trouble());
}
