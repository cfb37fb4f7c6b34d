//! The deserializer that answers every question of a `Deserialize` with a sample.

use std::any::type_name;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
    Visitor, value::U32Deserializer,
};

use super::{ELEMENT, INNER, KEY, Part, SOME, Step, Stop, Tracer, VALUE, VARIANT, takes_everything};
use crate::fingerprint::structure::Incomplete;

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
/// Answers one question of a `Deserialize`.
pub(in crate::fingerprint) struct Probe<'a>(pub(in crate::fingerprint) &'a mut Tracer);

macro_rules! numbers {
    ($($ask:ident $answer:ident $number:ty),* $(,)?) => {$(
        fn $ask<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
            self.0.ask(|| stringify!($number).to_owned())?;
            let number = NUMBERS[self.0.sample(None, NUMBERS.len())];
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
        self.0.ask(|| "i8".to_owned())?;
        let number = NUMBERS[self.0.sample(None, NUMBERS.len())];
        visitor.visit_i8(i8::try_from(number).unwrap_or_default())
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.ask(|| "bool".to_owned())?;
        visitor.visit_bool(false)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.ask(|| "char".to_owned())?;
        visitor.visit_char('a')
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_borrowed_str(self.0.string()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_string(self.0.string()?.to_owned())
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_borrowed_bytes(self.0.bytes()?)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_byte_buf(self.0.bytes()?.to_vec())
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.ask(|| "unit".to_owned())?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.0.ask(|| format!("unit {name}"))?;
        visitor.visit_unit()
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.asks_the_format();
        self.0.ask(|| format!("any {}", type_name::<V::Value>()))?;
        if takes_everything::<V::Value>() {
            return visitor.visit_unit();
        }
        // Who takes a map or a list asks for more than can be seen.
        match self.0.sample(None, STRINGS.len() + 4) {
            0 => visitor.visit_map(Nothing(self.0)),
            1 => visitor.visit_seq(Nothing(self.0)),
            2 => visitor.visit_unit(),
            3 => visitor.visit_u64(1),
            sample => visitor.visit_borrowed_str(STRINGS[sample - 4]),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.ask(|| "ignored".to_owned())?;
        visitor.visit_unit()
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.asks_the_format();
        self.0.miss_out(Incomplete::AsksTheFormat);
        self.0.ask(|| "identifier".to_owned())?;
        visitor.visit_u64(0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.ask(|| "option".to_owned())?;
        if self.0.gives() {
            self.0.inside(SOME, |tracer| visitor.visit_some(Probe(tracer)))
        } else {
            visitor.visit_none()
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.0.named::<V, _>(name, &[], 0, |tracer, _| {
            tracer.ask(|| format!("newtype {name}"))?;
            let part = Part::Field { of: name, names: &[], number: 0 };
            let inside = |tracer: &mut Tracer| visitor.visit_newtype_struct(Probe(tracer));
            tracer.part(Some(part), |tracer| tracer.inside(INNER, inside))
        })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.ask(|| "seq".to_owned())?;
        let len = usize::from(self.0.gives());
        visitor.visit_seq(Elements { tracer: self.0, next: 0, len, alike: true, of: None })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Stop> {
        self.0.ask(|| format!("tuple {len}"))?;
        visitor.visit_seq(Elements { tracer: self.0, next: 0, len, alike: false, of: None })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.0.named::<V, _>(name, &[], 0, |tracer, _| {
            tracer.ask(|| format!("tuple {name} {len}"))?;
            visitor.visit_seq(Elements { tracer, next: 0, len, alike: false, of: Some((name, &[])) })
        })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.ask(|| "map".to_owned())?;
        let left = usize::from(self.0.gives());
        visitor.visit_map(Pairs { tracer: self.0, left })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.0.named::<V, _>(name, fields, 0, |tracer, _| {
            tracer.ask(|| format!("struct {name}{fields:?}"))?;
            tracer.fields(name, fields, visitor)
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.0.named::<V, _>(name, variants, variants.len(), |tracer, number| {
            tracer.ask(|| format!("enum {name}{variants:?}"))?;
            let index = tracer.variant(number);
            let variant = variants.get(index).copied();
            let step = VARIANT + Step::try_from(index).unwrap_or(0);
            let value = tracer.inside(step, |tracer| {
                visitor.visit_enum(Variant { tracer, index, of: name, name: variant })
            })?;
            tracer.explored(number);
            Ok(value)
        })
    }
}

impl Tracer {
    fn string(&mut self) -> Result<&'static str, Stop> {
        self.ask(|| "str".to_owned())?;
        Ok(STRINGS[self.sample(None, STRINGS.len())])
    }

    fn bytes(&mut self) -> Result<&'static [u8], Stop> {
        self.ask(|| "bytes".to_owned())?;
        Ok(&[0; 64][..LENGTHS[self.sample(None, LENGTHS.len())]])
    }

    /// The fields of a struct or variant, and how many there are.
    fn fields<'de, V: Visitor<'de>>(
        &mut self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let mut elements =
            Elements { tracer: self, next: 0, len: fields.len(), alike: false, of: Some((name, fields)) };
        let value = visitor.visit_seq(&mut elements)?;
        let count = elements.next;
        self.counts.note(name, fields, count);
        Ok(value)
    }
}

/// The elements of a sequence, which are alike, or of a tuple or struct, which are not.
struct Elements<'a> {
    tracer: &'a mut Tracer,
    next: usize,
    len: usize,
    alike: bool,
    /// The struct or enum, and the names of the fields, where these are fields.
    of: Option<(&'static str, &'static [&'static str])>,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Stop;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Stop> {
        if self.next >= self.len {
            return Ok(None);
        }
        let step = if self.alike { ELEMENT } else { Step::try_from(self.next).unwrap_or(VARIANT - 1) };
        let part = self.of.map(|(of, names)| Part::Field { of, names, number: self.next });
        self.next += 1;
        self.tracer
            .part(part, |tracer| tracer.inside(step, |tracer| seed.deserialize(Probe(tracer))))
            .map(Some)
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
        self.tracer.inside(KEY, |tracer| seed.deserialize(Probe(tracer))).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Stop> {
        self.tracer.inside(VALUE, |tracer| seed.deserialize(Probe(tracer)))
    }
}

/// A map or list without entries.
struct Nothing<'a>(&'a mut Tracer);

impl<'de> MapAccess<'de> for Nothing<'_> {
    type Error = Stop;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, _: S) -> Result<Option<S::Value>, Stop> {
        self.0.miss_out(Incomplete::AsksTheFormat);
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, _: S) -> Result<S::Value, Stop> {
        Err(Stop)
    }
}

impl<'de> SeqAccess<'de> for Nothing<'_> {
    type Error = Stop;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, _: S) -> Result<Option<S::Value>, Stop> {
        self.0.miss_out(Incomplete::AsksTheFormat);
        Ok(None)
    }
}

struct Variant<'a> {
    tracer: &'a mut Tracer,
    index: usize,
    /// The enum.
    of: &'static str,
    name: Option<&'static str>,
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
        self.tracer.ask(|| "unit".to_owned())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Stop> {
        self.tracer.ask(|| "newtype".to_owned())?;
        let part = self.name.map(|name| Part::Variant { of: self.of, name });
        self.tracer.part(part, |tracer| tracer.inside(INNER, |tracer| seed.deserialize(Probe(tracer))))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Stop> {
        self.tracer.ask(|| format!("tuple {len}"))?;
        let of = Some((self.of, &[][..]));
        visitor.visit_seq(Elements { tracer: self.tracer, next: 0, len, alike: false, of })
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.tracer.ask(|| format!("struct {fields:?}"))?;
        self.tracer.fields(self.of, fields, visitor)
    }
}
