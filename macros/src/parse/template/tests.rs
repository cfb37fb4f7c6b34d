use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

fn literal(text: &str) -> Part {
    Part::Literal(text.into())
}

fn value(path: &str, spec: Format, at: usize) -> Part {
    let mut names = path.split('.').map(str::to_owned);
    Part::Placeholder(Placeholder { name: names.next().unwrap(), fields: names.collect(), format: spec, at })
}

#[test]
fn templates_people_write() {
    for (text, parts) in [
        ("users:recent", vec![literal("users:recent")]),
        ("user:{id}", vec![literal("user:"), value("id", Format::Plain, 6)]),
        ("{id}", vec![value("id", Format::Plain, 1)]),
        ("u:{id:08}", vec![literal("u:"), value("id", Format::Padded("08".into()), 3)]),
        ("u:{kind:?}", vec![literal("u:"), value("kind", Format::As("?".into()), 3)]),
        ("u:{id:#x}", vec![literal("u:"), value("id", Format::As("#x".into()), 3)]),
        ("u:{ user.id }", vec![literal("u:"), value("user.id", Format::Plain, 4)]),
        (
            "{self.tenant}/{pair.0}",
            vec![value("self.tenant", Format::Plain, 1), literal("/"), value("pair.0", Format::Plain, 15)],
        ),
        (
            "{{{id}}}:{r#type}",
            vec![
                literal("{"),
                value("id", Format::Plain, 3),
                literal("}:"),
                value("r#type", Format::Plain, 10),
            ],
        ),
        ("größe:{größe}", vec![literal("größe:"), value("größe", Format::Plain, 9)]),
        ("{a} {b}", vec![value("a", Format::Plain, 1), literal(" "), value("b", Format::Plain, 5)]),
    ] {
        assert_eq!(parse(text), Ok(parts), "{text}");
    }
}

#[test]
fn mistakes_say_what_and_where() {
    for (text, at, why) in [
        ("", 0, "an empty key"),
        ("#a:{id}", 0, "can't start with `#`"),
        ("{a}#b", 0, "would start with `#`"),
        ("{ a}#{b}", 1, "would start with `#`"),
        ("user:{id", 5, "never closed"),
        ("user:id}", 7, "never opened"),
        ("user:{}", 6, "names a parameter"),
        ("user:{0}", 6, "names a parameter"),
        ("user:{a b}", 6, "a parameter or a field"),
        ("user:{a. self}", 8, "a parameter or a field"),
        ("user:{a./**/b}", 8, "a parameter or a field"),
        ("#id", 0, "is written `{id}`"),
        ("user:{a.}", 8, "a parameter or a field"),
        ("user:{a..b}", 8, "a parameter or a field"),
        ("user:{a()}", 6, "a parameter or a field"),
        ("user:{_}", 6, "a parameter or a field"),
        ("user:{a.b:w$}", 9, "width can't come from a parameter"),
        ("user:{a:.2}", 7, "a precision cuts"),
        ("user:{a:9?}", 7, "a width is for numbers"),
        ("user:{a:*>9}", 7, "width can't come from a parameter"),
        ("user:{a:->9}", 7, "not a format"),
        ("user:{a:p}", 7, "not a format"),
        ("{a}{b}", 3, "run into"),
        ("{a}-{b}", 4, "run into"),
        ("{a}%{b}", 4, "run into"),
        ("{a}:{b}.{c}", 8, "run into"),
    ] {
        let mistake = parse(text).unwrap_err();
        assert_eq!(mistake.at, at, "{text}: {}", mistake.why);
        assert!(mistake.why.contains(why), "{text}: {}", mistake.why);
    }
}

#[test]
fn the_arrow_points_at_the_mistake() {
    let literal: LitStr = syn::parse_str(r#""größe:{id""#).unwrap();
    let error = Template::parse(literal).err().unwrap().to_string();
    assert!(error.ends_with("größe:{id\n      ^"), "{error}");
    let literal: LitStr = syn::parse_str("\"a\nb{\"").unwrap();
    let error = Template::parse(literal).err().unwrap().to_string();
    assert!(error.ends_with("b{\n ^"), "{error}");
}

/// A key as the runtime writes it: literals as they are, values with every separator percent-encoded.
fn write_key(parts: &[Part], values: &[String]) -> String {
    let mut key = String::new();
    let mut values = values.iter();
    for part in parts {
        match part {
            Part::Literal(text) => key.push_str(text),
            Part::Placeholder(_) => {
                for character in values.next().unwrap().chars() {
                    if separates(character) || character == '%' {
                        let mut bytes = [0; 4];
                        for byte in character.encode_utf8(&mut bytes).bytes() {
                            write!(key, "%{byte:02X}").unwrap();
                        }
                    } else {
                        key.push(character);
                    }
                }
            }
        }
    }
    key
}

/// Templates, right and wrong ones, of few characters, so that they get in each other's way.
fn template() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => "\\{[ab]\\}",
        1 => "\\{\\{|\\}\\}",
        3 => "[:/%#, 3Aa-]{0,3}",
        1 => "\\PC{0,2}",
    ];
    prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

/// Values made of separators, of what separators are encoded as, and of anything.
fn values() -> impl Strategy<Value = Vec<String>> {
    let value = prop_oneof![4 => "[:%3Aa/ -]{0,4}", 1 => "\\PC{0,4}", 1 => any::<String>()];
    prop::collection::vec(value, 6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn parsing_never_panics(text in "[{}:.a0?#<$ %ü]{0,16}|\\PC{0,16}") {
        if let Err(mistake) = parse(&text) {
            prop_assert!(text.is_char_boundary(mistake.at));
        }
    }

    #[test]
    fn different_values_give_different_keys(text in template(), one in values(), other in values()) {
        let Ok(parts) = parse(&text) else { return Ok(()) };
        let count = parts.iter().filter(|part| matches!(part, Part::Placeholder(_))).count();
        let (one, other) = (&one[..count], &other[..count]);
        prop_assert_eq!(write_key(&parts, one) == write_key(&parts, other), one == other);
    }

    #[test]
    fn values_can_be_read_back(text in template(), values in values()) {
        let Ok(parts) = parse(&text) else { return Ok(()) };
        let count = parts.iter().filter(|part| matches!(part, Part::Placeholder(_))).count();
        let key = write_key(&parts, &values[..count]);
        prop_assert_eq!(read(&parts, &key), values[..count].to_vec());
    }
}

/// The values in a key: each ends at the first separator of the literal behind it, which no value contains.
fn read(parts: &[Part], key: &str) -> Vec<String> {
    let mut rest = key;
    let mut values = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        match part {
            Part::Literal(text) => rest = rest.strip_prefix(text.as_str()).unwrap(),
            Part::Placeholder(_) => {
                let end = match parts.get(index + 1..) {
                    Some([Part::Literal(last)]) => rest.len() - last.len(),
                    Some([Part::Literal(literal), ..]) => {
                        rest.find(separates).unwrap() - literal.find(separates).unwrap()
                    }
                    _ => rest.len(),
                };
                values.push(decode(&rest[..end]));
                rest = &rest[end..];
            }
        }
    }
    values
}

fn decode(encoded: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = encoded.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let (hex, after) = tail.split_at(2);
            bytes.push(u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap());
            rest = after;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap()
}
