//! What is invalidated by hand.

use super::*;
use crate::{AnyKey, Cached, invalidate, invalidating, keys};

#[cached_aside(ttl = "1m", key = "hand:named:{id}")]
pub(super) async fn named(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "1m", key = "hand:in_list:{id}")]
async fn in_list(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "1m", key = "hand:text:{id}")]
async fn by_text(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "1m", key = "hand:tagged:{id}", tags("hand:all"))]
async fn tagged(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "1m", key = "hand:key_alone:{id}")]
async fn key_alone(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "1m", key = "hand:in_macro:{id}")]
async fn in_macro(id: u64) -> u64 {
    id
}

static FAMILY: Cached<u64> = Cached::new("hand:family", Duration::from_secs(60));

struct Repo;

impl Repo {
    #[cached_aside(ttl = "1m", key = "hand:of_self:{id}", skip(self))]
    async fn of_self(&self, id: u64) -> u64 {
        id
    }

    #[cached_aside(ttl = "1m", key = "hand:count")]
    async fn count() -> u64 {
        1
    }

    fn all(&self) -> Vec<AnyKey> {
        keys![self.of_self(1), Self::count()]
    }
}

mod elsewhere {
    use super::*;

    /// Nobody calls it.
    pub(super) async fn around(ids: &[u64]) {
        let write = async {
            if !ids.is_empty() {
                invalidate(keys![super::in_list(id) for id in ids, "hand:text:{only}" for only in [3], tags("hand:all")]).await;
            }
        };
        invalidating(keys![named(7), FAMILY.key(7), "hand:nothing"], write).await;
        key_alone::key(7).invalidate().await.unwrap();
    }
}

fn of_this_module() -> Catalog {
    let mut catalog = of_modules("tests::by_hand", "tests::by_hand");
    let others = of_modules("tests::by_hand", "by_hand::elsewhere");
    catalog.writes.extend(others.writes);
    catalog
}

#[test]
fn what_keys_name_is_invalidated() {
    let catalog = of_this_module();
    let of = |template: &str| -> Vec<(String, bool)> {
        let writes = catalog.writes_of(number(&catalog, template));
        writes.map(|write| (write.place.path(), write.by_hand)).collect()
    };
    let by = |path: &str| vec![(format!("cached_aside::catalog::tests::by_hand::{path}"), true)];
    for template in ["hand:named:{id}", "hand:in_list:{id}", "hand:text:{id}", "hand:tagged:{id}"] {
        assert_eq!(of(template), by("elsewhere::around"), "{template}");
    }
    for template in ["hand:of_self:{id}", "hand:count"] {
        assert_eq!(of(template), by("Repo::all"), "{template}");
    }
    let lines: Vec<_> = catalog.writes().iter().map(|write| write.place.line).collect();
    assert!(lines.iter().all(|line| *line > 40) && lines.len() == 4, "{lines:?}");
}

#[test]
fn a_key_that_is_made_otherwise_says_nothing() {
    let problems: Vec<_> = of_this_module().problems().iter().map(ToString::to_string).collect();
    let [alone, nothing] = &problems[..] else { panic!("{problems:#?}") };
    assert!(alone.contains("nothing invalidates") && alone.contains("by_hand::key_alone"), "{alone}");
    assert!(alone.contains("or in `keys![…]` where it is invalidated by hand"), "{alone}");
    assert!(
        nothing.contains("elsewhere::around") && nothing.contains("invalidates `hand:nothing`"),
        "{nothing}"
    );
}

/// The function is not that in which the macro is used, as far as the source shows it.
macro_rules! named_in {
    ($id:expr) => {
        keys![in_macro($id)]
    };
}

#[test]
fn what_a_macro_writes_is_named_by_its_place() {
    assert_eq!(named_in!(5).len(), 1);
    let catalog = of_this_module();
    let writes: Vec<_> = catalog.writes_of(number(&catalog, "hand:in_macro:{id}")).collect();
    let [Write { place: Place { name: "keys!", file, line, .. }, by_hand: true, .. }] = &writes[..] else {
        panic!("{writes:?}")
    };
    assert!(file.ends_with("by_hand.rs") && *line > 100, "{writes:?}");
}
