//! A value as its `Serialize` describes it: every call to the serializer, folded into one number.
//!
//! Two values with equal walks are equal as far as `Serialize` shows them: names and indexes of variants, names of fields,
//! fields that were skipped, `Some(None)` and `None`, the bits of floats. Maps and hash sets are compared without their order.

use std::{
    cell::{Cell, RefCell},
    fmt,
};

use serde::ser::{self, Serialize, Serializer};

use self::{
    digest::{begin, bytes, fold, spread, text},
    hashed::is_hashed,
};
use super::bounded::{MAX_DEPTH, MAX_EMPTY_ELEMENTS, TOO_DEEP, TOO_MANY};

mod digest;
mod hashed;

/// What to look at in a walk.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is asked for by itself")]
pub(super) struct Options {
    pub(super) human_readable: bool,
    /// A field that is skipped ends the walk: a positional codec can't tell.
    pub(super) refuse_skipped: bool,
    /// Sequences are compared without their order, too.
    pub(super) any_order: bool,
    /// The fields that are mentioned are noted.
    pub(super) with_written: bool,
    /// Fields are noted with their digests, to tell where two values differ.
    pub(super) with_fields: bool,
}

/// What a walk found.
#[derive(Debug)]
pub(super) struct Walked {
    pub(super) digest: u64,
    pub(super) written: Vec<FieldsWritten>,
    /// Struct, field, digest; the innermost first.
    fields: Vec<(&'static str, &'static str, u64)>,
}

/// The fields that `Serialize` mentioned, of one struct, tuple struct or variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldsWritten {
    /// The struct's or the enum's.
    pub(super) name: &'static str,
    pub(super) variant: &'static str,
    /// Empty where fields have no names.
    pub(super) names: Vec<&'static str>,
    pub(super) count: usize,
}

impl Walked {
    /// The first place where two walks of one type differ.
    pub(super) fn first_difference(&self, other: &Walked) -> Option<(&'static str, &'static str)> {
        let pairs = self.fields.iter().zip(&other.fields);
        let (one, _) = pairs.into_iter().find(|(one, other)| one != other)?;
        Some((one.0, one.1))
    }
}

/// Walks a value.
pub(super) fn walk(value: &impl Serialize, options: Options) -> Result<Walked, Refused> {
    // Few values have more fields; each time that it grew would cost as much as a field does.
    let names = if options.with_written { Vec::with_capacity(16) } else { Vec::new() };
    let state = State { options, names: RefCell::new(names), ..State::default() };
    let digest = value.serialize(Walk { state: &state, depth: 0, unordered: false })?;
    let State { written, fields, .. } = state;
    Ok(Walked { digest, written: written.into_inner(), fields: fields.into_inner() })
}

#[derive(Debug, Default)]
struct State {
    options: Options,
    /// How many calls there were that write at least a byte.
    written_calls: Cell<u64>,
    empty_elements: Cell<usize>,
    /// The fields of the structs around, innermost last.
    names: RefCell<Vec<&'static str>>,
    written: RefCell<Vec<FieldsWritten>>,
    fields: RefCell<Vec<(&'static str, &'static str, u64)>>,
}

/// Why a value can't be written.
#[derive(Debug)]
pub(super) struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Refused(message.to_string())
    }
}

#[derive(Clone, Copy)]
pub(super) struct Walk<'a> {
    state: &'a State,
    depth: u32,
    unordered: bool,
}

impl<'a> Walk<'a> {
    fn leaf(self, kind: u64, value: u64) -> u64 {
        self.writes();
        fold(kind, value)
    }

    fn writes(self) {
        self.state.written_calls.set(self.state.written_calls.get() + 1);
    }

    fn deeper(self) -> Result<Self, Refused> {
        if self.depth >= MAX_DEPTH {
            return Err(Refused(TOO_DEEP.to_owned()));
        }
        Ok(Walk { depth: self.depth + 1, unordered: false, ..self })
    }

    fn parts(self, kind: u64, name: &'static str, variant: &'static str) -> Result<Parts<'a>, Refused> {
        let digest = fold(fold(kind, text(name)), text(variant));
        let names_from = self.state.names.borrow().len();
        let unordered = self.unordered || self.state.options.any_order;
        Ok(Parts { inside: self.deeper()?, digest, unordered, count: 0, key: 0, names_from, name, variant })
    }

    /// The parts of an enum's variant.
    fn variant_parts(
        self,
        kind: u64,
        name: &'static str,
        (index, variant): (u32, &'static str),
    ) -> Result<Parts<'a>, Refused> {
        self.writes();
        let parts = self.parts(kind, name, variant)?;
        Ok(Parts { digest: fold(parts.digest, index.into()), ..parts })
    }
}

/// A value with parts, under way.
pub(super) struct Parts<'a> {
    inside: Walk<'a>,
    digest: u64,
    unordered: bool,
    count: usize,
    key: u64,
    names_from: usize,
    name: &'static str,
    variant: &'static str,
}

impl Parts<'_> {
    fn part(&mut self, part: u64, ordered: bool) {
        self.count += 1;
        self.digest = if ordered { fold(self.digest, part) } else { self.digest.wrapping_add(spread(part)) };
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let State { written_calls, empty_elements, .. } = self.inside.state;
        let before = written_calls.get();
        let part = value.serialize(self.inside)?;
        if written_calls.get() == before {
            empty_elements.set(empty_elements.get() + 1);
            if empty_elements.get() > MAX_EMPTY_ELEMENTS {
                return Err(Refused(TOO_MANY.to_owned()));
            }
        }
        self.part(part, !self.unordered);
        Ok(())
    }

    fn fixed<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let part = value.serialize(self.inside)?;
        self.part(part, true);
        Ok(())
    }

    fn named(&mut self, name: &'static str, part: u64) {
        let State { options, names, fields, .. } = self.inside.state;
        if options.with_written {
            names.borrow_mut().push(name);
        }
        if options.with_fields {
            fields.borrow_mut().push((self.name, name, part));
        }
        self.part(fold(text(name), part), true);
    }

    fn end(self) -> u64 {
        fold(self.digest, self.count as u64)
    }

    fn end_of_fields(self) -> u64 {
        let State { options, names, written, .. } = self.inside.state;
        if !options.with_written {
            return self.end();
        }
        let (mut names, mut written) = (names.borrow_mut(), written.borrow_mut());
        let (name, variant, count) = (self.name, self.variant, self.count);
        let own = &names[self.names_from..];
        let same = |other: &FieldsWritten| {
            (other.name, other.variant, other.count) == (name, variant, count) && other.names == own
        };
        if !written.iter().any(same) {
            written.push(FieldsWritten { name, variant, names: own.to_vec(), count });
        }
        names.truncate(self.names_from);
        drop((names, written));
        self.end()
    }
}

macro_rules! numbers {
    ($($method:ident($type:ty))*) => {$(
        fn $method(self, value: $type) -> Result<u64, Refused> {
            #[allow(clippy::cast_sign_loss, clippy::cast_lossless, reason = "the bits count")]
            Ok(self.leaf(const { begin(stringify!($type)) }, value as u64))
        }
    )*};
}

impl<'a> Serializer for Walk<'a> {
    type Ok = u64;
    type Error = Refused;
    type SerializeSeq = Parts<'a>;
    type SerializeTuple = Parts<'a>;
    type SerializeTupleStruct = Parts<'a>;
    type SerializeTupleVariant = Parts<'a>;
    type SerializeMap = Parts<'a>;
    type SerializeStruct = Parts<'a>;
    type SerializeStructVariant = Parts<'a>;

    fn is_human_readable(&self) -> bool {
        self.state.options.human_readable
    }

    numbers! {
        serialize_bool(bool) serialize_char(char)
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
    }

    fn serialize_i128(self, value: i128) -> Result<u64, Refused> {
        Ok(self.leaf(const { begin("i128") }, bytes(&value.to_le_bytes())))
    }

    fn serialize_u128(self, value: u128) -> Result<u64, Refused> {
        Ok(self.leaf(const { begin("u128") }, bytes(&value.to_le_bytes())))
    }

    fn serialize_f32(self, value: f32) -> Result<u64, Refused> {
        Ok(self.leaf(const { begin("f32") }, value.to_bits().into()))
    }

    fn serialize_f64(self, value: f64) -> Result<u64, Refused> {
        Ok(self.leaf(const { begin("f64") }, value.to_bits()))
    }

    fn serialize_str(self, value: &str) -> Result<u64, Refused> {
        Ok(self.leaf(const { begin("str") }, text(value)))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<u64, Refused> {
        Ok(self.leaf(const { begin("bytes") }, bytes(value)))
    }

    fn serialize_none(self) -> Result<u64, Refused> {
        Ok(self.leaf(const { begin("none") }, 0))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<u64, Refused> {
        self.writes();
        Ok(fold(const { begin("some") }, value.serialize(self.deeper()?)?))
    }

    fn serialize_unit(self) -> Result<u64, Refused> {
        Ok(const { begin("unit") })
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<u64, Refused> {
        Ok(fold(const { begin("unit") }, text(name)))
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<u64, Refused> {
        let digest = self.leaf(const { begin("variant") }, index.into());
        Ok(fold(fold(digest, text(name)), text(variant)))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<u64, Refused> {
        Ok(fold(fold(const { begin("newtype") }, text(name)), value.serialize(self.deeper()?)?))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<u64, Refused> {
        let digest = self.serialize_unit_variant(name, index, variant)?;
        Ok(fold(digest, value.serialize(self.deeper()?)?))
    }

    fn collect_seq<I>(self, elements: I) -> Result<u64, Refused>
    where
        I: IntoIterator<Item: Serialize>,
    {
        let mut parts = Walk { unordered: is_hashed::<I>(), ..self }.serialize_seq(None)?;
        elements.into_iter().try_for_each(|element| parts.element(&element))?;
        Ok(parts.end())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'a>, Refused> {
        self.writes();
        self.parts(const { begin("seq") }, "", "")
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<'a>, Refused> {
        self.parts(const { begin("tuple") }, "", "")
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Parts<'a>, Refused> {
        self.parts(const { begin("tuple") }, name, "")
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, Refused> {
        self.variant_parts(const { begin("tuple") }, name, (index, variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts<'a>, Refused> {
        self.writes();
        self.parts(const { begin("map") }, "", "")
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Parts<'a>, Refused> {
        self.parts(const { begin("struct") }, name, "")
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, Refused> {
        self.variant_parts(const { begin("struct") }, name, (index, variant))
    }
}

macro_rules! elements {
    ($($trait:ident $method:ident $part:ident $end:ident;)*) => {$(
        impl ser::$trait for Parts<'_> {
            type Ok = u64;
            type Error = Refused;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
                self.$part(value)
            }

            fn end(self) -> Result<u64, Refused> {
                Ok(self.$end())
            }
        }
    )*};
}

elements! {
    SerializeSeq serialize_element element end;
    SerializeTuple serialize_element fixed end;
    SerializeTupleStruct serialize_field fixed end_of_fields;
    SerializeTupleVariant serialize_field fixed end_of_fields;
}

macro_rules! fields {
    ($($trait:ident)*) => {$(
        impl ser::$trait for Parts<'_> {
            type Ok = u64;
            type Error = Refused;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Refused> {
                let part = value.serialize(self.inside)?;
                self.named(name, part);
                Ok(())
            }

            fn skip_field(&mut self, name: &'static str) -> Result<(), Refused> {
                if self.inside.state.options.refuse_skipped {
                    return Err(Refused(format!(
                        "the field `{name}` was skipped (`skip_serializing_if`), which a positional codec can't tell; \
                         take `codec = Json` or `codec = MessagePack`"
                    )));
                }
                self.named(name, 0);
                Ok(())
            }

            fn end(self) -> Result<u64, Refused> {
                Ok(self.end_of_fields())
            }
        }
    )*};
}

fields! { SerializeStruct SerializeStructVariant }

impl ser::SerializeMap for Parts<'_> {
    type Ok = u64;
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        self.key = key.serialize(self.inside)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let value = value.serialize(self.inside)?;
        let pair = fold(self.key, value);
        self.part(pair, false);
        Ok(())
    }

    fn end(self) -> Result<u64, Refused> {
        Ok(Parts::end(self))
    }
}
