//! What a write deletes.

use super::*;
use crate::support::carried_out;

mod users {
    use super::super::{Db, DbError, User, cached_aside, user};

    #[cached_aside(ttl = "5m", key = "user:{id}", skip(db))]
    pub(crate) async fn load_user(db: &Db, id: u64) -> Result<Option<User>, DbError> {
        db.ask();
        Ok(Some(user(id, "Ada")))
    }
}

pub(super) use users::load_user;

#[invalidates(load_user(user.id), "users:recent")]
async fn save_user(user: &User) -> Result<(), DbError> {
    if user.name.is_empty() { Err(DbError("empty")) } else { Ok(()) }
}

#[invalidates(users::load_user(result.id), "name:{result.name}")]
async fn create_user(name: String) -> Result<User, DbError> {
    if name.is_empty() { Err(DbError("empty")) } else { Ok(User { id: 9, name }) }
}

#[invalidates(load_user(id), when = really)]
async fn maybe(id: u64, really: bool) {
    let _ = id;
}

struct Service {
    cache: Cache,
}

impl Service {
    #[cached_aside(ttl = "5m", key = "own:{id}", skip(self, db), cache = self.cache)]
    async fn load(&self, db: &Db, id: u64) -> u64 {
        id + db.ask()
    }

    #[invalidates(self.load(id), cache = &self.cache)]
    async fn save(&self, id: u64) {
        let _ = id;
    }
}

#[tokio::test]
async fn writes() {
    on_both_stores("writes", async |cache| {
        let db = Db::default();
        let asked = || db.asked.swap(0, SeqCst);
        let key = || load_user::key(1);
        // A fill goes by another connection than what a write sends.
        let load = async |id| {
            load_user(&db, id).await.unwrap();
            carried_out(&cache).await;
        };
        load(1).await;
        save_user(&user(1, "Grace")).await.unwrap();
        assert_eq!(key().peek().await.unwrap(), None, "`Ok` invalidates");
        load(1).await;
        save_user(&user(1, "")).await.unwrap_err();
        assert_eq!(key().peek().await.unwrap(), None, "`Err` too: the database may have been written");

        load(9).await;
        create_user(String::new()).await.unwrap_err();
        assert!(
            load_user::key(9).peek().await.unwrap().is_some(),
            "without a result there is no key of the result"
        );
        create_user("Ada".to_owned()).await.unwrap();
        assert_eq!(load_user::key(9).peek().await.unwrap(), None);

        load(1).await;
        maybe(1, false).await;
        assert!(key().peek().await.unwrap().is_some());
        maybe(1, true).await;
        assert_eq!(key().peek().await.unwrap(), None);
        asked();

        let service = Service { cache: Cache::in_process() };
        assert_eq!((service.load(&db, 1).await, service.load(&db, 1).await, asked()), (2, 2, 1));
        assert_eq!(Service::load_key(1).peek().await.unwrap(), None, "not in the cache in scope");
        assert_eq!(Service::load_key(1).in_cache(&service.cache).peek().await.unwrap(), Some(2));
        service.save(1).await;
        assert_eq!(Service::load_key(1).in_cache(&service.cache).peek().await.unwrap(), None);

        load(1).await;
        let guard = cache.guard([key()]).await.unwrap();
        assert_eq!(key().peek().await.unwrap(), None);
        load(1).await;
        assert_eq!(key().peek().await.unwrap(), None, "nothing is stored under guard");
        guard.release().await.unwrap();
        load(1).await;
        cache.invalidate(&key()).await.unwrap();
        assert_eq!(key().peek().await.unwrap(), None);
        load(1).await;
        cached_aside::AnyKey::new("user:1").invalidate().await.unwrap();
        assert_eq!(key().peek().await.unwrap(), None);
        asked();

        load(1).await;
        cached_aside::bypass(load_user(&db, 1)).await.unwrap();
        assert_eq!(asked(), 2, "a bypass neither reads");
        key().invalidate().await.unwrap();
        cached_aside::bypass(load_user(&db, 1)).await.unwrap();
        assert_eq!(key().peek().await.unwrap(), None, "nor stores");

        let counts = cache.stats().function("load_user");
        assert!(counts.hits == 0 && counts.stored > 3 && counts.bypassed == 2, "{counts:?}");
    })
    .await;
}
