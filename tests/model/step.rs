//! The steps of the model, and what each does.

use crate::phase::Phase;
use crate::read::Reader;
use crate::scene::{Key, Scene};
use crate::state::State;
use crate::store::Slot;
use crate::token::{Caller, Token};
use crate::wire::{Redis, Verb, Wire};
use crate::write::Writer;

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A read starts: `read` is sent.
    Read(usize),
    /// A read starts that loads anew: it joins the flight of its process, or `read` is sent.
    ReadAnew(usize),
    /// A read starts by joining the look of another reader.
    JoinLook(usize, usize),
    /// A reader finds its value past fresh-until: `acquire` of the refresh is sent.
    AcquireRefresh(usize),
    /// A reader that waits for another process looks again.
    LookAgain(usize),
    /// A reader has waited long enough and runs the body.
    StopWaiting(usize),
    /// A body returns: `fill` is sent, or the read returns.
    Fill(usize),
    /// A refresh that was won goes on without its caller.
    DetachRefresh(usize),
    /// The refresh at this place takes its next step without its caller.
    GoOnDetached(usize),
    /// The body of a refresh fails.
    FailRefresh(usize),
    /// A write starts: `guard` is sent.
    Guard(usize),
    /// A live writer sends `renew` for its guard.
    Renew(usize),
    /// The database commits the statement of a writer: `release` is sent.
    Commit(usize),
    /// The recovery list of a process sends, executes or handles its delivery at this place.
    Deliver(usize, usize),
    /// Redis executes the command of a caller.
    Execute(Caller, Verb),
    /// Redis executes one part of the `read` of a tagged entry.
    ReadPart(usize, Key),
    /// Redis creates the version of a tag for a reader that acquires, unless there is one.
    CreateVersion(usize, usize),
    /// Redis executes the command of a writer for its key at this place.
    ExecuteWrite(usize, usize),
    /// A caller handles its reply.
    Handle(Caller, Verb),
    /// Redis executes the late command at this place.
    ExecuteLate(usize, Verb),
    /// A client sends once more what makes a reader the holder, or creates the version of a tag.
    Resend(usize),
    /// A caller gives up waiting for Redis.
    TimeOut(Caller, Verb),
    /// A caller is dropped.
    Cancel(Caller),
    /// A process dies.
    Crash(usize),
    /// The statement of a dead caller never reaches the database.
    LoseStatement(usize),
    /// The lease expires, or the refresh passes its deadline.
    ExpireLease,
    /// The deadline of a writer in a guard passes.
    LapseGuard(Key, Token),
    /// Redis loses a key.
    LoseKey(Key),
    /// Another program changes the row.
    Change,
    /// The lagging origin has caught up.
    CatchUp,
    /// A settling guard expires.
    SettleGuard,
}

/// Executes the command of a call, and leaves the reply for its caller.
fn answer(wire: Option<&mut Wire>, redis: &mut Redis, scene: &Scene) {
    if let Some(wire) = wire
        && let Wire::Sent(command) = wire.clone()
    {
        *wire = Wire::Answered(redis.execute(command, scene));
    }
}

impl State {
    /// Takes `step`.
    pub(crate) fn take(&mut self, scene: &Scene, step: Step) {
        match step {
            Step::Read(reader) => self.start_read(scene, reader),
            Step::ReadAnew(reader) => {
                self.anew -= 1;
                self.start_anew(scene, reader);
            }
            Step::JoinLook(reader, other) => self.join_look(scene, reader, other),
            Step::AcquireRefresh(reader) => self.acquire_refresh(scene, reader),
            Step::LookAgain(reader) => self.look(scene, reader),
            Step::StopWaiting(reader) => self.load(reader, None),
            Step::Fill(reader) => self.fill(scene, reader),
            Step::DetachRefresh(reader) => self.detach_refresh(scene, reader),
            Step::GoOnDetached(place) => self.go_on_detached(scene, place),
            Step::FailRefresh(reader) => self.fail_refresh(scene, reader),
            Step::Guard(writer) => self.start_write(scene, writer),
            Step::Renew(writer) => self.renew(scene, writer),
            Step::Commit(writer) => self.commit(scene, writer),
            Step::Deliver(process, place) => self.deliver(scene, process, place),
            Step::Execute(caller, _) => {
                let wire = match caller {
                    Caller::Reader(reader) => self.readers[reader].phase.wire_mut(),
                    Caller::Writer(_) => None,
                };
                answer(wire, &mut self.redis, scene);
            }
            Step::CreateVersion(reader, tag) => {
                if let Phase::Acquire { versions, .. } = &mut self.readers[reader].phase {
                    answer(versions[tag].as_mut(), &mut self.redis, scene);
                }
            }
            Step::ExecuteWrite(writer, place) => {
                answer(self.writers[writer].wires_mut().get_mut(place), &mut self.redis, scene);
            }
            Step::ReadPart(reader, part) => {
                if let Phase::Read(Wire::Sent(command)) = &self.readers[reader].phase {
                    self.readers[reader].phase = Phase::Read(self.redis.read(part, command.clone()));
                }
            }
            Step::Handle(Caller::Reader(reader), _) => self.handle_read(scene, reader),
            Step::Handle(Caller::Writer(writer), _) => self.handle_write(scene, writer),
            Step::ExecuteLate(place, _) => {
                let command = self.redis.late.remove(place);
                self.redis.execute(command, scene);
            }
            Step::Resend(reader) => {
                self.trouble.timeouts -= 1;
                self.detach_read(reader);
            }
            Step::TimeOut(caller, _) => {
                self.trouble.timeouts -= 1;
                self.time_out(scene, caller);
            }
            Step::Cancel(caller) => {
                self.trouble.cancellations -= 1;
                match caller {
                    Caller::Reader(reader) => self.cancel_read(scene, reader),
                    Caller::Writer(writer) => self.cancel_write(scene, writer),
                }
            }
            Step::Crash(process) => {
                self.trouble.crashes -= 1;
                self.crash(scene, process);
            }
            Step::LoseStatement(writer) => self.writers[writer] = Writer::Done,
            Step::ExpireLease => {
                self.trouble.expiries -= 1;
                self.redis.entry.expire();
            }
            Step::LapseGuard(key, token) => {
                if !self.lapses(scene, token) {
                    self.trouble.lapses -= 1;
                }
                self.redis.slot(key).lapse(token);
            }
            Step::LoseKey(key) => {
                self.trouble.losses -= 1;
                *self.redis.slot(key) = Slot::Absent;
            }
            Step::Change => {
                self.trouble.changes -= 1;
                self.origin.committed += 1;
                self.origin.visible = self.origin.committed;
            }
            Step::CatchUp => self.origin.visible = self.origin.committed,
            Step::SettleGuard => self.redis.entry = Slot::Absent,
        }
    }

    fn time_out(&mut self, scene: &Scene, caller: Caller) {
        match caller {
            Caller::Reader(reader) => {
                self.detach_read(reader);
                self.time_out_read(scene, reader);
            }
            Caller::Writer(writer) => self.time_out_write(scene, writer),
        }
    }

    /// Everybody in `process` is gone; what was sent is still on its way.
    fn crash(&mut self, scene: &Scene, process: usize) {
        self.dead = Some(process);
        self.detach_deliveries(process);
        self.processes[process].flight = None;
        self.detached.retain(|detached| detached.process != process);
        for reader in (0..self.readers.len()).filter(|reader| scene.readers[*reader] == process) {
            self.detach_read(reader);
            self.readers[reader] = Reader { phase: Phase::Dead, ..Reader::default() };
        }
        for writer in (0..self.writers.len()).filter(|writer| scene.writes[*writer].process == process) {
            self.kill_write(writer);
        }
    }
}
