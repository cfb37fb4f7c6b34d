//! The write path, in the order in which it happens: guard, body, release.

use std::{
    fmt,
    future::Future,
    mem,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use cached_aside_protocol::{Token, steps::Remove};
use futures_util::future::join_all;
use tokio::time::Instant;
use tracing::Instrument;

use crate::{
    AnyKey, Cache, Error,
    cache::Inner,
    course::Course,
    engine::Beside,
    health::Recovery,
    key::Listed,
    lease::while_renewing,
    settings::{Guard, WriteFunction, WriteSettings},
    store::StoreError,
    storing::Storable,
};

mod events;
mod guarded;
mod pieces;
mod places;

use self::events::now_and_then;
pub(crate) use self::{events::Events, places::Inside};
use self::{
    guarded::{Guards, Stage},
    pieces::in_pieces,
    places::{Part, Places},
};

/// One call of a function that invalidates: its keys are guarded while the body runs, and deleted after it.
///
/// `after` names the keys that only the return value knows.
pub(crate) fn write<R, B, A>(
    function: &'static WriteFunction,
    cache: Option<&Cache>,
    keys: Vec<AnyKey>,
    refuse: Option<fn(Error) -> R>,
    body: Pin<&mut B>,
    after: A,
) -> impl Future<Output = R>
where
    B: Future<Output = R>,
    A: FnOnce(&R) -> Vec<AnyKey>,
{
    let after = |returned: &R, _: &Inside<'_>| After { keys: after(returned), puts: Vec::new() };
    call(function, cache, keys, refuse, body, after)
}

/// One call of a function that updates: the same, but the entries that `puts` makes of what the function gave take the
/// guards' places, where this write was the only one.
pub(crate) fn update<R, B, P>(
    function: &'static WriteFunction,
    cache: Option<&Cache>,
    keys: Vec<AnyKey>,
    refuse: Option<fn(Error) -> R>,
    body: Pin<&mut B>,
    puts: P,
) -> impl Future<Output = R>
where
    B: Future<Output = R>,
    P: FnOnce(&R, &Inside<'_>) -> Vec<Written>,
{
    let after = |returned: &R, inside: &Inside<'_>| After { keys: Vec::new(), puts: puts(returned, inside) };
    call(function, cache, keys, refuse, body, after)
}

/// What is known after the body: keys to delete, and entries to store.
struct After {
    keys: Vec<AnyKey>,
    puts: Vec<Written>,
}

/// An entry that a write leaves behind.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) cache: Arc<Inner>,
    pub(crate) key: AnyKey,
    pub(crate) entry: Storable,
}

fn call<R, B, A>(
    function: &'static WriteFunction,
    cache: Option<&Cache>,
    keys: Vec<AnyKey>,
    refuse: Option<fn(Error) -> R>,
    body: Pin<&mut B>,
    after: A,
) -> impl Future<Output = R>
where
    B: Future<Output = R>,
    A: FnOnce(&R, &Inside<'_>) -> After,
{
    // No `async fn`, which would carry its arguments twice.
    let mut after = Some(after);
    async move {
        let course = Course::new();
        let steps = pin!(steps(function, cache, keys, refuse, &course, &mut after));
        course.beside(steps, body).await
    }
}

/// The steps of a call, which run beside its body.
async fn steps<R, A>(
    function: &'static WriteFunction,
    cache: Option<&Cache>,
    keys: Vec<AnyKey>,
    refuse: Option<fn(Error) -> R>,
    course: &Course<R>,
    after: &mut Option<A>,
) -> R
where
    A: FnOnce(&R, &Inside<'_>) -> After,
{
    let Some(after) = after.take() else { return course.run().await };
    let places = Places::new(function.settings.name, cache);
    let parts = places.sort(keys);
    let span = tracing::debug_span!("invalidates", function = function.settings.name);
    course.inside(&span);
    // On the heap, without the body's type: so small, and easily found to be `Send`.
    Box::pin(carry_out(function, places, parts, refuse, course, after)).instrument(span).await
}

async fn carry_out<R, A>(
    function: &'static WriteFunction,
    places: Places,
    parts: Vec<Part>,
    refuse: Option<fn(Error) -> R>,
    body: &Course<R>,
    after: A,
) -> R
where
    A: FnOnce(&R, &Inside<'_>) -> After,
{
    let settings = &function.settings;
    places.count(&parts);
    let (result, removals) = if let Some(Part { cache, .. }) = parts.first() {
        let clock = cache.clock;
        let mut guards = Guards::place(parts, settings).await;
        if let Some(refuse) = refuse
            && let Some(error) = refusal(&guards, settings)
        {
            return refuse(error);
        }
        guards.enter(Stage::Running);
        let renewal = guards.keep();
        let encode = |result| {
            guards.enter(Stage::After);
            let after = after(&result, &Inside { places: &places, guards: &guards });
            (result, after)
        };
        let (result, After { keys, puts }) = while_renewing(clock, pin!(body.run()), renewal, encode).await;
        let removals = places.removals(keys);
        guards.release(puts).await;
        (result, removals)
    } else {
        let result = body.run().await;
        let After { keys, .. } = after(&result, &Inside { places: &places, guards: &Guards::default() });
        (result, places.removals(keys))
    };
    join_all(removals.into_iter().map(Removal::carry_out)).await;
    result
}

/// Without the keys in which the `Display` of a value failed: reads with such a value run uncached, so that nothing is stored
/// under them.
fn whole(mut keys: Vec<AnyKey>) -> Vec<AnyKey> {
    static SAID: AtomicBool = AtomicBool::new(false);
    if let Some(key) = keys.iter().find(|key| !key.is_whole()) {
        if !SAID.swap(true, Relaxed) {
            tracing::error!(
                key = key.as_str(),
                "the `Display` of a value in a key failed; there is no entry to invalidate"
            );
        }
        keys.retain(AnyKey::is_whole);
    }
    keys
}

/// The error of a write that needs its guards and lacks one, which is counted and told.
fn refusal(guards: &Guards, settings: &WriteSettings) -> Option<Error> {
    let (cache, key, error) = guards.failure()?;
    cache.table.writes.writes_refused.one();
    let WriteSettings { module, name, file, line, .. } = settings;
    now_and_then!(
        cache,
        refused,
        module,
        function = name,
        file,
        line,
        key = key.as_str(),
        ?error,
        "the write was refused, its key could not be guarded"
    );
    let source = Box::new(error.clone().into_error("guard", key.as_str()));
    Some(Error::NotGuarded { key: key.to_string(), source })
}

/// The deletion of keys that only the result names. Dropped before it was carried out, it is carried out in the background:
/// nothing guards them, and nobody else knows them.
struct Removal {
    function: &'static str,
    cache: Arc<Inner>,
    keys: Vec<AnyKey>,
}

impl Removal {
    async fn carry_out(mut self) {
        if !self.keys.is_empty() {
            // An undelivered deletion is on the recovery list; the write itself is done.
            let _ = remove(&self.cache, self.function, &self.keys, self.cache.timeout).await;
            self.keys.clear();
        }
    }
}

impl Drop for Removal {
    fn drop(&mut self) {
        if self.keys.is_empty() {
            return;
        }
        let (cache, function, keys) = (self.cache.clone(), self.function, mem::take(&mut self.keys));
        let inner = cache.clone();
        drop(cache.spawn(async move { remove(&inner, function, &keys, inner.timeout).await }));
    }
}

/// Deletes one entry: in the cache that the key names, else in this one.
pub(crate) async fn invalidate(cache: &Cache, key: &AnyKey) -> Result<(), Error> {
    if whole(vec![key.clone()]).is_empty() {
        return Ok(());
    }
    let cache = key.cache().unwrap_or(cache);
    let removed =
        remove(&cache.inner, "Cache::invalidate", std::slice::from_ref(key), cache.inner.timeout).await;
    match removed.into_iter().next() {
        Some((key, error)) => Err(error.into_error("invalidate", key.as_str())),
        None => Ok(()),
    }
}

/// Deletes one entry within a time. What can't be delivered in it is on the recovery list.
pub(crate) async fn end(cache: &Arc<Inner>, function: &'static str, key: &AnyKey, within: Duration) {
    // The list is all that can be done about it.
    let _ = remove(cache, function, std::slice::from_ref(key), within).await;
}

/// Deletes entries, unless writers are inside. What can't be delivered goes on the recovery list and is returned.
async fn remove(cache: &Arc<Inner>, function: &'static str, keys: &[AnyKey], within: Duration) -> Failures {
    let names: Vec<&str> = keys.iter().map(AnyKey::as_str).collect();
    let begun = Instant::now();
    let remove = |piece| cache.store.run_all(&names[piece], |_| Remove, within);
    let answers = in_pieces(names.len(), false, remove).await;
    tracing::debug!(function, keys = ?Listed(keys), took = ?begun.elapsed(), "deleted");
    let failures: Failures = keys.iter().cloned().zip(answers).filter_map(failure).collect();
    // With a token that is in no guard, a late release is a deletion.
    cache.undelivered(function, &failures, Token::fresh(), Duration::ZERO);
    cache.table.writes.invalidated.add((keys.len() - failures.len()) as u64);
    failures
}

/// Keys and why a step failed for them.
type Failures = Vec<(AnyKey, StoreError)>;

fn failure<T>((key, answer): (AnyKey, Result<T, StoreError>)) -> Option<(AnyKey, StoreError)> {
    answer.err().map(|error| (key, error))
}

impl Inner {
    /// Puts keys on the recovery list, says so in one line, and has them delivered.
    fn undelivered(
        self: &Arc<Self>,
        function: &'static str,
        failures: &Failures,
        token: Token,
        settle: Duration,
    ) {
        let failures = failures.iter().filter(|(_, error)| *error != StoreError::Foreign);
        let keys: Vec<&AnyKey> = failures.clone().map(|(key, _)| key).collect();
        let Some((_, error)) = failures.clone().next() else { return };
        now_and_then!(
            self,
            undelivered,
            function,
            keys = ?Listed(&keys),
            ?error,
            "invalidations could not be delivered; this process leaves the entries alone until they are"
        );
        self.list(&keys, token, settle);
        Recovery::deliver(self);
    }

    /// Puts keys on the recovery list.
    fn list(&self, keys: &[&AnyKey], token: Token, settle: Duration) {
        self.table.writes.undelivered.add(keys.len() as u64);
        let add = |key: &&AnyKey| {
            tracing::debug!(key = key.as_str(), "on the recovery list");
            self.recovery.add(key.as_str(), token, settle)
        };
        self.given_up(keys.iter().map(add).sum());
    }

    /// Counts and reports keys that left the recovery list undelivered.
    fn given_up(&self, given_up: usize) {
        if given_up > 0 {
            self.table.writes.given_up.add(given_up as u64);
            if let Some(left_out) = self.events.given_up.due() {
                tracing::error!(
                    given_up = self.table.writes.given_up.get(),
                    left_out,
                    "too many undelivered invalidations; the oldest are left to their entries' TTLs"
                );
            }
        }
    }
}

/// Keys under guard, from [`Cache::guard`] or [`Cache::guard_best_effort`]: while it lives nothing is stored under them, and readers run their bodies.
///
/// [`release`](WriteGuard::release) it once the write is committed or rolled back. A guard that is dropped instead holds ten
/// seconds longer: nobody said whether the database is done.
///
/// ```
/// # use cached_aside::{Cache, cached_aside};
/// # #[cached_aside(ttl = "5m", key = "balance:{account}")]
/// # async fn balance(account: u64) -> u64 { account }
/// # async fn transfer_in_one_transaction() {}
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cached_aside::Error> {
/// let cache = Cache::in_process();
/// let guard = cache.guard([balance::key(1), balance::key(2)]).await?;
/// transfer_in_one_transaction().await;
/// // The transaction is committed: whatever this says, it must not look like a failure of the transfer.
/// if let Err(error) = guard.release().await {
///     eprintln!("{error}; the cache makes up for it by itself");
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a guard that is dropped and not released holds for a while"]
pub struct WriteGuard {
    guards: Guards,
    renewing: Beside,
}

impl fmt::Debug for WriteGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&AnyKey> = self.guards.keys().collect();
        f.debug_struct("WriteGuard").field("keys", &Listed(&keys)).finish_non_exhaustive()
    }
}

/// How guards are placed that no attribute describes.
const BY_HAND: WriteSettings = WriteSettings::new(module_path!(), "Cache::guard", file!(), line!());

impl WriteGuard {
    /// Guards all of the keys, or none.
    pub(crate) async fn place(cache: &Cache, keys: Vec<AnyKey>) -> Result<WriteGuard, Error> {
        let guards = WriteGuard::guards(cache, keys, Guard::Required).await;
        if let Some((_, key, error)) = guards.failure() {
            return Err(error.clone().into_error("guard", key.as_str()));
        }
        Ok(WriteGuard::begin(cache, guards))
    }

    /// Guards those of the keys that can be guarded.
    pub(crate) async fn place_best_effort(cache: &Cache, keys: Vec<AnyKey>) -> WriteGuard {
        let guards = WriteGuard::guards(cache, keys, Guard::BestEffort).await;
        WriteGuard::begin(cache, guards)
    }

    async fn guards(cache: &Cache, keys: Vec<AnyKey>, guard: Guard) -> Guards {
        let places = Places::new(BY_HAND.name, Some(cache));
        let parts = places.sort(keys);
        places.count(&parts);
        Guards::place(parts, &BY_HAND.guard(guard)).await
    }

    fn begin(cache: &Cache, mut guards: Guards) -> WriteGuard {
        guards.enter(Stage::Running);
        let renewing = Beside::begin(cache.inner.clock, guards.keep());
        WriteGuard { guards, renewing }
    }

    /// Ends the guard and deletes the entries: from here on readers see what was written.
    ///
    /// # Errors
    ///
    /// When the cache did not answer. This process then does not use the entries until it has been told, which is tried
    /// again in the background; other processes see the guard's end at the latest ten seconds later.
    pub async fn release(self) -> Result<(), Error> {
        let WriteGuard { guards, renewing } = self;
        // A renewal after the release would find no guard, and place it anew.
        drop(renewing);
        let failures = guards.release(Vec::new()).await;
        match failures.into_iter().find(|(_, error)| *error != StoreError::Foreign) {
            Some((key, error)) => Err(error.into_error("release", key.as_str())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
