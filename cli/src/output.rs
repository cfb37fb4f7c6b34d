//! What is written: text for people, JSON for programs.

use std::io::{self, Write};

pub(crate) use cached_aside_inspector::text::{shown, time};
use serde_json::Value;

/// Writes one JSON document.
pub(crate) fn document(value: &Value) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{value:#}")
}

/// Writes one line of several JSON values.
pub(crate) fn json_line(value: &Value) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{value}")
}

/// Writes one line of text.
pub(crate) fn line(text: impl AsRef<str>) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{}", text.as_ref())
}
