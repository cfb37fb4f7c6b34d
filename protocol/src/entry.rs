//! Reads and writes entries in the [wire format](crate::format).

use std::time::Duration;

use bytes::Bytes;

use crate::{
    Token,
    field::{self, number},
    format::{
        CHECKSUM_AT, FINGERPRINT_AT, FLAG_ERROR, FLAG_LINGERS, FLAG_NONE, FLAGS_AT, FRESH_FOR_AT, GUARD,
        HEADER_LEN, KIND_AT, KNOWN_FLAGS, LEASE, LEASE_LEN, LOAD_TIME_AT, MAGIC, REFRESH_AT,
        REFRESH_UNTIL_AT, SLOTS_AT, STORED_AT, TOKEN_AT, VALUE, VALUES,
    },
};

/// What stands under a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// One loader is reading the origin.
    Lease,
    /// A write is in progress, or settling.
    Guard,
    /// An entry.
    Value(Value<'a>),
    /// An entry of a function that failed.
    Failure(Failure<'a>),
    /// Ours, but not to be read by this program: a miss, replaced by whoever acquires it.
    Unusable(Unusable),
    /// Not ours: never overwritten, never deleted.
    Foreign,
}

/// Why an entry of ours can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// Another version of the format, or flags of a later one.
    Version,
    /// Another type, codec, or `version = …` of the attribute.
    Type,
    /// The bytes are not those that were written.
    Corrupt,
    /// All fits, and yet the codec can't read it back.
    Undecodable,
}

/// A value whose checksum and type fit.
#[derive(Debug, PartialEq, Eq)]
pub struct Value<'a> {
    /// What the codec wrote, or `None` where the function gave `None`.
    pub payload: Option<&'a [u8]>,
    /// When it was stored, by the server's clock.
    pub stored_at: Duration,
    /// How long it is fresh from then on.
    pub fresh_for: Duration,
    /// What its load took.
    pub load_time: Duration,
    /// It stands longer than it is fresh.
    pub lingers: bool,
    /// How its refresh stands.
    pub refresh: Refresh,
}

/// An error whose checksum fits. Whether its type does is for the reader to say.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure<'a> {
    /// What the codec wrote.
    pub payload: &'a [u8],
    /// The type fingerprint of the error.
    pub fingerprint: u64,
    /// When it was stored, by the server's clock.
    pub stored_at: Duration,
}

/// How the refresh of a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refresh {
    /// Somebody has won it.
    pub runs: bool,
    /// How many have failed in a row.
    pub failures: u8,
    /// Until then nobody else begins one, by the server's clock.
    pub until: Duration,
}

impl Refresh {
    #[inline]
    fn read(header: &[u8; HEADER_LEN]) -> Refresh {
        let holder = number(&header[REFRESH_AT..REFRESH_UNTIL_AT]);
        let failures = u8::try_from(holder);
        let until = Duration::from_millis(number(&header[REFRESH_UNTIL_AT..STORED_AT]));
        Refresh { runs: failures.is_err(), failures: failures.unwrap_or_default(), until }
    }
}

/// Reads an entry. `fingerprint` is the reader's own.
#[inline]
pub fn parse(bytes: &[u8], fingerprint: u64) -> Entry<'_> {
    if !is_ours(bytes) {
        return Entry::Foreign;
    }
    match bytes[KIND_AT] {
        LEASE if bytes.len() == LEASE_LEN => Entry::Lease,
        GUARD if bytes.len() >= SLOTS_AT => Entry::Guard,
        LEASE | GUARD => Entry::Unusable(Unusable::Corrupt),
        VALUE => parse_value(bytes, fingerprint),
        _ => Entry::Unusable(Unusable::Version),
    }
}

/// Whether this is an entry of ours, whatever it is: what is not is never touched.
#[inline]
pub fn is_ours(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC) && matches!(bytes.get(KIND_AT), Some(&(LEASE | GUARD | VALUES..)))
}

#[inline]
fn parse_value(bytes: &[u8], fingerprint: u64) -> Entry<'_> {
    let Some((header, payload)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        return Entry::Unusable(Unusable::Corrupt);
    };
    if header[CHECKSUM_AT..] != checksum(&header[FLAGS_AT..CHECKSUM_AT], payload).to_be_bytes() {
        return Entry::Unusable(Unusable::Corrupt);
    }
    let flags = header[FLAGS_AT];
    if flags & !KNOWN_FLAGS != 0 {
        return Entry::Unusable(Unusable::Version);
    }
    let stored_at = Duration::from_millis(number(&header[STORED_AT..FRESH_FOR_AT]));
    if flags & FLAG_ERROR != 0 {
        let fingerprint = number(&header[FINGERPRINT_AT..CHECKSUM_AT]);
        return Entry::Failure(Failure { payload, fingerprint, stored_at });
    }
    if header[FINGERPRINT_AT..CHECKSUM_AT] != fingerprint.to_be_bytes() {
        return Entry::Unusable(Unusable::Type);
    }
    Entry::Value(Value {
        payload: (flags & FLAG_NONE == 0).then_some(payload),
        stored_at,
        fresh_for: Duration::from_millis(number(&header[FRESH_FOR_AT..LOAD_TIME_AT])),
        load_time: Duration::from_millis(number(&header[LOAD_TIME_AT..FLAGS_AT])),
        lingers: flags & FLAG_LINGERS != 0,
        refresh: Refresh::read(header),
    })
}

/// The part of an entry that is compared before it is replaced: it holds the token, so it names this very entry.
#[inline]
pub fn head(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(HEADER_LEN)]
}

/// The same of an entry that others hold, too.
pub fn head_of(bytes: &Bytes) -> Bytes {
    bytes.slice(..bytes.len().min(HEADER_LEN))
}

/// A lease.
pub fn lease(token: Token) -> [u8; LEASE_LEN] {
    let mut bytes = [0; LEASE_LEN];
    bytes[..KIND_AT].copy_from_slice(&MAGIC);
    bytes[KIND_AT] = LEASE;
    bytes[TOKEN_AT..].copy_from_slice(token.as_bytes());
    bytes
}

/// What a value carries besides its payload.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    /// The type fingerprint.
    pub fingerprint: u64,
    /// How long it is fresh.
    pub fresh_for: Duration,
    /// What its load took.
    pub load_time: Duration,
    /// It will stand longer than it is fresh.
    pub lingers: bool,
}

/// Begins a value: leaves room for the header, after which the codec writes.
pub fn begin() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_LEN + 200);
    bytes.resize(HEADER_LEN, 0);
    bytes
}

/// The value of a function that gave `None`.
pub fn none(token: Token, header: Header) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_LEN];
    seal(&mut bytes, token, header, FLAG_NONE);
    bytes
}

/// Finishes a value that was begun with [`begin`]: writes the header in front of the payload.
pub fn finish(bytes: &mut [u8], token: Token, header: Header) {
    seal(bytes, token, header, 0);
}

/// Finishes the error of a function that failed.
pub fn finish_failure(bytes: &mut [u8], token: Token, header: Header) {
    seal(bytes, token, header, FLAG_ERROR);
}

/// When a value was stored, by the server's clock; `None` if no server has stamped it.
pub fn stored_at(bytes: &[u8]) -> Option<Duration> {
    let stamp = number(bytes.get(STORED_AT..FRESH_FOR_AT)?);
    (stamp > 0).then(|| Duration::from_millis(stamp))
}

fn seal(bytes: &mut [u8], token: Token, header: Header, flags: u8) {
    let (head, payload) = bytes.split_at_mut(HEADER_LEN);
    head[..KIND_AT].copy_from_slice(&MAGIC);
    head[KIND_AT] = VALUE;
    head[TOKEN_AT..REFRESH_AT].copy_from_slice(token.as_bytes());
    let fresh_for = field::millis(header.fresh_for).min(MAX_FRESH_FOR).to_be_bytes();
    head[FRESH_FOR_AT..LOAD_TIME_AT].copy_from_slice(&fresh_for[3..]);
    let load_time = u16::try_from(field::millis(header.load_time)).unwrap_or(u16::MAX);
    head[LOAD_TIME_AT..FLAGS_AT].copy_from_slice(&load_time.to_be_bytes());
    head[FLAGS_AT] = if header.lingers { flags | FLAG_LINGERS } else { flags };
    head[FINGERPRINT_AT..CHECKSUM_AT].copy_from_slice(&header.fingerprint.to_be_bytes());
    let checksum = checksum(&head[FLAGS_AT..CHECKSUM_AT], payload);
    head[CHECKSUM_AT..].copy_from_slice(&checksum.to_be_bytes());
}

/// Writes the time of storing into a value, as the Redis script does.
pub fn stamp(value: &mut [u8], stored_at: Duration) {
    if let Some(field) = value.get_mut(STORED_AT..FRESH_FOR_AT) {
        field.copy_from_slice(&field::time(stored_at));
    }
}

fn is_value(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC) && bytes.get(KIND_AT) == Some(&VALUE)
}

/// When the refresh of a value whose head was seen ends or may begin anew.
pub fn refresh_until(head: &[u8]) -> Option<Duration> {
    let header = head.first_chunk::<HEADER_LEN>()?;
    is_value(header).then(|| Refresh::read(header).until)
}

/// Whether this is a value whose refresh is this token's, as the scripts ask it.
pub fn refreshed_by(bytes: &[u8], token: Token) -> bool {
    is_value(bytes) && bytes.get(REFRESH_AT..REFRESH_UNTIL_AT) == Some(token.as_bytes())
}

/// Writes into a value who refreshes it, or how often that failed, and until when nobody else does.
pub fn set_refresh(value: &mut [u8], holder: [u8; 8], until: Duration) {
    if let Some(field) = value.get_mut(REFRESH_AT..STORED_AT) {
        field[..8].copy_from_slice(&holder);
        field[8..].copy_from_slice(&field::time(until));
    }
}

/// What stands in the place of a refresh token when so many refreshes have failed in a row.
pub fn failures(count: u8) -> [u8; 8] {
    u64::from(count).to_be_bytes()
}

#[inline]
fn checksum(flags_and_fingerprint: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(flags_and_fingerprint);
    hasher.update(payload);
    hasher.finalize()
}

/// As many milliseconds as five bytes hold: 34 years.
const MAX_FRESH_FOR: u64 = (1 << 40) - 1;

#[cfg(test)]
mod tests;
