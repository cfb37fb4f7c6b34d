//! The catalog of an application, as it writes it.

use std::{fmt, time::Duration};

use cached_aside::inspect::{can_give, family_can_give, pattern_of, pattern_of_family};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::text::{millis, shown, time};

/// The version of the schema that this program reads.
const SCHEMA: u64 = 1;

/// A catalog.
#[derive(Debug, Deserialize)]
pub struct Catalog {
    /// The cached functions.
    pub functions: Vec<Function>,
    /// The functions that invalidate.
    pub writes: Vec<Write>,
    /// What is probably a mistake.
    pub problems: Vec<String>,
    /// As the application wrote it.
    #[serde(skip)]
    written: Value,
}

/// Where a function stands.
#[derive(Debug, Deserialize)]
pub struct Place {
    module: String,
    name: String,
    file: String,
    line: u32,
}

impl Place {
    /// The name with its module.
    pub fn path(&self) -> String {
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
pub struct Function {
    #[serde(flatten)]
    /// Where it stands.
    pub place: Place,
    /// Of its keys.
    pub template: String,
    is_family: bool,
    tags: Vec<String>,
    ttl_ms: u64,
    none_ttl_ms: Option<u64>,
    error_ttl_ms: Option<u64>,
    stale_while_revalidate_ms: u64,
    stale_if_error_ms: u64,
    ttl_only: bool,
    /// The name of its codec, if it is known.
    pub codec: Option<String>,
    /// The type of its values, if it is known.
    pub value_type: Option<String>,
    /// The fingerprint of its entries in the catalog's build, if it is known.
    pub fingerprint: Option<String>,
}

/// A function that invalidates.
#[derive(Debug, Deserialize)]
pub struct Write {
    #[serde(flatten)]
    /// Where it stands.
    pub place: Place,
    /// Whether it is a `keys![…]`.
    #[serde(default)]
    by_hand: bool,
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
    /// Reads what `cached_aside::catalog().to_json()` wrote.
    ///
    /// # Errors
    ///
    /// Why it is none, or none that this version knows.
    pub fn parse(text: &str) -> Result<Catalog, String> {
        let any: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match any["schema"].as_u64() {
            Some(SCHEMA) => {
                let catalog = serde_json::from_value(any.clone()).map_err(|error| error.to_string())?;
                Ok(Catalog { written: any, ..catalog })
            }
            Some(other) => Err(format!("its schema is {other}, and this program knows {SCHEMA}")),
            None => Err("it has no `schema`".to_owned()),
        }
    }

    /// The same as it was written.
    pub fn as_json(&self) -> &Value {
        &self.written
    }

    /// The functions whose key this can be, how old their values may be, and who invalidates them.
    pub fn explained(&self, key: &str) -> Vec<Value> {
        let owned = self.owners(key).into_iter().map(|(number, owner)| {
            let mut object = owner.to_json();
            object["oldest_ms"] = json!(millis(owner.oldest()));
            object["invalidated_by"] = self.writes_of(number).map(|write| write.to_json(number)).collect();
            object
        });
        owned.collect()
    }

    /// The functions whose key this can be, with their numbers.
    pub fn owners(&self, key: &str) -> Vec<(usize, &Function)> {
        self.functions.iter().enumerate().filter(|(_, function)| function.can_have(key)).collect()
    }

    /// The writes that end entries of a function.
    pub fn writes_of(&self, function: usize) -> impl Iterator<Item = &Write> {
        self.writes.iter().filter(move |write| write.targets.iter().any(|target| target.is_of(function)))
    }

    /// The function of this name, which may be written with its module.
    ///
    /// # Errors
    ///
    /// Where none has it, or several have.
    pub fn function(&self, name: &str) -> Result<&Function, NotOne> {
        let named: Vec<_> = self.functions.iter().filter(|function| function.is_named(name)).collect();
        match named[..] {
            [function] => Ok(function),
            [] => {
                let known = self.functions.iter().map(|function| function.place.path()).collect();
                Err(NotOne::None { name: name.to_owned(), known })
            }
            _ => {
                let paths = named.into_iter().map(|function| function.place.path()).collect();
                Err(NotOne::Several { name: name.to_owned(), paths })
            }
        }
    }

    /// What each write names that is no function of the catalog.
    pub fn unresolved(&self) -> impl Iterator<Item = String> {
        self.writes.iter().flat_map(|write| {
            let others = write.targets.iter().filter_map(Target::other);
            others.map(|other| format!("{} invalidates {}", write.place, shown(other)))
        })
    }
}

/// Why a name is not that of one function.
#[derive(Debug, thiserror::Error)]
pub enum NotOne {
    /// No function has it.
    #[error("the catalog has no cached function `{name}`{}", among(.known))]
    None {
        /// The name.
        name: String,
        /// Those that it has.
        known: Vec<String>,
    },
    /// Several functions have it.
    #[error("the catalog has several functions `{name}`; write one of {}", .paths.join(", "))]
    Several {
        /// The name.
        name: String,
        /// With their modules.
        paths: Vec<String>,
    },
}

fn among(known: &[String]) -> String {
    if known.is_empty() { String::new() } else { format!("; it has {}", known.join(", ")) }
}

impl Function {
    fn is_named(&self, name: &str) -> bool {
        let path = self.place.path();
        path == name || path.strip_suffix(name).is_some_and(|before| before.ends_with("::"))
    }

    /// Whether a key can be one of this function's.
    pub fn can_have(&self, key: &str) -> bool {
        if self.is_family { family_can_give(&self.template, key) } else { can_give(&self.template, key) }
    }

    /// A pattern of Redis that all its keys match, and others: see [`can_have`](Function::can_have).
    pub fn pattern(&self) -> String {
        if self.is_family { pattern_of_family(&self.template) } else { pattern_of(&self.template) }
    }

    /// Of a function without a `key`: a pattern of Redis that matches its keys whatever types and modules they begin with, and others. The
    /// catalog does not know what the compiler calls those.
    pub fn pattern_of_any_type(&self) -> Option<String> {
        let name = self.place.name.rsplit("::").next().unwrap_or_default();
        let rest = self.template.strip_prefix(&self.place.path())?;
        (rest.is_empty() || rest.starts_with(":{")).then(|| format!("*::{name}*"))
    }

    /// What the attribute says, a line each.
    pub fn facts(&self) -> Vec<String> {
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
    pub fn oldest(&self) -> Duration {
        let window = self.stale_while_revalidate_ms.max(self.stale_if_error_ms);
        Duration::from_millis(self.ttl_ms.saturating_add(window))
    }

    pub fn to_json(&self) -> Value {
        let mut object = self.place.to_json();
        object["template"] = json!(self.template);
        object
    }
}

impl Write {
    /// Through what it invalidates a function's entries.
    pub fn through(&self, function: usize) -> String {
        let of = self.targets.iter().filter(|target| target.is_of(function));
        let named = of.map(|target| match target {
            Target::Function { .. } => "by name".to_owned(),
            Target::Template { template, .. } => format!("by the key `{}`", shown(template)),
            Target::Tag { tag, .. } => format!("by the tag `{}`", shown(tag)),
            Target::Other { other } => shown(other),
        });
        let mut named: Vec<String> = named.collect();
        // The entries of several lists are named in one way.
        named.dedup();
        let named = named.join(", ");
        if self.by_hand { format!("by hand, {named}") } else { named }
    }

    pub fn to_json(&self, function: usize) -> Value {
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
