//! The users, behind their cache.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use cached_aside::{cached_aside, updates};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct User {
    id: u64,
    name: String,
}

/// A database.
#[derive(Debug, Default)]
pub(crate) struct Db(Mutex<HashMap<u64, User>>);

impl Db {
    pub(crate) fn with_a_few_users() -> Db {
        let names = (1..).zip(["Ada Lovelace", "Grace Hopper", "Alan Turing"]);
        let users = names.map(|(id, name)| (id, User { id, name: name.to_owned() }));
        Db(Mutex::new(users.collect()))
    }

    fn row<T>(&self, id: u64, with: impl FnOnce(&mut User) -> T) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&id).map(with)
    }
}

/// A user, or that there is none.
#[cached_aside(ttl = "1m", none_ttl = "10s", stale_while_revalidate = "5m", key = "user:{id}", skip(db))]
pub(crate) async fn load_user(db: &Db, id: u64) -> Option<User> {
    tokio::task::yield_now().await; // a query
    db.row(id, |user| user.clone())
}

/// Renames a user. What it gives is what the next read gives.
#[updates(load_user(id))]
pub(crate) async fn rename_user(db: &Db, id: u64, name: String) -> Option<User> {
    tokio::task::yield_now().await; // a query
    db.row(id, |user| {
        user.name = name;
        user.clone()
    })
}

#[cfg(test)]
mod tests {
    use cached_aside::testing;

    use super::*;

    #[tokio::test]
    async fn a_new_name_is_read_in_every_order() {
        let db = Db::with_a_few_users();
        let rename = || rename_user(&db, 1, "Ada King".to_owned());
        testing::sees_writes(|| load_user(&db, 1), rename)
            .setup(async || db.row(1, |user| "Ada Lovelace".clone_into(&mut user.name)))
            .await;
    }
}
