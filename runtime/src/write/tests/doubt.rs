//! What a write leaves behind where nobody knows what was written, or whether its guards stood.

use std::{
    future::{Future, pending},
    pin::pin,
    time::Duration,
};

use cached_aside_protocol::{Token, entry, steps::Register};
use futures_util::future::join;
use tokio::time::{Instant, sleep, timeout};

use super::{
    GUARD_FOR, SAVE, SAVE_REQUIRED, SAVES, cache,
    nested::{is_guarded, writes},
    store, stored, version,
};
use crate::{
    __private::update,
    Cache, Error,
    function::write::{Guard, WriteFunction},
    store::faulty::{Gate, SLOW},
    transaction,
};

static OWN: WriteFunction = SAVES.own_transaction();

/// An update around what this does inside of it.
async fn updating(cache: &Cache, inside: impl Future<Output = ()>) {
    let body = pin!(async {
        inside.await;
        Ok::<u64, ()>(2)
    });
    update::<_, 2, _>(&SAVE, Some(cache), None, [version()], body).await.unwrap();
}

/// What was told the database may be carried out after what the update wrote.
#[tokio::test(start_paused = true)]
async fn an_update_leaves_no_value_where_what_it_ran_may_still_be_at_work() {
    let cache = cache();
    updating(&cache, async {
        let dropped = timeout(Duration::from_secs(1), transaction(pending::<()>()));
        dropped.await.unwrap_err();
    })
    .await;
    assert_eq!((stored(&cache).await, is_guarded(&cache, "k").await), (None, true));
    sleep(GUARD_FOR.saturating_sub(Duration::from_secs(1))).await;
    assert!(is_guarded(&cache, "k").await, "for as long as it holds");
    sleep(Duration::from_secs(2)).await;
    assert!(!is_guarded(&cache, "k").await);
    updating(&cache, async {
        transaction(async { Err::<(), _>("the commit was not answered") }).await.unwrap_err();
    })
    .await;
    assert_eq!((stored(&cache).await, is_guarded(&cache, "k").await), (None, true));
    sleep(Duration::from_millis(1001)).await;
    assert!(!is_guarded(&cache, "k").await);
    updating(&cache, async {}).await;
    assert_eq!(stored(&cache).await, Some(2));
}

/// What it wrote in its transaction is committed with it, or not.
#[tokio::test(start_paused = true)]
async fn a_transaction_of_its_own_that_is_dropped_inside_of_a_write_leaves_doubt_about_all() {
    for (function, doubted) in [(&OWN, true), (&SAVE, false)] {
        let cache = cache();
        let outer = async {
            let own = async {
                writes(&cache, &SAVE, &["inside"], &[], async {}).await.unwrap();
                pending::<()>().await;
            };
            let dropped = writes(&cache, function, &["own"], &[], own);
            timeout(Duration::from_secs(1), dropped).await.unwrap_err();
        };
        writes(&cache, &SAVE, &["outer"], &[], outer).await.unwrap();
        sleep(GUARD_FOR / 2).await;
        for (key, stays) in [("own", true), ("inside", doubted), ("outer", doubted)] {
            assert_eq!(is_guarded(&cache, key).await, stays, "{key}");
        }
    }
}

/// Another process has a local copy of what is under the key, for so long.
async fn copied(cache: &Cache, key: &str) -> Duration {
    const LOCAL: Duration = Duration::from_secs(1);
    let (inside, version) = (&store(cache).inside, entry::tag(Token::fresh()));
    inside.plant(key, version.to_vec());
    let register = Register { expected: version.to_vec().into(), local: LOCAL };
    assert!(inside.run(key, &register).await.unwrap().is_some());
    LOCAL
}

/// Each gives way to the copies of others, whoever has placed the guard.
#[tokio::test(start_paused = true)]
async fn whoever_names_a_key_again_waits_for_its_copies_as_well() {
    for way in ["dropped", "beside", "late"] {
        let cache = cache();
        let (begun, local) = (Instant::now(), copied(&cache, "k").await);
        let again = async |function| {
            let body = async { assert!(begun.elapsed() >= local, "{way}: it has begun") };
            writes(&cache, function, &["k"], &[], body).await.unwrap();
        };
        let outer = async {
            let first = writes(&cache, &SAVE_REQUIRED, &["k"], &[], pending::<()>());
            match way {
                "dropped" => drop(timeout(local / 2, first).await.unwrap_err()),
                "beside" => {
                    let quick = writes(&cache, &SAVE, &["k"], &[], async {});
                    drop(join(quick, again(&SAVE)).await);
                }
                _ => {
                    store(&cache).set("guard", Gate::LosesReply);
                    drop(writes(&cache, &SAVE_REQUIRED, &["k"], &[], async {}).await.unwrap_err());
                    store(&cache).heal();
                    // The renewal finds the guard.
                    sleep(local / 4).await;
                }
            }
            again(&SAVE_REQUIRED).await;
            assert!(begun.elapsed() < local * 2, "{way}: once is enough");
        };
        writes(&cache, &SAVE, &[], &[], outer).await.unwrap();
    }
}

const SHORT: WriteFunction =
    WriteFunction::declare(module_path!(), "short").guard_for(Duration::from_millis(10));
static SAVE_SHORT: WriteFunction = SHORT;
static SAVE_SHORT_REQUIRED: WriteFunction = SHORT.guard(Guard::Required);

/// The answer comes when the guard has ended, and nobody has renewed it.
#[tokio::test(start_paused = true)]
async fn a_guard_that_has_ended_before_the_body_is_placed_again_or_the_key_is_owed() {
    for (function, away) in [(&SAVE_SHORT, false), (&SAVE_SHORT, true), (&SAVE_SHORT_REQUIRED, true)] {
        let cache = cache();
        store(&cache).set("guard", Gate::Slow);
        let meanwhile = async {
            sleep(SLOW / 4).await;
            for step in ["guard", "renew_guard"] {
                store(&cache).set(step, if away { Gate::Fails } else { Gate::Passes });
            }
        };
        let body = async { (is_guarded(&cache, "k").await, cache.inner.is_listed("k")) };
        let (given, ()) = join(writes(&cache, function, &["k"], &[], body), meanwhile).await;
        if function.settings.guard == Guard::Required {
            assert!(matches!(given, Err(Error::NotGuarded { .. })), "{given:?}");
        } else {
            assert_eq!(given.unwrap(), (!away, away));
        }
        // What was refused is released in the background.
        sleep(SLOW).await;
        assert_eq!((cache.inner.recovery.len(), is_guarded(&cache, "k").await), (0, false));
    }
}
