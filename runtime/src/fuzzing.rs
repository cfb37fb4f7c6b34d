//! What the fuzz targets in `fuzz/` reach: built only for them.

use std::time::Duration;

use crate::entry::{self, Entry, Header, Token, Writers};

const FINGERPRINT: u64 = 7;

/// The payload of an entry, if it is one that could be read.
#[must_use]
pub fn payload(bytes: &[u8]) -> Option<&[u8]> {
    match entry::parse(bytes, FINGERPRINT) {
        Entry::Value(value) => value.payload,
        _ => None,
    }
}

/// An entry with this payload.
#[must_use]
pub fn seal(payload: &[u8]) -> Vec<u8> {
    let mut bytes = entry::begin();
    bytes.extend_from_slice(payload);
    let header = Header {
        fingerprint: FINGERPRINT,
        fresh_for: Duration::ZERO,
        load_time: Duration::ZERO,
        lingers: false,
    };
    entry::finish(&mut bytes, Token::fresh(), header);
    bytes
}

/// Reads a guard and writes it again.
pub fn guard(bytes: &[u8]) {
    if let Some(writers) = Writers::read(bytes) {
        assert_eq!(Writers::read(&writers.write()), Some(writers));
    }
}
