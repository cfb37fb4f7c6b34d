//! The catalog for other programs.

use serde_json::{Value, json};

use super::contents::{CachedFunction, Catalog, Invalidated, Place, Write};

/// The version of the schema: raised when something is renamed or taken away.
const SCHEMA: u32 = 1;

impl Catalog {
    /// The catalog as JSON, for other programs: an object with `schema` (a number that grows when something is renamed or taken
    /// away), `functions` and `writes`. A write's targets name functions by their numbers in `functions`. Durations are in
    /// milliseconds, fingerprints in hexadecimal digits. `problems` are those of [`problems`](Catalog::problems), as text.
    #[must_use]
    pub fn to_json(&self) -> String {
        let functions: Vec<Value> = self.functions.iter().map(function).collect();
        let writes: Vec<Value> = self.writes.iter().map(write).collect();
        let problems: Vec<String> = self.problems().iter().map(ToString::to_string).collect();
        let all = json!({
            "schema": SCHEMA,
            "functions": functions,
            "writes": writes,
            "problems": problems,
        });
        format!("{all:#}\n")
    }
}

fn with_place(place: &Place, mut object: Value) -> Value {
    let Place { module, name, file, line } = place;
    object["module"] = json!(module);
    object["name"] = json!(name);
    object["file"] = json!(file);
    object["line"] = json!(line);
    object
}

fn function(function: &CachedFunction) -> Value {
    let CachedFunction {
        place,
        template,
        is_family,
        tags,
        ttl,
        none_ttl,
        error_ttl,
        stale_while_revalidate,
        stale_if_error,
        ttl_only,
        codec,
        value_type,
        fingerprint,
    } = function;
    let object = json!({
        "template": template,
        "is_family": is_family,
        "tags": tags,
        "ttl_ms": ttl.as_millis(),
        "none_ttl_ms": none_ttl.map(|ttl| ttl.as_millis()),
        "error_ttl_ms": error_ttl.map(|ttl| ttl.as_millis()),
        "stale_while_revalidate_ms": stale_while_revalidate.as_millis(),
        "stale_if_error_ms": stale_if_error.as_millis(),
        "ttl_only": ttl_only,
        "codec": codec,
        "value_type": value_type,
        "fingerprint": fingerprint.map(|fingerprint| format!("{fingerprint:016x}")),
    });
    with_place(place, object)
}

fn write(write: &Write) -> Value {
    let targets: Vec<Value> = write
        .targets
        .iter()
        .map(|target| match target {
            Invalidated::Function(number) => json!({ "function": number }),
            Invalidated::Template(template, numbers) => json!({ "template": template, "functions": numbers }),
            Invalidated::Tag(tag, numbers) => json!({ "tag": tag, "functions": numbers }),
            Invalidated::Other(written) => json!({ "other": written }),
        })
        .collect();
    let object = json!({
        "by_hand": write.by_hand,
        "targets": targets,
        "guard_required": write.guard_required,
        "in_transaction": write.in_transaction,
    });
    with_place(&write.place, object)
}
