//! Local copies of a value: until when those that were registered may be used, on the entry and on the tags that it carries.

use std::time::Duration;

use super::{Refresh, TagSlot, header, is_ours, is_value, tag_slot};
use crate::{
    field::number,
    format::{
        FLAG_LOCAL, FLAGS_AT, FRESH_FOR_AT, HEADER_LEN, KIND_AT, LOAD_TIME_AT, LOCAL_END, LOCAL_UNTIL_AT,
        STORED_AT, TAG_LEN, TIME_LEN, VALUES,
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

/// Offset of `local_until` in a value that has room for it, or in the version of a tag.
pub(crate) fn local_until_at(bytes: &[u8]) -> Option<usize> {
    if can_have_copies(bytes) {
        return Some(LOCAL_UNTIL_AT);
    }
    matches!(tag_slot(Some(bytes)), TagSlot::Version(_)).then_some(TAG_LEN)
}

/// Until when the local copies that were registered on this entry, or this version of a tag, may be used, by the server's clock.
pub fn local_until(bytes: &[u8]) -> Option<Duration> {
    let at = local_until_at(bytes)?;
    bytes.get(at..at + TIME_LEN).map(|until| Duration::from_millis(number(until)))
}

/// For how long local copies can be registered on this value, if it has the expected header, has room for that and is not refreshed now:
/// until it is stale. `Duration::MAX` for the expected version of a tag.
pub(crate) fn registrable(bytes: &[u8], expected: &[u8], now: Duration) -> Option<Duration> {
    if let TagSlot::Version(_) = tag_slot(Some(bytes)) {
        return (bytes[..TAG_LEN] == *expected).then_some(Duration::MAX);
    }
    if !is_value(bytes) || !can_have_copies(bytes) || header(bytes) != expected {
        return None;
    }
    let header = bytes.first_chunk::<HEADER_LEN>()?;
    let refresh = Refresh::of(header);
    if refresh.runs && refresh.until > now {
        return None;
    }
    let time = |from: usize, to: usize| Duration::from_millis(number(&header[from..to]));
    Some(time(STORED_AT, FRESH_FOR_AT) + time(FRESH_FOR_AT, LOAD_TIME_AT))
}
