//! The local copies of this process: decoded values that calls are given without asking the server.
//!
//! A copy is registered on its entry, and on the tags of that, for a time that the store grants, counted from when the question was
//! sent. Until that is over whoever changes the value waits for it, so that a copy is as good as a look at the server, and nothing has
//! to arrive here for that. After that it is not used, however the process came to be late.

use std::{
    any::Any,
    collections::HashSet,
    fmt, mem,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use cached_aside_protocol::Token;
use quick_cache::{Weighter, sync::Cache};
use typeid::ConstTypeId;

use self::{
    clock::{Nanos, nanos},
    recent::Recent,
};
use crate::{lock::Mutex, store::ChangeListener};

pub(crate) mod clock;
mod recent;
pub(crate) mod registering;

/// Default maximum size of the local copies of one cache, by the length of their entries and keys (bytes).
pub(crate) const CAPACITY: u64 = 64 << 20;
/// Typical length of an entry, from which the number of copies is guessed that there will be (bytes).
const TYPICAL: u64 = 512;
/// Maximum number of registrations that are asked for together.
const TOGETHER: usize = 256;
/// Minimum time between two removals of all copies that are over.
const SWEEP: Duration = Duration::from_secs(10);

/// The local copies of one cache.
#[derive(Debug)]
pub(crate) struct LocalCopies {
    capacity: u64,
    /// Made for the first one.
    held: OnceLock<Box<Held>>,
}

#[derive(Debug)]
struct Held {
    copies: Cache<Box<str>, Arc<LocalCopy>, ByLength>,
    recent: Recent,
    due: Mutex<Due>,
    swept: AtomicU64,
}

/// The copies whose registration is to be asked for next.
#[derive(Debug, Default)]
struct Due {
    queue: Vec<Arc<LocalCopy>>,
    /// The keys of those, and of those that are being asked for.
    keys: HashSet<Box<str>>,
    /// Whether somebody asks.
    asking: bool,
}

/// A decoded value, and until when it may be given.
///
/// It is registered on its entry, or, where it is bounded, compared with it: writers do not wait for such a copy, which ends by its time or
/// when the server announces a change.
pub(crate) struct LocalCopy {
    key: Box<str>,
    /// The keys of the tags that its entry carries, and their versions.
    tags: Box<[(Box<str>, Token)]>,
    is_bounded: bool,
    /// The type of the value, also of one that is `None`.
    pub(crate) type_id: ConstTypeId,
    /// Of that type.
    fingerprint: u64,
    /// The number of the function that it is of.
    function: usize,
    /// `None` for a stored `None`.
    pub(crate) value: Option<Arc<dyn Any + Send + Sync>>,
    /// The header of the entry: a copy of another one is another copy.
    header: Bytes,
    /// When the entry was stored, by the store's clock.
    stored_at: Duration,
    /// For how long it is asked for.
    local: Duration,
    /// Length of the entry and the key.
    length: u64,
    /// The store's losses when it was asked for: after another one it is not used.
    losses: AtomicU64,
    /// When it ends.
    until: AtomicU64,
    /// When it is to be registered again by whoever asks first: half of its time before its end.
    due: AtomicU64,
    /// When the entry was stored, as far as this process's clock goes back.
    born: AtomicU64,
    /// Whether it is being registered again, or can't be.
    asked: AtomicBool,
    /// The changes that end a bounded copy before its time.
    changes: Box<[ChangeListener]>,
}

impl fmt::Debug for LocalCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalCopy")
            .field("key", &self.key)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl LocalCopy {
    /// Whether it may be given now.
    pub(crate) fn is_valid(&self, (now, losses): (Nanos, u64)) -> bool {
        now < self.until.load(Relaxed)
            && losses == self.losses.load(Relaxed)
            && !self.changes.iter().any(ChangeListener::is_over)
    }

    /// How long ago its entry was stored.
    pub(crate) fn age(&self, now: Nanos) -> Duration {
        Duration::from_nanos(now.saturating_sub(self.born.load(Relaxed)))
    }

    /// Whether it is to be registered again by whoever asks this first: its end comes nearer.
    fn is_due(&self, now: Nanos) -> bool {
        now > self.due.load(Relaxed) && !self.asked.load(Relaxed) && !self.asked.swap(true, Relaxed)
    }
}

#[derive(Debug, Clone)]
struct ByLength;

impl Weighter<Box<str>, Arc<LocalCopy>> for ByLength {
    fn weight(&self, _: &Box<str>, copy: &Arc<LocalCopy>) -> u64 {
        copy.length
    }
}

impl LocalCopies {
    /// Room for copies of at most so many bytes.
    pub(crate) fn new(capacity: u64) -> LocalCopies {
        LocalCopies { capacity, held: OnceLock::new() }
    }

    /// The copy of this function's entry; whether it is valid is asked when it is given.
    pub(crate) fn get(&self, function: usize, key: &str) -> Option<Arc<LocalCopy>> {
        self.held.get()?.copies.get(key).filter(|copy| copy.function == function)
    }

    /// Removes the copy of this key, unless there is a later one that is valid.
    pub(crate) fn remove(&self, copy: &LocalCopy, at: (Nanos, u64)) {
        self.held().copies.remove_if(&copy.key, |copy| !copy.is_valid(at));
    }

    /// Whether this key has been asked for within so long before: then a copy is worth its registration.
    fn is_hot(&self, function: usize, key: &str, now: Nanos, within: Duration) -> bool {
        self.held().recent.again(function, key, now, within)
    }

    /// Whether a copy of this length is kept at all: writers would wait for one that nobody has.
    fn has_room(&self, length: u64) -> bool {
        // A shard takes nothing that is longer than most of it.
        length <= self.held().copies.shard_capacity() / 8 * 7
    }

    /// Queues a copy for its registration; `true` if nobody asks for those that are queued.
    fn queue(&self, copy: Arc<LocalCopy>) -> bool {
        let mut due = self.held().due.lock();
        if !due.keys.insert(copy.key.clone()) {
            return false;
        }
        due.queue.push(copy);
        !mem::replace(&mut due.asking, true)
    }

    /// Some of those that are queued; nobody asks any more when there are none.
    fn next(&self) -> Vec<Arc<LocalCopy>> {
        let mut due = self.held().due.lock();
        let rest = due.queue.len().min(TOGETHER);
        let next: Vec<_> = due.queue.drain(..rest).collect();
        due.asking = !next.is_empty();
        next
    }

    /// Whoever asked went away.
    fn abandoned(&self) {
        *self.held().due.lock() = Due::default();
    }

    /// A copy was registered for this long, counted from when that was asked, at this time of the store.
    fn registered(
        &self,
        copy: Arc<LocalCopy>,
        (sent, losses): (Nanos, u64),
        granted: Duration,
        store: Duration,
    ) {
        copy.losses.store(losses, Relaxed);
        let until = clock::end(sent, granted);
        copy.until.store(until, Relaxed);
        copy.due.store(until.saturating_sub(nanos(copy.local) / 2), Relaxed);
        copy.born.store(sent.saturating_sub(nanos(store.saturating_sub(copy.stored_at))), Relaxed);
        // One that was cut ends with its entry: nothing makes it longer.
        copy.asked.store(granted.as_millis() < copy.local.as_millis(), Relaxed);
        let held = self.held();
        held.due.lock().keys.remove(&copy.key);
        // One that was registered again is there, as a rule.
        if !held.copies.peek(&copy.key).is_some_and(|held| Arc::ptr_eq(&held, &copy)) {
            held.copies.insert(copy.key.clone(), copy);
        }
    }

    /// A copy was not registered. One that is there is used for what is left of its time.
    fn refused(&self, copy: &LocalCopy) {
        self.held().due.lock().keys.remove(&copy.key);
    }

    /// Removes what is over, from time to time.
    fn sweep(&self, (now, losses): (Nanos, u64)) {
        let held = self.held();
        let last = held.swept.load(Relaxed);
        if now.saturating_sub(last) >= nanos(SWEEP)
            && held.swept.compare_exchange(last, now, Relaxed, Relaxed).is_ok()
        {
            held.copies.retain(|_, copy| copy.is_valid((now, losses)));
        }
    }

    /// How many there are, and their size (bytes). Some of them may be over.
    pub(crate) fn size(&self) -> (u64, u64) {
        self.held.get().map_or((0, 0), |held| (held.copies.len() as u64, held.copies.weight()))
    }

    /// All that there is to know of the copy of a key, and of what is being registered.
    #[cfg(test)]
    pub(crate) fn state(&self, key: &str) -> Option<String> {
        let held = self.held.get()?;
        let copy = held.copies.peek(key).map(|copy| (copy.until.load(Relaxed), copy.asked.load(Relaxed)));
        let due = held.due.lock();
        Some(format!("{copy:?} {} {} {}", due.queue.len(), due.keys.len(), due.asking))
    }

    fn held(&self) -> &Held {
        self.held.get_or_init(|| {
            let expected = usize::try_from((self.capacity / TYPICAL).clamp(64, 1 << 20)).unwrap_or(64);
            Box::new(Held {
                copies: Cache::with_weighter(expected, self.capacity, ByLength),
                recent: Recent::new(),
                due: Mutex::default(),
                swept: AtomicU64::new(0),
            })
        })
    }
}
