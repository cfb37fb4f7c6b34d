//! Sharing a load inside one process: `runtime/src/engine/flight.rs`.
//!
//! The rule: a caller may take what was observed by a step that began after the caller arrived, or an
//! accepted fill that was sent after it arrived. So
//!
//! | the leader's load ended with | who may take it: those who arrived before … |
//! | --- | --- |
//! | a look that found a value | that look was sent |
//! | an acquire that found one | that acquire was sent |
//! | the same, but the entry is tagged | the look before it was sent |
//! | a body, nothing stored (guard, refused fill, lost reply, Redis down) | the body started |
//! | a body and an accepted fill | the fill was sent |
//! | the same, but the entry is tagged | the body started |
//!
//! Who loads anew takes less: nothing from a look, and of a body only what it gave to those who arrived before it started; of
//! what was not stored, only from a load that is itself anew, which ends what stands there instead.
//!
//! An accepted fill proves that no guard came between the acquire and the fill, hence that the value was
//! current when the fill executed. It proves nothing to a caller that came after that, and nothing about
//! a tag, which has a key of its own. Nor does an acquire see the tags. The others become the next load together: one of them leads it, and
//! its look is sent after all of them arrived.

use crate::phase::Phase;
use crate::scene::{Mechanism, Scene};
use crate::state::State;
use crate::wire::{Reply, Wire};

/// A load that callers of one process share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Flight {
    /// The reader that loads.
    pub(crate) leader: usize,
    /// The readers that wait for it, in order.
    pub(crate) followers: Vec<Follower>,
}

/// A caller that waits for a load of its own process.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Follower {
    /// The reader.
    pub(crate) reader: usize,
    /// What the leader was doing when it arrived.
    pub(crate) arrived: Arrival,
}

/// Where the leader was when a follower arrived, as far as the rule needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Arrival {
    /// Before the look that is under way.
    BeforeLook,
    /// Before the acquire was sent.
    BeforeAcquire,
    /// Before the body started.
    BeforeBody,
    /// Before the fill was sent.
    BeforeFill,
    /// Later.
    Late,
}

/// How a load ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A look found a value.
    Found(u8),
    /// An acquire found a value.
    Taken(u8),
    /// The body ran and nothing is known to be stored.
    Loaded(u8),
    /// The body ran and the fill was accepted.
    Stored(u8),
    /// The body of a load anew ran, and what stood there instead has ended.
    Ended(u8),
    /// The same, but that is still to be delivered.
    Owed(u8),
}

impl Outcome {
    /// The version that the leader returns.
    pub(crate) fn version(self) -> u8 {
        match self {
            Self::Found(version)
            | Self::Taken(version)
            | Self::Loaded(version)
            | Self::Stored(version)
            | Self::Ended(version)
            | Self::Owed(version) => version,
        }
    }

    /// The rule.
    pub(crate) fn covers(self, arrived: Arrival, anew: bool, scene: &Scene) -> bool {
        if !scene.has(Mechanism::SharingRule) {
            return true;
        }
        if anew && scene.has(Mechanism::ShareAnew) {
            let kept = matches!(self, Self::Stored(_) | Self::Ended(_) | Self::Owed(_));
            let loaded = kept || matches!(self, Self::Loaded(_)) && !scene.has(Mechanism::ShareKept);
            return loaded && arrived <= Arrival::BeforeBody;
        }
        match self {
            Self::Taken(_) if !scene.tagged() || !scene.has(Mechanism::ShareFound) => {
                arrived <= Arrival::BeforeAcquire
            }
            Self::Found(_) | Self::Taken(_) => arrived == Arrival::BeforeLook,
            Self::Stored(_) if !scene.has(Mechanism::ShareBeforeFill) => true,
            Self::Stored(_) if !scene.tagged() || !scene.has(Mechanism::ShareTagged) => {
                arrived <= Arrival::BeforeFill
            }
            Self::Loaded(_) | Self::Stored(_) | Self::Ended(_) | Self::Owed(_) => {
                arrived <= Arrival::BeforeBody
            }
        }
    }
}

impl State {
    /// Whether `reader` leads the load of its process.
    pub(crate) fn leads(&self, scene: &Scene, reader: usize) -> bool {
        let flight = &self.processes[scene.readers[reader]].flight;
        flight.as_ref().is_some_and(|flight| flight.leader == reader)
    }

    /// `turn`: a caller of a missing key leads the load of its process, or waits for the one under way.
    /// Answers whether it leads.
    pub(crate) fn turn(&mut self, scene: &Scene, reader: usize) -> bool {
        let process = scene.readers[reader];
        let Some(flight) = &self.processes[process].flight else {
            self.processes[process].flight = Some(Flight { leader: reader, followers: Vec::new() });
            return true;
        };
        if flight.leader == reader {
            return true;
        }
        let arrived = match &self.readers[flight.leader].phase {
            Phase::Read(_) => Arrival::BeforeAcquire,
            Phase::Loaded { .. } => Arrival::BeforeFill,
            Phase::Fill { .. } | Phase::End { .. } => Arrival::Late,
            _ => Arrival::BeforeBody,
        };
        self.follow(process, reader, arrived);
        self.readers[reader].phase = Phase::Follow;
        false
    }

    fn follow(&mut self, process: usize, reader: usize, arrived: Arrival) {
        if let Some(flight) = &mut self.processes[process].flight {
            flight.followers.push(Follower { reader, arrived });
            flight.followers.sort();
        }
    }

    /// The leader sends a look: everybody who waits has arrived before it.
    pub(crate) fn everybody_arrived(&mut self, process: usize) {
        for follower in self.processes[process].flight.iter_mut().flat_map(|flight| &mut flight.followers) {
            follower.arrived = Arrival::BeforeLook;
        }
    }

    /// The load of `process` ends: the followers that `outcome` covers return it, the others become the
    /// next load. Without an outcome (the leader was dropped) that is all of them.
    pub(crate) fn land(&mut self, scene: &Scene, process: usize, outcome: Option<Outcome>) {
        let Some(Flight { followers, .. }) = self.processes[process].flight.take() else {
            return;
        };
        let (served, left): (Vec<_>, Vec<_>) = followers
            .into_iter()
            .partition(|follower| outcome.is_some_and(|outcome| self.covers(outcome, follower, scene)));
        for follower in served {
            if let Some(outcome) = outcome {
                self.give(scene, follower.reader, outcome);
            }
        }
        let mut left = left.into_iter();
        if let Some(next) = left.next() {
            let followers = left.collect();
            self.processes[process].flight = Some(Flight { leader: next.reader, followers });
            self.everybody_arrived(process);
            self.look(scene, next.reader);
        }
    }

    /// `reader` is dropped or dies: if it leads, a follower takes over at once.
    pub(crate) fn leave(&mut self, scene: &Scene, reader: usize) {
        let process = scene.readers[reader];
        if self.leads(scene, reader) {
            self.land(scene, process, None);
        } else if let Some(flight) = &mut self.processes[process].flight {
            flight.followers.retain(|follower| follower.reader != reader);
        }
    }

    /// Whether the reply that is on its way to a leader will serve a follower.
    pub(crate) fn about_to_share(&self, scene: &Scene) -> bool {
        self.processes.iter().filter_map(|process| process.flight.as_ref()).any(|flight| {
            let outcome = match &self.readers[flight.leader].phase {
                Phase::Loaded { version, right: None } => Outcome::Loaded(*version),
                Phase::Fill { version, wire: Wire::Answered(Reply::Accepted), .. } => {
                    Outcome::Stored(*version)
                }
                _ => return false,
            };
            flight.followers.iter().any(|follower| self.covers(outcome, follower, scene))
        })
    }

    fn covers(&self, outcome: Outcome, follower: &Follower, scene: &Scene) -> bool {
        outcome.covers(follower.arrived, self.readers[follower.reader].anew, scene)
    }
}
