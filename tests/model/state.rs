//! One moment of the whole system.

use crate::flight::{Flight, Outcome};
use crate::history::{Broken, Floor, History, Promise};
use crate::phase::Detached;
use crate::read::Reader;
use crate::recovery::Owed;
use crate::scene::{Scene, TAGS, Trouble};
use crate::store::{NO_STAMPS, Slot, Value};
use crate::wire::Redis;
use crate::write::Writer;

/// The database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    /// The version that the last committed write left.
    pub(crate) committed: u8,
    /// The version that bodies of reads see: behind `committed` where the origin lags.
    pub(crate) visible: u8,
}

/// A process of the application.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    /// The load that its callers share.
    pub(crate) flight: Option<Flight>,
    /// Its recovery list.
    pub(crate) owed: Vec<Owed>,
}

/// One moment of the whole system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) origin: Origin,
    pub(crate) redis: Redis,
    pub(crate) processes: Vec<Process>,
    pub(crate) readers: Vec<Reader>,
    pub(crate) writers: Vec<Writer>,
    /// Refreshes that go on without their callers, in order.
    pub(crate) detached: Vec<Detached>,
    pub(crate) history: History,
    /// What may still go wrong.
    pub(crate) trouble: Trouble,
    /// How many reads may still load anew.
    pub(crate) anew: u8,
    /// The process that died.
    pub(crate) dead: Option<usize>,
}

impl State {
    /// Before anything happened.
    pub(crate) fn new(scene: &Scene) -> Self {
        let processes = scene.processes();
        let first = || Slot::Value(Value { version: 0, stamps: NO_STAMPS, refresh: None });
        let entry = if scene.cached { first() } else { Slot::Absent };
        let mut state = Self {
            origin: Origin { committed: 0, visible: 0 },
            redis: Redis { entry, tags: [const { Slot::Absent }; TAGS], late: Vec::new() },
            processes: vec![Process { flight: None, owed: Vec::new() }; processes],
            readers: vec![Reader::default(); scene.readers.len()],
            writers: vec![Writer::Idle; scene.writes.len()],
            detached: Vec::new(),
            history: History {
                written: vec![0; processes],
                delivered: 0,
                returned: 0,
                anew: 0,
                broken: None,
            },
            trouble: scene.trouble,
            anew: scene.anew,
            dead: None,
        };
        if scene.handed {
            state.start_handed(scene, 0);
        }
        state
    }

    /// What a read that starts now in `process` may not fall below; `anew` if it is to load.
    pub(crate) fn floor(&self, scene: &Scene, process: usize, anew: bool) -> Floor {
        let written = if scene.promises(Promise::ReadsSeeDeliveredWrites) {
            self.history.delivered.max(self.history.written[process])
        } else {
            self.history.written.iter().copied().max().unwrap_or_default()
        };
        let now = if anew && scene.promises(Promise::LoadedAnew) { self.origin.visible } else { 0 };
        Floor { written, returned: self.history.returned, anew: self.history.anew.max(now) }
    }

    /// A read returns `version`; it is a hit if the cache gave it.
    pub(crate) fn returned(&mut self, scene: &Scene, floor: Floor, version: u8, hit: bool) {
        let reads = [Promise::ReadsSeeWrites, Promise::ReadsSeeDeliveredWrites, Promise::HitsSeeWrites];
        for promise in reads.into_iter().chain([Promise::Monotonic, Promise::LoadedAnew]) {
            let least = match promise {
                Promise::Monotonic => floor.returned,
                Promise::LoadedAnew => floor.anew,
                Promise::HitsSeeWrites if !hit => 0,
                _ => floor.written,
            };
            if version < least && scene.promises(promise) && self.history.broken.is_none() {
                self.history.broken = Some(Broken { promise, crashed: self.dead.is_some() });
            }
        }
        self.seen(scene, version);
    }

    /// A write of `process` returns `version`.
    pub(crate) fn wrote(&mut self, scene: &Scene, process: usize, version: u8) {
        let written = &mut self.history.written[process];
        *written = version.max(*written);
        self.seen(scene, version);
    }

    /// The invalidation of the write of `version` was acknowledged.
    pub(crate) fn delivered(&mut self, scene: &Scene, version: u8) {
        if scene.promises(Promise::ReadsSeeDeliveredWrites) {
            self.history.delivered = version.max(self.history.delivered);
        }
    }

    /// A read that loaded anew returns. Where Redis did not answer, nothing is promised to the others.
    pub(crate) fn loaded_anew(&mut self, scene: &Scene, outcome: Outcome) {
        if !matches!(outcome, Outcome::Owed(_)) && scene.promises(Promise::LoadedAnew) {
            self.history.anew = outcome.version().max(self.history.anew);
        }
    }

    fn seen(&mut self, scene: &Scene, version: u8) {
        if scene.promises(Promise::Monotonic) {
            self.history.returned = version.max(self.history.returned);
        }
    }
}
