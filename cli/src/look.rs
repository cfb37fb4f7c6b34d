//! `keys`, `get` and `explain`: what stands where, and why.

use std::{borrow::Cow, io::IsTerminal};

use cached_aside::AnyKey;
use cached_aside_protocol::{
    entry::{self, Unusable},
    format::MAX_PAYLOAD,
    outline::{Outline, Stored, StoredResult},
};
use serde_json::{Value, json};

use crate::{
    catalog::{Catalog, Function},
    entry::Entry,
    failure::Failure,
    output::{self, shown, time},
    servers::{Connected, Go},
};

/// Maximum number of bytes of a value that nobody can decode, as they are shown.
const SHOWN: usize = 256;

/// Lists the entries that match. Whether there are any.
pub(crate) async fn keys(
    at: &Connected,
    pattern: &str,
    limit: Option<usize>,
    as_json: bool,
) -> Result<bool, Failure> {
    let limit = limit.unwrap_or(usize::MAX);
    let mut listed = 0;
    let bar = !std::io::stdout().is_terminal();
    at.search(pattern, bar, async |keys| {
        for entry in at.entries(&keys).await? {
            if listed == limit {
                return Ok(Go::Stop);
            }
            if as_json {
                output::json_line(&entry.to_json())?;
            } else {
                if listed == 0 {
                    output::line(Entry::heads())?;
                }
                output::line(entry.row())?;
            }
            listed += 1;
        }
        Ok(if listed < limit { Go::On } else { Go::Stop })
    })
    .await?;
    if listed == 0 && !as_json {
        output::line("nothing matches")?;
    }
    Ok(listed > 0)
}

/// Shows an entry. Whether there is one, and it can be read.
pub(crate) async fn get(
    at: &Connected,
    key: &str,
    catalog: Option<&Catalog>,
    as_json: bool,
) -> Result<bool, Failure> {
    let key = &*name_of(key);
    // A header, tags, and the largest payload.
    let Some(inspected) = at.inspect(key, MAX_PAYLOAD + (1 << 10)).await? else {
        return nothing(key, as_json).map(|()| false);
    };
    let entry = Entry::new(key, &inspected);
    let read = match &entry.outline {
        Outline::Stored(stored) => Some(ReadBack::of(&inspected.bytes, stored, catalog, key)),
        _ => None,
    };
    if as_json {
        let mut document = entry.to_json();
        if let Some(read) = &read {
            read.add_to(&mut document);
        }
        output::document(&document)?;
    } else {
        print_facts(&entry)?;
        if let Some(read) = &read {
            read.print()?;
        }
    }
    Ok(read.is_none_or(|read| !matches!(read.payload, Payload::Corrupt)))
}

/// The name under which a key stands: a long one is shortened, as in the application.
fn name_of(key: &str) -> Cow<'_, str> {
    if key.starts_with('#') { key.into() } else { AnyKey::new(key).as_str().to_owned().into() }
}

fn nothing(key: &str, as_json: bool) -> Result<(), Failure> {
    if as_json {
        output::document(&json!({ "key": key, "state": "absent" }))?;
    } else {
        output::line(format!("{}: nothing stands there; the next call loads it", shown(key)))?;
    }
    Ok(())
}

fn print_facts(entry: &Entry) -> Result<(), Failure> {
    output::line(shown(&entry.key))?;
    for (name, value) in entry.facts() {
        output::line(format!("    {name:<12} {value}"))?;
    }
    Ok(())
}

/// What can be made of the payload.
struct ReadBack<'a> {
    /// The function whose type and codec the entry has, in the catalog's build.
    function: Option<&'a Function>,
    /// The catalog's functions with this key have other types.
    other_type: bool,
    payload: Payload,
}

enum Payload {
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
    fn of(bytes: &[u8], stored: &Stored, catalog: Option<&'a Catalog>, key: &str) -> ReadBack<'a> {
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

    fn print(&self) -> Result<(), Failure> {
        if let Some(function) = self.function {
            let place = &function.place;
            output::line(format!("    {:<12} {place}: the fingerprint is its own", "written by"))?;
        } else if self.other_type {
            output::line(format!(
                "    {:<12} its fingerprint is not this catalog's: another release wrote it, and this one's next call replaces it",
                "written by"
            ))?;
        }
        match &self.payload {
            Payload::None => {}
            Payload::Value(value) => {
                output::line(format!("    {:<12} {}", "value", shown(&value.to_string())))?;
            }
            Payload::Bytes(bytes) => {
                let more = if bytes.len() > SHOWN { "…" } else { "" };
                let start = bytes[..bytes.len().min(SHOWN)].escape_ascii();
                output::line(format!("    {:<12} {start}{more}  (only the program can decode it)", "bytes"))?;
            }
            Payload::Corrupt => {
                output::line(format!(
                    "    {:<12} the checksum is wrong; the next call loads it again",
                    "corrupt"
                ))?;
            }
        }
        Ok(())
    }

    fn add_to(&self, document: &mut Value) {
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

/// Says who owns a key, who invalidates it, and what stands there. Whether somebody owns it.
pub(crate) async fn explain(
    at: Option<&Connected>,
    key: &str,
    catalog: &Catalog,
    as_json: bool,
) -> Result<bool, Failure> {
    let key = &*name_of(key);
    let owners = catalog.owners(key);
    let entry = match at {
        Some(at) => at.inspect(key, crate::entry::START).await?.map(|inspected| Entry::new(key, &inspected)),
        None => None,
    };
    if as_json {
        let owned = owners.iter().map(|(number, owner)| {
            let mut object = owner.to_json();
            object["oldest_ms"] = json!(output::millis(owner.oldest()));
            let writes = catalog.writes_of(*number).map(|write| write.to_json(*number));
            object["invalidated_by"] = writes.collect();
            object
        });
        let owners: Vec<Value> = owned.collect();
        let found = !owners.is_empty();
        let entry = entry.map_or(Value::Null, |entry| entry.to_json());
        output::document(&json!({ "key": key, "owners": owners, "entry": entry }))?;
        return Ok(found);
    }
    match &entry {
        Some(entry) => print_facts(entry)?,
        None => output::line(shown(key))?,
    }
    if at.is_some() && entry.is_none() {
        output::line("    nothing stands there; the next call loads it")?;
    }
    if owners.is_empty() {
        output::line("    no cached function of the catalog has such a key")?;
    }
    for (number, owner) in &owners {
        output::line(format!("    {:<12} {}", "owned by", owner.place))?;
        for fact in owner.facts() {
            output::line(format!("    {:<12} {fact}", ""))?;
        }
        let mut writes = catalog.writes_of(*number).peekable();
        let oldest = time(owner.oldest());
        if writes.peek().is_none() {
            let why = format!("nothing invalidates it: a change of the origin shows after up to {oldest}");
            output::line(format!("    {:<12} {why}", "why old"))?;
        }
        for write in writes {
            let through = write.through(*number);
            output::line(format!("    {:<12} {} ({through})", "ended by", write.place))?;
        }
        output::line(format!("    {:<12} {oldest}, if a write that changes it is none of these", "at most"))?;
    }
    Ok(!owners.is_empty())
}
