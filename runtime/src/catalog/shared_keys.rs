//! Cached functions that can have one key.

use crate::function::{
    read::{ReadFunction, ReadSettings},
    registry, templates,
};

/// Two functions whose templates differ and that can have one key all the same, unless both say that this is meant.
pub(super) fn that_can_coincide(
    functions: &[&'static ReadFunction],
) -> Vec<(&'static ReadFunction, &'static ReadFunction)> {
    let pairs = functions.iter().enumerate().flat_map(|(at, one)| {
        functions[at + 1..].iter().filter(|other| can_coincide(one, other)).map(|other| (*one, *other))
    });
    pairs.collect()
}

fn can_coincide(one: &ReadFunction, other: &ReadFunction) -> bool {
    let (first, second) = (&one.settings, &other.settings);
    let is_meant = first.shares_key && second.shares_key;
    if is_meant
        || begin_apart(first.template, second.template)
        || templates::are_one(first, second)
        || [first, second].into_iter().any(templates::is_derived)
    {
        return false;
    }
    match (registry::is_family(one), registry::is_family(other)) {
        (false, false) => templates::of_both(first, second),
        (true, false) => is_of_family(first, second),
        (false, true) => is_of_family(second, first),
        (true, true) => {
            is_within(first.template, second.template) || is_within(second.template, first.template)
        }
    }
}

/// Whether the literals differ with which two templates begin: of most it tells them apart.
fn begin_apart(one: &str, other: &str) -> bool {
    let before_values =
        |(one, other): &(char, char)| ![one, other].into_iter().any(|letter| "{}".contains(*letter));
    one.chars().zip(other.chars()).take_while(before_values).any(|(one, other)| one != other)
}

/// Whether a function can have a key of a [`Cached`](crate::Cached): its name with any parts behind it.
fn is_of_family(family: &ReadSettings, function: &ReadSettings) -> bool {
    let name = family.template;
    templates::can_begin(function, &format!("{name}:")) || templates::can_be_text(function, name)
}

fn is_within(name: &str, other: &str) -> bool {
    other.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}
