//! Reads of a key on the recovery list: nothing that is stored is given, and nothing is stored.

use super::{refresh::*, *};
use crate::{
    __private::{key, update},
    overrides::only_cached,
};

const WRITE: Token = Token::numbered(1);

impl World {
    fn list(&self) {
        self.cache.inner.recovery.begin("k", WRITE);
    }

    async fn stored(&self) -> Option<Vec<u8>> {
        self.store().inside.read("k").await.unwrap().map(|bytes| bytes.to_vec())
    }

    /// A call whose body ends as it is told, and in which the key is listed.
    fn read_and_list(
        &self,
        function: &'static ReadFunction,
        body: Body,
    ) -> impl Future<Output = Result<u64, Failed>> + use<> {
        let (call, world) = (self.read_by(function, body), self.clone());
        async move {
            let list = async {
                sleep(BODY / 2).await;
                world.list();
            };
            tokio::join!(call, list).0
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_listed_key_is_neither_given_nor_stored() {
    for function in [&LOAD, &REVALIDATES, &KEEPS, &IN_BACKGROUND] {
        for (what, age) in
            [("nothing", None), ("a value", Some(Duration::ZERO)), ("a stale value", Some(STALE))]
        {
            let what = format!("{} {what}", function.settings.name);
            let world = World::new();
            if let Some(age) = age {
                world.read_by(function, Body::Succeeds).await.unwrap();
                sleep(age).await;
            }
            world.list();
            world.version.store(2, SeqCst);
            let before = world.stored().await;
            assert_eq!(world.read_by(function, Body::Succeeds).await, Ok(2), "{what}");
            let failed = world.read_by(function, Body::Fails).await;
            assert_eq!(failed, Err(Failed("body".to_owned())), "{what}");
            assert_eq!(refresh(world.read_by(function, Body::Succeeds)).await, Ok(2), "{what}");
            let asked = only_cached(world.read_by(function, Body::Succeeds)).await;
            assert!(asked.is_err_and(|error| error.0.contains("not in the cache")), "{what}");
            let names = key(function, AnyKey::new("k"), coding::<u64, Bincode>(0));
            assert_eq!(names.in_cache(&world.cache).peek().await.unwrap(), None, "{what}");
            sleep(Duration::from_secs(1)).await;
            assert_eq!(world.stored().await, before, "{what}: it is as it was");
            let stats = world.cache.stats();
            assert_eq!((stats.total.errors, stats.total.stored), (0, u64::from(age.is_some())), "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_listed_while_its_body_runs_is_not_stored() {
    for function in [&LOAD, &REVALIDATES, &KEEPS, &IN_BACKGROUND] {
        for stale in [false, true] {
            let what = format!("{} stale: {stale}", function.settings.name);
            let world = if stale { World::old(function).await } else { World::new() };
            let stored = world.cache.stats().total.stored;
            world.read_and_list(function, Body::Succeeds).await.unwrap();
            sleep(Duration::from_secs(1)).await;
            let stats = world.cache.stats().total;
            assert_eq!((stats.stored, stats.errors, stats.fills_refused), (stored, 0, 0), "{what}");
            // The right to store it was given up.
            world.cache.inner.recovery.end("k", WRITE);
            world.version.store(3, SeqCst);
            if stale {
                // Whoever comes next may reload at once.
                world.read_by(function, Body::Succeeds).await.unwrap();
                sleep(Duration::from_secs(1)).await;
            }
            assert_eq!(world.read_by(function, Body::Succeeds).await, Ok(3), "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_is_not_given_for_an_error_once_its_key_is_listed() {
    for function in [&REVALIDATES, &KEEPS] {
        let world = World::old(function).await;
        let given = world.read_and_list(function, Body::Fails).await;
        assert_eq!(given, Err(Failed("body".to_owned())), "{}", function.settings.name);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_of_a_listed_key_deletes_nothing_by_itself() {
    let world = World::new();
    world.read(Body::Succeeds).await.unwrap();
    world.list();
    let before = world.stored().await;
    assert_eq!(refresh(world.read(Body::Succeeds)).await, Ok(1));
    assert_eq!((world.stored().await, world.cache.stats().invalidated), (before, 0));
}

#[tokio::test(start_paused = true)]
async fn an_update_of_a_listed_key_stores_nothing() {
    let world = World::new();
    world.list();
    let keys = [key(&LOAD, AnyKey::new("k"), coding::<u64, Bincode>(0))];
    let body = pin!(async { Ok::<_, Failed>(2) });
    update::<Result<u64, Failed>, 2, _>(&SAVE, Some(&world.cache), None, keys, body).await.unwrap();
    assert_eq!((world.stored().await, world.cache.stats().updated), (None, 0));
}
