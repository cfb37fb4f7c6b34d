//! What `docs/transactions.md` says of drivers, compiled and run: the texts there are parts of the ones here.

use super::Failed;

const PAGE: &str = include_str!("../../../docs/transactions.md");

mod sqlx_postgres {
    use axum::{Json, extract::State, http::StatusCode};
    use cached_aside::{cached_aside, invalidate, invalidates, keys, transaction};
    use sqlx::PgPool;

    use super::Failed;

    #[cached_aside(ttl = "5m", key = "balance:{account}", skip(pool))]
    pub(super) async fn balance(pool: &PgPool, account: i64) -> Result<i64, Failed> {
        Ok(sqlx::query_scalar("SELECT balance FROM accounts WHERE id = $1")
            .bind(account)
            .fetch_one(pool)
            .await?)
    }

    #[rustfmt::skip]
    #[invalidates(balance(account), transaction = "required")]
    async fn change(tx: &mut sqlx::Transaction<'_, sqlx::Postgres>, account: i64, by: i64) -> Result<(), Failed> {
        sqlx::query("UPDATE accounts SET balance = balance + $1 WHERE id = $2").bind(by).bind(account).execute(&mut **tx).await?;
        Ok(())
    }

    #[rustfmt::skip]
    pub(super) async fn transfer(pool: &PgPool, from: i64, to: i64, amount: i64) -> Result<(), Failed> {
        transaction(async {
            let mut tx = pool.begin().await?;
            change(&mut tx, from, -amount).await?;
            change(&mut tx, to, amount).await?;
            Ok::<_, Failed>(tx.commit().await?)
        })
        .await
    }

    #[rustfmt::skip]
    #[invalidates(balance(from), balance(to), transaction = "own")]
    async fn pay(pool: &PgPool, from: i64, to: i64, amount: i64) -> Result<(), sqlx::Error> {
        let mut tx = pool.begin().await?;
        sqlx::query("UPDATE accounts SET balance = balance - $1 WHERE id = $2").bind(amount).bind(from).execute(&mut *tx).await?;
        sqlx::query("UPDATE accounts SET balance = balance + $1 WHERE id = $2").bind(amount).bind(to).execute(&mut *tx).await?;
        tx.commit().await
    }

    #[derive(serde::Deserialize)]
    pub(super) struct Transfer {
        pub(super) from: i64,
        pub(super) to: i64,
        pub(super) amount: i64,
    }

    /// A handler, as axum takes it.
    #[invalidates(balance(transfer.from), balance(transfer.to), transaction = "own")]
    pub(super) async fn handler(State(pool): State<PgPool>, Json(transfer): Json<Transfer>) -> StatusCode {
        match pay(&pool, transfer.from, transfer.to, transfer.amount).await {
            Ok(()) => StatusCode::NO_CONTENT,
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// One that goes on when its client has hung up.
    #[invalidates(balance(transfer.from), balance(transfer.to), transaction = "own", detach)]
    pub(super) async fn handler_detached(
        pool: State<PgPool>,
        transfer: Json<Transfer>,
    ) -> Result<StatusCode, StatusCode> {
        let paid = pay(&pool, transfer.from, transfer.to, transfer.amount).await;
        paid.map(|()| StatusCode::NO_CONTENT).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What it is about is known in the middle.
    pub(super) async fn pay_all(pool: &PgPool, amount: i64) -> Result<(), Failed> {
        transaction(async {
            let mut tx = pool.begin().await?;
            let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM accounts").fetch_all(&mut *tx).await?;
            invalidate(keys![balance(id) for id in ids]).await;
            sqlx::query("UPDATE accounts SET balance = balance + $1").bind(amount).execute(&mut *tx).await?;
            Ok::<_, Failed>(tx.commit().await?)
        })
        .await
    }

    #[invalidates(balance(from), balance(to), transaction = "own", detach)]
    pub(super) async fn transfer_detached(
        pool: &PgPool,
        from: i64,
        to: i64,
        amount: i64,
    ) -> Result<(), Failed> {
        let mut tx = pool.begin().await?;
        change(&mut tx, from, -amount).await?;
        change(&mut tx, to, amount).await?;
        Ok(tx.commit().await?)
    }
}

mod with_tokio_postgres {
    use cached_aside::{cached_aside, invalidates, transaction};
    use tokio_postgres::Client;

    use super::Failed;

    #[cached_aside(ttl = "5m", key = "balance:{account}", skip(client))]
    pub(super) async fn balance(client: &Client, account: i64) -> Result<i64, Failed> {
        Ok(client.query_one("SELECT balance FROM accounts WHERE id = $1", &[&account]).await?.get(0))
    }

    #[rustfmt::skip]
    #[invalidates(balance(account), transaction = "required")]
    async fn change(tx: &tokio_postgres::Transaction<'_>, account: i64, by: i64) -> Result<(), Failed> {
        tx.execute("UPDATE accounts SET balance = balance + $1 WHERE id = $2", &[&by, &account]).await?;
        Ok(())
    }

    #[rustfmt::skip]
    pub(super) async fn transfer(client: &mut Client, from: i64, to: i64, amount: i64) -> Result<(), Failed> {
        transaction(async {
            let tx = client.transaction().await?;
            change(&tx, from, -amount).await?;
            change(&tx, to, amount).await?;
            Ok::<_, Failed>(tx.commit().await?)
        })
        .await
    }
}

/// The parts of the page's block of a driver.
fn parts(driver: &str) -> (&'static str, &'static str) {
    let (_, page) = PAGE.split_once(&format!("\n{driver}")).expect("the page has the driver");
    let (_, block) = page.split_once("```rust,ignore\n").expect("and a block");
    let (block, _) = block.split_once("```").expect("which ends");
    block.split_once("\n\n").expect("it has a function and its call")
}

/// Without what only shows the depth of a line.
fn lines(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_page_says_what_is_compiled_here() {
    let (_, here) = include_str!("documented.rs").split_once("mod sqlx_postgres").unwrap();
    let (sqlx, tokio_postgres) = here.split_once("mod with_tokio_postgres").unwrap();
    let (_, one_line) = PAGE.split_once("```rust,ignore\n").unwrap();
    let (one_line, _) = one_line.split_once("```").unwrap();
    assert!(lines(sqlx).contains(lines(one_line).trim()), "sqlx differs:\n{one_line}");
    for (driver, here) in [("sqlx:", sqlx), ("tokio-postgres, with", tokio_postgres)] {
        let (function, call) = parts(driver);
        for part in [function, call] {
            assert!(lines(here).contains(lines(part).trim()), "{driver} differs:\n{part}");
        }
    }
}

#[tokio::test]
async fn what_the_page_says_works() {
    use std::time::{Duration, Instant};

    use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
    use cached_aside::Cache;
    use cached_aside_tests::PostgresServer;
    use sqlx::{
        PgPool,
        postgres::{PgConnectOptions, PgPoolOptions},
    };
    use tokio::time::sleep;

    use super::Driver;
    use sqlx_postgres::Transfer;

    // One connection, whose tables nobody else sees.
    const TABLE: &str = "CREATE TEMPORARY TABLE accounts (id bigint PRIMARY KEY, balance bigint NOT NULL); \
                         INSERT INTO accounts VALUES (1, 100), (2, 100)";
    let at = PostgresServer::shared().socket();
    let options = PgConnectOptions::new_without_pgpass().socket(at).username("test").database("postgres");
    let pool: PgPool = PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let mut client = tokio_postgres::Client::connect(&at.display().to_string()).await;
    Driver::execute(&pool, TABLE).await.unwrap();
    Driver::execute(&client, TABLE).await.unwrap();
    Cache::in_process()
        .scope(async {
            assert_eq!(sqlx_postgres::balance(&pool, 1).await.unwrap(), 100);
            sqlx_postgres::transfer(&pool, 1, 2, 10).await.unwrap();
            assert_eq!(sqlx_postgres::balance(&pool, 1).await.unwrap(), 90);
            let one = async || sqlx_postgres::balance(&pool, 1).await.unwrap();
            let paid = Transfer { from: 1, to: 2, amount: 10 };
            assert_eq!(sqlx_postgres::handler(State(pool.clone()), Json(paid)).await, StatusCode::NO_CONTENT);
            assert_eq!(one().await, 80);
            let back = Json(Transfer { from: 2, to: 1, amount: 10 });
            let given = sqlx_postgres::handler_detached(State(pool.clone()), back).await;
            assert_eq!((given, one().await), (Ok(StatusCode::NO_CONTENT), 90));
            sqlx_postgres::pay_all(&pool, 10).await.unwrap();
            assert_eq!(one().await, 100);
            let _: Router<PgPool> = Router::new()
                .route("/pay", post(sqlx_postgres::handler))
                .route("/pay/detached", post(sqlx_postgres::handler_detached));
            // Its caller goes away at once.
            tokio::select! {
                biased;
                _ = sqlx_postgres::transfer_detached(&pool, 1, 2, 10) => panic!("the database has not answered"),
                () = std::future::ready(()) => {}
            }
            let begun = Instant::now();
            while one().await != 90 {
                assert!(begun.elapsed() < Duration::from_secs(20));
                sleep(Duration::from_millis(2)).await;
            }
            assert_eq!(Cache::current().unwrap().stats().abandoned, 0);
        })
        .await;
    Cache::in_process()
        .scope(async {
            assert_eq!(with_tokio_postgres::balance(&client, 2).await.unwrap(), 100);
            with_tokio_postgres::transfer(&mut client, 1, 2, 10).await.unwrap();
            assert_eq!(with_tokio_postgres::balance(&client, 2).await.unwrap(), 110);
        })
        .await;
}
