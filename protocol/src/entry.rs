//! Reading and writing entries in the [wire format](crate::format).

use std::time::Duration;

use bytes::Bytes;

pub use self::local::{can_have_copies, local_until};
pub(crate) use self::local::{local_until_at, registrable};
pub use self::tags::{TagSlot, Versions, tag, tag_slot};
use crate::{
    Token,
    field::{self, number},
    format::{
        CHECKSUM_AT, FINGERPRINT_AT, FLAG_ERROR, FLAG_LOCAL, FLAG_NONE, FLAG_OUTLIVES_FRESHNESS, FLAG_TAGGED,
        FLAGS_AT, FRESH_FOR_AT, GUARD, HEADER_LEN, KIND_AT, KNOWN_FLAGS, LEASE, LEASE_LEN, LOAD_TIME_AT,
        MAGIC, REFRESH_AT, REFRESH_UNTIL_AT, SLOTS_AT, STORED_AT, TAG, TIME_LEN, TOKEN_AT, VALUE, VALUES,
    },
};

mod local;
mod tags;

/// What is stored under a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A loader reads the origin.
    Lease,
    /// A write is in progress, or settles.
    Guard,
    /// A value, or a `None`.
    Value(Value<'a>),
    /// The error of a function.
    Failure(Failure<'a>),
    /// An entry that this program can't read: a miss, which a load replaces.
    Unusable(Unusable),
    /// Data of another program: never overwritten, never deleted.
    Foreign,
}

/// Why an entry can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// Another version of the format, or a flag of a later one.
    Version,
    /// Another type, codec, or `version = …` of the attribute.
    Type,
    /// The checksum is wrong.
    Corrupt,
    /// The codec can't decode the payload.
    Undecodable,
}

/// A value whose checksum and type are right.
#[derive(Debug, PartialEq, Eq)]
pub struct Value<'a> {
    /// What the codec wrote, or `None` if the function returned `None`.
    pub payload: Option<&'a [u8]>,
    /// The versions of the tags that it carries.
    pub versions: Versions<'a>,
    /// When it was stored, by the server's clock.
    pub stored_at: Duration,
    /// How long it is fresh from then on.
    pub fresh_for: Duration,
    /// How long its load took.
    pub load_time: Duration,
    /// It is kept for longer than it is fresh.
    pub outlives_freshness: bool,
    /// The state of its refresh.
    pub refresh: Refresh,
}

/// An error whose checksum is right. The reader compares its type.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure<'a> {
    /// What the codec wrote.
    pub payload: &'a [u8],
    /// The versions of the tags that it carries.
    pub versions: Versions<'a>,
    /// The type fingerprint of the error.
    pub fingerprint: u64,
    /// When it was stored, by the server's clock.
    pub stored_at: Duration,
}

/// The state of the refresh of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refresh {
    /// A loader runs it.
    pub runs: bool,
    /// Number of failures in a row.
    pub failures: u8,
    /// Until when no other loader begins one, by the server's clock.
    pub until: Duration,
}

impl Refresh {
    #[inline]
    pub(crate) fn of(header: &[u8; HEADER_LEN]) -> Refresh {
        let holder = number(&header[REFRESH_AT..REFRESH_UNTIL_AT]);
        let failures = u8::try_from(holder);
        let until = Duration::from_millis(number(&header[REFRESH_UNTIL_AT..STORED_AT]));
        Refresh { runs: failures.is_err(), failures: failures.unwrap_or_default(), until }
    }
}

/// Parses an entry. `fingerprint` is that of the reader's type.
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
        // A tag stands under names that no key has.
        _ => Entry::Unusable(Unusable::Version),
    }
}

/// Whether these bytes are an entry of this library, of any kind. Anything else is never touched.
#[inline]
pub fn is_ours(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC) && matches!(bytes.get(KIND_AT), Some(&(LEASE | GUARD | TAG | VALUES..)))
}

#[inline]
fn parse_value(bytes: &[u8], fingerprint: u64) -> Entry<'_> {
    let Some((header, mut payload)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        return Entry::Unusable(Unusable::Corrupt);
    };
    if header[FLAGS_AT] & FLAG_LOCAL != 0 {
        // It is registered after the value was sealed.
        match payload.split_at_checked(TIME_LEN) {
            Some((_, rest)) => payload = rest,
            None => return Entry::Unusable(Unusable::Corrupt),
        }
    }
    if header[CHECKSUM_AT..] != checksum(&header[FLAGS_AT..CHECKSUM_AT], payload).to_be_bytes() {
        return Entry::Unusable(Unusable::Corrupt);
    }
    let flags = header[FLAGS_AT];
    if flags & !KNOWN_FLAGS != 0 {
        return Entry::Unusable(Unusable::Version);
    }
    let (versions, payload) = if flags & FLAG_TAGGED == 0 {
        (Versions::NONE, payload)
    } else {
        match Versions::split(payload) {
            Some(split) => split,
            None => return Entry::Unusable(Unusable::Corrupt),
        }
    };
    let stored_at = Duration::from_millis(number(&header[STORED_AT..FRESH_FOR_AT]));
    if flags & FLAG_ERROR != 0 {
        let fingerprint = number(&header[FINGERPRINT_AT..CHECKSUM_AT]);
        return Entry::Failure(Failure { payload, versions, fingerprint, stored_at });
    }
    if header[FINGERPRINT_AT..CHECKSUM_AT] != fingerprint.to_be_bytes() {
        return Entry::Unusable(Unusable::Type);
    }
    Entry::Value(Value {
        payload: (flags & FLAG_NONE == 0).then_some(payload),
        versions,
        stored_at,
        fresh_for: Duration::from_millis(number(&header[FRESH_FOR_AT..LOAD_TIME_AT])),
        load_time: Duration::from_millis(number(&header[LOAD_TIME_AT..FLAGS_AT])),
        outlives_freshness: flags & FLAG_OUTLIVES_FRESHNESS != 0,
        refresh: Refresh::of(header),
    })
}

/// The part of an entry that is compared before the entry is replaced. It contains the token, so it identifies the entry.
#[inline]
pub fn header(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(HEADER_LEN)]
}

/// The same of shared bytes.
pub fn header_of(bytes: &Bytes) -> Bytes {
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

/// What is written into the header of a value.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    /// The type fingerprint.
    pub fingerprint: u64,
    /// How long it is fresh.
    pub fresh_for: Duration,
    /// How long its load took.
    pub load_time: Duration,
    /// It will be kept for longer than it is fresh.
    pub outlives_freshness: bool,
}

/// Begins an entry that carries no tags: reserves the header, after which the codec writes the payload.
pub fn begin() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_LEN + 200);
    bytes.resize(HEADER_LEN, 0);
    bytes
}

/// The same of an entry that carries tags of these versions, if any, at most [`MAX_TAGS`](crate::format::MAX_TAGS), and of which
/// local copies can be registered if `local` says so.
pub fn begin_with(versions: &[Token], local: bool) -> Vec<u8> {
    let mut bytes = begin();
    if local {
        bytes[FLAGS_AT] = FLAG_LOCAL;
        bytes.extend([0; TIME_LEN]);
    }
    if let Ok(count @ 1..) = u8::try_from(versions.len()) {
        bytes[FLAGS_AT] |= FLAG_TAGGED;
        bytes.push(count);
        bytes.extend(versions.iter().flat_map(Token::as_bytes));
    }
    bytes
}

/// The entry of a `None`, which was [begun](begin_with).
pub fn none(mut bytes: Vec<u8>, token: Token, header: Header) -> Vec<u8> {
    seal(&mut bytes, token, header, FLAG_NONE);
    bytes
}

/// Finishes a value that was begun: writes the header before the payload.
pub fn finish(bytes: &mut [u8], token: Token, header: Header) {
    seal(bytes, token, header, 0);
}

/// Finishes the error of a function.
pub fn finish_failure(bytes: &mut [u8], token: Token, header: Header) {
    seal(bytes, token, header, FLAG_ERROR);
}

/// The token that wrote a value, an error or a stored `None`: no other entry has it.
pub fn written_by(bytes: &[u8]) -> Option<Token> {
    let header = bytes.first_chunk::<HEADER_LEN>().filter(|header| is_value(&header[..]))?;
    Some(Token::from_bytes(*header[TOKEN_AT..].first_chunk()?))
}

/// When a value was stored, by the server's clock; `None` if no server has stamped it.
pub fn stored_at(bytes: &[u8]) -> Option<Duration> {
    let stamp = number(bytes.get(STORED_AT..FRESH_FOR_AT)?);
    (stamp > 0).then(|| Duration::from_millis(stamp))
}

fn seal(bytes: &mut [u8], token: Token, header: Header, flags: u8) {
    let (fields, payload) = bytes.split_at_mut(HEADER_LEN);
    fields[..KIND_AT].copy_from_slice(&MAGIC);
    fields[KIND_AT] = VALUE;
    fields[TOKEN_AT..REFRESH_AT].copy_from_slice(token.as_bytes());
    let fresh_for = field::millis(header.fresh_for).min(MAX_FRESH_FOR).to_be_bytes();
    fields[FRESH_FOR_AT..LOAD_TIME_AT].copy_from_slice(&fresh_for[3..]);
    let load_time = u16::try_from(field::millis(header.load_time)).unwrap_or(u16::MAX);
    fields[LOAD_TIME_AT..FLAGS_AT].copy_from_slice(&load_time.to_be_bytes());
    // What has room before the payload was settled when it was begun.
    fields[FLAGS_AT] &= FLAG_TAGGED | FLAG_LOCAL;
    fields[FLAGS_AT] |= if header.outlives_freshness { flags | FLAG_OUTLIVES_FRESHNESS } else { flags };
    fields[FINGERPRINT_AT..CHECKSUM_AT].copy_from_slice(&header.fingerprint.to_be_bytes());
    let unsealed = if fields[FLAGS_AT] & FLAG_LOCAL == 0 { 0 } else { TIME_LEN };
    let checksum = checksum(&fields[FLAGS_AT..CHECKSUM_AT], &payload[unsealed..]);
    fields[CHECKSUM_AT..].copy_from_slice(&checksum.to_be_bytes());
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

/// The deadline of the refresh in the header of a value: until then no other begins.
pub fn refresh_until(header: &[u8]) -> Option<Duration> {
    let header = header.first_chunk::<HEADER_LEN>()?;
    is_value(header).then(|| Refresh::of(header).until)
}

/// Whether this is a value that the holder of this token refreshes; the scripts ask the same.
pub fn refreshed_by(bytes: &[u8], token: Token) -> bool {
    is_value(bytes) && bytes.get(REFRESH_AT..REFRESH_UNTIL_AT) == Some(token.as_bytes())
}

/// Writes the holder of the refresh into a value, or the number of failures, and the deadline.
pub fn set_refresh(value: &mut [u8], holder: [u8; 8], until: Duration) {
    if let Some(field) = value.get_mut(REFRESH_AT..STORED_AT) {
        field[..8].copy_from_slice(&holder);
        field[8..].copy_from_slice(&field::time(until));
    }
}

/// What is written in the place of a refresh token after `count` failures in a row.
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

/// Maximum time for which a value is fresh (ms): what five bytes hold, 34 years.
const MAX_FRESH_FOR: u64 = (1 << 40) - 1;

#[cfg(test)]
mod tests;
