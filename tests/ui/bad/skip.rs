//! What `skip` names is a parameter, once, and not in the key.

#![allow(unused)]

use cached_aside::cached_aside;

#[cached_aside(ttl = "5m", key = "user:{id}", skip(bd))]
async fn near(db: u8, id: u64) {}

#[cached_aside(ttl = "5m", key = "user:{id}", skip(self))]
async fn far(id: u64) {}

#[cached_aside(ttl = "5m", key = "user:{id}", skip(db, db))]
async fn twice(db: u8, id: u64) {}

#[cached_aside(ttl = "5m", key = "user:{id}", skip(id))]
async fn in_the_key(id: u64) {}

#[cached_aside(ttl = "5m", skip(db))]
async fn no_parameters() {}

struct Request {
    db: u8,
}

#[cached_aside(ttl = "5m", key = "user:{id}", skip(request.db))]
async fn a_field(request: Request, id: u64) {}

fn main() {}
