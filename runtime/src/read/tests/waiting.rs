//! Nobody waits for a call that is over: whatever became of it, the right that it held is given up.

use super::*;
use crate::function::staleness::Staleness;

/// Longer than any of these tests waits.
const FOR_EVER: Duration = Duration::from_secs(3600);

const fn patient(name: &'static str, staleness: Staleness) -> ReadFunction {
    let mut function = ReadFunction::declare(module_path!(), name, "version:{key}", TTL)
        .jitter(0)
        .lease(FOR_EVER)
        .wait(FOR_EVER);
    function.settings.staleness = staleness;
    function
}

static PATIENT: ReadFunction = patient("patient", Staleness::NONE);
static KEEPS: ReadFunction = patient("patient_keeps", Staleness { if_error: FOR_EVER, ..Staleness::NONE });

/// Nothing is stored yet, or what is stored has to be reloaded before it is given.
async fn world_of(function: &'static ReadFunction) -> World {
    let world = World::new();
    if !function.settings.staleness.if_error.is_zero() {
        world.read_by(function, Body::Succeeds).await.unwrap();
        sleep(TTL + Duration::from_secs(1)).await;
    }
    world
}

async fn is_not_waited_for(world: &World, function: &'static ReadFunction, what: &str) {
    world.store().heal();
    let begun = Instant::now();
    let given = timeout(FOR_EVER / 2, world.read_by(function, Body::Succeeds)).await;
    assert_eq!(given.map_err(drop), Ok(Ok(1)), "{what}: it waits for nobody");
    assert!(begun.elapsed() <= BODY + TICK, "{what}: {:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_cancelled_anywhere_leaves_nothing_that_the_next_one_waits_for() {
    const RIGHTS: [&str; 2] = ["acquire", "elect"];
    let mut dropped = 0;
    for function in [&PATIENT, &KEEPS] {
        for anew in [false, true] {
            for gate in [Gate::Slow, Gate::LosesReply, Gate::Passes] {
                let mut polls = 0;
                loop {
                    let what = format!("{} anew {anew} {gate:?}, {polls} polls", function.settings.name);
                    let world = world_of(function).await;
                    for verb in RIGHTS {
                        world.store().set(verb, gate);
                    }
                    let read = world.read_by(function, Body::Succeeds);
                    let ended = if anew {
                        cancelled_after(polls, refresh(read)).await
                    } else {
                        cancelled_after(polls, read).await
                    };
                    // What was sent is taken and answered meanwhile.
                    sleep(SLOW * 3).await;
                    is_not_waited_for(&world, function, &what).await;
                    polls += 1;
                    dropped += u32::from(!ended);
                    if ended {
                        break;
                    }
                }
            }
        }
    }
    assert!(dropped > 50, "{dropped}");
}

#[tokio::test(start_paused = true)]
async fn a_fill_that_is_refused_or_lost_leaves_nothing_that_the_next_call_waits_for() {
    for function in [&PATIENT, &KEEPS] {
        for anew in [false, true] {
            for gate in [Gate::Fails, Gate::LosesReply, Gate::Hangs] {
                let what = format!("{} anew {anew} fill {gate:?}", function.settings.name);
                let world = world_of(function).await;
                world.store().set("fill", gate);
                let read = world.read_by(function, Body::Succeeds);
                let given = if anew { refresh(read).await } else { read.await };
                assert_eq!(given, Ok(1), "{what}");
                sleep(FILL + SLOW).await;
                is_not_waited_for(&world, function, &what).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_is_dropped_while_it_is_placed_leaves_no_guard() {
    for gate in [Gate::Slow, Gate::LosesReply, Gate::Passes] {
        let mut polls = 0;
        loop {
            let world = World::new();
            world.store().set("guard", gate);
            let placed = cancelled_after(polls, world.cache.guard([AnyKey::new("k")])).await;
            sleep(SLOW * 3).await;
            if placed {
                break;
            }
            let there = world.store().inside.read("k").await.unwrap();
            assert_eq!(there, None, "{gate:?}, {polls} polls");
            polls += 1;
        }
    }
}

static OUTLIVED: ReadFunction = patient(
    "outlived",
    Staleness { while_revalidate: Duration::from_secs(1), if_error: FOR_EVER, ..Staleness::NONE },
);

/// A call whose body takes two seconds, and then calls the function again.
fn outlived(
    world: World,
    again: bool,
) -> std::pin::Pin<Box<dyn Future<Output = Result<u64, Failed>> + Send>> {
    Box::pin(async move {
        let cache = world.cache.clone();
        let body = async move {
            if again {
                sleep(Duration::from_secs(2)).await;
                outlived(world, false).await
            } else {
                Ok(7)
            }
        };
        let (key, coding) = (AnyKey::new("k"), coding::<u64, Bincode>(0));
        let returns = ReturnAdapter::<Result<u64, Failed>, 2>::SHARED;
        load::<_, 2, _>(&OUTLIVED, Some(&cache.inner), key, coding, returns, pin!(body)).await
    })
}

/// Such a refresh is in no flight, and has to be waited for when its window is over.
#[tokio::test(start_paused = true)]
async fn a_refresh_that_outlives_its_window_does_not_wait_for_itself() {
    let world = World::new();
    assert_eq!(outlived(world.clone(), false).await, Ok(7));
    sleep(TTL + Duration::from_millis(500)).await;
    let begun = Instant::now();
    let given = timeout(FOR_EVER / 2, outlived(world, true)).await;
    assert_eq!(given.map_err(drop), Ok(Ok(7)), "it waits for itself");
    assert!(begun.elapsed() <= Duration::from_secs(2) + TICK * 2, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_delivers_what_is_owed_while_rights_are_given_up_in_vain() {
    let world = World::new();
    let dropped = timeout(BODY / 2, world.read_by(&PATIENT, Body::IsCancelled));
    for verb in ["abandon", "guard", "release"] {
        world.store().set(verb, Gate::Fails);
    }
    dropped.await.unwrap_err();
    assert_eq!(world.write(&SAVE, Body::Succeeds).await, Ok(2));
    // The next attempt in the background is a while off.
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.cache.stats().recovering, 1);
    world.store().set("release", Gate::Passes);
    world.cache.shutdown(TICK * 4).await.unwrap();
    assert_eq!(world.cache.stats().recovering, 0);
    assert!(!world.cache.inner.tasks.is_empty(), "the lease is still being given up");
}
