//! The read path: `runtime/src/read.rs` and the files that it names, in the order it happens.
//!
//! A read starts when its first command is sent, and returns when its last reply is handled: any earlier
//! start and any later return promises less, so these are the strict ones. A body starts and reads the
//! origin in one step, and returns in a later one.

use crate::flight::Outcome;
use crate::history::Floor;
use crate::scene::{Key, Mechanism, Scene};
use crate::state::State;
use crate::store::{Slot, Value};
use crate::token::Token;
use crate::wire::{Command, Reply, Verb, Wire};

/// A caller of an annotated read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Reader {
    /// The reads it has started.
    pub(crate) calls: u8,
    /// The tokens it has drawn in this read.
    pub(crate) attempts: u8,
    /// Whether this read loads anew, whatever is there.
    pub(crate) anew: bool,
    /// What this read may not fall below.
    pub(crate) floor: Floor,
    /// Where it is.
    pub(crate) phase: Phase,
}

/// Where a reader is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) enum Phase {
    /// Between two reads.
    #[default]
    Idle,
    /// Its process is dead.
    Dead,
    /// `read`
    Read(Wire),
    /// In a flight that another reader leads.
    Follow,
    /// `read` of the missing tag; what the entry held.
    Tag { seen: Slot, wire: Wire },
    /// `acquire`
    Acquire { right: Right, wire: Wire },
    /// Waits for the lease of another process.
    Wait,
    /// The body has read this version and has not returned; its right to store, if it has one.
    Loaded { version: u8, right: Option<Right> },
    /// `fill`
    Fill { version: u8, right: Right, wire: Wire },
    /// `remove`, after a load anew that was not stored: what stands there instead is to end.
    End { version: u8, wire: Wire },
}

/// The right to store what the body returns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Right {
    /// The token of the acquisition.
    pub(crate) token: Token,
    /// The version of the tag from before the load.
    pub(crate) stamp: Option<Token>,
    /// The version of the value past fresh-until that is refreshed; such a load is nobody else's, and that
    /// version is given if the load is not won or fails.
    pub(crate) refresh: Option<u8>,
    /// Whether a value was taken over to be loaded anew.
    pub(crate) over: bool,
}

/// A refresh that goes on without its caller: `refresh = "background"`, or past a soft limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Detached {
    /// The process that it runs in.
    pub(crate) process: usize,
    /// Its right to store.
    pub(crate) token: Token,
    /// The version that its body has read, once it has.
    pub(crate) version: Option<u8>,
}

impl State {
    /// A read starts.
    pub(crate) fn start_read(&mut self, scene: &Scene, reader: usize) {
        self.call(scene, reader, false);
        self.look(scene, reader);
    }

    /// A read starts that loads anew: it joins the flight of its process before it looks.
    pub(crate) fn start_anew(&mut self, scene: &Scene, reader: usize) {
        self.call(scene, reader, true);
        if self.turn(scene, reader) {
            self.look(scene, reader);
        }
    }

    fn call(&mut self, scene: &Scene, reader: usize, anew: bool) {
        let floor = self.floor(scene, scene.readers[reader], anew);
        let calls = self.readers[reader].calls + 1;
        self.readers[reader] = Reader { calls, attempts: 0, anew, floor, phase: Phase::Idle };
    }

    /// What [`Mechanism::ShareBeforeLook`] forbids: a read joins the look of another that is under way.
    pub(crate) fn join_look(&mut self, scene: &Scene, reader: usize, other: usize) {
        self.start_read(scene, reader);
        self.readers[reader].phase = self.readers[other].phase.clone();
    }

    /// Sends `read`; under a key on the recovery list goes on without it.
    pub(crate) fn look(&mut self, scene: &Scene, reader: usize) {
        let process = scene.readers[reader];
        if self.bypasses(scene, process) {
            return self.load_alone(scene, reader);
        }
        if self.leads(scene, reader) {
            self.everybody_arrived(process);
        }
        let command = Command::Read { entry: None, tag: (!scene.tagged()).then_some(Slot::Absent) };
        self.readers[reader].phase = Phase::Read(Wire::Sent(command));
    }

    /// Handles the reply that `reader` waits for.
    pub(crate) fn handle_read(&mut self, scene: &Scene, reader: usize) {
        match self.readers[reader].phase.clone() {
            Phase::Read(Wire::Answered(Reply::Seen { entry, tag })) => {
                self.decide(scene, reader, entry, &tag);
            }
            Phase::Tag { seen, wire: Wire::Answered(Reply::Tag(tag)) } => match tag {
                Slot::Version(stamp) => self.acquire(scene, reader, seen, Some(stamp)),
                _ => self.load(reader, None),
            },
            Phase::Acquire { right, wire: Wire::Answered(reply) } => {
                self.acquired(scene, reader, right, reply);
            }
            Phase::Fill { version, right, wire: Wire::Answered(reply) } => {
                let stored = reply == Reply::Accepted;
                if self.readers[reader].anew && !stored {
                    return self.end_replaced(scene, reader, version);
                }
                let outcome = if stored { Outcome::Stored(version) } else { Outcome::Loaded(version) };
                self.finish(scene, reader, &right, outcome);
            }
            Phase::End { version, wire: Wire::Answered(_) } => {
                self.end(scene, reader, Outcome::Ended(version));
            }
            _ => {}
        }
    }

    fn decide(&mut self, scene: &Scene, reader: usize, entry: Slot, tag: &Slot) {
        if self.readers[reader].anew {
            return self.take_over(scene, reader, entry);
        }
        if let Slot::Value(value) = &entry
            && usable(scene, value, tag)
        {
            let outcome = Outcome::Found(value.version);
            return self.end(scene, reader, outcome);
        }
        if !self.turn(scene, reader) {
            return;
        }
        match (entry, tag) {
            (Slot::Guard(_), _) | (_, Slot::Guard(_)) => self.load(reader, None),
            (Slot::Lease(_), _) => self.readers[reader].phase = Phase::Wait,
            (seen, Slot::Absent) if scene.tagged() => {
                let token = self.draw(scene, reader);
                let wire = Wire::Sent(Command::Version { token });
                self.readers[reader].phase = Phase::Tag { seen, wire };
            }
            (seen, Slot::Version(stamp)) => self.acquire(scene, reader, seen, Some(*stamp)),
            (seen, _) => self.acquire(scene, reader, seen, None),
        }
    }

    /// Becomes the one who may store, instead of whoever it is.
    fn take_over(&mut self, scene: &Scene, reader: usize, seen: Slot) {
        match seen {
            Slot::Guard(_) => self.load(reader, None),
            Slot::Value(_) => {
                let token = self.draw(scene, reader);
                let wire = Wire::Sent(Command::TakeOver { token, seen });
                let right = Right { token, stamp: None, refresh: None, over: true };
                self.readers[reader].phase = Phase::Acquire { right, wire };
            }
            seen => self.acquire(scene, reader, seen, None),
        }
    }

    /// Draws a token.
    fn draw(&mut self, scene: &Scene, reader: usize) -> Token {
        let Reader { calls, attempts, .. } = &mut self.readers[reader];
        *attempts += 1;
        Token::acquisition(scene, reader, *calls, *attempts)
    }

    fn acquire(&mut self, scene: &Scene, reader: usize, seen: Slot, stamp: Option<Token>) {
        let token = self.draw(scene, reader);
        let wire = Wire::Sent(Command::Acquire { token, seen });
        self.readers[reader].phase =
            Phase::Acquire { right: Right { token, stamp, refresh: None, over: false }, wire };
    }

    /// Takes the value that `read` found for past fresh-until, and acquires its refresh. A refresh is
    /// nobody else's: if the reader leads a flight, its followers have the stale value.
    pub(crate) fn acquire_refresh(&mut self, scene: &Scene, reader: usize) {
        let Phase::Read(Wire::Answered(Reply::Seen { entry: Slot::Value(value), .. })) =
            &self.readers[reader].phase
        else {
            return;
        };
        let version = value.version;
        if self.leads(scene, reader) {
            self.land(scene, scene.readers[reader], Some(Outcome::Found(version)));
        }
        let token = self.draw(scene, reader);
        let wire = Wire::Sent(Command::Refresh { token });
        self.readers[reader].phase =
            Phase::Acquire { right: Right { token, stamp: None, refresh: Some(version), over: false }, wire };
    }

    /// The refresh was won and goes on without its caller, who is given the value that it has seen.
    pub(crate) fn detach_refresh(&mut self, scene: &Scene, reader: usize) {
        if let Phase::Acquire { right: Right { token, refresh: Some(seen), .. }, .. } =
            self.readers[reader].phase
        {
            self.detached.push(Detached { process: scene.readers[reader], token, version: None });
            self.detached.sort();
            self.give(scene, reader, Outcome::Found(seen));
        }
    }

    /// The body of the refresh at this place reads the origin; then it returns, and its `fill` is sent.
    pub(crate) fn go_on_detached(&mut self, scene: &Scene, place: usize) {
        let Detached { process, token, version } = &mut self.detached[place];
        let Some(version) = *version else {
            *version = Some(self.origin.visible);
            self.detached.sort();
            return;
        };
        let (process, token) = (*process, *token);
        self.detached.remove(place);
        let listed = self.bypasses(scene, process) && scene.has(Mechanism::ListBeforeFill);
        let value = Value { version, stamp: None, refresh: None };
        let fill = Command::Fill { token, value, refresh: true };
        self.redis.send(if listed { Command::Abandon { token } } else { fill });
    }

    /// The body of a refresh fails: the value stays, and is given.
    pub(crate) fn fail_refresh(&mut self, scene: &Scene, reader: usize) {
        if let Phase::Loaded { right: Some(Right { token, refresh: Some(seen), .. }), .. } =
            self.readers[reader].phase
        {
            self.redis.send(Command::Abandon { token });
            self.give(scene, reader, Outcome::Found(seen));
        }
    }

    fn acquired(&mut self, scene: &Scene, reader: usize, right: Right, reply: Reply) {
        if let (Some(seen), Reply::Taken(_)) = (right.refresh, &reply) {
            return self.give(scene, reader, Outcome::Found(seen));
        }
        match reply {
            Reply::Acquired => self.load(reader, Some(right)),
            Reply::Taken(_) if self.readers[reader].anew => self.look(scene, reader),
            Reply::Taken(Slot::Value(value)) if value.stamp == right.stamp => {
                self.finish(scene, reader, &right, Outcome::Found(value.version));
            }
            Reply::Taken(Slot::Lease(_)) => self.readers[reader].phase = Phase::Wait,
            _ => self.load(reader, None),
        }
    }

    /// Runs the body without storing, one at a time in this process.
    pub(crate) fn load_alone(&mut self, scene: &Scene, reader: usize) {
        if self.turn(scene, reader) {
            self.load(reader, None);
        }
    }

    /// The body starts and reads the origin.
    pub(crate) fn load(&mut self, reader: usize, right: Option<Right>) {
        self.readers[reader].phase = Phase::Loaded { version: self.origin.visible, right };
    }

    /// The body returns: sends `fill`, or returns what cannot be stored.
    pub(crate) fn fill(&mut self, scene: &Scene, reader: usize) {
        let Phase::Loaded { version, right } = self.readers[reader].phase.clone() else {
            return;
        };
        let anew = self.readers[reader].anew;
        let Some(right) = right else {
            if anew {
                return self.end_replaced(scene, reader, version);
            }
            return self.end(scene, reader, Outcome::Loaded(version));
        };
        if self.bypasses(scene, scene.readers[reader]) && scene.has(Mechanism::ListBeforeFill) {
            self.redis.send(Command::Abandon { token: right.token });
            let outcome = if anew { Outcome::Owed(version) } else { Outcome::Loaded(version) };
            return self.finish(scene, reader, &right, outcome);
        }
        let value = Value { version, stamp: right.stamp, refresh: None };
        let refresh = right.refresh.is_some() || right.over;
        let awaited = anew || refresh && scene.has(Mechanism::AwaitRefill);
        if !awaited {
            // The caller has its value: nothing that stands under the key could be given to anybody. The flight goes on
            // until the reply.
            self.returned(scene, self.readers[reader].floor, version, false);
        }
        let wire = Wire::Sent(Command::Fill { token: right.token, value, refresh });
        self.readers[reader].phase = Phase::Fill { version, right, wire };
    }

    /// A load anew has given what is not stored: what stands there instead ends before it returns.
    fn end_replaced(&mut self, scene: &Scene, reader: usize, version: u8) {
        if !scene.has(Mechanism::EndReplaced) {
            return self.end(scene, reader, Outcome::Ended(version));
        }
        if self.bypasses(scene, scene.readers[reader]) {
            return self.end(scene, reader, Outcome::Owed(version));
        }
        let token = self.draw(scene, reader);
        let wire = Wire::Sent(Command::Release { key: Key::Entry, token, put: None });
        self.readers[reader].phase = Phase::End { version, wire };
    }

    /// The same where Redis does not answer.
    fn owe_the_end(&mut self, scene: &Scene, reader: usize, version: u8) {
        let token = self.draw(scene, reader);
        self.owe_deletion(scene.readers[reader], Key::Entry, token, Some(0));
        self.end(scene, reader, Outcome::Owed(version));
    }

    /// Redis did not answer in time: goes on without it.
    pub(crate) fn time_out_read(&mut self, scene: &Scene, reader: usize) {
        match self.readers[reader].phase.clone() {
            Phase::Fill { version, .. } | Phase::End { version, .. } if self.readers[reader].anew => {
                self.owe_the_end(scene, reader, version);
            }
            Phase::Fill { version, right, .. } => {
                self.finish(scene, reader, &right, Outcome::Loaded(version));
            }
            // It may have been won all the same.
            Phase::Acquire { right: Right { token, refresh: Some(seen), .. }, .. } => {
                self.redis.send(Command::Abandon { token });
                self.give(scene, reader, Outcome::Found(seen));
            }
            Phase::Acquire { right: Right { token, over: true, .. }, .. } => {
                self.redis.send(Command::Abandon { token });
                self.load_alone(scene, reader);
            }
            _ => self.load_alone(scene, reader),
        }
    }

    /// The read returns, with the flight it leads; a refresh is nobody else's.
    fn finish(&mut self, scene: &Scene, reader: usize, right: &Right, outcome: Outcome) {
        if right.refresh.is_some() {
            self.give(scene, reader, outcome);
        } else {
            self.end(scene, reader, outcome);
        }
    }

    fn end(&mut self, scene: &Scene, reader: usize, outcome: Outcome) {
        let leads = self.leads(scene, reader);
        self.give(scene, reader, outcome);
        if leads {
            self.land(scene, scene.readers[reader], Some(outcome));
        }
    }

    /// The read of `reader` returns.
    pub(crate) fn give(&mut self, scene: &Scene, reader: usize, outcome: Outcome) {
        let Reader { calls, floor, anew, .. } = self.readers[reader];
        self.returned(scene, floor, outcome.version(), matches!(outcome, Outcome::Found(_)));
        if anew {
            self.loaded_anew(scene, outcome);
        }
        self.readers[reader] = Reader { calls, ..Reader::default() };
    }

    /// The read of `reader` is dropped where it stands.
    pub(crate) fn cancel_read(&mut self, scene: &Scene, reader: usize) {
        self.detach_read(reader);
        if let Phase::Acquire { right, .. } | Phase::Loaded { right: Some(right), .. } =
            self.readers[reader].phase.clone()
        {
            self.redis.send(Command::Abandon { token: right.token });
        }
        let calls = self.readers[reader].calls;
        self.readers[reader] = Reader { calls, ..Reader::default() };
        self.leave(scene, reader);
    }

    /// Leaves the command of `reader` on its way, with nobody to hear the reply.
    pub(crate) fn detach_read(&mut self, reader: usize) {
        if let Some(Wire::Sent(command)) = self.readers[reader].phase.wire() {
            self.redis.send(command.clone());
        }
    }
}

impl Phase {
    /// The verb of the call to Redis that is under way.
    pub(crate) fn verb(&self) -> Option<Verb> {
        match self {
            Self::Read(_) | Self::Tag { .. } => Some(Verb::Read),
            Self::Acquire { .. } => Some(Verb::Acquire),
            Self::Fill { .. } => Some(Verb::Fill),
            Self::End { .. } => Some(Verb::Release),
            _ => None,
        }
    }

    /// The call to Redis that is under way.
    pub(crate) fn wire(&self) -> Option<&Wire> {
        match self {
            Self::Read(wire)
            | Self::Tag { wire, .. }
            | Self::Acquire { wire, .. }
            | Self::Fill { wire, .. }
            | Self::End { wire, .. } => Some(wire),
            _ => None,
        }
    }

    /// The same, to be answered.
    pub(crate) fn wire_mut(&mut self) -> Option<&mut Wire> {
        match self {
            Self::Read(wire)
            | Self::Tag { wire, .. }
            | Self::Acquire { wire, .. }
            | Self::Fill { wire, .. }
            | Self::End { wire, .. } => Some(wire),
            _ => None,
        }
    }
}

/// Whether the tag still agrees.
pub(crate) fn usable(scene: &Scene, value: &Value, tag: &Slot) -> bool {
    !scene.tagged() || matches!((value.stamp, tag), (Some(stamp), Slot::Version(now)) if stamp == *now)
}
