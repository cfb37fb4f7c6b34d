//! What looks like a mistake and is none.
#![allow(dead_code, unused_variables)]

use std::collections::HashMap;

use cached_aside::{cached_aside, invalidates, keys};

#[cached_aside(ttl = "5m", key = "as-written:{id}")]
async fn load(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "5m", key = "as-written-name:{name}")]
async fn by_name(name: &str) -> u64 {
    name.len() as u64
}

#[cached_aside(ttl = "5m", key = "as-written:{tenant}:{id}")]
async fn two(tenant: u64, id: u64) -> u64 {
    tenant + id
}

// A field is borrowed, and nothing beside it.
struct Item {
    id: u64,
    n: u64,
}

struct Repo {
    tenant: u64,
    name: String,
    items: Vec<Item>,
}

impl Repo {
    fn beside_a_borrow(&mut self) -> usize {
        let mut keys = 0;
        for item in self.items.iter_mut() {
            keys += keys!["i:{self.tenant}:{item.id}"].len();
            item.n += 1;
        }
        let name = &mut self.name;
        keys += keys!["a:{self.tenant}"].len();
        name.push('a');
        keys
    }

    fn beside_a_move(self) -> usize {
        let name = self.name;
        let keys = keys!["u:{self.tenant}"].len() + keys!["u:{self.tenant}:{item.id}" for item in self.items.into_iter()].len();
        keys + name.len()
    }
}

struct Config {
    tenant: u64,
    name: String,
}

const CONFIG: Config = Config { tenant: 1, name: String::new() };

fn of_a_constant() -> usize {
    keys!["u:{CONFIG.tenant}"].len()
}

#[invalidates("u:{order.tenant}:{item.id}" for item in order.items.iter_mut())]
async fn of_a_field_that_changes(order: &mut Repo) -> usize {
    order.items.len()
}

// `Self` in the call of a batch.
trait Table {
    const TENANT: u64;

    fn tenant(&self) -> u64;

    #[cached_aside(two(Self::TENANT, id) for id in ids)]
    async fn by_constant(ids: &[u64]) -> HashMap<u64, u64> {
        ids.iter().map(|id| (*id, Self::TENANT + id)).collect()
    }

    #[cached_aside(two(self.tenant(), id) for id in ids)]
    async fn by_method(&self, ids: &[u64]) -> HashMap<u64, u64> {
        ids.iter().map(|id| (*id, self.tenant() + id)).collect()
    }

    async fn changed(&self, tenant: u64, ids: &[u64]) -> HashMap<u64, u64>;
}

struct First;

impl Table for First {
    const TENANT: u64 = 3;

    fn tenant(&self) -> u64 {
        4
    }

    #[cached_aside(two(*tenant, id) for id in ids, skip(self))]
    async fn changed(&self, ref mut tenant: u64, ids: &[u64]) -> HashMap<u64, u64> {
        let given = *tenant;
        *tenant += 1;
        ids.iter().map(|id| (*id, given + id)).collect()
    }
}

struct Of<T>(T);

impl<T: Table> Of<T> {
    fn tenant() -> u64 {
        T::TENANT
    }

    #[cached_aside(two(Self::tenant(), id) for id in ids)]
    async fn by_function(ids: &[u64]) -> HashMap<u64, u64> {
        ids.iter().map(|id| (*id, Self::tenant() + id)).collect()
    }
}

// What a format string names.
#[cached_aside(by_name(&format!("{tenant:>width$}:{id}")) for id in ids)]
async fn formatted(tenant: u64, width: usize, ids: &[u64]) -> Vec<Option<u64>> {
    ids.iter().map(|id| Some(format!("{tenant:>width$}:{id}").len() as u64)).collect()
}

// Parts that are there, and parts of something else.
static OFFSETS: [u64; 2] = [5, 6];

#[invalidates(load(OFFSETS[1] + result))]
async fn of_a_static() -> u64 {
    1
}

#[invalidates(load(shards[0] + result.len() as u64))]
async fn of_a_parameter(shards: [u64; 4]) -> String {
    shards.len().to_string()
}

#[invalidates(load(OFFSETS[0] + id) for id in result)]
async fn of_a_static_and_items() -> Vec<u64> {
    vec![1]
}

#[invalidates(by_name(&name[..]) for name in result)]
async fn of_the_whole() -> Vec<String> {
    vec!["a".to_owned()]
}

#[invalidates(two(pair[0], pair[1]) for pair in result)]
async fn of_arrays() -> Vec<[u64; 2]> {
    vec![[1, 2]]
}

// A key of its own with `:?`, beside another without.
#[cached_aside(ttl = "5m", key = "as-written-page:{page}")]
async fn numbered(page: u64) -> u64 {
    page
}

#[cached_aside(ttl = "5m", key = "as-written-page:{page:?}")]
async fn optional(page: Option<u64>) -> u64 {
    page.unwrap_or_default()
}

#[invalidates("as-written-page:{page:?}")]
async fn save_page(page: Option<u64>) {}

// Names of others.
mod users {
    use cached_aside::cached_aside;

    #[cached_aside(ttl = "5m", key = "as-written-user:{id}")]
    pub async fn load_user(id: u64) -> u64 {
        id
    }
}

#[invalidates(users::load_user(id))]
async fn save_user(id: u64) {}

// Of another module.
const fn minutes(number: u64) -> std::time::Duration {
    std::time::Duration::from_secs(60 * number)
}

mod times {
    pub fn minutes(text: &str) -> usize {
        text.len()
    }
}

#[cached_aside(ttl = minutes(5), key = "as-written-timed:{id}")]
async fn timed(id: u64) -> u64 {
    id + times::minutes("a") as u64
}

// A parameter with a name and a pattern.
#[cached_aside(ttl = "5m", key = "as-written-bound:{item.id}")]
async fn bound(item @ Item { n, .. }: Item) -> u64 {
    item.id + n
}

#[invalidates(bound(Item { n: 0, id: item.id }))]
async fn save_bound(item @ Item { .. }: Item) {
    let _ = item;
}

mod fakes {
    mod users {
        use cached_aside::cached_aside;

        #[cached_aside(ttl = "5m", key = "as-written-fake:{id}")]
        async fn load_user(id: u64) -> u64 {
            id
        }
    }
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() {
    let repo = || Repo { tenant: 1, name: "n".into(), items: vec![Item { id: 1, n: 0 }] };
    assert_eq!((repo().beside_a_borrow(), repo().beside_a_move(), of_a_constant()), (2, 3, 1));
    cached_aside::Cache::in_process()
        .scope(async {
            assert_eq!(of_a_field_that_changes(&mut repo()).await, 1);
            assert_eq!(First::by_constant(&[1]).await[&1], 4);
            assert_eq!(First.by_method(&[1]).await[&1], 5);
            assert_eq!(First.changed(7, &[1]).await[&1], 8);
            assert_eq!(Of::<First>::by_function(&[2]).await[&2], 5);
            assert_eq!(formatted(1, 3, &[1]).await, [Some(5)]);
            optional(Some(1)).await;
            save_page(Some(1)).await;
            assert_eq!(optional::key(Some(1)).peek().await.unwrap(), None);
            users::load_user(1).await;
            save_user(1).await;
            assert_eq!(users::load_user::key(1).peek().await.unwrap(), None);
            assert_eq!(timed(1).await, 2);
            assert_eq!(bound(Item { id: 1, n: 2 }).await, 3);
            save_bound(Item { id: 1, n: 3 }).await;
            assert_eq!(bound(Item { id: 1, n: 4 }).await, 5);
            of_a_static().await;
            of_a_parameter([1, 2, 3, 4]).await;
            of_a_static_and_items().await;
            of_the_whole().await;
            of_arrays().await;
        })
        .await;
}
