//! Signatures, values and keys that are seldom written.
#![allow(dead_code, unused_variables, non_camel_case_types, async_fn_in_trait)]

mod values {
    use std::{borrow::Cow, collections::BTreeMap, net::Ipv4Addr, num::NonZeroU64, ops::Range};

    use cached_aside::cached_aside;

    macro_rules! answer {
        ($of:ty) => { Result<Option<$of>, std::fmt::Error> };
    }

    #[cached_aside(ttl = "5m", key = "a5-arrays:{id}")]
    async fn arrays(id: u8) -> [[u8; 3]; 2] {
        [[id; 3]; 2]
    }

    #[cached_aside(ttl = "5m", key = "a5-tuples:{id}", none_ttl = "1m")]
    async fn tuples(id: u8) -> Option<((u8, (Option<char>,)), [(u8, bool); 1])> {
        Some(((id, (Some('a'),)), [(id, true)]))
    }

    #[cached_aside(ttl = "5m", key = "a5-options:{id}", none_ttl = "1m")]
    async fn options(id: u64) -> Option<Option<NonZeroU64>> {
        (id > 0).then(|| NonZeroU64::new(id - 1))
    }

    #[cached_aside(ttl = "5m", key = "a5-nothing:{id}")]
    async fn nothing(id: u64) -> Result<(), std::fmt::Error> {
        if id == 0 { Err(std::fmt::Error) } else { Ok(()) }
    }

    #[cached_aside(ttl = "5m", key = "a5-texts:{id}")]
    async fn texts(id: u64) -> (Cow<'static, str>, Box<str>, Box<[u64]>) {
        ("a".into(), "b".into(), [id].into())
    }

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Title<'a>(Cow<'a, str>);

    #[cached_aside(ttl = "5m", key = "a5-title:{id}")]
    async fn title(id: &str) -> Vec<Title<'_>> {
        vec![Title(id.into())]
    }

    /// It looks as if it borrowed, and is given what is static.
    #[derive(Debug, PartialEq, serde::Serialize)]
    struct Color<'a>(&'a str);
    impl<'de> serde::Deserialize<'de> for Color<'_> {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            <String as serde::Deserialize>::deserialize(deserializer).map(|_| Color("red"))
        }
    }

    #[cached_aside(ttl = "5m", key = "a5-color:{id}")]
    async fn color(id: &str) -> Option<Color<'_>> {
        Some(Color(id))
    }

    #[cached_aside(ttl = "5m", key = "a5-more:{id}")]
    async fn more(id: u64) -> std::result::Result<BTreeMap<Ipv4Addr, Range<u64>>, Box<dyn std::error::Error>> {
        Ok([(Ipv4Addr::LOCALHOST, 0..id)].into())
    }

    #[cached_aside(ttl = "5m", key = "a5-made:{id}", none_ttl = "1m")]
    async fn made(id: u64) -> answer!(u64) {
        Ok(Some(id))
    }

    #[cached_aside(ttl = "5m", key = "a5-projected:{id}")]
    async fn projected(id: u64) -> <Vec<Option<u64>> as IntoIterator>::Item {
        Some(id)
    }

    // Everything that a derived key takes.
    #[cached_aside(ttl = "5m")]
    async fn derived(
        a: [[u8; 2]; 2],
        b: (u8, (bool, Option<Option<char>>)),
        c: &&str,
        d: Cow<'_, str>,
        e: Box<[Box<str>]>,
        (): (),
        _: u8,
    ) -> usize {
        a.len() + e.len()
    }

    pub async fn check() {
        for _ in 0..2 {
            assert_eq!(arrays(1).await, [[1; 3]; 2]);
            assert_eq!(tuples(1).await, Some(((1, (Some('a'),)), [(1, true)])));
            assert_eq!(options(0).await, None);
            assert_eq!(options(1).await, Some(None));
            assert_eq!(options(2).await, Some(NonZeroU64::new(1)));
            assert_eq!((nothing(0).await, nothing(1).await), (Err(std::fmt::Error), Ok(())));
            assert_eq!((title("a").await, color("red").await), (vec![Title("a".into())], Some(Color("red"))));
            let (cow, text, list) = texts(1).await;
            assert_eq!((&*cow, &*text, &*list), ("a", "b", &[1][..]));
            assert_eq!(more(3).await.unwrap()[&Ipv4Addr::LOCALHOST], 0..3);
            assert_eq!((made(1).await, projected(1).await), (Ok(Some(1)), Some(1)));
            assert_eq!(derived([[1; 2]; 2], (1, (true, None)), &"c", "d".into(), Box::new([Box::from("e")]), (), 0).await, 3);
        }
    }
}

mod arguments {
    use std::fmt::{Debug, Display};

    use cached_aside::{cached_aside, invalidates};

    #[cached_aside(ttl = "5m", key = "a5-impl:{ids:?}:{of}", skip(compute, log))]
    async fn uncached(
        compute: impl AsyncFn(u64) -> u64,
        log: &mut dyn for<'a> FnMut(&'a str),
        ids: &[impl Debug + Copy + Into<u64>],
        of: &dyn Display,
    ) -> u64 {
        log("computed");
        let mut sum = 0;
        for id in ids {
            sum += compute((*id).into()).await;
        }
        sum
    }

    pub struct Page {
        number: u64,
        size: [u64; 3],
    }

    #[cached_aside(ttl = "5m", key = "a5-page:{page.number}:{whole.0.1}:{key}")]
    async fn key(
        page @ Page { size: [.., last], .. }: &Page,
        whole: &((u8, u8), u8),
        ref key @ ref result: &str,
    ) -> u64 {
        page.number + *last + result.len() as u64 + key.len() as u64
    }

    #[invalidates(key(page, whole, cache), uncached(&[1_u64], &"b"))]
    async fn drop((page, whole): (&Page, &((u8, u8), u8)), cache: &str) {}

    #[invalidates(key(&Page { number: *number, size: [0; 3] }, &((0, 2), 0), "c"))]
    async fn peek(Page { number, .. }: &Page) {}

    #[cached_aside(ttl = "5m", key = "a5-iter:{T}", skip(values))]
    async fn sum<'v, T>(values: &'v [T]) -> u64
    where
        for<'x> &'x T: Into<u64>,
        [T]: 'v,
    {
        values.iter().map(|value| -> u64 { value.into() }).sum()
    }

    pub struct Seven;

    impl From<&Seven> for u64 {
        fn from(_: &Seven) -> u64 {
            7
        }
    }

    pub async fn check() {
        let mut logged = 0;
        for _ in 0..2 {
            let sum = uncached(async |id| id * 2, &mut |_| logged += 1, &[1_u64], &"b").await;
            assert_eq!(sum, 2);
        }
        assert_eq!(logged, 1);
        let page = Page { number: 1, size: [0, 0, 3] };
        assert_eq!(key(&page, &((0, 2), 0), "c").await, 6);
        assert_eq!(key::key(&page, &((0, 2), 0), "c").as_str(), "a5-page:1:2:c");
        drop((&page, &((0, 2), 0)), "c").await;
        assert_eq!(key::key(&page, &((0, 2), 0), "c").peek().await.unwrap(), None);
        assert_eq!(uncached::key(&[1_u64], &"b").peek().await.unwrap(), None);
        key(&page, &((0, 2), 0), "c").await;
        peek(&page).await;
        assert_eq!(key::key(&page, &((0, 2), 0), "c").peek().await.unwrap(), None);
        assert_eq!(sum(&[Seven, Seven]).await, 14);
    }
}

mod ways {
    use cached_aside::{cached_aside, invalidates};

    pub mod a {
        pub mod b {
            pub mod c {
                #[cached_aside::cached_aside(ttl = "5m", key = "a5-deep:{id}")]
                pub(in super::super::super) async fn deep(id: u64) -> u64 {
                    id
                }
            }

            pub(in super::super) use c::deep as less_deep;
        }

        pub(super) use self::b::less_deep as shallow;
    }

    use self::a::shallow as fetch;

    pub struct Repo<T>(T);

    type R = Repo<u8>;

    impl Repo<u8> {
        #[cached_aside(ttl = "5m", key = "a5-alias:{id}", skip(self))]
        pub async fn load(&self, id: u64) -> u64 {
            id
        }

        #[cached_aside(ttl = "5m", key = "a5-own:{self.0}:{id}")]
        pub async fn key(&self, id: u64) -> u64 {
            id
        }
    }

    pub struct 仓库;

    impl 仓库 {
        #[cached_aside(ttl = "5m", key = "a5-cjk:{号}")]
        async fn 行(号: u64) -> u64 {
            号
        }
    }

    #[invalidates(fetch(id), R::load(id), <R>::load(id + 1), <Repo<u8>>::load(id + 2), Repo::<u8>::key(repo, id), <仓库>::行(id))]
    async fn forget(repo: &R, id: u64) {}

    pub async fn check() {
        let repo: R = Repo(4);
        for id in 1..4 {
            (fetch(id).await, repo.load(id).await, repo.key(id).await, 仓库::行(id).await);
        }
        forget(&repo, 1).await;
        for id in 1..4 {
            assert_eq!(R::load_key(id).peek().await.unwrap(), None, "{id}");
        }
        assert_eq!(fetch::key(1).peek().await.unwrap(), None);
        assert_eq!(repo.key_key(1).peek().await.unwrap(), None);
        assert_eq!(仓库::行_key(1).peek().await.unwrap(), None);
    }
}

mod calls {
    use std::{
        collections::{BTreeMap, LinkedList},
        sync::{Arc, Mutex},
    };

    use cached_aside::{cached_aside, invalidates};

    pub struct Shard(u64);

    impl Shard {
        #[cached_aside(ttl = "5m", key = "a5-shard:{self.0}:{r#type}")]
        pub async fn row(&self, r#type: u64) -> u64 {
            self.0 + r#type
        }
    }

    pub struct Inner {
        shards: [Shard; 2],
        locked: Mutex<Vec<Arc<Shard>>>,
    }

    pub struct Outer(Inner, (Shard, Option<Box<Shard>>));

    impl Outer {
        fn inner(&self) -> &Inner {
            &self.0
        }

        #[invalidates(
            self.0.shards[(id % 2) as usize].row(id),
            self.1.0.row(id),
            self.inner().shards.first()?.row(id + 1),
            self.0.locked.lock().unwrap()[0].clone().row(id),
            self.1.1?.row(other??),
        )]
        async fn change(self: &Arc<Self>, id: u64, other: Option<Option<u64>>) {}
    }

    pub struct Item {
        r#type: u64,
        nested: (Option<u64>, [u64; 2]),
    }

    const NONE: [(u64, u8); 2] = [(0, 0), (0, 0)];
    const SOME: [(u64, u8); 2] = [(40, 0), (41, 0)];

    #[cached_aside(ttl = "5m", key = "a5-one:{id}")]
    async fn one(id: u64) -> u64 {
        id
    }

    #[invalidates(
        one(r#type) for Item { r#type, .. } in items,
        one(*last) for Item { nested: (.., [_, last]), .. } in items.iter(),
        one(some?) for &Item { nested: (some, ..), r#type: _ } in items,
        one(position as u64) for (position, ..) in items.iter().enumerate().map(|(position, item)| (position, item, 0)),
        one(id) for [id, ..] in pairs,
        one(ids.len() as u64) for (_, ids) in map,
        one(whole.0 + id) for whole @ &(id, _) in if pairs.is_empty() { &NONE } else { &SOME },
    )]
    async fn lists<C>(items: &[Item], pairs: &LinkedList<[u64; 2]>, map: &BTreeMap<&str, Vec<u64>>, of: &C) {}

    #[invalidates(one(id) for id in ids, one(*id + 1) for id in ids)]
    async fn of_any<C>(ids: &C)
    where
        for<'x> &'x C: IntoIterator<Item = &'x u64>,
    {
    }

    pub async fn check() {
        let outer = Arc::new(Outer(
            Inner { shards: [Shard(0), Shard(10)], locked: Mutex::new(vec![Arc::new(Shard(20))]) },
            (Shard(30), Some(Box::new(Shard(40)))),
        ));
        let shards = [0, 10, 20, 30, 40].map(Shard);
        for shard in &shards {
            (shard.row(1).await, shard.row(2).await);
        }
        outer.change(1, Some(Some(2))).await;
        let mut left = String::new();
        for shard in &shards {
            for id in [1, 2] {
                left.push(if shard.row_key(id).peek().await.unwrap().is_some() { 'x' } else { '-' });
            }
        }
        assert_eq!(left, "x--x-x-xx-");
        for id in (0..12).chain([80, 82, 90]) {
            one(id).await;
        }
        let items = [Item { r#type: 11, nested: (Some(10), [0, 9]) }, Item { r#type: 8, nested: (None, [0, 7]) }];
        lists(&items, &[[6, 0]].into(), &[("a", vec![0; 5])].into(), &()).await;
        of_any(&vec![3]).await;
        for id in [11, 8, 9, 7, 10, 0, 1, 6, 5, 80, 82, 3, 4] {
            assert_eq!(one::key(id).peek().await.unwrap(), None, "{id}");
        }
        assert_eq!((one::key(2).peek().await.unwrap(), one::key(90).peek().await.unwrap()), (Some(2), Some(90)));
    }
}

mod generic_traits {
    use std::fmt::Display;

    use cached_aside::cached_aside;
    use serde::{Serialize, de::DeserializeOwned};

    pub trait Named {
        const NAME: &'static str;
    }

    pub trait Load<K: Display + Sync, const SHARDS: usize = 2>: Named + Sync {
        type Row: Serialize + DeserializeOwned + Send + Sync;
        type Failed: Send;

        fn ask(&self, key: &K) -> Result<Self::Row, Self::Failed>;

        #[cached_aside(ttl = "5m", key = "a5-trait:{Self}:{key}", skip(self, log))]
        async fn load(&self, key: K, log: &mut Vec<&'static str>) -> Result<Vec<Self::Row>, Self::Failed>
        where
            Self: Sized,
            K: 'static,
        {
            log.push(Self::NAME);
            let mut rows = Vec::new();
            for _ in 0..SHARDS {
                rows.push(self.ask(&key)?);
            }
            Ok(rows)
        }
    }

    impl Named for (u8, [u8; 2]) {
        const NAME: &'static str = "tuple";
    }

    impl Load<&'static str> for (u8, [u8; 2]) {
        type Row = usize;
        type Failed = String;

        fn ask(&self, key: &&'static str) -> Result<usize, String> {
            Ok(key.len() + usize::from(self.0))
        }
    }

    impl Named for fn() -> u8 {
        const NAME: &'static str = "function";
    }

    impl<const N: usize> Load<u64, N> for fn() -> u8 {
        type Row = u64;
        type Failed = std::convert::Infallible;

        fn ask(&self, key: &u64) -> Result<u64, Self::Failed> {
            Ok(*key + u64::from(self()))
        }
    }

    pub async fn check() {
        let (mut log, one) = (vec![], (|| 1) as fn() -> u8);
        for _ in 0..2 {
            assert_eq!(Load::<&'static str>::load(&(1_u8, [2_u8, 3]), "ab", &mut log).await, Ok(vec![3, 3]));
            assert_eq!(Load::<u64, 3>::load(&one, 4, &mut log).await, Ok(vec![5, 5, 5]));
            assert_eq!(Load::<u64, 1>::load(&one, 4, &mut log).await, Ok(vec![5]));
        }
        assert_eq!(log, ["tuple", "function", "function"]);
    }
}

mod tags_of_all_kinds {
    use cached_aside::{cached_aside, invalidates, tags};

    tags! {
        pub(super) fn r#type(r#type: impl std::fmt::Display) = "a5-type:{type}";
        fn sized<const N: usize>(id: u64) = "a5-sized:{N}:{id}";
        fn lent<'a>(name: &'a &'a str) = "a5-lent:{name}";
    }

    #[cached_aside(ttl = "5m", key = "a5-tagged:{id}:{name}", tags(r#type(id), sized::<3>(id), lent(&name), self::r#type(name)))]
    async fn tagged(id: u64, name: &str) -> u64 {
        id + name.len() as u64
    }

    #[invalidates(tags(r#type("other"), sized::<{ 1 + 2 }>(id) for id in [1], lent(&name) for name in names))]
    async fn clear(names: &[&str]) {}

    pub async fn check() {
        assert_eq!((tagged(1, "a").await, tagged(2, "bb").await, tagged(3, "ccc").await), (2, 4, 6));
        clear(&["bb"]).await;
        assert_eq!(tagged::key(1, "a").peek().await.unwrap(), None);
        assert_eq!(tagged::key(2, "bb").peek().await.unwrap(), None);
        assert_eq!(tagged::key(3, "ccc").peek().await.unwrap(), Some(6));
    }
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() {
    cached_aside::Cache::in_process().install().unwrap();
    values::check().await;
    arguments::check().await;
    ways::check().await;
    calls::check().await;
    generic_traits::check().await;
    tags_of_all_kinds::check().await;
}
