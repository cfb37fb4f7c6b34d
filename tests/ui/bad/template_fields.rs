//! What is wrong with a field is shown where the template is.

#![allow(unused)]

use cached_aside::{cached_aside, invalidates, keys};

struct Profile {
    email: String,
}

struct User {
    name: String,
    profile: Profile,
}

#[cached_aside(ttl = "5m", key = "user:{user.profile}")]
async fn no_display(user: &User) {}

#[cached_aside(ttl = "5m", key = "user:{user.profile.email}", tags("profile:{user.profile}"))]
async fn no_display_in_a_tag(user: &User) {}

#[invalidates("user:{user.profile}", "user:{result.profile}", "user:{user.profile}:{result.name}")]
async fn no_display_in_a_write(user: &User) -> User {
    ada()
}

#[invalidates("user:{user.profile}" for user in users)]
async fn no_display_in_a_list(users: &[User]) {}

impl User {
    #[cached_aside(ttl = "5m", key = "user:{self.profile}")]
    async fn no_display_in_self(&self) {}

    #[cached_aside(ttl = "5m", key = "user:{self.nmae}")]
    async fn no_field_in_self(&self) {}
}

#[cached_aside(ttl = "5m", key = "user:{user.profile.emial}")]
async fn no_field_of_a_field(user: &User) {}

#[invalidates("user:{result.nmae}")]
async fn no_field_of_the_result() -> Result<User, String> {
    Ok(ada())
}

#[invalidates("user:{user.nmae}" for user in users, "user:{one.profile.emial}" for one in result)]
async fn no_field_of_an_item(users: &[User]) -> Vec<User> {
    vec![ada()]
}

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn a_generic_parameter<T: Send>(id: T) {}

#[invalidates("user:{id}")]
async fn an_impl(id: impl Send) {}

fn an_expression(user: &User) {
    let _ = keys!["user:{user.profile}"];
}

fn ada() -> User {
    User { name: "Ada".to_owned(), profile: Profile { email: "ada@example.org".to_owned() } }
}

fn main() {}
