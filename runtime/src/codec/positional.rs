//! What positional codecs can't say: that a field is missing.
//!
//! They write the fields of a struct one after the other, without names. A field that `Serialize` leaves out and
//! `Deserialize` expects moves all that follow into the wrong place, and what is read may look like a value. So a value is
//! walked before such a codec writes it: no field may be skipped (`skip_serializing_if`), and each struct must have as many
//! fields as `Deserialize` asked for (`skip_serializing`, `skip_deserializing`).

use std::fmt;

use serde::ser::{self, Serialize, Serializer};

use super::CodecError;
use crate::fingerprint::FieldCounts;

/// Refuses values whose fields a positional codec would move.
pub(super) fn check(
    value: &impl Serialize,
    human_readable: bool,
    counts: &FieldCounts,
) -> Result<(), CodecError> {
    value.serialize(Walk { human_readable, counts }).map_err(CodecError::new)
}

/// Serializes into nothing.
#[derive(Clone, Copy)]
struct Walk<'a> {
    human_readable: bool,
    counts: &'a FieldCounts,
}

/// Why a value can't be written.
#[derive(Debug)]
struct Refused(String);

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

impl Walk<'_> {
    fn expect(self, name: &'static str, variant: &'static str, fields: usize) -> Result<Self, Refused> {
        if self.counts.allow(name, variant, fields) {
            return Ok(self);
        }
        let of = if variant.is_empty() { String::new() } else { format!("::{variant}") };
        Err(Refused(format!(
            "`{name}{of}` is written with {fields} fields and read with another number \
             (`skip_serializing_if`, `skip_serializing`, `skip_deserializing`), which a positional codec can't tell; \
             take `codec = Json` or `codec = MessagePack`"
        )))
    }

    fn skipped(field: &'static str) -> Refused {
        Refused(format!(
            "the field `{field}` was skipped (`skip_serializing_if`), which a positional codec can't tell; \
             take `codec = Json` or `codec = MessagePack`"
        ))
    }
}

macro_rules! leaves {
    ($($method:ident($($argument:ty),*))*) => {$(
        fn $method(self $(, _: $argument)*) -> Result<(), Refused> {
            Ok(())
        }
    )*};
}

impl Serializer for Walk<'_> {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    fn is_human_readable(&self) -> bool {
        self.human_readable
    }

    leaves! {
        serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64) serialize_i128(i128)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64) serialize_u128(u128)
        serialize_f32(f32) serialize_f64(f64) serialize_char(char) serialize_str(&str) serialize_bytes(&[u8])
        serialize_none() serialize_unit() serialize_unit_struct(&'static str)
        serialize_unit_variant(&'static str, u32, &'static str)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, name: &'static str, len: usize) -> Result<Self, Refused> {
        self.expect(name, "", len)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self, Refused> {
        self.expect(name, variant, len)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self, Refused> {
        self.expect(name, "", len)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self, Refused> {
        self.expect(name, variant, len)
    }
}

macro_rules! elements {
    ($($trait:ident $method:ident;)*) => {$(
        impl ser::$trait for Walk<'_> {
            type Ok = ();
            type Error = Refused;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
                value.serialize(*self)
            }

            fn end(self) -> Result<(), Refused> {
                Ok(())
            }
        }
    )*};
}

elements! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

macro_rules! fields {
    ($($trait:ident;)*) => {$(
        impl ser::$trait for Walk<'_> {
            type Ok = ();
            type Error = Refused;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Result<(), Refused> {
                value.serialize(*self)
            }

            fn skip_field(&mut self, field: &'static str) -> Result<(), Refused> {
                Err(Self::skipped(field))
            }

            fn end(self) -> Result<(), Refused> {
                Ok(())
            }
        }
    )*};
}

fields! {
    SerializeStruct;
    SerializeStructVariant;
}

impl ser::SerializeMap for Walk<'_> {
    type Ok = ();
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        key.serialize(*self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        value.serialize(*self)
    }

    fn end(self) -> Result<(), Refused> {
        Ok(())
    }
}
