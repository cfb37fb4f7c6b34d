//! Functions of one program that have the same key template. Their keys are the same texts, so that each is given what the
//! other stored where the types of their values are one, and else they replace each other's entries for ever.

use std::collections::{BTreeMap, btree_map::Entry};

use crate::{
    function::read::{ReadFunction, ReadSettings},
    lock::Mutex,
};

/// The first function of each template that has been called, by the template's structure.
static TEMPLATES: Mutex<BTreeMap<String, &'static ReadFunction>> = Mutex::new(BTreeMap::new());

/// Reports a function at its first use if one that was used before has the same template, unless both say that this is meant.
pub(crate) fn register(function: &'static ReadFunction) {
    let here = &function.settings;
    if is_derived(here) {
        return;
    }
    let other = match TEMPLATES.lock().entry(structure(here.template)) {
        Entry::Occupied(first) => &first.get().settings,
        Entry::Vacant(place) => {
            place.insert(function);
            return;
        }
    };
    if here.shares_key && other.shares_key {
        return;
    }
    tracing::error!(
        function = %format_args!("{}::{}", here.module, here.name),
        at = %format_args!("{}:{}", here.file, here.line),
        template = here.template,
        other = %format_args!("{}::{}", other.module, other.name),
        other_at = %format_args!("{}:{}", other.file, other.line),
        other_template = other.template,
        "two functions have the same key: one is given what the other stored, or they replace each other's entries; give one of \
         them another `key`, or write `shares_key` on both if they share their entries on purpose"
    );
}

/// Functions that have the template of another, with that other: all but those that say that it is meant.
pub(crate) fn same(
    functions: &[&'static ReadFunction],
) -> Vec<(&'static ReadFunction, &'static ReadFunction)> {
    let mut first: BTreeMap<String, &'static ReadFunction> = BTreeMap::new();
    let mut same = Vec::new();
    for function in functions.iter().filter(|function| !is_derived(&function.settings)) {
        match first.entry(structure(function.settings.template)) {
            Entry::Vacant(place) => drop(place.insert(function)),
            Entry::Occupied(other) => {
                if !(function.settings.shares_key && other.get().settings.shares_key) {
                    same.push((*function, *other.get()));
                }
            }
        }
    }
    same
}

/// Whether two functions have the same template but for what its placeholders name.
pub(crate) fn are_one(one: &ReadSettings, other: &ReadSettings) -> bool {
    structure(one.template) == structure(other.template)
}

/// Whether the key is made of the function's own path, so that no other function has it.
pub(crate) fn is_derived(ReadSettings { module, name, template, .. }: &ReadSettings) -> bool {
    let path = template.strip_prefix(module).and_then(|path| path.strip_prefix("::"));
    path.and_then(|path| path.strip_prefix(name))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(":{"))
}

/// The template without what its placeholders name: `user:{id}` and `user:{user.id:08}` have the same keys, or can have.
fn structure(template: &str) -> String {
    let mut structure = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        let (literal, brace) = rest.split_at(at);
        structure.push_str(literal);
        if brace.starts_with("{{") || brace.starts_with("}}") {
            structure.push_str(&brace[..2]);
            rest = &brace[2..];
        } else {
            structure.push_str("{}");
            rest = brace.split_once('}').map_or("", |(_, rest)| rest);
        }
    }
    structure + rest
}

/// Whether two templates can give one key. What a placeholder writes holds none of the characters that templates separate by.
pub(crate) fn coincide(one: &str, other: &str) -> bool {
    overlap(&pieces(one, 0), &pieces(other, 0), false)
}

/// Whether a function can have a key of this template.
pub(crate) fn can_be(function: &ReadSettings, template: &str) -> bool {
    overlap(&pieces(function.template, function.integers), &pieces(template, 0), false)
}

/// Whether a [`Cached`](crate::Cached) of this name can have a key of this template: the name, with any parts behind it.
pub(crate) fn can_be_of_family(name: &str, template: &str) -> bool {
    let template = pieces(template, 0);
    overlap(&template, &literal(name), false) || overlap(&template, &literal(&format!("{name}:")), true)
}

/// Whether two functions can have one key. Some of their placeholders are known to be integers.
pub(crate) fn of_both(one: &ReadSettings, other: &ReadSettings) -> bool {
    let (one, other) = (pieces(one.template, one.integers), pieces(other.template, other.integers));
    overlap(&one, &other, false)
}

/// Whether a function can have this key.
pub(crate) fn can_be_text(function: &ReadSettings, key: &str) -> bool {
    overlap(&pieces(function.template, function.integers), &literal(key), false)
}

/// Whether a function can have a key that begins so.
pub(crate) fn can_begin(function: &ReadSettings, start: &str) -> bool {
    overlap(&pieces(function.template, function.integers), &literal(start), true)
}

/// Whether one text can be both; with `is_start` it may go on behind the other.
fn overlap(one: &[Piece], other: &[Piece], is_start: bool) -> bool {
    // What is known of the beginnings of both: whether these many pieces of each can be one text.
    let mut known = vec![vec![false; other.len() + 1]; one.len() + 1];
    for left in (0..=one.len()).rev() {
        for right in (0..=other.len()).rev() {
            let rest = |skipped_left: usize, skipped_right: usize| {
                known.get(left + skipped_left).and_then(|row| row.get(right + skipped_right)) == Some(&true)
            };
            known[left][right] = match (one.get(left), other.get(right)) {
                (_, None) if is_start => true,
                (None, None) => true,
                (Some(one), Some(other)) => {
                    one.repeats && rest(1, 0)
                        || other.repeats && rest(0, 1)
                        || one.letter.can_be(other.letter)
                            && rest(usize::from(!one.repeats), usize::from(!other.repeats))
                }
                (Some(piece), None) => piece.repeats && rest(1, 0),
                (None, Some(piece)) => piece.repeats && rest(0, 1),
            };
        }
    }
    known[0][0]
}

/// Whether a template can give this key, or one that starts with this.
#[cfg(feature = "redis")]
pub(crate) fn can_give(template: &str, key: &str, is_start: bool) -> bool {
    overlap(&pieces(template, 0), &literal(key), is_start)
}

/// What every key of a template begins with.
#[cfg(feature = "redis")]
pub(crate) fn literal_start(template: &str) -> String {
    let pieces = pieces(template, 0).into_iter();
    pieces
        .map_while(|piece| if let Letter::This(letter) = piece.letter { Some(letter) } else { None })
        .collect()
}

/// A character of a template's keys, or any number of such characters.
#[derive(Debug, Clone, Copy)]
struct Piece {
    letter: Letter,
    repeats: bool,
}

/// What a character can be.
#[derive(Debug, Clone, Copy)]
enum Letter {
    This(char),
    /// One of a value.
    OfValue,
    /// One of an integer.
    OfInteger,
}

impl Letter {
    /// Whether one character can be both.
    fn can_be(self, other: Letter) -> bool {
        match (self, other) {
            (Letter::This(one), Letter::This(other)) => one == other,
            (Letter::This(one), Letter::OfValue) | (Letter::OfValue, Letter::This(one)) => !is_separator(one),
            (Letter::This(one), Letter::OfInteger) | (Letter::OfInteger, Letter::This(one)) => {
                one.is_ascii_digit() || one == '-'
            }
            (Letter::OfValue | Letter::OfInteger, Letter::OfValue | Letter::OfInteger) => true,
        }
    }
}

/// A text as it is.
fn literal(text: &str) -> Vec<Piece> {
    text.chars().map(|letter| Piece { letter: Letter::This(letter), repeats: false }).collect()
}

fn pieces(template: &str, integers: u64) -> Vec<Piece> {
    let structure = structure(template);
    let (mut pieces, mut values) = (Vec::new(), 0_u32);
    let mut rest = structure.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '{' if rest.next_if_eq(&'}').is_some() => {
                if integers.checked_shr(values).is_some_and(|integers| integers & 1 == 1) {
                    pieces.extend([false, true].map(|repeats| Piece { letter: Letter::OfInteger, repeats }));
                } else {
                    pieces.push(Piece { letter: Letter::OfValue, repeats: true });
                }
                values += 1;
            }
            '{' | '}' => {
                rest.next_if_eq(&next);
                pieces.push(Piece { letter: Letter::This(next), repeats: false });
            }
            _ => pieces.push(Piece { letter: Letter::This(next), repeats: false }),
        }
    }
    pieces
}

/// Whether a value never holds this character: it is percent-encoded there.
fn is_separator(character: char) -> bool {
    ":/|#,;={}".contains(character) || character.is_whitespace() || character.is_control()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn templates_are_the_same_by_their_structure() {
        let same = [
            ("same:{id}", "same:{user_id}"),
            ("{a}:{b}", "{b}:{a}"),
            ("user:{user.id:08}", "user:{id}"),
            ("{{{tag}}}:{id:?}", "{{{id}}}:{kind}"),
            ("all", "all"),
        ];
        for (one, other) in same {
            assert_eq!(structure(one), structure(other), "{one} {other}");
        }
        let apart =
            [("same:{id}", "same:{{id}}"), ("a:{id}", "b:{id}"), ("a:{id}", "a:{id}:b"), ("{a}:b", "a:{b}")];
        for (one, other) in apart {
            assert_ne!(structure(one), structure(other), "{one} {other}");
        }
    }

    #[test]
    fn templates_coincide_if_one_text_can_be_a_key_of_both() {
        let can = [
            ("user:{id}", "user:{user.id}"),
            ("user:recent", "user:{id}"),
            ("user:{id}:x", "user:a{id}:{kind}"),
            ("all", "all"),
            ("{{{tag}}}:{id}", "{{eu}}:{id}"),
            ("v{n}", "{name}"),
        ];
        for (one, other) in can {
            assert!(coincide(one, other) && coincide(other, one), "{one} {other}");
        }
        let cannot = [
            ("user:{id}", "users:{id}"),
            ("user:{id}", "user:{id}:posts"),
            ("user:a:b", "user:{id}"),
            ("{{{tag}}}:{id}", "{tag}:{id}"),
            ("", "a"),
        ];
        for (one, other) in cannot {
            assert!(!coincide(one, other) && !coincide(other, one), "{one} {other}");
        }
    }

    #[test]
    fn an_integer_is_no_other_text() {
        let function = |template, integers| {
            ReadFunction::declare("m", "f", template, Duration::from_secs(1)).integers(integers).settings
        };
        let (user, recent, named) =
            (function("user:{id}", 1), function("user:recent", 0), function("user:{name}", 0));
        assert!(!of_both(&user, &recent) && !of_both(&recent, &user));
        assert!(of_both(&named, &recent) && of_both(&user, &named) && of_both(&user, &user));
        assert!(of_both(&user, &function("user:-42", 0)) && !of_both(&user, &function("user:", 0)));
        let second = function("{kind}:{id}", 2);
        assert!(of_both(&second, &user) && !of_both(&second, &recent));
        assert!(can_begin(&user, "user:") && can_begin(&user, "user:7") && !can_begin(&user, "user:x"));
    }

    #[test]
    fn a_derived_key_is_told_from_a_written_one() {
        let derived = |module, name, template| {
            is_derived(&ReadFunction::declare(module, name, template, Duration::from_secs(1)).settings)
        };
        assert!(derived("shop::users", "load", "shop::users::load:{id}"));
        assert!(derived("shop", "Repo<T>::all", "shop::Repo<T>::all"));
        assert!(!derived("shop", "load", "shop::users:{id}") && !derived("shop", "load", "user:{id}"));
    }

    #[test]
    fn functions_with_one_key_are_found_unless_both_say_so() {
        static ONE: ReadFunction = ReadFunction::declare("m", "one", "user:{id}", Duration::from_secs(1));
        static TWO: ReadFunction =
            ReadFunction::declare("m", "two", "user:{user.id}", Duration::from_secs(1));
        static MEANT: ReadFunction =
            ReadFunction::declare("m", "meant", "row:{id}", Duration::from_secs(1)).shares_key();
        static TOO: ReadFunction =
            ReadFunction::declare("m", "too", "row:{n}", Duration::from_secs(1)).shares_key();
        let same = same(&[&ONE, &TWO, &MEANT, &TOO]);
        let names = same.iter().map(|(one, other)| (one.settings.name, other.settings.name));
        assert_eq!(names.collect::<Vec<_>>(), [("two", "one")]);
    }
}
