//! The catalog of an application, from the file that it wrote.

use std::{fmt, fs, path::Path, time::Duration};

use cached_aside::inspect::can_give;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    failure::Failure,
    output::{self, shown, time},
};

/// The version of the schema that this program reads.
const SCHEMA: u64 = 1;

#[derive(Debug, Deserialize)]
pub(crate) struct Catalog {
    pub(crate) functions: Vec<Function>,
    pub(crate) writes: Vec<Write>,
    pub(crate) problems: Vec<String>,
    /// As the application wrote it.
    #[serde(skip)]
    text: String,
}

/// Where a function stands.
#[derive(Debug, Deserialize)]
pub(crate) struct Place {
    module: String,
    name: String,
    file: String,
    line: u32,
}

impl Place {
    /// The name with its module.
    pub(crate) fn path(&self) -> String {
        format!("{}::{}", self.module, self.name)
    }

    fn to_json(&self) -> Value {
        json!({ "function": self.path(), "file": self.file, "line": self.line })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}:{}", shown(&self.path()), shown(&self.file), self.line)
    }
}

/// A cached function.
#[derive(Debug, Deserialize)]
pub(crate) struct Function {
    #[serde(flatten)]
    pub(crate) place: Place,
    pub(crate) template: String,
    is_family: bool,
    tags: Vec<String>,
    ttl_ms: u64,
    none_ttl_ms: Option<u64>,
    error_ttl_ms: Option<u64>,
    stale_while_revalidate_ms: u64,
    stale_if_error_ms: u64,
    ttl_only: bool,
    pub(crate) codec: Option<String>,
    pub(crate) value_type: Option<String>,
    pub(crate) fingerprint: Option<String>,
}

/// A function that invalidates.
#[derive(Debug, Deserialize)]
pub(crate) struct Write {
    #[serde(flatten)]
    pub(crate) place: Place,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Target {
    Function { function: usize },
    Template { template: String, functions: Vec<usize> },
    Tag { tag: String, functions: Vec<usize> },
    Other { other: String },
}

impl Catalog {
    pub(crate) fn read(path: Option<&Path>) -> Result<Catalog, Failure> {
        Catalog::read_if_named(path)?.ok_or(Failure::CatalogNeeded)
    }

    pub(crate) fn read_if_named(path: Option<&Path>) -> Result<Option<Catalog>, Failure> {
        let Some(path) = path else { return Ok(None) };
        let text =
            fs::read_to_string(path).map_err(|error| Failure::File { path: path.to_owned(), error })?;
        let no_catalog = |reason: String| Failure::NoCatalog { path: path.to_owned(), reason };
        let any: Value = serde_json::from_str(&text).map_err(|error| no_catalog(error.to_string()))?;
        match any["schema"].as_u64() {
            Some(SCHEMA) => {
                let catalog = serde_json::from_value(any).map_err(|error| no_catalog(error.to_string()))?;
                Ok(Some(Catalog { text, ..catalog }))
            }
            Some(other) => Err(no_catalog(format!("its schema is {other}, and this program knows {SCHEMA}"))),
            None => Err(no_catalog("it has no `schema`".to_owned())),
        }
    }

    /// The functions whose key this can be, with their numbers.
    pub(crate) fn owners(&self, key: &str) -> Vec<(usize, &Function)> {
        self.functions.iter().enumerate().filter(|(_, function)| function.can_have(key)).collect()
    }

    /// The writes that end entries of a function.
    pub(crate) fn writes_of(&self, function: usize) -> impl Iterator<Item = &Write> {
        self.writes.iter().filter(move |write| write.targets.iter().any(|target| target.is_of(function)))
    }

    /// The function of this name, which may be written with its module.
    pub(crate) fn function(&self, name: &str) -> Result<&Function, Failure> {
        let named: Vec<_> = self.functions.iter().filter(|function| function.is_named(name)).collect();
        match named[..] {
            [function] => Ok(function),
            [] => {
                let known = self.functions.iter().map(|function| function.place.path()).collect();
                Err(Failure::NoSuchFunction { name: name.to_owned(), known })
            }
            _ => {
                let paths = named.into_iter().map(|function| function.place.path()).collect();
                Err(Failure::Ambiguous { name: name.to_owned(), paths })
            }
        }
    }

    /// Writes the whole of it. Whether it has no problems.
    pub(crate) fn print(&self, as_json: bool) -> Result<bool, Failure> {
        if as_json {
            output::line(self.text.trim_end())?;
            return Ok(self.problems.is_empty());
        }
        for (number, function) in self.functions.iter().enumerate() {
            output::line(function.place.to_string())?;
            for fact in function.facts() {
                output::line(format!("    {fact}"))?;
            }
            for write in self.writes_of(number) {
                output::line(format!("    invalidated by {}", write.place))?;
            }
        }
        let unresolved = self.writes.iter().flat_map(|write| {
            let others = write.targets.iter().filter_map(Target::other);
            others.map(|other| format!("{} invalidates {}", write.place, shown(other)))
        });
        for write in unresolved {
            output::line(write)?;
        }
        for problem in &self.problems {
            output::line(format!("problem: {}", shown(problem)))?;
        }
        Ok(self.problems.is_empty())
    }
}

impl Function {
    fn is_named(&self, name: &str) -> bool {
        let path = self.place.path();
        path == name || path.strip_suffix(name).is_some_and(|before| before.ends_with("::"))
    }

    /// Whether a key can be one of this function's.
    pub(crate) fn can_have(&self, key: &str) -> bool {
        if self.is_family {
            return key
                .strip_prefix(&self.template)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
        }
        can_give(&self.template, key)
    }

    /// A pattern of Redis that all its keys match.
    pub(crate) fn pattern(&self) -> String {
        let mut pattern = String::new();
        let mut rest = self.template.as_str();
        while let Some(next) = rest.chars().next() {
            let doubled = rest.starts_with("{{") || rest.starts_with("}}");
            rest = &rest[next.len_utf8() + usize::from(doubled)..];
            match next {
                '{' if !doubled => {
                    pattern.push('*');
                    rest = rest.split_once('}').map_or("", |(_, rest)| rest);
                }
                '*' | '?' | '[' | ']' | '\\' | '^' => pattern.extend(['\\', next]),
                _ => pattern.push(next),
            }
        }
        // A long key is cut, and the names of families are followed by their parts.
        pattern + "*"
    }

    /// What the attribute says, a line each.
    pub(crate) fn facts(&self) -> Vec<String> {
        let of = |millis: u64| time(Duration::from_millis(millis));
        let mut facts = vec![format!("key {}", shown(&self.template)), format!("ttl {}", of(self.ttl_ms))];
        let stored = [("none_ttl", self.none_ttl_ms), ("error_ttl", self.error_ttl_ms)];
        facts.extend(stored.iter().filter_map(|(name, ttl)| Some(format!("{name} {}", of((*ttl)?)))));
        let windows = [
            ("stale_while_revalidate", self.stale_while_revalidate_ms),
            ("stale_if_error", self.stale_if_error_ms),
        ];
        facts.extend(
            windows
                .iter()
                .filter(|(_, window)| *window > 0)
                .map(|(name, window)| format!("{name} {}", of(*window))),
        );
        if !self.tags.is_empty() {
            facts.push(format!("tags {}", shown(&self.tags.join(", "))));
        }
        if let (Some(codec), Some(ty)) = (&self.codec, &self.value_type) {
            facts.push(format!("stores {ty} by {codec}"));
        }
        if self.ttl_only {
            facts.push("ttl_only: nothing invalidates it on purpose".to_owned());
        }
        facts
    }

    /// The oldest value that it gives where no write invalidates it.
    pub(crate) fn oldest(&self) -> Duration {
        let window = self.stale_while_revalidate_ms.max(self.stale_if_error_ms);
        Duration::from_millis(self.ttl_ms.saturating_add(window))
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut object = self.place.to_json();
        object["template"] = json!(self.template);
        object
    }
}

impl Write {
    /// Through what it invalidates a function's entries.
    pub(crate) fn through(&self, function: usize) -> String {
        let of = self.targets.iter().filter(|target| target.is_of(function));
        let named = of.map(|target| match target {
            Target::Function { .. } => "by name".to_owned(),
            Target::Template { template, .. } => format!("by the key `{}`", shown(template)),
            Target::Tag { tag, .. } => format!("by the tag `{}`", shown(tag)),
            Target::Other { other } => shown(other),
        });
        named.collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn to_json(&self, function: usize) -> Value {
        let mut object = self.place.to_json();
        object["through"] = json!(self.through(function));
        object
    }
}

impl Target {
    fn is_of(&self, number: usize) -> bool {
        match self {
            Target::Function { function } => *function == number,
            Target::Template { functions, .. } | Target::Tag { functions, .. } => functions.contains(&number),
            Target::Other { .. } => false,
        }
    }

    fn other(&self) -> Option<&str> {
        match self {
            Target::Other { other } => Some(other),
            Target::Template { template, functions } if functions.is_empty() => Some(template),
            Target::Tag { tag, functions } if functions.is_empty() => Some(tag),
            _ => None,
        }
    }
}
