//! Whatever stands under a key: it is read, refused or left alone, and nothing panics or asks for more memory than the
//! input could be worth.
//!
//! `cargo +nightly fuzz run entry -- -max_total_time=60 -malloc_limit_mb=64`
#![no_main]

use std::{collections::BTreeMap, time::Duration};

use cached_aside::{Bincode, Codec, Json, MessagePack, Postcard};
use cached_aside_protocol::{
    Token, Writers,
    entry::{self, Entry, Header},
    format::LOCAL_UNTIL_AT,
};
use libfuzzer_sys::fuzz_target;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Everything {
    id: u64,
    name: String,
    tags: Vec<String>,
    nested: Option<(u8, String)>,
    shape: Shape,
    map: BTreeMap<String, (u8, bool)>,
    bytes: Vec<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f64),
    Square { side: f32 },
}

const HEADER: Header =
    Header { fingerprint: 7, fresh_for: Duration::ZERO, load_time: Duration::ZERO, outlives_freshness: false };

/// The payload of an entry, if it is one that could be read.
fn payload(bytes: &[u8]) -> Option<&[u8]> {
    match entry::parse(bytes, HEADER.fingerprint) {
        Entry::Value(value) => value.payload,
        _ => None,
    }
}

/// The payload of an entry, as it is and after sealing it as an entry of ours would be: the checksum is then no hurdle.
fn read<C: Codec>(bytes: &[u8]) {
    let _ = C::decode::<Everything>(bytes);
    if let Some(bytes) = payload(bytes) {
        let _ = C::decode::<Everything>(bytes);
    }
    let mut sealed = entry::begin();
    sealed.extend_from_slice(bytes);
    entry::finish(&mut sealed, Token::numbered(256), HEADER);
    assert_eq!(payload(&sealed), Some(bytes));
    // The same of an entry of which local copies can be registered, whenever that is.
    let mut copied = entry::begin_with(&[], true);
    copied.extend_from_slice(bytes);
    entry::finish(&mut copied, Token::numbered(256), HEADER);
    copied[LOCAL_UNTIL_AT] ^= 1;
    assert_eq!(payload(&copied), Some(bytes));
}

fuzz_target!(|bytes: &[u8]| {
    read::<Bincode>(bytes);
    read::<Json>(bytes);
    read::<MessagePack>(bytes);
    read::<Postcard>(bytes);
    entry::local_until(bytes);
    if let Some(writers) = Writers::read(bytes) {
        assert_eq!(Writers::read(&writers.write()), Some(writers));
    }
});
