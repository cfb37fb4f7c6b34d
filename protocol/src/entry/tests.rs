use proptest::{collection::vec, prelude::*};

use super::*;
use crate::Writers;

mod local;
mod tagged;

const HEADER: Header = Header {
    fingerprint: 7,
    fresh_for: Duration::from_secs(60),
    load_time: Duration::from_millis(3),
    outlives_freshness: false,
};

fn value(payload: &[u8]) -> Vec<u8> {
    let mut bytes = begin();
    bytes.extend_from_slice(payload);
    finish(&mut bytes, Token::numbered(1), HEADER);
    bytes
}

fn payload(bytes: &[u8], fingerprint: u64) -> Option<&[u8]> {
    match parse(bytes, fingerprint) {
        Entry::Value(value) => value.payload,
        _ => None,
    }
}

/// The format is read by programs that are running now: a change of it is a new version.
#[test]
fn the_format_byte_by_byte() {
    let mut bytes = value(b"Ada");
    stamp(&mut bytes, Duration::from_millis(0x0102_0304_0506));
    let expected: &[&[u8]] = &[
        b"\xCA\x5D\xE1\x10",
        &[0, 0, 0, 0, 0, 0, 0, 1],
        &[0; 8],
        &[0; 6],
        &[1, 2, 3, 4, 5, 6],
        &[0, 0, 0, 0xEA, 0x60],
        &[0, 3],
        &[0],
        &[0, 0, 0, 0, 0, 0, 0, 7],
        &bytes[48..52],
        b"Ada",
    ];
    assert_eq!(bytes, expected.concat());
    assert_eq!(lease(Token::numbered(1)), *b"\xCA\x5D\xE1\x01\0\0\0\0\0\0\0\x01");
    assert_eq!(tag(Token::numbered(1)), *b"\xCA\x5D\xE1\x03\0\0\0\0\0\0\0\x01");
    let mut writers = Writers::default();
    writers.enter(Token::numbered(1), Duration::from_millis(2));
    assert_eq!(writers.write(), b"\xCA\x5D\xE1\x02\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\x02");
}

#[test]
fn kinds() {
    assert_eq!(parse(&lease(Token::numbered(1)), 7), Entry::Lease);
    assert_eq!(parse(&Writers::default().write(), 7), Entry::Guard);
    assert_eq!(parse(&value(b"")[..51], 7), Entry::Unusable(Unusable::Corrupt));
    assert_eq!(parse(&lease(Token::numbered(1))[..11], 7), Entry::Unusable(Unusable::Corrupt));
    assert_eq!(parse(b"\xCA\x5D\xE1\x11 a later version", 7), Entry::Unusable(Unusable::Version));
    assert_eq!(parse(&value(b"x"), 8), Entry::Unusable(Unusable::Type));
    for foreign in
        [&b""[..], b"\xCA", b"\xCA\x5D\xE1", b"\xCA\x5D\xE1\x00", b"\xCA\x5D\xE1\x04", b"{\"id\":1}"]
    {
        assert_eq!(parse(foreign, 7), Entry::Foreign, "{foreign:?}");
    }
    assert_eq!(parse(&tag(Token::numbered(1)), 7), Entry::Unusable(Unusable::Version));
    let bytes = none(begin(), Token::numbered(1), HEADER);
    let Entry::Value(value) = parse(&bytes, 7) else { panic!("a `None` is an entry") };
    assert_eq!(value.payload, None);
}

/// Whatever a later version means by it, it is not what this one would read.
#[test]
fn a_flag_of_a_later_version_makes_an_entry_unusable() {
    for flag in (0..8).map(|bit| 1 << bit).filter(|flag| KNOWN_FLAGS & flag == 0) {
        for beside in [0, FLAG_NONE, FLAG_OUTLIVES_FRESHNESS, FLAG_ERROR, KNOWN_FLAGS] {
            let mut bytes = value(b"compressed, perhaps");
            seal(&mut bytes, Token::numbered(1), HEADER, flag | beside);
            assert_eq!(parse(&bytes, 7), Entry::Unusable(Unusable::Version), "{flag:#b} beside {beside:#b}");
            assert!(is_ours(&bytes), "it can be replaced");
        }
    }
    assert_eq!(KNOWN_FLAGS.count_ones(), 5, "there are flags of later versions");
}

#[test]
fn times_that_do_not_fit_are_cut_and_not_wrapped() {
    let header = Header { fresh_for: Duration::MAX, load_time: Duration::MAX, ..HEADER };
    let mut bytes = begin();
    finish(&mut bytes, Token::numbered(1), header);
    assert_eq!(bytes[32..39], [0xFF; 7]);
    stamp(&mut bytes, Duration::MAX);
    assert_eq!(bytes[26..32], [0xFF; 6]);
    assert_eq!(payload(&bytes, 7), Some(&b""[..]));
}

#[test]
fn fresh_tokens_differ() {
    let tokens: std::collections::HashSet<Token> = (0..10_000).map(|_| Token::fresh()).collect();
    assert_eq!(tokens.len(), 10_000);
    assert_eq!(format!("{:?}", Token::fresh()), "Token", "a token is not printed");
}

proptest! {
    #[test]
    fn what_was_written_is_read(bytes in vec(any::<u8>(), 0..300)) {
        let stored = value(&bytes);
        prop_assert_eq!(payload(&stored, 7), Some(&bytes[..]));
    }

    /// One wrong bit and the payload is not given out: neither another one, nor this one as another type's.
    #[test]
    fn a_flipped_bit_never_gives_another_payload(bytes in vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>(), bit in 0..8) {
        let mut stored = value(&bytes);
        let at = at.index(stored.len());
        stored[at] ^= 1_u8 << bit;
        if let Entry::Value(value) = parse(&stored, 7) {
            prop_assert_eq!(value.payload, Some(&bytes[..]), "byte {}", at);
            // What the store itself writes, and the token, are not under the checksum.
            prop_assert!((4..39).contains(&at), "byte {}", at);
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..200), fingerprint: u64) {
        parse(&bytes, fingerprint);
        Writers::read(&bytes);
        header(&bytes);
    }

    #[test]
    fn any_bytes_of_ours_are_read_without_panic(kind: u8, rest in vec(any::<u8>(), 0..200)) {
        let bytes = [&MAGIC[..], &[kind], &rest].concat();
        parse(&bytes, 7);
        if let Some(writers) = Writers::read(&bytes) {
            let again = writers.write();
            prop_assert_eq!(Writers::read(&again), Some(writers));
        }
    }

    /// Whoever enters is inside until it leaves or its deadline passes, whatever the others do.
    #[test]
    fn writers_come_and_go(steps in vec((0..4_u64, 0..4_u8, 0..100_u64), 0..40)) {
        let mut writers = Writers::default();
        let mut expected = std::collections::BTreeMap::new();
        let mut overlapped = false;
        for (number, step, time) in steps {
            let (token, time) = (Token::numbered(number), Duration::from_millis(time));
            match step {
                0 => {
                    writers.enter(token, time);
                    expected.remove(&number);
                    overlapped |= !expected.is_empty();
                    expected.insert(number, time);
                }
                1 => prop_assert_eq!(writers.leave(token), expected.remove(&number)),
                2 => {
                    let inside = writers.leave(token);
                    if inside.is_some() {
                        writers.stay(token, time);
                    }
                    let expected = expected.get_mut(&number).map(|deadline| *deadline = time);
                    prop_assert_eq!(inside.is_some(), expected.is_some());
                }
                _ => {
                    writers.expire(time);
                    expected.retain(|_, deadline| *deadline > time);
                }
            }
            prop_assert_eq!(writers.until(), expected.values().max().copied());
            prop_assert_eq!(writers.overlapped, overlapped);
            prop_assert_eq!(Writers::read(&writers.write()), Some(writers.clone()));
        }
    }
}
