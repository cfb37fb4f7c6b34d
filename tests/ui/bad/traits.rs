//! A call of what stands in a trait names no key, whatever the receiver is known by, and the message says what to write.

#![allow(unused)]

use std::sync::Arc;

use cached_aside::{cached_aside, invalidates, updates};

#[async_trait::async_trait]
trait Users {
    async fn user(&self, id: u64) -> u64;
}

struct Service {
    users: Arc<dyn Users>,
}

impl Service {
    #[invalidates(self.users.user(id))]
    async fn of_a_field(&self, id: u64) {}
}

#[invalidates(users.user(id))]
async fn of_an_object(users: &dyn Users, id: u64) {}

#[updates(users.user(id))]
async fn updates_of_an_object(users: Box<dyn Users + Send>, id: u64) -> u64 {
    id
}

#[invalidates(users.user(id))]
async fn of_anything_that_has_the_trait(users: &impl Users, id: u64) {}

#[invalidates(users.user(id), U::user(id))]
async fn of_a_parameter<U>(users: U, id: u64)
where
    U: Users,
{
}

#[invalidates(Users::user(users, id))]
async fn of_the_trait(users: &dyn Users, id: u64) {}

fn main() {}
