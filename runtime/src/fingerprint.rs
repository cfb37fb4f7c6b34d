//! A number for the structure of a type, so that no entry is read as another type than it was written as.
//!
//! Positional codecs read the bytes of one type as another without noticing: two swapped fields of the same type, an
//! inserted enum variant. So every value carries 64 bits of XXH3 over: the codec's name, the type's name, the
//! attribute's `version`, and the structure that `Deserialize` reveals when it is run against [`tracer`], a deserializer
//! that answers every question with a sample and writes the questions down.
//!
//! Compared are names and order of fields, names and order of enum variants, and the types of all leaves, at every depth,
//! also through generics and foreign types. A changed meaning is not noticed (raise `version`).
//!
//! Not every structure can be seen whole: what asks the format (`flatten`, `tag`, `untagged`), what refuses or panics at
//! every sample, what is too large. Then the build of the program stands in the structure's place, so that only processes
//! of the same build read each other's entries; `version = only(…)` puts nothing in its place. A process in which a panic aborts runs
//! no `Deserialize` with samples, and is such a case for all types.
//!
//! Small types are seen through at once. Others are left to a thread, and until it is done their functions run uncached.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use crate::{codec::option_of, lock::Mutex};

use typeid::ConstTypeId;
use xxhash_rust::xxh3::xxh3_64;

use self::structure::{Effort, FieldCounts, Incomplete, Structure};
mod build;
pub(crate) mod structure;
pub(crate) mod trace;
mod tracer;

/// The part of a coding that does not depend on the type's own functions.
#[derive(Clone, Copy)]
pub(crate) struct CodingKind {
    pub(crate) type_id: ConstTypeId,
    pub(crate) type_name: fn() -> &'static str,
    pub(crate) structure: fn(Effort) -> Structure,
    pub(crate) codec: &'static str,
    pub(crate) self_describing: bool,
    pub(crate) version: u32,
    /// The version stands for the structure.
    pub(crate) by_version: bool,
}

impl std::fmt::Debug for CodingKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CodingKind")
            .field("type", &(self.type_name)())
            .field("codec", &self.codec)
            .finish_non_exhaustive()
    }
}

/// What is known of a type with a codec, or why it can't be cached.
pub(crate) type Cacheability = Result<TypeInfo, Uncacheable>;

/// What is known of a type with a codec.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TypeInfo {
    pub(crate) fingerprint: u64,
    /// Worked out once for each type and never forgotten.
    pub(crate) counts: &'static FieldCounts,
    /// Why entries count for one build of the program only, if so.
    pub(crate) one_build: Option<Incomplete>,
}

/// Why a function's values can't be cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Uncacheable {
    /// The codec can write this type but never read it back.
    #[error(
        "the codec `{}` can write `{type_name}` but never read it back, because {part} asks the format what comes next \
         (`#[serde(flatten)]`, `untagged`, `tag = …`, `serde_json::Value`, `rust_decimal`'s default); \
         take `codec = Json` or `codec = MessagePack`, or `#[serde(with = …)]` on the field",
        option_of(codec)
    )]
    NotReadable {
        codec: &'static str,
        type_name: &'static str,
        /// What of the type: a field, where it has a name.
        part: &'static str,
    },
    /// A type parameter turned out to be a `Result` or an `Option`: an `Err` would be stored, a `None` with the wrong TTL.
    #[error(
        "a type parameter hides that the function returns `{type_name}`; \
         write the `Result` or `Option` in the signature, around the parameter"
    )]
    HiddenOutcome { type_name: &'static str },
    /// The type is large, and its structure is still being found out.
    #[error("the structure of `{type_name}` is being found out")]
    NotYetKnown { type_name: &'static str },
}

impl Uncacheable {
    /// Whether it will be over.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Uncacheable::NotYetKnown { .. })
    }
}

/// Remembers the fingerprint of the one type that a function has, or of the first of a generic function's.
#[derive(Debug, Default)]
pub(crate) struct FingerprintCell(OnceLock<(ConstTypeId, Cacheability)>);

impl FingerprintCell {
    pub(crate) const fn new() -> Self {
        FingerprintCell(OnceLock::new())
    }

    /// What is known of the function's type. `shape` is its return type's, see [`crate::outcome`].
    /// `say` is told once if entries count for one build only.
    pub(crate) fn get(&self, kind: &CodingKind, shape: u8, say: impl FnOnce(Incomplete)) -> Cacheability {
        match self.0.get() {
            Some((type_id, verdict)) if *type_id == kind.type_id => *verdict,
            _ => self.judge(kind, shape, say),
        }
    }

    /// Why the first type that it had can't be cached, if it can't: all that is known of a generic function.
    pub(crate) fn refused(&self) -> Option<Uncacheable> {
        self.0.get().and_then(|(_, verdict)| verdict.err())
    }

    /// The same for a caller that does not know the shape of the function's return type.
    pub(crate) fn of_any_shape(&self, kind: &CodingKind) -> Cacheability {
        match self.0.get() {
            Some((type_id, verdict)) if *type_id == kind.type_id => *verdict,
            _ => of(kind).and_then(|known| is_open((kind.type_name)(), 0).map(|()| known)),
        }
    }

    #[cold]
    fn judge(&self, kind: &CodingKind, shape: u8, say: impl FnOnce(Incomplete)) -> Cacheability {
        let verdict = of(kind).and_then(|known| is_open((kind.type_name)(), shape).map(|()| known));
        if !verdict.is_err_and(|error| error.is_passing()) {
            // A generic function has one cell, which its first type has.
            let first = self.0.set((kind.type_id, verdict)).is_ok();
            if let Ok(TypeInfo { one_build: Some(why), .. }) = verdict
                && first
            {
                say(why);
            }
        }
        verdict
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

/// What the first caller of a type spends on its structure. Nearly every type is done by then.
const AT_ONCE: (usize, Duration) = (5_000, Duration::from_millis(20));
/// What a thread spends on it: 20 ms of questions, and longer only where a `Deserialize` takes its time.
const ON_A_THREAD: (usize, Duration) = (100_000, Duration::from_secs(1));

type Verdicts = HashMap<(ConstTypeId, &'static str, u32, bool), Cacheability>;

fn verdicts() -> &'static Mutex<Verdicts> {
    static VERDICTS: OnceLock<Mutex<Verdicts>> = OnceLock::new();
    VERDICTS.get_or_init(Mutex::default)
}

/// The fingerprint, worked out at the first call for each type, codec and version.
pub(crate) fn of(kind: &CodingKind) -> Cacheability {
    let key = (kind.type_id, kind.codec, kind.version, kind.by_version);
    if let Some(verdict) = verdicts().lock().get(&key) {
        return *verdict;
    }
    let structure = structure(kind, AT_ONCE, PANICS_ABORT);
    let verdict = if structure.gave_up { None } else { judge(kind, structure, build::quick_id) };
    let verdict = verdict.unwrap_or(Err(Uncacheable::NotYetKnown { type_name: (kind.type_name)() }));
    match verdicts().lock().entry(key) {
        Entry::Occupied(of_another_caller) => return *of_another_caller.get(),
        Entry::Vacant(place) => place.insert(verdict),
    };
    if verdict.is_err_and(|error| error.is_passing()) {
        let kind = *kind;
        let set = move || {
            let verdict =
                judge(&kind, self::structure(&kind, ON_A_THREAD, PANICS_ABORT), || Some(build::id()));
            let mut verdicts = verdicts().lock();
            verdict.map(|verdict| verdicts.insert(key, verdict));
        };
        if thread::Builder::new().name("cached-aside-types".to_owned()).spawn(set).is_err() {
            // The next call tries again.
            verdicts().lock().remove(&key);
        }
    }
    verdict
}

/// Nothing can be caught then: a `Deserialize` that panics at a sample would end the process.
const PANICS_ABORT: bool = cfg!(panic = "abort");

fn structure(kind: &CodingKind, (questions, time): (usize, Duration), panics_abort: bool) -> Structure {
    if kind.by_version {
        return Structure::default();
    }
    if panics_abort {
        return Structure { incomplete: Some(Incomplete::Aborts), ..Structure::default() };
    }
    (kind.structure)(Effort { questions, until: Instant::now() + time })
}

/// What follows from a structure; `None` if that takes the build, and it is not known.
fn judge(
    kind: &CodingKind,
    structure: Structure,
    build: impl FnOnce() -> Option<u64>,
) -> Option<Cacheability> {
    let type_name = (kind.type_name)();
    if let Some(part) = &structure.asks_the_format
        && !kind.self_describing
    {
        // Once for each type, as the counts below.
        let part = Box::leak(part.as_str().into());
        return Some(Err(Uncacheable::NotReadable { codec: kind.codec, type_name, part }));
    }
    let seen = match structure.incomplete {
        None => structure.text,
        Some(_) => format!("build {:016x}", build()?),
    };
    let text = format!("{}\n{type_name}\n{}\n{seen}", kind.codec, kind.version);
    Some(Ok(TypeInfo {
        fingerprint: xxh3_64(text.as_bytes()),
        counts: Box::leak(Box::new(structure.counts)),
        one_build: structure.incomplete,
    }))
}

#[cfg(test)]
mod tests;
