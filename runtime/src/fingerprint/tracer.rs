//! A deserializer that answers every question of a `Deserialize` with a sample, and writes the questions down.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor, value::U32Deserializer,
};

use super::{FieldCounts, Structure};
use crate::codec::Codec;

/// More runs than this are not made for one type.
const MAX_RUNS: usize = 4_000;

/// Runs `T`'s `Deserialize` against samples until every enum variant has been seen, or no sample is left.
pub(crate) fn trace<T: DeserializeOwned, C: Codec>() -> Structure {
    let mut tracer = Tracer { human_readable: C::HUMAN_READABLE, ..Tracer::default() };
    for _ in 0..MAX_RUNS {
        tracer.begin_run();
        let run = catch_unwind(AssertUnwindSafe(|| T::deserialize(Probe(&mut tracer)).map(drop)));
        let outcome = match run {
            Ok(Ok(())) => Outcome::Done,
            Ok(Err(_)) if tracer.try_next_sample() => continue,
            Ok(Err(_)) | Err(_) => Outcome::Stuck,
        };
        if !tracer.next_variant(outcome) {
            break;
        }
    }
    tracer.structure()
}

#[derive(Clone, Copy)]
enum Outcome {
    Done,
    Stuck,
}

/// Strings that validating types accept; the empty one last.
const STRINGS: &[&str] = &[
    "a",
    "1",
    "2000-01-01T00:00:00Z",
    "2000-01-01",
    "00:00:00",
    "2000-01-01T00:00:00",
    "http://a/",
    "127.0.0.1",
    "00000000-0000-0000-0000-000000000000",
    "1.0.0",
    "a@b.cc",
    "UTC",
    "Monday",
    "127.0.0.1:1",
    "1s",
    "PT1S",
    "[UTC]",
    "{}",
    "en",
    "AA==",
    "#000000",
    "",
];
/// Numbers that validating types accept.
const NUMBERS: &[u8] = &[1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16, 32, 64, 100];
/// Lengths of byte strings that validating types accept.
const LENGTHS: &[usize] = &[16, 0, 4, 8, 12, 32, 20, 24, 64, 1];
/// A type inside itself this deep is cut off.
const MAX_DEPTH: usize = 40;

/// Where the walk through one enum stands.
#[derive(Debug, Clone, Copy)]
struct Walk {
    variant: usize,
    variants: usize,
    finished: bool,
}

#[derive(Debug, Default)]
struct Tracer {
    human_readable: bool,
    /// What was asked for, by path.
    places: BTreeMap<String, String>,
    path: Vec<String>,
    /// Which sample stands at a leaf now.
    samples: HashMap<String, usize>,
    /// The leaf that was answered last and how many samples it has: the one to blame for an error.
    last_leaf: Option<(String, usize)>,
    walks: BTreeMap<String, Walk>,
    walked: Vec<String>,
    /// The named types around the present place.
    around: Vec<(&'static str, usize)>,
    asks_the_format: bool,
    counts: FieldCounts,
}

impl Tracer {
    fn begin_run(&mut self) {
        self.path.clear();
        self.around.clear();
        self.walked.clear();
        self.last_leaf = None;
    }

    /// The leaf that was refused gets its next sample; `false` if it has had them all.
    fn try_next_sample(&mut self) -> bool {
        let Some((path, count)) = self.last_leaf.take() else { return false };
        let sample = self.samples.entry(path).or_default();
        let more = *sample + 1 < count;
        if more {
            *sample += 1;
        }
        more
    }

    /// Chooses the variants of the next run, deepest enum first; `false` when all have been seen.
    fn next_variant(&mut self, outcome: Outcome) -> bool {
        let stuck = matches!(outcome, Outcome::Stuck);
        if stuck {
            self.places.insert(format!("{}!", self.path.concat()), "opaque".into());
        }
        let mut paths = std::mem::take(&mut self.walked);
        paths.sort();
        paths.dedup();
        paths.sort_by_key(|path| std::cmp::Reverse(path.len()));
        let mut moved = false;
        for path in &paths {
            let walk = self.walks[path];
            let inside = format!("{path}#{}", walk.variant);
            let unfinished_inside = |(other, walk): (&String, &Walk)| {
                other.len() > inside.len()
                    && other.starts_with(&inside)
                    && !walk.finished
                    && paths.contains(other)
            };
            if walk.finished || (!stuck && self.walks.iter().any(unfinished_inside)) {
                continue;
            }
            let next = Walk { variant: walk.variant + 1, ..walk };
            if next.variant < next.variants {
                self.walks.insert(path.clone(), next);
                moved = true;
                if stuck {
                    break;
                }
            } else {
                self.walks.insert(path.clone(), Walk { finished: true, ..walk });
            }
        }
        moved
    }

    fn structure(self) -> Structure {
        let mut text = String::new();
        for (path, what) in &self.places {
            text.extend([path, "=", what, "\n"]);
        }
        Structure { text, asks_the_format: self.asks_the_format, counts: self.counts }
    }

    fn note(&mut self, what: impl Into<String>) {
        self.places.entry(self.path.concat()).or_insert_with(|| what.into());
    }

    fn sample(&mut self, count: usize) -> usize {
        let path = self.path.concat();
        let sample = self.samples.get(&path).copied().unwrap_or(0);
        self.last_leaf = Some((path, count));
        sample.min(count - 1)
    }

    fn string(&mut self) -> &'static str {
        self.note("str");
        STRINGS[self.sample(STRINGS.len())]
    }

    fn bytes(&mut self) -> &'static [u8] {
        self.note("bytes");
        &[0; 64][..LENGTHS[self.sample(LENGTHS.len())]]
    }

    fn how_often_around(&self, this: (&'static str, usize)) -> usize {
        self.around.iter().filter(|other| **other == this).count()
    }

    /// Inside a type that is inside itself: containers are given nothing more.
    fn deep(&self) -> bool {
        self.around.len() > MAX_DEPTH || self.around.iter().any(|this| self.how_often_around(*this) > 1)
    }

    /// Goes one step down; comes back only from what went well, so that an error leaves its place in the path.
    fn inside<T>(
        &mut self,
        step: impl Into<String>,
        go: impl FnOnce(&mut Tracer) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let depth = self.path.len();
        self.path.push(step.into());
        let result = go(self);
        if result.is_ok() {
            self.path.truncate(depth);
        }
        result
    }

    /// The fields of a struct or variant, and how many there are.
    fn fields<'de, V: Visitor<'de>>(
        &mut self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let mut elements = Elements { tracer: self, next: 0, len: fields.len(), alike: false };
        let value = visitor.visit_seq(&mut elements)?;
        let count = elements.next;
        self.counts.note(name, fields, count);
        Ok(value)
    }

    fn within_type<T>(
        &mut self,
        this: (&'static str, usize),
        go: impl FnOnce(&mut Tracer) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        self.around.push(this);
        let result = go(self);
        self.around.pop();
        result
    }
}

/// The tracer's error: nothing in it is of interest, it ends a run.
#[derive(Debug)]
struct Stop;

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the sample was refused")
    }
}

impl std::error::Error for Stop {}

impl de::Error for Stop {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Stop
    }
}

/// Answers one question of a `Deserialize`.
struct Probe<'a>(&'a mut Tracer);

macro_rules! numbers {
    ($($ask:ident $answer:ident $number:ty),* $(,)?) => {$(
        fn $ask<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
            self.0.note(stringify!($number));
            let number = NUMBERS[self.0.sample(NUMBERS.len())];
            visitor.$answer(<$number>::from(number))
        }
    )*};
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Stop;

    fn is_human_readable(&self) -> bool {
        self.0.human_readable
    }

    numbers! {
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
        deserialize_u128 visit_u128 u128,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
        deserialize_i128 visit_i128 i128,
        deserialize_f32 visit_f32 f32,
        deserialize_f64 visit_f64 f64,
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.note("i8");
        let number = NUMBERS[self.0.sample(NUMBERS.len())];
        visitor.visit_i8(i8::try_from(number).unwrap_or_default())
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.note("bool");
        visitor.visit_bool(false)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.note("char");
        visitor.visit_char('a')
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_borrowed_str(self.0.string())
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_string(self.0.string().to_owned())
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_borrowed_bytes(self.0.bytes())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_byte_buf(self.0.bytes().to_vec())
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.note("unit");
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.0.note(format!("unit {name}"));
        visitor.visit_unit()
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.asks_the_format = true;
        self.0.note("any");
        match self.0.sample(STRINGS.len() + 3) {
            0 => visitor.visit_unit(),
            1 => visitor.visit_u64(1),
            2 => visitor.visit_map(Nothing),
            sample => visitor.visit_borrowed_str(STRINGS[sample - 3]),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.note("ignored");
        visitor.visit_unit()
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.asks_the_format = true;
        self.0.note("identifier");
        visitor.visit_u64(0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.note("option");
        if self.0.deep() {
            return visitor.visit_none();
        }
        self.0.inside("?", |tracer| visitor.visit_some(Probe(tracer)))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.0.note(format!("newtype {name}"));
        self.0.inside("/", |tracer| {
            tracer.within_type((name, 0), |tracer| visitor.visit_newtype_struct(Probe(tracer)))
        })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.note("seq");
        let len = usize::from(!self.0.deep());
        visitor.visit_seq(Elements { tracer: self.0, next: 0, len, alike: true })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Stop> {
        self.0.note(format!("tuple {len}"));
        visitor.visit_seq(Elements { tracer: self.0, next: 0, len, alike: false })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.0.note(format!("tuple {name} {len}"));
        visitor.visit_seq(Elements { tracer: self.0, next: 0, len, alike: false })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.note("map");
        let empty = self.0.deep() || self.0.sample(2) == 1;
        visitor.visit_map(Pairs { tracer: self.0, left: usize::from(!empty) })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let this = (name, fields.as_ptr() as usize);
        if self.0.how_often_around(this) > 1 {
            self.0.note(format!("again {name}"));
            return Err(Stop);
        }
        self.0.note(format!("struct {name}{fields:?}"));
        self.0.within_type(this, |tracer| tracer.fields(name, fields, visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let this = (name, variants.as_ptr() as usize);
        let tracer = self.0;
        tracer.note(format!("enum {name}{variants:?}"));
        let path = tracer.path.concat();
        let variant = match tracer.how_often_around(this) {
            0 => {
                tracer.walked.push(path.clone());
                let begin = Walk { variant: 0, variants: variants.len().max(1), finished: false };
                tracer.walks.entry(path).or_insert(begin).variant
            }
            // Inside itself: the variants are tried in turn until one ends.
            1 => {
                let place = format!("{path}@");
                let variant = tracer.samples.get(&place).copied().unwrap_or(0);
                tracer.last_leaf = Some((place, variants.len()));
                variant.min(variants.len().saturating_sub(1))
            }
            _ => return Err(Stop),
        };
        tracer.inside(format!("#{variant}"), |tracer| {
            tracer.within_type(this, |tracer| visitor.visit_enum(Variant { tracer, index: variant, name }))
        })
    }
}

/// The elements of a sequence, which are alike, or of a tuple or struct, which are not.
struct Elements<'a> {
    tracer: &'a mut Tracer,
    next: usize,
    len: usize,
    alike: bool,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Stop;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Stop> {
        if self.next >= self.len {
            return Ok(None);
        }
        let step = if self.alike { "[]".to_owned() } else { format!(".{}", self.next) };
        self.next += 1;
        self.tracer.inside(step, |tracer| seed.deserialize(Probe(tracer))).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.len - self.next)
    }
}

struct Pairs<'a> {
    tracer: &'a mut Tracer,
    left: usize,
}

impl<'de> MapAccess<'de> for Pairs<'_> {
    type Error = Stop;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Stop> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        self.tracer.inside("{key}", |tracer| seed.deserialize(Probe(tracer))).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Stop> {
        self.tracer.inside("{value}", |tracer| seed.deserialize(Probe(tracer)))
    }
}

/// A map without entries.
struct Nothing;

impl<'de> MapAccess<'de> for Nothing {
    type Error = Stop;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, _: S) -> Result<Option<S::Value>, Stop> {
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, _: S) -> Result<S::Value, Stop> {
        Err(Stop)
    }
}

struct Variant<'a> {
    tracer: &'a mut Tracer,
    index: usize,
    /// The enum's.
    name: &'static str,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Stop;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Stop> {
        let index: U32Deserializer<Stop> = u32::try_from(self.index).unwrap_or(u32::MAX).into_deserializer();
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Stop;

    fn unit_variant(self) -> Result<(), Stop> {
        self.tracer.note("unit");
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Stop> {
        self.tracer.note("newtype");
        self.tracer.inside("/", |tracer| seed.deserialize(Probe(tracer)))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Stop> {
        self.tracer.note(format!("tuple {len}"));
        visitor.visit_seq(Elements { tracer: self.tracer, next: 0, len, alike: false })
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.tracer.note(format!("struct {fields:?}"));
        self.tracer.fields(self.name, fields, visitor)
    }
}
