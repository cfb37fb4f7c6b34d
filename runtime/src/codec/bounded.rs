//! Bounds on what one payload makes its reader do.
//!
//! A checksum is no secret: whoever can write to Redis can store any bytes. A few thousand bytes that nest a type inside itself
//! would overflow the stack, which ends the process, and ten bytes can claim billions of elements that take no bytes
//! (`Vec<()>`). So every deserializer is wrapped: it counts levels and elements, and refuses what is beyond.
//!
//! The wrapper also shows a string where it stands in the payload instead of in a buffer of the codec's own (bincode fills
//! one with zeros first), and it can record which fields `Deserialize` asks for.

use std::{
    cell::{Cell, RefCell},
    fmt,
    marker::PhantomData,
};

use serde::de::{
    Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::error::CodecError;

/// Maximum number of levels of one value, counting structs, enums, variants with fields, tuples, sequences, maps,
/// options and newtypes. A level takes up to 6 KiB of stack where nothing is optimised, of the 2 MiB that a worker of tokio has.
pub(super) const MAX_DEPTH: u32 = 128;
/// Maximum number of elements that take no bytes, in one value. Any other element takes a byte at least.
pub(super) const MAX_EMPTY_ELEMENTS: usize = 1 << 16;

pub(super) const TOO_DEEP: &str = "it has more than 128 levels";
pub(super) const TOO_MANY: &str = "it has more than 65,536 elements without content";

/// What reading one payload may take.
#[derive(Debug, Default)]
pub struct Limits {
    /// Elements of sequences and maps that are left.
    elements: Cell<usize>,
    /// What `Deserialize` asked for, if that is recorded.
    reads: Option<RefCell<Vec<FieldsRead>>>,
    /// Which of these limits was exceeded: not every codec's error keeps the text.
    exceeded: Cell<Option<&'static str>>,
}

/// The fields that `Deserialize` asked for, of one struct, tuple struct or variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FieldsRead {
    /// The struct's or the enum's.
    pub(crate) name: &'static str,
    /// With their aliases; empty where fields have no names.
    pub(crate) fields: &'static [&'static str],
    /// How many there are, where they were read one after the other.
    pub(crate) count: Option<usize>,
}

impl Limits {
    pub(crate) fn of(payload: &[u8]) -> Limits {
        Limits { elements: Cell::new(payload.len() + MAX_EMPTY_ELEMENTS), ..Limits::default() }
    }

    pub(crate) fn recording(payload: &[u8]) -> Limits {
        Limits { reads: Some(RefCell::default()), ..Limits::of(payload) }
    }

    pub(crate) fn reads(self) -> Vec<FieldsRead> {
        self.reads.map(RefCell::into_inner).unwrap_or_default()
    }

    fn record(&self, name: &'static str, fields: &'static [&'static str], count: Option<usize>) {
        if let Some(reads) = &self.reads {
            let (mut reads, read) = (reads.borrow_mut(), FieldsRead { name, fields, count });
            if !reads.contains(&read) {
                reads.push(read);
            }
        }
    }

    fn count_element<E: Error>(&self) -> Result<(), E> {
        let left = self.elements.get().checked_sub(1).ok_or_else(|| self.exceed(TOO_MANY))?;
        self.elements.set(left);
        Ok(())
    }

    #[cold]
    fn exceed<E: Error>(&self, what: &'static str) -> E {
        self.exceeded.set(Some(what));
        E::custom(what)
    }

    /// An error of the codec, or rather which limit caused it.
    pub(super) fn error(&self, error: CodecError) -> CodecError {
        self.exceeded.get().map_or(error, CodecError::new)
    }

    /// Reads a value within these limits.
    pub(super) fn seed<T>(&self) -> Seed<'_, PhantomData<T>> {
        Seed { seed: PhantomData, at: At { limits: self, depth: 0 } }
    }
}

thread_local! {
    static HANDED_OVER: RefCell<Option<Limits>> = const { RefCell::new(None) };
}

/// Reads by a codec that knows nothing of limits.
pub(super) fn decode_by<T: DeserializeOwned, E>(
    bytes: &[u8],
    limits: &Limits,
    decode: impl FnOnce(&[u8]) -> Result<Handed<T>, E>,
) -> Result<T, E> {
    let reads = limits.reads.as_ref().map(|_| RefCell::default());
    HANDED_OVER.set(Some(Limits { elements: limits.elements.clone(), reads, ..Limits::default() }));
    let decoded = decode(bytes);
    let used = HANDED_OVER.take().unwrap_or_default();
    limits.elements.set(used.elements.get());
    limits.exceeded.set(used.exceeded.get());
    for FieldsRead { name, fields, count } in used.reads() {
        limits.record(name, fields, count);
    }
    decoded.map(|Handed(value)| value)
}

pub(super) struct Handed<T>(T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Handed<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let limits = HANDED_OVER.take().unwrap_or_default();
        let value = limits.seed::<T>().deserialize(from);
        HANDED_OVER.set(Some(limits));
        value.map(Handed)
    }
}

/// A place inside a payload.
#[derive(Clone, Copy)]
struct At<'a> {
    limits: &'a Limits,
    depth: u32,
}

impl At<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(self.limits.exceed(TOO_DEEP));
        }
        Ok(At { depth: self.depth + 1, ..self })
    }
}

/// A deserializer whose values are bounded.
struct Bounded<'a, D> {
    from: D,
    at: At<'a>,
}

/// What takes a value, and is given its parts through [`Bounded`].
struct Within<'a, V> {
    visitor: V,
    at: At<'a>,
    parts: Parts,
}

/// What a visitor asked for.
#[derive(Clone, Copy)]
enum Parts {
    /// As many as the payload says.
    Elements,
    /// As many as the type has.
    Fixed,
    Fields(&'static str, &'static [&'static str]),
    Enum(&'static str),
}

/// A seed whose value is bounded.
pub(super) struct Seed<'a, S> {
    seed: S,
    at: At<'a>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Seed<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<S::Value, D::Error> {
        self.seed.deserialize(Bounded { from, at: self.at })
    }
}

impl<'a, D> Bounded<'a, D> {
    fn within<'de, V>(self, visitor: V, parts: Parts) -> Result<(D, Within<'a, V>), D::Error>
    where
        D: Deserializer<'de>,
    {
        let at = self.at.deeper()?;
        Ok((self.from, Within { visitor, at, parts }))
    }
}

/// What has no parts is passed on.
macro_rules! plain {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.from.$method(visitor)
        })*
    };
}

/// What has parts is passed on with its parts.
macro_rules! nested {
    ($($method:ident($($name:ident: $type:ty),*) $parts:expr;)*) => {
        $(fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            let (from, visitor) = self.within(visitor, $parts)?;
            from.$method($($name,)* visitor)
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Bounded<'_, D> {
    type Error = D::Error;

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.from.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.from.deserialize_bytes(visitor)
    }

    plain! {
        deserialize_bool deserialize_char deserialize_str deserialize_bytes
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_unit deserialize_identifier
    }

    nested! {
        deserialize_any() Parts::Elements;
        deserialize_ignored_any() Parts::Elements;
        deserialize_option() Parts::Fixed;
        deserialize_unit_struct(name: &'static str) Parts::Fixed;
        deserialize_newtype_struct(name: &'static str) Parts::Fixed;
        deserialize_seq() Parts::Elements;
        deserialize_map() Parts::Elements;
        deserialize_tuple(len: usize) Parts::Fixed;
        deserialize_struct(name: &'static str, fields: &'static [&'static str]) Parts::Fields(name, fields);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]) Parts::Enum(name);
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.at.limits.record(name, &[], Some(len));
        let (from, visitor) = self.within(visitor, Parts::Fixed)?;
        from.deserialize_tuple_struct(name, len, visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.from.is_human_readable()
    }
}

macro_rules! leaves {
    ($($method:ident($type:ty))*) => {
        $(fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.visitor.$method(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Within<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.visitor.expecting(f)
    }

    leaves! {
        visit_bool(bool) visit_char(char) visit_f32(f32) visit_f64(f64)
        visit_i8(i8) visit_i16(i16) visit_i32(i32) visit_i64(i64) visit_i128(i128)
        visit_u8(u8) visit_u16(u16) visit_u32(u32) visit_u64(u64) visit_u128(u128)
        visit_str(&str) visit_borrowed_str(&'de str) visit_string(String)
        visit_bytes(&[u8]) visit_borrowed_bytes(&'de [u8]) visit_byte_buf(Vec<u8>)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(Bounded { from, at: self.at })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_newtype_struct(Bounded { from, at: self.at })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, parts: A) -> Result<V::Value, A::Error> {
        let counted = matches!(self.parts, Parts::Elements);
        let mut parts = Elements { parts, at: self.at, counted, asked: 0 };
        let Parts::Fields(name, fields) = self.parts else { return self.visitor.visit_seq(parts) };
        let value = self.visitor.visit_seq(&mut parts);
        self.at.limits.record(name, fields, value.is_ok().then_some(parts.asked));
        value
    }

    fn visit_map<A: MapAccess<'de>>(self, parts: A) -> Result<V::Value, A::Error> {
        if let Parts::Fields(name, fields) = self.parts {
            self.at.limits.record(name, fields, None);
        }
        self.visitor.visit_map(Elements { parts, at: self.at, counted: true, asked: 0 })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, parts: A) -> Result<V::Value, A::Error> {
        let name = if let Parts::Enum(name) = self.parts { name } else { "" };
        self.visitor.visit_enum(Variants { parts, at: self.at, name })
    }
}

struct Elements<'a, A> {
    parts: A,
    at: At<'a>,
    counted: bool,
    asked: usize,
}

impl<A> Elements<'_, A> {
    fn hint(&self, hint: Option<usize>) -> Option<usize> {
        hint.map(|hint| if self.counted { hint.min(self.at.limits.elements.get()) } else { hint })
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.asked += 1;
        let element = self.parts.next_element_seed(Seed { seed, at: self.at })?;
        if self.counted && element.is_some() {
            self.at.limits.count_element()?;
        }
        Ok(element)
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint(self.parts.size_hint())
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Elements<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let key = self.parts.next_key_seed(Seed { seed, at: self.at })?;
        if key.is_some() {
            self.at.limits.count_element()?;
        }
        Ok(key)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.parts.next_value_seed(Seed { seed, at: self.at })
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint(self.parts.size_hint())
    }
}

/// One variant of an enum, before and after it is known which.
struct Variants<'a, A> {
    parts: A,
    at: At<'a>,
    /// The enum's.
    name: &'static str,
}

impl<'de, 'a, A: EnumAccess<'de>> EnumAccess<'de> for Variants<'a, A> {
    type Error = A::Error;
    type Variant = Variants<'a, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (which, parts) = self.parts.variant_seed(Seed { seed, at: self.at })?;
        Ok((which, Variants { parts, at: self.at, name: self.name }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Variants<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.parts.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.parts.newtype_variant_seed(Seed { seed, at: self.at.deeper()? })
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        let at = self.at.deeper()?;
        at.limits.record(self.name, &[], Some(len));
        self.parts.tuple_variant(len, Within { visitor, at, parts: Parts::Fixed })
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let (at, parts) = (self.at.deeper()?, Parts::Fields(self.name, fields));
        self.parts.struct_variant(fields, Within { visitor, at, parts })
    }
}

#[cfg(test)]
#[cfg(all(feature = "bincode", feature = "json", feature = "messagepack", feature = "postcard"))]
mod tests;
