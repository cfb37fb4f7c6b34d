//! Local copies of this process, against everything that ends them. Another process is a step on the store.

use std::future::ready;

use cached_aside_protocol::steps::{Left, Release};

use super::*;
use crate::{
    __private::key,
    Key, Source, Tag,
    engine::local::LocalCopies,
    overrides::{bypass, observe, only_cached},
    transaction,
};

/// How long a copy may be used.
const LOCAL: Duration = Duration::from_secs(1);
/// How often a key is asked for.
const OFTEN: Duration = Duration::from_millis(100);

pub(super) static KEPT: ReadFunction =
    ReadFunction::declare(module_path!(), "kept", "version:{key}", TTL).jitter(0).lease(LEASE).local(LOCAL);

/// Another function of the same key.
static KEPT_AS_WELL: ReadFunction =
    ReadFunction::declare(module_path!(), "kept_as_well", "version:{key}", TTL).jitter(0).local(LOCAL);

/// Writes do not wait for its copies.
static BOUNDED: ReadFunction = ReadFunction::declare(module_path!(), "bounded", "version:{key}", TTL)
    .jitter(0)
    .lease(LEASE)
    .local(LOCAL)
    .local_bounded();

impl World {
    pub(super) fn kept(&self) -> impl Future<Output = Result<u64, Failed>> + use<> {
        self.kept_by(&KEPT)
    }

    fn kept_by(&self, function: &'static ReadFunction) -> impl Future<Output = Result<u64, Failed>> + use<> {
        self.kept_under(AnyKey::new("k"), function)
    }

    fn kept_under(
        &self,
        key: AnyKey,
        function: &'static ReadFunction,
    ) -> impl Future<Output = Result<u64, Failed>> + use<> {
        let (world, cache) = (self.clone(), self.cache.clone());
        async move {
            let origin = async {
                world.bodies.fetch_add(1, SeqCst);
                Ok(world.version.load(SeqCst))
            };
            let coding = coding::<u64, Bincode>(0).local();
            let returns = ReturnAdapter::<Result<u64, Failed>, 2>::SHARED.or_absent();
            load::<_, 2, _>(function, Some(&cache.inner), key, coding, returns, pin!(origin)).await
        }
    }

    /// The first version, of which this process has just registered a copy.
    pub(super) async fn with_copy() -> World {
        World::with_copy_of(&KEPT).await
    }

    async fn with_copy_of(function: &'static ReadFunction) -> World {
        let world = World::new();
        for _ in 0..3 {
            assert_eq!(world.kept_by(function).await, Ok(1));
            sleep(TICK).await;
        }
        assert_eq!(world.local_hits(), 0);
        world.store().set("read", Gate::Fails);
        assert_eq!(world.kept_by(function).await, Ok(1), "there is no copy");
        world.store().heal();
        assert_eq!((world.local_hits(), world.bodies.load(SeqCst)), (1, 1));
        world
    }

    fn local_hits(&self) -> u64 {
        self.cache.stats().total.local_hits
    }

    fn key(&self) -> Key<u64> {
        key(&KEPT, AnyKey::new("k"), coding::<u64, Bincode>(0)).in_cache(&self.cache)
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_asked_for_again_is_given_without_the_store() {
    let world = World::with_copy().await;
    let stats = world.cache.stats();
    assert_eq!((stats.local_entries, stats.total.hits), (1, 2));
    assert!(stats.local_bytes > 50, "{}", stats.local_bytes);
    let (given, observed) = observe(world.kept()).await;
    assert_eq!((given, observed.source()), (Ok(1), Some(Source::Local)));
    let age = observed.age().expect("it is known");
    assert!(age >= TICK * 3 && age <= TICK * 6, "{age:?}");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_asked_for_now_and_then_costs_nobody_anything() {
    let world = World::new();
    for _ in 0..5 {
        assert_eq!(world.kept().await, Ok(1));
        sleep(LOCAL + TICK).await;
    }
    assert_eq!((world.local_hits(), world.cache.stats().local_entries), (0, 0));
    let begun = Instant::now();
    assert_eq!(world.write(&SAVE, Body::Succeeds).await, Ok(2));
    assert!(begun.elapsed() <= BODY + TICK * 2, "the write waits for nobody: {:?}", begun.elapsed());
}

/// The copy ends by the time of its question, whatever became of everything else.
#[tokio::test(start_paused = true)]
async fn a_copy_is_given_no_longer_than_was_granted() {
    let world = World::new();
    world.store().set("register", Gate::Slow);
    assert_eq!(world.kept().await, Ok(1));
    assert_eq!(world.kept().await, Ok(1));
    let asked = Instant::now();
    assert_eq!(world.kept().await, Ok(1));
    sleep(SLOW + TICK).await;
    for step in ["read", "register"] {
        world.store().set(step, Gate::Fails);
    }
    while asked.elapsed() + TICK * 2 < LOCAL {
        assert_eq!(world.kept().await, Ok(1));
        assert_eq!(world.bodies.load(SeqCst), 1, "it has ended after {:?}", asked.elapsed());
        sleep(TICK).await;
    }
    sleep((asked + LOCAL).saturating_duration_since(Instant::now())).await;
    assert_eq!(world.kept().await, Ok(1));
    assert_eq!(world.bodies.load(SeqCst), 2, "it was given after {:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_registered_again_for_as_long_as_it_is_asked_for() {
    let world = World::with_copy().await;
    let begun = Instant::now();
    while begun.elapsed() < LOCAL * 10 {
        assert_eq!(world.kept().await, Ok(1));
        sleep(OFTEN).await;
    }
    assert_eq!(world.cache.stats().total.hits, 2, "nobody had to ask the store");
    sleep(LOCAL).await;
    let begun = Instant::now();
    assert_eq!(world.write(&SAVE, Body::Succeeds).await, Ok(2));
    assert!(begun.elapsed() <= BODY + TICK * 2, "nobody asks any more: {:?}", begun.elapsed());
}

/// Readers of this process beside its writes: none is given less than what anybody was given before.
#[tokio::test(start_paused = true)]
async fn reads_beside_writes_never_go_back() {
    let world = World::with_copy().await;
    let mut last = 1;
    for round in 2..6 {
        let writes = world.write(&SAVE, Body::Succeeds);
        let reads = async {
            while world.over.load(SeqCst) + 1 < round {
                let given = world.kept().await.unwrap();
                assert!(given >= last, "{given} after {last}");
                last = given;
                sleep(OFTEN / 7).await;
            }
        };
        let (written, ()) = tokio::join!(writes, reads);
        assert_eq!(written, Ok(round));
        for _ in 0..5 {
            assert_eq!(world.kept().await, Ok(round), "a copy of before the write");
            sleep(TICK).await;
        }
    }
    assert!(world.local_hits() > 100, "{}", world.local_hits());
    assert_eq!(world.cache.stats().writes_waited, 4);
}

#[tokio::test(start_paused = true)]
async fn the_recovery_list_closes_its_keys_to_copies_too() {
    let world = World::with_copy().await;
    for step in ["guard", "renew_guard", "release"] {
        world.store().set(step, Gate::Fails);
    }
    assert_eq!(world.write(&SAVE, Body::Succeeds).await, Ok(2));
    assert_eq!(world.kept().await, Ok(2), "the copy is older than a write of this process");
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_something_else_is_given_no_copy() {
    let world = World::with_copy().await;
    // Nobody has told this process, and the copy says so.
    world.version.store(7, SeqCst);
    assert_eq!(bypass(world.kept()).await, Ok(7));
    assert_eq!(transaction(world.kept()).await, Ok(7));
    assert_eq!(only_cached(world.kept()).await, Ok(1));
    assert_eq!(world.local_hits(), 2, "`only_cached` is given a copy");
    world.store().set("read", Gate::Fails);
    assert!(world.key().peek().await.is_err(), "`peek` asks the store");
    world.store().heal();
    assert_eq!(refresh(world.kept()).await, Ok(7));
    assert_eq!(world.kept().await, Ok(7), "what was loaded anew is what is given now");
}

#[tokio::test(start_paused = true)]
async fn another_function_is_given_no_copy_of_this_one() {
    let world = World::with_copy().await;
    world.store().set("read", Gate::Fails);
    world.version.store(7, SeqCst);
    for _ in 0..3 {
        assert_eq!(world.kept_by(&KEPT_AS_WELL).await, Ok(7));
    }
}

/// Another writer's guard stands there, or on a tag: nothing can be registered, and the copy is used for what is left of its time.
#[tokio::test(start_paused = true)]
async fn a_copy_that_cannot_be_registered_again_ends() {
    for guarded in ["k", Tag::new("t").key(), Tag::new("u").key()] {
        let world = World::new();
        let kept = || world.kept_under(AnyKey::new("k").tagged([Tag::new("t"), Tag::new("u")]), &KEPT);
        while world.local_hits() == 0 {
            assert_eq!(kept().await, Ok(1));
            sleep(TICK).await;
        }
        let token = Token::numbered(1_000);
        let guard = cached_aside_protocol::steps::Guard { token, hold: LOCAL * 60 };
        let left = world.store().inside.run(guarded, &guard).await.unwrap();
        let placed = Instant::now();
        world.version.store(2, SeqCst);
        while kept().await == Ok(1) {
            assert!(placed.elapsed() <= left, "a copy is given after the writer has waited for it");
            sleep(TICK).await;
        }
        assert!(placed.elapsed() + OFTEN > left, "{:?} of {left:?}", placed.elapsed());
        world.store().inside.run(guarded, &Release { token, left: Left::Nothing }).await.unwrap();
        assert_eq!(kept().await, Ok(2));
    }
}

#[tokio::test(start_paused = true)]
async fn who_invalidates_a_tag_waits_for_the_copies_of_what_carries_it() {
    let world = World::new();
    let kept = || world.kept_under(AnyKey::new("k").tagged([Tag::new("t")]), &KEPT);
    for version in 1..5 {
        let before = world.local_hits();
        while world.local_hits() < before + 3 {
            assert_eq!(kept().await, Ok(version));
            sleep(TICK).await;
        }
        let begun = Instant::now();
        world.cache.invalidate_tag(Tag::new("other")).await.unwrap();
        assert!(begun.elapsed() <= TICK * 3, "nothing carries it: {:?}", begun.elapsed());
        world.version.store(version + 1, SeqCst);
        world.cache.invalidate_tag(Tag::new("t")).await.unwrap();
        assert!(begun.elapsed() >= LOCAL / 3, "{:?}", begun.elapsed());
        assert_eq!(kept().await, Ok(version + 1), "a copy of before the write");
    }
}

/// A write of either whose invalidation could not be delivered may have returned.
#[tokio::test(start_paused = true)]
async fn no_copy_is_given_while_its_key_or_its_tag_is_on_the_recovery_list() {
    let (world, tag) = (World::new(), Tag::new("t"));
    let kept = || world.kept_under(AnyKey::new("k").tagged([tag.clone()]), &KEPT);
    let begun = Instant::now();
    while world.local_hits() == 0 {
        assert!(begun.elapsed() < TTL, "there is no copy");
        assert_eq!(kept().await, Ok(1));
        sleep(TICK).await;
    }
    for listed in ["k", tag.key()] {
        let (hits, write) = (world.local_hits(), Token::numbered(7));
        world.cache.inner.recovery.begin(listed, write);
        assert_eq!(kept().await, Ok(1));
        assert_eq!(observe(kept()).await.0, Ok(1));
        assert_eq!(world.local_hits(), hits, "{listed}");
        world.cache.inner.recovery.end(listed, write);
        assert_eq!(kept().await, Ok(1));
        assert_eq!(world.local_hits(), hits + 1, "{listed}");
    }
}

/// The version of a tag is lost when it expires, and what is registered on it: no copy is used after that.
#[tokio::test(start_paused = true)]
async fn a_copy_ends_with_the_version_of_its_tag() {
    let (world, tag) = (World::new(), Tag::new("t"));
    let kept = || world.kept_under(AnyKey::new("k").tagged([Tag::new("t")]), &KEPT);
    assert_eq!(kept().await, Ok(1));
    let inside = &world.store().inside;
    let version = inside.read(tag.key()).await.unwrap().expect("a version");
    inside.plant_for(tag.key(), version.to_vec(), LOCAL / 2);
    let planted = Instant::now();
    while world.local_hits() == 0 {
        assert_eq!(kept().await, Ok(1));
        sleep(TICK).await;
    }
    world.version.store(2, SeqCst);
    while kept().await == Ok(1) {
        assert!(planted.elapsed() < LOCAL / 2, "a copy that no writer of the tag would be told of");
        sleep(TICK).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_registered_after_the_cache_was_shut_down() {
    let world = World::with_copy().await;
    world.cache.shutdown(Duration::from_secs(1)).await.unwrap();
    let begun = Instant::now();
    while begun.elapsed() < LOCAL * 3 {
        assert_eq!(world.kept().await, Ok(1));
        sleep(OFTEN).await;
    }
    let begun = Instant::now();
    assert_eq!(world.write(&SAVE, Body::Succeeds).await, Ok(2));
    assert!(begun.elapsed() <= BODY + TICK * 2, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn copies_have_no_more_room_than_they_are_given() {
    const ROOM: u64 = 10_000;
    let mut world = World::new();
    let shared = Arc::get_mut(&mut world.cache.inner).expect("nobody else has it");
    shared.local = LocalCopies::new(ROOM);
    let read = |number: u64| {
        let (cache, key) = (world.cache.clone(), AnyKey::finished(&format!("key {number}")));
        async move {
            let returns = ReturnAdapter::<Result<u64, Failed>, 2>::SHARED.or_absent();
            let coding = coding::<u64, Bincode>(0).local();
            let body = pin!(ready(Ok(number)));
            load::<_, 2, _>(&KEPT, Some(&cache.inner), key, coding, returns, body).await
        }
    };
    for number in 0..500 {
        for _ in 0..3 {
            assert_eq!(read(number).await, Ok(number));
            sleep(Duration::from_micros(10)).await;
        }
    }
    sleep(TICK).await;
    let stats = world.cache.stats();
    assert!(stats.local_bytes <= ROOM && stats.local_bytes > ROOM / 2, "{}", stats.local_bytes);
}

#[tokio::test(start_paused = true)]
async fn a_write_does_not_wait_for_bounded_copies_which_an_announced_change_ends() {
    let world = World::with_copy_of(&BOUNDED).await;
    let stored = world.store().inside.read("k").await.unwrap().expect("it is stored");
    assert!(!cached_aside_protocol::entry::can_have_copies(&stored), "it has room for a registration");
    let begun = Instant::now();
    assert_eq!(world.write(&SAVE, Body::Succeeds).await, Ok(2));
    assert!(begun.elapsed() <= BODY + TICK * 2, "the write has waited: {:?}", begun.elapsed());
    assert_eq!(world.kept_by(&BOUNDED).await, Ok(2), "the store has announced the write");
    assert_eq!(world.cache.stats().writes_waited, 0);
}

/// Nothing says that it has become old, and it can't be compared again.
#[tokio::test(start_paused = true)]
async fn a_bounded_copy_is_used_for_its_time_from_the_question_on() {
    let world = World::new();
    world.store().set("watch", Gate::Slow);
    assert_eq!(world.kept_by(&BOUNDED).await, Ok(1));
    assert_eq!(world.kept_by(&BOUNDED).await, Ok(1));
    let asked = Instant::now();
    assert_eq!(world.kept_by(&BOUNDED).await, Ok(1));
    sleep(SLOW + TICK).await;
    for step in ["read", "watch"] {
        world.store().set(step, Gate::Fails);
    }
    world.version.store(2, SeqCst);
    let mut last = Duration::ZERO;
    while world.kept_by(&BOUNDED).await == Ok(1) {
        last = asked.elapsed();
        sleep(TICK).await;
    }
    assert!(last < LOCAL && last + TICK * 4 > LOCAL, "it was given after {last:?}");
}

/// The entry is another one when the copy is compared with it: it is not used.
#[tokio::test(start_paused = true)]
async fn a_bounded_copy_of_another_entry_is_not_used() {
    let world = World::new();
    world.store().set("watch", Gate::Slow);
    for _ in 0..3 {
        assert_eq!(world.kept_by(&BOUNDED).await, Ok(1));
    }
    assert!(world.cache.inner.local.state("k").is_some(), "nobody has asked for a copy");
    // Another process, before the question has arrived.
    let (token, inside) = (Token::numbered(1_000), &world.store().inside);
    inside.run("k", &cached_aside_protocol::steps::Guard { token, hold: LOCAL }).await.unwrap();
    inside.run("k", &Release { token, left: Left::Nothing }).await.unwrap();
    world.version.store(2, SeqCst);
    assert_eq!(world.kept_by(&BOUNDED).await, Ok(2));
    sleep(SLOW + TICK).await;
    assert_eq!(world.local_hits(), 0);
    assert_eq!(world.kept_by(&BOUNDED).await, Ok(2), "the copy is of the entry that the write has deleted");
}

/// So it is where a tag of the entry has been written meanwhile, which changes nothing about the entry.
#[tokio::test(start_paused = true)]
async fn a_copy_whose_tag_was_written_is_not_used() {
    for (is_written, function) in [(false, &BOUNDED), (true, &BOUNDED), (false, &KEPT), (true, &KEPT)] {
        let (world, tag) = (World::new(), Tag::new("t"));
        let kept = || world.kept_under(AnyKey::new("k").tagged([tag.clone()]), function);
        for question in ["watch", "register"] {
            world.store().set(question, Gate::Slow);
        }
        for _ in 0..3 {
            assert_eq!(kept().await, Ok(1));
        }
        if is_written {
            // By another process, before the question has arrived.
            let (token, inside) = (Token::numbered(1_000), &world.store().inside);
            let guard = cached_aside_protocol::steps::Guard { token, hold: LOCAL };
            inside.run(tag.key(), &guard).await.unwrap();
            inside.run(tag.key(), &Release { token, left: Left::Nothing }).await.unwrap();
        }
        world.version.store(2, SeqCst);
        sleep(SLOW + TICK).await;
        let given = kept().await;
        assert_eq!((given, world.local_hits()), if is_written { (Ok(2), 0) } else { (Ok(1), 1) });
    }
}

/// Its copies end with its freshness, so that the refresh waits for none.
static KEPT_STALE: ReadFunction = ReadFunction::declare(module_path!(), "kept_stale", "version:{key}", TTL)
    .jitter(0)
    .lease(LEASE)
    .local(LOCAL)
    .stale_while_revalidate(TTL);

#[tokio::test(start_paused = true)]
async fn a_copy_ends_when_its_value_is_stale() {
    let (world, begun) = (World::new(), Instant::now());
    while begun.elapsed() + OFTEN < TTL {
        assert_eq!(world.kept_by(&KEPT_STALE).await, Ok(1));
        sleep(OFTEN).await;
    }
    assert!(world.local_hits() > 500, "{}", world.local_hits());
    world.version.store(2, SeqCst);
    while world.kept_by(&KEPT_STALE).await == Ok(1) {
        assert!(begun.elapsed() < TTL + TICK * 10, "a copy of a stale value");
        sleep(TICK).await;
    }
    assert!(begun.elapsed() < TTL + TICK * 20, "the refresh has waited: {:?}", begun.elapsed());
    for _ in 0..100 {
        assert_eq!(world.kept_by(&KEPT_STALE).await, Ok(2));
        sleep(TICK).await;
    }
    assert_eq!((world.bodies.load(SeqCst), world.cache.stats().total.stale), (2, 0));
}
