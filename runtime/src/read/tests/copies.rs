//! Local copies that other processes hold: whoever writes, removes or loads anew is over only after them. The other process is a
//! step that registers a copy.

use cached_aside_protocol::{
    Writers,
    steps::{Elect, Register},
};
use futures_util::future::join;

use super::*;
use crate::{
    __private::key,
    Key,
    engine::lease::{Right, StoreRight},
    transaction,
};

/// How long the copy of the other process may be used.
const COPY: Duration = Duration::from_secs(1);
/// Guards and refreshes hold for less than the copy.
const BRIEF: Duration = Duration::from_millis(300);

static COPIED: ReadFunction =
    ReadFunction::declare(module_path!(), "copied", "version:{key}", TTL).jitter(0).lease(BRIEF).local(COPY);

static SAVE_BRIEFLY: WriteFunction = WriteFunction::declare(module_path!(), "save_briefly").guard_for(BRIEF);

/// A copy that another process holds.
struct Copy {
    begun: Instant,
}

impl Copy {
    fn is_over(&self) -> bool {
        self.begun.elapsed() >= COPY
    }

    /// It ended before this, and not long before.
    fn was_waited_for(&self) {
        assert!(self.is_over(), "after {:?}", self.begun.elapsed());
        let more = self.begun.elapsed().saturating_sub(COPY);
        assert!(more <= BODY + TIMEOUT, "{more:?} longer than the copy");
    }
}

impl World {
    /// The first version is in the store, and another process holds a copy of it.
    async fn copied() -> (World, Copy) {
        let world = World::new();
        assert_eq!(world.read_by(&COPIED, Body::Succeeds).await, Ok(1));
        sleep(FILL).await;
        let copy = world.copy().await;
        (world, copy)
    }

    async fn copy(&self) -> Copy {
        assert_eq!(self.register().await, Some(COPY));
        Copy { begun: Instant::now() }
    }

    async fn register(&self) -> Option<Duration> {
        let inside = &self.store().inside;
        let expected = entry::header_of(&inside.read("k").await.unwrap().unwrap());
        let registered = inside.run("k", &Register { expected, local: COPY }).await.unwrap();
        registered.map(|registered| registered.granted)
    }

    fn by_hand(&self) -> Key<u64> {
        key(&COPIED, AnyKey::new("k"), coding::<u64, Bincode>(0)).in_cache(&self.cache)
    }

    /// The writers of the guard that stands there, if one does.
    async fn guarded(&self) -> Option<usize> {
        let there = self.store().inside.read("k").await.unwrap()?;
        Writers::read(&there).map(|writers| writers.tokens().count())
    }

    async fn is_fresh(&self, version: u64) {
        assert_eq!(self.read_by(&COPIED, Body::Succeeds).await, Ok(version));
        assert_eq!(self.guarded().await, None, "a guard is left");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_waits_for_copies_before_its_body() {
    for function in [&SAVE, &SAVE_REQUIRED, &SAVE_BRIEFLY] {
        let (world, copy) = World::copied().await;
        let watches = async {
            while world.begun.load(SeqCst) == 0 {
                sleep(TICK).await;
                if !copy.is_over() {
                    assert_eq!(world.begun.load(SeqCst), 0, "the body has begun before the copy is over");
                    assert_eq!(world.guarded().await, Some(1), "it is guarded while it waits");
                }
            }
            copy.was_waited_for();
            sleep(BODY / 3).await;
            assert_eq!(world.guarded().await, Some(1), "it is guarded while it writes");
        };
        let (written, ()) = join(world.write(function, Body::Succeeds), watches).await;
        assert_eq!(written, Ok(2));
        let stats = world.cache.stats();
        assert_eq!((stats.writes_waited, stats.guards_lost), (1, 0), "{}", function.settings.name);
        assert!(stats.writes_waited_ms.abs_diff(1000) < 20, "{}", stats.writes_waited_ms);
        world.is_fresh(2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_of_what_nobody_has_copied_does_not_wait() {
    let world = World::new();
    assert_eq!(world.read_by(&COPIED, Body::Succeeds).await, Ok(1));
    let begun = Instant::now();
    assert_eq!(world.write(&SAVE, Body::Succeeds).await, Ok(2));
    assert!(begun.elapsed() <= BODY + TICK * 2, "{:?}", begun.elapsed());
    assert_eq!(world.cache.stats().writes_waited, 0);
}

#[tokio::test(start_paused = true)]
async fn what_only_deletes_waits_for_the_copies_of_what_it_deletes() {
    for by in ["without a guard", "by hand", "in a transaction", "a guard by hand"] {
        let (world, copy) = World::copied().await;
        match by {
            "without a guard" => assert_eq!(world.write(&SAVE_UNGUARDED, Body::Succeeds).await, Ok(2)),
            "by hand" => world.by_hand().invalidate().await.unwrap(),
            "in a transaction" => transaction(async { world.by_hand().invalidate().await.unwrap() }).await,
            _ => drop(world.cache.guard([world.by_hand()]).await.unwrap()),
        }
        copy.was_waited_for();
        // The guard that is dropped is released in the background.
        sleep(GUARD_FOR + FILL).await;
        let version = world.version.load(SeqCst);
        world.is_fresh(version).await;
    }
}

/// It has not begun: nothing but the guard of the copies stays, and that for no longer than they do.
#[tokio::test(start_paused = true)]
async fn a_write_that_is_dropped_while_it_waits_leaves_nothing_behind() {
    let (world, copy) = World::copied().await;
    assert!(!cancelled_after(20, world.write(&SAVE, Body::Succeeds)).await);
    sleep(FILL / 10).await;
    assert!(!copy.is_over());
    assert_eq!((world.begun.load(SeqCst), world.guarded().await), (0, Some(0)));
    sleep(COPY).await;
    world.is_fresh(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_load_anew_is_given_after_the_copies_of_what_it_replaces() {
    let (world, copy) = World::copied().await;
    world.version.store(2, SeqCst);
    let watches = async {
        sleep(BODY / 2).await;
        while !copy.is_over() {
            let there = world.by_hand().peek().await.unwrap();
            assert_eq!(there, Some(1), "what is copied stands there as long as the copies do");
            assert_eq!(world.register().await, None, "no more copies are registered meanwhile");
            sleep(TICK).await;
        }
    };
    let anew = async {
        let given = refresh(world.read_by(&COPIED, Body::Succeeds)).await;
        copy.was_waited_for();
        given
    };
    assert_eq!(join(anew, watches).await.0, Ok(2));
    assert_eq!(world.by_hand().peek().await.unwrap(), Some(2), "it is stored, and not deleted");
    assert_eq!(world.cache.stats().total.fills_refused, 0);
}

/// Nothing may be stored in the place of a guard: what stands there is deleted, as far as anything does.
#[tokio::test(start_paused = true)]
async fn a_load_anew_of_what_was_deleted_waits_for_its_copies_as_well() {
    let (world, copy) = World::copied().await;
    world.version.store(2, SeqCst);
    assert!(!cancelled_after(3, world.by_hand().invalidate()).await);
    assert_eq!(world.guarded().await, Some(0));
    assert_eq!(refresh(world.read_by(&COPIED, Body::Succeeds)).await, Ok(2));
    copy.was_waited_for();
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_not_stored_again_ends_with_its_copies() {
    let (world, copy) = World::copied().await;
    let (inside, token) = (&world.store().inside, Token::fresh());
    let expected = entry::header_of(&inside.read("k").await.unwrap().unwrap());
    let elect = Elect { expected, token, hold: LEASE, force: false };
    assert!(inside.run("k", &elect).await.unwrap());
    let mut held = StoreRight::new(&world.cache.inner, "k", token, Right::Revalidate { failures: 0 }, LEASE);
    held.may_be_copied = true;
    held.discard().await;
    copy.was_waited_for();
    assert_eq!(world.guarded().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_key_stays_on_the_recovery_list_while_copies_of_it_live() {
    let (world, _) = World::copied().await;
    for step in ["guard", "release", "renew_guard"] {
        world.store().set(step, Gate::Fails);
    }
    assert_eq!(world.write(&SAVE, Body::Succeeds).await, Ok(2));
    assert_eq!(world.cache.stats().recovering, 1);
    // As late as possible, so that the delivery meets it.
    let copy = world.copy().await;
    world.store().heal();
    while world.cache.stats().recovering > 0 {
        sleep(TICK).await;
        assert!(copy.begun.elapsed() < COPY * 3, "it stays for ever");
    }
    assert!(copy.is_over(), "it has left the list after {:?}", copy.begun.elapsed());
    world.is_fresh(2).await;
}

/// A program that can't read the entry runs its body until the copies are over, and replaces it then.
#[tokio::test(start_paused = true)]
async fn what_another_release_stored_is_replaced_after_its_copies() {
    let world = World::new();
    let mut of_other = entry::begin_with(&[], true);
    let header = entry::Header {
        fingerprint: 7,
        fresh_for: TTL,
        load_time: Duration::ZERO,
        outlives_freshness: false,
    };
    entry::finish(&mut of_other, Token::fresh(), header);
    entry::stamp(&mut of_other, world.store().inside.read_timed("k").await.unwrap().1);
    world.store().inside.plant("k", of_other);
    let copy = world.copy().await;
    let stored = || world.cache.stats().total.stored;
    while !copy.is_over() {
        assert_eq!(world.read(Body::Succeeds).await, Ok(1));
        assert!(stored() == 0 || copy.is_over(), "it was replaced before");
        sleep(COPY / 10).await;
    }
    assert_eq!(world.read(Body::Succeeds).await, Ok(1));
    sleep(FILL).await;
    assert_eq!(stored(), 1);
}

/// Nothing could make it longer: every hit of the last half of its time would ask.
#[tokio::test(start_paused = true)]
async fn a_copy_that_ends_with_its_entry_is_not_registered_again() {
    let (world, begun) = (World::new(), Instant::now());
    let last = Duration::from_secs(1);
    while begun.elapsed() + last < TTL {
        assert_eq!(world.kept().await, Ok(1));
        sleep(TICK).await;
    }
    world.store().take_packets();
    while begun.elapsed() + TICK * 5 < TTL {
        assert_eq!(world.kept().await, Ok(1));
        sleep(TICK).await;
    }
    let packets = world.store().take_packets();
    let registered: usize =
        packets.iter().filter(|(step, _)| *step == "register").map(|(_, steps)| steps).sum();
    assert!((1..=2).contains(&registered), "{packets:?}");
    assert_eq!(world.bodies.load(SeqCst), 1);
}
