//! Functions that a macro writes.

use cached_aside::{Cache, cached_aside, invalidates};

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

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() {
    Cache::in_process().install().unwrap();
    apart::check().await;
    assert_eq!(row(3).await, Ok(Some(Row(3))));
}
