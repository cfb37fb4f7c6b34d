//! Every attribute and macro where `::cached_aside` is nothing: under another name, behind another library, and out of its macros.

#![expect(clippy::unused_async, reason = "only async functions are cached")]
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::collections::HashMap;

use facade::{
    User,
    caching::{Cache, Cached, Error, cached_aside, invalidate, invalidates, keys, transaction, updates},
    load_user, load_users,
};

facade::caching::tags! {
    crate = ::facade::caching;
    fn shelf(number: u64) = "shelf:{number}";
}

#[cached_aside(ttl = "5m", key = "book:{id}", tags(shelf(id / 10)), refresh = "background", stale_while_revalidate = "1m", crate = ::facade::caching)]
async fn book(id: u64) -> Option<String> {
    (id != 0).then(|| format!("book {id}"))
}

#[cached_aside(book(id) for id in ids, crate = ::facade::caching)]
async fn books(ids: &[u64]) -> HashMap<u64, String> {
    ids.iter().map(|id| (*id, format!("book {id}"))).collect()
}

#[invalidates(book(result?), tags(shelf(number)), crate = ::facade::caching)]
async fn clear(number: u64) -> Option<u64> {
    Some(number * 10)
}

#[invalidates(book(id), transaction = "required", crate = ::facade::caching)]
async fn write_inside(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[derive(Clone)]
struct Shop {
    tenant: u64,
    cache: Cache,
}

impl Shop {
    #[cached_aside(ttl = "5m", key = "{self.tenant}:order:{id}", cache = self.cache, crate = ::facade::caching)]
    async fn order(&self, id: u64) -> u64 {
        id + self.tenant
    }

    #[invalidates(self.order(id), cache = self.cache, crate = ::facade::caching)]
    async fn cancel(&self, id: u64) {
        let _ = id;
    }

    #[updates(self.order(id), cache = self.cache, crate = ::facade::caching)]
    async fn change(&self, id: u64, to: u64) -> u64 {
        let _ = id;
        to
    }

    #[invalidates(self.order(id), detach, crate = ::facade::caching)]
    async fn archive(self, id: u64) -> u64 {
        id
    }
}

static NAME: Cached<String> = Cached::new("name", std::time::Duration::from_secs(300));

facade::loader!(square(number: u64) -> u64 { number * number });

#[tokio::test]
async fn the_library_is_found_where_it_is_said_to_be() {
    let cache = Cache::in_process();
    let kept = cache.clone();
    kept.scope(async {
        assert_eq!(load_user(1).await.unwrap().name, "user 1");
        load_user(0).await.unwrap_err();
        facade::rename(1, "Ada".to_owned()).await.unwrap();
        assert_eq!(load_user(1).await.unwrap().name, "Ada");
        facade::save(&User { id: 1, name: "Grace".to_owned() }).await;
        assert_eq!(load_user(1).await.unwrap().name, "user 1");
        assert_eq!(load_users(1).await.len(), 1);
        facade::delete_tenant(1).await;
        assert!(load_users::key(1).peek().await.unwrap().is_none());
        invalidate(facade::two(1)).await;

        assert_eq!(book(11).await.as_deref(), Some("book 11"));
        assert_eq!(books(&[11, 12]).await.len(), 2);
        assert_eq!(clear(1).await, Some(10));
        assert!(book::key(12).peek().await.unwrap().is_none());
        book(11).await;
        write_inside(11).await.unwrap_err();
        assert_eq!(transaction(write_inside(11)).await.unwrap(), 11);
        assert!(book::key(11).peek().await.unwrap().is_none());

        NAME.get_or_load(1, || async { Ok::<_, Error>("one".to_owned()) }).await.unwrap();
        invalidate(keys![NAME.key(1), book(11), square(2)]).await;
        assert_eq!(square(2).await, 4);
        assert!(square::key(2).peek().await.unwrap().is_some());
    })
    .await;
    let shop = Shop { tenant: 5, cache };
    assert_eq!(shop.order(1).await, 6);
    assert_eq!(shop.change(1, 9).await, 9);
    assert_eq!(shop.order(1).await, 9);
    shop.cancel(1).await;
    assert_eq!(shop.order(1).await, 6);
    assert_eq!(shop.clone().archive(1).await, 1);
    assert!(shop.order_key(1).peek().await.unwrap().is_none());
}
