//! An order after which a read gives an old value, and why.

use std::{collections::BTreeSet, fmt};

use super::run::{Event, READER, WRITER};
use crate::{Observed, Source};

/// A read that gave an old value after the write had returned, and the order of the steps that led there.
///
/// It is displayed as a timeline, with the cause and what to write as the last lines.
#[derive(Debug, Clone)]
pub struct OldRead {
    cause: Cause,
    given: String,
    right: String,
    is_warm: bool,
    log: Vec<Event>,
}

/// Why a read gave an old value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The write invalidates nothing: its `#[invalidates(…)]` is missing.
    NotInvalidated {
        /// The cached function.
        function: String,
        /// The key of its entry.
        key: String,
    },
    /// The write invalidates other keys than the one under which the old value stands.
    OtherKey {
        /// The cached function.
        function: String,
        /// The key of its entry.
        key: String,
        /// The keys and tags that the write invalidates.
        invalidated: Vec<String>,
    },
    /// The origin gave the old value after the write had invalidated the entry, or after it had returned: the commit is late.
    Late {
        /// The keys and tags that the write had invalidated when it returned.
        invalidated: Vec<String>,
    },
    /// A cache by hand: the value was stored after the write had deleted the key, or the write deletes nothing.
    ByHand,
}

/// Whether the read has sent a command.
pub(super) fn asks_the_cache(log: &[Event]) -> bool {
    log.iter().any(|event| matches!(event, Event::Effect { task: Some(READER), .. }))
}

impl OldRead {
    pub(super) fn new(
        cause: Cause,
        (given, right): (String, String),
        is_warm: bool,
        log: Vec<Event>,
    ) -> OldRead {
        OldRead { cause, given, right, is_warm, log }
    }

    /// Why it is old.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.cause
    }
}

/// The keys of a task's commands that are among these.
fn keys(log: &[Event], of: usize, verbs: &[&str]) -> BTreeSet<String> {
    let of_event = |event: &Event| match event {
        Event::Effect { task, verb, keys, .. } if *task == Some(of) && verbs.contains(verb) => keys.clone(),
        _ => Vec::new(),
    };
    log.iter().flat_map(of_event).collect()
}

/// Why a read gave an old value: what was observed of it, and whether the old value was gone once the spawned tasks were over.
pub(super) fn cause(log: &[Event], calls: &Observed, is_gone: bool) -> Cause {
    let is_by_hand = |event: &Event| matches!(event, Event::Effect { verb: "GET", .. });
    if log.iter().any(is_by_hand) && calls.calls().is_empty() {
        return Cause::ByHand;
    }
    let invalidated = keys(log, WRITER, &["guard", "release", "remove"]);
    let looked_up = keys(log, READER, &["read", "read first", "read_timed", "carry"]);
    let is_covered = |key: &str| {
        let tags = looked_up.iter().filter(|key| key.starts_with('#'));
        invalidated.contains(key) || tags.into_iter().any(|tag| invalidated.contains(tag))
    };
    let is_stored = |source| matches!(source, Source::Local | Source::Hit | Source::Stale | Source::Shared);
    let stored = calls.calls().iter().filter(|call| is_stored(call.source));
    let Some(call) = stored.into_iter().find(|call| !is_gone && !is_covered(&call.key)) else {
        return Cause::Late { invalidated: invalidated.into_iter().collect() };
    };
    let (function, key) = (call.function.to_owned(), call.key.clone());
    if invalidated.is_empty() {
        Cause::NotInvalidated { function, key }
    } else {
        Cause::OtherKey { function, key, invalidated: invalidated.into_iter().collect() }
    }
}

impl fmt::Display for OldRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OldRead { cause, given, right, is_warm, log } = self;
        writeln!(f, "after the write has returned, the read gives an old value: {given}")?;
        writeln!(f, "without the cache it gives: {right}\n")?;
        let start = if *is_warm { "a read has stored the entry before" } else { "the cache is empty" };
        writeln!(f, "{:>4}  {start}", 0)?;
        for (number, event) in log.iter().enumerate() {
            writeln!(f, "{:>4}  {event}", number + 1)?;
        }
        writeln!(f, "{:>4}  a read after both gives {given}\n", log.len() + 1)?;
        write!(f, "{cause}")
    }
}

impl std::error::Error for OldRead {}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |keys: &[String]| {
            let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
            keys.join(", ")
        };
        match self {
            Cause::NotInvalidated { function, key } => write!(
                f,
                "the write invalidates nothing, and `{function}` has its value under `{key}`: write `#[invalidates({function}(…))]` above the \
                 function that writes"
            ),
            Cause::OtherKey { function, key, invalidated } => write!(
                f,
                "the write invalidates {}, and `{function}` has its value under `{key}`: name that entry in `#[invalidates({function}(…))]`, \
                 with the arguments of the read",
                list(invalidated)
            ),
            Cause::Late { invalidated } if invalidated.is_empty() => f.write_str(
                "the write has returned before the origin had the new value: the commit is late. Wait for it, before the write returns",
            ),
            Cause::Late { invalidated } => write!(
                f,
                "the write has invalidated {}, and the origin gave the old value after that: the commit is late. Commit before the \
                 function returns, or put `transaction(…)` around it and its commit",
                list(invalidated)
            ),
            Cause::ByHand => f.write_str(
                "a cache by hand: nothing keeps a read from storing what it has read before the write, after the write has deleted the key",
            ),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |task| match task {
            Some(READER) => "the read",
            Some(_) => "the write",
            None => "the cache",
        };
        match self {
            Event::Went { task, how, gave: None } => write!(f, "{:9} {how}", name(Some(*task))),
            Event::Went { task: READER, how, gave: Some(gave) } => {
                write!(f, "{:9} {how}, and gives {gave}", name(Some(READER)))
            }
            Event::Went { task, how, .. } => write!(f, "{:9} {how}, and returns", name(Some(*task))),
            Event::Effect { task, verb, keys, found } => {
                let does = match *verb {
                    "read" | "read first" | "read_timed" => "looks up",
                    "acquire" => "asks for the lease of",
                    "fill" => "stores",
                    "guard" => "guards",
                    "release" => "releases",
                    "remove" => "deletes",
                    "carry" => "asks for the version of",
                    other => other,
                };
                write!(f, "{:9} {does} {}: {found}", name(*task), keys.join(", "))
            }
        }
    }
}
