//! Companions that nobody uses are nothing to warn of, whoever writes the functions, and nothing that a `forbid` is against.

#![forbid(unused, deprecated, missing_debug_implementations, non_camel_case_types, non_snake_case)]

use std::fmt::Display;

use cached_aside::{Cache, cached_aside};

#[cached_aside(ttl = "5m")]
async fn by_hand(n: u64) -> u64 {
    n
}

macro_rules! free {
    ($vis:vis $name:ident, $n:ident $(, $option:ident = $value:literal)*) => {
        #[cached_aside(ttl = "5m" $(, $option = $value)*)]
        $vis async fn $name($n: u64) -> u64 {
            $n
        }
    };
}

macro_rules! method {
    ($(#[$attribute:meta])* $this:ident $vis:vis $name:ident $n:ident) => {
        $(#[$attribute])*
        $vis async fn $name(&$this, $n: u64) -> u64 {
            $n
        }
    };
}

macro_rules! whole {
    () => {
        #[cached_aside(ttl = "5m")]
        pub(crate) async fn whole(n: u64) -> Option<u64> {
            Some(n)
        }

        impl Repo {
            #[cached_aside(ttl = "5m", skip(self))]
            pub async fn whole(&self, n: u64) -> u64 {
                n
            }

            #[cached_aside(ttl = "5m", key = "of:{n}")]
            pub(self) async fn of(n: impl Display) -> u64 {
                n.to_string().len() as u64
            }
        }
    };
}

mod inside {
    use super::*;

    pub struct Repo;

    free!(pub(super) restricted, n);
    free!(pub(in crate::inside) in_path, n);
    free!(pub background, n, stale_while_revalidate = "1m", refresh = "background");
    free!(private, n);
    whole!();

    impl Repo {
        method!(#[cached_aside(ttl = "5m", skip(self))] self pub(super) restricted n);
        method!(#[cached_aside(ttl = "5m", skip(self))] self pub public n);
        method!(#[cached_aside(ttl = "5m", skip(self))] self private n);
    }

    pub(crate) async fn all() -> u64 {
        private(1).await + in_path(1).await + Repo.private(1).await + Repo::of(1).await + Repo.whole(1).await
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    Cache::in_process().install().unwrap();
    let repo = inside::Repo;
    assert_eq!(by_hand(1).await + inside::all().await + inside::restricted(1).await, 7);
    assert_eq!(inside::background(1).await + repo.restricted(1).await + repo.public(1).await, 3);
    assert_eq!(inside::whole(1).await, Some(1));
}
