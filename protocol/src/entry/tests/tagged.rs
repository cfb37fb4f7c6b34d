use super::*;
use crate::format::MAX_TAGS;

fn versions(numbers: &[u64]) -> Vec<Token> {
    numbers.iter().copied().map(Token::numbered).collect()
}

fn tagged(numbers: &[u64], payload: &[u8]) -> Vec<u8> {
    let mut bytes = begin_with(&versions(numbers), false);
    bytes.extend_from_slice(payload);
    finish(&mut bytes, Token::numbered(1), HEADER);
    bytes
}

/// The versions and the payload, if the entry can be used.
fn read(bytes: &[u8]) -> Option<(Vec<u64>, Option<Vec<u8>>)> {
    let numbers = |versions: Versions<'_>| versions.iter().map(field::number).collect();
    match parse(bytes, 7) {
        Entry::Value(value) => Some((numbers(value.versions), value.payload.map(<[u8]>::to_vec))),
        Entry::Failure(failure) => Some((numbers(failure.versions), Some(failure.payload.to_vec()))),
        _ => None,
    }
}

#[test]
fn the_versions_of_tags_stand_before_the_payload() {
    let bytes = tagged(&[2, 3], b"Ada");
    assert_eq!(bytes[39], FLAG_TAGGED);
    assert_eq!(bytes[52..], *b"\x02\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03Ada");
    assert_eq!(read(&bytes), Some((vec![2, 3], Some(b"Ada".to_vec()))));
}

#[test]
fn every_kind_of_entry_can_carry_tags() {
    assert_eq!(
        read(&none(begin_with(&versions(&[2]), false), Token::numbered(1), HEADER)),
        Some((vec![2], None))
    );
    let mut failure = begin_with(&versions(&[2]), false);
    failure.extend_from_slice(b"gone");
    finish_failure(&mut failure, Token::numbered(1), HEADER);
    assert_eq!(read(&failure), Some((vec![2], Some(b"gone".to_vec()))));
    let windows = Header { outlives_freshness: true, ..HEADER };
    let bytes = none(begin_with(&versions(&[2]), false), Token::numbered(1), windows);
    assert_eq!(bytes[39], FLAG_TAGGED | FLAG_NONE | FLAG_OUTLIVES_FRESHNESS);
    assert_eq!(begin_with(&[], false), begin(), "without tags nothing is different");
    assert_eq!(read(&value(b"x")), Some((vec![], Some(b"x".to_vec()))));
}

/// The number of tags is not what the bytes say: sealed by a program that meant something else.
#[test]
fn a_number_of_tags_that_cannot_be_makes_an_entry_unusable() {
    let most: Vec<u64> = (0..MAX_TAGS as u64).collect();
    assert_eq!(read(&tagged(&most, b"x")), Some((most.clone(), Some(b"x".to_vec()))));
    for count in [0, 3, 17, u8::MAX] {
        let mut bytes = tagged(&[2, 3], b"");
        bytes[52] = count;
        finish(&mut bytes, Token::numbered(1), HEADER);
        assert_eq!(parse(&bytes, 7), Entry::Unusable(Unusable::Corrupt), "{count}");
    }
    let mut bytes = begin();
    bytes[FLAGS_AT] = FLAG_TAGGED;
    finish(&mut bytes, Token::numbered(1), HEADER);
    assert_eq!(parse(&bytes, 7), Entry::Unusable(Unusable::Corrupt), "no number at all");
}

#[test]
fn what_stands_under_the_key_of_a_tag() {
    let version = Token::numbered(5);
    assert_eq!(tag_slot(None), TagSlot::Missing);
    assert_eq!(tag_slot(Some(&tag(version))), TagSlot::Version(version));
    assert_eq!(tag_slot(Some(&tag(version)[..11])), TagSlot::Missing);
    assert_eq!(tag_slot(Some(&Writers::default().write())), TagSlot::Guarded);
    for foreign in [&b""[..], b"\xCA\x5D\xE1", b"text", &lease(version), &value(b"x")] {
        assert_eq!(tag_slot(Some(foreign)), TagSlot::Foreign, "{foreign:?}");
    }
}

proptest! {
    /// One wrong bit, and the entry is of no other tags.
    #[test]
    fn a_flipped_bit_never_gives_another_version(bytes in vec(any::<u8>(), 0..20), at in 39..90_usize, bit in 0..8) {
        let mut stored = tagged(&[2, 3], &bytes);
        let at = at.min(stored.len() - 1);
        stored[at] ^= 1_u8 << bit;
        prop_assert_eq!(read(&stored), None, "byte {}", at);
    }

    #[test]
    fn any_bytes_under_the_key_of_a_tag_are_read_without_panic(bytes in vec(any::<u8>(), 0..40)) {
        tag_slot(Some(&bytes));
        tag_slot(Some(&[&MAGIC[..], &bytes].concat()));
    }
}
