//! The recovery list of a process: `runtime/src/health.rs`.
//!
//! A write whose guard or release was not acknowledged owes a deletion. The list holds writes, not keys: a
//! delivery that was sent before another write failed says nothing about that write.

use crate::scene::{Mechanism, Scene};
use crate::state::State;
use crate::token::Token;
use crate::wire::Command;

/// A deletion that Redis has not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Owed {
    /// The write that owes it.
    pub(crate) writer: usize,
    /// The version it wrote; none while its body runs, and until then nothing is delivered.
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

    /// Puts the key of `writer` on the list of its process.
    pub(crate) fn owe(&mut self, scene: &Scene, writer: usize, version: Option<u8>) {
        let owed = &mut self.processes[scene.writes[writer].process].owed;
        match owed.iter_mut().find(|other| other.writer == writer) {
            Some(known) => known.version = version,
            None => owed.push(Owed { writer, version, delivery: Delivery::Waiting }),
        }
        owed.sort();
    }

    /// The release of `writer` was acknowledged: it owes nothing any more.
    pub(crate) fn settle_up(&mut self, scene: &Scene, writer: usize) {
        self.processes[scene.writes[writer].process].owed.retain(|owed| owed.writer != writer);
    }

    /// Sends, executes or handles the delivery at `place` of the list of `process`.
    pub(crate) fn deliver(&mut self, scene: &Scene, process: usize, place: usize) {
        let Owed { writer, version, delivery } = self.processes[process].owed[place];
        let owed = &mut self.processes[process].owed;
        match delivery {
            Delivery::Waiting => owed[place].delivery = Delivery::Sent,
            Delivery::Sent => {
                owed[place].delivery = Delivery::Answered;
                let (key, token) = (scene.writes[writer].key, Token::guard(writer));
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
    pub(crate) fn detach_deliveries(&mut self, scene: &Scene, process: usize) {
        for owed in std::mem::take(&mut self.processes[process].owed) {
            if owed.delivery == Delivery::Sent {
                let (key, token) = (scene.writes[owed.writer].key, Token::guard(owed.writer));
                self.redis.send(Command::Release { key, token, put: None });
            }
        }
    }
}
