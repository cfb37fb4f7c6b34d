//! What is wrong with a catalog.

use std::{fmt, time::Duration};

use super::{
    contents::{CachedFunction, Catalog, Invalidated, Place},
    shared_keys,
};
use crate::function::{linked, read::ReadFunction, templates};

/// Something in the [catalog](super::Catalog) that is probably a mistake. As text it says what to change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// No write and no [`keys![…]`](crate::keys!) names the entries of a cached function: they are corrected by their TTL alone. `ttl_only`
    /// says that this is meant.
    NotInvalidated(Place),
    /// A template in `#[invalidates]` that is no cached function's: it deletes what nobody stores.
    NothingOfThisKey(Place, &'static str),
    /// A tag in `#[invalidates]` that the entries of no cached function carry.
    NothingOfThisTag(Place, &'static str),
    /// Two functions have one key, so that each is given what the other stored. `shares_key` on both says that this is meant.
    OneKey(Place, Place, &'static str),
    /// Two functions with different templates can have one key, as `user:{name}` and `user:recent` can: by the templates alone, and as far as
    /// their placeholders are not known to be integers. `shares_key` on both says that this is meant, or can't happen.
    KeysCoincide((Place, &'static str), (Place, &'static str)),
    /// The loads of a function take longer than its entries live. Known of a catalog with what was [measured](Catalog::measured).
    OutlivedByLoads {
        /// The function.
        place: Place,
        /// How long its entries live.
        ttl: Duration,
        /// How many loads were measured.
        loads: u64,
        /// How long one took, on average.
        load_time: Duration,
    },
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
        let place = |function: &ReadFunction| CachedFunction::of(function).place;
        let same = templates::same(&self.linked).into_iter();
        let same = same.map(|(one, other)| Problem::OneKey(place(one), place(other), one.settings.template));
        let coincide = shared_keys::that_can_coincide(&self.linked).into_iter().map(|(one, other)| {
            let with_key = |function: &ReadFunction| (place(function), function.settings.template);
            Problem::KeysCoincide(with_key(one), with_key(other))
        });
        let slow = self.loads.iter().filter_map(|(number, loads)| {
            let CachedFunction { place, ttl, .. } = self.functions[*number];
            let of = Problem::OutlivedByLoads { place, ttl, loads: loads.count, load_time: loads.time };
            (loads.time >= ttl).then_some(of)
        });
        let unreadable = self.linked.iter().filter_map(|function| {
            let (would, error) = linked::problem(function)?;
            Some(Problem::Unreadable(place(function), format!("would {would}: {error}")))
        });
        not_invalidated.chain(nothing).chain(same).chain(coincide).chain(slow).chain(unreadable).collect()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::NotInvalidated(place) => write!(
                f,
                "nothing invalidates {place}: name it in `#[invalidates(…)]` above the functions that change what it gives, or in \
                 `keys![…]` where it is invalidated by hand, or write `ttl_only` if its TTL is enough"
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
            Problem::KeysCoincide((one, template), (other, of_other)) => write!(
                f,
                "{one} has the key `{template}`, which can be one of {other} by its key `{of_other}`: give one of them another \
                 `key`, such as one that begins with another word, or write `shares_key` on both if this is meant or can't happen"
            ),
            Problem::OutlivedByLoads { place, ttl, loads, load_time } => write!(
                f,
                "{place} has a `ttl` of {ttl:?}, and its loads take {load_time:?} ({loads} measured): its entries are over before the \
                 next one could be loaded; give it a longer `ttl`, or a `stale_while_revalidate`"
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
