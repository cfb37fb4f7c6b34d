//! What is in a catalog.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    Stats,
    function::{
        linked,
        read::{ReadFunction, TagName},
        registry, templates,
        write::{Guard, Target, WriteFunction},
    },
};

/// The annotated functions of the program, called or not:
///
/// ```standalone_crate
/// # use cached_aside::{cached_aside, invalidates};
/// #[cached_aside(ttl = "5m", key = "square:{n}")]
/// async fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// #[invalidates(square(n))]
/// async fn forget(n: u64) {}
///
/// // #[test]
/// fn the_catalog_has_no_problems() {
///     assert_eq!(cached_aside::catalog().problems(), []);
/// }
/// # the_catalog_has_no_problems();
/// ```
///
/// It knows what is linked into the program that calls it. In a test of the folder `tests/` that names nothing of a library write
/// `use my_library as _;`, or the library is not linked. A [`Cached`](crate::Cached) is in it from its first use on, that of its
/// key included. Of what is invalidated by hand it knows each [`keys![…]`](crate::keys!), run or not, and no
/// [`Key`](crate::Key) that is made otherwise.
#[must_use]
pub fn catalog() -> Catalog {
    let functions: Vec<_> = linked::functions().into_iter().chain(registry::families()).collect();
    Catalog::of(&functions, &linked::writes())
}

/// See [`catalog()`].
#[derive(Debug, Clone)]
pub struct Catalog {
    pub(super) functions: Vec<CachedFunction>,
    pub(super) writes: Vec<Write>,
    /// What stands behind the functions, in their order.
    pub(super) linked: Vec<&'static ReadFunction>,
    /// What was measured of them, by their numbers.
    pub(super) loads: BTreeMap<usize, Loads>,
}

/// What was measured of a function's loads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loads {
    pub(super) count: u64,
    /// How long one takes, on average.
    pub(super) time: Duration,
}

/// Where a function stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Place {
    /// The module's path, from the crate's name on.
    pub module: &'static str,
    /// The function's name; behind that of its type, if it is a method.
    pub name: &'static str,
    /// The source file, as the compiler was given it.
    pub file: &'static str,
    /// The line of the attribute.
    pub line: u32,
}

/// A function with `#[cached_aside]`, or a [`Cached`](crate::Cached).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CachedFunction {
    /// Where it stands.
    pub place: Place,
    /// The template of its keys; the name with which they begin, of a [`Cached`](crate::Cached).
    pub template: &'static str,
    /// Whether it is a [`Cached`](crate::Cached). The catalog does not know who invalidates it.
    pub is_family: bool,
    /// The tags of its entries: templates, and the names of those that are declared.
    pub tags: Vec<&'static str>,
    /// How long its entries live.
    pub ttl: Duration,
    /// How long `None` is stored, if it is.
    pub none_ttl: Option<Duration>,
    /// How long errors are stored, if they are.
    pub error_ttl: Option<Duration>,
    /// How long past its TTL a value may be given while one caller reloads it; zero without such a window.
    pub stale_while_revalidate: Duration,
    /// How long past its TTL a value may be given if its reload fails; zero without such a window.
    pub stale_if_error: Duration,
    /// Nothing invalidates it on purpose: `ttl_only`.
    pub ttl_only: bool,
    /// The name of its codec. Like the two below it is not known of a function whose value type depends on a type parameter.
    pub codec: Option<&'static str>,
    /// The type of its values, as the compiler spells it.
    pub value_type: Option<&'static str>,
    /// The fingerprint that its entries carry in this build of the program; none where its values can't be cached.
    pub fingerprint: Option<u64>,
}

/// A function with `#[invalidates]` or `#[updates]`, or a [`keys![…]`](crate::keys!) in any function.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Write {
    /// Where it stands. That of a `keys![…]` is where that stands, with the name of the function around it as far as the source
    /// shows it, else `keys!`.
    pub place: Place,
    /// Whether it is a `keys![…]`, whose keys are invalidated by hand.
    pub by_hand: bool,
    /// What it invalidates or updates.
    pub targets: Vec<Invalidated>,
    /// Whether it is refused where its keys can't be guarded.
    pub guard_required: bool,
    /// Whether it writes inside a transaction that somebody else commits.
    pub in_transaction: bool,
}

/// What a write names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalidated {
    /// The entries of a cached function: its number in [`Catalog::functions`].
    Function(usize),
    /// Keys by their template, and the functions whose keys they can be.
    Template(&'static str, Vec<usize>),
    /// Every entry that carries a tag, by its template or the name under which it is declared, and the functions whose entries can
    /// carry it.
    Tag(&'static str, Vec<usize>),
    /// What the catalog can't resolve, as it is written: `USER.key(id)`, or a method of a type that it does not know.
    Other(&'static str),
}

impl Place {
    fn new(module: &'static str, name: &'static str, file: &'static str, line: u32) -> Place {
        Place { module, name, file, line }
    }

    /// The name with the module's path.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}::{}", self.module, self.name)
    }
}

impl Catalog {
    pub(super) fn of(functions: &[&'static ReadFunction], writes: &[&'static WriteFunction]) -> Catalog {
        let linked = functions.to_vec();
        let writes = writes.iter().map(|write| Write::of(write, &linked)).collect();
        let functions = functions.iter().map(|function| CachedFunction::of(function)).collect();
        Catalog { functions, writes, linked, loads: BTreeMap::new() }
    }

    /// With what a cache has measured in this process, for [`problems`](Catalog::problems): functions whose loads take longer than
    /// their entries live.
    ///
    /// ```
    /// # use cached_aside::{Cache, catalog};
    /// # fn example(cache: &Cache) {
    /// for problem in catalog().measured(&cache.stats()).problems() {
    ///     println!("{problem}");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn measured(mut self, stats: &Stats) -> Catalog {
        let loads = self.functions.iter().enumerate().filter_map(|(number, function)| {
            let counts = stats.functions.get(&self.name_in_stats(function))?;
            let time = Duration::from_micros(counts.load_us.checked_div(counts.loads)?);
            Some((number, Loads { count: counts.loads, time }))
        });
        self.loads = loads.collect();
        self
    }

    /// Of several functions with one path, one is not told from the others by that.
    fn name_in_stats(&self, function: &CachedFunction) -> String {
        let Place { file, line, .. } = function.place;
        let path = function.place.path();
        let is_only_one = self.functions.iter().filter(|other| other.place.path() == path).nth(1).is_none();
        if is_only_one { path } else { format!("{path} ({file}:{line})") }
    }

    /// The cached functions, sorted by module, name and place.
    #[must_use]
    pub fn functions(&self) -> &[CachedFunction] {
        &self.functions
    }

    /// The writes, sorted by module, name and place.
    #[must_use]
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// The writes that name this function's entries, by its number in [`functions`](Catalog::functions).
    pub fn writes_of(&self, function: usize) -> impl Iterator<Item = &Write> {
        self.writes.iter().filter(move |write| write.targets.iter().any(|target| target.is_of(function)))
    }
}

impl CachedFunction {
    pub(super) fn of(function: &ReadFunction) -> CachedFunction {
        let (settings, values) = (&function.settings, function.stored.values.as_ref());
        CachedFunction {
            place: Place::new(settings.module, settings.name, settings.file, settings.line),
            template: settings.template,
            is_family: registry::is_family(function),
            tags: settings
                .tags
                .iter()
                .map(|(TagName::Template(name) | TagName::Declared(name))| *name)
                .collect(),
            ttl: settings.ttl,
            none_ttl: settings.none_ttl,
            error_ttl: settings.error_ttl,
            stale_while_revalidate: settings.staleness.while_revalidate,
            stale_if_error: settings.staleness.if_error,
            ttl_only: settings.ttl_only,
            codec: values.map(|kind| kind.codec),
            value_type: values.map(|kind| (kind.type_name)()),
            fingerprint: values.and_then(|kind| Some(linked::settled(kind)?.ok()?.fingerprint)),
        }
    }
}

impl Write {
    fn of(write: &WriteFunction, functions: &[&'static ReadFunction]) -> Write {
        let settings = &write.settings;
        let targets = settings.targets.iter().flat_map(|target| Invalidated::of(*target, write, functions));
        Write {
            place: Place::new(settings.module, settings.name, settings.file, settings.line),
            by_hand: settings.is_by_hand,
            targets: targets.collect(),
            guard_required: settings.guard == Guard::Required,
            in_transaction: settings.in_transaction_only,
        }
    }
}

impl Invalidated {
    fn of(target: Target, write: &WriteFunction, functions: &[&'static ReadFunction]) -> Vec<Invalidated> {
        match target {
            Target::Function(function) => {
                let function = function();
                let number = functions.iter().position(|other| std::ptr::eq(*other, function));
                // One that is cached inside of a function that is never linked has no number.
                vec![number.map_or(Invalidated::Other(function.settings.name), Invalidated::Function)]
            }
            Target::Template(template) => {
                let can_be = |function: &&ReadFunction| {
                    if registry::is_family(function) {
                        templates::can_be_of_family(function.settings.template, template)
                    } else {
                        templates::can_be(&function.settings, template)
                    }
                };
                let numbers = (0..functions.len()).filter(|number| can_be(&functions[*number])).collect();
                vec![Invalidated::Template(template, numbers)]
            }
            Target::Method(written) => {
                let found = methods(written, write.settings.module, functions);
                if found.is_empty() {
                    return vec![Invalidated::Other(written)];
                }
                found.into_iter().map(Invalidated::Function).collect()
            }
            Target::Tag(tag) => {
                let carries = |function: &&ReadFunction| {
                    function.settings.tags.iter().any(|carried| can_be_one(*carried, tag))
                };
                let numbers = (0..functions.len()).filter(|number| carries(&functions[*number])).collect();
                let (TagName::Template(name) | TagName::Declared(name)) = tag;
                vec![Invalidated::Tag(name, numbers)]
            }
            Target::Other(written) => vec![Invalidated::Other(written)],
        }
    }

    /// Whether these are, or can be, entries of this function.
    #[must_use]
    pub fn is_of(&self, function: usize) -> bool {
        match self {
            Invalidated::Function(number) => *number == function,
            Invalidated::Template(_, numbers) | Invalidated::Tag(_, numbers) => numbers.contains(&function),
            Invalidated::Other(_) => false,
        }
    }
}

/// Whether two tags can have one text, as far as it is known: the declaration of a function is not.
fn can_be_one(one: TagName, other: TagName) -> bool {
    match (one, other) {
        (TagName::Template(one), TagName::Template(other)) => templates::coincide(one, other),
        _ => one == other,
    }
}

/// The cached methods that are meant by `Repo::load` or, of an expression, by `load`: those of the write's own module, if there are any.
fn methods(written: &str, module: &str, functions: &[&'static ReadFunction]) -> Vec<usize> {
    let mut parts = written.rsplit("::");
    let (method, of) = (parts.next().unwrap_or_default(), parts.next().map(without_generics));
    let is_meant = |function: &&ReadFunction| {
        let Some((owner, name)) = function.settings.name.rsplit_once("::") else { return false };
        name == method && of.as_ref().is_none_or(|of| without_generics(owner) == *of)
    };
    let all: Vec<usize> = (0..functions.len()).filter(|number| is_meant(&functions[*number])).collect();
    let here: Vec<usize> =
        all.iter().copied().filter(|number| functions[*number].settings.module == module).collect();
    if here.is_empty() { all } else { here }
}

/// `Repo<T>` → `Repo`.
fn without_generics(ty: &str) -> String {
    ty.split(['<', ' ']).next().unwrap_or_default().to_owned()
}
