//! Runs a `Deserialize` against samples and writes down what it asks for, type by type.
//!
//! Each type is explored once, wherever it occurs: each variant of each enum in one run. Where a type occurs again, and
//! inside itself, it is given as little as it takes. So types that contain one another cost their sum and not their product.

use std::{
    any::{TypeId, type_name},
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Instant,
};

use serde::de::Visitor;

use super::structure::{Effort, FieldCounts, Incomplete, Structure};

pub(super) mod probe;

/// The tracer's error: nothing in it is of interest, it ends a run.
#[derive(Debug)]
pub(super) struct Stop;

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the sample was refused")
    }
}

impl std::error::Error for Stop {}

impl serde::de::Error for Stop {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Stop
    }
}

/// A step of a path: a field's number, or one of these.
type Step = u32;
const ELEMENT: Step = u32::MAX;
const SOME: Step = u32::MAX - 1;
const INNER: Step = u32::MAX - 2;
const KEY: Step = u32::MAX - 3;
const VALUE: Step = u32::MAX - 4;
/// Samples of what is not a leaf: how much a container is given, and which variant.
const LITTLE: Step = u32::MAX - 5;
const MUCH: Step = u32::MAX - 6;
const WHICH: Step = u32::MAX - 7;
const VARIANT: Step = 1 << 30;

/// Maximum number of types around a place.
const MAX_DEPTH: usize = 100;

/// The outermost place, which belongs to no named type.
const ROOT: usize = 0;

/// A struct, enum or newtype, told from others by its visitor.
type Identity = (TypeId, &'static str, usize);

#[derive(Debug, Default)]
struct Type {
    /// None of anything but an enum.
    variants: usize,
    /// How many of them have been explored.
    explored: usize,
    /// The types in each variant, or, of anything but an enum, the types in it under 0.
    contains: BTreeMap<usize, BTreeSet<usize>>,
}

/// A type around the present place.
#[derive(Debug)]
struct Around {
    number: usize,
    variant: usize,
    expanded: bool,
    /// What its variant was chosen by, unless it is explored.
    chosen_by: Option<(Vec<Step>, usize)>,
}

/// A part of a type.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// The type itself.
    Whole,
    /// A field of a struct or variant. Without names for those of a tuple.
    Field {
        of: &'static str,
        names: &'static [&'static str],
        number: usize,
    },
    Variant {
        of: &'static str,
        name: &'static str,
    },
}

impl Part {
    fn name(self, counts: &FieldCounts) -> String {
        match self {
            Part::Field { of, names: [], number } => format!("the field `{number}` of `{of}`"),
            // The names have aliases among them, unless as many fields were read.
            Part::Field { of, names, number } => {
                let (place, count) = (number + 1, counts.of(of, names));
                match names.get(number) {
                    Some(name) if count == Some(names.len()) => format!("the field `{name}` of `{of}`"),
                    Some(name) if count.is_none() => format!("field {place} of `{of}` (probably `{name}`)"),
                    _ => format!("field {place} of `{of}`"),
                }
            }
            Part::Whole => "the type".to_owned(),
            Part::Variant { of, name } => format!("the variant `{name}` of `{of}`"),
        }
    }
}

#[derive(Debug)]
pub(super) struct Tracer {
    human_readable: bool,
    effort: Effort,
    questions: usize,
    pub(super) gave_up: bool,
    incomplete: Option<Incomplete>,
    /// The part that was the first to ask the format what comes next.
    asks_the_format: Option<Part>,
    counts: FieldCounts,
    types: Vec<Type>,
    numbers: HashMap<Identity, usize>,
    /// What was asked for, by path; a path begins with a type's number.
    places: BTreeMap<Vec<Step>, String>,
    /// Which sample stands at a place now.
    samples: HashMap<Vec<Step>, usize>,

    // Of one run:
    path: Vec<Step>,
    /// The place that was answered last and how many samples it has: the one to blame for an error.
    last_sample: Option<(Vec<Step>, usize)>,
    around: Vec<Around>,
    /// The named parts around, innermost last.
    parts: Vec<Part>,
    /// What has been expanded.
    expanded: BTreeSet<usize>,
    /// Variants that are explored, and whether that is over.
    exploring: Vec<(usize, usize, bool)>,
}

impl Tracer {
    pub(super) fn new(human_readable: bool, effort: Effort) -> Self {
        Tracer {
            human_readable,
            effort,
            questions: 0,
            gave_up: false,
            incomplete: None,
            asks_the_format: None,
            counts: FieldCounts::default(),
            types: vec![Type::default()],
            numbers: HashMap::new(),
            places: BTreeMap::new(),
            samples: HashMap::new(),
            path: Vec::new(),
            last_sample: None,
            around: Vec::new(),
            parts: Vec::new(),
            expanded: BTreeSet::new(),
            exploring: Vec::new(),
        }
    }

    pub(super) fn begin_run(&mut self) {
        self.path = vec![0];
        self.around = vec![Around { number: ROOT, variant: 0, expanded: true, chosen_by: None }];
        self.expanded = BTreeSet::from([ROOT]);
        self.exploring.clear();
        self.parts.clear();
        self.last_sample = None;
    }

    pub(super) fn miss_out(&mut self, why: Incomplete) {
        self.incomplete.get_or_insert(why);
    }

    /// The place that was refused gets its next sample; `false` if it has had them all.
    pub(super) fn try_next_sample(&mut self) -> bool {
        let Some((place, count)) = self.last_sample.take() else { return false };
        let sample = self.samples.entry(place).or_default();
        let more = *sample + 1 < count;
        if more {
            *sample += 1;
        }
        more
    }

    /// Goes on to variants that were not seen; `false` when no run would see one. Of a run that failed counts what was over
    /// by then, and the innermost variant that was not.
    pub(super) fn advance(&mut self) -> bool {
        let stuck_in = self.exploring.iter().rposition(|(.., over)| !over);
        let mut advanced = false;
        for (at, (number, variant, over)) in std::mem::take(&mut self.exploring).into_iter().enumerate() {
            if over || Some(at) == stuck_in {
                self.types[number].explored = variant + 1;
                advanced = true;
            }
        }
        advanced && self.types.iter().any(Type::is_unexplored)
    }

    pub(super) fn structure(mut self) -> Structure {
        if self.types.iter().any(Type::is_unexplored) {
            self.miss_out(if self.gave_up { Incomplete::TooLarge } else { Incomplete::Refuses });
        }
        if self.gave_up {
            self.miss_out(Incomplete::TooLarge);
        }
        let step = |(at, step): (usize, &Step)| match *step {
            number if at == 0 => format!("T{number}"),
            ELEMENT => "[]".to_owned(),
            SOME => "?".to_owned(),
            INNER => "/".to_owned(),
            KEY => "{key}".to_owned(),
            VALUE => "{value}".to_owned(),
            variant if variant >= VARIANT => format!("#{}", variant - VARIANT),
            field => format!(".{field}"),
        };
        let mut text = String::new();
        for (path, what) in &self.places {
            text.extend(path.iter().enumerate().map(step));
            text.extend(["=", what, "\n"]);
        }
        let asks_the_format = self.asks_the_format.map(|part| part.name(&self.counts));
        Structure {
            text,
            asks_the_format,
            counts: self.counts,
            incomplete: self.incomplete,
            gave_up: self.gave_up,
        }
    }

    /// Notes what is asked for.
    fn ask(&mut self, what: impl FnOnce() -> String) -> Result<(), Stop> {
        self.questions += 1;
        let late = self.questions.is_multiple_of(64) && Instant::now() >= self.effort.until;
        if self.gave_up || late || self.questions > self.effort.questions {
            self.gave_up = true;
            return Err(Stop);
        }
        if !self.places.contains_key(&self.path) {
            self.places.insert(self.path.clone(), what());
        }
        Ok(())
    }

    /// Which of so many samples a place is given.
    fn sample(&mut self, kind: Option<Step>, count: usize) -> usize {
        let mut place = self.path.clone();
        place.extend(kind);
        let sample = self.samples.get(&place).copied().unwrap_or(0);
        self.last_sample = Some((place, count));
        sample.min(count.saturating_sub(1))
    }

    /// Whether what is here is explored, and not only given what it takes.
    fn expands(&self) -> bool {
        self.around.last().is_some_and(|around| around.expanded)
    }

    /// Whether a container is given anything: first what helps most, then the other.
    fn gives(&mut self) -> bool {
        let expands = self.expands();
        let other = self.sample(Some(if expands { MUCH } else { LITTLE }), 2) == 1;
        expands != other
    }

    /// The format is asked what comes next.
    fn asks_the_format(&mut self) {
        let part = self.parts.last().copied().unwrap_or(Part::Whole);
        self.asks_the_format.get_or_insert(part);
    }

    /// Goes into a part that has a name. An error leaves its place.
    fn part<T>(
        &mut self,
        part: Option<Part>,
        go: impl FnOnce(&mut Tracer) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let outer = self.parts.len();
        self.parts.extend(part);
        let value = go(self)?;
        self.parts.truncate(outer);
        Ok(value)
    }

    /// Goes one step down. An error leaves its place.
    fn inside<T>(&mut self, step: Step, go: impl FnOnce(&mut Tracer) -> Result<T, Stop>) -> Result<T, Stop> {
        self.path.push(step);
        let value = go(self)?;
        self.path.pop();
        Ok(value)
    }

    /// Goes into a type that has a name.
    fn named<'de, V: Visitor<'de>, T>(
        &mut self,
        name: &'static str,
        names: &'static [&'static str],
        variants: usize,
        go: impl FnOnce(&mut Tracer, usize) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let next = self.types.len();
        let list = if names.is_empty() { 0 } else { names.as_ptr() as usize };
        let identity = (typeid::of::<V>(), name, list);
        let number = *self.numbers.entry(identity).or_insert(next);
        if number == next {
            self.types.push(Type { variants, ..Type::default() });
        }
        self.ask(|| format!("T{number}"))?;
        if let Some(&Around { number: outer, variant, expanded: true, .. }) = self.around.last() {
            self.types[outer].contains.entry(variant).or_default().insert(number);
        }
        let times = self.around.iter().filter(|around| around.number == number).count();
        if times > 1 || self.around.len() > MAX_DEPTH {
            // It would go on like this: the innermost enum that can be given another variant is.
            let chosen_by = self.around.iter().rev().filter_map(|around| around.chosen_by.as_ref());
            let has_more = |(place, count): &&(Vec<Step>, usize)| {
                self.samples.get(place).copied().unwrap_or(0) + 1 < *count
            };
            self.last_sample = chosen_by.clone().find(has_more).cloned();
            return Err(Stop);
        }
        let expanded = self.expands() && self.expanded.insert(number);
        self.around.push(Around { number, variant: 0, expanded, chosen_by: None });
        let here = Step::try_from(number).unwrap_or(Step::MAX);
        let path = std::mem::replace(&mut self.path, vec![here]);
        let value = go(self, number)?;
        self.path = path;
        self.around.pop();
        Ok(value)
    }

    /// The variant that this enum is given.
    fn variant(&mut self, number: usize) -> usize {
        let Type { variants, explored, .. } = self.types[number];
        let leads_on = |variant: &usize| self.leads_on(number, *variant, &mut self.expanded.clone());
        let (variant, chosen_by) = if self.expands() && explored < variants {
            self.exploring.push((number, explored, false));
            (explored, None)
        } else if let Some(variant) =
            Some(0..variants).filter(|_| self.expands()).and_then(|mut all| all.find(leads_on))
        {
            (variant, None)
        } else {
            (self.sample(Some(WHICH), variants), self.last_sample.clone())
        };
        if let Some(around) = self.around.last_mut() {
            (around.variant, around.chosen_by) = (variant, chosen_by);
        }
        variant
    }

    /// Whether a type is inside of which not all has been seen, and that can be expanded in this run.
    fn leads_on(&self, number: usize, variant: usize, seen: &mut BTreeSet<usize>) -> bool {
        let inside = self.types[number].contains.get(&variant);
        inside.into_iter().flatten().any(|&inner| {
            let Type { variants, ref contains, .. } = self.types[inner];
            seen.insert(inner)
                && (self.types[inner].is_unexplored()
                    || (0..variants.max(1)).any(|variant| {
                        contains.contains_key(&variant) && self.leads_on(inner, variant, seen)
                    }))
        })
    }

    fn explored(&mut self, number: usize) {
        let of_this = self.exploring.iter_mut().rfind(|(other, ..)| *other == number);
        if let Some((.., over)) = of_this.filter(|_| self.around.last().is_some_and(|last| last.expanded)) {
            *over = true;
        }
    }
}

impl Type {
    fn is_unexplored(&self) -> bool {
        self.explored < self.variants
    }
}

/// Types that take whatever a format has, and have no structure of their own.
fn takes_everything<T>() -> bool {
    ["serde_json::value::Value", "serde::de::ignored_any::IgnoredAny"].contains(&type_name::<T>())
}
