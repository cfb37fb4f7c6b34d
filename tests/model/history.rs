//! What the callers of annotated functions have seen, and whether a promise was broken.

use crate::scene::Scene;
use crate::state::State;
use stateright::Property;

/// A promise of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Promise {
    /// P1: a read that starts after a write returned gives a value at least as new.
    ReadsSeeWrites,
    /// P1 as `best_effort` keeps it while Redis is unreachable: within the process that has the key on
    /// its recovery list, and for everybody once the list is delivered.
    ReadsSeeDeliveredWrites,
    /// P1 with a lagging origin, where `settle` speaks for the cache only: a hit is never older than a
    /// write that returned before the read started.
    HitsSeeWrites,
    /// P2: no read gives an older version than one that a read or write returned before it started.
    Monotonic,
    /// What loading anew promises whoever needs it, where other programs change the row and invalidate nothing: it gives a
    /// version at least as new as the row was when it started, and once it has given one, no read gives an older one.
    LoadedAnew,
    /// P3: the others hold for everybody else when a process has died anywhere inside a read or a write.
    /// Watched wherever processes die.
    CrashSafe,
}

impl Promise {
    /// Its name in the reports of the checker.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ReadsSeeWrites => "P1",
            Self::ReadsSeeDeliveredWrites => "P1 where delivered",
            Self::HitsSeeWrites => "P1 of hits",
            Self::Monotonic => "P2",
            Self::LoadedAnew => "what is loaded anew",
            Self::CrashSafe => "P3",
        }
    }

    /// The property that watches it.
    pub(crate) fn property(self) -> Property<Scene> {
        let condition: fn(&Scene, &State) -> bool = match self {
            Self::ReadsSeeWrites => |_, state| state.keeps(Self::ReadsSeeWrites),
            Self::ReadsSeeDeliveredWrites => |_, state| state.keeps(Self::ReadsSeeDeliveredWrites),
            Self::HitsSeeWrites => |_, state| state.keeps(Self::HitsSeeWrites),
            Self::Monotonic => |_, state| state.keeps(Self::Monotonic),
            Self::LoadedAnew => |_, state| state.keeps(Self::LoadedAnew),
            Self::CrashSafe => |_, state| state.keeps(Self::CrashSafe),
        };
        Property::always(self.name(), condition)
    }
}

impl State {
    fn keeps(&self, promise: Promise) -> bool {
        self.history.broken.is_none_or(|broken| match promise {
            Promise::CrashSafe => !broken.crashed,
            _ => broken.promise != promise,
        })
    }
}

/// A promise that was broken, and whether a process had crashed by then (P3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Broken {
    pub(crate) promise: Promise,
    pub(crate) crashed: bool,
}

/// The oldest versions that a read may return, fixed when it starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Floor {
    /// By P1.
    pub(crate) written: u8,
    /// By P2.
    pub(crate) returned: u8,
    /// By what loading anew promises.
    pub(crate) anew: u8,
}

/// All that was returned so far, as far as a later read depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct History {
    /// The newest version whose write returned, by process.
    pub(crate) written: Vec<u8>,
    /// The newest version whose write returned and whose invalidation was acknowledged.
    pub(crate) delivered: u8,
    /// The newest version that anybody returned.
    pub(crate) returned: u8,
    /// The newest version that anybody returned who loaded it anew.
    pub(crate) anew: u8,
    /// The first broken promise; the run ends with it.
    pub(crate) broken: Option<Broken>,
}
