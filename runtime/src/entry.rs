//! The wire format: what stands under one key of the store. One place, no I/O.
//!
//! All numbers are big-endian. The first four bytes tell whether an entry is ours and what it is.
//!
//! ```text
//! every entry   0  3  magic  CA 5D E1
//!               3  1  kind   01 lease · 02 guard · 10 value (the high half counts the value format's versions)
//!
//! lease  (12)   4  8  token of the loader that holds it
//!
//! guard  (5+14n)4  1  marks  bit 0: writers have overlapped since this guard was placed
//!               5  …  one slot a writer: token (8), deadline in ms of the server's clock (6)
//!
//! value  (52+)  4  8  token of the load that stored it
//!              12  8  token of the refresh that runs; a number below 256 when none does: so many failed in a row
//!              20  6  the refresh's deadline, ms of the server's clock: no other begins before
//!              26  6  stored at, ms of the server's clock (stamped by the server)
//!              32  5  fresh for, ms from then on
//!              37  2  time the load took, ms, at most 65,535
//!              39  1  flags  bit 0: the function gave `None`, there is no payload
//!                            bit 1: it stands longer than it is fresh, so that its age must be asked
//!                            bit 2: the function failed, the payload is its error
//!              40  8  type fingerprint: codec, type name, `version`, structure
//!              48  4  CRC-32 of bytes 39 to 47 and the payload
//!              52  …  payload, as the codec wrote it
//! ```
//!
//! Leases and guards are frozen: every version of this library must be able to tell them, or it would store over
//! another version's guard. A value of another version is a miss.

use std::{
    hash::{BuildHasher, RandomState},
    time::{Duration, Instant},
};

/// A random number that names one acquisition: a lease, a guard, a refresh. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Token([u8; 8]);

impl Token {
    /// A fresh token from the operating system's generator.
    pub(crate) fn fresh() -> Token {
        // Where the system has no randomness to give, the standard library's keys are as different as can be had.
        let number = getrandom::u64().unwrap_or_else(|_| RandomState::new().hash_one(Instant::now()));
        // Smaller numbers count failures where a token could stand.
        Token(number.max(NO_TOKEN).to_be_bytes())
    }

    #[cfg(test)]
    pub(crate) fn numbered(number: u64) -> Token {
        Token(number.to_be_bytes())
    }

    /// The token of the only writer in a guard.
    #[cfg(test)]
    pub(crate) fn only(guard: &[u8]) -> Token {
        Token(*guard[SLOTS_AT..].first_chunk().expect("a guard with a slot"))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

/// A token tells who may store; it is never printed.
impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// Numbers below this are no tokens.
const NO_TOKEN: u64 = 256;

/// The bytes every entry of ours begins with.
pub(crate) const MAGIC: [u8; 3] = [0xCA, 0x5D, 0xE1];
/// The kind of a lease.
pub(crate) const LEASE: u8 = 0x01;
/// The kind of a guard.
pub(crate) const GUARD: u8 = 0x02;
/// The kind of a value in the one format there is so far.
pub(crate) const VALUE: u8 = 0x10;
/// Kinds from here on are values, of whatever version.
const VALUES: u8 = 0x10;

/// The length of a lease.
pub(crate) const LEASE_LEN: usize = 12;
/// The length of a value's header; also how much of an unusable entry is compared before it is replaced.
pub(crate) const HEADER_LEN: usize = 52;
/// Where the slots of a guard begin.
pub(crate) const SLOTS_AT: usize = 5;
/// The length of one slot of a guard.
pub(crate) const SLOT_LEN: usize = 14;
/// Where a value names its refresh: token and deadline.
const REFRESH_AT: usize = 12;
/// Where the refresh's deadline stands.
const REFRESH_UNTIL_AT: usize = 20;
/// Where the server stamps the time at which a value was stored.
pub(crate) const STORED_AT: usize = 26;

/// No payload is larger than this, neither stored nor read: 64 MiB.
pub(crate) const MAX_PAYLOAD: usize = 64 << 20;

const FLAG_NONE: u8 = 1;
const FLAG_LINGERS: u8 = 2;
const FLAG_ERROR: u8 = 4;

/// What stands under a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry<'a> {
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
pub(crate) enum Unusable {
    /// Another version of the format.
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
pub(crate) struct Value<'a> {
    /// What the codec wrote, or `None` where the function gave `None`.
    pub(crate) payload: Option<&'a [u8]>,
    /// When it was stored, by the server's clock.
    pub(crate) stored_at: Duration,
    /// How long it is fresh from then on.
    pub(crate) fresh_for: Duration,
    /// What its load took.
    pub(crate) load_time: Duration,
    /// It stands longer than it is fresh.
    pub(crate) lingers: bool,
    /// How its refresh stands.
    pub(crate) refresh: Refresh,
}

/// An error whose checksum fits. Whether its type does is for the reader to say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure<'a> {
    /// What the codec wrote.
    pub(crate) payload: &'a [u8],
    pub(crate) fingerprint: u64,
    /// When it was stored, by the server's clock.
    pub(crate) stored_at: Duration,
}

/// How the refresh of a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refresh {
    /// Somebody has won it.
    pub(crate) runs: bool,
    /// So many have failed in a row.
    pub(crate) failures: u8,
    /// Until then nobody else begins one, by the server's clock.
    pub(crate) until: Duration,
}

impl Refresh {
    fn read(header: &[u8; HEADER_LEN]) -> Refresh {
        let holder = number(&header[REFRESH_AT..REFRESH_UNTIL_AT]);
        let failures = u8::try_from(holder);
        let until = Duration::from_millis(number(&header[REFRESH_UNTIL_AT..STORED_AT]));
        Refresh { runs: failures.is_err(), failures: failures.unwrap_or_default(), until }
    }
}

/// Reads an entry. `fingerprint` is the reader's own.
pub(crate) fn parse(bytes: &[u8], fingerprint: u64) -> Entry<'_> {
    if !is_ours(bytes) {
        return Entry::Foreign;
    }
    match bytes[3] {
        LEASE if bytes.len() == LEASE_LEN => Entry::Lease,
        GUARD if bytes.len() >= SLOTS_AT => Entry::Guard,
        LEASE | GUARD => Entry::Unusable(Unusable::Corrupt),
        VALUE => parse_value(bytes, fingerprint),
        _ => Entry::Unusable(Unusable::Version),
    }
}

/// Whether this is an entry of ours, whatever it is: what is not is never touched.
pub(crate) fn is_ours(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC) && matches!(bytes.get(3), Some(&(LEASE | GUARD | VALUES..)))
}

fn parse_value(bytes: &[u8], fingerprint: u64) -> Entry<'_> {
    let Some((header, payload)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        return Entry::Unusable(Unusable::Corrupt);
    };
    if header[48..52] != checksum(&header[39..48], payload).to_be_bytes() {
        return Entry::Unusable(Unusable::Corrupt);
    }
    let stored_at = Duration::from_millis(number(&header[STORED_AT..STORED_AT + 6]));
    if header[39] & FLAG_ERROR != 0 {
        return Entry::Failure(Failure { payload, fingerprint: number(&header[40..48]), stored_at });
    }
    if header[40..48] != fingerprint.to_be_bytes() {
        return Entry::Unusable(Unusable::Type);
    }
    Entry::Value(Value {
        payload: (header[39] & FLAG_NONE == 0).then_some(payload),
        stored_at,
        fresh_for: Duration::from_millis(number(&header[32..37])),
        load_time: Duration::from_millis(number(&header[37..39])),
        lingers: header[39] & FLAG_LINGERS != 0,
        refresh: Refresh::read(header),
    })
}

/// The part of an entry that is compared before it is replaced: it holds the token, so it names this very entry.
pub(crate) fn head(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(HEADER_LEN)]
}

/// A lease.
pub(crate) fn lease(token: Token) -> [u8; LEASE_LEN] {
    let mut bytes = [0; LEASE_LEN];
    bytes[..3].copy_from_slice(&MAGIC);
    bytes[3] = LEASE;
    bytes[4..].copy_from_slice(&token.0);
    bytes
}

/// What a value carries besides its payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) fingerprint: u64,
    pub(crate) fresh_for: Duration,
    pub(crate) load_time: Duration,
    /// It will stand longer than it is fresh.
    pub(crate) lingers: bool,
}

/// Begins a value: leaves room for the header, after which the codec writes.
pub(crate) fn begin() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_LEN + 200);
    bytes.resize(HEADER_LEN, 0);
    bytes
}

/// The value of a function that gave `None`.
pub(crate) fn none(token: Token, header: Header) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_LEN];
    seal(&mut bytes, token, header, FLAG_NONE);
    bytes
}

/// Finishes a value that was begun with [`begin`]: writes the header in front of the payload.
pub(crate) fn finish(bytes: &mut [u8], token: Token, header: Header) {
    seal(bytes, token, header, 0);
}

/// Finishes the error of a function that failed.
pub(crate) fn finish_failure(bytes: &mut [u8], token: Token, header: Header) {
    seal(bytes, token, header, FLAG_ERROR);
}

/// When a value was stored, by the server's clock; `None` if no server has stamped it.
pub(crate) fn stored_at(bytes: &[u8]) -> Option<Duration> {
    let stamp = number(bytes.get(STORED_AT..STORED_AT + 6)?);
    (stamp > 0).then(|| Duration::from_millis(stamp))
}

fn seal(bytes: &mut [u8], token: Token, header: Header, flags: u8) {
    let (head, payload) = bytes.split_at_mut(HEADER_LEN);
    head[..3].copy_from_slice(&MAGIC);
    head[3] = VALUE;
    head[4..12].copy_from_slice(&token.0);
    head[32..37].copy_from_slice(&millis(header.fresh_for).min(MAX_FRESH_FOR).to_be_bytes()[3..]);
    let load_time = u16::try_from(millis(header.load_time)).unwrap_or(u16::MAX);
    head[37..39].copy_from_slice(&load_time.to_be_bytes());
    head[39] = if header.lingers { flags | FLAG_LINGERS } else { flags };
    head[40..48].copy_from_slice(&header.fingerprint.to_be_bytes());
    let checksum = checksum(&head[39..48], payload);
    head[48..52].copy_from_slice(&checksum.to_be_bytes());
}

/// Writes the time of storing into a value, as the Redis script does.
pub(crate) fn stamp(value: &mut [u8], stored_at: Duration) {
    if let Some(field) = value.get_mut(STORED_AT..STORED_AT + 6) {
        field.copy_from_slice(&millis(stored_at).to_be_bytes()[2..]);
    }
}

fn is_value(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC) && bytes.get(3) == Some(&VALUE)
}

/// When the refresh of a value whose head was seen ends or may begin anew.
pub(crate) fn refresh_until(head: &[u8]) -> Option<Duration> {
    let header = head.first_chunk::<HEADER_LEN>()?;
    is_value(header).then(|| Refresh::read(header).until)
}

/// Whether this is a value whose refresh is this token's, as the scripts ask it.
pub(crate) fn refreshed_by(bytes: &[u8], token: Token) -> bool {
    is_value(bytes) && bytes.get(REFRESH_AT..REFRESH_UNTIL_AT) == Some(&token.0)
}

/// Writes into a value who refreshes it, or how often that failed, and until when nobody else does.
pub(crate) fn set_refresh(value: &mut [u8], holder: [u8; 8], until: Duration) {
    if let Some(field) = value.get_mut(REFRESH_AT..STORED_AT) {
        field[..8].copy_from_slice(&holder);
        field[8..].copy_from_slice(&millis(until).to_be_bytes()[2..]);
    }
}

/// What stands in the place of a refresh token when so many refreshes have failed in a row.
pub(crate) fn failures(count: u8) -> [u8; 8] {
    u64::from(count).to_be_bytes()
}

fn checksum(flags_and_fingerprint: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(flags_and_fingerprint);
    hasher.update(payload);
    hasher.finalize()
}

/// Milliseconds, rounded down, as many as six bytes hold.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).min(MAX_MILLIS_FIELD)
}

const MAX_MILLIS_FIELD: u64 = (1 << 48) - 1;
/// As many as five bytes hold: 34 years.
const MAX_FRESH_FOR: u64 = (1 << 40) - 1;

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The writers inside a guard: the same arithmetic that the Redis scripts do, for the in-process store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Writers {
    /// Writers have overlapped since the guard was placed.
    pub(crate) overlapped: bool,
    slots: Vec<(Token, Duration)>,
}

impl Writers {
    /// The writers of the guard that stands in `bytes`, or none where no guard stands there.
    pub(crate) fn read(bytes: &[u8]) -> Option<Writers> {
        let rest = bytes.strip_prefix(&MAGIC)?.strip_prefix(&[GUARD])?;
        let (marks, slots) = rest.split_first()?;
        let slots = slots
            .chunks_exact(SLOT_LEN)
            .filter_map(|slot| {
                let (token, deadline) = slot.split_first_chunk::<8>()?;
                Some((Token(*token), Duration::from_millis(number(deadline))))
            })
            .collect();
        Some(Writers { overlapped: marks & 1 == 1, slots })
    }

    /// The guard as it is stored.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SLOTS_AT + self.slots.len() * SLOT_LEN);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[GUARD, u8::from(self.overlapped)]);
        for (token, deadline) in &self.slots {
            bytes.extend_from_slice(&token.0);
            bytes.extend_from_slice(&millis(*deadline).to_be_bytes()[2..]);
        }
        bytes
    }

    /// Lets those go whose deadline has passed.
    pub(crate) fn expire(&mut self, now: Duration) {
        self.slots.retain(|(_, deadline)| *deadline > now);
    }

    /// Lets a writer in. Company is remembered.
    pub(crate) fn enter(&mut self, token: Token, deadline: Duration) {
        self.leave(token);
        self.overlapped |= !self.slots.is_empty();
        self.slots.push((token, deadline));
    }

    /// Moves a writer's deadline; `false` if it is not inside.
    pub(crate) fn extend(&mut self, token: Token, deadline: Duration) -> bool {
        let slot = self.slots.iter_mut().find(|(inside, _)| *inside == token);
        slot.map(|slot| slot.1 = deadline).is_some()
    }

    /// Takes a writer out; `false` if it was not inside.
    pub(crate) fn leave(&mut self, token: Token) -> bool {
        let before = self.slots.len();
        self.slots.retain(|(inside, _)| *inside != token);
        self.slots.len() < before
    }

    /// When the last of them must be out, or `None` if nobody is inside.
    pub(crate) fn until(&self) -> Option<Duration> {
        self.slots.iter().map(|(_, deadline)| *deadline).max()
    }
}

#[cfg(test)]
mod tests;
