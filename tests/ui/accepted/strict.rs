//! Lints that nobody denies by default.
#![allow(dead_code)]


mod lifetime_called_like_a_parameter {
    #![deny(unused_lifetimes)]

    #[cached_aside::cached_aside(ttl = "5m", key = "a4-named:{id}", skip(one, other))]
    async fn named<'id>(id: u64, one: &'id str, other: &'id str) -> u64 {
        id + [one, other].concat().len() as u64
    }

    pub async fn check() {
        assert_eq!(named(1, "a", "b").await, 3);
        assert_eq!(named::key(1).peek().await.unwrap(), Some(3));
    }
}



mod strict {
    #![deny(
        warnings,
        missing_copy_implementations,
        missing_debug_implementations,
        missing_docs,
        unit_bindings,
        unnameable_types,
        unreachable_pub,
        unused_import_braces,
        unused_lifetimes,
        unused_macro_rules,
        unused_qualifications,
        unused_results,
        single_use_lifetimes,
        trivial_casts,
        trivial_numeric_casts,
        let_underscore_drop,
        explicit_outlives_requirements,
        redundant_lifetimes,
        elided_lifetimes_in_paths,
        private_interfaces,
        private_bounds,
        ambiguous_negative_literals,
        closure_returning_async_block,
        impl_trait_redundant_captures,
        tail_expr_drop_order,
        if_let_rescope,
        keyword_idents_2024
    )]

    use std::borrow::Cow;

    use cached_aside::{cached_aside, invalidates, updates};

    /// Nothing.
    #[cached_aside(ttl = "5m", key = "a4-unit:{id}", local = "1s")]
    pub(crate) async fn unit(id: u64) -> Result<(), String> {
        if id == 0 { Err("none".to_owned()) } else { Ok(()) }
    }

    /// A text.
    #[cached_aside(ttl = "5m", key = "a4-text:{name}", stale_while_revalidate = "1m", refresh = "background")]
    pub(crate) async fn text(name: &str) -> Option<String> {
        Some(name.to_owned())
    }

    #[updates(unit(id))]
    #[invalidates(text(name?), text(&item) for item in ["b".to_owned()])]
    async fn set(id: u64, name: Option<String>) -> Option<()> {
        (id > 0).then_some(name).map(drop)
    }

    /// A method.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Repo<'a> {
        tenant: &'a str,
    }

    impl<'a> Repo<'a> {
        #[cached_aside(ttl = "5m", key = "a4-of:{self.tenant}:{id}")]
        pub(crate) async fn of(&self, id: Cow<'_, str>) -> Result<String, Cow<'a, str>> {
            Ok(format!("{}{id}", self.tenant))
        }

        #[invalidates(self.of(id.clone()), detach_not_at_all(&id))]
        pub(crate) async fn change(&self, id: Cow<'_, str>) -> usize {
            id.len()
        }
    }

    #[cached_aside(ttl = "5m", key = "a4-not:{id}")]
    async fn detach_not_at_all(id: &str) -> usize {
        id.len()
    }

    pub(super) async fn check() {
        assert_eq!(unit(1).await, Ok(()));
        assert_eq!(text("a").await.as_deref(), Some("a"));
        assert_eq!(set(1, Some("a".to_owned())).await, Some(()));
        assert_eq!(text::key("a").peek().await.unwrap(), None);
        let repo = Repo { tenant: "t" };
        assert_eq!(repo.of("x".into()).await.unwrap(), "tx");
        assert_eq!(detach_not_at_all("x").await, 1);
        assert_eq!(repo.change("x".into()).await, 1);
        assert_eq!(repo.of_key("x".into()).peek().await.unwrap(), None);
        assert_eq!(detach_not_at_all::key("x").peek().await.unwrap(), None);
    }
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() {
    cached_aside::Cache::in_process().install().unwrap();
    lifetime_called_like_a_parameter::check().await;
    strict::check().await;
}
