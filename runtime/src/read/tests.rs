//! Alongside paths against everything that the store and the body can do. Time is paused; one invariant at the end of each run.

use std::{
    future::{Future, pending},
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use cached_aside_protocol::{Token, entry, format};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    AnyKey, Bincode, Cache, Error,
    codec::coding::coding,
    function::{
        read::ReadFunction,
        write::{GUARD_FOR, Guard, WriteFunction},
    },
    outcome::returns::ReturnAdapter,
    overrides::refresh,
    read::{BoxedBody, load, load_owned},
    store::{
        Store,
        faulty::{FaultyStore, GATES, Gate, SLOW},
    },
    write::write,
};

const TTL: Duration = Duration::from_secs(60);
const LEASE: Duration = Duration::from_secs(2);
const WAIT: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_millis(250);
mod batches;
mod cancelled;
mod copies;
mod listed;
mod local;
mod refresh;
mod sharing;
#[cfg(feature = "metrics")]
mod times;
mod verification;
mod waiting;

/// Timers count in these.
const TICK: Duration = Duration::from_millis(2);
/// A fill is given no longer than this.
const FILL: Duration = Duration::from_secs(1);
/// What a body takes.
const BODY: Duration = Duration::from_millis(30);

static LOAD: ReadFunction =
    ReadFunction::declare(module_path!(), "version", "version:{key}", TTL).jitter(0).lease(LEASE).wait(WAIT);
static SAVE: WriteFunction = WriteFunction::declare(module_path!(), "save");
static SAVE_UNGUARDED: WriteFunction =
    WriteFunction::declare(module_path!(), "save_unguarded").guard(Guard::Off);
static SAVE_REQUIRED: WriteFunction =
    WriteFunction::declare(module_path!(), "save_required").guard(Guard::Required);

#[derive(Debug, Clone, PartialEq)]
struct Failed(String);

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed(error.to_string())
    }
}

/// A database of one row, and a cache before it.
#[derive(Clone)]
struct World {
    cache: Cache,
    version: Arc<AtomicU64>,
    bodies: Arc<AtomicU64>,
    /// Bodies of writes, begun and over.
    begun: Arc<AtomicU64>,
    over: Arc<AtomicU64>,
}

/// What a body does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Succeeds,
    Fails,
    Panics,
    /// The caller goes away while it runs.
    IsCancelled,
}

const BODIES: [Body; 4] = [Body::Succeeds, Body::Fails, Body::Panics, Body::IsCancelled];

impl World {
    fn new() -> World {
        let cache = Cache::with_store(Store::Faulty(FaultyStore::new()), TIMEOUT, "test".to_owned());
        let version = Arc::new(AtomicU64::new(1));
        World { cache, version, bodies: Arc::default(), begun: Arc::default(), over: Arc::default() }
    }

    fn store(&self) -> &FaultyStore {
        match &self.cache.inner.store {
            Store::Faulty(store) => store,
            _ => unreachable!(),
        }
    }

    fn read(&self, body: Body) -> impl Future<Output = Result<u64, Failed>> + use<> {
        self.read_by(&LOAD, body)
    }

    fn read_by(
        &self,
        function: &'static ReadFunction,
        body: Body,
    ) -> impl Future<Output = Result<u64, Failed>> + use<> {
        let (world, cache) = (self.clone(), self.cache.clone());
        async move {
            let origin = async move {
                world.bodies.fetch_add(1, SeqCst);
                let version = world.version.load(SeqCst);
                sleep(BODY).await;
                match body {
                    Body::Succeeds => Ok(version),
                    Body::Fails => Err(Failed("body".to_owned())),
                    Body::Panics => panic!("the body panics"),
                    Body::IsCancelled => pending().await,
                }
            };
            let (key, coding, returns) = (
                AnyKey::new("k"),
                coding::<u64, Bincode>(0),
                ReturnAdapter::<Result<u64, Failed>, 2>::SHARED.or_absent(),
            );
            let cache = Some(&cache.inner);
            if function.settings.staleness.in_background {
                let make = || Box::pin(origin) as BoxedBody<_>;
                return load_owned::<_, 2, _>(function, cache, key, coding, returns, make).await;
            }
            load::<_, 2, _>(function, cache, key, coding, returns, pin!(origin)).await
        }
    }

    fn write(
        &self,
        function: &'static WriteFunction,
        body: Body,
    ) -> impl Future<Output = Result<u64, Failed>> + use<> {
        let world = self.clone();
        async move {
            let origin = async {
                world.begun.fetch_add(1, SeqCst);
                sleep(BODY / 2).await;
                let version = world.version.fetch_add(1, SeqCst) + 1;
                sleep(BODY / 2).await;
                world.over.fetch_add(1, SeqCst);
                match body {
                    Body::Succeeds => Ok(version),
                    Body::Fails => Err(Failed("body".to_owned())),
                    Body::Panics => panic!("the body panics"),
                    Body::IsCancelled => pending().await,
                }
            };
            let refuse: Option<fn(Error) -> _> = (function.settings.guard == Guard::Required)
                .then_some(crate::outcome::refuse::<Result<u64, Failed>>);
            let keys = vec![AnyKey::new("k")];
            write::<Result<u64, Failed>, _, _>(
                function,
                Some(&world.cache.inner),
                keys,
                refuse,
                pin!(origin),
                |_| Vec::new(),
            )
            .await
        }
    }

    /// After whatever happened: once the store is well and leases and guards have ended, the cache is in use again, holds
    /// what the database holds, and nobody waits for anything.
    async fn is_well(&self, what: &str) {
        self.store().heal();
        // Longer than a lease, a guard, and the pauses of the recovery list.
        sleep(Duration::from_secs(15)).await;
        assert_eq!(self.cache.stats().recovering, 0, "{what}: undelivered");
        let now = self.version.load(SeqCst);
        assert_eq!(self.read(Body::Succeeds).await, Ok(now), "{what}: stale");
        let bodies = self.bodies.load(SeqCst);
        assert_eq!(self.read(Body::Succeeds).await, Ok(now), "{what}: stale");
        assert_eq!(self.bodies.load(SeqCst), bodies, "{what}: the cache is not in use again");
        assert_eq!(self.cache.inner.flights.len(), 0, "{what}: a flight is left");
        assert_eq!(self.store().inside.watched(), 0, "{what}: a watch is left");
    }
}

/// A panic as a value, so that one test can see many.
async fn caught<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        match std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}

/// Polls a future so many times and drops it: a cancellation at that await point. `true` if it ended before.
async fn cancelled_after(polls: usize, future: impl Future) -> bool {
    let mut future = Box::pin(future);
    for _ in 0..polls {
        let mut ended = false;
        // One poll at a time, with time going on in between.
        std::future::poll_fn(|context| {
            ended = future.as_mut().poll(context).is_ready();
            Poll::Ready(())
        })
        .await;
        if ended {
            return true;
        }
        sleep(Duration::from_millis(7)).await;
    }
    false
}

/// Panics of bodies are expected here; the default hook would print each.
fn quietly() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&"the body panics") {
                hook(info);
            }
        }));
    });
}

#[tokio::test(start_paused = true)]
async fn a_read_whatever_the_store_and_the_body_do() {
    quietly();
    let mut runs = 0;
    for read in GATES {
        for acquire in GATES {
            for fill in GATES {
                for abandon in GATES {
                    for body in BODIES {
                        let what = format!(
                            "read {read:?} acquire {acquire:?} fill {fill:?} abandon {abandon:?} {body:?}"
                        );
                        let world = World::new();
                        for (verb, gate) in
                            [("read", read), ("acquire", acquire), ("fill", fill), ("abandon", abandon)]
                        {
                            world.store().set(verb, gate);
                        }
                        let begun = Instant::now();
                        let result = timeout(Duration::from_secs(1), caught(world.read(body))).await;
                        let took = begun.elapsed();
                        let expected = match body {
                            Body::Succeeds => Ok(Some(Ok(1))),
                            Body::Fails => Ok(Some(Err(Failed("body".to_owned())))),
                            Body::Panics => Ok(None),
                            Body::IsCancelled => Err(()),
                        };
                        assert_eq!(result.map_err(drop), expected, "{what}");
                        assert_eq!(world.bodies.load(SeqCst), 1, "{what}: the body runs once");
                        let bound = BODY + TIMEOUT + Duration::from_millis(5);
                        assert!(took <= bound || body == Body::IsCancelled, "{what}: {took:?}");
                        world.is_well(&what).await;
                        runs += 1;
                    }
                }
            }
        }
    }
    assert_eq!(runs, 2_500);
}

#[tokio::test(start_paused = true)]
async fn a_write_whatever_the_store_and_the_body_do() {
    quietly();
    let mut runs = 0;
    for guard in GATES {
        for release in GATES {
            for remove in GATES {
                for body in BODIES {
                    for function in [&SAVE, &SAVE_UNGUARDED, &SAVE_REQUIRED] {
                        let name = function.settings.name;
                        let what =
                            format!("{name} guard {guard:?} release {release:?} remove {remove:?} {body:?}");
                        let world = World::new();
                        world.read(Body::Succeeds).await.unwrap();
                        for (verb, gate) in [("guard", guard), ("release", release), ("remove", remove)] {
                            world.store().set(verb, gate);
                        }
                        let begun = Instant::now();
                        let result =
                            timeout(Duration::from_secs(1), caught(world.write(function, body))).await;
                        let took = begun.elapsed();
                        let guarded = matches!(guard, Gate::Passes | Gate::Slow);
                        if function.settings.guard == Guard::Required && !guarded {
                            let refusal = result.unwrap().unwrap().unwrap_err();
                            assert!(refusal.0.contains("`k` could not be guarded"), "{what}: {refusal:?}");
                            assert_eq!(world.version.load(SeqCst), 1, "{what}: refused, and yet written");
                        } else {
                            let expected = match body {
                                Body::Succeeds => Ok(Some(Ok(2))),
                                Body::Fails => Ok(Some(Err(Failed("body".to_owned())))),
                                Body::Panics => Ok(None),
                                Body::IsCancelled => Err(()),
                            };
                            assert_eq!(result.map_err(drop), expected, "{what}");
                        }
                        let bound = BODY + 2 * TIMEOUT + Duration::from_millis(5);
                        assert!(took <= bound || body == Body::IsCancelled, "{what}: {took:?}");
                        // P1 in this process, with the store as it is: what was written is what is read.
                        if matches!(body, Body::Succeeds | Body::Fails) {
                            let now = world.version.load(SeqCst);
                            assert_eq!(world.read(Body::Succeeds).await, Ok(now), "{what}");
                        }
                        world.is_well(&what).await;
                        runs += 1;
                    }
                }
            }
        }
    }
    assert_eq!(runs, 1_500);
}

/// Whatever stands under the key, the call gives what the body does. What is ours is replaced; what is not, stays.
#[tokio::test(start_paused = true)]
async fn malformed_entries_are_misses() {
    let world = World::new();
    world.read(Body::Succeeds).await.unwrap();
    let good = world.store().inside.read("k").await.unwrap().unwrap().to_vec();
    let mut malformed: Vec<Vec<u8>> = (4..good.len()).map(|len| good[..len].to_vec()).collect();
    malformed.extend((39..good.len()).map(|at| {
        let mut flipped = good.clone();
        flipped[at] ^= 0x40;
        flipped
    }));
    malformed.push([&good[..], b"left over"].concat());
    malformed.push([&format::MAGIC[..], &[0xFF], &good[4..]].concat());
    for bytes in malformed {
        let bodies = world.bodies.swap(0, SeqCst);
        assert!(bodies <= 1);
        world.store().inside.plant("k", bytes.clone());
        assert_eq!(world.read(Body::Succeeds).await, Ok(1), "{bytes:?}");
        assert_eq!(world.bodies.load(SeqCst), 1, "{bytes:?}: a miss");
        assert_eq!(world.read(Body::Succeeds).await, Ok(1), "{bytes:?}");
        assert_eq!(world.bodies.load(SeqCst), 1, "{bytes:?}: not healed");
    }
    for bytes in [&b""[..], b"{}", b"\xCA\x5D\xE1", b"\xCA\x5D\xE1\x07"] {
        world.store().inside.plant("k", bytes.to_vec());
        for _ in 0..2 {
            world.bodies.store(0, SeqCst);
            assert_eq!((world.read(Body::Succeeds).await, world.bodies.load(SeqCst)), (Ok(1), 1));
        }
        assert_eq!(world.store().inside.read("k").await.unwrap().as_deref(), Some(bytes), "it stays");
    }
}

#[tokio::test(start_paused = true)]
async fn loading_anew_whatever_the_store_and_the_body_do() {
    quietly();
    for read in GATES {
        for elect in GATES {
            for fill in GATES {
                for body in BODIES {
                    let what = format!("read {read:?} elect {elect:?} fill {fill:?} {body:?}");
                    let world = World::new();
                    world.read(Body::Succeeds).await.unwrap();
                    world.bodies.store(0, SeqCst);
                    // By another program, which invalidates nothing.
                    world.version.store(2, SeqCst);
                    let gates = [("read", read), ("elect", elect), ("fill", fill), ("remove", fill)];
                    for (verb, gate) in gates {
                        world.store().set(verb, gate);
                    }
                    let begun = Instant::now();
                    let result =
                        timeout(Duration::from_secs(1), Box::pin(caught(refresh(world.read(body))))).await;
                    let took = begun.elapsed();
                    let expected = match body {
                        Body::Succeeds => Ok(Some(Ok(2))),
                        Body::Fails => Ok(Some(Err(Failed("body".to_owned())))),
                        Body::Panics => Ok(None),
                        Body::IsCancelled => Err(()),
                    };
                    assert_eq!(result.map_err(drop), expected, "{what}");
                    assert_eq!(world.bodies.load(SeqCst), 1, "{what}: the body runs once");
                    let bound = BODY + TIMEOUT + Duration::from_millis(5);
                    assert!(took <= bound || body == Body::IsCancelled, "{what}: {took:?}");
                    world.store().heal();
                    sleep(Duration::from_secs(15)).await;
                    let now = world.read(Body::Succeeds).await;
                    let stays = body != Body::Succeeds;
                    assert_eq!(now, Ok(if stays { 1 } else { 2 }), "{what}: given something older");
                    assert_eq!(world.cache.stats().recovering, 0, "{what}");
                    assert_eq!(world.cache.inner.flights.len(), 0, "{what}");
                }
            }
        }
    }
}

/// A future that is never polled costs no body: hits do not touch it.
#[tokio::test(start_paused = true)]
async fn a_hit_does_not_poll_the_body() {
    let world = World::new();
    world.read(Body::Succeeds).await.unwrap();
    let hit = pin!(world.read(Body::Panics)).poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(hit, Poll::Ready(Ok(1)));
}
