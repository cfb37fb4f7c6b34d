//! A type that there is not, in a return type or a parameter.

use cached_aside::cached_aside;

pub struct User;

#[cached_aside(ttl = "5m", key = "user:{id}")]
pub async fn load_user(id: u64) -> Option<Usr> {
    None
}

pub struct Repo;

impl Repo {
    #[cached_aside(ttl = "5m", key = "user:{id}", skip(self))]
    pub async fn load_user(&self, id: u64) -> Result<Usr, String> {
        Err(String::new())
    }
}

#[cached_aside(ttl = "5m", key = "other:{id}")]
pub async fn of_parameter(id: Usr) -> u64 {
    1
}

fn main() {}
