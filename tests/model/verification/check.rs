//! Which steps are possible when, and what must hold.

use super::state::{Output, Reader, Slot, State, Verifier, Writer};
use super::{Mechanism, NO_FALSE_ALARM, NO_FALSE_DOUBT, Scene, THE_ACCUSED_ALONE, Write};
use stateright::{Model, Property};

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A body runs beside the look of the verifier, and is over first.
    RunEarly(Output),
    /// The verifier has a hit.
    Hit,
    /// Its body gives this.
    Run(Output),
    /// Its pause is over.
    PauseOver,
    /// It looks at the entry again.
    LookAgain,
    /// It removes the entry.
    Remove,
    /// A reader comes.
    Read(usize),
    /// Its body gives this.
    Load(usize, Output),
    /// What it has loaded arrives.
    Fill(usize),
    /// A writer goes on.
    Write(usize),
    /// Somebody changes the row without a word.
    Change,
    /// The replica catches up with one version.
    CatchUp,
    /// A guard is lost.
    LoseGuard,
}

impl Scene {
    fn verifier_steps(&self, state: &State, steps: &mut Vec<Step>) {
        let hits = state.usable(self).is_some();
        match state.verifier {
            Verifier::Idle => {
                if hits {
                    steps.push(Step::Hit);
                }
                if !self.has(Mechanism::BodyAfterLook) {
                    steps.extend(state.outputs(self).into_iter().map(Step::RunEarly));
                }
            }
            Verifier::Early(_) if hits => steps.push(Step::Hit),
            Verifier::Runs(_) => steps.extend(state.outputs(self).into_iter().map(Step::Run)),
            Verifier::Pauses { .. } if !self.has(Mechanism::Pause) || state.is_quiet(self) => {
                steps.push(Step::PauseOver);
            }
            Verifier::Early(_) | Verifier::Pauses { .. } => {}
            Verifier::Looks { .. } => steps.push(Step::LookAgain),
            Verifier::Removes(_) => steps.push(Step::Remove),
        }
    }

    fn reader_steps(&self, state: &State, reader: usize, steps: &mut Vec<Step>) {
        let (at, calls) = state.readers[reader];
        match at {
            Reader::Idle if calls < self.calls => steps.push(Step::Read(reader)),
            Reader::Idle => {}
            Reader::Loads { .. } | Reader::Refreshes { .. } => {
                steps.extend(state.outputs(self).into_iter().map(|output| Step::Load(reader, output)));
            }
            Reader::Fills { .. } | Reader::Refills { .. } => steps.push(Step::Fill(reader)),
        }
    }

    fn writer_steps(&self, state: &State, writer: usize, steps: &mut Vec<Step>) {
        let settles = self.writers[writer] == Write::Settles && state.replica < state.origin;
        match state.writers[writer] {
            Writer::Done => {}
            Writer::Releases(_) if settles => {}
            _ => steps.push(Step::Write(writer)),
        }
    }

    fn take(&self, state: &mut State, step: Step) {
        match (step, state.verifier) {
            (Step::RunEarly(output), _) => state.verifier = Verifier::Early(output),
            (Step::Hit, before) => {
                let Some(value) = state.usable(self) else { return };
                match before {
                    Verifier::Early(gave) => state.compare(self, value, gave),
                    _ => state.verifier = Verifier::Runs(value),
                }
            }
            (Step::Run(gave), Verifier::Runs(hit)) => state.compare(self, hit, gave),
            (Step::PauseOver, Verifier::Pauses { hit, gave, before }) => {
                state.verifier = Verifier::Looks { hit, gave, before };
            }
            (Step::LookAgain, Verifier::Looks { hit, gave, before }) => {
                state.look_again(self, hit, gave, before);
            }
            (Step::Remove, Verifier::Removes(token)) => state.remove(self, token),
            (Step::Run(_) | Step::PauseOver | Step::LookAgain | Step::Remove, _) => {}
            (Step::Read(reader), _) => state.read(self, reader),
            (Step::Load(reader, output), _) => state.load(reader, output),
            (Step::Fill(reader), _) => state.fill(reader),
            (Step::Write(writer), _) => state.write(self, writer),
            (Step::Change, _) => state.change(),
            (Step::CatchUp, _) => state.replica += 1,
            (Step::LoseGuard, _) => state.lose_guard(),
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
        if state.false_alarm || state.false_doubt || state.removed_another {
            return;
        }
        self.verifier_steps(state, steps);
        for reader in 0..state.readers.len() {
            self.reader_steps(state, reader, steps);
        }
        for writer in 0..state.writers.len() {
            self.writer_steps(state, writer, steps);
        }
        if state.trouble.changes > 0 {
            steps.push(Step::Change);
        }
        if self.lags && state.replica < state.origin {
            steps.push(Step::CatchUp);
        }
        if state.trouble.losses > 0 && matches!(state.entry, Slot::Guard(_)) {
            steps.push(Step::LoseGuard);
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        self.take(&mut state, step);
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(NO_FALSE_ALARM, |_, state: &State| !state.false_alarm),
            Property::always(NO_FALSE_DOUBT, |_, state: &State| !state.false_doubt),
            Property::always(THE_ACCUSED_ALONE, |_, state: &State| !state.removed_another),
        ];
        if self.without.is_empty() {
            properties.push(Property::sometimes("a body gives something else", |_, state: &State| {
                matches!(state.verifier, Verifier::Pauses { .. })
            }));
            if self.alarms {
                properties.push(Property::sometimes("an old entry is told", |_, state: &State| state.alarm));
            }
            if self.changing {
                properties
                    .push(Property::sometimes("a body is told not to be verifiable", |_, state: &State| {
                        state.unverifiable
                    }));
            }
        }
        properties
    }
}
