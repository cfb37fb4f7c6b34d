//! The future is `Send` whenever the body's is: nobody needs a value or an error that is `Sync`.

#![deny(warnings)]

use std::{cell::Cell, error::Error, fmt::Debug, marker::PhantomData, rc::Rc};

use async_trait::async_trait;
use cached_aside::{Cache, cached_aside, invalidates, updates};
use serde::{Serialize, de::DeserializeOwned};

#[cached_aside(ttl = "5m", key = "result:{n}")]
async fn result(n: u64) -> Result<u64, Box<dyn Error + Send>> {
    Ok(n)
}

#[cached_aside(ttl = "5m", key = "option:{n}", none_ttl = "1m")]
async fn option(n: u64) -> Result<Option<Cell<u64>>, Box<dyn Error + Send>> {
    Ok(Some(Cell::new(n)))
}

#[cached_aside(ttl = "5m", key = "plain", stale_while_revalidate = "1m", refresh = "background")]
async fn plain() -> Cell<u64> {
    Cell::new(5)
}

#[cached_aside(ttl = "5m", key = "stale", stale_if_error = "1m")]
async fn stale() -> Result<Cell<u64>, Box<dyn Error + Send>> {
    Ok(Cell::new(5))
}

#[invalidates("plain", "result:{result}")]
async fn write() -> Result<u64, Box<dyn Error + Send>> {
    Ok(5)
}

#[updates(plain())]
async fn update() -> Result<Cell<u64>, Box<dyn Error + Send>> {
    Ok(Cell::new(6))
}

#[cached_aside(ttl = "5m", key = "generic:{T}:{n}")]
async fn generic<T: Serialize + DeserializeOwned + Default + Send, E: Debug + Default + Send>(n: u64) -> Result<T, E>
where
    T: 'static,
{
    if n == 0 { Err(E::default()) } else { Ok(T::default()) }
}

pub struct Repo<T>(PhantomData<fn() -> T>);

pub trait Get<T> {
    fn get(&self, id: u64) -> impl Future<Output = Result<T, String>> + Send;
}

impl<T: Serialize + DeserializeOwned + Default + Send + 'static> Get<T> for Repo<T> {
    #[cached_aside(ttl = "1m", key = "{T}:{id}", skip(self))]
    async fn get(&self, id: u64) -> Result<T, String> {
        let _ = id;
        Ok(T::default())
    }
}

#[async_trait]
pub trait GetBoxed<T> {
    async fn get_boxed(&self, id: u64) -> Result<T, String>;
}

#[async_trait]
impl<T: Serialize + DeserializeOwned + Default + Send + 'static> GetBoxed<T> for Repo<T> {
    #[cached_aside(ttl = "1m", key = "boxed:{T}:{id}", skip(self))]
    async fn get_boxed(&self, id: u64) -> Result<T, String> {
        let _ = id;
        Ok(T::default())
    }
}

/// What is not `Send` stays possible.
#[cached_aside(ttl = "5m", key = "local:{n}")]
async fn local(n: u64) -> Result<u64, Rc<str>> {
    Ok(*Rc::new(n))
}

fn is_send<T: Send>(future: T) -> T {
    future
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() {
    Cache::in_process().install().unwrap();
    assert_eq!(is_send(result(1)).await.unwrap(), 1);
    assert_eq!(is_send(option(1)).await.unwrap().unwrap().get(), 1);
    assert_eq!(is_send(plain()).await.get(), 5);
    assert_eq!(is_send(stale()).await.unwrap().get(), 5);
    assert_eq!(is_send(write()).await.unwrap(), 5);
    assert_eq!(is_send(update()).await.unwrap().get(), 6);
    assert_eq!(is_send(generic::<u8, String>(1)).await.unwrap(), 0);
    let repo = Repo::<u8>(PhantomData);
    assert_eq!(is_send(repo.get(1)).await.unwrap(), 0);
    assert_eq!(is_send(repo.get_boxed(1)).await.unwrap(), 0);
    assert_eq!(local(1).await.unwrap(), 1);
}
