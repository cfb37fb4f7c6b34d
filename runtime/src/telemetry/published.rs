//! The same counts as text, for tools that add up those of all processes.

use std::fmt::Write;

use super::Stats;

impl Stats {
    /// Members of a JSON object: `functions` by name and `writes`, each without the counts that are zero, and `recovering`.
    pub(crate) fn to_published(&self) -> String {
        let mut text = String::from("\"functions\":{");
        for (number, (name, counts)) in self.functions.iter().enumerate() {
            text.push_str(if number == 0 { "\"" } else { ",\"" });
            escape(name, &mut text);
            text.push_str("\":");
            object(&counts.rows(), &mut text);
        }
        text.push_str("},\"writes\":");
        object(&self.write_rows(), &mut text);
        // Writing to a `String` can't fail.
        let _ = write!(text, ",\"recovering\":{}", self.recovering);
        text
    }
}

fn object(rows: &[(&'static str, u64)], text: &mut String) {
    text.push('{');
    let counted = rows.iter().filter(|(_, count)| *count > 0);
    for (number, (name, count)) in counted.enumerate() {
        let _ = write!(text, "{}\"{name}\":{count}", if number == 0 { "" } else { "," });
    }
    text.push('}');
}

/// A text inside of quotation marks: the names of files can hold anything.
fn escape(from: &str, text: &mut String) {
    for character in from.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            character if character.is_control() => {
                let _ = write!(text, "\\u{:04x}", u32::from(character));
            }
            character => text.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::Counts;

    #[test]
    fn counts_are_published_as_json_without_zeros() {
        let mut stats = Stats { writes: 3, recovering: 2, ..Stats::default() };
        let counts = Counts { hits: 7, loads: 1, ..Counts::default() };
        stats.functions.insert("app::load (C:\\a \"b\"\n.rs:7)".to_owned(), counts);
        stats.functions.insert("app::other".to_owned(), Counts::default());
        let read: Value = serde_json::from_str(&format!("{{{}}}", stats.to_published())).unwrap();
        let functions = json!({
            "app::load (C:\\a \"b\"\n.rs:7)": { "hits": 7, "loads": 1 },
            "app::other": {},
        });
        assert_eq!(read, json!({ "functions": functions, "writes": { "writes": 3 }, "recovering": 2 }));
    }
}
