//! What a type's `Deserialize` reveals of its structure.

use std::{collections::HashMap, fmt, time::Instant};

/// What a type's `Deserialize` revealed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Structure {
    /// One line a place: path and what was asked for there.
    pub(crate) text: String,
    /// What asked the format what comes next.
    pub(crate) asks_the_format: Option<String>,
    /// How many fields each struct has.
    pub(crate) counts: FieldCounts,
    /// Why there may be more than was revealed.
    pub(crate) incomplete: Option<Incomplete>,
    /// It would have taken more than was to be spent.
    pub(crate) gave_up: bool,
}

/// Why a structure is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Incomplete {
    AsksTheFormat,
    Refuses,
    Panics,
    TooLarge,
    Aborts,
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Incomplete::AsksTheFormat => {
                "a type in it asks the format what comes next (`flatten`, `tag`, `untagged`)"
            }
            Incomplete::Refuses => "a `Deserialize` in it accepts none of the samples that it was given",
            Incomplete::Panics => "a `Deserialize` in it panics at a sample",
            Incomplete::TooLarge => "it has too many types and variants, or a `Deserialize` in it is slow",
            Incomplete::Aborts => "with `panic = \"abort\"` no `Deserialize` is run with samples",
        })
    }
}

/// How many fields the structs and variants with named fields have; the lists of names that serde gives have aliases in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldCounts(HashMap<(&'static str, &'static [&'static str]), usize>);

impl FieldCounts {
    pub(super) fn note(&mut self, name: &'static str, fields: &'static [&'static str], count: usize) {
        let known = self.0.entry((name, fields)).or_default();
        *known = count.max(*known);
    }

    /// `None` for what the trace did not reach.
    pub(crate) fn of(&self, name: &'static str, fields: &'static [&'static str]) -> Option<usize> {
        self.0.get(&(name, fields)).copied()
    }
}

/// What one trace may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Maximum number of questions that are answered. The same in all processes of one build, so that they agree.
    pub(crate) questions: usize,
    /// When a `Deserialize` that is slow by itself is given up.
    pub(crate) until: Instant,
}
