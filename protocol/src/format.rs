//! The wire format: what stands under one key of the store.
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
//!                            any other bit: written by a later version, unusable for this one
//!              40  8  type fingerprint: codec, type name, `version`, structure
//!              48  4  CRC-32 of bytes 39 to 47 and the payload
//!              52  …  payload, as the codec wrote it
//! ```
//!
//! Leases and guards are frozen: every version of this library must be able to tell them, or it would store over
//! another version's guard. A value of another version is a miss.

use std::time::Duration;

/// The bytes every entry of ours begins with.
pub const MAGIC: [u8; 3] = [0xCA, 0x5D, 0xE1];
/// The kind of a lease.
pub const LEASE: u8 = 0x01;
/// The kind of a guard.
pub const GUARD: u8 = 0x02;
/// The kind of a value in the one format there is so far.
pub const VALUE: u8 = 0x10;
/// Kinds from here on are values, of whatever version.
pub const VALUES: u8 = 0x10;

/// Where the kind stands.
pub const KIND_AT: usize = MAGIC.len();
/// Where a lease and a value name who wrote them.
pub const TOKEN_AT: usize = KIND_AT + 1;
/// The length of a lease.
pub const LEASE_LEN: usize = 12;

/// Where the marks of a guard stand.
pub const MARKS_AT: usize = 4;
/// The mark of a guard whose writers have overlapped.
pub const OVERLAPPED: u8 = 1;
/// Where the slots of a guard begin.
pub const SLOTS_AT: usize = 5;
/// The length of one slot of a guard.
pub const SLOT_LEN: usize = 14;

/// The length of a value's header; also how much of an unusable entry is compared before it is replaced.
pub const HEADER_LEN: usize = 52;
/// Where a value names its refresh: token and deadline.
pub const REFRESH_AT: usize = 12;
/// Where the refresh's deadline stands.
pub const REFRESH_UNTIL_AT: usize = 20;
/// Where the server stamps the time at which a value was stored.
pub const STORED_AT: usize = 26;
/// Where a value says how long it is fresh.
pub const FRESH_FOR_AT: usize = 32;
/// Where a value says how long its load took.
pub const LOAD_TIME_AT: usize = 37;
/// Where the flags of a value stand.
pub const FLAGS_AT: usize = 39;
/// Where the type fingerprint of a value stands.
pub const FINGERPRINT_AT: usize = 40;
/// Where the checksum of a value stands.
pub const CHECKSUM_AT: usize = 48;

/// The flag of a value of a function that gave `None`.
pub const FLAG_NONE: u8 = 1;
/// The flag of a value that stands longer than it is fresh.
pub const FLAG_LINGERS: u8 = 2;
/// The flag of an error of a function that failed.
pub const FLAG_ERROR: u8 = 4;
/// The flags that this version can read.
pub const KNOWN_FLAGS: u8 = FLAG_NONE | FLAG_LINGERS | FLAG_ERROR;

/// Maximum length of a payload, stored or read: 64 MiB.
pub const MAX_PAYLOAD: usize = 64 << 20;

/// Length of a point in time: milliseconds since the epoch.
pub const TIME_LEN: usize = 6;
/// Maximum time that a deadline lies ahead. One that lies further ahead was set before the clock went back, and counts as this.
pub const LONGEST: Duration = Duration::from_secs(3600);
