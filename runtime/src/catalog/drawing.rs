//! The catalog as a picture: who invalidates what.

use std::fmt::Write as _;

use super::contents::{Catalog, Invalidated, Place};

/// A way to write a picture down.
trait Language {
    fn begin(&self) -> &'static str;
    fn end(&self) -> &'static str;
    /// A function, with the lines of its label.
    fn node(&self, name: &str, lines: &[&str], is_write: bool) -> String;
    fn edge(&self, from: &str, to: &str) -> String;
}

impl Catalog {
    /// The picture as a [Mermaid](https://mermaid.js.org) flowchart, which forges and many editors show: writes at the left, an arrow
    /// to each cached function that they invalidate.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        self.draw(&Mermaid)
    }

    /// The same for [Graphviz](https://graphviz.org).
    #[must_use]
    pub fn to_dot(&self) -> String {
        self.draw(&Dot)
    }

    fn draw(&self, language: &impl Language) -> String {
        let mut text = language.begin().to_owned();
        for (number, function) in self.functions.iter().enumerate() {
            let name = function.place.path();
            let ttl = format!("ttl {:?}", function.ttl);
            let lines = [&*name, function.template, &*ttl];
            text += &language.node(&format!("read{number}"), &lines, false);
        }
        let mut others: Vec<&'static str> = Vec::new();
        for (number, write) in self.writes.iter().enumerate() {
            let from = format!("write{number}");
            text += &language.node(&from, &[&Place::path(&write.place)], true);
            let named = write.targets.iter().flat_map(|target| targets(target, &mut others));
            let mut named: Vec<String> = named.collect();
            named.sort_unstable();
            named.dedup();
            text.extend(named.iter().map(|to| language.edge(&from, to)));
        }
        for (number, other) in others.iter().enumerate() {
            text += &language.node(&format!("other{number}"), &[other], false);
        }
        text + language.end()
    }
}

/// The nodes that a target stands for; what is no function of the catalog joins the others.
fn targets(target: &Invalidated, others: &mut Vec<&'static str>) -> Vec<String> {
    let read = |number: &usize| format!("read{number}");
    match target {
        Invalidated::Function(number) => vec![read(number)],
        Invalidated::Template(_, numbers) | Invalidated::Tag(_, numbers) if !numbers.is_empty() => {
            numbers.iter().map(read).collect()
        }
        Invalidated::Template(text, _) | Invalidated::Tag(text, _) | Invalidated::Other(text) => {
            let number = others.iter().position(|other| other == text).unwrap_or_else(|| {
                others.push(text);
                others.len() - 1
            });
            vec![format!("other{number}")]
        }
    }
}

struct Mermaid;

impl Language for Mermaid {
    fn begin(&self) -> &'static str {
        "flowchart LR\n"
    }

    fn end(&self) -> &'static str {
        ""
    }

    fn node(&self, name: &str, lines: &[&str], is_write: bool) -> String {
        // Inside of quotation marks everything else is text; `#` begins an entity.
        let escaped = |line: &&str| {
            line.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
        };
        let label = lines.iter().map(escaped).collect::<Vec<_>>().join("<br>");
        if is_write { format!("  {name}[\"{label}\"]\n") } else { format!("  {name}([\"{label}\"])\n") }
    }

    fn edge(&self, from: &str, to: &str) -> String {
        format!("  {from} --> {to}\n")
    }
}

struct Dot;

impl Language for Dot {
    fn begin(&self) -> &'static str {
        "digraph catalog {\n  rankdir=LR;\n"
    }

    fn end(&self) -> &'static str {
        "}\n"
    }

    fn node(&self, name: &str, lines: &[&str], is_write: bool) -> String {
        let escaped = |line: &&str| line.replace('\\', "\\\\").replace('"', "\\\"");
        let label = lines.iter().map(escaped).collect::<Vec<_>>().join("\\n");
        let shape = if is_write { "box" } else { "oval" };
        let mut node = String::new();
        let _ = writeln!(node, "  {name} [shape={shape}, label=\"{label}\"];");
        node
    }

    fn edge(&self, from: &str, to: &str) -> String {
        format!("  {from} -> {to};\n")
    }
}
