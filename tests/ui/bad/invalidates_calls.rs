//! The compiler checks the arguments of a call that `#[invalidates]` names.

#![allow(unused)]

use cached_aside::{cached_aside, invalidates};

#[derive(Clone)]
struct User {
    id: u64,
    name: String,
}

#[cached_aside(ttl = "5m", key = "user:{id}", skip(db))]
async fn load_user(db: &str, id: u64) -> u64 {
    let _ = db;
    id
}

struct Repo;

impl Repo {
    #[cached_aside(ttl = "5m", key = "user:{id}", skip(self))]
    async fn load_user(&self, id: u64) -> u64 {
        id
    }

    #[invalidates(self.lod_user(id), Self::lod_user(id), self.load_user("five"))]
    async fn save(&self, id: u64) {}
}

#[invalidates(load_user(db, user.id))]
async fn with_a_skipped_parameter(db: &str, user: User) {}

#[invalidates(load_user())]
async fn too_few() {}

#[invalidates(load_user(user.name))]
async fn wrong_type(user: User) {}

#[invalidates(load_user(user.idd))]
async fn wrong_field(user: User) {}

#[invalidates(load_user(idd))]
async fn wrong_variable(id: u64) {}

#[invalidates(load_user(result.idd))]
async fn wrong_field_of_result(user: User) -> Result<User, String> {
    Ok(user)
}

#[invalidates(load_user(&result.id))]
async fn wrong_type_of_result(user: User) -> Result<User, String> {
    Ok(user)
}

#[invalidates("user:{result.nothing}")]
async fn wrong_field_in_template(user: User) -> Result<User, String> {
    Ok(user)
}

#[invalidates("user", when = 5)]
async fn not_a_condition() {}

fn main() {}
