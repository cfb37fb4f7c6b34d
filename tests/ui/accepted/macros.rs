//! Functions that a macro writes.

use std::collections::HashMap;

use cached_aside::{AnyKey, Cache, cached_aside, invalidates, keys, tags, updates};

macro_rules! cached {
    ($name:ident, $parameter:ident, $of:ty, $gives:ty, $key:literal) => {
        #[cached_aside(ttl = "1s", key = "m:{other}", skip($parameter))]
        async fn $name($parameter: $of, other: u64) -> $gives {
            let _ = other;
            $parameter
        }

        mod $parameter {
            use super::*;

            #[cached_aside(ttl = "1s", key = $key)]
            pub async fn inner($parameter: $of) -> Option<$gives> {
                Some($parameter)
            }

            #[cached_aside(ttl = "1s")]
            pub async fn derived($parameter: $of) -> Option<$gives> {
                Some($parameter)
            }

            #[invalidates(inner($parameter), derived($parameter), $key)]
            pub async fn write($parameter: $of) {}
        }
    };
}

mod apart {
    use super::*;

    cached!(one, id, u64, u64, "n:{id}");

    pub async fn check() {
        assert_eq!(one(1, 2).await, 1);
        assert_eq!(id::inner(1).await, Some(1));
        assert_eq!(id::inner::key(3).as_str(), "n:3");
        assert_eq!(id::derived(1).await, Some(1));
        id::write(1).await;
        assert_eq!(id::inner::key(1).peek().await.unwrap(), None);
    }
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Row(u64);

/// Types by the crate of the macro.
macro_rules! of_this_crate {
    ($name:ident) => {
        #[cached_aside(ttl = "5m", key = "row-of-macro:{id}", store_if = |row: &$crate::macros::Row| row.0 > 0, none_ttl = "1m")]
        pub async fn $name(id: u64) -> Result<Option<$crate::macros::Row>, $crate::macros::Failed> {
            Ok(Some($crate::macros::Row(id)))
        }
    };
}

#[derive(Clone, Debug, PartialEq)]
pub struct Failed;

of_this_crate!(row);

/// What is named by what a macro is given: a path, a whole call, a key.
macro_rules! writes {
    ($name:ident, $path:path, $call:expr, $key:expr, $tag:path) => {
        #[invalidates($path(id), $call, $key, tags($tag(id)))]
        pub async fn $name(id: u64) {
            let _ = id;
        }

        pub mod $name {
            use super::*;

            #[updates($path(id))]
            pub async fn update(id: u64) -> u64 {
                id + 10
            }

            #[cached_aside($path(id) for id in ids)]
            pub async fn batch(ids: &[u64]) -> HashMap<u64, u64> {
                ids.iter().map(|id| (*id, *id)).collect()
            }

            pub fn keys() -> Vec<AnyKey> {
                keys![$path(1), $call, $key]
            }
        }
    };
}

mod rows {
    use cached_aside::cached_aside;

    #[cached_aside(ttl = "5m", key = "row-of-rows:{id}")]
    pub async fn one(id: u64) -> u64 {
        id
    }
}

tags! {
    fn of_rows(id: u64) = "rows:{id}";
}

writes!(write_rows, rows::one, rows::one(3), "row-of-rows:4", of_rows);

/// Options are what the macro is given.
macro_rules! with_options {
    ($name:ident, $ttl:expr, $version:expr, $codec:ty, $stored:expr, $key:literal) => {
        #[cached_aside(
            ttl = $ttl, key = $key, version = $version, codec = $codec, store_if = $stored
        )]
        pub async fn $name(id: u64) -> u64 {
            id
        }
    };
}

pub struct Of<T>(T);

/// A parameter of an `impl` is what the macro is given.
macro_rules! generic {
    ($parameter:ident) => {
        impl<$parameter: Send + Sync + 'static> Of<$parameter> {
            #[cached_aside(ttl = "5m", key = "of:{Self}:{id}")]
            pub async fn written(id: u64) -> u64 {
                id
            }

            #[cached_aside(ttl = "5m", key = "any:{id}", skip(Self))]
            pub async fn skipped(id: u64) -> u64 {
                id
            }

            #[cached_aside(ttl = "5m")]
            pub async fn derived(id: u64) -> u64 {
                id
            }
        }
    };
}

generic!(T);

fn is_even(number: &u64) -> bool {
    number % 2 == 0
}

with_options!(by_closure, "5m", 3, cached_aside::Bincode, |number: &u64| *number > 1, "closure:{id}");
with_options!(by_name, std::time::Duration::from_secs(5), VERSION, cached_aside::Json, is_even, "name:{id}");
with_options!(by_version, "5m", only(7), cached_aside::Json, is_even, "version:{id}");

const VERSION: u32 = 4;

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() {
    Cache::in_process().install().unwrap();
    apart::check().await;
    assert_eq!(row(3).await, Ok(Some(Row(3))));
    assert_eq!(rows::one(3).await, 3);
    write_rows(1).await;
    assert_eq!(rows::one::key(3).peek().await.unwrap(), None);
    assert_eq!(write_rows::batch(&[3]).await[&3], 3);
    assert_eq!(write_rows::update(3).await, 13);
    assert_eq!(rows::one(3).await, 13);
    assert_eq!(write_rows::keys().len(), 3);
    assert_ne!(Of::<u8>::written_key(1).as_str(), Of::<u16>::written_key(1).as_str());
    assert_ne!(Of::<u8>::derived_key(1).as_str(), Of::<u16>::derived_key(1).as_str());
    assert_eq!(Of::<u8>::skipped_key(1).as_str(), "any:1");
    for id in [1, 2] {
        (by_closure(id).await, by_name(id).await, by_version(id).await);
        let is_stored = id == 2;
        assert_eq!(by_closure::key(id).peek().await.unwrap().is_some(), is_stored);
        assert_eq!(by_name::key(id).peek().await.unwrap().is_some(), is_stored);
        assert_eq!(by_version::key(id).peek().await.unwrap().is_some(), is_stored);
    }
    let _ = (Of(1_u8).0, Of::<u8>::written(1).await, Of::<u8>::derived(1).await, Of::<u8>::skipped(1).await);
}
