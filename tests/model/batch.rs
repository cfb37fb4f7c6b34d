//! Batches: callers of one process that each ask for several keys, and share loads by flights.
//!
//! What a key keeps by itself is the other model; this one has what a batch adds: it leads the flights of some of its keys and
//! follows those of others, while others do the same with the same keys. Writes are one step here: they delete the entry, refuse
//! the fills that are under way, and raise the version that nobody may fall below. What is checked:
//!
//! | promise | sentence |
//! | --- | --- |
//! | P1 | nobody is given less than what was written before they came |
//! | nobody hangs | wherever nobody can take a step, everybody has been given all keys, or was dropped |
//!
//! | mechanism | test | what falls |
//! | --- | --- | --- |
//! | a batch loads what it leads before it waits for what it follows | `leads_first` | nobody hangs |
//! | … also what it comes to lead while it waits | `leads_what_it_is_handed` | nobody hangs |
//! | a leader that is dropped hands over | `hands_over` | nobody hangs |
//! | who came after the body began is not given what was not stored | `late_followers_take_what_is_stored` | P1 |

use crate::mutations::{described, falls};
use crate::promises::all_of;
use stateright::{Model, Property};

const P1: &str = "P1";
const NOBODY_HANGS: &str = "nobody hangs";

/// Number of keys.
const KEYS: usize = 2;

/// Keys of a caller.
type Set = [bool; KEYS];

/// A mechanism that a scene can switch off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mechanism {
    /// A batch loads what it leads before it waits for what it follows.
    LeadsFirst,
    /// It waits for all others at once, and loads what it is handed meanwhile; without this it waits for one key after the other.
    WaitsForAll,
    /// A leader that is dropped hands its flight over.
    HandsOver,
    /// Who came after the body began is not given what was not stored.
    StoredOnly,
}

/// One exploration.
#[derive(Clone, Debug)]
struct Scene {
    name: &'static str,
    /// The keys that each caller asks for, in its order.
    callers: &'static [&'static [usize]],
    writes: u8,
    /// How many callers may be dropped.
    drops: u8,
    without: Option<Mechanism>,
}

/// The load of one key, which callers share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Flight {
    leader: usize,
    /// Who waits for it, and whether they came before its body began.
    followers: Vec<(usize, bool)>,
}

/// What a body gave for a key that is not answered yet, and whether nothing was written since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Loaded {
    version: u8,
    current: bool,
}

/// Where a caller is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Stage {
    /// Not there yet.
    #[default]
    Idle,
    /// Its looks are answered one by one.
    Joins,
    /// It loads, and waits.
    Runs,
    /// It has been given everything, or was dropped.
    Done,
}

/// A caller of a batch, or of the single function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Caller {
    stage: Stage,
    /// What was written when it came.
    floor: [u8; KEYS],
    /// The keys that it has not been given.
    needs: Set,
    /// The keys whose look was answered.
    joined: Set,
    /// Whether it has begun to wait for one key after the other.
    waits: bool,
    /// What its body gave and has not been filled.
    loaded: [Option<Loaded>; KEYS],
}

/// One moment of the process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    flights: [Option<Flight>; KEYS],
    stored: [Option<u8>; KEYS],
    origin: [u8; KEYS],
    callers: Vec<Caller>,
    writes: u8,
    drops: u8,
    /// Whether somebody was given too little.
    broken: bool,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A caller comes.
    Come(usize),
    /// The look at one key of a caller is answered: it is given the entry, leads, or follows.
    Look(usize, usize),
    /// The body of a caller runs, for all keys that it leads; or for the one whose turn it is.
    Body(usize, Option<usize>),
    /// A caller begins to wait for one key after the other.
    Wait(usize),
    /// The fill of a key is answered.
    Fill(usize, usize),
    /// A caller is dropped.
    Drop(usize),
    /// A write of a key.
    Write(usize),
}

impl Scene {
    fn has(&self, mechanism: Mechanism) -> bool {
        self.without != Some(mechanism)
    }

    fn without(self, mechanism: Mechanism) -> Self {
        Self { without: Some(mechanism), ..self }
    }

    fn caller_steps(&self, state: &State, caller: usize, steps: &mut Vec<Step>) {
        let Caller { stage, needs, joined, waits, loaded, .. } = &state.callers[caller];
        let keys = self.callers[caller].iter().copied();
        match stage {
            Stage::Idle => steps.push(Step::Come(caller)),
            Stage::Joins => {
                steps.extend(
                    keys.filter(|key| needs[*key] && !joined[*key]).map(|key| Step::Look(caller, key)),
                );
            }
            Stage::Runs if loaded.iter().any(Option::is_some) => {
                steps.extend(keys.filter(|key| loaded[*key].is_some()).map(|key| Step::Fill(caller, key)));
            }
            Stage::Runs => {
                let leads = |key: &usize| needs[*key] && state.leads(caller, *key);
                let follows = keys.clone().any(|key| needs[key] && !leads(&key));
                let mut turn = None;
                let mut runs_body = keys.clone().any(|key| leads(&key));
                if *waits && !self.has(Mechanism::WaitsForAll) {
                    turn = keys.clone().find(|key| needs[*key]);
                    runs_body = turn.is_some_and(|key| leads(&key));
                }
                if runs_body && (self.has(Mechanism::LeadsFirst) || !follows) {
                    steps.push(Step::Body(caller, turn));
                } else if !runs_body && !waits && !self.has(Mechanism::WaitsForAll) {
                    steps.push(Step::Wait(caller));
                }
            }
            Stage::Done => {}
        }
        if state.drops > 0 && matches!(stage, Stage::Joins | Stage::Runs) {
            steps.push(Step::Drop(caller));
        }
    }
}

impl State {
    fn leads(&self, caller: usize, key: usize) -> bool {
        self.flights[key].as_ref().is_some_and(|flight| flight.leader == caller)
    }

    fn give(&mut self, caller: usize, key: usize, version: u8) {
        let given = &mut self.callers[caller];
        self.broken |= version < given.floor[key];
        given.needs[key] = false;
        if given.needs == [false; KEYS] {
            given.stage = Stage::Done;
            given.loaded = [None; KEYS];
        } else if given.stage == Stage::Joins {
            self.begin(caller);
        }
    }

    /// All looks of a caller are answered.
    fn begin(&mut self, caller: usize) {
        let Caller { stage, needs, joined, .. } = &mut self.callers[caller];
        if (0..KEYS).all(|key| !needs[key] || joined[key]) {
            *stage = Stage::Runs;
        }
    }

    fn look(&mut self, caller: usize, key: usize) {
        self.callers[caller].joined[key] = true;
        if let Some(version) = self.stored[key] {
            return self.give(caller, key, version);
        }
        let early = |leader: &Caller| leader.loaded[key].is_none();
        match &mut self.flights[key] {
            Some(flight) => {
                let early = early(&self.callers[flight.leader]);
                flight.followers.push((caller, early));
            }
            none => *none = Some(Flight { leader: caller, followers: Vec::new() }),
        }
        self.begin(caller);
    }

    /// The flight of a key ends; without an answer its leader was dropped.
    fn land(&mut self, scene: &Scene, key: usize, answer: Option<(u8, bool)>) {
        let Some(Flight { followers, .. }) = self.flights[key].take() else { return };
        let mut left = Vec::new();
        for (follower, early) in followers {
            match answer {
                Some((version, stored)) if early || stored || !scene.has(Mechanism::StoredOnly) => {
                    self.give(follower, key, version);
                }
                _ => left.push((follower, true)),
            }
        }
        if !left.is_empty() {
            let (leader, _) = left.remove(0);
            self.flights[key] = Some(Flight { leader, followers: left });
        }
    }

    fn fill(&mut self, scene: &Scene, caller: usize, key: usize) {
        let Some(Loaded { version, current }) = self.callers[caller].loaded[key].take() else { return };
        if current {
            self.stored[key] = Some(version);
        }
        self.land(scene, key, Some((version, current)));
        self.give(caller, key, version);
    }

    fn leave(&mut self, scene: &Scene, caller: usize) {
        self.callers[caller] = Caller { stage: Stage::Done, ..Caller::default() };
        for key in 0..KEYS {
            if self.leads(caller, key) {
                if scene.has(Mechanism::HandsOver) {
                    self.land(scene, key, None);
                }
            } else if let Some(flight) = &mut self.flights[key] {
                flight.followers.retain(|(follower, _)| *follower != caller);
            }
        }
    }

    fn write(&mut self, key: usize) {
        self.origin[key] += 1;
        self.stored[key] = None;
        for caller in &mut self.callers {
            if let Some(loaded) = &mut caller.loaded[key] {
                loaded.current = false;
            }
        }
    }
}

impl Model for Scene {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            flights: [const { None }; KEYS],
            stored: [None; KEYS],
            origin: [0; KEYS],
            callers: vec![Caller::default(); self.callers.len()],
            writes: self.writes,
            drops: self.drops,
            broken: false,
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if state.broken {
            return;
        }
        for caller in 0..state.callers.len() {
            self.caller_steps(state, caller, steps);
        }
        if state.writes > 0 {
            steps.extend((0..KEYS).map(Step::Write));
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        match step {
            Step::Come(caller) => {
                let mut needs = [false; KEYS];
                self.callers[caller].iter().for_each(|key| needs[*key] = true);
                let floor = state.origin;
                state.callers[caller] = Caller { stage: Stage::Joins, floor, needs, ..Caller::default() };
            }
            Step::Look(caller, key) => state.look(caller, key),
            Step::Body(caller, turn) => {
                // What is left after it is waited for.
                state.callers[caller].waits = true;
                for key in 0..KEYS {
                    let wanted = turn.is_none_or(|turn| turn == key);
                    if wanted && state.callers[caller].needs[key] && state.leads(caller, key) {
                        let loaded = Loaded { version: state.origin[key], current: true };
                        state.callers[caller].loaded[key] = Some(loaded);
                    }
                }
            }
            Step::Wait(caller) => state.callers[caller].waits = true,
            Step::Fill(caller, key) => state.fill(self, caller, key),
            Step::Drop(caller) => {
                state.drops -= 1;
                state.leave(self, caller);
            }
            Step::Write(key) => {
                state.writes -= 1;
                state.write(key);
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(P1, |_, state: &State| !state.broken),
            Property::always(NOBODY_HANGS, |scene: &Scene, state: &State| {
                let over = state.callers.iter().all(|caller| caller.stage == Stage::Done);
                let mut steps = Vec::new();
                scene.actions(state, &mut steps);
                over || state.broken || !steps.is_empty()
            }),
            Property::sometimes("a batch leads one key and follows the other", |_, state: &State| {
                let follows = |caller: usize, key: usize| {
                    state.flights[key].as_ref().is_some_and(|flight| {
                        flight.followers.iter().any(|(follower, _)| *follower == caller)
                    })
                };
                (0..state.callers.len()).any(|caller| state.leads(caller, 0) && follows(caller, 1))
            }),
            Property::sometimes("a caller is given an entry", |_, state: &State| {
                state.callers.iter().any(|caller| caller.stage == Stage::Joins)
                    && state.stored.iter().any(Option::is_some)
            }),
        ]
    }
}

/// Two batches that ask in opposite orders, and a single call.
fn crossing() -> Scene {
    Scene { name: "crossing batches", callers: &[&[0, 1], &[1, 0], &[0]], writes: 2, drops: 0, without: None }
}

/// The same, and one of them is dropped at any step.
fn dropped() -> Scene {
    Scene { name: "dropped batches", writes: 1, drops: 1, ..crossing() }
}

/// Two batches and a single call of each key, of whom two are dropped.
fn four() -> Scene {
    Scene {
        name: "batches and single calls",
        callers: &[&[0, 1], &[1, 0], &[0], &[1]],
        writes: 1,
        drops: 2,
        without: None,
    }
}

macro_rules! holds {
    ($($scene:ident),+) => {
        mod promises {
            $(
                #[test]
                fn $scene() {
                    let scene = super::$scene();
                    super::all_of(scene.name, scene);
                }
            )+
        }
    };
}

holds!(crossing, dropped, four);

fn breaks(scene: Scene, promise: &'static str) {
    falls(&described(scene.name, scene.without), promise, scene);
}

#[test]
fn leads_first() {
    breaks(crossing().without(Mechanism::LeadsFirst), NOBODY_HANGS);
}

#[test]
fn leads_what_it_is_handed() {
    breaks(four().without(Mechanism::WaitsForAll), NOBODY_HANGS);
}

#[test]
fn hands_over() {
    breaks(dropped().without(Mechanism::HandsOver), NOBODY_HANGS);
}

#[test]
fn late_followers_take_what_is_stored() {
    breaks(crossing().without(Mechanism::StoredOnly), P1);
}
