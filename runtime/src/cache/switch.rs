//! The switch of a cache: whole, or for single functions.

use std::{
    collections::HashSet,
    env,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use super::Cache;
use crate::settings::ReadFunction;

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
struct Off {
    all: bool,
    functions: HashSet<String>,
}

impl Switch {
    /// As the environment says.
    pub(super) fn from_env() -> Switch {
        let value = env::var_os(VARIABLE);
        Switch::new(value.as_ref().map(|value| value.to_string_lossy()).as_deref())
    }

    fn new(value: Option<&str>) -> Switch {
        let all = match value.map(str::trim) {
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
        self.any.load(Relaxed) && self.off.read().unwrap_or_else(PoisonError::into_inner).names(function)
    }

    /// Whether the environment turned everything off.
    pub(super) fn is_all_off(&self) -> bool {
        self.off.read().unwrap_or_else(PoisonError::into_inner).all
    }

    fn change(&self, change: impl FnOnce(&mut Off)) {
        let mut off = self.off.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut off);
        self.any.store(off.all || !off.functions.is_empty(), Relaxed);
    }
}

impl Off {
    fn names(&self, function: &ReadFunction) -> bool {
        let (module, name) = (function.settings.module, function.settings.name);
        self.all || self.functions.contains(name) || self.functions.contains(&format!("{module}::{name}"))
    }
}

impl Cache {
    /// Turns a cached function off in this cache: its calls run their bodies, and nothing is read or stored for them, until
    /// [`enable`](Cache::enable). Writes go on invalidating its entries, so that none is stale when it is turned on again;
    /// [`#[updates]`](macro@crate::updates) deletes instead of storing, and [`Key::peek`](crate::Key::peek) finds nothing.
    ///
    /// The name is as [`Stats::functions`](crate::Stats::functions) has it (`app::users::load_user`), or its end as the
    /// function or method is written (`load_user`, `Repo::load_user`), which then means every function of that name. A name that
    /// no function has is kept: the function may not have been called yet.
    ///
    /// It is a switch for an operator, of this process alone. `CACHED_ASIDE=off` in the environment turns off all functions in
    /// all caches of the process, from its start on.
    ///
    /// ```
    /// # use cached_aside::{Cache, cached_aside};
    /// #[cached_aside(ttl = "5m", key = "square:{n}")]
    /// async fn square(n: u64) -> u64 {
    ///     n * n
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cached_aside::Error> {
    /// let cache = Cache::in_process();
    /// cache.clone().install()?;
    /// cache.disable("square");
    /// square(3).await;
    /// square(3).await;
    /// assert_eq!(cache.stats().function("square").bypassed, 2);
    /// cache.enable("square");
    /// square(3).await;
    /// square(3).await;
    /// assert_eq!(cache.stats().function("square").hits, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn disable(&self, function: &str) {
        tracing::info!(function, "turned off: it runs uncached");
        self.inner.switch.change(|off| {
            off.functions.insert(function.to_owned());
        });
    }

    /// Turns a function on again that [`disable`](Cache::disable) turned off, by the same name. Where `CACHED_ASIDE=off` turned
    /// off everything, it stays off.
    pub fn enable(&self, function: &str) {
        tracing::info!(function, "turned on again");
        self.inner.switch.change(|off| {
            off.functions.remove(function);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    static LOAD: ReadFunction =
        ReadFunction::declare("app::users", "Repo::load", "k", Duration::from_secs(1));

    #[test]
    fn the_environment_turns_everything_off_or_nothing() {
        for (value, off) in [(None, false), (Some("on"), false), (Some(""), false), (Some("true"), false)] {
            assert_eq!(Switch::new(value).is_off(&LOAD), off, "{value:?}");
        }
        let switch = Switch::new(Some(" off\n"));
        assert!(switch.is_off(&LOAD));
        switch.change(|off| {
            off.functions.remove("Repo::load");
        });
        assert!(switch.is_off(&LOAD), "it stays off");
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
