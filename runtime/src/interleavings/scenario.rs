//! What is run: a handful of calls, and what may happen to them.

use std::time::Duration;

use super::batch::OTHER;
use crate::{
    function::staleness::Staleness,
    function::{
        read::ReadFunction,
        write::{Guard, WriteFunction},
    },
    options::ReadMode,
    store::stepped::First,
};

/// The one key.
pub(super) const KEY: &str = "k";
/// The keys that stand in the store: that of the entry, and those of its tags.
pub(super) const NAMES: [&str; KEYS] = [KEY, "#t", "#u", OTHER];
pub(super) const KEYS: usize = 4;

/// The number of a key.
pub(super) fn number_of(key: &str) -> usize {
    NAMES.iter().position(|name| *name == key).expect("one of the keys")
}

pub(super) const TTL: Duration = Duration::from_secs(3600);
pub(super) const LEASE: Duration = Duration::from_secs(2);
/// A little longer than a lease.
pub(super) const PAST_A_LEASE: Duration = LEASE.saturating_add(Duration::from_millis(10));
pub(super) const GUARD_FOR: Duration = Duration::from_secs(10);
/// How long a copy may be used.
const COPY: Duration = Duration::from_secs(5);
const WAIT: Duration = Duration::from_secs(60);
/// No command is ever given up.
const PATIENT: Duration = Duration::from_secs(600);

/// The cached function, with what it says of old values.
const fn load(staleness: Staleness) -> ReadFunction {
    let mut function = ReadFunction::declare(module_path!(), "version", "version:{key}", TTL)
        .jitter(0)
        .lease(LEASE)
        .wait(WAIT);
    function.settings.staleness = staleness;
    function
}

static LOAD: ReadFunction = load(Staleness::NONE);
/// One caller reloads what the others are given.
pub(super) static REVALIDATES: ReadFunction = load(Staleness { while_revalidate: TTL, ..Staleness::NONE });
/// What is reloaded is given if that fails.
pub(super) static KEEPS: ReadFunction = load(Staleness { if_error: TTL, ..Staleness::NONE });
/// Nobody waits for the reload.
pub(super) static IN_BACKGROUND: ReadFunction =
    load(Staleness { while_revalidate: TTL, in_background: true, ..Staleness::NONE });
/// Every value is soon too old.
pub(super) static EARLY: ReadFunction = load(Staleness { early: 1e12, ..Staleness::NONE });
/// A process keeps copies of what it asks for again.
pub(super) static KEEPS_COPIES: ReadFunction = load(Staleness::NONE).local(COPY);
const SAVES: WriteFunction = WriteFunction::declare(module_path!(), "save").guard_for(GUARD_FOR);
pub(super) static SAVE: WriteFunction = SAVES;
/// Leaves its version behind.
static UPDATE: WriteFunction = SAVES;
/// The store evicts what the call names, guards excepted: no call of ours.
static EVICT: WriteFunction = SAVES;
/// Another program changes the row, and invalidates nothing: no call of ours.
static CHANGE: WriteFunction = SAVES;
/// An annotated write inside of a transaction, which commits after that has returned; and a read of what it wrote.
static TRANSACTION: WriteFunction = SAVES;
/// The same with a key that only the write's result names.
static TRANSACTION_OF_RESULT: WriteFunction = SAVES;
static SAVE_UNGUARDED: WriteFunction = SAVES.guard(Guard::Off);
static SAVE_REQUIRED: WriteFunction = SAVES.guard(Guard::Required);

/// One annotated call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    /// The writing function, or `None` for a read.
    pub(super) writes: Option<&'static WriteFunction>,
    pub(super) process: usize,
    /// What a write names.
    pub(super) names: &'static [&'static str],
    /// It begins only when this one is over.
    pub(super) after: Option<usize>,
    /// It begins only when the body of this one has begun.
    pub(super) during: Option<usize>,
    /// Its body gives an error in the end.
    pub(super) fails: bool,
    /// It may be dropped anywhere.
    pub(super) cancellable: bool,
    /// The store does not answer it.
    pub(super) cut_off: bool,
    /// What is asked of it.
    pub(super) asked: ReadMode,
    /// It reads these two keys with one body.
    pub(super) batch: Option<[&'static str; 2]>,
}

pub(super) const fn read() -> Call {
    Call {
        writes: None,
        names: &[KEY],
        process: 0,
        after: None,
        during: None,
        fails: false,
        cancellable: false,
        cut_off: false,
        asked: ReadMode::ReadThrough,
        batch: None,
    }
}

/// A read of two keys.
pub(super) const fn batch() -> Call {
    Call { batch: Some([KEY, OTHER]), ..read() }
}

/// The same in the other order.
pub(super) const fn reversed_batch() -> Call {
    Call { batch: Some([OTHER, KEY]), ..read() }
}

/// A batch that loads anew.
pub(super) const fn refreshed_batch() -> Call {
    Call { asked: ReadMode::Refresh, ..batch() }
}

pub(super) const fn write() -> Call {
    Call { writes: Some(&SAVE), ..read() }
}

/// A read that loads anew.
pub(super) const fn refresh() -> Call {
    Call { asked: ReadMode::Refresh, ..read() }
}

/// Another program changes the row.
pub(super) const fn change() -> Call {
    Call { writes: Some(&CHANGE), ..read() }
}

/// The store evicts a key.
pub(super) const fn evict(names: &'static [&'static str]) -> Call {
    Call { writes: Some(&EVICT), names, ..read() }
}

pub(super) const fn update() -> Call {
    Call { writes: Some(&UPDATE), ..read() }
}

pub(super) const fn transaction() -> Call {
    Call { writes: Some(&TRANSACTION), ..read() }
}

pub(super) const fn transaction_of_result() -> Call {
    Call { writes: Some(&TRANSACTION_OF_RESULT), ..read() }
}

impl Call {
    /// Whether it is a transaction, and then whether its key is named by a result.
    pub(super) fn transacts(&self) -> Option<bool> {
        let is = |one| self.writes.is_some_and(|function| std::ptr::eq(function, one));
        if is(&raw const TRANSACTION) {
            Some(false)
        } else {
            is(&raw const TRANSACTION_OF_RESULT).then_some(true)
        }
    }

    /// Whether it is a write that leaves its version behind.
    pub(super) fn updates(&self) -> bool {
        self.writes.is_some_and(|function| std::ptr::eq(function, &raw const UPDATE))
    }

    /// Whether it is no call of ours, but a change by another program.
    pub(super) fn changes(&self) -> bool {
        self.writes.is_some_and(|function| std::ptr::eq(function, &raw const CHANGE))
    }

    /// Whether the store evicts what it names.
    pub(super) fn evicts(&self) -> bool {
        self.writes.is_some_and(|function| std::ptr::eq(function, &raw const EVICT))
    }

    /// A write of these keys.
    pub(super) const fn of(self, names: &'static [&'static str]) -> Call {
        Call { names, ..self }
    }

    pub(super) const fn unguarded(self) -> Call {
        Call { writes: Some(&SAVE_UNGUARDED), ..self }
    }

    pub(super) const fn required(self) -> Call {
        Call { writes: Some(&SAVE_REQUIRED), ..self }
    }

    pub(super) const fn elsewhere(self) -> Call {
        Call { process: 1, ..self }
    }

    pub(super) const fn after(self, call: usize) -> Call {
        Call { after: Some(call), ..self }
    }

    pub(super) const fn during(self, call: usize) -> Call {
        Call { during: Some(call), ..self }
    }

    pub(super) const fn fails(self) -> Call {
        Call { fails: true, ..self }
    }

    pub(super) const fn cancellable(self) -> Call {
        Call { cancellable: true, ..self }
    }

    pub(super) const fn cut_off(self) -> Call {
        Call { cut_off: true, ..self }
    }
}

/// What a history is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Promise {
    /// P1 and P2: no read is older than anything that was returned before it began.
    Linearizable,
    /// P1 alone: no read is older than a write that was over before it began.
    ReadsSeeWrites,
    /// P1 and P2 among the calls of the first process.
    InOneProcess,
    /// P1; and what is loaded anew is no older than any change that was over before, nor is what is given after it.
    LoadedAnew,
}

/// Calls, and what may happen while they run.
#[derive(Debug, Clone)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) calls: Vec<Call>,
    pub(super) promise: Promise,
    /// The first version is in the store already.
    pub(super) cached: bool,
    /// What reads call.
    pub(super) function: &'static ReadFunction,
    /// The tags that its entry carries.
    pub(super) tags: &'static [&'static str],
    /// What a look reads first.
    pub(super) first: First,
    /// The calls begin in the order in which they stand here.
    pub(super) in_order: bool,
    /// Maximum number of calls that are dropped.
    pub(super) cancels: u8,
    /// Maximum number of commands that fail.
    pub(super) faults: u8,
    /// The first process dies.
    pub(super) death: bool,
    /// Once everything stands still for so long.
    pub(super) pause: Option<Duration>,
    /// How long a call may wait for the store.
    pub(super) timeout: Duration,
}

impl Scenario {
    pub(super) fn new<const N: usize>(name: &'static str, calls: [Call; N]) -> Scenario {
        Scenario::of(name, &calls)
    }

    pub(super) fn of(name: &'static str, calls: &[Call]) -> Scenario {
        Scenario {
            name,
            calls: calls.to_vec(),
            promise: Promise::Linearizable,
            cached: false,
            function: &LOAD,
            tags: &[],
            first: First::Entry,
            in_order: false,
            cancels: 0,
            faults: 0,
            death: false,
            pause: None,
            timeout: PATIENT,
        }
    }

    pub(super) fn cached(self) -> Scenario {
        Scenario { cached: true, ..self }
    }

    /// The first version is in the store already, and due for a refresh by this function.
    pub(super) fn old(self, function: &'static ReadFunction) -> Scenario {
        Scenario { cached: true, function, ..self }
    }

    /// The entry carries these tags.
    pub(super) fn tagged(self, tags: &'static [&'static str]) -> Scenario {
        Scenario { tags, ..self }
    }

    pub(super) fn entry_last(self) -> Scenario {
        Scenario { first: First::Tags, ..self }
    }

    /// How long the version that is in the store already is fresh.
    pub(super) fn fresh_for(&self) -> Duration {
        if self.function.settings.staleness.window().is_zero() { TTL } else { Duration::ZERO }
    }

    pub(super) fn in_order(self) -> Scenario {
        Scenario { in_order: true, ..self }
    }

    pub(super) fn promising(self, promise: Promise) -> Scenario {
        Scenario { promise, ..self }
    }

    pub(super) fn cancels(self, cancels: u8) -> Scenario {
        Scenario { cancels, ..self }
    }

    pub(super) fn faults(self, faults: u8) -> Scenario {
        Scenario { faults, ..self }
    }

    pub(super) fn death(self) -> Scenario {
        Scenario { death: true, ..self }
    }

    pub(super) fn pause(self, pause: Duration) -> Scenario {
        Scenario { pause: Some(pause), ..self }
    }

    pub(super) fn impatient(self) -> Scenario {
        Scenario { timeout: Duration::from_millis(250), ..self }
    }

    /// What a call is called in a report.
    pub(super) fn name_of(&self, call: usize) -> String {
        let kind = match self.calls[call] {
            call if call.updates() => "update",
            call if call.changes() => "change",
            call if call.evicts() => "eviction",
            call if call.transacts().is_some() => "transaction",
            Call { writes: Some(_), .. } => "write",
            Call { batch: Some(_), .. } => "batch",
            Call { asked: ReadMode::Refresh, .. } => "refresh",
            Call { .. } => "read",
        };
        format!("{kind} {}", call + 1)
    }
}
