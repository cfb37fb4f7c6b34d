//! The companions of a function would be what everything else calls a number or a text.

use cached_aside::cached_aside;

#[cached_aside(ttl = "5m", key = "str:{id}")]
async fn str(id: u64) -> u64 {
    id
}

struct Codes;

/// A method's companions have names of their own.
impl Codes {
    #[cached_aside(ttl = "5m", key = "u8:{id}")]
    async fn u8(id: u64) -> u64 {
        id
    }
}

fn main() {}
