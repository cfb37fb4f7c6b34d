//! Functions whose companions and constants need what is not theirs: generic parameters, `Self`, lifetimes.
#![allow(dead_code, unused_variables, unused_macros, async_fn_in_trait, clippy::all)]

mod predicates_of_others {
    use std::num::ParseIntError;

    use cached_aside::{cached_aside, invalidates};

    #[derive(Debug, PartialEq)]
    pub struct Failed;

    impl From<ParseIntError> for Failed {
        fn from(_: ParseIntError) -> Self {
            Failed
        }
    }

    #[cached_aside(ttl = "5m", key = "a3-parsed:{text}")]
    async fn parsed<E>(text: &str) -> Result<u64, E>
    where
        ParseIntError: Into<E>,
    {
        text.parse().map_err(Into::into)
    }

    #[cached_aside(ttl = "5m", key = "a3-parsed-in:{text}")]
    async fn parsed_in<'a, E>(text: &'a str) -> Result<u64, E>
    where
        ParseIntError: Into<E>,
    {
        text.parse().map_err(Into::into)
    }

    #[invalidates(parsed(text), parsed_in(text))]
    async fn forget(text: &str) {}

    pub async fn check() {
        assert_eq!(parsed::<Failed>("7").await, Ok(7));
        assert_eq!(parsed_in::<Failed>("7").await, Ok(7));
        assert_eq!(parsed::<Failed>("x").await, Err(Failed));
        forget("7").await;
        assert_eq!(parsed::key("7").peek().await.unwrap(), None);
        assert_eq!(parsed_in::key("7").peek().await.unwrap(), None);
    }
}

mod options_of_generics {
    use std::time::Duration;

    use cached_aside::{Tag, cached_aside, invalidates};

    pub trait Source: Sync {
        const TTL: Duration;

        fn price(&self, id: u64) -> u64;

        fn is_kept(price: &u64) -> bool {
            *price > 0
        }
    }

    pub struct Shop;

    impl Source for Shop {
        const TTL: Duration = Duration::from_secs(60);

        fn price(&self, id: u64) -> u64 {
            id * 2
        }
    }

    cached_aside::tags! {
        fn prices(kind: &str) = "a3-prices:{kind}";
    }

    fn prices_of<S: Source>() -> Tag {
        prices("all")
    }

    #[cached_aside(ttl = "1h", key = "a3-price:{id}", skip(source), ttl_for = |_: &u64| S::TTL)]
    async fn price<S: Source>(source: &S, id: u64) -> u64 {
        source.price(id)
    }

    #[cached_aside(ttl = "1h", key = "a3-kept:{id}", skip(source), store_if = S::is_kept)]
    async fn kept_price<S: Source>(source: &S, id: u64) -> u64 {
        source.price(id)
    }

    #[cached_aside(ttl = "1h", key = "a3-tagged:{id}", skip(source), tags(prices_of::<S>()))]
    async fn tagged_price<S: Source>(source: &S, id: u64) -> u64 {
        source.price(id)
    }

    #[invalidates("a3-price:{id}", "a3-kept:{id}", tags(prices_of::<S>()))]
    async fn change<S: Source>(source: &S, id: u64) {}

    pub async fn check() {
        assert_eq!((price(&Shop, 1).await, kept_price(&Shop, 1).await, tagged_price(&Shop, 1).await), (2, 2, 2));
        change(&Shop, 1).await;
        assert_eq!(price(&Shop, 1).await, 2);
    }
}

mod self_in_constants {
    use std::time::Duration;

    use cached_aside::cached_aside;

    pub struct Cat;

    pub trait Life<T> {
        const TTL: Duration;

        async fn life(&self, id: u64) -> u64;
    }

    impl Life<u8> for Cat {
        const TTL: Duration = Duration::from_secs(8);

        #[cached_aside(ttl = <Self as Life<u8>>::TTL, key = "a3-life-8:{id}", skip(self))]
        async fn life(&self, id: u64) -> u64 {
            id + 8
        }
    }

    impl Life<u16> for Cat {
        const TTL: Duration = Duration::from_secs(16);

        #[cached_aside(ttl = <Self as Life<u16>>::TTL, key = "a3-life-16:{id}", skip(self))]
        async fn life(&self, id: u64) -> u64 {
            id + 16
        }
    }

    const fn ttl_of<T>() -> Duration {
        Duration::from_secs(60 + size_of::<T>() as u64)
    }

    pub struct Plan {
        seconds: u64,
    }

    impl Plan {
        const fn ttl(&self) -> Duration {
            Duration::from_secs(self.seconds)
        }

        #[cached_aside(ttl = ttl_of::<Self>(), key = "a3-plan:{id}")]
        pub async fn of_size(id: u64) -> u64 {
            id
        }

        #[cached_aside(ttl = Self { seconds: 60 }.ttl(), key = "a3-plan-of:{id}")]
        pub async fn of_value(id: u64) -> u64 {
            id
        }
    }

    pub async fn check() {
        assert_eq!((Life::<u8>::life(&Cat, 1).await, Life::<u16>::life(&Cat, 1).await), (9, 17));
        assert_eq!((Plan::of_size(1).await, Plan::of_value(1).await), (1, 1));
    }
}

mod higher_ranked_types {
    use std::marker::PhantomData;

    use cached_aside::{cached_aside, invalidates, updates};

    fn same(text: &str) -> &str {
        text
    }

    type Explains = dyn for<'a> Fn(&'a str) -> String + Send + Sync;

    #[cached_aside(ttl = "5m", key = "a3-ranked:{id}")]
    async fn explained(id: u64) -> Result<u64, Box<dyn for<'a> Fn(&'a str) -> &'a str + Send + Sync>> {
        if id == 0 { Err(Box::new(same)) } else { Ok(id) }
    }

    #[cached_aside(ttl = "5m", key = "a3-aliased:{id}")]
    async fn aliased(id: u64) -> Result<Option<u64>, Box<Explains>> {
        Ok(Some(id))
    }

    #[cached_aside(ttl = "5m", key = "a3-marker:{id}")]
    async fn marker(id: u64) -> PhantomData<for<'a> fn(&'a str) -> &'a str> {
        PhantomData
    }

    #[updates(explained(id))]
    async fn explain(id: u64) -> Result<u64, Box<dyn for<'a> Fn(&'a str) -> &'a str + Send + Sync>> {
        Ok(id + 1)
    }

    #[invalidates(explained(*result))]
    async fn unexplain(id: u64) -> Result<u64, Box<dyn for<'a> Fn(&'a str) -> &'a str + Send + Sync>> {
        Ok(id)
    }

    pub async fn check() {
        assert_eq!(explained(0).await.err().unwrap()("why"), "why");
        assert_eq!(explained(1).await.ok(), Some(1));
        assert_eq!(aliased(1).await.ok(), Some(Some(1)));
        assert_eq!(marker(1).await, PhantomData);
        assert_eq!(explain(1).await.ok(), Some(2));
        assert_eq!(explained(1).await.ok(), Some(2));
        assert_eq!(unexplain(1).await.ok(), Some(1));
        assert_eq!(explained::key(1).peek().await.unwrap(), None);
    }
}

mod aliased_const_parameter {
    use cached_aside::cached_aside;
    use serde::{Deserialize, Serialize};

    type Flag = bool;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub struct Flagged<const ON: bool>(u64);

    #[cached_aside(ttl = "5m", key = "a3-flag:{ON}:{id}")]
    async fn flagged<const ON: bool>(id: u64) -> Result<Flagged<ON>, String> {
        Ok(Flagged(id))
    }

    #[cached_aside(ttl = "5m", key = "a3-letter:{C}:{id}")]
    async fn lettered<const C: std::primitive::bool>(id: u64) -> Option<Flagged<C>> {
        Some(Flagged(id))
    }

    pub async fn check() {
        assert_eq!(flagged::<true>(1).await, Ok(Flagged(1)));
        assert_eq!(flagged::key::<true>(1).as_str(), "a3-flag:true:1");
        assert_eq!(lettered::<false>(1).await, Some(Flagged(1)));
    }
}


mod own_result {
    use cached_aside::{cached_aside, updates};
    use serde::{Deserialize, Serialize, de::DeserializeOwned};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub enum Result<T, E> {
        Yes(T),
        No(E),
    }

    #[cached_aside(ttl = "5m", key = "a3-either:{B}:{id}")]
    async fn either<B: Serialize + DeserializeOwned + Default + Send + Sync>(id: u64) -> Result<u64, B> {
        if id == 0 { Result::No(B::default()) } else { Result::Yes(id) }
    }

    #[updates(either::<u8>(id))]
    async fn decide(id: u64) -> Result<u64, u8> {
        Result::No(7)
    }

    pub async fn check() {
        assert_eq!(either::<u8>(0).await, Result::No(0));
        assert_eq!(decide(0).await, Result::No(7));
        assert_eq!(either::<u8>(0).await, Result::No(7));
        assert_eq!(either::key::<u8>(0).peek().await.unwrap(), Some(Result::No(7)));
    }
}








mod callbacks_that_are_kept {
    use std::sync::Arc;

    use cached_aside::{cached_aside, invalidates};

    #[cached_aside(ttl = "5m", key = "a1-kept:{id}")]
    async fn kept(id: u64) -> u64 {
        id
    }

    #[invalidates(kept(id), detach)]
    async fn with_callback(id: u64, accepts: Arc<dyn Fn(&str) -> bool + Send + Sync>) -> bool {
        accepts("x")
    }

    #[cached_aside(ttl = "5m", key = "a1-kept-back:{id}", skip(length), stale_while_revalidate = "1m", refresh = "background")]
    async fn with_pointer(id: u64, length: fn(&str) -> usize) -> usize {
        length("ab")
    }

    // And of an error: "goes on when its caller has gone, and so can't return what borrows".
    #[cached_aside(ttl = "5m", key = "a1-kept-error:{id}", stale_while_revalidate = "1m", refresh = "background")]
    async fn with_error(id: u64) -> Result<u64, Box<dyn Fn(&str) -> bool + Send + Sync>> {
        Ok(id)
    }

    pub async fn check() {
        assert_eq!(kept(1).await, 1);
        assert!(with_callback(1, Arc::new(|text| text == "x")).await);
        assert_eq!(kept::key(1).peek().await.unwrap(), None);
        assert_eq!(with_pointer(1, str::len).await, 2);
        assert_eq!(with_error(1).await.ok(), Some(1));
    }
}

mod unicode {
    use cached_aside::{cached_aside, invalidates};

    #[cached_aside(ttl = "5m", key = "a1-unicode:{ग्राहक}")]
    async fn खाता(ग्राहक: u64) -> u64 {
        ग्राहक
    }

    #[invalidates(खाता(ग्राहक))]
    async fn बदलो(ग्राहक: u64) {}

    pub async fn check() {
        assert_eq!(खाता(1).await, 1);
        बदलो(1).await;
        assert_eq!(खाता::key(1).peek().await.unwrap(), None);
    }
}

mod higher_ranked_option {
    use std::marker::PhantomData;

    #[derive(Debug, Clone)]
    pub struct Refused<T>(PhantomData<T>);

    #[cached_aside::cached_aside(
        ttl = "5m",
        key = "a1-for:{id}",
        store_if = |value: &u64| *value > Refused::<for<'a> fn(&'a str)>::LEAST
    )]
    async fn more_than(id: u64) -> u64 {
        id
    }

    impl<T> Refused<T> {
        const LEAST: u64 = 1;
    }

    pub async fn check() {
        assert_eq!((more_than(1).await, more_than(2).await), (1, 2));
        assert_eq!(more_than::key(1).peek().await.unwrap(), None);
        assert_eq!(more_than::key(2).peek().await.unwrap(), Some(2));
    }
}

mod array_result {
    use cached_aside::{cached_aside, invalidates};

    type Pair = [u64; 2];

    #[cached_aside(ttl = "5m", key = "a1-end:{id}")]
    async fn end_of(id: u64) -> u64 {
        id
    }

    #[invalidates(end_of(result[0]), end_of(result[1]))]
    async fn swap(a: u64, b: u64) -> [u64; 2] {
        [b, a]
    }

    #[invalidates(end_of(pair[0]) for pair in result)]
    async fn swap_all() -> Vec<[u64; 2]> {
        vec![[3, 4]]
    }

    pub async fn check() {
        for id in [1, 2, 3] {
            end_of(id).await;
        }
        assert_eq!(swap(1, 2).await, [2, 1]);
        assert_eq!(swap_all().await, [[3, 4]]);
        for id in [1, 2, 3] {
            assert_eq!(end_of::key(id).peek().await.unwrap(), None);
        }
    }
}

mod variants_named_like_parameters {
    use cached_aside::cached_aside;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub enum Kind {
        D,
        E,
    }

    pub trait Db: Sync {}

    impl Db for u8 {}

    #[cached_aside(ttl = "5m", key = "needed-kind:{id}", skip(db), store_if = |kind: &Kind| *kind != Kind::D)]
    async fn kind<D: Db>(db: &D, id: u64) -> Kind {
        if id == 0 { Kind::D } else { Kind::E }
    }

    pub async fn check() {
        assert_eq!((kind(&5_u8, 0).await, kind(&5_u8, 1).await), (Kind::D, Kind::E));
        assert_eq!((kind::key(0).peek().await.unwrap(), kind::key(1).peek().await.unwrap()), (None, Some(Kind::E)));
    }
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() {
    cached_aside::Cache::in_process().install().unwrap();
    predicates_of_others::check().await;
    options_of_generics::check().await;
    self_in_constants::check().await;
    higher_ranked_types::check().await;
    aliased_const_parameter::check().await;
    own_result::check().await;
    callbacks_that_are_kept::check().await;
    unicode::check().await;
    higher_ranked_option::check().await;
    array_result::check().await;
    variants_named_like_parameters::check().await;
}
