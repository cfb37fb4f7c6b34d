#![allow(dead_code, clippy::unused_async, reason = "the functions stand for their attributes")]

#[expect(
    unused_imports,
    reason = "what a list might need is imported, of which nothing is said outside of this crate"
)]
mod by_hand;
mod problems;

use std::time::Duration;

use super::*;
use crate::{
    cached_aside,
    function::{linked, read::ReadFunction},
    invalidates,
};

mod shop {
    use super::*;

    #[cached_aside(ttl = "5m", key = "shop:user:{id}", none_ttl = "1s")]
    pub(super) async fn user(id: u64) -> Option<String> {
        Some(format!("user {id}"))
    }

    #[cached_aside(ttl = "1m", key = "shop:lonely:{id}")]
    async fn lonely(id: u64) -> u64 {
        id
    }

    #[cached_aside(ttl = "1m", key = "shop:alone:{id}", ttl_only)]
    async fn alone(id: u64) -> u64 {
        id
    }

    cached_aside::tags! {
        pub(super) fn shelf(row: u64) = "shop:shelf:{row}";
    }

    #[cached_aside(ttl = "1m", key = "shop:tagged:{row}:{id}", tags("shop:row:{row}", shelf(row)))]
    async fn tagged(row: u64, id: u64) -> u64 {
        row + id
    }

    #[invalidates(tags("shop:row:{n}"))]
    async fn by_template(n: u64) {
        let _ = n;
    }

    #[invalidates(tags(shelf(n), "shop:unknown"))]
    async fn by_declaration(n: u64) {
        let _ = n;
    }

    pub(super) struct Repo<T>(T);

    impl<T: Sync> Repo<T> {
        #[cached_aside(ttl = "1m", key = "shop:order:{id}", skip(self))]
        async fn order(&self, id: u64) -> u64 {
            let _ = &self.0;
            id
        }

        #[invalidates(self.order(id))]
        async fn pay(&self, id: u64) {
            let _ = id;
        }
    }

    impl Repo<u8> {
        #[cached_aside(ttl = "1m", key = "shop:line:{id}")]
        async fn line(id: u64) -> u64 {
            id
        }

        #[invalidates(Self::line(id), "shop:user:{id}", "shop:nothing:{id}")]
        async fn drop_line(id: u64) {}
    }
}

#[invalidates(shop::user(id), shop::user(id) for id in others)]
async fn rename(id: u64, others: &[u64]) {
    let _ = others;
}

#[invalidates(shop::user::key(id).key(), "shop:user:{id}")]
async fn by_key(id: u64) {
    let _ = id;
}

trait OwnKey: Sized {
    fn key(self) -> Self {
        self
    }
}

impl<T> OwnKey for crate::Key<T> {}

fn number(catalog: &Catalog, template: &str) -> usize {
    catalog.functions().iter().position(|function| function.template == template).unwrap()
}

fn write<'a>(catalog: &'a Catalog, name: &str) -> &'a Write {
    let is_here = |write: &&Write| write.place.module.contains("catalog::tests") && write.place.name == name;
    catalog.writes().iter().find(is_here).unwrap()
}

#[test]
fn functions_are_in_it_with_what_their_attributes_say() {
    let catalog = catalog();
    let user = &catalog.functions()[number(&catalog, "shop:user:{id}")];
    assert_eq!(user.place.path(), "cached_aside::catalog::tests::shop::user");
    assert!(user.place.file.ends_with("catalog/tests.rs") && user.place.line > 5);
    assert_eq!((user.ttl, user.none_ttl), (Duration::from_secs(300), Some(Duration::from_secs(1))));
    assert!(!user.ttl_only && catalog.functions()[number(&catalog, "shop:alone:{id}")].ttl_only);
}

#[test]
fn writes_lead_to_the_functions_that_they_name() {
    let catalog = catalog();
    let [user, order, line] =
        ["shop:user:{id}", "shop:order:{id}", "shop:line:{id}"].map(|template| number(&catalog, template));
    let of = |name| write(&catalog, name).targets.clone();
    assert_eq!(of("rename"), [Invalidated::Function(user), Invalidated::Function(user)]);
    assert_eq!(of("Repo<T>::pay"), [Invalidated::Function(order)]);
    let line_and_templates = [
        Invalidated::Function(line),
        Invalidated::Template("shop:user:{id}", vec![user]),
        Invalidated::Template("shop:nothing:{id}", vec![]),
    ];
    assert_eq!(of("Repo<u8>::drop_line"), line_and_templates);
    let by_key = of("by_key");
    assert!(
        matches!(&by_key[..], [Invalidated::Other(_), Invalidated::Template(_, of)] if *of == [user]),
        "{by_key:?}"
    );
    let names: Vec<_> = catalog.writes_of(user).map(|write| write.place.name).collect();
    assert_eq!(names, ["by_key", "rename", "Repo<u8>::drop_line"]);
}

#[test]
fn writes_of_tags_lead_to_the_functions_whose_entries_carry_them() {
    let catalog = catalog();
    let tagged = number(&catalog, "shop:tagged:{row}:{id}");
    assert_eq!(catalog.functions()[tagged].tags, ["shop:row:{row}", "shelf"]);
    assert_eq!(write(&catalog, "by_template").targets, [Invalidated::Tag("shop:row:{n}", vec![tagged])]);
    let named = [Invalidated::Tag("shelf", vec![tagged]), Invalidated::Tag("shop:unknown", vec![])];
    assert_eq!(write(&catalog, "by_declaration").targets, named);
}

#[tokio::test]
async fn a_family_is_in_it_from_its_first_use_on() {
    static FAMILY: crate::Cached<u64> = crate::Cached::new("shop:family", Duration::from_secs(7));
    let there = || {
        catalog().functions().iter().any(|function| function.template == "shop:family" && function.is_family)
    };
    assert!(!there());
    crate::Cache::in_process().scope(FAMILY.get_or_load(1, async || 1_u64)).await;
    assert!(
        there() && !catalog().problems().iter().any(|problem| problem.to_string().contains("shop:family"))
    );
}

#[test]
fn problems_are_what_is_probably_a_mistake() {
    let catalog = catalog();
    let problems = catalog.problems();
    let here: Vec<String> = problems
        .iter()
        .map(ToString::to_string)
        .filter(|problem| problem.contains("catalog/tests.rs"))
        .collect();
    assert_eq!(here.len(), 3, "{here:#?}");
    assert!(
        here[0].contains("nothing invalidates `cached_aside::catalog::tests::shop::lonely`"),
        "{}",
        here[0]
    );
    assert!(here[1].contains("invalidates `shop:nothing:{id}`, and no cached function"), "{}", here[1]);
    assert!(here[2].contains("invalidates the tag `shop:unknown`, and no cached function"), "{}", here[2]);
}

/// The catalog of some modules alone: that of the whole crate changes with its tests.
fn of_modules(reads: &str, writes: &str) -> Catalog {
    let functions: Vec<_> = linked::functions()
        .into_iter()
        .filter(|function| function.settings.module.ends_with(reads))
        .collect();
    let writes: Vec<_> =
        linked::writes().into_iter().filter(|write| write.settings.module.ends_with(writes)).collect();
    Catalog::of(&functions, &writes)
}

fn of_shop() -> Catalog {
    let is_of_shop = |module: &str| module.ends_with("catalog::tests") || module.ends_with("tests::shop");
    let functions: Vec<_> = linked::functions()
        .into_iter()
        .filter(|function| function.settings.module.ends_with("catalog::tests::shop"))
        .collect();
    let writes: Vec<_> =
        linked::writes().into_iter().filter(|write| is_of_shop(write.settings.module)).collect();
    Catalog::of(&functions, &writes)
}

#[test]
fn it_can_be_drawn() {
    let mermaid = of_shop().to_mermaid();
    expect_test::expect_file!["tests/catalog.mmd"].assert_eq(&mermaid);
    expect_test::expect_file!["tests/catalog.dot"].assert_eq(&of_shop().to_dot());
}

#[cfg(feature = "json")]
#[test]
fn it_can_be_read_by_programs() {
    let text = of_shop().to_json();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["schema"], 1);
    let functions = json["functions"].as_array().unwrap();
    let user = functions.iter().position(|function| function["template"] == "shop:user:{id}").unwrap();
    assert_eq!(
        (&functions[user]["ttl_ms"], &functions[user]["none_ttl_ms"]),
        (&300_000.into(), &1_000.into())
    );
    let writes = json["writes"].as_array().unwrap();
    let rename = writes.iter().find(|write| write["name"] == "rename").unwrap();
    assert_eq!(rename["targets"][0]["function"], user);
    assert!(json["problems"].as_array().unwrap().len() >= 2);
}

#[test]
fn labels_are_text_and_no_markup() {
    static HOSTILE: ReadFunction = ReadFunction::declare("m", "f", "\"]<b>#\\{id}", Duration::from_secs(1));
    let catalog = Catalog::of(&[&HOSTILE], &[]);
    assert!(catalog.to_mermaid().contains("#quot;]#lt;b#gt;#35;\\{id}"), "{}", catalog.to_mermaid());
    assert!(catalog.to_dot().contains("\\\"]<b>#\\\\{id}"), "{}", catalog.to_dot());
}
