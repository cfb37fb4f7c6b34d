//! What can be made of the payload of an entry.

use cached_aside_protocol::{
    entry::{self, Unusable},
    outline::{Stored, StoredResult},
};
use serde_json::{Value, json};

use crate::catalog::{Catalog, Function};

/// What can be made of the payload.
#[derive(Debug)]
pub struct ReadBack<'a> {
    /// The function whose type and codec the entry has, in the catalog's build.
    pub function: Option<&'a Function>,
    /// The catalog's functions with this key have other types.
    pub other_type: bool,
    /// What is in it.
    pub payload: Payload,
}

/// A payload, as far as it can be decoded.
#[derive(Debug)]
pub enum Payload {
    /// The function returned `None`.
    None,
    /// Self-describing.
    Value(Value),
    /// Only the program knows its type.
    Bytes(Vec<u8>),
    /// The checksum is wrong.
    Corrupt,
}

impl<'a> ReadBack<'a> {
    /// Reads it, with what the catalog says about functions that have such a key.
    pub fn of(bytes: &[u8], stored: &Stored, catalog: Option<&'a Catalog>, key: &str) -> ReadBack<'a> {
        let fingerprint = format!("{:016x}", stored.fingerprint);
        let owners = catalog.map(|catalog| catalog.owners(key)).unwrap_or_default();
        let known: Vec<_> = owners.iter().filter_map(|(_, owner)| owner.fingerprint.as_ref()).collect();
        let is_it = |owner: &&(usize, &Function)| owner.1.fingerprint.as_ref() == Some(&fingerprint);
        let function = owners.iter().find(is_it).map(|(_, owner)| *owner);
        let codec = function.and_then(|function| function.codec.as_deref());
        let payload = match entry::parse(bytes, stored.fingerprint) {
            entry::Entry::Value(value) => {
                value.payload.map_or(Payload::None, |bytes| Payload::of(bytes, codec))
            }
            entry::Entry::Failure(failure) => Payload::of(failure.payload, None),
            entry::Entry::Unusable(Unusable::Corrupt) => Payload::Corrupt,
            _ => Payload::Bytes(Vec::new()),
        };
        let other_type = function.is_none() && !known.is_empty() && stored.result != StoredResult::Error;
        ReadBack { function, other_type, payload }
    }

    /// Adds what it is to a JSON object.
    pub fn add_to(&self, document: &mut Value) {
        document["fingerprint_fits"] = match (self.function, self.other_type) {
            (Some(_), _) => json!(true),
            (None, true) => json!(false),
            (None, false) => Value::Null,
        };
        document["function"] = self.function.map_or(Value::Null, Function::to_json);
        document["value"] = match &self.payload {
            Payload::Value(value) => value.clone(),
            _ => Value::Null,
        };
        document["corrupt"] = json!(matches!(self.payload, Payload::Corrupt));
    }
}

impl Payload {
    /// Decodes what describes itself: by its codec, if that is known, else what is JSON as it stands.
    fn of(bytes: &[u8], codec: Option<&str>) -> Payload {
        let value = match codec {
            Some("messagepack-named") => rmp_serde::from_slice(bytes).ok(),
            Some("json") | None => serde_json::from_slice(bytes).ok(),
            Some(_) => None,
        };
        // The bytes of another codec may be a number or a word of JSON by accident.
        let is_certain = codec.is_some() || matches!(value, Some(Value::Object(_) | Value::Array(_)));
        match value {
            Some(value) if is_certain => Payload::Value(value),
            _ => Payload::Bytes(bytes.to_vec()),
        }
    }
}
