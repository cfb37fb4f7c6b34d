use proptest::prelude::*;

use super::*;

fn pair(first: &str, second: &str) -> AnyKey {
    KeyWriter::new("x:").value(first).literal(":").value(second).finish()
}

#[test]
fn plain_words_stay_readable() {
    for word in [
        "42",
        "-7",
        "1.5",
        "ada@example.org",
        "6f9619ff-8b86-d011-b42d-00c04fc964ff",
        "Zoë",
        "a_b+c~d!$&'()*?[]<>\"\\^`@",
    ] {
        assert_eq!(KeyWriter::new("user:").value(word).finish().as_str(), format!("user:{word}"));
    }
}

#[test]
fn what_separates_is_encoded() {
    let key = KeyWriter::new("").value(":/|#,;={}% \t\n\u{0}\u{a0}").finish();
    assert_eq!(key.as_str(), "%3A%2F%7C%23%2C%3B%3D%7B%7D%25%20%09%0A%00%C2%A0");
    assert_ne!(pair("a:b", "c"), pair("a", "b:c"));
    assert_ne!(pair("a%3Ab", "c"), pair("a:b", "c"));
}

#[test]
fn long_keys_keep_their_start_and_end_in_a_digest() {
    let long = |text: &str| KeyWriter::new("page:").value(&text.repeat(100)).finish().to_string();
    let key = long("abc");
    assert!(key.starts_with("page:abcabc"), "{key}");
    assert_eq!(key.len(), 160 + 1 + 64);
    assert_ne!(key, long("abd"));
    // The digest is of the whole key, known from elsewhere: printf 'page:%s' … | sha256sum
    let whole = format!("page:{}", "abc".repeat(100));
    let digest: Vec<String> = Sha256::digest(&whole).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(key[161..], digest.concat());
    let key = long("ä");
    assert!(key.len() > MAX_KEY && key.contains('~'), "cut between characters: {key}");
    let longest = KeyWriter::new(&"a".repeat(MAX_KEY)).finish();
    assert_eq!(longest.as_str().len(), MAX_KEY);
    // A value that looks like a shortened key is longer than any that is left as it is.
    assert_ne!(KeyWriter::new(&key).finish().as_str(), key);
}

/// As the log and the command line show it.
#[test]
fn a_shortened_tag_is_taken_as_it_is() {
    for name in ["tenant".repeat(50), "ä".repeat(300), "#".repeat(300)] {
        let tag = Tag::new(&name);
        assert!(tag.as_str().len() < name.len());
        assert_eq!(Tag::new(tag.as_str()), tag);
        assert_eq!(Tag::from(tag.to_string()), tag);
    }
}

#[test]
fn a_shortened_name_is_taken_as_it_is() {
    for character in ["a", "ä", "€", "🦀"] {
        for start in ["", "x", "xy", "xyz"] {
            let key = KeyWriter::new(start).literal(&character.repeat(210)).finish();
            assert_eq!(AnyKey::new(key.as_str()).as_str(), key.as_str());
        }
    }
    let digest = "0f".repeat(32);
    for other in [
        format!("{}~{digest}", "a".repeat(156)),
        format!("{}~{digest}", "a".repeat(161)),
        format!("{}~{}", "a".repeat(160), "0F".repeat(32)),
        format!("{}-{digest}", "a".repeat(160)),
    ] {
        assert_ne!(AnyKey::new(&other).as_str(), other);
    }
    assert_eq!(AnyKey::new("a~ä").as_str(), "a~ä");
}

#[test]
fn a_name_by_hand_is_never_that_of_a_tag() {
    assert_eq!(AnyKey::new("#tenant:7").as_str(), "%23tenant:7");
    assert_eq!(AnyKey::new("a#b").as_str(), "a#b");
    let shortened = format!("#{}~{}", "a".repeat(159), "0f".repeat(32));
    assert!(!AnyKey::new(&shortened).as_str().starts_with('#'));
}

#[test]
fn a_key_with_a_value_that_fails_to_print_is_known() {
    struct Fails;
    impl Display for Fails {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("half")?;
            Err(fmt::Error)
        }
    }
    let failed = KeyWriter::new("x:").value(&Fails).finish();
    assert_eq!(failed.as_str(), "x:{unprintable}");
    assert!(!failed.is_whole());
    assert!(KeyWriter::new("x:").value("{unprintable}").finish().is_whole());
}

#[test]
fn characters_that_nobody_sees_are_encoded() {
    for (value, key) in [
        ("a\u{202E}b", "x:a%E2%80%AEb"),
        ("\u{200B}", "x:%E2%80%8B"),
        ("a\u{2066}b\u{2069}", "x:a%E2%81%A6b%E2%81%A9"),
        ("\u{FEFF}a", "x:%EF%BB%BFa"),
        ("co\u{AD}op", "x:co%C2%ADop"),
        ("Zoë", "x:Zoë"),
    ] {
        assert_eq!(KeyWriter::new("x:").value(value).finish().as_str(), key);
    }
}

#[test]
fn the_log_lists_the_first_keys_and_counts_the_rest() {
    let keys: Vec<AnyKey> = (0..2_500).map(|number| AnyKey::new(&format!("k:{number}"))).collect();
    let listed = format!("{:?}", Listed(&keys));
    assert!(
        listed.starts_with(r#"["k:0", "k:1", "#) && listed.ends_with(r#""k:7", and 2492 more]"#),
        "{listed}"
    );
    assert_eq!(format!("{:?}", Listed(&keys[..2])), r#"["k:0", "k:1"]"#);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn integers_are_written_as_any_value_is(
        unsigned in any::<(u8, u16, u32, u64, u128, usize)>(),
        signed in any::<(i8, i16, i32, i64, i128, isize)>(),
    ) {
        macro_rules! check {
            ($($of:ident.$number:tt)*) => {$(
                prop_assert_eq!(
                    KeyWriter::new("x:").integer($of.$number).finish(),
                    KeyWriter::new("x:").value(&$of.$number).finish()
                );
            )*};
        }
        check! { unsigned.0 unsigned.1 unsigned.2 unsigned.3 unsigned.4 unsigned.5 }
        check! { signed.0 signed.1 signed.2 signed.3 signed.4 signed.5 }
    }

    #[test]
    fn no_two_pairs_give_one_key(a in any::<(String, String)>(), b in any::<(String, String)>()) {
        prop_assert_eq!(a == b, pair(&a.0, &a.1) == pair(&b.0, &b.1));
    }

    /// Pairs that are near each other: the same characters, cut elsewhere; long enough to be shortened, too.
    #[test]
    fn moving_the_cut_changes_the_key(text in "[a:%2|~3A]{0,12}", many in 1..60_usize, a: prop::sample::Index, b: prop::sample::Index) {
        let text = text.repeat(many);
        let (a, b) = (a.index(text.len() + 1), b.index(text.len() + 1));
        let key = |at: usize| pair(&text[..at], &text[at..]);
        prop_assert_eq!(a == b, key(a) == key(b));
    }

    #[test]
    fn values_hold_nothing_that_separates(value: String) {
        let key = KeyWriter::new("").value(&value).finish();
        let separators = [':', '/', '|', '#', ',', ';', '=', '{', '}', ' ', '\n', '\t', '\0'];
        prop_assert!(!key.as_str().contains(separators), "{}", key);
    }
}

#[test]
fn a_short_key_takes_no_allocation() {
    let of_id = |start: &str| KeyWriter::new(start).integer(u64::MAX).finish();
    assert!(!of_id("key:").text.is_heap_allocated(), "24 bytes");
    let long = of_id("user:");
    assert!(long.text.is_heap_allocated(), "25 bytes");
    assert_eq!(long.as_str(), "user:18446744073709551615");
}
