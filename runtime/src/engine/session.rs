//! A write in progress: the keys that it has named so far, by the caches in which they lie. Writes inside of it add theirs, and
//! the outermost one ends them all.
//!
//! This is what is known of it. The steps are in `write/guarded.rs`.

use std::{
    collections::BTreeMap,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use cached_aside_protocol::Token;

use crate::{
    AnyKey,
    engine::{encoder::EncodedEntry, shared::Shared},
    function::write::WriteSettings,
    thread::Beside,
};

/// The outermost write.
#[derive(Debug)]
pub(crate) struct Session {
    /// Which write it is: its module and its name.
    site: (&'static str, &'static str),
    over: AtomicBool,
    sets: Mutex<Vec<Arc<GuardSet>>>,
    /// How many writes have joined it.
    joined: AtomicUsize,
    /// What those of its own function leave behind.
    puts: Mutex<Vec<Written>>,
}

/// An entry that a write leaves behind.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) cache: Arc<Shared>,
    pub(crate) key: AnyKey,
    pub(crate) entry: EncodedEntry,
    /// Whether it is that of another attribute of the outermost write's function.
    pub(crate) by_inner: bool,
}

impl Session {
    pub(crate) fn new(module: &'static str, function: &'static str) -> Arc<Session> {
        Arc::new(Session {
            site: (module, function),
            over: AtomicBool::new(false),
            sets: Mutex::default(),
            joined: AtomicUsize::new(0),
            puts: Mutex::default(),
        })
    }

    /// A write joins it. Gives whether that is the same call of the same function, which has this many attributes around the one
    /// that joins: nothing else was written in between then.
    pub(crate) fn join(&self, settings: &WriteSettings) -> bool {
        let before = self.joined.fetch_add(1, Relaxed);
        let WriteSettings { module, name, attributes_around: around, .. } = *settings;
        around > 0 && self.site == (module, name) && before + 1 == usize::from(around)
    }

    /// What another attribute of its function leaves behind.
    pub(crate) fn add_puts(&self, puts: Vec<Written>) {
        let puts = puts.into_iter().map(|put| Written { by_inner: true, ..put });
        self.puts.lock().unwrap_or_else(PoisonError::into_inner).extend(puts);
    }

    /// What the other attributes of its function leave behind.
    pub(crate) fn take_puts(&self) -> Vec<Written> {
        mem::take(&mut *self.puts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether it has ended: nothing joins it any more.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }

    /// Its keys in this cache; `None` if it is over.
    pub(crate) fn in_cache(&self, cache: &Arc<Shared>) -> Option<Arc<GuardSet>> {
        let mut sets = self.sets();
        if self.is_over() {
            return None;
        }
        let set = sets.iter().find(|set| Arc::ptr_eq(&set.cache, cache)).cloned();
        Some(set.unwrap_or_else(|| {
            let set = Arc::new(GuardSet::new(self.site.1, cache));
            sets.push(set.clone());
            set
        }))
    }

    /// The write's token in this cache.
    pub(crate) fn token(&self, cache: &Arc<Shared>) -> Option<Token> {
        self.sets().iter().find(|set| Arc::ptr_eq(&set.cache, cache)).map(|set| set.token)
    }

    /// All of its guards stay at least so long after the end.
    pub(crate) fn settle(&self, at_least: Duration) {
        self.sets().iter().for_each(|set| set.settle(Some(at_least)));
    }

    /// All of its guards stay after the end for as long as they hold unrenewed.
    pub(crate) fn settle_as_held(&self) {
        self.sets().iter().for_each(|set| set.settle(None));
    }

    /// Ends it, and gives its keys by their caches.
    pub(crate) fn end(&self) -> Vec<Arc<GuardSet>> {
        let mut sets = self.sets();
        self.over.store(true, Relaxed);
        mem::take(&mut *sets)
    }

    fn sets(&self) -> MutexGuard<'_, Vec<Arc<GuardSet>>> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The keys of a write in one cache.
#[derive(Debug)]
pub(crate) struct GuardSet {
    /// Which write they are of.
    pub(crate) function: &'static str,
    pub(crate) cache: Arc<Shared>,
    /// The write's token in all guards.
    pub(crate) token: Token,
    keys: Mutex<Keys>,
    /// The renewal of the guards, from the first one on.
    renewing: Mutex<Option<Beside>>,
}

#[derive(Debug)]
struct Keys {
    named: BTreeMap<String, Named>,
    /// How long its guards hold unrenewed: the longest that was asked for.
    hold: Duration,
    /// Whether a guard was found to be gone while the write ran: others may have written meanwhile without meeting it.
    lost: bool,
    over: bool,
}

/// A key of a write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named {
    pub(crate) guard: Placing,
    /// How long its guard stays after the end.
    pub(crate) settle: Duration,
    /// How many replicas have to confirm the guard.
    replicas: u8,
    /// Whether the outermost write named it.
    by_outermost: bool,
    /// How many writes inside of that one named it.
    by_inner: usize,
    /// Whether it is on the recovery list until the write is over.
    pub(crate) listed: bool,
    /// Writes inside that named it and whose bodies are not over, or were dropped: their statements may still be at work.
    running: u32,
}

/// How far a key's guard has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placing {
    /// None was asked for, or it is on its way.
    None,
    /// Acknowledged.
    Placed,
    /// Not acknowledged.
    Failed,
}

/// What a write has come to.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) keys: BTreeMap<String, Named>,
    /// How long its guards hold unrenewed.
    pub(crate) hold: Duration,
    /// Whether a guard was lost.
    pub(crate) lost: bool,
}

impl Named {
    pub(crate) const NEW: Named = Named {
        guard: Placing::None,
        settle: Duration::ZERO,
        replicas: 0,
        by_outermost: false,
        by_inner: 0,
        listed: false,
        running: 0,
    };

    /// Whether nobody else in this write named the key of that entry.
    pub(crate) fn is_of(&self, put: &Written) -> bool {
        if put.by_inner { !self.by_outermost && self.by_inner == 1 } else { self.by_inner == 0 }
    }
}

impl GuardSet {
    fn new(function: &'static str, cache: &Arc<Shared>) -> GuardSet {
        let keys = Keys { named: BTreeMap::new(), hold: Duration::ZERO, lost: false, over: false };
        let (cache, token) = (cache.clone(), Token::fresh());
        GuardSet { function, cache, token, keys: Mutex::new(keys), renewing: Mutex::default() }
    }

    /// Adds keys, and gives those whose guards are still to be placed, and for how long; `None` if the write is over. Keys that
    /// are not to be guarded are deleted at the end only.
    pub(crate) fn add(
        &self,
        keys: &[AnyKey],
        settings: &WriteSettings,
        guarded: bool,
        by_inner: bool,
    ) -> Option<(Vec<AnyKey>, Duration)> {
        let mut set = self.lock();
        if set.over {
            return None;
        }
        set.hold = set.hold.max(settings.guard_for);
        let WriteSettings { settle, wait_replicas: replicas, .. } = *settings;
        let mut unguarded = Vec::with_capacity(keys.len());
        for key in keys {
            let named = set.named.entry(key.as_str().to_owned()).or_insert(Named::NEW);
            named.settle = named.settle.max(settle);
            if by_inner {
                named.by_inner += 1;
            } else {
                named.by_outermost = true;
            }
            if guarded && (named.guard != Placing::Placed || named.replicas < replicas) {
                named.replicas = replicas;
                unguarded.push(key.clone());
            }
        }
        Some((unguarded, set.hold))
    }

    /// Notes the answers of the store: which of these keys have their guards. They are renewed from now on, also those that have
    /// none yet.
    pub(crate) fn answered<'a>(&self, keys: impl Iterator<Item = (&'a AnyKey, bool)>) {
        let mut set = self.lock();
        for (key, placed) in keys {
            if let Some(named) = set.named.get_mut(key.as_str()) {
                named.guard = if placed { Placing::Placed } else { Placing::Failed };
                named.listed |= !placed;
            }
        }
    }

    /// The body of a write inside begins.
    pub(crate) fn enter(&self, keys: &[AnyKey]) {
        self.each(keys, |named| named.running += 1);
    }

    /// It is over.
    pub(crate) fn leave(&self, keys: &[AnyKey]) {
        self.each(keys, |named| named.running = named.running.saturating_sub(1));
    }

    fn each(&self, keys: &[AnyKey], change: impl Fn(&mut Named)) {
        let mut set = self.lock();
        for key in keys {
            set.named.get_mut(key.as_str()).map(&change);
        }
    }

    /// The keys whose guards are to be renewed, and for how long.
    pub(crate) fn renewable(&self) -> (Vec<String>, Duration) {
        let set = self.lock();
        let renewed = set.named.iter().filter(|(_, named)| named.guard != Placing::None);
        (renewed.map(|(key, _)| key.clone()).collect(), set.hold)
    }

    /// A guard was found to be gone.
    pub(crate) fn lose(&self) {
        self.lock().lost = true;
    }

    /// All of its guards stay at least so long after the end, or else for as long as they hold unrenewed.
    fn settle(&self, at_least: Option<Duration>) {
        let mut set = self.lock();
        let at_least = at_least.unwrap_or(set.hold);
        for named in set.named.values_mut() {
            named.settle = named.settle.max(at_least);
        }
    }

    /// Renews the guards from now on, unless somebody does or the write is over.
    pub(crate) fn renew(&self, begin: impl FnOnce() -> Beside) {
        let mut renewing = self.renewing.lock().unwrap_or_else(PoisonError::into_inner);
        if renewing.is_none() && !self.is_over() {
            *renewing = Some(begin());
        }
    }

    /// Whether the write is over.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().over
    }

    /// Ends it: nothing is added, and no guard renewed, after this.
    pub(crate) fn end(&self) -> Ended {
        self.lock().over = true;
        let renewing = self.renewing.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A renewal after the release would find no guard, and place it again. Its last step may still need the keys.
        drop(renewing);
        let mut set = self.lock();
        let hold = set.hold;
        for named in set.named.values_mut().filter(|named| named.running > 0) {
            named.settle = named.settle.max(hold);
        }
        Ended { keys: mem::take(&mut set.named), hold, lost: set.lost }
    }

    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
