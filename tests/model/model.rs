//! The scene as a `stateright` model: which steps are possible when, and what must hold.

use crate::history::Promise;
use crate::phase::{Phase, usable};
use crate::read::Reader;
use crate::scene::{Entry, Key, Mechanism, Scene};
use crate::state::State;
use crate::step::Step;
use crate::store::Slot;
use crate::token::Caller;
use crate::wire::{Command, Reply, Verb, Wire};
use crate::write::Writer;
use stateright::{Model, Property};

impl Model for Scene {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self)]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if state.history.broken.is_some() || self.is_over(state) {
            return;
        }
        for reader in 0..state.readers.len() {
            self.reader_steps(state, reader, steps);
        }
        for writer in 0..state.writers.len() {
            self.writer_steps(state, writer, steps);
        }
        steps.extend((0..state.detached.len()).map(Step::GoOnDetached));
        self.redis_steps(state, steps);
        for (process, members) in state.processes.iter().enumerate() {
            let deliverable =
                (0..members.owed.len()).filter(|place| state.deliverable(self, process, *place));
            steps.extend(deliverable.map(|place| Step::Deliver(process, place)));
            if state.trouble.crashes > 0 {
                steps.push(Step::Crash(process));
            }
        }
        if state.trouble.changes > 0 {
            steps.push(Step::Change);
        }
        if state.origin.visible < state.origin.committed {
            steps.push(Step::CatchUp);
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        state.take(self, step);
        state.redis.forget_the_harmless(self);
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let promises = self.promises.iter().map(|promise| promise.property());
        let p3 = (self.trouble.crashes > 0).then(|| Promise::CrashSafe.property());
        let sharing = [Property::always("P5", one_load), Property::always("nobody hangs", nobody_hangs)];
        let witnesses = self.witnesses.iter().map(|witness| witness.property());
        promises.chain(p3).chain(sharing).chain(witnesses).collect()
    }
}

/// P5 inside a process: its callers load one at a time, apart from who refreshes a value that is there.
fn one_load(scene: &Scene, state: &State) -> bool {
    let loading = |reader: &usize| match &state.readers[*reader].phase {
        Phase::Loaded { right, .. } => right.as_ref().is_none_or(|right| right.refresh.is_none()),
        _ => false,
    };
    (0..state.readers.len()).filter(loading).all(|reader| state.leads(scene, reader))
}

/// Whoever follows is known to a flight whose leader is at work.
fn nobody_hangs(scene: &Scene, state: &State) -> bool {
    let following = |reader: &usize| state.readers[*reader].phase == Phase::Follow;
    (0..state.readers.len()).filter(following).all(|reader| {
        let flight = state.processes[scene.readers[reader]].flight.as_ref();
        flight.is_some_and(|flight| {
            let working =
                !matches!(state.readers[flight.leader].phase, Phase::Idle | Phase::Dead | Phase::Follow);
            working && flight.followers.iter().any(|follower| follower.reader == reader)
        })
    })
}

impl Scene {
    /// Whether no reader will ever return again.
    fn is_over(&self, state: &State) -> bool {
        state.readers.iter().all(|reader| match reader.phase {
            Phase::Idle => reader.calls == self.reads,
            Phase::Dead => true,
            _ => false,
        })
    }

    fn reader_steps(&self, state: &State, reader: usize, steps: &mut Vec<Step>) {
        let Reader { calls, phase, .. } = &state.readers[reader];
        match phase {
            Phase::Idle if *calls < self.reads => {
                steps.push(Step::Read(reader));
                if state.anew > 0 && self.anew_by.contains(&reader) {
                    steps.push(Step::ReadAnew(reader));
                }
                if !self.has(Mechanism::ShareBeforeLook) {
                    let others = (0..state.readers.len()).filter(|other| {
                        matches!(state.readers[*other].phase, Phase::Read(Wire::Answered(_)))
                            && self.readers[*other] == self.readers[reader]
                    });
                    steps.extend(others.map(|other| Step::JoinLook(reader, other)));
                }
            }
            Phase::Idle | Phase::Dead => return,
            Phase::Wait => {
                steps.push(Step::StopWaiting(reader));
                // Waking to the same lease leads back here.
                if !matches!(state.redis.entry, Slot::Lease(_)) {
                    steps.push(Step::LookAgain(reader));
                }
            }
            Phase::Loaded { right, .. } => {
                steps.push(Step::Fill(reader));
                if right.as_ref().is_some_and(|right| right.refresh.is_some()) {
                    steps.push(Step::FailRefresh(reader));
                }
            }
            Phase::Acquire { right, wire: Wire::Answered(Reply::Acquired), .. }
                if right.refresh.is_some() =>
            {
                steps.push(Step::DetachRefresh(reader));
            }
            Phase::Read(Wire::Sent(Command::Read { entry, tags })) if self.tagged() => {
                if entry.is_none() {
                    steps.push(Step::ReadPart(reader, Key::Entry));
                }
                let missing = (0..tags.len()).filter(|tag| tags[*tag].is_none());
                steps.extend(missing.map(|tag| Step::ReadPart(reader, Key::Tag(tag))));
            }
            Phase::Read(Wire::Answered(Reply::Seen { entry: Slot::Value(value), tags }))
                if self.entry == Entry::Stale && !state.readers[reader].anew && usable(self, value, tags) =>
            {
                steps.push(Step::AcquireRefresh(reader));
            }
            _ => {}
        }
        let sent = |wire: &Wire| matches!(wire, Wire::Sent(_));
        let versions = phase.versions().iter().enumerate();
        let creating = versions.filter(|(_, wire)| wire.as_ref().is_some_and(sent));
        steps.extend(creating.map(|(tag, _)| Step::CreateVersion(reader, tag)));
        let resent = phase.versions().iter().flatten().chain(phase.wire());
        let acquires = matches!(phase, Phase::Acquire { .. });
        if acquires
            && resent.into_iter().any(sent)
            && !self.has(Mechanism::OneAttempt)
            && state.trouble.timeouts > 0
        {
            steps.push(Step::Resend(reader));
        }
        self.caller_steps(state, Caller::Reader(reader), phase.verb().zip(phase.wire()), steps);
    }

    fn writer_steps(&self, state: &State, writer: usize, steps: &mut Vec<Step>) {
        match &state.writers[writer] {
            Writer::Idle if state.dead != Some(self.writes[writer].process) => {
                return steps.push(Step::Guard(writer));
            }
            Writer::Idle | Writer::Done => return,
            Writer::Orphan => {
                steps.push(Step::Commit(writer));
                return steps.push(Step::LoseStatement(writer));
            }
            Writer::Body { guarded, renewed } => {
                steps.push(Step::Commit(writer));
                if self.trouble.losses > 0 && *guarded && !renewed {
                    steps.push(Step::Renew(writer));
                }
            }
            _ => {}
        }
        let wires = state.writers[writer].wires();
        let sent = wires.iter().enumerate().filter(|(_, wire)| matches!(wire, Wire::Sent(_)));
        steps.extend(sent.map(|(place, _)| Step::ExecuteWrite(writer, place)));
        let pending = wires.iter().find(|wire| matches!(wire, Wire::Sent(_)));
        let call = state.writers[writer].verb().zip(pending.or(wires.first()));
        self.caller_steps(state, Caller::Writer(writer), call, steps);
    }

    fn caller_steps(
        &self,
        state: &State,
        caller: Caller,
        call: Option<(Verb, &Wire)>,
        steps: &mut Vec<Step>,
    ) {
        if state.trouble.cancellations > 0 {
            steps.push(Step::Cancel(caller));
        }
        let Some((verb, wire)) = call else {
            return;
        };
        match wire {
            Wire::Sent(Command::Read { .. }) if self.tagged() => {}
            Wire::Sent(_) if matches!(caller, Caller::Writer(_)) => {}
            Wire::Sent(_) => steps.push(Step::Execute(caller, verb)),
            Wire::Answered(_) => steps.push(Step::Handle(caller, verb)),
        }
        if state.trouble.timeouts > 0 {
            steps.push(Step::TimeOut(caller, verb));
        }
    }

    fn redis_steps(&self, state: &State, steps: &mut Vec<Step>) {
        let late = state.redis.late.iter().enumerate();
        steps.extend(late.map(|(place, command)| Step::ExecuteLate(place, command.verb())));
        let expiring = match &state.redis.entry {
            Slot::Lease(_) => true,
            Slot::Value(value) => value.refresh.is_some(),
            _ => false,
        };
        if expiring && state.trouble.expiries > 0 {
            steps.push(Step::ExpireLease);
        }
        let tags = state.redis.tags.iter().enumerate().map(|(tag, slot)| (Key::Tag(tag), slot));
        for (key, slot) in [(Key::Entry, &state.redis.entry)].into_iter().chain(tags) {
            if let Slot::Guard(guard) = slot {
                let writers = guard.writers.iter().copied();
                let lapsing = writers.filter(|token| state.trouble.lapses > 0 || state.lapses(self, *token));
                steps.extend(lapsing.map(|token| Step::LapseGuard(key, token)));
                let caught_up = state.origin.visible == state.origin.committed;
                if guard.settling && guard.writers.is_empty() && caught_up {
                    steps.push(Step::SettleGuard);
                }
            }
            if state.trouble.losses > 0 && *slot != Slot::Absent {
                steps.push(Step::LoseKey(key));
            }
        }
    }
}
