//! Keys that there are only if there is an argument.

#![deny(warnings)]

use cached_aside::{Cache, cached_aside, invalidates};

#[derive(Clone)]
pub struct User {
    pub id: u64,
    pub parent: Option<u64>,
    pub email: Option<String>,
}

#[cached_aside(ttl = "1m", key = "user:{id}")]
async fn load(id: u64) -> u64 {
    id
}

#[cached_aside(ttl = "1m", key = "email:{email}")]
async fn by_email(email: &str) -> usize {
    email.len()
}

#[invalidates(load(id?), by_email(email?), load(9))]
async fn by_value(id: Option<u64>, email: Option<String>) {
    drop((id, email));
}

#[invalidates(load(id?), by_email(email?), by_email(other?), when = true)]
async fn by_reference(id: &Option<u64>, email: &Option<String>, other: Option<&str>) -> Option<u64> {
    let _ = (email, other);
    Some(*id.as_ref()?)
}

#[invalidates(load(result?.id), load(result?.parent?), by_email(result?.email?))]
async fn of_result(user: Option<User>) -> Result<Option<User>, String> {
    Ok(user)
}

#[invalidates(load(result.first()?.id), load(user.parent?), "all")]
async fn of_list(user: &User) -> Vec<Id> {
    vec![Id { id: user.id }]
}

#[derive(Debug)]
pub struct Id {
    id: u64,
}

async fn stored() -> [bool; 4] {
    load(1).await;
    load(2).await;
    load(9).await;
    by_email("a").await;
    there().await
}

async fn there() -> [bool; 4] {
    [
        load::key(1).peek().await.unwrap().is_some(),
        load::key(2).peek().await.unwrap().is_some(),
        load::key(9).peek().await.unwrap().is_some(),
        by_email::key("a").peek().await.unwrap().is_some(),
    ]
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() {
    Cache::in_process().install().unwrap();
    assert_eq!(stored().await, [true; 4]);
    by_value(None, None).await;
    assert_eq!(there().await, [true, true, false, true], "there is nothing but the one that is always there");
    stored().await;
    by_value(Some(1), Some("a".into())).await;
    assert_eq!(there().await, [false, true, false, false]);
    stored().await;
    by_reference(&None, &None, None).await;
    assert_eq!(there().await, [true; 4]);
    by_reference(&Some(2), &None, Some("a")).await;
    assert_eq!(there().await, [true, false, true, false]);
    stored().await;
    of_result(None).await.unwrap();
    assert_eq!(there().await, [true; 4]);
    of_result(Some(User { id: 1, parent: None, email: None })).await.unwrap();
    assert_eq!(there().await, [false, true, true, true]);
    of_result(Some(User { id: 1, parent: Some(2), email: Some("a".into()) })).await.unwrap();
    assert_eq!(there().await, [false, false, true, false]);
    stored().await;
    of_list(&User { id: 1, parent: None, email: None }).await;
    assert_eq!(there().await, [false, true, true, true]);
}
