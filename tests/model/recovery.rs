//! The recovery list of a process: `runtime/src/engine/recovery.rs`.
//!
//! A write whose guard or release was not acknowledged owes a deletion. The list holds writes, not keys: a
//! delivery that was sent before another write failed says nothing about that write.

use crate::scene::{Key, Mechanism, Scene};
use crate::state::State;
use crate::token::Token;
use crate::wire::{Command, Wire};

/// A deletion that Redis has not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Owed {
    /// The key that it is due for.
    pub(crate) key: Key,
    /// The token of the write that owes it; one of its own where a load anew does.
    pub(crate) token: Token,
    /// The version that was written; none while the body runs, and until then nothing is delivered.
    pub(crate) version: Option<u8>,
    /// Where its delivery is.
    pub(crate) delivery: Delivery,
}

/// Where a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Delivery {
    /// Not sent.
    Waiting,
    /// The `release` is on its way.
    Sent,
    /// It was executed; the reply has not been handled.
    Answered,
}

impl State {
    /// Whether `process` neither reads nor stores the entry, because it is on its recovery list.
    pub(crate) fn bypasses(&self, scene: &Scene, process: usize) -> bool {
        scene.has(Mechanism::Bypass) && !self.processes[process].owed.is_empty()
    }

    /// Puts the keys of `writer` that are not answered on the list of its process; all if only the replies were lost.
    pub(crate) fn owe(&mut self, scene: &Scene, writer: usize, wires: &[Wire], version: Option<u8>) {
        let process = scene.writes[writer].process;
        let lost = wires.iter().all(|wire| matches!(wire, Wire::Answered(_)));
        for (key, wire) in scene.writes[writer].keys.iter().zip(wires) {
            if lost || matches!(wire, Wire::Sent(_)) {
                self.owe_deletion(process, *key, Token::guard(writer), version);
            }
        }
    }

    /// Puts a key on the list of `process`.
    pub(crate) fn owe_deletion(&mut self, process: usize, key: Key, token: Token, version: Option<u8>) {
        let owed = &mut self.processes[process].owed;
        match owed.iter_mut().find(|other| (other.key, other.token) == (key, token)) {
            Some(known) => known.version = version,
            None => owed.push(Owed { key, token, version, delivery: Delivery::Waiting }),
        }
        owed.sort();
    }

    /// The release of `writer` was acknowledged: it owes nothing any more.
    pub(crate) fn settle_up(&mut self, scene: &Scene, writer: usize) {
        let token = Token::guard(writer);
        self.processes[scene.writes[writer].process].owed.retain(|owed| owed.token != token);
    }

    /// Sends, executes or handles the delivery at `place` of the list of `process`.
    pub(crate) fn deliver(&mut self, scene: &Scene, process: usize, place: usize) {
        let Owed { key, token, version, delivery } = self.processes[process].owed[place];
        let owed = &mut self.processes[process].owed;
        match delivery {
            Delivery::Waiting => owed[place].delivery = Delivery::Sent,
            Delivery::Sent => {
                owed[place].delivery = Delivery::Answered;
                self.redis.execute(Command::Release { key, token, put: None }, scene);
            }
            Delivery::Answered => {
                if scene.has(Mechanism::DeliveryPerWrite) {
                    owed.remove(place);
                } else {
                    owed.clear();
                }
                self.delivered(scene, version.unwrap_or_default());
            }
        }
    }

    /// Whether the delivery at `place` of the list of `process` may go on.
    pub(crate) fn deliverable(&self, scene: &Scene, process: usize, place: usize) -> bool {
        let written = self.processes[process].owed[place].version.is_some();
        written || !scene.has(Mechanism::DeliverAfterBody)
    }

    /// Leaves the deliveries of a dead process on their way.
    pub(crate) fn detach_deliveries(&mut self, process: usize) {
        for Owed { key, token, delivery, .. } in std::mem::take(&mut self.processes[process].owed) {
            if delivery == Delivery::Sent {
                self.redis.send(Command::Release { key, token, put: None });
            }
        }
    }
}
