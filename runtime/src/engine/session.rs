//! A write in progress: the keys that it has named so far, by the caches in which they lie. Writes inside of it add theirs, and
//! the last of them to be over ends it; that is the outermost one, unless a task has inherited it.
//!
//! This is what is known of it. The steps are in `write/guarded.rs`.

use std::{
    collections::BTreeMap,
    mem,
    sync::{
        Arc, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use cached_aside_protocol::Token;

use crate::{
    AnyKey,
    engine::{encoder::EncodedEntry, local::clock::Nanos, shared::Shared},
    function::{
        name::{FunctionName, FunctionNames},
        write::WriteSettings,
    },
    lock::Mutex,
    thread::Beside,
};

/// All that an outermost write and those inside of it have named.
#[derive(Debug)]
pub(crate) struct Session {
    /// Which write the outermost one is.
    function: FunctionName,
    state: Mutex<State>,
    /// How many writes have joined it.
    joined: AtomicUsize,
    /// What those of its own function leave behind.
    updates: Mutex<Vec<Update>>,
}

#[derive(Debug)]
struct State {
    sets: Vec<Arc<GuardSet>>,
    /// How many of its members are not over.
    members: usize,
}

/// One of the writes of a session: the outermost one, or a write or transaction inside of it. The guards stay until all of them are
/// over: a task that inherited a transaction may write for longer than that runs.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) session: Arc<Session>,
    /// What it is inside of.
    around: Option<Arc<Member>>,
    /// Whether what it reads may never be committed.
    pub(crate) in_transaction: bool,
    over: AtomicBool,
}

impl Member {
    /// A write that is the outermost one.
    pub(crate) fn outermost(function: FunctionName, in_transaction: bool) -> Arc<Member> {
        let session = Session {
            function,
            state: Mutex::new(State { sets: Vec::new(), members: 1 }),
            joined: AtomicUsize::new(0),
            updates: Mutex::default(),
        };
        let session = Arc::new(session);
        Arc::new(Member { session, around: None, in_transaction, over: AtomicBool::new(false) })
    }

    /// The innermost of this one and those around it that is not over.
    pub(crate) fn in_progress(self: &Arc<Member>) -> Option<&Arc<Member>> {
        let mut member = self;
        while member.over.load(Relaxed) {
            member = member.around.as_ref()?;
        }
        Some(member)
    }

    /// A write begins inside of this one. `None` if this one and all those around it are over.
    pub(crate) fn join(self: &Arc<Member>, transaction: bool) -> Option<Arc<Member>> {
        let mut state = self.session.state();
        // Asked under the lock, so that it can't be over meanwhile.
        let around = self.in_progress()?;
        state.members += 1;
        Some(Arc::new(Member {
            session: self.session.clone(),
            in_transaction: transaction || around.in_transaction,
            around: Some(around.clone()),
            over: AtomicBool::new(false),
        }))
    }

    /// It is over. Gives the keys of the session by their caches, if nobody is left in it.
    pub(crate) fn leave(&self) -> Vec<Arc<GuardSet>> {
        let mut state = self.session.state();
        if self.over.swap(true, Relaxed) {
            return Vec::new();
        }
        state.members -= 1;
        if state.members == 0 { mem::take(&mut state.sets) } else { Vec::new() }
    }
}

/// An entry that a write leaves behind.
#[derive(Debug)]
pub(crate) struct Update {
    pub(crate) cache: Arc<Shared>,
    pub(crate) key: AnyKey,
    pub(crate) entry: EncodedEntry,
    /// Whether it is that of another attribute of the outermost write's function.
    pub(crate) by_inner: bool,
}

impl Session {
    /// A write joins it. Gives whether that is the same call of the same function, which has this many attributes around the one
    /// that joins: nothing else was written in between then.
    pub(crate) fn count_joined(&self, settings: &WriteSettings) -> bool {
        let before = self.joined.fetch_add(1, Relaxed);
        let around = settings.attributes_around;
        around > 0 && self.function == settings.function() && before + 1 == usize::from(around)
    }

    /// What another attribute of its function leaves behind.
    pub(crate) fn add_updates(&self, updates: Vec<Update>) {
        let updates = updates.into_iter().map(|update| Update { by_inner: true, ..update });
        self.updates.lock().extend(updates);
    }

    /// What the other attributes of its function leave behind.
    pub(crate) fn take_updates(&self) -> Vec<Update> {
        mem::take(&mut *self.updates.lock())
    }

    /// Its keys in this cache. Only for members that are not over.
    pub(crate) fn in_cache(&self, cache: &Arc<Shared>) -> Arc<GuardSet> {
        let sets = &mut self.state().sets;
        let set = sets.iter().find(|set| Arc::ptr_eq(&set.cache, cache)).cloned();
        set.unwrap_or_else(|| {
            let set = Arc::new(GuardSet::new(cache));
            sets.push(set.clone());
            set
        })
    }

    /// The caches in which it has named keys.
    pub(crate) fn caches(&self) -> Vec<Arc<Shared>> {
        self.state().sets.iter().map(|set| set.cache.clone()).collect()
    }

    /// The write's token in this cache.
    pub(crate) fn token(&self, cache: &Arc<Shared>) -> Option<Token> {
        self.state().sets.iter().find(|set| Arc::ptr_eq(&set.cache, cache)).map(|set| set.token)
    }

    /// All of its guards stay at least so long after the end.
    pub(crate) fn settle(&self, at_least: Duration) {
        self.state().sets.iter().for_each(|set| set.settle(at_least));
    }

    /// Its body went away, and nobody knows whether what was written so far is committed: all of its guards stay after the end for as
    /// long as they hold unrenewed.
    pub(crate) fn doubt(&self) {
        for set in &self.state().sets {
            set.cache.table.writes.abandoned.increment();
            set.doubt(None);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// The keys of a write in one cache.
#[derive(Debug)]
pub(crate) struct GuardSet {
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
    /// The writes that named them.
    functions: FunctionNames,
    /// How long its guards hold unrenewed: the longest that was asked for.
    hold: Duration,
    /// Whether a guard was found to be gone while the write ran: others may have written meanwhile without meeting it.
    lost: bool,
    /// Until when all guards that are placed stand for sure, unless the store loses them; `None` while there are none.
    stand_until: Option<Nanos>,
}

/// A key of a write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named {
    /// The number of the write that named it last.
    function: u16,
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
    /// Whether a write that named it was dropped in its body: its statements may still be at work.
    in_doubt: bool,
}

/// How far a key's guard has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placing {
    /// None was asked for, or it is on its way.
    None,
    /// Not acknowledged, or no longer.
    Failed,
    /// Acknowledged. Whoever names it again asks again: it may be on no replica yet, or there may be local copies.
    Placed,
    /// Acknowledged, and whoever placed it has what it asked for.
    Stands,
}

/// What a write has come to.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) keys: BTreeMap<String, Named>,
    functions: FunctionNames,
    /// Whether a guard was lost.
    pub(crate) lost: bool,
}

impl Ended {
    /// These keys by the writes that named them last.
    pub(crate) fn by_function<T>(
        &self,
        keys: Vec<T>,
        key: impl Fn(&T) -> &str,
    ) -> Vec<(FunctionName, Vec<T>)> {
        self.functions.group(keys, |of| Some(self.keys.get(key(of))?.function))
    }

    /// What is left to do of it by others, who can't know what was stored.
    pub(crate) fn take(&mut self) -> Ended {
        Ended { keys: mem::take(&mut self.keys), functions: mem::take(&mut self.functions), lost: true }
    }
}

impl Named {
    pub(crate) const NEW: Named = Named {
        function: 0,
        guard: Placing::None,
        settle: Duration::ZERO,
        replicas: 0,
        by_outermost: false,
        by_inner: 0,
        listed: false,
        in_doubt: false,
    };

    /// Whether nobody else in this write named the key of that entry.
    pub(crate) fn is_of(&self, update: &Update) -> bool {
        if update.by_inner { !self.by_outermost && self.by_inner == 1 } else { self.by_inner == 0 }
    }
}

impl GuardSet {
    fn new(cache: &Arc<Shared>) -> GuardSet {
        let (named, functions) = (BTreeMap::new(), FunctionNames::default());
        let keys = Keys { named, functions, hold: Duration::ZERO, lost: false, stand_until: None };
        let (cache, token) = (cache.clone(), Token::fresh());
        GuardSet { cache, token, keys: Mutex::new(keys), renewing: Mutex::default() }
    }

    /// Adds keys, and gives those whose guards are still to be placed, and for how long. Keys that are not to be guarded are deleted
    /// at the end only.
    pub(crate) fn add(
        &self,
        keys: &[AnyKey],
        settings: &WriteSettings,
        guarded: bool,
        by_inner: bool,
    ) -> (Vec<AnyKey>, Duration) {
        let mut set = self.keys.lock();
        set.hold = set.hold.max(settings.guard_for);
        let function = set.functions.number_of(settings.function());
        let WriteSettings { settle, wait_replicas: replicas, .. } = *settings;
        let mut unguarded = Vec::with_capacity(keys.len());
        for key in keys {
            let named = set.named.entry(key.as_str().to_owned()).or_insert(Named::NEW);
            named.function = function;
            named.settle = named.settle.max(settle);
            if by_inner {
                named.by_inner += 1;
            } else {
                named.by_outermost = true;
            }
            if guarded && (named.guard != Placing::Stands || named.replicas < replicas) {
                named.replicas = replicas;
                if named.guard == Placing::Stands {
                    named.guard = Placing::Placed;
                }
                unguarded.push(key.clone());
            }
        }
        (unguarded, set.hold)
    }

    /// These keys by the writes that named them last.
    pub(crate) fn by_function<'a>(&self, keys: &[&'a str]) -> Vec<(FunctionName, Vec<&'a str>)> {
        let set = self.keys.lock();
        set.functions.group(keys.iter().copied(), |key| Some(set.named.get(*key)?.function))
    }

    /// Notes the answers of the store: which of these keys have their guards, until then at least. They are renewed from now on, also
    /// those that have none yet.
    pub(crate) fn answered<'a>(&self, keys: impl Iterator<Item = (&'a AnyKey, bool)>, until: Nanos) {
        let mut set = self.keys.lock();
        for (key, placed) in keys {
            if let Some(named) = set.named.get_mut(key.as_str()) {
                named.guard = if placed { Placing::Placed } else { Placing::Failed };
                named.listed |= !placed;
            }
        }
        set.stand_until = Some(set.stand_until.map_or(until, |others| others.min(until)));
    }

    /// These keys have no guards, and are on the recovery list.
    pub(crate) fn failed(&self, keys: &[&AnyKey]) {
        let mut set = self.keys.lock();
        for key in keys {
            if let Some(named) = set.named.get_mut(key.as_str()) {
                named.guard = Placing::Failed;
                named.listed = true;
            }
        }
    }

    /// Whoever placed these guards has what it asked for.
    pub(crate) fn stand(&self, keys: &[AnyKey]) {
        self.each(keys, |named| {
            // Nobody has waited for the copies of one that was placed in the background.
            if named.guard == Placing::Placed && !named.listed {
                named.guard = Placing::Stands;
            }
        });
    }

    /// Those of these keys whose guards are gone, and which are not on the recovery list.
    pub(crate) fn gone(&self, keys: &[AnyKey]) -> Vec<AnyKey> {
        let set = self.keys.lock();
        let is_gone = |named: &Named| named.guard == Placing::Failed && !named.listed;
        keys.iter().filter(|key| set.named.get(key.as_str()).is_some_and(is_gone)).cloned().collect()
    }

    /// Whether guards that were placed may have ended before they could be renewed: this process stood still.
    pub(crate) fn may_have_ended(&self, now: Nanos) -> bool {
        self.keys.lock().stand_until.is_some_and(|until| until <= now)
    }

    /// Nobody waits any more for the guards of these keys, which are needed all the same: the renewal places them.
    pub(crate) fn unanswered(&self, keys: &[AnyKey]) {
        self.each(keys, |named| {
            if named.guard == Placing::None {
                named.guard = Placing::Failed;
            }
        });
    }

    /// Nobody knows whether what was written of these keys, or of all, is committed.
    pub(crate) fn doubt(&self, keys: Option<&[AnyKey]>) {
        match keys {
            Some(keys) => self.each(keys, |named| named.in_doubt = true),
            None => self.keys.lock().named.values_mut().for_each(|named| named.in_doubt = true),
        }
    }

    fn each(&self, keys: &[AnyKey], change: impl Fn(&mut Named)) {
        let mut set = self.keys.lock();
        for key in keys {
            set.named.get_mut(key.as_str()).map(&change);
        }
    }

    /// The keys whose guards are to be renewed, and for how long.
    pub(crate) fn renewable(&self) -> (Vec<String>, Duration) {
        let set = self.keys.lock();
        let renewed = set.named.iter().filter(|(_, named)| named.guard != Placing::None);
        (renewed.map(|(key, _)| key.clone()).collect(), set.hold)
    }

    /// Notes which guards were renewed, or placed again: those that were not can't be counted on.
    pub(crate) fn renewed<'a>(&self, keys: impl Iterator<Item = (&'a str, bool)>) {
        let mut set = self.keys.lock();
        for (key, stands) in keys {
            if let Some(named) = set.named.get_mut(key) {
                named.guard = match named.guard {
                    _ if !stands => Placing::Failed,
                    Placing::Stands => Placing::Stands,
                    _ => Placing::Placed,
                };
            }
        }
    }

    /// All guards that were to be renewed have been, or are known to be gone: the others stand until then at least.
    pub(crate) fn renewed_until(&self, until: Nanos) {
        self.keys.lock().stand_until = Some(until);
    }

    /// A guard was found to be gone.
    pub(crate) fn lose(&self) {
        self.keys.lock().lost = true;
    }

    /// All of its guards stay at least so long after the end.
    fn settle(&self, at_least: Duration) {
        for named in self.keys.lock().named.values_mut() {
            named.settle = named.settle.max(at_least);
        }
    }

    /// Renews the guards from now on, unless somebody does.
    pub(crate) fn renew(&self, begin: impl FnOnce() -> Beside) {
        self.renewing.lock().get_or_insert_with(begin);
    }

    /// Ends it: no guard is renewed after this.
    pub(crate) fn end(&self) -> Ended {
        let renewing = self.renewing.lock().take();
        // A renewal after the release would find no guard, and place it again. Its last step may still need the keys.
        drop(renewing);
        let mut set = self.keys.lock();
        let hold = set.hold;
        for named in set.named.values_mut().filter(|named| named.in_doubt) {
            named.settle = named.settle.max(hold);
        }
        Ended { keys: mem::take(&mut set.named), functions: mem::take(&mut set.functions), lost: set.lost }
    }
}
