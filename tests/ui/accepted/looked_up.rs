//! What the attributes look up in the source, where something else of the same name is meant.
#![allow(dead_code, unused_variables, unused_imports, unused_macros, async_fn_in_trait)]

mod raw_in_module {
    mod shapes {
        #[cached_aside::cached_aside(ttl = "5m", key = "a1-raw:{id}")]
        pub async fn r#match(id: u64) -> u64 {
            id
        }
    }

    #[cached_aside::invalidates(shapes::r#match(id))]
    async fn forget_match(id: u64) {}

    pub async fn check() {
        assert_eq!(shapes::r#match(1).await, 1);
        assert_eq!(shapes::r#match::key(1).peek().await.unwrap(), Some(1));
        forget_match(1).await;
        assert_eq!(shapes::r#match::key(1).peek().await.unwrap(), None);
    }
}

mod raw_near_another {
    use cached_aside::{cached_aside, invalidates};

    #[cached_aside(ttl = "5m", key = "a1-move:{r#type}")]
    async fn r#move(r#type: u64) -> u64 {
        r#type
    }

    #[invalidates(r#move(r#type))]
    async fn remove(r#type: u64) {}

    pub async fn check() {
        assert_eq!(r#move(1).await, 1);
        remove(1).await;
        assert_eq!(r#move::key(1).peek().await.unwrap(), None);
    }
}

mod item_hides_an_option {
    use cached_aside::{cached_aside, invalidates};

    #[cached_aside(ttl = "5m", key = "a1-item:{id}")]
    async fn item_row(id: u64) -> u64 {
        id
    }

    #[invalidates(item_row(id) for id in ids)]
    async fn save_rows(id: Option<u64>, ids: &[u64]) {}

    // The list is the `Option`, which docs allow, and its item has its name.
    #[invalidates(item_row(id) for id in id)]
    async fn save_row(id: Option<u64>) {}

    pub async fn check() {
        for id in [1, 2, 3] {
            assert_eq!(item_row(id).await, id);
        }
        save_rows(None, &[1]).await;
        save_row(Some(2)).await;
        assert_eq!(item_row::key(1).peek().await.unwrap(), None);
        assert_eq!(item_row::key(2).peek().await.unwrap(), None);
        assert_eq!(item_row::key(3).peek().await.unwrap(), Some(3));
    }
}

mod self_given_by_path {
    use cached_aside::{cached_aside, invalidates};
    use serde::{Serialize, de::DeserializeOwned};

    pub struct Store {
        tenant: u64,
    }

    impl Store {
        #[cached_aside(ttl = "5m", key = "a1-typed:{self.tenant}:{T}:{id}")]
        pub async fn fetch<T: From<u8> + Serialize + DeserializeOwned + Send + Sync>(&self, id: u64) -> T {
            T::from(u8::try_from(id).unwrap())
        }
    }

    #[invalidates(Store::fetch::<u16>(store, id))]
    async fn forget_typed(store: &Store, id: u64) {}

    pub async fn check() {
        let store = Store { tenant: 4 };
        assert_eq!(store.fetch::<u16>(1).await, 1);
        assert_eq!(store.fetch_key::<u16>(1).peek().await.unwrap(), Some(1));
        forget_typed(&store, 1).await;
        assert_eq!(store.fetch_key::<u16>(1).peek().await.unwrap(), None);
    }
}

mod inherent_comes_first {
    use cached_aside::{cached_aside, invalidates};

    pub struct Rows {
        base: u64,
    }

    impl Rows {
        #[cached_aside(ttl = "5m", key = "a1-inherent:{id}", skip(self))]
        pub async fn row(&self, id: u64) -> u64 {
            self.base + id
        }
    }

    trait ReadRows {
        async fn row(&self, id: u64) -> u64;
        async fn reset(&self, id: u64);
    }

    impl ReadRows for Rows {
        #[cached_aside(ttl = "5m", key = "a1-of-trait:{id}", skip(self))]
        async fn row(&self, id: u64) -> u64 {
            Rows::row(self, id).await
        }

        #[invalidates(self.row(id), "a1-of-trait:{id}")]
        async fn reset(&self, id: u64) {}
    }

    pub async fn check() {
        let rows = Rows { base: 10 };
        assert_eq!(ReadRows::row(&rows, 1).await, 11);
        assert_eq!(Rows::row_key(1).peek().await.unwrap(), Some(11));
        ReadRows::reset(&rows, 1).await;
        assert_eq!(Rows::row_key(1).peek().await.unwrap(), None);
    }
}

mod inherent_elsewhere {
    use cached_aside::{cached_aside, invalidates};

    pub struct Cells;

    mod own {
        impl super::Cells {
            #[cached_aside::cached_aside(ttl = "5m", key = "a1-cell:{id}", skip(self))]
            pub async fn cell(&self, id: u64) -> u64 {
                id
            }
        }
    }

    trait LookAtCells {
        async fn cell(&self, id: u64) -> u64;
    }

    impl LookAtCells for Cells {
        #[cached_aside(ttl = "5m", key = "a1-cell-of-trait:{id}", skip(self))]
        async fn cell(&self, id: u64) -> u64 {
            Cells::cell(self, id).await
        }
    }

    #[invalidates(cells.cell(id))]
    async fn clear_cell(cells: &Cells, id: u64) {}

    pub async fn check() {
        assert_eq!(Cells.cell(1).await, 1);
        clear_cell(&Cells, 1).await;
        assert_eq!(Cells::cell_key(1).peek().await.unwrap(), None);
    }
}

mod local_type {
    use cached_aside::{cached_aside, invalidates};

    struct Shelf;

    impl Shelf {
        async fn book(id: u64) -> u64 {
            id + 100
        }
    }

    pub async fn check() {
        assert_eq!(Shelf::book(1).await, 1);
        clear_book(1).await;
        assert_eq!(Shelf::book_key(1).peek().await.unwrap(), None);

        struct Shelf;

        impl Shelf {
            #[cached_aside(ttl = "5m", key = "a1-local-type:{id}")]
            async fn book(id: u64) -> u64 {
                id
            }
        }

        #[invalidates(Shelf::book(id))]
        async fn clear_book(id: u64) {}
    }
}

mod local_module {
    use cached_aside::invalidates;

    mod shop {
        async fn price_in_shop(id: u64) -> u64 {
            id
        }
    }

    pub async fn check() {
        mod shop {
            #[cached_aside::cached_aside(ttl = "5m", key = "a1-local-module:{id}")]
            pub async fn price_in_shop(id: u64) -> u64 {
                id
            }
        }

        #[invalidates(shop::price_in_shop(id))]
        async fn clear_price(id: u64) {}

        assert_eq!(shop::price_in_shop(1).await, 1);
        clear_price(1).await;
        assert_eq!(shop::price_in_shop::key(1).peek().await.unwrap(), None);
    }
}

mod glob_in_braces {
    use cached_aside::invalidates;

    mod deep {
        pub struct Other;

        #[cached_aside::cached_aside(ttl = "5m", key = "a1-stock:{id}")]
        pub async fn stock_of(id: u64) -> u64 {
            id
        }
    }

    mod front {
        pub use super::deep::{Other, *};
    }

    #[invalidates(front::stock_of(id))]
    async fn clear_stock(id: u64) {}

    pub async fn check() {
        assert_eq!(front::stock_of(1).await, 1);
        clear_stock(1).await;
        assert_eq!(deep::stock_of::key(1).peek().await.unwrap(), None);
    }
}

mod glob_beside_a_method {
    mod loaders {
        pub struct Page;

        #[cached_aside::cached_aside(ttl = "5m", key = "a1-page:{id}")]
        pub async fn page_of(id: u64) -> u64 {
            id
        }
    }

    mod service {
        use cached_aside::invalidates;

        use super::loaders::{Page, *};

        pub struct Service(pub Page);

        impl Service {
            pub async fn page_of(&self, id: u64) -> u64 {
                page_of(id).await
            }

            #[invalidates(page_of(id))]
            pub async fn clear(&self, id: u64) {}
        }
    }

    pub async fn check() {
        let service = service::Service(loaders::Page);
        assert_eq!(service.page_of(1).await, 1);
        service.clear(1).await;
        assert_eq!(loaders::page_of::key(1).peek().await.unwrap(), None);
    }
}

mod named_like_a_tool {
    #[allow(clippy::needless_pass_by_value)]
    fn helper(text: String) -> usize {
        text.len()
    }

    #[cached_aside::cached_aside(ttl = "5m", key = "a1-clippy:{version}")]
    pub async fn clippy(version: u64) -> u64 {
        version
    }

    pub async fn check() {
        assert_eq!((clippy(80).await, helper("ab".into())), (80, 2));
    }
}



mod private_if_configured {
    use cached_aside::invalidates;

    mod real {
        #[cached_aside::cached_aside(ttl = "5m", key = "a1-quota:{id}")]
        pub async fn quota(id: u64) -> u64 {
            id
        }
    }

    mod limits {
        #[cfg(any())]
        async fn quota(id: u64) -> u64 {
            id + 100
        }

        #[cfg(not(any()))]
        pub use super::real::quota;
    }

    #[invalidates(limits::quota(id))]
    async fn clear_quota(id: u64) {}

    pub async fn check() {
        assert_eq!(limits::quota(1).await, 1);
        clear_quota(1).await;
        assert_eq!(real::quota::key(1).peek().await.unwrap(), None);
    }
}


mod local_const_fn {
    use std::time::Duration;

    use cached_aside::cached_aside;

    fn minutes(text: &str) -> usize {
        text.len()
    }

    pub async fn check() {
        const fn minutes(number: u64) -> Duration {
            Duration::from_secs(60 * number)
        }

        #[cached_aside(ttl = minutes(5), key = "a1-local-const:{id}")]
        async fn timed(id: u64) -> u64 {
            id
        }

        assert_eq!(timed(1).await, 1);
        assert_eq!(timed::key(1).peek().await.unwrap(), Some(1));
    }
}




mod function_called_tag {
    use cached_aside::{cached_aside, invalidates};

    #[cached_aside(ttl = "5m", key = "a1-tag:{name}")]
    async fn tag(name: &str) -> usize {
        name.len()
    }

    #[invalidates(tag("rust"))]
    async fn retag() {}

    pub async fn check() {
        assert_eq!(tag("rust").await, 4);
        retag().await;
        assert_eq!(tag::key("rust").peek().await.unwrap(), None);
    }
}

mod items_that_hide_parameters {
    use cached_aside::{cached_aside, invalidates};

    pub struct Plain;

    impl Plain {
        async fn row_of(&self, id: u64) -> u64 {
            id
        }
    }

    pub struct Rows(u64);

    impl Rows {
        #[cached_aside(ttl = "5m", key = "looked-row:{self.0}:{id}")]
        async fn row_of(&self, id: u64) -> u64 {
            self.0 + id
        }
    }

    #[invalidates(of.row_of(1) for of in all)]
    async fn clear(of: &Plain, all: &[Rows]) -> u64 {
        of.row_of(7).await
    }

    pub async fn check() {
        let all = [Rows(1), Rows(2)];
        assert_eq!((all[0].row_of(1).await, all[1].row_of(1).await), (2, 3));
        assert_eq!(clear(&Plain, &all).await, 7);
        assert_eq!((all[0].row_of_key(1).peek().await.unwrap(), all[1].row_of_key(1).peek().await.unwrap()), (None, None));
    }
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() {
    cached_aside::Cache::in_process().install().unwrap();
    raw_in_module::check().await;
    raw_near_another::check().await;
    item_hides_an_option::check().await;
    self_given_by_path::check().await;
    inherent_comes_first::check().await;
    inherent_elsewhere::check().await;
    local_type::check().await;
    local_module::check().await;
    glob_in_braces::check().await;
    glob_beside_a_method::check().await;
    named_like_a_tool::check().await;
    private_if_configured::check().await;
    local_const_fn::check().await;
    function_called_tag::check().await;
    items_that_hide_parameters::check().await;
}
