//! The wire format of the entry of a key.
//!
//! All numbers are big-endian. The first four bytes tell whether an entry is ours and what it is.
//!
//! ```text
//! every entry   0  3  magic  CA 5D E1
//!               3  1  kind   01 lease · 02 guard · 03 tag · 10 value (the high half counts the value format's versions)
//!
//! lease  (12)   4  8  token of the loader that holds it
//!
//! guard  (5+14n, +6)
//!               4  1  marks  bit 0: writers have overlapped since this guard was placed
//!               5  …  one slot a writer: token (8), deadline in ms of the server's clock (6)
//!               …  6  where local copies of what it has replaced may still be used: until when, ms of the server's clock
//!
//! tag    (12, +6)
//!               4  8  its version: a random number, fresh each time that it is created
//!              12  6  once local copies of what carries it were registered: until when they may be used, ms of the server's clock
//!
//! value  (52+)  4  8  token of the load that stored it
//!              12  8  token of the refresh that runs; a number below 256 if none runs: how many failed in a row
//!              20  6  the refresh's deadline, ms of the server's clock: no other begins before
//!              26  6  stored at, ms of the server's clock (stamped by the server)
//!              32  5  fresh for, ms from then on
//!              37  2  time the load took, ms, at most 65,535
//!              39  1  flags  bit 0: the function returned `None`, there is no payload
//!                            bit 1: it is kept for longer than it is fresh, so that its age must be computed
//!                            bit 2: the function failed, the payload is its error
//!                            bit 3: it carries tags
//!                            bit 4: local copies of it can be registered
//!                            any other bit: written by a later version, unusable for this one
//!              40  8  type fingerprint: codec, type name, `version`, structure
//!              48  4  CRC-32 of bytes 39 to 47 and all that follows, except `local_until`
//!              52  6  if local copies can be registered: `local_until`, until when they may be used, ms of the server's clock
//!               …  …  if it carries tags: their number (1), the version of each (8), in the order in which they are declared
//!               …  …  payload, as the codec wrote it
//! ```
//!
//! Leases, guards and tags are frozen: every version of this library must be able to tell them, or it would store over
//! another version's guard. A value of another version is a miss. Bit 4 of the flags and `local_until` stay where they are in every
//! version of a value: a step that replaces a value must know of its local copies, also where it can't read it.
//!
//! The versions in an entry also say which tags it carries: each tag's version is a random number of its own, so an entry that was
//! stored with other tags, or with the same in another order, has other versions than those that are read.

use std::time::Duration;

/// The first bytes of every entry.
pub const MAGIC: [u8; 3] = [0xCA, 0x5D, 0xE1];
/// The kind of a lease.
pub const LEASE: u8 = 0x01;
/// The kind of a guard.
pub const GUARD: u8 = 0x02;
/// The kind of the version of a tag.
pub const TAG: u8 = 0x03;
/// The kind of a value in the current format.
pub const VALUE: u8 = 0x10;
/// The first kind of values: all from here on are values, of any version.
pub const VALUES: u8 = 0x10;

/// Offset of the kind.
pub const KIND_AT: usize = MAGIC.len();
/// Offset of the token of a lease or a value.
pub const TOKEN_AT: usize = KIND_AT + 1;
/// Length of a lease (bytes).
pub const LEASE_LEN: usize = 12;

/// Length of the version of a tag, as it is stored (bytes).
pub const TAG_LEN: usize = 12;
/// Length of the version of a tag and its `local_until` (bytes), which is there once copies were registered.
pub const TAG_END: usize = TAG_LEN + TIME_LEN;
/// Maximum number of tags of an entry.
pub const MAX_TAGS: usize = 16;

/// Offset of the marks of a guard.
pub const MARKS_AT: usize = 4;
/// The mark of a guard whose writers have overlapped.
pub const OVERLAPPED: u8 = 1;
/// Offset of the slots of a guard.
pub const SLOTS_AT: usize = 5;
/// Length of one slot of a guard (bytes).
pub const SLOT_LEN: usize = 14;

/// Length of a guard's `local_until`, behind its slots (bytes). What is left behind the slots tells whether it is there.
pub const GUARD_LOCAL_LEN: usize = TIME_LEN;

/// Length of the header of a value (bytes); also how much of an unusable entry is compared before it is replaced.
pub const HEADER_LEN: usize = 52;
/// Offset of the refresh of a value: token and deadline.
pub const REFRESH_AT: usize = 12;
/// Offset of the deadline of the refresh.
pub const REFRESH_UNTIL_AT: usize = 20;
/// Offset of the time at which the server stored a value.
pub const STORED_AT: usize = 26;
/// Offset of the time for which a value is fresh.
pub const FRESH_FOR_AT: usize = 32;
/// Offset of the time that the load of a value took.
pub const LOAD_TIME_AT: usize = 37;
/// Offset of the flags of a value.
pub const FLAGS_AT: usize = 39;
/// Offset of the type fingerprint of a value.
pub const FINGERPRINT_AT: usize = 40;
/// Offset of the checksum of a value.
pub const CHECKSUM_AT: usize = 48;

/// Offset of `local_until` of a value, behind the header that is compared: local copies are no change of the value.
pub const LOCAL_UNTIL_AT: usize = HEADER_LEN;
/// Offset of what follows `local_until`.
pub const LOCAL_END: usize = LOCAL_UNTIL_AT + TIME_LEN;

/// The flag of a `None`.
pub const FLAG_NONE: u8 = 1;
/// The flag of a value that is kept for longer than it is fresh.
pub const FLAG_OUTLIVES_FRESHNESS: u8 = 2;
/// The flag of an error.
pub const FLAG_ERROR: u8 = 4;
/// The flag of an entry that carries tags.
pub const FLAG_TAGGED: u8 = 8;
/// The flag of a value of which local copies can be registered: it has room for `local_until`.
pub const FLAG_LOCAL: u8 = 16;
/// The flags that this version can read.
pub const KNOWN_FLAGS: u8 = FLAG_NONE | FLAG_OUTLIVES_FRESHNESS | FLAG_ERROR | FLAG_TAGGED | FLAG_LOCAL;

/// Maximum length of a payload, stored or read: 64 MiB.
pub const MAX_PAYLOAD: usize = 64 << 20;

/// Length of a point in time (bytes): milliseconds since the epoch.
pub const TIME_LEN: usize = 6;
/// Maximum distance of a deadline. One further ahead was set before the clock went back, and counts as this.
pub const LONGEST: Duration = Duration::from_secs(3600);
/// Maximum time for which a local copy is registered. A `local_until` further ahead was set before the clock went back, and counts as
/// this.
pub const LONGEST_LOCAL: Duration = Duration::from_secs(60);
