//! Batches of entries that carry tags.

use super::{
    super::refresh::{KEEPS, REVALIDATES},
    *,
};
use crate::store::memory::MemoryStore;

const TAGS: &[&str] = &["all", "some"];

/// Entries of this function carry tags.
fn tagged(world: &World, function: &'static ReadFunction) -> Asked {
    Asked { tags: TAGS, ..world.asked(function) }
}

impl Asked {
    /// A single call.
    async fn single(&self, id: u64) -> Result<u64, Failed> {
        let key = key_of(id).tagged(self.tags.iter().map(|tag| Tag::new(tag)));
        let returns = ReturnAdapter::<Result<u64, Failed>, 2>::SHARED;
        let body = pin!(async { Ok(self.origin(vec![id]).await?[&id]) });
        load(self.function, Some(&self.world.cache.inner), key, coding::<u64, Bincode>(0), returns, body)
            .await
    }

    /// Ids that have nothing to do with the one row of [`World::read`].
    async fn gives(&self, ids: &[u64], version: u64, loaded: &[u64]) {
        assert_eq!(self.batch(ids).await, all(ids, version));
        assert_eq!(self.given().concat(), loaded);
    }
}

impl World {
    fn inside(&self) -> &MemoryStore {
        &self.store().inside
    }

    /// A write of a tag.
    async fn invalidates(&self, tag: &str) {
        self.version.fetch_add(1, SeqCst);
        self.cache.invalidate_tag(tag).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_was_invalidated_ends_the_entries_of_a_batch() {
    let world = World::new();
    let asked = tagged(&world, &LOAD);
    asked.gives(&[1, 2], 1, &[1, 2]).await;
    asked.gives(&[1, 2], 1, &[]).await;
    for tag in TAGS {
        world.invalidates(tag).await;
        let version = world.version.load(SeqCst);
        asked.gives(&[1, 2, 3], version, &[1, 2, 3]).await;
        asked.gives(&[3, 2, 1], version, &[]).await;
    }
    world.invalidates("another").await;
    asked.gives(&[1, 2, 3], 3, &[]).await;
    assert_eq!(only_cached(asked.batch(&[1, 4])).await, all(&[1], 3));
    world.invalidates("all").await;
    assert_eq!(only_cached(asked.batch(&[1, 4])).await, Ok(ByKey::new()));
    assert!(asked.given().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_read_before_a_tag_was_invalidated_is_stored_and_not_given() {
    for function in [&LOAD, &KEEPS, &REVALIDATES] {
        let world = World::new();
        let asked = tagged(&world, function);
        if function.settings.name != LOAD.settings.name {
            asked.gives(&[1], 1, &[1]).await;
            sleep(STALE).await;
        }
        let batch = tokio::spawn(asked.batch(&[1, 2]));
        sleep(BODY / 2).await;
        world.invalidates("some").await;
        // Whoever comes after the write is not given what the batch had begun to load before it.
        let after = tokio::spawn(asked.batch(&[2]));
        assert_eq!(batch.await.unwrap(), all(&[1, 2], 1));
        assert_eq!(after.await.unwrap(), all(&[2], 2));
        assert_eq!(asked.given().pop(), Some(vec![2]));
        asked.gives(&[1, 2], 2, &[1]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_loads_what_is_under_a_tag_that_is_being_written_and_stores_nothing() {
    let world = World::new();
    let asked = tagged(&world, &LOAD);
    asked.gives(&[1], 1, &[1]).await;
    let guard = world.cache.guard([Tag::new("some")]).await.unwrap();
    for _ in 0..2 {
        asked.gives(&[1, 2], 1, &[1, 2]).await;
        assert_eq!(refresh(asked.batch(&[1, 2])).await, all(&[1, 2], 1));
        assert_eq!(asked.given(), [[1, 2]]);
    }
    assert_eq!(world.inside().read("k2").await, Ok(None));
    guard.release().await.unwrap();
    asked.gives(&[1, 2], 1, &[1, 2]).await;
    asked.gives(&[1, 2], 1, &[]).await;
}

/// A tag that a write guards between the look and the body: its version is not there to be carried.
#[tokio::test(start_paused = true)]
async fn a_tag_that_is_written_since_the_look_lets_nothing_be_stored() {
    let world = World::new();
    let asked = tagged(&world, &LOAD);
    world.store().set("acquire", Gate::Slow);
    world.store().set("carry", Gate::Slow);
    let batch = tokio::spawn(asked.batch(&[1, 2]));
    sleep(SLOW / 4).await;
    let guard = world.cache.guard([Tag::new("some")]).await.unwrap();
    assert_eq!(batch.await.unwrap(), all(&[1, 2], 1));
    world.store().heal();
    assert_eq!(world.cache.stats().total.unstored, 2);
    sleep(SLOW).await;
    for key in ["k1", "k2"] {
        assert_eq!(world.inside().read(key).await, Ok(None), "neither a value nor a lease");
    }
    guard.release().await.unwrap();
}

/// A write of a tag that the store did not hear of, while its version is on its way.
#[tokio::test(start_paused = true)]
async fn a_tag_that_is_listed_while_its_version_is_read_lets_nothing_be_stored() {
    for single in [true, false] {
        let world = World::new();
        let asked = tagged(&world, &LOAD);
        world.store().set("carry", Gate::Slow);
        let call = {
            let asked = asked.clone();
            tokio::spawn(async move {
                if single {
                    drop(asked.single(1).await);
                } else {
                    drop(asked.batch(&[1, 2]).await);
                }
            })
        };
        sleep(SLOW / 4).await;
        world.cache.inner.recovery.begin("#some", Token::numbered(1));
        call.await.unwrap();
        world.store().heal();
        world.cache.inner.recovery.end("#some", Token::numbered(1));
        sleep(SLOW).await;
        assert_eq!(
            world.inside().read("k1").await,
            Ok(None),
            "neither a value nor a lease; single: {single}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_whatever_becomes_of_the_versions_of_its_tags() {
    quietly();
    for carry in GATES {
        for acquire in GATES {
            for body in BODIES {
                let what = format!("carry {carry:?} acquire {acquire:?} {body:?}");
                let world = World::new();
                world.store().set("carry", carry);
                world.store().set("acquire", acquire);
                let asked = Asked { body, ..tagged(&world, &LOAD) };
                let begun = Instant::now();
                let result = timeout(Duration::from_secs(1), caught(asked.batch(&[0, 1, 2]))).await;
                let took = begun.elapsed();
                assert_eq!(
                    result.is_ok_and(|given| given == Some(all(&[0, 1, 2], 1))),
                    body == Body::Succeeds,
                    "{what}"
                );
                assert_eq!(asked.given(), [[0, 1, 2]], "{what}: one body for all");
                let bound = BODY + TIMEOUT + Duration::from_millis(5);
                assert!(took <= bound || body == Body::IsCancelled, "{what}: {took:?}");
                world.store().heal();
                world.version.store(2, SeqCst);
                sleep(LEASE + SLOW).await;
                let answers = |gate| matches!(gate, Gate::Passes | Gate::Slow);
                let stored = body == Body::Succeeds && answers(carry) && answers(acquire);
                let now = Asked { body: Body::Succeeds, ..asked };
                let version = if stored { 1 } else { 2 };
                now.gives(&[0, 1, 2], version, if stored { &[] } else { &[0, 1, 2] }).await;
                now.gives(&[0, 1, 2], version, &[]).await;
                assert_eq!(world.cache.inner.flights.len(), 0, "{what}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_tags_can_not_be_read_runs_its_body() {
    let world = World::new();
    let asked = tagged(&world, &LOAD);
    asked.gives(&[1, 2], 1, &[1, 2]).await;
    world.version.store(2, SeqCst);
    world.inside().plant("#some", b"hello".to_vec());
    for _ in 0..2 {
        asked.gives(&[1, 2], 2, &[1, 2]).await;
    }
    assert!(world.cache.stats().total.foreign > 0);
    assert_eq!(world.inside().read("#some").await, Ok(Some("hello".into())), "somebody else's data");
    let owed = tagged(&world, &LOAD);
    world.inside().evict("#some");
    owed.gives(&[1, 2], 2, &[1, 2]).await;
    owed.gives(&[1, 2], 2, &[]).await;
    // A write of the tag that the store did not hear of.
    world.cache.inner.recovery.begin("#some", Token::numbered(1));
    world.version.store(3, SeqCst);
    for _ in 0..2 {
        owed.gives(&[1, 2], 3, &[1, 2]).await;
        assert_eq!((owed.single(1).await, owed.given()), (Ok(3), vec![vec![1]]), "and so does a single call");
    }
    world.cache.inner.recovery.end("#some", Token::numbered(1));
    owed.gives(&[1, 2], 2, &[]).await;
    assert_eq!((owed.single(1).await, owed.given().len()), (Ok(2), 0));
}

/// Inside of its window: a write of the tag ends the entry, also where the store did not hear of it.
#[tokio::test(start_paused = true)]
async fn a_body_that_fails_is_not_covered_by_entries_whose_tag_was_invalidated() {
    for write in [None, Some("delivered"), Some("owed")] {
        let world = World::new();
        let asked = tagged(&world, &KEEPS);
        asked.gives(&[1, 2], 1, &[1, 2]).await;
        sleep(STALE).await;
        let fails = Asked { body: Body::Fails, ..asked.clone() };
        let batch = tokio::spawn(fails.batch(&[1, 2]));
        sleep(BODY / 2).await;
        match write {
            Some("delivered") => world.invalidates("all").await,
            Some(_) => drop(world.cache.inner.recovery.begin("#all", Token::numbered(1))),
            None => {}
        }
        let during = batch.await.unwrap();
        let after = fails.batch(&[1, 2]).await;
        let failed = Err(Failed("body".to_owned()));
        match write {
            None => assert_eq!((during, after), (all(&[1, 2], 1), all(&[1, 2], 1)), "inside of their window"),
            Some("delivered") => assert_eq!(after, failed),
            Some(_) => assert_eq!((during, after), (failed.clone(), failed)),
        }
    }
}
