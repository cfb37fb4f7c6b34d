//! Values that families of entries can't have.

use std::time::Duration;

use cached_aside::Cached;

const SECOND: Duration = Duration::from_secs(1);

static ZERO: Cached<u8> = Cached::new("x", Duration::ZERO);
static NAMELESS: Cached<u8> = Cached::new("", SECOND);
static OF_A_TAG: Cached<u8> = Cached::new("#x", SECOND);
static SPACE: Cached<u8> = Cached::new("a b", SECOND);
static NONE: Cached<u8> = Cached::new("x", SECOND).none_ttl(Duration::ZERO);
static JITTER: Cached<u8> = Cached::new("x", SECOND).jitter(101);
static VERIFY: Cached<u8> = Cached::new("x", SECOND).verify(1.5);

fn main() {}
