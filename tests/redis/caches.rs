//! Functions that name a cache of their own: whoever names the function in a write reaches that cache.

use std::sync::{
    LazyLock, Mutex,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use cached_aside::{AnyKey, Cache, Error, cached_aside, invalidates, updates};

static ELSEWHERE: LazyLock<Cache> = LazyLock::new(Cache::in_process);

/// A row whose cache is its own.
struct Repo {
    cache: Cache,
    row: Mutex<u64>,
}

impl Repo {
    fn new() -> Repo {
        Repo { cache: Cache::in_process(), row: Mutex::new(1) }
    }

    #[cached_aside(ttl = "5m", key = "own_row:{id}", skip(self), cache = self.cache)]
    async fn load(&self, id: u64) -> u64 {
        let _ = id;
        *self.row.lock().unwrap()
    }

    #[invalidates(self.load(id))]
    async fn save(&self, id: u64, value: u64) {
        let _ = id;
        *self.row.lock().unwrap() = value;
    }

    #[invalidates(self.load(result.id))]
    async fn create(&self, value: u64) -> Row {
        *self.row.lock().unwrap() = value;
        Row { id: 1 }
    }

    #[updates(self.load(id))]
    async fn update(&self, id: u64, value: u64) -> u64 {
        let _ = id;
        *self.row.lock().unwrap() = value;
        value
    }

    #[invalidates(Repo::load(id), cache = self.cache)]
    async fn save_by_path(&self, id: u64, value: u64) {
        let _ = id;
        *self.row.lock().unwrap() = value;
    }
}

struct Row {
    id: u64,
}

/// In a cache that every key of the function knows.
#[cached_aside(ttl = "5m", key = "elsewhere:{id}", cache = ELSEWHERE)]
async fn elsewhere(id: u64) -> u64 {
    let _ = id;
    ROW.load(SeqCst)
}

static ROW: AtomicU64 = AtomicU64::new(0);

#[invalidates(elsewhere(id), "here:{id}")]
async fn save_elsewhere(id: u64) {
    let _ = id;
    ROW.fetch_add(1, SeqCst);
}

#[invalidates(elsewhere(id), repo.load(id), "here:{id}")]
async fn save_everywhere(repo: &Repo, id: u64, value: u64) {
    let _ = id;
    ROW.fetch_add(1, SeqCst);
    *repo.row.lock().unwrap() = value;
}

struct State {
    cache: Cache,
}

/// Where the key can't know it, the write says which cache it is.
#[cached_aside(ttl = "5m", key = "by_state:{id}", skip(state), cache = state.cache)]
async fn by_state(state: &State, id: u64) -> u64 {
    let _ = (state, id);
    ROW.load(SeqCst)
}

#[invalidates(by_state(id), cache = state.cache)]
async fn save_by_state(state: &State, id: u64) {
    let _ = (state, id);
    ROW.fetch_add(1, SeqCst);
}

/// Neither a cache in scope nor an installed one is needed, and none that is in scope is in the way.
#[tokio::test]
async fn a_write_reaches_the_cache_of_the_function_that_it_names() {
    for scope in [None, Some(Cache::in_process())] {
        let repo = Repo::new();
        let writes = async {
            assert_eq!(repo.load(1).await, 1);
            repo.save(1, 2).await;
            assert_eq!(repo.load(1).await, 2);
            assert_eq!(repo.create(3).await.id, 1);
            assert_eq!(repo.load(1).await, 3);
            repo.update(1, 4).await;
            assert_eq!(repo.load(1).await, 4);
            assert_eq!(repo.cache.stats().total.loads, 3, "the update has stored it");
            repo.save_by_path(1, 5).await;
            assert_eq!(repo.load(1).await, 5);
        };
        match &scope {
            None => writes.await,
            Some(cache) => cache.scope(writes).await,
        }
        let stats = repo.cache.stats();
        assert_eq!((stats.invalidated, stats.updated), (4, 1), "{stats}");
        assert!(scope.is_none_or(|cache| cache.stats().invalidated == 0));
    }
}

#[tokio::test]
async fn a_write_reaches_every_cache_that_its_keys_are_in() {
    let (here, repo) = (Cache::in_process(), Repo::new());
    #[cached_aside(ttl = "5m", key = "here:{id}")]
    async fn load_here(id: u64) -> u64 {
        let _ = id;
        ROW.load(SeqCst)
    }
    here.scope(async {
        for value in 2..5 {
            let before = (load_here(7).await, elsewhere(7).await, repo.load(7).await);
            save_everywhere(&repo, 7, value).await;
            let after = (load_here(7).await, elsewhere(7).await, repo.load(7).await);
            assert!(after.0 > before.0 && after.1 > before.1 && after.2 == value, "{before:?} {after:?}");
        }
        assert_eq!((here.stats().invalidated, repo.cache.stats().invalidated), (3, 3));
    })
    .await;
}

/// While the body runs, nothing is stored in any of them.
#[tokio::test]
async fn the_keys_are_guarded_where_they_lie() {
    let repo = Repo::new();
    #[invalidates(repo.load(id), elsewhere(id))]
    async fn save(repo: &Repo, id: u64) {
        repo.load(id).await;
        elsewhere(id).await;
        assert_eq!(Repo::load_key(id).in_cache(&repo.cache).peek().await.unwrap(), None, "it is guarded");
        assert_eq!(elsewhere::key(id).peek().await.unwrap(), None, "it is guarded");
    }
    save(&repo, 9).await;
    repo.load(9).await;
    assert_eq!(Repo::load_key(9).in_cache(&repo.cache).peek().await.unwrap(), Some(1));
}

#[tokio::test]
async fn keys_by_hand_know_their_cache() {
    let here = Cache::in_process();
    here.scope(async {
        let old = elsewhere(11).await;
        save_elsewhere(12).await;
        assert_eq!(elsewhere::key(11).peek().await.unwrap(), Some(old));
        for by_hand in 0..4 {
            elsewhere(11).await;
            match by_hand {
                0 => elsewhere::key(11).invalidate().await.unwrap(),
                1 => AnyKey::from(elsewhere::key(11)).invalidate().await.unwrap(),
                2 => here.invalidate(&elsewhere::key(11)).await.unwrap(),
                _ => here.guard([elsewhere::key(11)]).await.unwrap().release().await.unwrap(),
            }
            assert_eq!(elsewhere::key(11).peek().await.unwrap(), None, "{by_hand}");
        }
        // Another cache than the function's, because the key says so.
        elsewhere(11).await;
        elsewhere::key(11).in_cache(&here).invalidate().await.unwrap();
        assert!(elsewhere::key(11).peek().await.unwrap().is_some());
    })
    .await;
    let key = AnyKey::new("own_row:1");
    assert!(matches!(key.invalidate().await, Err(Error::NoCache)));
    assert_ne!(AnyKey::from(elsewhere::key(1)), AnyKey::new("elsewhere:1"));
}

#[tokio::test]
async fn a_write_can_say_which_cache_it_is() {
    let state = State { cache: Cache::in_process() };
    let old = by_state(&state, 1).await;
    save_by_state(&state, 1).await;
    assert!(by_state(&state, 1).await > old);
}

/// `required` refuses the write where any of the caches does not take its guard.
#[tokio::test]
async fn a_required_guard_is_required_in_every_cache() {
    let down = cached_aside_tests::RedisServer::start();
    let repo = Repo { cache: Cache::connect(&down.url()).await.unwrap(), row: Mutex::new(1) };
    down.kill();

    #[derive(Debug)]
    struct Refused(Error);
    impl From<Error> for Refused {
        fn from(error: Error) -> Refused {
            Refused(error)
        }
    }
    #[invalidates(elsewhere(id), repo.load(id), guard = "required")]
    async fn save(repo: &Repo, id: u64) -> Result<(), Refused> {
        let _ = (repo, id);
        panic!("the body must not run");
    }
    let Err(Refused(error)) = save(&repo, 21).await else { panic!("it is refused") };
    assert!(matches!(&error, Error::NotGuarded { key, .. } if key == "own_row:21"), "{error}");
}
