//! The switch of a cache: whole, or for single functions.

use std::{
    collections::HashSet,
    env,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use crate::{
    function::{
        linked,
        read::{ReadFunction, ReadSettings},
        registry,
    },
    lock::RwLock,
};

/// The environment variable that turns every cache of the process off.
const VARIABLE: &str = "CACHED_ASIDE";

/// What is turned off.
#[derive(Debug, Default)]
pub(crate) struct Switch {
    /// Whether anything is, so that a call takes no lock while nothing is.
    any: AtomicBool,
    off: RwLock<Off>,
}

#[derive(Debug, Default)]
pub(crate) struct Off {
    pub(crate) all: bool,
    pub(crate) functions: HashSet<String>,
}

impl Switch {
    /// As the environment says.
    pub(crate) fn from_env() -> Switch {
        let value = env::var_os(VARIABLE);
        Switch::new(value.as_ref().map(|value| value.to_string_lossy()).as_deref())
    }

    fn new(value: Option<&str>) -> Switch {
        let value = value.map(|value| value.trim().to_ascii_lowercase());
        let all = match value.as_deref() {
            Some("off") => {
                tracing::warn!(
                    "{VARIABLE}=off: cached functions run their bodies, writes go on invalidating"
                );
                true
            }
            None | Some("" | "on") => false,
            Some(other) => {
                tracing::warn!(value = other, "{VARIABLE} is neither `on` nor `off`, and is ignored");
                false
            }
        };
        Switch { any: AtomicBool::new(all), off: RwLock::new(Off { all, functions: HashSet::new() }) }
    }

    /// Whether calls of this function run their bodies.
    pub(crate) fn is_off(&self, function: &ReadFunction) -> bool {
        self.any.load(Relaxed) && self.off.read().names(function)
    }

    /// Whether the environment turned everything off.
    pub(crate) fn is_all_off(&self) -> bool {
        self.off.read().all
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Off)) {
        let mut off = self.off.write();
        change(&mut off);
        self.any.store(off.all || !off.functions.is_empty(), Relaxed);
    }
}

impl Off {
    fn names(&self, function: &ReadFunction) -> bool {
        self.all || self.functions.iter().any(|name| is_name_of(name, function))
    }
}

/// Whether a function may be called this here: by its path, with its place or without, or as it is written.
fn is_name_of(name: &str, function: &ReadFunction) -> bool {
    let ReadSettings { module, name: of, file, line, .. } = function.settings;
    let Some(rest) = name.strip_prefix(module).and_then(|rest| rest.strip_prefix("::")) else {
        return name == of;
    };
    match rest.split_once(" (") {
        Some((rest, place)) => rest == of && place == format!("{file}:{line})"),
        None => rest == of,
    }
}

/// Whether a cached function of the program has this name. That of a [`Cached`](crate::Cached) is not known before its first use.
pub(crate) fn is_known(name: &str) -> bool {
    functions().any(|function| is_name_of(name, function))
}

/// The whole name of a method that is called this without its type.
pub(crate) fn is_method(name: &str) -> Option<&'static str> {
    functions().map(|function| function.settings.name).find(|whole| is_end_of(name, whole))
}

fn is_end_of(name: &str, whole: &str) -> bool {
    whole.strip_suffix(name).is_some_and(|of_type| of_type.ends_with("::"))
}

fn functions() -> impl Iterator<Item = &'static ReadFunction> {
    let called = registry::FUNCTIONS.read().clone();
    linked::functions().into_iter().chain(called)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    static LOAD: ReadFunction =
        ReadFunction::declare("app::users", "Repo::load", "k", Duration::from_secs(1));

    #[test]
    fn the_environment_turns_everything_off_or_nothing() {
        for value in [None, Some("on"), Some("ON"), Some(""), Some("true"), Some("offline")] {
            assert!(!Switch::new(value).is_off(&LOAD), "{value:?}");
        }
        for value in ["off", "OFF", "Off"] {
            assert!(Switch::new(Some(value)).is_off(&LOAD), "{value}");
        }
        let switch = Switch::new(Some(" off\n"));
        assert!(switch.is_off(&LOAD));
        switch.change(|off| {
            off.functions.remove("Repo::load");
        });
        assert!(switch.is_off(&LOAD), "it stays off");
    }

    #[test]
    fn a_method_is_known_by_its_end() {
        for (name, is_end) in [("load", true), ("oad", false), ("Repo::load", false)] {
            assert_eq!(is_end_of(name, "Repo::load"), is_end, "{name}");
        }
    }

    #[test]
    fn a_function_is_named_by_its_path_or_as_it_is_written() {
        for (name, off) in [
            ("Repo::load", true),
            ("app::users::Repo::load", true),
            ("load", false),
            ("users::Repo::load", false),
        ] {
            let switch = Switch::default();
            switch.change(|off| {
                off.functions.insert(name.to_owned());
            });
            assert_eq!(switch.is_off(&LOAD), off, "{name}");
        }
    }
}
