#![doc = include_str!("../README.md")]

mod api;
mod cross_site;
mod page;

#[doc(hidden)]
pub mod catalog;
#[doc(hidden)]
pub mod decoded;
#[doc(hidden)]
pub mod entry;
#[doc(hidden)]
pub mod published;
#[doc(hidden)]
pub mod text;

use std::sync::Arc;

use axum::{Router, routing};
use cached_aside::{Cache, inspect::Servers};

use crate::catalog::Catalog;

/// The page of a cache, read-only: `Inspector::new(cache).router()`.
///
/// ```
/// # use cached_aside::Cache;
/// # fn example(cache: Cache) -> axum::Router {
/// axum::Router::new().nest("/cache", cached_aside_inspector::router(cache))
/// # }
/// ```
///
/// **It asks nobody who they are.** Whoever reaches it sees keys, values, source paths and server addresses: mount it behind the
/// application's own authentication, or on a port that only operators reach.
pub fn router(cache: Cache) -> Router {
    Inspector::new(cache).router()
}

/// What the page shows, and what it may do.
#[derive(Debug, Clone)]
#[must_use = "it does nothing until `router` is called"]
pub struct Inspector {
    cache: Cache,
    servers: Option<Servers>,
    catalog: Source,
    allow_invalidation: bool,
}

/// Where the catalog is from.
#[derive(Debug, Clone)]
enum Source {
    /// This program's own, as it is at the time.
    Program,
    /// Of another program, if it is known.
    Given(Option<Arc<Catalog>>),
}

impl Inspector {
    /// The page of a cache of this program, read-only.
    pub fn new(cache: Cache) -> Inspector {
        let servers = Servers::of(&cache);
        Inspector { cache, servers, catalog: Source::Program, allow_invalidation: false }
    }

    /// Lets the page invalidate entries, as [`Cache::invalidate_keys`] does, after a confirmation.
    ///
    /// The request has to carry the header `x-cached-aside: invalidate`, which a page of another site can't send without being allowed to,
    /// and this router allows nobody; and the browser must say, by `Sec-Fetch-Site` or else by `Origin`, that it comes from this page's own
    /// site. That protects those who are logged in from other pages in their browser. It doesn't say who may invalidate: that is the
    /// application's own authentication, which has to stand before the router.
    pub fn allow_invalidation(mut self) -> Inspector {
        self.allow_invalidation = true;
        self
    }

    /// Shows the catalog of another program, and only what processes publish of their counts.
    #[doc(hidden)]
    pub fn of_another_program(mut self, catalog: Option<Catalog>) -> Inspector {
        self.catalog = Source::Given(catalog.map(Arc::new));
        self
    }

    /// The router: to be nested under any path, or merged. Reading it takes nothing from the calls of the cache but the commands that it
    /// sends while a page is open: one every two seconds, and some for each entry that is looked at.
    pub fn router(self) -> Router {
        Router::new()
            .route("/", routing::get(page::page))
            .route("/api/events", routing::get(api::events))
            .route("/api/overview", routing::get(api::overview))
            .route("/api/catalog", routing::get(api::catalog))
            .route("/api/entry", routing::get(api::entry))
            .route("/api/invalidate", routing::post(api::invalidate))
            .with_state(Arc::new(self))
    }

    /// The catalog that is shown.
    fn catalog(&self) -> Option<Arc<Catalog>> {
        match &self.catalog {
            Source::Program => {
                let catalog = cached_aside::catalog().measured(&self.cache.stats());
                Catalog::parse(&catalog.to_json()).ok().map(Arc::new)
            }
            Source::Given(catalog) => catalog.clone(),
        }
    }
}
