//! What is wrong with a catalog.

use std::fmt;

use super::contents::{CachedFunction, Catalog, Invalidated, Place};
use crate::function::{linked, templates};

/// Something in the [catalog](super::Catalog) that is probably a mistake. It says what to change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// No write names the entries of a cached function: they are corrected by their TTL alone. `ttl_only` says that this is meant.
    NotInvalidated(Place),
    /// A template in `#[invalidates]` that is no cached function's: it deletes what nobody stores.
    NothingOfThisKey(Place, &'static str),
    /// A tag in `#[invalidates]` that the entries of no cached function carry.
    NothingOfThisTag(Place, &'static str),
    /// Two functions have one key, so that each is given what the other stored. `shares_key` on both says that this is meant.
    OneKey(Place, Place, &'static str),
    /// The codec can't read back what a function stores, so that it runs uncached; and which codec can.
    Unreadable(Place, String),
}

impl Catalog {
    /// What is probably a mistake; empty if nothing is. Meant for one line in an application's tests.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let not_invalidated = self.functions.iter().enumerate().filter(|(number, function)| {
            !function.ttl_only && !function.is_family && self.writes_of(*number).next().is_none()
        });
        let not_invalidated =
            not_invalidated.map(|(_, CachedFunction { place, .. })| Problem::NotInvalidated(*place));
        let nothing = self.writes.iter().flat_map(|write| {
            write.targets.iter().filter_map(|target| match target {
                Invalidated::Template(template, functions) if functions.is_empty() => {
                    Some(Problem::NothingOfThisKey(write.place, template))
                }
                Invalidated::Tag(tag, functions) if functions.is_empty() => {
                    Some(Problem::NothingOfThisTag(write.place, tag))
                }
                _ => None,
            })
        });
        let place = |function| CachedFunction::of(function).place;
        let same = templates::same(&self.linked).into_iter();
        let same = same.map(|(one, other)| Problem::OneKey(place(one), place(other), one.settings.template));
        let unreadable = self.linked.iter().filter_map(|function| {
            let (would, error) = linked::problem(function)?;
            Some(Problem::Unreadable(place(function), format!("would {would}: {error}")))
        });
        not_invalidated.chain(nothing).chain(same).chain(unreadable).collect()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::NotInvalidated(place) => write!(
                f,
                "nothing invalidates {place}: name it in `#[invalidates(…)]` above the functions that change what it gives, or \
                 write `ttl_only` if its TTL is enough"
            ),
            Problem::NothingOfThisKey(place, template) => write!(
                f,
                "{place} invalidates `{template}`, and no cached function has such a key: name the call of the function instead"
            ),
            Problem::NothingOfThisTag(place, tag) => write!(
                f,
                "{place} invalidates the tag `{tag}`, and no cached function gives it to its entries: write it into `tags(…)` of \
                 their `#[cached_aside(…)]`"
            ),
            Problem::OneKey(one, other, template) => write!(
                f,
                "{one} has the key `{template}`, which {other} has too: give one of them another `key`, or write `shares_key` on \
                 both if they share their entries on purpose"
            ),
            Problem::Unreadable(place, why) => write!(f, "{place} {why}"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { module, name, file, line } = self;
        write!(f, "`{module}::{name}` ({file}:{line})")
    }
}
