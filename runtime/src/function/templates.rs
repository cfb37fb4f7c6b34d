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

/// Whether the key is made of the function's own path, so that no other function has it.
fn is_derived(ReadSettings { module, name, template, .. }: &ReadSettings) -> bool {
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
    coincide_until(one, other, false)
}

/// The same, where of the other only the start may be known.
fn coincide_until(one: &str, other: &str, is_start: bool) -> bool {
    let (one, other) = (structure(one), structure(other));
    let (one, other) = (pieces(&one), pieces(&other));
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
                (Some(Piece::Value), Some(Piece::Value)) => rest(1, 0) || rest(0, 1),
                (Some(Piece::Value), Some(Piece::Literal(next))) => {
                    rest(1, 0) || !is_separator(*next) && rest(0, 1)
                }
                (Some(Piece::Literal(next)), Some(Piece::Value)) => {
                    rest(0, 1) || !is_separator(*next) && rest(1, 0)
                }
                (Some(Piece::Literal(one)), Some(Piece::Literal(other))) => one == other && rest(1, 1),
                (Some(Piece::Value), None) => rest(1, 0),
                (None, Some(Piece::Value)) => rest(0, 1),
                (Some(Piece::Literal(_)), None) | (None, Some(Piece::Literal(_))) => false,
            };
        }
    }
    known[0][0]
}

/// Whether a template can give this key, or one that starts with this.
#[cfg(feature = "redis")]
pub(crate) fn can_give(template: &str, key: &str, is_start: bool) -> bool {
    coincide_until(template, &key.replace('{', "{{").replace('}', "}}"), is_start)
}

/// A part of a template's structure.
enum Piece {
    Literal(char),
    Value,
}

fn pieces(structure: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = structure.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '{' if rest.next_if_eq(&'}').is_some() => pieces.push(Piece::Value),
            '{' | '}' => {
                rest.next_if_eq(&next);
                pieces.push(Piece::Literal(next));
            }
            _ => pieces.push(Piece::Literal(next)),
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
