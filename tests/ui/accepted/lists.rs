//! The keys of a list's items.

#![deny(warnings)]
#![warn(clippy::pedantic)]
#![allow(clippy::unused_async, clippy::zero_sized_map_values, reason = "the bodies wait for nothing, and only keys are of interest")]

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use cached_aside::{AnyKey, Cache, Key, cached_aside, invalidates};

#[derive(Clone, Debug)]
pub struct User {
    pub id: u64,
    pub parent: Option<u64>,
    pub email: String,
    pub other: Option<String>,
}

/// An identity that can't be copied.
#[derive(Clone, Debug)]
pub struct Name(String);

pub struct Order {
    lines: Vec<User>,
}

impl Order {
    fn ids(&self) -> impl Iterator<Item = u64> {
        self.lines.iter().map(|line| line.id)
    }

    fn emails(&self) -> Vec<String> {
        self.lines.iter().map(|line| line.email.clone()).collect()
    }
}

#[cached_aside(ttl = "1m", key = "user:{id}")]
async fn user(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "1m", key = "email:{email}")]
async fn by_email(email: &str) -> usize {
    email.len()
}

#[cached_aside(ttl = "1m", key = "in:{tenant}:{id}")]
async fn in_tenant(tenant: String, id: u64) -> usize {
    tenant.len() + usize::try_from(id).unwrap()
}

#[invalidates(user(id) for id in ids)]
async fn of_slice(ids: &[u64]) {
    let _ = ids;
}

#[invalidates(user(id) for id in ids, by_email(email) for email in emails)]
async fn of_owned(ids: Vec<u64>, emails: Vec<String>) {
    drop((ids, emails));
}

// The item is called as the function is.
#[invalidates(user(user.id) for user in users, by_email(&user.email) for user in users)]
async fn of_structs(users: &[User]) -> Result<(), String> {
    let _ = users;
    Ok(())
}

#[invalidates(user(user.id) for user in users)]
async fn of_references(users: &[&User]) {
    let _ = users;
}

#[invalidates(user(user.parent?) for user in users, by_email(user.other?) for user in users, user(9))]
async fn if_there_is_one(users: &[User]) {
    let _ = users;
}

#[invalidates(user(id) for (id, _) in pairs, by_email(email) for (_, email) in pairs)]
async fn of_pairs(pairs: &[(u64, String)]) {
    let _ = pairs;
}

#[invalidates(user(id) for User { id, .. } in users, user(id) for &id in ids)]
async fn of_patterns(users: &[User], ids: &HashSet<u64>) {
    let _ = (users, ids);
}

#[invalidates(user(id) for (id, _) in map, by_email(email) for (_, email) in map, user(id) for id in sorted.keys())]
async fn of_maps(map: &HashMap<u64, String>, sorted: BTreeMap<u64, ()>) {
    let _ = (map, sorted);
}

#[invalidates(user(id) for id in there, user(id) for id in shared, user(id) for id in boxed, user(id) for id in cow)]
async fn of_pointers(there: Option<u64>, shared: Arc<[u64]>, boxed: Box<[u64]>, cow: Cow<'_, [u64]>) {
    drop((there, shared, boxed, cow));
}

#[invalidates(
    user(id) for id in ids.iter().filter(|id| **id > 1),
    user(id) for id in order.ids(),
    by_email(&line.email) for line in order.lines,
    by_email(&email) for email in order.emails(),
    user(id) for id in [7, 8],
)]
async fn of_iterators(ids: &[u64], order: &Order) {
    let _ = (ids, order);
}

// As one writes it who thinks of the items, also of those that are copied.
#[invalidates(
    user(*id) for id in ids,
    user(*id + 1) for id in ids,
    user(**id) for id in shared,
    user((*line).id) for line in lines,
    by_email(&*email) for email in emails,
    in_tenant((*email).clone(), *id) for (email, id) in map,
)]
async fn dereferenced(ids: &[u64], shared: &[&Arc<u64>], lines: Vec<User>, emails: &[&str], map: &HashMap<String, u64>) {
    let _ = (ids, shared, lines, emails, map);
}

#[cached_aside(ttl = "5m", key = "page:{name}")]
async fn page(name: &'static str) -> usize {
    name.len()
}

// What is behind a reference lives as long as that says, and a parameter of a closure is no item.
#[invalidates(page(&*name) for name in names, by_email(&(|name: Box<String>| *name)(Box::new((*name).to_owned()))) for name in names)]
async fn pages(names: &[&'static str]) {
    let _ = names;
}

#[invalidates(user(*id) for id in result)]
async fn dereferenced_of_result(ids: Vec<u64>) -> Vec<u64> {
    ids
}

#[invalidates("user:{id}" for id in ids, "email:{name.0}" for name in names, "in:{tenant}:{id}" for id in ids)]
async fn templates(tenant: &str, ids: &[u64], names: Vec<Name>) {
    let _ = (tenant, ids, names);
}

#[invalidates(user(user.id) for user in result, by_email(&user.email) for user in result, "x")]
async fn of_result(users: Vec<User>) -> Result<Vec<User>, String> {
    if users.is_empty() { Err("none".into()) } else { Ok(users) }
}

#[invalidates(user(user.id) for user in result?, user(result?.first()?.id))]
async fn of_result_that_may_be(users: Option<Vec<User>>) -> Result<Option<Vec<User>>, String> {
    Ok(users)
}

// What needs neither the result nor an item is evaluated before the body, which takes it.
#[invalidates(
    in_tenant(tenant.clone(), user.id) for user in result,
    in_tenant(tenant.clone(), u64::try_from(result.len()).unwrap_or(0) + id) for id in [1, 2].map(|id| id + base),
    "in:{tenant}:{id}" for User { id, .. } in result,
)]
async fn of_both(tenant: String, base: u64, users: Vec<User>) -> Vec<User> {
    drop(tenant);
    users
}

struct Users;

impl Users {
    #[cached_aside(ttl = "1m", key = "user:{id}", skip(self), shares_key)]
    async fn user(&self, id: u64) -> u64 {
        id
    }

    #[invalidates(self.user(id) for id in ids, Self::user(id) for id in ids, when = !ids.is_empty())]
    async fn save(&self, ids: &[u64]) {
        let _ = (self, ids);
    }
}

#[cached_aside(ttl = "1m", key = "user:{id}", shares_key)]
async fn same_user(id: u64) -> u64 {
    id
}

struct Family;

impl Family {
    fn key(&self, (tenant, id): (&str, u64)) -> Key<usize> {
        let _ = self;
        in_tenant::key(tenant.to_owned(), id)
    }
}

mod text {
    pub struct Named(pub u64);

    impl Named {
        pub fn key(&self) -> super::AnyKey {
            super::AnyKey::new(&format!("user:{}", self.0))
        }
    }
}

#[invalidates(Family.key(("t", id)) for id in ids, text::Named(4).key())]
async fn keys_themselves(ids: &[u64]) {
    let _ = ids;
}

#[invalidates(Family.key((&tenant, *result)))]
async fn key_of_the_result(tenant: &str) -> u64 {
    tenant.len() as u64
}

fn one(id: u64) -> User {
    User { id, parent: Some(id + 1), email: "a".into(), other: None }
}

/// Which of these entries there are, after all of them were stored and this was done: users 1 to 4, then 9, `a` and `b`, tenant `t`
/// with 1 to 3.
async fn left_by(write: impl Future<Output = ()>) -> String {
    for id in [1, 2, 3, 4, 9] {
        user(id).await;
    }
    for email in ["a", "b"] {
        by_email(email).await;
    }
    for id in 1..=3 {
        in_tenant("t".into(), id).await;
    }
    write.await;
    let mut left = String::new();
    for id in [1, 2, 3, 4, 9] {
        left += &user::key(id).peek().await.unwrap().map_or_else(|| "-".to_owned(), |id| id.to_string());
    }
    for email in ["a", "b"] {
        left += by_email::key(email).peek().await.unwrap().map_or("-", |_| email);
    }
    for id in 1..=3 {
        left += in_tenant::key("t".into(), id).peek().await.unwrap().map_or("-", |_| "t");
    }
    left
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() {
    Cache::in_process().install().unwrap();
    let _ = (same_user(1).await, Users.user(1).await);
    assert_eq!(left_by(of_slice(&[])).await, "12349abttt");
    assert_eq!(left_by(of_slice(&[1, 3])).await, "-2-49abttt");
    assert_eq!(left_by(of_owned(vec![2], vec!["b".into()])).await, "1-349a-ttt");
    assert_eq!(left_by(async { of_structs(&[one(1), one(2)]).await.unwrap() }).await, "--349-bttt");
    assert_eq!(left_by(of_references(&[&one(4)])).await, "123-9abttt");
    assert_eq!(left_by(if_there_is_one(&[one(1), User { parent: None, other: Some("b".into()), ..one(3) }])).await, "1-34-a-ttt");
    assert_eq!(left_by(of_pairs(&[(1, "b".into())])).await, "-2349a-ttt");
    assert_eq!(left_by(of_patterns(&[one(1)], &[2].into())).await, "--349abttt");
    assert_eq!(left_by(of_maps(&[(1, "a".into())].into(), [(2, ())].into())).await, "--349-bttt");
    assert_eq!(left_by(of_pointers(None, [1].into(), [2].into(), [3][..].into())).await, "---49abttt");
    assert_eq!(left_by(of_pointers(Some(4), [].into(), [].into(), [][..].into())).await, "123-9abttt");
    let order = Order { lines: vec![one(3), User { email: "b".into(), ..one(4) }] };
    assert_eq!(left_by(of_iterators(&[1, 2], &order)).await, "1---9--ttt");
    pages(&["a"]).await;
    assert_eq!(page("a").await, 1);
    let (shared, map) = (Arc::new(4), [("t".to_owned(), 2)].into());
    assert_eq!(left_by(dereferenced(&[1], &[&shared], vec![one(9)], &["b"], &map)).await, "--3--a-t-t");
    assert_eq!(left_by(async { drop(dereferenced_of_result(vec![3]).await) }).await, "12-49abttt");
    assert_eq!(left_by(templates("t", &[1, 2], vec![Name("b".into())])).await, "--349a---t");
    assert_eq!(left_by(async { drop(of_result(vec![one(1), one(2)]).await) }).await, "--349-bttt");
    assert_eq!(left_by(async { drop(of_result(vec![]).await) }).await, "12349abttt");
    assert_eq!(left_by(async { drop(of_result_that_may_be(None).await) }).await, "12349abttt");
    assert_eq!(left_by(async { drop(of_result_that_may_be(Some(vec![one(3)])).await) }).await, "12-49abttt");
    assert_eq!(left_by(async { drop(of_both("t".into(), 1, vec![one(1), one(3)]).await) }).await, "12349ab-t-");
    assert_eq!(left_by(Users.save(&[1, 9])).await, "-234-abttt");
    assert_eq!(left_by(Users.save(&[])).await, "12349abttt");
    assert_eq!(left_by(keys_themselves(&[2])).await, "123-9abt-t");
    assert_eq!(left_by(async { assert_eq!(key_of_the_result("t").await, 1) }).await, "12349ab-tt");
}
