//! Orders: writes in a database transaction, which go on when the client has hung up.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{delete, get, post},
};
use cached_aside::{Cached, cached_aside, invalidate, invalidates, keys, transaction};
use serde::{Deserialize, Serialize};

/// How many orders are open: an entry without a function of its own.
pub(crate) static OPEN: Cached<usize> = Cached::new("open-orders", Duration::from_secs(60));

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Line {
    product: u64,
    count: u32,
}

/// A database. The rows change when a transaction is committed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shop(Arc<Mutex<Rows>>);

#[derive(Debug, Clone, Default)]
struct Rows {
    stock: HashMap<u64, u32>,
    orders: HashMap<u64, Vec<Line>>,
    /// The number of the last order.
    last: u64,
}

/// What this transaction sees.
struct Transaction {
    shop: Shop,
    rows: Rows,
}

impl Shop {
    pub(crate) fn stocked() -> Shop {
        let stock = (1..=3).map(|product| (product, 10)).collect();
        Shop(Arc::new(Mutex::new(Rows { stock, ..Rows::default() })))
    }

    fn rows<T>(&self, with: impl FnOnce(&mut Rows) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn begin(&self) -> Transaction {
        tokio::task::yield_now().await; // BEGIN
        Transaction { shop: self.clone(), rows: self.rows(|rows| rows.clone()) }
    }
}

impl Transaction {
    async fn commit(self) {
        tokio::task::yield_now().await; // COMMIT
        self.shop.rows(|rows| *rows = self.rows);
    }
}

/// What is left of a product.
#[cached_aside(ttl = "1m", key = "stock:{product}", skip(shop))]
async fn stock(shop: &Shop, product: u64) -> u32 {
    tokio::task::yield_now().await; // a query
    shop.rows(|rows| rows.stock.get(&product).copied().unwrap_or_default())
}

async fn open_orders(shop: &Shop) -> usize {
    OPEN.get_or_load((), || async { shop.rows(|rows| rows.orders.len()) }).await
}

/// Places an order. axum drops the future of a client that hangs up; `detach` lets this go on all the same.
#[invalidates(stock(line.product) for line in lines, OPEN.key(()), transaction = "own", detach)]
async fn place(shop: &Shop, lines: &[Line]) -> Result<u64, StatusCode> {
    let mut tx = shop.begin().await;
    for line in lines {
        let left = tx.rows.stock.get_mut(&line.product).ok_or(StatusCode::NOT_FOUND)?;
        *left = left.checked_sub(line.count).ok_or(StatusCode::CONFLICT)?;
    }
    tx.rows.last += 1;
    let order = tx.rows.last;
    tx.rows.orders.insert(order, lines.to_vec());
    tx.commit().await;
    Ok(order)
}

/// Cancels an order. Which products it is about is only known inside, so the keys are named there.
async fn cancel(shop: &Shop, order: u64) -> Result<(), StatusCode> {
    transaction(async {
        let mut tx = shop.begin().await;
        let lines = tx.rows.orders.remove(&order).ok_or(StatusCode::NOT_FOUND)?;
        invalidate(keys![stock(line.product) for line in lines, OPEN.key(())]).await;
        for line in &lines {
            *tx.rows.stock.entry(line.product).or_default() += line.count;
        }
        tx.commit().await;
        Ok(())
    })
    .await
}

pub(crate) fn routes(shop: Shop) -> Router {
    Router::new()
        .route("/stock/{product}", get(show_stock))
        .route("/orders", post(order).get(show_orders))
        .route("/orders/{id}", delete(cancel_order))
        .with_state(shop)
}

async fn show_stock(State(shop): State<Shop>, Path(product): Path<u64>) -> Json<u32> {
    Json(stock(&shop, product).await)
}

async fn show_orders(State(shop): State<Shop>) -> Json<usize> {
    Json(open_orders(&shop).await)
}

async fn order(State(shop): State<Shop>, Json(lines): Json<Vec<Line>>) -> Result<Json<u64>, StatusCode> {
    place(&shop, &lines).await.map(Json)
}

async fn cancel_order(State(shop): State<Shop>, Path(id): Path<u64>) -> Result<(), StatusCode> {
    cancel(&shop, id).await
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, task::Context};

    use cached_aside::{Cache, testing};

    use super::*;

    async fn shown(shop: &Shop) -> (u32, u32, usize) {
        (stock(shop, 1).await, stock(shop, 2).await, open_orders(shop).await)
    }

    #[tokio::test(start_paused = true)]
    async fn orders_are_seen_at_once() {
        let shop = Shop::stocked();
        Cache::in_process()
            .scope(async {
                assert_eq!(shown(&shop).await, (10, 10, 0));
                let lines = [Line { product: 1, count: 3 }, Line { product: 2, count: 1 }];
                let order = place(&shop, &lines).await.unwrap_or_default();
                assert_eq!(shown(&shop).await, (7, 9, 1));
                assert_eq!(cancel(&shop, order).await, Ok(()));
                assert_eq!(shown(&shop).await, (10, 10, 0));
                assert_eq!(cancel(&shop, order).await, Err(StatusCode::NOT_FOUND));
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_order_is_placed_although_the_client_hangs_up() {
        let (shop, cache) = (Shop::stocked(), Cache::in_process());
        cache
            .scope(async {
                assert_eq!(shown(&shop).await, (10, 10, 0));
                {
                    let mut placed = pin!(place(&shop, &[Line { product: 1, count: 3 }]));
                    let begun = std::future::poll_fn(|context: &mut Context<'_>| {
                        std::task::Poll::Ready(placed.as_mut().poll(context).is_pending())
                    });
                    assert!(pin!(begun).await, "it goes on in a task of its own");
                }
                assert!(cache.shutdown(Duration::from_secs(5)).await.is_ok());
                assert_eq!(shown(&shop).await, (7, 10, 1));
                assert_eq!(cache.stats().abandoned, 0);
            })
            .await;
    }

    #[tokio::test]
    async fn an_order_is_read_in_every_order() {
        let shop = Shop::stocked();
        let reset = async || shop.rows(|rows| *rows = Shop::stocked().rows(|rows| rows.clone()));
        let lines = [Line { product: 1, count: 3 }];
        testing::sees_writes(|| stock(&shop, 1), || place(&shop, &lines)).setup(reset).await;
        testing::sees_writes(|| open_orders(&shop), || place(&shop, &lines)).setup(reset).await;
    }

    #[tokio::test]
    async fn a_cancelled_order_is_read_in_every_order() {
        let shop = Shop::stocked();
        let with_an_order = async || {
            let rows = Shop::stocked().rows(|rows| rows.clone());
            let orders = HashMap::from([(1, vec![Line { product: 1, count: 3 }])]);
            shop.rows(|old| *old = Rows { orders, last: 1, ..rows });
        };
        testing::sees_writes(|| stock(&shop, 1), || cancel(&shop, 1)).setup(with_an_order).await;
    }
}
