//! A model of the consistency protocol, explored exhaustively.
//!
//! One key (and, in tagged scenes, the keys of its tags) over a versioned origin, shared by two processes
//! with readers and writers. Every command is sent, executed and answered in separate steps, in any order
//! and with anything in between; callers time out, are dropped and die at every step. What is checked in
//! every state, for every order of steps:
//!
//! | promise | sentence |
//! | --- | --- |
//! | P1 | a read that starts after a write returned gives a version at least as new |
//! | P2 | no read gives an older version than one that was returned before it started |
//! | P3 | both, for everybody else, after a process died anywhere inside a read or a write |
//! | P5 | the callers of one process load one at a time; and nobody hangs |
//! | loading anew | a read that loads anew gives a version at least as new as the row was when it started, and no read that starts after it an older one, also where other programs change the row and invalidate nothing |
//!
//! `cargo test -p cached-aside-tests --test model` prints the size of every scene. A broken promise is
//! reported as the list of steps that leads to it.
//!
//! # From the model to the code
//!
//! | here | step | there |
//! | --- | --- | --- |
//! | [`read`] | `start_read`, `look`, `acquire`, `load`, `fill` | `runtime/src/read.rs` |
//! | [`read`] | `acquire_refresh` (`elect`), `detach_refresh`, `fail_refresh` (`abandon`) | `runtime/src/read/revalidate.rs` |
//! | [`read`] | `start_anew`, `take_over`, `end_replaced` | `runtime/src/read/forced.rs` |
//! | [`flight`] | `turn`, `covers`, `land`, `leave` | `runtime/src/engine/flight.rs` |
//! | [`write`] | `start_write` (`guard`), `renew`, `commit` (the body), then `release` | `runtime/src/write.rs` |
//! | [`recovery`] | `bypasses`, `owe`, `deliver` | `runtime/src/engine/recovery.rs` |
//! | [`store`], [`wire`] | `read`, `acquire`, `fill`, `abandon`; `take_over` (`elect` by force); `guard`, `renew`, `release`, `remove` | `protocol/src/steps/` |
//!
//! Left out, because it adds nothing that can happen: `renew` of a lease (leases expire at any time here,
//! and a renewal that finds another token does nothing), the TTL of values (a value that goes is a
//! miss), codecs and errors of bodies (a load that returns nothing is one whose caller was dropped).
//!
//! # Mechanism by test
//!
//! The scenes hold ([`promises`]); with one mechanism switched off the checker objects ([`mutations`]):
//!
//! | mechanism | test | what falls |
//! | --- | --- | --- |
//! | a write places a guard before its body | `guard`, `guard_in_a_crash` | P2, P3 |
//! | a fill stores only if its token holds the key | `fill_fence` | P1 |
//! | … and a refill only if its token holds the refresh | `refresh_fence` | P1 |
//! | a guard takes the place of a value that is refreshed too | `refresh_guard` | P2 |
//! | … and what is loaded anew only if it still holds the value that was taken over | `anew_fence` | P1 |
//! | a guard takes the place of a value that is taken over too | `anew_guard` | P2 |
//! | who loads anew is given only what a body gave that began after it came | `anew_shares_what_had_begun` | loading anew |
//! | … and nothing unstored, unless who loaded it ends what stands there instead | `anew_shares_what_was_not_stored` | loading anew |
//! | a load anew that was not stored ends what stands there instead | `anew_ends_what_it_replaces` | loading anew |
//! | a token for every acquisition, not for every process | `fresh_tokens` | P1 |
//! | an acquire is never sent twice with one token, nor a tag created twice | `one_attempt`, `one_attempt_at_a_tag` | P1 |
//! | a guard remembers that writers overlapped (`puts`) | `overlap_mark` | P1 |
//! | … also one that was never inside: `remove`, or a guard that was lost | `outsider_mark`, `outsider_mark_after_a_loss` | P1 |
//! | … also when a renewal puts a lost guard back | `renewal_mark` | P1 |
//! | `puts` only after an acknowledged guard | `acknowledged_guard` | P1 |
//! | callers share a load only by the rule | `sharing_rule` | P1 |
//! | … an accepted fill covers who arrived before it was sent | `late_followers_take_accepted_fills` | P1 |
//! | … nobody joins a look that has been sent | `late_readers_join_a_look` | P1 |
//! | … a fill says nothing about the tags of its entry | `tagged_followers_take_accepted_fills` | P1 |
//! | … and neither does an acquire that finds a value | `tagged_followers_take_what_an_acquire_finds` | P1 |
//! | a hit is given only if every tag agrees | `every_tag` | P1 |
//! | a tag that is missing invalidates its entries | `a_missing_tag` | P1 |
//! | bypass while the key is on the recovery list | `bypass` | P1 in the process |
//! | … a load looks at the list again before its fill | `list_before_fill`, `list_before_refill` | P1 in the process |
//! | … a delivery takes one write off the list, not the key | `delivery_per_write` | P1 in the process |
//! | … and starts after the body of its write | `deliver_after_body` | P1 in the process |
//! | the guard of a dropped write lapses by itself | `cancelled_guard` | P2 |
//! | a value is stamped with the tags from before its load | `stamp_before_load`, `stamp_before_refresh`, `stamp_before_load_anew` | P1 |
//! | the release of a tag deletes its version | `tag_removed` | P1 |
//! | `settle` waits for a lagging origin | `settle` | P1 of hits |
//!
//! The last three are not needed for P1 and P2: where every write is announced its guard has ended the older value before
//! the newer one can be loaded. They are for the changes that nobody announces, for which one loads anew.
//!
//! Where the promises end is shown in [`limits`].
//!
//! What belongs to two keys that one database transaction writes is a model of its own, with its own scenes and switches:
//! [`transaction`].
//! Local copies are a model of their own as well, with everything that can happen to a registration: [`local`].
//! So is verification, with everything that must not be taken for an old entry: [`verification`].
//! What a call for several keys adds, and its flights, is one too: [`batch`].

/// A test for each mechanism: without it, the scene breaks the promise.
macro_rules! bite {
    ($($test:ident: $scene:ident without $mechanism:ident breaks $promise:ident),+ $(,)?) => {
        $(
            #[test]
            fn $test() {
                breaks(scenes::$scene().without(Mechanism::$mechanism), Promise::$promise);
            }
        )+
    };
}

mod batch;
mod flight;
mod history;
mod limits;
mod local;
mod model;
mod mutations;
mod phase;
mod promises;
mod read;
mod recovery;
mod scene;
mod scenes;
mod state;
mod step;
mod store;
mod token;
mod transaction;
mod verification;
mod wire;
mod witness;
mod write;
