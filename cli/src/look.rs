//! `keys`, `get` and `explain`: what stands where, and why.

use std::io::IsTerminal;

use cached_aside_inspector::{
    decoded::{Payload, ReadBack},
    text::name_of,
};
use cached_aside_protocol::{format::MAX_PAYLOAD, outline::Outline};
use serde_json::{Value, json};

use crate::{
    catalog::Catalog,
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
            print_read(read)?;
        }
    }
    Ok(read.is_none_or(|read| !matches!(read.payload, Payload::Corrupt)))
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

fn print_read(read: &ReadBack<'_>) -> Result<(), Failure> {
    if let Some(function) = read.function {
        let place = &function.place;
        output::line(format!("    {:<12} {place}: the fingerprint is its own", "written by"))?;
    } else if read.other_type {
        output::line(format!(
            "    {:<12} its fingerprint is not this catalog's: another release wrote it, and this one's next call replaces it",
            "written by"
        ))?;
    }
    match &read.payload {
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
        let owners = catalog.explained(key);
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
