//! Local copies of a value: until when those that were registered may be used.

use std::time::Duration;

use super::{Refresh, header, is_ours, is_value};
use crate::{
    field::number,
    format::{
        FLAG_LOCAL, FLAGS_AT, FRESH_FOR_AT, HEADER_LEN, KIND_AT, LOAD_TIME_AT, LOCAL_END, LOCAL_UNTIL_AT,
        STORED_AT, VALUES,
    },
};

/// Whether local copies of this entry can be registered. It holds for values of every version of the format.
#[inline]
pub fn can_have_copies(bytes: &[u8]) -> bool {
    bytes.len() >= LOCAL_END
        && is_ours(bytes)
        && bytes[KIND_AT] >= VALUES
        && bytes[FLAGS_AT] & FLAG_LOCAL != 0
}

/// Until when the local copies of this entry that were registered may be used, by the server's clock.
pub fn local_until(bytes: &[u8]) -> Option<Duration> {
    can_have_copies(bytes).then(|| Duration::from_millis(number(&bytes[LOCAL_UNTIL_AT..LOCAL_END])))
}

/// The refresh of this value, and until when it is fresh, if it has the expected header and copies of it can be registered.
pub(crate) fn registrable(bytes: &[u8], expected: &[u8]) -> Option<(Refresh, Duration)> {
    if !is_value(bytes) || !can_have_copies(bytes) || header(bytes) != expected {
        return None;
    }
    let header = bytes.first_chunk::<HEADER_LEN>()?;
    let time = |from: usize, to: usize| Duration::from_millis(number(&header[from..to]));
    Some((Refresh::of(header), time(STORED_AT, FRESH_FOR_AT) + time(FRESH_FOR_AT, LOAD_TIME_AT)))
}
