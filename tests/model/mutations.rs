//! The model bites: without any one of the mechanisms the checker finds a broken promise.

use crate::history::Promise;
use crate::promises::{Searched, Taken};
use crate::scene::{Mechanism, Scene};
use crate::scenes;
use stateright::{Checker, HasDiscoveries, Model};
use std::fmt::Debug;
use std::io::Write as _;

/// Explores `scene` until `promise` is broken.
pub(crate) fn breaks(scene: Scene, promise: Promise) {
    falls(&described(scene.name, scene.without), promise.name(), scene);
}

/// What a scene is called where a mechanism is switched off.
pub(crate) fn described(name: &str, without: Option<impl Debug>) -> String {
    without.map_or_else(|| name.to_owned(), |mechanism| format!("{name} without {mechanism:?}"))
}

/// Explores a scene until the promise of this name is broken, and prints how few steps it takes.
pub(crate) fn falls<M>(name: &str, promise: &'static str, scene: M)
where
    M: Model<State: Searched, Action: Taken> + Send + Sync + 'static,
{
    // One thread: the first counterexample is a shortest one.
    let found = HasDiscoveries::AnyOf([promise].into());
    let run = scene.checker().finish_when(found).spawn_bfs().join();
    let steps = run.assert_any_discovery(promise).into_actions().len();
    let states = run.unique_state_count();
    let report = format!("model: {name}: {promise} falls in {steps} steps, {states} states\n");
    std::io::stderr().write_all(report.as_bytes()).expect("the report is printed");
}

bite!(
    guard: calm without Guard breaks Monotonic,
    guard_in_a_crash: crashes_apart without Guard breaks CrashSafe,
    fill_fence: calm without FillFence breaks ReadsSeeWrites,
    refresh_fence: refreshes without RefreshFence breaks ReadsSeeWrites,
    refresh_guard: refreshes without Guard breaks Monotonic,
    list_before_refill: refreshes_in_an_outage without ListBeforeFill breaks ReadsSeeDeliveredWrites,
    refresh_awaits_its_fill: refreshes_after_changes without AwaitRefill breaks Monotonic,
    anew_fence: anew without RefreshFence breaks ReadsSeeWrites,
    anew_guard: anew without Guard breaks Monotonic,
    anew_shares_what_had_begun: anew_after_changes without ShareAnew breaks LoadedAnew,
    anew_ends_what_it_replaces: anew_apart without EndReplaced breaks LoadedAnew,
    anew_shares_what_was_not_stored: anew_loads without ShareKept breaks LoadedAnew,
    fresh_tokens: late_fills without FreshTokens breaks ReadsSeeWrites,
    one_attempt: late_fills without OneAttempt breaks ReadsSeeWrites,
    one_attempt_at_a_tag: tags_late without OneAttempt breaks ReadsSeeWrites,
    overlap_mark: puts without OverlapMark breaks ReadsSeeWrites,
    outsider_mark: removes without OutsiderMark breaks ReadsSeeWrites,
    outsider_mark_after_a_loss: losses without OutsiderMark breaks ReadsSeeWrites,
    renewal_mark: losses without RenewalMark breaks ReadsSeeWrites,
    acknowledged_guard: puts_unguarded without AcknowledgedGuard breaks ReadsSeeDeliveredWrites,
    sharing_rule: calm without SharingRule breaks ReadsSeeWrites,
    late_followers_take_accepted_fills: calm without ShareBeforeFill breaks ReadsSeeWrites,
    late_readers_join_a_look: calm without ShareBeforeLook breaks ReadsSeeWrites,
    tagged_followers_take_accepted_fills: tags without ShareTagged breaks ReadsSeeWrites,
    bypass: outage without Bypass breaks ReadsSeeDeliveredWrites,
    list_before_fill: outage without ListBeforeFill breaks ReadsSeeDeliveredWrites,
    delivery_per_write: deliveries without DeliveryPerWrite breaks ReadsSeeDeliveredWrites,
    deliver_after_body: outage without DeliverAfterBody breaks ReadsSeeDeliveredWrites,
    cancelled_guard: cancellations without CancelledGuard breaks Monotonic,
    stamp_before_load: tags_apart without StampBeforeLoad breaks ReadsSeeWrites,
    tag_removed: tags_late without TagRemoved breaks ReadsSeeWrites,
    every_tag: tags_two without EveryTag breaks ReadsSeeWrites,
    a_missing_tag: tags_apart without MissingTag breaks ReadsSeeWrites,
    stamp_before_refresh: tags_refreshes without StampBeforeLoad breaks ReadsSeeWrites,
    stamp_before_load_anew: tags_anew without StampBeforeLoad breaks ReadsSeeWrites,
    tagged_followers_take_what_an_acquire_finds: tags_found without ShareFound breaks ReadsSeeWrites,
    settle: lag without Settle breaks HitsSeeWrites,
);
