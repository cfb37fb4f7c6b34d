//! What tools show of an entry: what its first bytes say, whatever its type is, and without a look at its checksum.

use std::time::Duration;

use crate::{
    Writers,
    entry::{Refresh, is_ours, local_until},
    field::number,
    format::{
        CHECKSUM_AT, FINGERPRINT_AT, FLAG_ERROR, FLAG_NONE, FLAG_OUTLIVES_FRESHNESS, FLAG_TAGGED, FLAGS_AT,
        FRESH_FOR_AT, GUARD, HEADER_LEN, KIND_AT, KNOWN_FLAGS, LEASE, LOAD_TIME_AT, LOCAL_END, SLOT_LEN,
        SLOTS_AT, STORED_AT, TAG, VALUE,
    },
};

/// Number of first bytes that an outline needs: the header of a value, the end of its local copies, and the number of its tags.
pub const OUTLINE_LEN: usize = LOCAL_END + 1;

/// What stands under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outline {
    /// A loader reads the origin.
    Lease,
    /// A write is in progress, or settles.
    Guard {
        /// Number of writers inside.
        writers: u64,
        /// Writers have overlapped since the guard was placed.
        overlapped: bool,
    },
    /// The version of a tag.
    Tag,
    /// A value, a `None`, or the error of a function.
    Stored(Stored),
    /// An entry of a later version of the format, or one that is broken off.
    Unusable,
    /// Data of another program.
    Foreign,
}

/// What the header of a value says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// What the function returned.
    pub result: StoredResult,
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
    /// The type fingerprint.
    pub fingerprint: u64,
    /// Until when the local copies of it that were registered may be used, by the server's clock, if any can be.
    pub local_until: Option<Duration>,
    /// Number of tags that it carries.
    pub tags: u8,
}

/// What a function returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredResult {
    /// A value.
    Value,
    /// `None`.
    None,
    /// An error.
    Error,
}

impl Outline {
    /// The outline of an entry of `length` bytes that begins with these: all, or at least [`OUTLINE_LEN`].
    pub fn of(start: &[u8], length: u64) -> Outline {
        if !is_ours(start) {
            return Outline::Foreign;
        }
        match start[KIND_AT] {
            LEASE => Outline::Lease,
            TAG => Outline::Tag,
            GUARD => {
                let overlapped = Writers::read(start).is_some_and(|writers| writers.overlapped);
                let writers = length.saturating_sub(SLOTS_AT as u64) / SLOT_LEN as u64;
                Outline::Guard { writers, overlapped }
            }
            VALUE => Stored::of(start).map_or(Outline::Unusable, Outline::Stored),
            _ => Outline::Unusable,
        }
    }
}

impl Stored {
    fn of(start: &[u8]) -> Option<Stored> {
        let (header, rest) = start.split_first_chunk::<HEADER_LEN>()?;
        let flags = header[FLAGS_AT];
        let local_until = local_until(start);
        let rest = if local_until.is_some() { &start[LOCAL_END..] } else { rest };
        if flags & !KNOWN_FLAGS != 0 {
            return None;
        }
        let result = match (flags & FLAG_ERROR, flags & FLAG_NONE) {
            (0, 0) => StoredResult::Value,
            (0, _) => StoredResult::None,
            _ => StoredResult::Error,
        };
        let millis = |from: usize, to: usize| Duration::from_millis(number(&header[from..to]));
        Some(Stored {
            result,
            stored_at: millis(STORED_AT, FRESH_FOR_AT),
            fresh_for: millis(FRESH_FOR_AT, LOAD_TIME_AT),
            load_time: millis(LOAD_TIME_AT, FLAGS_AT),
            outlives_freshness: flags & FLAG_OUTLIVES_FRESHNESS != 0,
            refresh: Refresh::of(header),
            fingerprint: number(&header[FINGERPRINT_AT..CHECKSUM_AT]),
            local_until,
            tags: if flags & FLAG_TAGGED == 0 { 0 } else { *rest.first()? },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Token,
        entry::{self, Header},
    };

    const HEADER: Header = Header {
        fingerprint: 0xFEED,
        fresh_for: Duration::from_secs(60),
        load_time: Duration::from_millis(7),
        outlives_freshness: true,
    };

    fn outline(bytes: &[u8]) -> Outline {
        let whole = Outline::of(bytes, bytes.len() as u64);
        assert_eq!(whole, Outline::of(&bytes[..bytes.len().min(OUTLINE_LEN)], bytes.len() as u64));
        whole
    }

    #[test]
    fn every_kind_is_told() {
        let token = Token::numbered(1);
        assert_eq!(outline(&entry::lease(token)), Outline::Lease);
        assert_eq!(outline(&entry::tag(token)), Outline::Tag);
        let mut writers = Writers::default();
        for number in 0..20 {
            writers.enter(Token::numbered(number), Duration::from_secs(1));
        }
        assert_eq!(outline(&writers.write()), Outline::Guard { writers: 20, overlapped: true });
        assert_eq!(outline(b"other"), Outline::Foreign);
        assert_eq!(outline(b""), Outline::Foreign);
        assert_eq!(outline(&entry::none(entry::begin(), token, HEADER)[..40]), Outline::Unusable);
    }

    #[test]
    fn the_header_of_a_value_is_read_as_it_was_written() {
        let token = Token::numbered(1);
        for local in [false, true] {
            let mut bytes = entry::begin_with(&[token, Token::numbered(2)], local);
            bytes.extend_from_slice(b"payload");
            entry::finish(&mut bytes, token, HEADER);
            entry::stamp(&mut bytes, Duration::from_millis(1234));
            entry::set_refresh(&mut bytes, entry::failures(3), Duration::from_millis(99));
            let stored = Stored {
                result: StoredResult::Value,
                stored_at: Duration::from_millis(1234),
                fresh_for: Duration::from_secs(60),
                load_time: Duration::from_millis(7),
                outlives_freshness: true,
                refresh: Refresh { runs: false, failures: 3, until: Duration::from_millis(99) },
                fingerprint: 0xFEED,
                local_until: local.then_some(Duration::ZERO),
                tags: 2,
            };
            assert_eq!(outline(&bytes), Outline::Stored(stored));
        }

        let result = |bytes: &[u8]| match outline(bytes) {
            Outline::Stored(stored) => (stored.result, stored.tags),
            other => panic!("{other:?}"),
        };
        assert_eq!(result(&entry::none(entry::begin(), token, HEADER)), (StoredResult::None, 0));
        let mut failure = entry::begin();
        entry::finish_failure(&mut failure, token, HEADER);
        assert_eq!(result(&failure), (StoredResult::Error, 0));
    }
}
