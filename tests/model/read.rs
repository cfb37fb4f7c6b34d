//! The read path: `runtime/src/read.rs` and the files that it names, in the order it happens.
//!
//! A read starts when its first command is sent, and returns when its last reply is handled: any earlier
//! start and any later return promises less, so these are the strict ones. A body starts and reads the
//! origin in one step, and returns in a later one.

use crate::flight::Outcome;
use crate::history::Floor;
use crate::phase::{Detached, Phase, Right, guarded, usable};
use crate::scene::{Key, Mechanism, Scene, TAGS};
use crate::state::State;
use crate::store::{Slot, Value};
use crate::token::Token;
use crate::wire::{Command, Reply, Wire};
use std::array;

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

    /// A read that has missed and leads the flight of its process looks.
    pub(crate) fn start_handed(&mut self, scene: &Scene, reader: usize) {
        self.call(scene, reader, false);
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
        let tags = array::from_fn(|tag| (tag >= scene.tags).then_some(Slot::Absent));
        let command = Command::Read { entry: None, tags };
        self.readers[reader].phase = Phase::Read(Wire::Sent(command));
    }

    /// Handles the reply that `reader` waits for.
    pub(crate) fn handle_read(&mut self, scene: &Scene, reader: usize) {
        match self.readers[reader].phase.clone() {
            Phase::Read(Wire::Answered(Reply::Seen { entry, tags })) => {
                self.decide(scene, reader, entry, &tags);
            }
            Phase::Acquire { mut right, wire: Wire::Answered(reply), versions } => {
                if versions.iter().flatten().any(|wire| matches!(wire, Wire::Sent(_))) {
                    return;
                }
                if right.stamp(&versions) {
                    self.acquired(scene, reader, right, reply);
                } else {
                    // A write of a tag is in progress.
                    self.redis.send(Command::Abandon { token: right.token });
                    self.load(reader, None);
                }
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

    fn decide(&mut self, scene: &Scene, reader: usize, entry: Slot, tags: &[Slot; TAGS]) {
        if self.readers[reader].anew {
            return self.take_over(scene, reader, entry, tags);
        }
        if let Slot::Value(value) = &entry
            && usable(scene, value, tags)
        {
            let outcome = Outcome::Found(value.version);
            return self.end(scene, reader, outcome);
        }
        if !self.turn(scene, reader) {
            return;
        }
        match entry {
            _ if guarded(&entry, tags) => self.load(reader, None),
            Slot::Lease(_) => self.readers[reader].phase = Phase::Wait,
            seen => self.acquire(scene, reader, seen, tags),
        }
    }

    /// Becomes the one who may store, instead of whoever it is.
    fn take_over(&mut self, scene: &Scene, reader: usize, seen: Slot, tags: &[Slot; TAGS]) {
        if guarded(&seen, tags) {
            return self.load(reader, None);
        }
        self.acquire(scene, reader, seen, tags);
    }

    /// Draws a token.
    fn draw(&mut self, scene: &Scene, reader: usize) -> Token {
        let Reader { calls, attempts, .. } = &mut self.readers[reader];
        *attempts += 1;
        Token::acquisition(scene, reader, *calls, *attempts)
    }

    /// Sends `acquire`, and the creation of the versions that are missing.
    fn acquire(&mut self, scene: &Scene, reader: usize, seen: Slot, tags: &[Slot; TAGS]) {
        let token = self.draw(scene, reader);
        let stamps = array::from_fn(|tag| match tags[tag] {
            Slot::Version(stamp) => Some(stamp),
            _ => None,
        });
        let create = |tag: usize| {
            let known: Option<Token> = stamps[tag];
            known.is_none().then(|| Wire::Sent(Command::Version { tag, token: self.draw(scene, reader) }))
        };
        let versions = (0..scene.tags).map(create).collect();
        let over = self.readers[reader].anew && matches!(seen, Slot::Value(_));
        let command = if over { Command::TakeOver { token, seen } } else { Command::Acquire { token, seen } };
        let right = Right { token, stamps, refresh: None, over };
        self.readers[reader].phase = Phase::Acquire { right, wire: Wire::Sent(command), versions };
    }

    /// Takes the value that `read` found for past fresh-until, and acquires its refresh. A refresh is
    /// nobody else's: if the reader leads a flight, its followers have the stale value.
    pub(crate) fn acquire_refresh(&mut self, scene: &Scene, reader: usize) {
        let Phase::Read(Wire::Answered(Reply::Seen { entry: Slot::Value(value), .. })) =
            &self.readers[reader].phase
        else {
            return;
        };
        let Value { version, stamps, .. } = *value;
        if self.leads(scene, reader) {
            self.land(scene, scene.readers[reader], Some(Outcome::Found(version)));
        }
        let token = self.draw(scene, reader);
        let wire = Wire::Sent(Command::Refresh { token });
        let right = Right { token, stamps, refresh: Some(version), over: false };
        self.readers[reader].phase = Phase::Acquire { right, wire, versions: Vec::new() };
    }

    /// The refresh was won and goes on without its caller, who is given the value that it has seen.
    pub(crate) fn detach_refresh(&mut self, scene: &Scene, reader: usize) {
        if let Phase::Acquire { right: Right { token, stamps, refresh: Some(seen), .. }, .. } =
            self.readers[reader].phase
        {
            self.detached.push(Detached { process: scene.readers[reader], token, stamps, version: None });
            self.detached.sort();
            self.give(scene, reader, Outcome::Found(seen));
        }
    }

    /// The body of the refresh at this place reads the origin; then it returns, and its `fill` is sent.
    pub(crate) fn go_on_detached(&mut self, scene: &Scene, place: usize) {
        let Detached { process, token, stamps, version } = &mut self.detached[place];
        let Some(version) = *version else {
            *version = Some(self.origin.visible);
            self.detached.sort();
            return;
        };
        let (process, token, stamps) = (*process, *token, *stamps);
        self.detached.remove(place);
        let listed = self.bypasses(scene, process) && scene.has(Mechanism::ListBeforeFill);
        let value = Value { version, stamps, refresh: None };
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
            Reply::Taken(Slot::Value(value)) if value.stamps == right.stamps => {
                self.finish(scene, reader, &right, Outcome::Taken(value.version));
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
        let value = Value { version, stamps: right.stamps, refresh: None };
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
        let hit = matches!(outcome, Outcome::Found(_) | Outcome::Taken(_));
        self.returned(scene, floor, outcome.version(), hit);
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
        let phase = &self.readers[reader].phase;
        for wire in phase.wire().into_iter().chain(phase.versions().iter().flatten()) {
            if let Wire::Sent(command) = wire {
                self.redis.send(command.clone());
            }
        }
    }
}
