//! What is stored is what a hit gives.
//!
//! A value is stored only if the codec reads back what it wrote: the value that is read has the same walk (see
//! [`walk`](super::walk)) as the value that was written, and `Deserialize` asks for no field that `Serialize` left out. That is
//! checked for each value before it is stored, never on a hit.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use cached_aside_protocol::format::MAX_PAYLOAD;
use serde::de::DeserializeOwned;

use super::{
    Cacheable, Codec, CodecError, Limits,
    bounded::FieldsRead,
    option_of,
    walk::{FieldsWritten, Options, walk},
};
use crate::fingerprint::structure::FieldCounts;

/// How often a payload is read to see whether its sequences have an order of chance.
const READS_FOR_ORDER: usize = 8;

/// Appends the encoded value if the codec reads it back.
pub(super) fn encode<V: Cacheable, C: Codec>(
    value: &V,
    counts: &FieldCounts,
    into: &mut Vec<u8>,
) -> Result<(), CodecError> {
    caught("`Serialize` or `Deserialize`", || checked::<V, C>(value, counts, into))
}

/// Reads a value. Whatever the bytes are, that ends, and without a panic.
pub(super) fn decode<V: DeserializeOwned, C: Codec>(bytes: &[u8]) -> Result<V, CodecError> {
    caught("`Deserialize`", || {
        let limits = Limits::of(bytes);
        C::decode_bounded(bytes, &limits).map_err(|error| limits.error(error))
    })
}

/// Users' code may panic; that is one value less in the cache. Where a panic aborts, nothing can be caught.
fn caught<T>(what: &str, run: impl FnOnce() -> Result<T, CodecError>) -> Result<T, CodecError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Err(panicked(what, &*panic)))
}

#[cold]
fn panicked(what: &str, panic: &(dyn Any + Send)) -> CodecError {
    let message = panic.downcast_ref::<&str>().copied();
    let message = message.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    CodecError::new(format!("{what} panicked: {}", message.unwrap_or("without a message")))
}

fn checked<V: Cacheable, C: Codec>(
    value: &V,
    counts: &FieldCounts,
    into: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let options = Options { human_readable: C::HUMAN_READABLE, ..Options::default() };
    // Before the codec writes it: it would go down as deep as the value is.
    let walked = walk(value, Options { refuse_skipped: !C::SELF_DESCRIBING, with_written: true, ..options });
    let walked = walked.map_err(CodecError::new)?;
    let begin = into.len();
    C::encode(value, into)?;
    let payload = into.get(begin..).unwrap_or_default();
    if payload.len() > MAX_PAYLOAD {
        // Whoever stores it says so.
        return Ok(());
    }
    let limits = Limits::recording(payload);
    let codec = option_of(C::NAME);
    let unreadable = |error| {
        // A type with `version = only(…)` is not looked at before.
        let advice = if C::SELF_DESCRIBING { "" } else { ASKS_THE_FORMAT };
        CodecError::new(format!("the codec `{codec}` can't read it back: {error}{advice}"))
    };
    let read: Result<V, _> =
        C::decode_bounded(payload, &limits).map_err(|error| unreadable(limits.error(error)));
    all_fields_are_written(&walked.written, &limits.reads(), counts)?;
    let read = read?;
    let of_read = |options| walk(&read, options).map_err(CodecError::new);
    if of_read(options)?.digest == walked.digest {
        return Ok(());
    }
    let any_order = Options { any_order: true, ..options };
    let of_written = |options| walk(value, options).map_err(CodecError::new);
    if of_read(any_order)?.digest == of_written(any_order)?.digest {
        let first = of_read(options)?.digest;
        for _ in 0..READS_FOR_ORDER {
            let again: V = C::decode_bounded(payload, &Limits::of(payload)).map_err(unreadable)?;
            if walk(&again, options).map_err(CodecError::new)?.digest != first {
                return Ok(());
            }
        }
    }
    let with_fields = Options { with_fields: true, ..options };
    let place = of_written(with_fields)?.first_difference(&of_read(with_fields)?);
    let place = place.map(|(name, field)| format!(" in `{name}.{field}`")).unwrap_or_default();
    Err(CodecError::new(format!("the codec `{codec}` reads back another value{place}{}", advice::<C>())))
}

const ASKS_THE_FORMAT: &str = "; where its type asks the format what comes next (`flatten`, `untagged`, `serde_json::Value`), take \
                               `codec = Json` or `codec = MessagePack`";

fn advice<C: Codec>() -> &'static str {
    if C::SELF_DESCRIBING {
        "; it makes `None` of `Some(None)`, of `Some(())` and of NaN, which `codec = Bincode` and `codec = Postcard` keep apart, and of an \
         `untagged` value the first variant that can be read from it"
    } else {
        "; `Serialize` and `Deserialize` must have the same fields and variants in the same order (`skip`, `rename`, \
         `try_from`), or take `codec = Json` or `codec = MessagePack`"
    }
}

/// Refuses what `Deserialize` would fill with a default: a field that it reads and `Serialize` does not mention.
fn all_fields_are_written(
    written: &[FieldsWritten],
    read: &[FieldsRead],
    counts: &FieldCounts,
) -> Result<(), CodecError> {
    for fields in written {
        let mut of_the_name = read.iter().filter(|read| read.name == fields.name).peekable();
        let Some(first) = of_the_name.peek().copied().copied() else { continue };
        if !of_the_name.any(|read| are_written(fields, read, counts)) {
            return Err(left_out(fields, &first));
        }
    }
    Ok(())
}

fn are_written(written: &FieldsWritten, read: &FieldsRead, counts: &FieldCounts) -> bool {
    if written.names.is_empty() && read.fields.is_empty() {
        return read.count.is_none_or(|count| count <= written.count);
    }
    // Where fields are read by name, their list has aliases in it. The trace knows how many there are.
    let count = read.count.or_else(|| counts.of(read.name, read.fields)).unwrap_or(read.fields.len());
    written.names.iter().filter(|name| read.fields.contains(name)).count() >= count
}

fn left_out(written: &FieldsWritten, read: &FieldsRead) -> CodecError {
    let FieldsWritten { name, variant, names, .. } = written;
    let of = if variant.is_empty() { String::new() } else { format!("::{variant}") };
    let missing = read.fields.iter().find(|field| !names.contains(field));
    let missing = missing.map(|field| format!(" `{field}`")).unwrap_or_default();
    CodecError::new(format!(
        "`{name}{of}` is read with a field{missing} that is not written (`skip_serializing`, or another name), so that a hit \
         would have its default; let the cached function return a type that writes it"
    ))
}

#[cfg(test)]
#[cfg(all(feature = "bincode", feature = "json", feature = "messagepack", feature = "postcard"))]
mod tests;
