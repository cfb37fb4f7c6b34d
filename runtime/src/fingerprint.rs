//! A number for the structure of a type, so that no entry is read as another type than it was written as.
//!
//! Positional codecs read the bytes of one type as another without noticing: two swapped fields of the same type, an
//! inserted enum variant. So every value carries 64 bits of XXH3 over: the codec's name, the type's name, the
//! attribute's `version`, and the structure that `Deserialize` reveals when it is run against [`Tracer`], a deserializer
//! that answers every question with a sample and writes the questions down.
//!
//! What it notices: names and order of fields, names and order of enum variants, the types of all leaves, at every depth, also
//! through generics and foreign types, and whether the type asks the format what comes next (`deserialize_any`), which
//! positional codecs can't answer. What it does not notice: a changed meaning (raise `version`), and what lies behind a leaf
//! whose own `Deserialize` refuses all samples (the names around it are still in).

use std::{
    collections::HashMap,
    sync::{Mutex, OnceLock, PoisonError},
};

use typeid::ConstTypeId;
use xxhash_rust::xxh3::xxh3_64;

pub(crate) use self::tracer::trace;
use crate::codec::CodingKind;

mod tracer;

/// What is known of a type with a codec, or why it can't be cached.
pub(crate) type Verdict = Result<Known, Uncacheable>;

/// What is known of a type with a codec.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub(crate) fingerprint: u64,
    /// Worked out once for each type and never forgotten.
    pub(crate) counts: &'static FieldCounts,
}

/// Why a function's values can't be cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Uncacheable {
    /// The codec can write this type but never read it back.
    #[error(
        "the codec `{codec}` can write `{type_name}` but never read it back, because the type asks the format what comes next \
         (`#[serde(flatten)]`, `untagged`, `tag = …`, `serde_json::Value`, `rust_decimal`'s default); \
         take `codec = Json` or `codec = MessagePack`, or `#[serde(with = …)]` on the field"
    )]
    NotReadable { codec: &'static str, type_name: &'static str },
    /// A type parameter turned out to be a `Result` or an `Option`: an `Err` would be stored, a `None` with the wrong TTL.
    #[error(
        "a type parameter hides that the function returns `{type_name}`; \
         write the `Result` or `Option` in the signature, around the parameter"
    )]
    HiddenOutcome { type_name: &'static str },
}

/// How many fields the structs and variants with named fields have; the lists of names that serde gives have aliases in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldCounts(HashMap<(&'static str, &'static [&'static str]), usize>);

impl FieldCounts {
    fn note(&mut self, name: &'static str, fields: &'static [&'static str], count: usize) {
        let known = self.0.entry((name, fields)).or_default();
        *known = count.max(*known);
    }

    /// `None` for what the trace did not reach.
    pub(crate) fn of(&self, name: &'static str, fields: &'static [&'static str]) -> Option<usize> {
        self.0.get(&(name, fields)).copied()
    }
}

/// Remembers the fingerprint of the one type that a function has, or of the first of a generic function's.
#[derive(Debug, Default)]
pub(crate) struct FingerprintCell(OnceLock<(ConstTypeId, Verdict)>);

impl FingerprintCell {
    pub(crate) const fn new() -> Self {
        FingerprintCell(OnceLock::new())
    }

    /// What is known of the function's type. `shape` is its return type's, see [`crate::outcome`].
    pub(crate) fn get(&self, kind: &CodingKind, shape: u8) -> Verdict {
        let judge = || of(kind).and_then(|known| is_open((kind.type_name)(), shape).map(|()| known));
        let (type_id, verdict) = self.0.get_or_init(|| (kind.type_id, judge()));
        if *type_id == kind.type_id { *verdict } else { judge() }
    }
}

/// The shape is found where the function is compiled. Where its return type is a type parameter (`T`, `F::Output`), that is
/// before anybody knows what the parameter is. The names of the standard library's types are the only way to tell then.
fn is_open(type_name: &'static str, shape: u8) -> Result<(), Uncacheable> {
    let hidden = match shape {
        0 => type_name.starts_with("core::result::Result<") || type_name.starts_with("core::option::Option<"),
        2 => type_name.starts_with("core::option::Option<"),
        _ => false,
    };
    if hidden { Err(Uncacheable::HiddenOutcome { type_name }) } else { Ok(()) }
}

/// The fingerprint, worked out at the first call for each type, codec and version.
pub(crate) fn of(kind: &CodingKind) -> Verdict {
    type Known = HashMap<(ConstTypeId, &'static str, u32), Verdict>;
    static KNOWN: OnceLock<Mutex<Known>> = OnceLock::new();
    let known = KNOWN.get_or_init(Mutex::default);
    let key = (kind.type_id, kind.codec, kind.version);
    if let Some(verdict) = known.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return *verdict;
    }
    let verdict = work_out(kind);
    known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, verdict);
    verdict
}

fn work_out(kind: &CodingKind) -> Verdict {
    let type_name = (kind.type_name)();
    let structure = (kind.structure)();
    if structure.asks_the_format && !kind.self_describing {
        return Err(Uncacheable::NotReadable { codec: kind.codec, type_name });
    }
    let text = format!("{}\n{type_name}\n{}\n{}", kind.codec, kind.version, structure.text);
    Ok(Known { fingerprint: xxh3_64(text.as_bytes()), counts: Box::leak(Box::new(structure.counts)) })
}

/// What a type's `Deserialize` revealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Structure {
    /// One line a place: path and what was asked for there.
    pub(crate) text: String,
    /// Something asked the format what comes next.
    pub(crate) asks_the_format: bool,
    /// How many fields each struct has.
    pub(crate) counts: FieldCounts,
}

#[cfg(test)]
mod tests;
