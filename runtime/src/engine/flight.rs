//! Sharing a load inside one process.
//!
//! A flight is of one key and of one [`Kind`]: another function whose key has the same text flies alone, so that it is never
//! given what this one's body gave, be it `None` or an error.
//!
//! One of the callers that miss a key leads, the others follow. What the leader learns may be given to a follower
//! only if it was observed by a step that began **after the follower arrived**: a read of the store, a run of the body,
//! or a fill that the store accepted. Anything else could be older than a write that the follower has already seen
//! completed. So the leader counts its steps, each follower notes the step at which it came, and whoever came too late for
//! the step that counts goes on to the next flight, led by one of them. That next flight begins after they arrived, so
//! nobody waits for more than two.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    mem,
    sync::Arc,
};

use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot};
use typeid::ConstTypeId;

use crate::{fingerprint::CodingKind, lock::Mutex, outcome::returns::SharedError};

/// What a caller of a missing key does next.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Load it; dropping the ticket hands it over to a follower.
    Lead(Ticket),
    /// Somebody is loading it; a message will come.
    Follow(oneshot::Receiver<FollowerMessage>),
}

/// What a follower receives.
#[derive(Debug)]
pub(crate) enum FollowerMessage {
    /// The load's result.
    Shared(SharedResult),
    /// The load failed and its error can't be shared: run the body, not all at once.
    Failed(Arc<Semaphore>),
    /// It is your turn to lead.
    Lead(Ticket),
}

/// What a load gave, in a form that any follower can take.
#[derive(Debug, Clone)]
pub(crate) enum SharedResult {
    /// A whole entry, header and payload.
    Entry(Bytes),
    /// The function gave `None` and it is not stored.
    None,
    /// The function failed.
    Error(SharedError),
}

/// Maximum number of bodies that run at the same time after an error that can't be shared.
const BODIES_AFTER_A_FAILURE: usize = 8;

/// The loads in progress, by what they carry and by key.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<HashMap<Kind, Arc<OfKind>>>);

/// The flights of one kind, by key. Whoever holds this lock may take that of a flight, and not the other way round.
#[derive(Debug, Default)]
struct OfKind(Mutex<ByKey>);

type ByKey = HashMap<Arc<str>, Arc<Flight>>;

/// What a flight carries: results of one function, for one type of value and codec. A generic function has several kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Kind {
    /// The function's number.
    function: usize,
    value: ConstTypeId,
    codec: &'static str,
    version: u32,
}

impl Kind {
    pub(crate) fn new(function: usize, coding: &CodingKind) -> Kind {
        let CodingKind { type_id: value, codec, version, .. } = *coding;
        Kind { function, value, codec, version }
    }
}

#[derive(Debug)]
struct Flight {
    key: Arc<str>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The number of the step that the leader is taking.
    step: Epoch,
    followers: VecDeque<Follower>,
}

impl State {
    /// The leader begins a step.
    fn next_epoch(&mut self) -> Epoch {
        self.step = Epoch(self.step.0 + 1);
        self.step
    }
}

#[derive(Debug)]
struct Follower {
    /// The step that the leader was taking when this one came.
    came_during: Epoch,
    /// It comes from `refresh(…)`: it accepts only a result whose body began after it joined, and which was stored, or whose
    /// loader deleted the entry.
    forced: bool,
    message: oneshot::Sender<FollowerMessage>,
}

/// The number of a leader's step: what began at an epoch may be given to those who came during an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Epoch(u64);

impl Epoch {
    /// Before any step: nobody came earlier.
    pub(crate) const NONE: Epoch = Epoch(0);
}

impl Flights {
    /// Joins the load of this key, or begins it. A caller that is `forced` is not given what was there before.
    pub(crate) fn join(&self, kind: Kind, key: &str, forced: bool) -> Turn {
        let flights = self.of(kind);
        let mut by_key = flights.0.lock();
        flights.join(&mut by_key, key, forced)
    }

    /// The same for each of several keys.
    pub(crate) fn join_all<'k>(
        &self,
        kind: Kind,
        keys: impl Iterator<Item = &'k str>,
        forced: bool,
    ) -> Vec<Turn> {
        let flights = self.of(kind);
        let mut by_key = flights.0.lock();
        keys.map(|key| flights.join(&mut by_key, key, forced)).collect()
    }

    fn of(&self, kind: Kind) -> Arc<OfKind> {
        self.0.lock().entry(kind).or_default().clone()
    }

    /// How many keys are being loaded.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.lock().values().map(|flights| flights.0.lock().len()).sum()
    }
}

impl OfKind {
    fn join(self: &Arc<Self>, by_key: &mut ByKey, key: &str, forced: bool) -> Turn {
        match by_key.entry(key.into()) {
            Entry::Occupied(flight) => {
                let (message, receiver) = oneshot::channel();
                let mut state = flight.get().state.lock();
                let came_during = state.step;
                state.followers.push_back(Follower { came_during, forced, message });
                Turn::Follow(receiver)
            }
            Entry::Vacant(place) => {
                let state = Mutex::new(State { step: Epoch(0), followers: VecDeque::new() });
                let flight = Arc::new(Flight { key: place.key().clone(), state });
                place.insert(flight.clone());
                Turn::Lead(Ticket::new(self.clone(), flight, forced))
            }
        }
    }

    /// Makes the first follower that is still there the leader of all the others; without any the flight ends.
    fn hand_over(self: &Arc<Self>, flight: &Arc<Flight>) {
        loop {
            let next = {
                let mut by_key = self.0.lock();
                let mut state = flight.state.lock();
                // All who are waiting now came before whatever the next leader does.
                state.next_epoch();
                match state.followers.pop_front() {
                    Some(next) => next,
                    None => {
                        by_key.remove(&flight.key);
                        return;
                    }
                }
            };
            let ticket = Ticket::new(self.clone(), flight.clone(), next.forced);
            let Err(FollowerMessage::Lead(mut ticket)) = next.message.send(FollowerMessage::Lead(ticket))
            else {
                return;
            };
            // That one has gone away; the ticket came back and must not hand over by itself.
            ticket.completed = true;
        }
    }
}

/// The right to load one key. Dropping it, by cancellation or panic, hands it to a follower at once.
#[derive(Debug)]
pub(crate) struct Ticket {
    flights: Arc<OfKind>,
    flight: Arc<Flight>,
    /// Its leader is forced to load.
    forced: bool,
    /// The step with which the body began.
    loading: Epoch,
    completed: bool,
}

impl Ticket {
    fn new(flights: Arc<OfKind>, flight: Arc<Flight>, forced: bool) -> Ticket {
        Ticket { flights, flight, forced, loading: Epoch::NONE, completed: false }
    }

    pub(crate) fn key(&self) -> &Arc<str> {
        &self.flight.key
    }

    /// Begins the step in which the body runs.
    pub(crate) fn begin_load(&mut self) -> Epoch {
        self.loading = self.next_epoch();
        self.loading
    }

    /// Begins a step: what it observes may be given to everybody who is here now.
    pub(crate) fn next_epoch(&self) -> Epoch {
        self.flight.state.lock().next_epoch()
    }

    /// Whether anybody would be given what was observed at `step`.
    pub(crate) fn followed(&self, step: Epoch) -> bool {
        self.flight.state.lock().followers.iter().any(|one| one.came_during < step)
    }

    /// Gives what was observed at `step` to those who came before it; the others join the next flight.
    pub(crate) fn complete(self, result: &SharedResult, step: Epoch) {
        self.end(step, || FollowerMessage::Shared(result.clone()));
    }

    /// Tells those who came before `step` that each must run the body.
    pub(crate) fn fail(self, step: Epoch) {
        let bodies = Arc::new(Semaphore::new(BODIES_AFTER_A_FAILURE));
        self.end(step, || FollowerMessage::Failed(bodies.clone()));
    }

    fn end(mut self, step: Epoch, message: impl Fn() -> FollowerMessage) {
        self.completed = true;
        let served: Vec<Follower> = {
            let mut state = self.flight.state.lock();
            let kept = self.forced || self.loading < step;
            let (served, rest): (VecDeque<_>, VecDeque<_>) =
                mem::take(&mut state.followers).into_iter().partition(|one| {
                    one.came_during < step && (!one.forced || kept && one.came_during < self.loading)
                });
            state.followers = rest;
            served.into()
        };
        for follower in served {
            // A follower that has gone away needs no message.
            let _ = follower.message.send(message());
        }
        self.flights.hand_over(&self.flight);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.completed {
            self.flights.hand_over(&self.flight);
        }
    }
}

#[cfg(test)]
mod tests;
