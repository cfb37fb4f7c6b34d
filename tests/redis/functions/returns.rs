//! What is stored of a return value.

use super::*;

#[cached_aside(ttl = "5m", key = "plain:{id}", skip(db))]
async fn plain(db: &Db, id: u64) -> (u64, u64) {
    (id, db.ask())
}

#[cached_aside(ttl = "5m", key = "option:{id}", skip(db))]
async fn option(db: &Db, id: u64) -> Option<u64> {
    let asked = db.ask();
    (id != 0).then_some(asked)
}

#[cached_aside(ttl = "5m", none_ttl = "30s", key = "remembered:{id}", skip(db))]
async fn option_remembered(db: &Db, id: u64) -> Option<u64> {
    let asked = db.ask();
    (id != 0).then_some(asked)
}

#[cached_aside(ttl = "5m", key = "result:{id}", skip(db))]
async fn result(db: &Db, id: u64) -> Result<u64, DbError> {
    let asked = db.ask();
    if id == 0 { Err(DbError("no")) } else { Ok(asked) }
}

#[cached_aside(ttl = "5m", none_ttl = "1m", key = "both:{id}", skip(db))]
async fn result_option(db: &Db, id: u64) -> Result<Option<User>, DbError> {
    db.ask();
    match id {
        0 => Ok(None),
        1 => Err(DbError("one")),
        id => Ok(Some(user(id, "Ada"))),
    }
}

type Fallible<T> = Result<T, DbError>;
type Found = Fallible<Option<u64>>;
type Maybe<T> = Option<T>;

#[cached_aside(ttl = "5m", key = "alias:{id}", skip(db))]
async fn through_an_alias(db: &Db, id: u64) -> Found {
    let asked = db.ask();
    if id == 0 { Ok(None) } else { Ok(Some(asked)) }
}

#[cached_aside(ttl = "5m", key = "aliases:{id}", skip(db))]
async fn through_nested_aliases(db: &Db, id: u64) -> Fallible<Maybe<u64>> {
    let asked = db.ask();
    if id == 0 { Ok(None) } else { Ok(Some(asked)) }
}

#[cached_aside(ttl = "5m", key = "io:{id}", skip(db))]
async fn io_result(db: &Db, id: u64) -> std::io::Result<u64> {
    let text = if id == 0 { "x".to_owned() } else { db.ask().to_string() };
    // `?` and `return` leave the body, not the cache.
    let asked = text.parse().map_err(std::io::Error::other)?;
    if id == 1 {
        return Ok(0);
    }
    Ok(asked)
}

#[cached_aside(ttl = "5m", key = "unit:{id}", skip(db))]
async fn unit(db: &Db, id: u64) {
    db.ask();
    let _ = id;
}

#[tokio::test]
async fn what_is_stored_of_a_return_value() {
    on_both_stores("outcomes", async |_| {
        let db = Db::default();
        let asked = || db.asked.swap(0, SeqCst);
        assert_eq!((plain(&db, 1).await, plain(&db, 1).await, plain(&db, 2).await), ((1, 1), (1, 1), (2, 2)));
        asked();
        assert_eq!((option(&db, 1).await, option(&db, 1).await, asked()), (Some(1), Some(1), 1));
        assert_eq!(
            (option(&db, 0).await, option(&db, 0).await, asked()),
            (None, None, 2),
            "`None` is not stored"
        );
        assert_eq!(
            (option_remembered(&db, 0).await, option_remembered(&db, 0).await, asked()),
            (None, None, 1)
        );
        assert_eq!(
            (option_remembered(&db, 1).await, option_remembered(&db, 1).await, asked()),
            (Some(1), Some(1), 1)
        );
        assert_eq!((result(&db, 1).await, result(&db, 1).await, asked()), (Ok(1), Ok(1), 1));
        let error = || Err(DbError("no"));
        assert_eq!(
            (result(&db, 0).await, result(&db, 0).await, asked()),
            (error(), error(), 2),
            "`Err` is not stored"
        );
        for (id, expected, bodies) in
            [(0, Ok(None), 1), (1, Err(DbError("one")), 2), (2, Ok(Some(user(2, "Ada"))), 1)]
        {
            assert_eq!(result_option(&db, id).await, expected);
            assert_eq!((result_option(&db, id).await, asked()), (expected, bodies));
        }
        assert_eq!(
            (through_an_alias(&db, 1).await, through_an_alias(&db, 1).await, asked()),
            (Ok(Some(1)), Ok(Some(1)), 1)
        );
        assert_eq!(
            (through_an_alias(&db, 0).await, through_an_alias(&db, 0).await, asked()),
            (Ok(None), Ok(None), 2)
        );
        assert_eq!(through_nested_aliases(&db, 0).await, Ok(None));
        assert_eq!(
            (through_nested_aliases(&db, 0).await, asked()),
            (Ok(None), 2),
            "an alias for `Option` is one"
        );
        assert_eq!((io_result(&db, 2).await.unwrap(), io_result(&db, 2).await.unwrap(), asked()), (1, 1, 1));
        assert_eq!((io_result(&db, 1).await.unwrap(), io_result(&db, 1).await.unwrap(), asked()), (0, 0, 1));
        assert!(io_result(&db, 0).await.is_err() && io_result(&db, 0).await.is_err());
        unit(&db, 1).await;
        unit(&db, 1).await;
        assert_eq!(asked(), 1);
    })
    .await;
}
