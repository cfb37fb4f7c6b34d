//! The steps of a transaction's scene: which are possible when, and what must hold.

use stateright::{Model, Property};

use super::reader::Phase;
use super::state::State;
use super::writer::{Outside, Stage};
use super::{KEYS, Key, Mechanism, Promise, Scene, Trouble};
use crate::store::Slot;
use crate::token::Token;

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A read of this key starts.
    Read(usize, Key),
    /// It looks, and registers a copy of a value that it finds or not.
    Look(usize, bool),
    /// It keeps the copy.
    Keep(usize),
    /// Its body reads.
    Body(usize),
    /// It stores, and returns.
    Fill(usize),
    /// A local copy is not used any more.
    EndCopy(usize, Key),
    /// A read inside of the transaction.
    ReadInside(Key),
    /// A read that has begun is given what a read inside gives.
    Share(usize),
    /// The transaction guards this key, late or not.
    Guard(Key, bool),
    /// Its guard can't be placed.
    GuardFails(Key, bool),
    /// The local copies that it waits for are over.
    CopiesEnd,
    /// Its statement for this key runs.
    Statement(Key),
    /// The commit is sent.
    SendCommit,
    /// The database commits.
    Commit,
    /// The database rolls back.
    RollBack,
    /// The transaction gives `Err` while its commit is on its way.
    TimeOut,
    /// A key is released after the end.
    Release(Key),
    /// A write outside takes its next step.
    Outside(usize),
    /// The process of the transaction dies.
    Crash,
    /// The process of a write outside dies.
    CrashOutside(usize),
    /// The lease of a key expires.
    ExpireLease(Key),
    /// The deadline of a writer in a guard passes.
    LapseGuard(Key, Token),
}

impl Model for Scene {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self)]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        let reads = |reader: usize| usize::from(state.readers[reader].reads);
        let over = |reader: usize| {
            state.readers[reader].phase == Phase::Idle && reads(reader) == self.reads[reader].len()
        };
        if state.broken.is_some() || (0..state.readers.len()).all(over) {
            return;
        }
        for reader in 0..state.readers.len() {
            self.reader_steps(state, reader, steps);
        }
        self.transaction_steps(state, steps);
        for writer in 0..state.outside.len() {
            if state.can_go_on(self, writer) {
                steps.push(Step::Outside(writer));
            }
            if state.trouble.crashes > 0 {
                steps.push(Step::CrashOutside(writer));
            }
        }
        for (key, entry) in state.keys() {
            match &entry.slot {
                Slot::Lease(_) => steps.push(Step::ExpireLease(key)),
                Slot::Guard(guard) => {
                    let lapsing = guard.writers.iter().filter(|token| state.lapses(**token));
                    steps.extend(lapsing.map(|token| Step::LapseGuard(key, *token)));
                }
                _ => {}
            }
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        state.take(self, step);
        state.renumber();
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let promises = self.promises.iter().map(|promise| promise.property());
        let p3 = (self.trouble.crashes > 0).then(|| Promise::CrashSafe.property());
        let mut witnesses = vec![
            Property::sometimes("the cache is used", |_, state: &State| {
                state.readers.iter().any(|reader| match reader.phase {
                    Phase::Begun { key, .. } => matches!(state.entries[key].slot, Slot::Value(_)),
                    _ => false,
                })
            }),
            Property::sometimes("the transaction's versions are in the cache, both", |_, state: &State| {
                state.transaction.stage == Stage::Done
                    && state
                        .keys()
                        .all(|(_, entry)| matches!(&entry.slot, Slot::Value(value) if value.version > 0))
            }),
        ];
        if !self.outside.is_empty() {
            witnesses.push(Property::sometimes("writers overlap", |_, state: &State| {
                state
                    .keys()
                    .any(|(_, entry)| matches!(&entry.slot, Slot::Guard(guard) if guard.writers.len() > 1))
            }));
        }
        if self.trouble.errors > 0 {
            witnesses.push(Property::sometimes("a commit arrives after `Err`", |_, state: &State| {
                state.transaction.stage == Stage::Failed && state.transaction.committed.is_some()
            }));
        }
        if self.copies {
            witnesses.push(Property::sometimes("copies are waited for late", |_, state: &State| {
                matches!(state.transaction.stage, Stage::Waits { late: true, .. })
            }));
        }
        promises.chain(p3).chain(witnesses).collect()
    }
}

impl Scene {
    fn reader_steps(&self, state: &State, reader: usize, steps: &mut Vec<Step>) {
        let place = usize::from(state.readers[reader].reads);
        match state.readers[reader].phase {
            Phase::Idle => {
                if let Some(asked) = self.reads[reader].get(place) {
                    let keys = KEYS.into_iter().filter(|key| asked.is_none_or(|asked| asked == *key));
                    steps.extend(keys.map(|key| Step::Read(reader, key)));
                }
            }
            Phase::Begun { key, .. } => {
                steps.push(Step::Look(reader, false));
                if self.copies && matches!(state.entries[key].slot, Slot::Value(_)) {
                    steps.push(Step::Look(reader, true));
                }
                if self.reads_inside && !self.has(Mechanism::ReadsShareNothing) {
                    steps.push(Step::Share(reader));
                }
            }
            Phase::Keep { .. } => steps.push(Step::Keep(reader)),
            Phase::Loads { .. } => steps.push(Step::Body(reader)),
            Phase::Fills { .. } => steps.push(Step::Fill(reader)),
        }
        let held = KEYS.into_iter().filter(|key| state.readers[reader].copies[*key].is_some());
        steps.extend(held.map(|key| Step::EndCopy(reader, key)));
    }

    fn transaction_steps(&self, state: &State, steps: &mut Vec<Step>) {
        let Trouble { crashes, errors, unguarded } = state.trouble;
        let guards = |key, late| {
            let fails = (unguarded > 0).then_some(Step::GuardFails(key, late));
            fails.into_iter().chain([Step::Guard(key, late)])
        };
        let mut running = true;
        match state.transaction.stage {
            Stage::Begin(key) if key == KEYS.len() => {
                steps.push(Step::SendCommit);
                if errors > 0 {
                    steps.push(Step::RollBack);
                }
            }
            Stage::Begin(key) if State::guards_first(self, key) => steps.extend(guards(key, false)),
            Stage::Begin(key) | Stage::Statement(key) => steps.push(Step::Statement(key)),
            Stage::Late(key) => steps.extend(guards(key, true)),
            Stage::Waits { .. } => steps.push(Step::CopiesEnd),
            Stage::Commits => {
                steps.push(Step::Commit);
                if errors > 0 {
                    steps.push(Step::TimeOut);
                }
            }
            Stage::Doubtful => steps.extend([Step::Commit, Step::RollBack]),
            Stage::Orphan => {
                running = false;
                steps.extend([Step::Commit, Step::RollBack]);
            }
            Stage::Releases(released) => {
                steps.extend(KEYS.into_iter().filter(|key| !released[*key]).map(Step::Release));
            }
            Stage::Failed | Stage::Done | Stage::Dead => running = false,
        }
        if running && crashes > 0 {
            steps.push(Step::Crash);
        }
        if self.reads_inside {
            steps.extend(KEYS.into_iter().map(Step::ReadInside));
        }
    }
}

impl State {
    fn take(&mut self, scene: &Scene, step: Step) {
        match step {
            Step::Read(reader, key) => self.start(scene, reader, key),
            Step::Look(reader, registers) => self.look(scene, reader, registers),
            Step::Keep(reader) => self.keep(reader),
            Step::Body(reader) => self.body(scene, reader),
            Step::Fill(reader) => self.fill(scene, reader),
            Step::EndCopy(reader, key) => self.readers[reader].copies[key] = None,
            Step::ReadInside(key) => self.read_inside(scene, key),
            Step::Share(reader) => self.share(scene, reader),
            Step::Guard(key, late) => {
                self.begin(scene);
                self.guard_inside(scene, key, late);
            }
            Step::GuardFails(key, late) => {
                self.begin(scene);
                self.trouble.unguarded -= 1;
                self.transaction.stage = if late { Stage::Begin(key + 1) } else { Stage::Statement(key) };
            }
            Step::CopiesEnd => self.copies_end(scene),
            Step::Statement(key) => {
                self.begin(scene);
                self.statement(scene, key);
            }
            Step::SendCommit => self.transaction.stage = Stage::Commits,
            Step::Commit => {
                self.commit();
                self.transaction.stage = match self.transaction.stage {
                    Stage::Commits => Stage::Releases([false; 2]),
                    Stage::Doubtful => Stage::Failed,
                    _ => Stage::Dead,
                };
            }
            Step::RollBack => {
                self.roll_back();
                match self.transaction.stage {
                    Stage::Begin(_) => {
                        self.trouble.errors -= 1;
                        self.fail(scene, Stage::Failed);
                    }
                    Stage::Doubtful => self.transaction.stage = Stage::Failed,
                    _ => self.transaction.stage = Stage::Dead,
                }
            }
            Step::TimeOut => {
                self.trouble.errors -= 1;
                self.fail(scene, Stage::Doubtful);
            }
            Step::Release(key) => self.release_inside(scene, key),
            Step::Outside(writer) => self.go_on_outside(scene, writer),
            Step::Crash => {
                self.crash();
                self.kill_transaction();
            }
            Step::CrashOutside(writer) => {
                self.crash();
                self.outside[writer] = Outside::Done;
            }
            Step::ExpireLease(key) => self.entries[key].change(Slot::expire),
            Step::LapseGuard(key, token) => self.entries[key].change(|slot| slot.lapse(token)),
        }
    }

    /// The database transaction has begun: its snapshot is taken with its first statement at the latest.
    fn begin(&mut self, scene: &Scene) {
        if scene.reads_inside && self.transaction.snapshot.is_none() {
            self.transaction.snapshot = Some(self.committed);
        }
    }

    fn crash(&mut self) {
        self.trouble.crashes -= 1;
        self.crashed = true;
    }
}

impl Promise {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ReadsSeeWrites => "P1",
            Self::Monotonic => "P2",
            Self::Whole => "the transaction as a whole",
            Self::Committed => "only what was committed",
            Self::CrashSafe => "P3",
        }
    }

    fn property(self) -> Property<Scene> {
        let condition: fn(&Scene, &State) -> bool = match self {
            Self::ReadsSeeWrites => |_, state| state.keeps(Self::ReadsSeeWrites),
            Self::Monotonic => |_, state| state.keeps(Self::Monotonic),
            Self::Whole => |_, state| state.keeps(Self::Whole),
            Self::Committed => |_, state| state.keeps(Self::Committed),
            Self::CrashSafe => |_, state| state.keeps(Self::CrashSafe),
        };
        Property::always(self.name(), condition)
    }
}

impl State {
    fn keeps(&self, promise: Promise) -> bool {
        self.broken.is_none_or(|(broken, crashed)| match promise {
            Promise::CrashSafe => !crashed,
            _ => broken != promise,
        })
    }
}
