//! Scenarios of entries that carry tags.

use super::{
    scenario::{
        Call, EARLY, IN_BACKGROUND, KEEPS, KEY, PAST_A_LEASE, Promise, REVALIDATES, Scenario, evict, read,
        refresh, transaction, update, write,
    },
    scenarios::hold,
};

/// An entry that carries tags.
pub(super) fn tagged() -> Vec<Scenario> {
    let (t, u, entry_and_t) = (&["#t"], &["#u"], &[KEY, "#t"]);
    let one = |name, calls: &[Call]| Scenario::of(name, calls).tagged(&["t"]);
    vec![
        one("tag-read-read", &[read(), read()]),
        one("tag-read-write", &[read(), write().of(t)]),
        one("tag-read-write-cached", &[read(), write().of(t)]).cached(),
        one("tag-read-write-read-cached", &[read(), write().of(t), read().after(1)]).cached(),
        one("tag-follower", &[read(), write().of(t).during(0), read().after(1)]),
        one("tag-followers", &[read(), read().during(0), write().of(t).during(0)]).in_order(),
        one("tag-and-entry", &[read(), write().of(entry_and_t), read().after(1)]).cached().in_order(),
        one("tag-write-write", &[read(), write().of(t), write()]).cached().in_order(),
        one("tag-processes", &[read(), write().of(t), read().elsewhere().after(1)]),
        one("tag-update", &[update(), write().of(t), read().after(0)]).cached(),
        one("tag-anew", &[refresh(), write().of(t)]).cached(),
        one("tag-transaction", &[transaction().of(t), read()]).cached(),
        Scenario::new("tags-write", [read(), write().of(u)]).tagged(&["t", "u"]).cached(),
        Scenario::new("tags-cold", [read(), write().of(u).during(0)]).tagged(&["t", "u"]),
    ]
}

/// The same where tags are lost, entries are stale, or commands are.
pub(super) fn tagged_in_trouble() -> Vec<Scenario> {
    let t = &["#t"];
    let one = |name, calls: &[Call]| Scenario::of(name, calls).tagged(&["t"]);
    vec![
        one("tag-evicted", &[read(), write().of(t), evict(t)]).cached().in_order(),
        one("tag-evicted-cold", &[read(), evict(t).during(0), read().after(1)]),
        one("tag-stale", &[read(), write().of(t)]).old(&REVALIDATES),
        one("tag-kept", &[read().fails(), write().of(t)]).old(&KEEPS),
        one("tag-kept-kept", &[read(), read().during(0), write().of(t).during(0)]).old(&KEEPS).in_order(),
        one("tag-background", &[read(), write().of(t)]).old(&IN_BACKGROUND),
        one("tag-early", &[read(), write().of(t)]).old(&EARLY),
        one("tag-unguarded", &[read(), write().of(t).unguarded(), read().after(1)])
            .in_order()
            .promising(Promise::ReadsSeeWrites),
        one("tag-cancelled", &[read().cancellable(), write().of(t)]).cancels(1),
        one("tag-cancelled-write", &[read(), write().of(t).cancellable().during(0), read().after(1)])
            .cancels(1),
        one("tag-fault", &[read(), write().of(t).during(0)]).faults(1),
        one("tag-fault-cached", &[read(), write().of(t)]).cached().faults(1),
        one("tag-cut-off-write", &[read(), write().of(t).cut_off(), read().after(1)]).cached(),
        one("tag-cut-off-read", &[read().cut_off(), write().of(t), read().after(0)]).cached(),
        one("tag-lease-ends", &[read(), write().of(t).during(0)]).pause(PAST_A_LEASE),
        one("tag-death", &[write().of(t), read().elsewhere()]).cached().death(),
    ]
}

#[test]
fn entries_that_carry_tags() {
    hold(tagged());
    hold(tagged().into_iter().take(6).map(Scenario::entry_last).collect());
}

#[test]
fn tags_and_entries_that_are_lost() {
    hold(tagged_in_trouble());
}
