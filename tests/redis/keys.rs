//! Two calls share an entry only if they are the same call.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
};

use async_trait::async_trait;
use cached_aside::{Cache, KeyPart, bypass, cached_aside, invalidates, only_cached};

use crate::support::on_both_stores;

// --- Generic parameters -----------------------------------------------------------------------------------

trait Measured<T>: Sync {
    async fn size(&self, id: u64) -> usize;
    async fn named(&self, id: u64) -> usize;
}

struct Nothing;

impl<T> Measured<T> for Nothing {
    #[cached_aside(ttl = "1m", skip(self))]
    async fn size(&self, id: u64) -> usize {
        size_of::<T>() + usize::try_from(id).unwrap()
    }

    #[cached_aside(ttl = "1m", key = "named:{Self}:{T}:{id}", skip(self))]
    async fn named(&self, id: u64) -> usize {
        size_of::<T>() + usize::try_from(id).unwrap()
    }
}

trait Default<T>: Sync {
    #[cached_aside(ttl = "1m", skip(self))]
    async fn default(&self, id: u64) -> usize {
        size_of::<T>() + usize::try_from(id).unwrap()
    }
}

trait Constant<const N: usize>: Sync {
    #[cached_aside(ttl = "1m", skip(self))]
    async fn constant(&self, id: u64) -> usize {
        N + usize::try_from(id).unwrap()
    }

    #[cached_aside(ttl = "1m", key = "written:{Self}:{N}:{id}", skip(self))]
    async fn written(&self, id: u64) -> usize {
        N + usize::try_from(id).unwrap()
    }
}

#[async_trait]
trait Boxed<T> {
    async fn boxed(&self, id: u64) -> usize;
}

#[async_trait]
impl<T> Boxed<T> for Nothing {
    #[cached_aside(ttl = "1m", skip(self))]
    async fn boxed(&self, id: u64) -> usize {
        size_of::<T>() + usize::try_from(id).unwrap()
    }
}

impl Default<u8> for Nothing {}
impl Default<u64> for Nothing {}
impl Constant<1> for Nothing {}
impl Constant<8> for Nothing {}

#[tokio::test]
async fn generic_parameters_of_traits_are_in_the_key() {
    on_both_stores("keys-generic", async |_| {
        for _ in 0..2 {
            let of = Nothing;
            assert_eq!((Measured::<u8>::size(&of, 0).await, Measured::<u64>::size(&of, 0).await), (1, 8));
            assert_eq!((Measured::<u8>::named(&of, 0).await, Measured::<u64>::named(&of, 0).await), (1, 8));
            assert_eq!((Default::<u8>::default(&of, 0).await, Default::<u64>::default(&of, 0).await), (1, 8));
            assert_eq!(
                (Constant::<1>::constant(&of, 0).await, Constant::<8>::constant(&of, 0).await),
                (1, 8)
            );
            assert_eq!((Constant::<1>::written(&of, 0).await, Constant::<8>::written(&of, 0).await), (1, 8));
            assert_eq!((Boxed::<u8>::boxed(&of, 0).await, Boxed::<u64>::boxed(&of, 0).await), (1, 8));
        }
    })
    .await;
}

// --- Functions of one name --------------------------------------------------------------------------------

mod one {
    pub(super) trait Load {
        async fn load(&self, n: u8) -> u8;
    }

    impl Load for super::Nothing {
        #[cached_aside::cached_aside(ttl = "1m", skip(self))]
        async fn load(&self, n: u8) -> u8 {
            n
        }
    }
}

mod other {
    pub(super) trait Load {
        async fn load(&self, n: u8) -> u8;
    }

    impl Load for super::Nothing {
        #[cached_aside::cached_aside(ttl = "1m", skip(self))]
        async fn load(&self, n: u8) -> u8 {
            n + 10
        }
    }
}

async fn in_blocks() -> [u8; 4] {
    let a = {
        #[cached_aside(ttl = "1m")]
        async fn load(n: u8) -> u8 {
            n
        }
        load(1).await
    };
    let b = {
        #[cached_aside(ttl = "1m")]
        async fn load(n: u8) -> u8 {
            n + 10
        }
        load(1).await
    };
    let c = {
        struct Local;
        impl Local {
            #[cached_aside(ttl = "1m")]
            async fn load(n: u8) -> u8 {
                n + 20
            }
        }
        Local::load(1).await
    };
    let d = {
        struct Local;
        impl Local {
            #[cached_aside(ttl = "1m")]
            async fn load(n: u8) -> u8 {
                n + 30
            }
        }
        Local::load(1).await
    };
    [a, b, c, d]
}

#[tokio::test]
async fn functions_of_one_name_have_keys_of_their_own() {
    on_both_stores("keys-names", async |_| {
        for _ in 0..2 {
            assert_eq!(in_blocks().await, [1, 11, 21, 31]);
            assert_eq!((one::Load::load(&Nothing, 1).await, other::Load::load(&Nothing, 1).await), (1, 11));
        }
    })
    .await;
}

// --- Derived keys -----------------------------------------------------------------------------------------

/// A type of a user: its text may hold anything.
#[derive(Clone)]
struct Word(&'static str);

impl KeyPart for Word {
    fn write_key_part(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cached_aside(ttl = "1m")]
async fn ordered(filter: BTreeMap<&str, Option<u8>>, kinds: &BTreeSet<u8>, words: [Word; 2]) -> String {
    format!("{filter:?} {kinds:?} {} {}", words[0].0, words[1].0)
}

#[tokio::test]
async fn equal_arguments_have_one_derived_key_and_different_ones_have_two() {
    on_both_stores("keys-derived", async |cache| {
        let words = |a, b| [Word(a), Word(b)];
        let kinds = [BTreeSet::from([2, 1]), BTreeSet::from([1, 2]), BTreeSet::from([12])];
        let before = cache.stats().total.loads;
        for kinds in &kinds[..2] {
            let filter = BTreeMap::from([("b", None), ("a", Some(1))]);
            assert_eq!(
                ordered(filter, kinds, words("a, b", "c")).await,
                r#"{"a": Some(1), "b": None} {1, 2} a, b c"#
            );
        }
        assert_eq!(cache.stats().total.loads, before + 1);
        let filter = BTreeMap::from([("b", None), ("a", Some(1))]);
        assert!(ordered(filter.clone(), &kinds[2], words("a, b", "c")).await.contains("{12}"));
        assert!(ordered(filter, &kinds[0], words("a", "b, c")).await.ends_with("a b, c"));
        assert_eq!(cache.stats().total.loads, before + 3);
    })
    .await;
}

// --- A `Display` that fails -------------------------------------------------------------------------------

struct Fails(u64);

impl fmt::Display for Fails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("half")?;
        if self.0 == 0 { Ok(()) } else { Err(fmt::Error) }
    }
}

static ORIGIN: AtomicU64 = AtomicU64::new(0);

#[cached_aside(ttl = "1m", key = "fails:{id}")]
async fn fails(id: Fails) -> Option<u64> {
    Some(id.0 + ORIGIN.load(SeqCst))
}

#[invalidates(fails(Fails(id)), "fails:{other}")]
async fn write(id: u64, other: Fails) {
    let _ = other.0;
    ORIGIN.store(id, SeqCst);
}

#[tokio::test]
async fn a_call_whose_key_cannot_be_written_runs_uncached() {
    let cache = Cache::in_process();
    cache
        .scope(async {
            assert_eq!((fails(Fails(1)).await, fails(Fails(2)).await), (Some(1), Some(2)));
            assert_eq!(cache.stats().total.bypassed, 2);
            assert_eq!((cache.stats().total.loads, fails::key(Fails(1)).peek().await.unwrap()), (0, None));
            assert_eq!(only_cached(fails(Fails(1))).await, None);
            // The others go through the cache.
            assert_eq!((fails(Fails(0)).await, fails(Fails(0)).await), (Some(0), Some(0)));
            assert_eq!((cache.stats().total.loads, cache.stats().total.hits), (1, 1));
            // A write of a key that can't be written is a write all the same, and so is one by hand.
            write(5, Fails(5)).await;
            fails::key(Fails(5)).invalidate().await.unwrap();
            cache.guard([fails::key(Fails(5))]).await.unwrap().release().await.unwrap();
            assert_eq!(bypass(fails(Fails(1))).await, Some(6));
        })
        .await;
}
