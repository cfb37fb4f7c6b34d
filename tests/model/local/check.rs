//! Which steps are possible when, and what must hold.

use super::reader::Stage;
use super::state::{Slot, State, Value};
use super::writer::Writer;
use super::{ENTRY, KEYS, Key, Mechanism, P, Scene};
use stateright::{Model, Property};

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A reader comes; to load anew or not.
    Come {
        reader: usize,
        anew: bool,
    },
    /// It is given the copy of its process.
    UseCopy(usize),
    /// Its process does not use the cache: it runs the body.
    Bypass(usize),
    /// It asks Redis, to keep a copy or not.
    Ask {
        reader: usize,
        keeps: bool,
    },
    /// Redis answers one part.
    Answer(usize, Key),
    /// Redis answers, and the reader wins the refresh of what it finds.
    Elect(usize),
    /// A reader that has missed a tagged entry goes on.
    Acquire(usize),
    /// A body reads the row.
    Load(usize),
    /// The same, and what it gives is not to be stored.
    LoadDiscarded(usize),
    /// What a body gave arrives at Redis; with or without the registration of a copy.
    Fill {
        reader: usize,
        keeps: bool,
    },
    /// What a reader replaces is removed.
    Remove(usize),
    /// A reader has waited for local copies.
    Waited(usize),
    /// A reader that has waited returns.
    Give(usize),
    /// A reader puts its copy where its process keeps it.
    Keep(usize),
    /// A copy is over before its time.
    EndCopy(usize),
    /// A writer goes on.
    Write(usize),
    /// A writer is dropped while it waits.
    Drop(usize),
    /// The process of a writer dies.
    Die(usize),
    /// Another program changes the row.
    Change,
    ExpireLease,
    /// An entry or the version of a tag expires.
    Expire(Key),
    /// A refresh passes its deadline.
    LapseRefresh,
    /// Redis loses a guard.
    LoseGuard(Key),
    ExpireGuard(Key),
}

impl Scene {
    fn reader_steps(&self, state: &State, reader: usize, steps: &mut Vec<Step>) {
        let current = &state.readers[reader];
        match &current.stage {
            Stage::Idle if current.calls < self.calls => {
                steps.push(Step::Come { reader, anew: false });
                if state.trouble.anew > 0 {
                    steps.push(Step::Come { reader, anew: true });
                }
            }
            Stage::Idle => {}
            Stage::Comes if reader == 0 && state.writers.iter().any(Writer::is_listed) => {
                steps.push(Step::Bypass(reader));
            }
            Stage::Comes if state.copies[reader].is_some() && !current.anew => {
                steps.push(Step::UseCopy(reader));
            }
            Stage::Comes => {
                steps.push(Step::Ask { reader, keeps: false });
                if self.keeps(reader) && !current.anew {
                    steps.push(Step::Ask { reader, keeps: true });
                }
            }
            Stage::Asks { keeps, seen, .. } => {
                let open = (0..KEYS).filter(|key| seen[*key].is_none());
                steps.extend(open.map(|key| Step::Answer(reader, key)));
                if self.elects(state, reader) && !keeps {
                    steps.push(Step::Elect(reader));
                }
            }
            Stage::Keeps(_) => steps.push(Step::Keep(reader)),
            Stage::Acquires { .. } => steps.push(Step::Acquire(reader)),
            Stage::Loads { .. } | Stage::LoadsUnstored => steps.push(Step::Load(reader)),
            Stage::Refreshes { .. } => {
                steps.push(Step::Load(reader));
                if self.discards && !current.anew {
                    steps.push(Step::LoadDiscarded(reader));
                }
            }
            Stage::Fills { .. } => {
                steps.push(Step::Fill { reader, keeps: false });
                if self.keeps(reader) && self.tags == 0 && state.holds_lease(reader) {
                    steps.push(Step::Fill { reader, keeps: true });
                }
            }
            Stage::Refills { .. } => steps.push(Step::Fill { reader, keeps: false }),
            Stage::Discards { .. } | Stage::Ends { .. } => steps.push(Step::Remove(reader)),
            Stage::Waits { .. } => steps.push(Step::Waited(reader)),
            Stage::Gives { .. } => steps.push(Step::Give(reader)),
        }
        if state.copies[reader].is_some() {
            steps.push(Step::EndCopy(reader));
        }
    }

    /// Whether the entry is past fresh-until for a reader, and it may win the refresh.
    fn elects(&self, state: &State, reader: usize) -> bool {
        let Slot::Value(Value { refresh, other_type, .. }) = state.slots[ENTRY] else { return false };
        let free = refresh.is_none_or(|(_, runs)| !runs && self.reelects);
        self.stale && free && !state.readers[reader].anew && other_type == self.other_type(reader)
    }

    fn key_steps(&self, state: &State, key: Key, steps: &mut Vec<Step>) {
        let slot = state.slots[key];
        let registered = slot.registered() > 0;
        match slot {
            Slot::Absent => {}
            Slot::Lease(_) => steps.push(Step::ExpireLease),
            Slot::Value(Value { refresh, .. }) if self.tags == 0 => {
                if self.entries_end && (!registered || !self.has(Mechanism::GrantsWhatIsLeft)) {
                    steps.push(Step::Expire(key));
                }
                if refresh.is_some_and(|(_, runs)| runs) && state.trouble.lapses > 0 {
                    steps.push(Step::LapseRefresh);
                }
            }
            Slot::Value(_) | Slot::Version(..) => {
                let may = !registered || !self.has(Mechanism::GrantsWhatIsLeft);
                if may && state.trouble.expiries > 0 {
                    steps.push(Step::Expire(key));
                }
            }
            Slot::Guard(guard) => {
                let kept = registered && self.has(Mechanism::RedisKeeps);
                if !kept && state.trouble.losses > 0 {
                    steps.push(Step::LoseGuard(key));
                }
                let over = |writer: usize| matches!(state.writers[writer], Writer::Done | Writer::Dead);
                let inside = (0..state.writers.len()).filter(|writer| guard.writers[*writer]);
                let outlives = registered && self.has(Mechanism::GuardOutlives);
                if !outlives && inside.into_iter().all(over) {
                    steps.push(Step::ExpireGuard(key));
                }
            }
        }
    }
}

impl State {
    fn holds_lease(&self, reader: usize) -> bool {
        let holder = |(owner, call)| usize::from(owner) == reader && call == self.readers[reader].calls;
        matches!(self.slots[ENTRY], Slot::Lease(token) if holder(token))
    }

    fn writer_steps(&self, writer: usize, steps: &mut Vec<Step>) {
        let place = self.writers[writer];
        if matches!(place, Writer::Done | Writer::Dead) {
            return;
        }
        steps.push(Step::Write(writer));
        if matches!(place, Writer::Waits(_)) && self.trouble.drops > 0 {
            steps.push(Step::Drop(writer));
        }
        let dies = matches!(place, Writer::Waits(_) | Writer::Writes | Writer::Releases { .. });
        if dies && self.trouble.crashes > 0 {
            steps.push(Step::Die(writer));
        }
    }

    fn take(&mut self, scene: &Scene, step: Step) {
        match step {
            Step::Come { reader, anew } => {
                self.trouble.anew -= u8::from(anew);
                self.come(reader, anew);
            }
            Step::UseCopy(reader) => self.use_copy(scene, reader),
            Step::Bypass(reader) => self.give(scene, reader, self.origin),
            Step::Ask { reader, keeps } => self.ask(scene, reader, keeps),
            Step::Answer(reader, key) => self.answer(scene, reader, key, false),
            Step::Elect(reader) => self.answer(scene, reader, ENTRY, true),
            Step::Acquire(reader) => self.acquire(scene, reader),
            Step::Load(reader) => self.load(scene, reader, false),
            Step::LoadDiscarded(reader) => self.load(scene, reader, true),
            Step::Fill { reader, keeps } => self.fill(scene, reader, keeps),
            Step::Remove(reader) => self.remove(scene, reader),
            Step::Waited(reader) => self.waited(scene, reader),
            Step::Give(reader) => {
                if let Stage::Gives { version } = self.readers[reader].stage {
                    self.give(scene, reader, version);
                }
            }
            Step::Keep(reader) => self.keep(reader),
            Step::EndCopy(reader) => self.copies[reader] = None,
            Step::Write(writer) => self.write(scene, writer),
            Step::Drop(writer) => {
                self.trouble.drops -= 1;
                self.drop_writer(writer, false);
            }
            Step::Die(writer) => {
                self.trouble.crashes -= 1;
                self.drop_writer(writer, true);
            }
            Step::Change => {
                self.trouble.changes -= 1;
                self.origin += 1;
            }
            Step::ExpireLease => self.slots[ENTRY] = Slot::Absent,
            Step::Expire(key) => {
                self.trouble.expiries = self.trouble.expiries.saturating_sub(1);
                self.slots[key] = Slot::Absent;
            }
            Step::LapseRefresh => {
                self.trouble.lapses -= 1;
                if let Slot::Value(Value { refresh: Some((_, runs)), .. }) = &mut self.slots[ENTRY] {
                    *runs = false;
                }
            }
            Step::LoseGuard(key) => {
                self.trouble.losses -= 1;
                self.slots[key] = Slot::Absent;
            }
            Step::ExpireGuard(key) => self.slots[key] = Slot::Absent,
        }
    }
}

impl Model for Scene {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self)]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if state.broken {
            return;
        }
        for reader in 0..state.readers.len() {
            self.reader_steps(state, reader, steps);
        }
        for writer in 0..state.writers.len() {
            state.writer_steps(writer, steps);
        }
        for key in 0..KEYS {
            self.key_steps(state, key, steps);
        }
        if state.trouble.changes > 0 {
            steps.push(Step::Change);
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        state.take(self, step);
        state.normalise();
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(P, |_, state: &State| !state.broken),
            Property::sometimes("a copy is used", |_, state: &State| {
                let uses = |reader: usize| matches!(state.readers[reader].stage, Stage::Comes);
                (0..state.readers.len()).any(|reader| uses(reader) && state.copies[reader].is_some())
            }),
        ];
        let waits = |_: &Scene, state: &State| {
            let readers = state.readers.iter().any(|reader| matches!(reader.stage, Stage::Waits { .. }));
            let waits = |writer: &Writer| {
                matches!(writer, Writer::Waits(_) | Writer::Released { .. } | Writer::Delivered(_))
            };
            let met = |reader: &super::reader::Reader| {
                matches!(reader.stage, Stage::Refills { .. }) && state.slots[ENTRY].registered() > 0
            };
            readers || state.writers.iter().any(waits) || state.readers.iter().any(met)
        };
        if self.without.is_empty() {
            properties.push(Property::sometimes("somebody waits for copies", waits));
        }
        properties
    }
}
