//! Entries of which local copies can be registered.

use super::*;
use crate::Slot;

fn begun(versions: &[Token], payload: &[u8]) -> Vec<u8> {
    let mut bytes = begin_with(versions, true);
    bytes.extend_from_slice(payload);
    finish(&mut bytes, Token::numbered(1), HEADER);
    bytes
}

fn set_local_until(bytes: &mut [u8], until: u64) {
    bytes[52..58].copy_from_slice(&until.to_be_bytes()[2..]);
}

/// A guard without writers.
fn copied_until(until: Duration) -> Writers {
    let mut writers = Writers::default();
    writers.local_until = Some(until);
    writers
}

#[test]
fn the_registration_byte_by_byte() {
    let bytes = begun(&[], b"Ada");
    assert_eq!(bytes[39], 16);
    assert_eq!(bytes[52..], *b"\0\0\0\0\0\0Ada");
    let bytes = begun(&[Token::numbered(2)], b"Ada");
    assert_eq!(bytes[39], 24);
    assert_eq!(bytes[52..], *b"\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02Ada");
    let mut writers = copied_until(Duration::from_millis(3));
    assert_eq!(writers.write(), b"\xCA\x5D\xE1\x02\0\0\0\0\0\0\x03");
    writers.enter(Token::numbered(1), Duration::from_millis(2));
    assert_eq!(writers.write(), b"\xCA\x5D\xE1\x02\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\x02\0\0\0\0\0\x03");
    assert_eq!(parse(&writers.write(), 7), Entry::Guard);
}

/// A copy is registered while others read the value, and whoever has seen it compares its header.
#[test]
fn a_registration_changes_neither_value_nor_header() {
    for versions in [&[][..], &[Token::numbered(2)]] {
        let mut bytes = begun(versions, b"Ada");
        let before = bytes.clone();
        set_local_until(&mut bytes, 77);
        assert_eq!(local_until(&bytes), Some(Duration::from_millis(77)));
        assert_eq!(payload(&bytes, 7), Some(&b"Ada"[..]));
        assert_eq!(header(&bytes), header(&before));
        assert_eq!(parse(&bytes[..57], 7), Entry::Unusable(Unusable::Corrupt));
    }
}

#[test]
fn entries_of_every_version_tell_of_their_copies() {
    let mut bytes = begun(&[], b"Ada");
    set_local_until(&mut bytes, 77);
    bytes[3] = 0x11;
    assert_eq!(parse(&bytes, 7), Entry::Unusable(Unusable::Version));
    assert_eq!(local_until(&bytes), Some(Duration::from_millis(77)));
    for without in [&value(b"no room, and long enough for it")[..], &lease(Token::numbered(1)), b"foreign"] {
        assert_eq!(local_until(without), None);
    }
}

/// A program of before local copies reads the slots of a guard, and leaves what is behind them.
#[test]
fn the_slots_of_a_guard_stand_where_they_stood() {
    let mut writers = Writers::default();
    writers.enter(Token::numbered(1), Duration::from_millis(2));
    let without = writers.write();
    writers.local_until = Some(Duration::from_millis(3));
    assert!(writers.write().starts_with(&without));
}

#[test]
fn copies_registered_before_the_clock_went_back_count_for_a_minute() {
    let now = Duration::from_secs(1000);
    let mut bytes = begun(&[], b"Ada");
    set_local_until(&mut bytes, 5_000_000);
    let mut slot = Slot::new(Some(&bytes), Duration::from_secs(600), now);
    let minute = now + Duration::from_secs(60);
    assert_eq!(slot.wait_for_copies(), Some(minute));
    let change = crate::Change::Patch { at: 52, bytes: crate::field::time(minute).to_vec() };
    assert_eq!(slot.into_changes(), [change], "it is written, so that it ends");
    let mut writers = copied_until(Duration::from_secs(5000));
    writers.expire(now);
    assert_eq!((writers.local_until, writers.until()), (Some(minute), Some(minute)));
    writers.expire(minute);
    assert_eq!(writers.until(), None);
}
