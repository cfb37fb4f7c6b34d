//! All mistakes of one attribute are reported at once; the function stays, so that its callers have none.

#![allow(unused)]

use cached_aside::{cached_aside, invalidates};

#[cached_aside(tll = "5m", key = "user:{idd}", skip(dbb), jitter = "lots")]
async fn load_user(db: &u8, id: u64, tenant: u64) -> u64 {
    u64::from(*db) + id + tenant
}

#[invalidates("user:{idd}", guard = "requierd", settel = "5s")]
async fn save_user(id: u64) {
    load_user(&5, id, 7).await;
}

async fn caller() {
    save_user(load_user(&5, 6, 7).await).await;
}

fn main() {
    let _ = caller;
}
