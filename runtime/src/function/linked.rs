//! The annotated functions that are linked into the program, known without a call of them.

use std::{collections::BTreeSet, fmt, sync::OnceLock, thread, time::Duration};

use crate::{
    fingerprint::{self, Cacheability, CodingKind, Uncacheable},
    function::{
        read::{ReadFunction, ReadSettings},
        registry, templates,
        write::WriteFunction,
    },
};

/// A cached function, where the linker put it.
#[derive(Debug)]
pub struct Linked(pub &'static ReadFunction);

inventory::collect!(Linked);

/// A writing function, where the linker put it.
#[derive(Debug)]
pub struct LinkedWrite(pub &'static WriteFunction);

inventory::collect!(LinkedWrite);

/// The writing functions of the program, sorted by module, name and place.
pub(crate) fn writes() -> Vec<&'static WriteFunction> {
    let mut writes: Vec<_> =
        inventory::iter::<LinkedWrite>.into_iter().map(|LinkedWrite(write)| *write).collect();
    writes.sort_unstable_by_key(|write| {
        let settings = &write.settings;
        (settings.module, settings.name, settings.file, settings.line)
    });
    writes
}

/// The cached functions of the program, sorted by module, name and place.
pub(crate) fn functions() -> Vec<&'static ReadFunction> {
    let mut functions: Vec<_> =
        inventory::iter::<Linked>.into_iter().map(|Linked(function)| *function).collect();
    functions.sort_unstable_by_key(|function| {
        let settings = &function.settings;
        (settings.module, settings.name, settings.file, settings.line)
    });
    functions
}

/// The paths that several of them have, such as functions of one name inside of different functions of a module.
pub(crate) fn ambiguous_paths() -> &'static BTreeSet<(&'static str, &'static str)> {
    static PATHS: OnceLock<BTreeSet<(&str, &str)>> = OnceLock::new();
    PATHS.get_or_init(|| {
        let path = |function: &ReadFunction| (function.settings.module, function.settings.name);
        let paths: Vec<_> = functions().into_iter().map(path).collect();
        paths.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect()
    })
}

/// Checks every cached function of the program for what would make it run uncached: a type that its codec can write and never
/// read back, such as `rust_decimal::Decimal` or `serde_json::Value` with the default codec. And for two functions with one key,
/// where the first is given what the second stored, unless both say `shares_key`. Meant for one line in a test:
///
/// ```standalone_crate
/// # use cached_aside::cached_aside;
/// #[cached_aside(ttl = "5m", key = "square:{n}")]
/// async fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// // #[test]
/// fn what_is_cached_can_be_read_back() {
///     cached_aside::check().unwrap();
/// }
/// # what_is_cached_can_be_read_back();
/// ```
///
/// It knows the functions that are linked into the program that calls it. In a test of the folder `tests/` that names nothing
/// of a library write `use my_library as _;`, or the library is not linked. A function whose value type depends on a type
/// parameter is checked at its first call only. A [`Cached`](crate::Cached) is checked from its first use in the process on, that of
/// its [`key`](crate::Cached::key) included: nothing says before that it exists. In such a test write `let _ = NAME.key(…);` for each.
/// A type with `version = only(…)` is never looked at: what its codec can't read back is found when the first value is stored.
///
/// [`Cache::install`](crate::Cache::install) looks for types that can't be read back as well, in a thread of its own, and logs what it
/// finds as an error. That two functions share a key is logged when both have been called.
///
/// # Errors
///
/// [`Uncached`], with one line for each function that would run uncached: what to change.
pub fn check() -> Result<(), Uncached> {
    let functions: Vec<_> = functions().into_iter().chain(registry::families()).collect();
    let mut problems: Vec<String> = functions.iter().copied().filter_map(described).collect();
    problems.extend(templates::same(&functions).into_iter().map(one_key));
    if problems.is_empty() { Ok(()) } else { Err(Uncached { problems }) }
}

fn one_key((function, other): (&ReadFunction, &ReadFunction)) -> String {
    let named = |function: &ReadFunction| {
        let ReadSettings { module, name, file, line, template, .. } = function.settings;
        format!("`{module}::{name}` ({file}:{line}) with the key `{template}`")
    };
    format!(
        "{} would be given what {} stored, or replace it: give one of them another `key`, or write `shares_key` on both",
        named(function),
        named(other)
    )
}

/// What becomes of a function whose type can't be read back, and why it can't.
pub(crate) fn problem(function: &'static ReadFunction) -> Option<(&'static str, Uncacheable)> {
    match unreadable(function) {
        (Some(error), _) => Some(("run uncached", error)),
        (None, Some(error)) => Some(("store no errors", error)),
        (None, None) => None,
    }
}

fn described(function: &'static ReadFunction) -> Option<String> {
    let (would, error) = problem(function)?;
    let ReadSettings { module, name, file, line, .. } = function.settings;
    Some(format!("`{module}::{name}` ({file}:{line}) would {would}: {error}"))
}

/// Why the function's values and its errors can't be read back, if they can't.
fn unreadable(function: &'static ReadFunction) -> (Option<Uncacheable>, Option<Uncacheable>) {
    let of = |kind: &Option<CodingKind>| settled(kind.as_ref()?)?.err();
    (of(&function.stored.values).or_else(|| function.refused()), of(&function.stored.errors))
}

/// What is known of a type. A large one is looked at by another thread, for a second at the most, which is waited for.
pub(crate) fn settled(kind: &CodingKind) -> Option<Cacheability> {
    for _ in 0..500 {
        match fingerprint::of(kind) {
            Err(error) if error.is_passing() => thread::sleep(Duration::from_millis(10)),
            verdict => return Some(verdict),
        }
    }
    None
}

/// Logs what [`check`] finds, without keeping anybody waiting: types are looked at as at their first call.
pub(crate) fn check_at_start() {
    let dispatch = tracing::dispatcher::get_default(Clone::clone);
    let look = move || {
        tracing::dispatcher::with_default(&dispatch, || {
            for function in functions() {
                let (values, errors) = unreadable(function);
                if let Some(error) = values {
                    function.warn_once_uncacheable(&error);
                }
                if let Some(error) = errors {
                    function.warn_once_errors_unreadable(&error);
                }
            }
        });
    };
    // Without a thread the same is found at the first calls.
    let _ = thread::Builder::new().name("cached-aside-check".to_owned()).spawn(look);
}

/// Cached functions that would run uncached, or share a key with another, found by [`check`].
#[derive(Clone, PartialEq, Eq)]
pub struct Uncached {
    problems: Vec<String>,
}

impl Uncached {
    /// One line for each function.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for Uncached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

/// As [`Display`](fmt::Display): it is what a failed test shows.
impl fmt::Debug for Uncached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Uncached {}
