//! The handle's side of the switch.

use super::Cache;
use crate::engine::switch;

impl Cache {
    /// Turns a cached function off in this cache: its calls from now on run their bodies, and nothing is read or stored for them, until
    /// [`enable`](Cache::enable). Writes go on invalidating its entries, so that none is stale when it is turned on again;
    /// [`#[updates]`](macro@crate::updates) deletes instead of storing, and [`Key::peek`](crate::Key::peek) finds nothing.
    ///
    /// The name is as [`Stats::functions`](crate::Stats::functions) has it (`app::users::load_user`, with its place behind it where several have that path), or its end as the
    /// function or method is written (`load_user`, `Repo::load_user`), which then means every function of that name. A name that
    /// no function has is kept and logged as a warning: only a [`Cached`](crate::Cached) that was not used yet can still have it.
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
        self.inner.switch.change(|off| {
            off.functions.insert(function.to_owned());
        });
        if switch::is_known(function) {
            tracing::info!(function, "turned off: it runs uncached");
        } else if let Some(meant) = switch::is_method(function) {
            tracing::warn!(
                function,
                meant,
                "no cached function has this name, so nothing is turned off; a method is named with its type"
            );
        } else {
            tracing::warn!(
                function,
                "no cached function has this name, so nothing is turned off; `catalog()` lists the names"
            );
        }
    }

    /// Turns a function on again that [`disable`](Cache::disable) turned off, by the same name; another name is logged as a
    /// warning. Where `CACHED_ASIDE=off` turned off everything, it stays off.
    pub fn enable(&self, function: &str) {
        let mut was_off = false;
        self.inner.switch.change(|off| was_off = off.functions.remove(function));
        if !was_off {
            tracing::warn!(function, "nothing was turned off by this name, so nothing is turned on");
        } else if switch::is_known(function) {
            tracing::info!(function, "turned on again");
        } else {
            tracing::warn!(function, "no cached function has this name, so nothing is turned on");
        }
    }
}
