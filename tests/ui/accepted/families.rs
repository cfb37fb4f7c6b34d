//! Families of entries without an annotated function: what their loaders may give, and their types.

#![deny(warnings)]
#![warn(clippy::pedantic)]
#![allow(clippy::unused_async, reason = "the bodies wait for nothing")]

use std::{future::Future, time::Duration};

use cached_aside::{Cache, Cached, Json, Key};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User(u64);

#[derive(Debug, PartialEq)]
struct Failed;

impl From<std::fmt::Error> for Failed {
    fn from(_: std::fmt::Error) -> Self {
        Failed
    }
}

const MINUTE: Duration = Duration::from_secs(60);
static USER: Cached<User> = Cached::new("user", MINUTE)
    .none_ttl(MINUTE)
    .jitter(5)
    .lease(Duration::from_secs(2))
    .wait(MINUTE)
    .early_refresh(1.0)
    .verify(0.001)
    .stale_while_revalidate(MINUTE)
    .stale_if_error(MINUTE)
    .store_if(|user: &User| user.0 > 0)
    .ttl_for(|_| MINUTE)
    .version(3)
    .shares_key();
static PAGE: Cached<Vec<User>, Json> = Cached::new("page", MINUTE).version(1).codec();
static OPTION: Cached<Option<User>> = Cached::new("option", MINUTE);
static RESULT: Cached<Result<u8, u8>> = Cached::new("result", MINUTE);

async fn db(id: u64) -> Result<Option<User>, Failed> {
    Ok(Some(User(id)))
}

fn send<T: Send>(future: T) -> T {
    future
}

fn of_request(id: u64) -> impl Future<Output = Result<User, Failed>> + Send {
    async move {
        let user = USER.get_or_load(id, || async move { Ok::<_, Failed>(db(id).await?.ok_or(std::fmt::Error)?) }).await?;
        Ok(user)
    }
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() {
    Cache::in_process().install().unwrap();
    let (tenant, id, name) = (7_u32, 1_u64, String::from("x"));
    assert_eq!(send(USER.get_or_load((tenant, id), || db(id))).await, Ok(Some(User(1))));
    let plain: User = USER.get_or_load(2, || async { User(2) }).await;
    let option: Option<User> = USER.get_or_load("text", || async { Some(plain.clone()) }).await;
    assert_eq!(option, Some(User(2)));
    let result: Result<User, Failed> = USER.get_or_load((&name, 1), || async { Ok(User(1)) }).await;
    let both = USER.get_or_load(&name, || async { Ok::<_, Failed>(Some(result?)) }).await;
    assert_eq!(both, Ok(Some(User(1))));
    assert_eq!(PAGE.get_or_load((tenant, "a", 3), || async { vec![User(1)] }).await, [User(1)]);
    let _: Option<User> = OPTION.get_or_load(1, || async { None }).await;
    let _: Option<Option<User>> = OPTION.get_or_load(2, || async { None }).await;
    let _: Result<u8, u8> = RESULT.get_or_load(1, || async { Err(1) }).await;
    let key: Key<User> = USER.key((tenant, id));
    assert_eq!((key.as_str(), USER.key(3).as_str()), ("user:7:1", "user:3"));
    assert_eq!(of_request(9).await, Ok(User(9)));
    assert_eq!(format!("{USER:?}"), r#"Cached { name: "user", .. }"#);
}
