//! One run: processes, a store, a database of one row, the calls, and everything that can happen next.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use cached_aside_protocol::{
    Token,
    entry::{self, Header},
};
use tokio::time::{Instant, advance, timeout_at};

use super::{
    choice::{Choice, kind},
    footprint::{Before, Shared},
    history::{Gave, History},
    past::{Mark, Past, Step, Thing},
    scenario::{KEY, Scenario},
};
use crate::{
    Bincode, Cache, Error, Tag,
    codec::coding::{Coding, coding},
    fingerprint::{self, TypeInfo},
    store::{
        Store,
        memory::MemoryStore,
        stepped::{
            SteppedStore,
            stage::{Boxed, Command, READ_ORIGIN, Stage, WRITE_ORIGIN},
        },
    },
};

/// Nothing that runs takes longer.
const HANGS: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone)]
pub(super) struct Failed;

impl From<Error> for Failed {
    fn from(_: Error) -> Self {
        Failed
    }
}

/// Whether a call was woken since it was last polled.
pub(super) struct Flag {
    pub(super) woken: AtomicBool,
    /// How many times it was woken in all: whoever is woken already may find more when it goes on.
    pub(super) wakes: AtomicU64,
    stage: Arc<Stage>,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, SeqCst);
        self.wakes.fetch_add(1, SeqCst);
        self.stage.stirred.notify_one();
    }
}

pub(super) struct Running {
    /// Until it is over.
    pub(super) future: Option<Boxed<Result<u64, Failed>>>,
    pub(super) flag: Arc<Flag>,
    pub(super) begun: bool,
    pub(super) over: bool,
    /// The version that its body made.
    pub(super) wrote: Arc<AtomicU64>,
}

pub(super) struct World<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) stage: Arc<Stage>,
    pub(super) inside: Arc<MemoryStore>,
    pub(super) origin: Arc<AtomicU64>,
    pub(super) caches: Vec<Cache>,
    pub(super) calls: Vec<Running>,
    pub(super) shared: Shared,
    pub(super) past: Past,
    pub(super) history: History,
    pub(super) cancels: u8,
    pub(super) faults: u8,
    pub(super) alive: bool,
    pub(super) paused: bool,
    /// The steps so far, if they are to be told.
    pub(super) log: Option<Vec<String>>,
}

pub(super) fn coded() -> Coding<u64> {
    coding::<u64, Bincode>(0).local()
}

pub(super) fn type_info() -> TypeInfo {
    fingerprint::of(&coded().kind).expect("numbers can be cached")
}

impl<'a> World<'a> {
    pub(super) fn new(scenario: &'a Scenario, told: bool) -> World<'a> {
        let of_calls = |which: fn(&super::scenario::Call) -> bool| {
            (0..scenario.calls.len()).filter(move |call| which(&scenario.calls[*call]))
        };
        let stage = Arc::new(Stage::new(of_calls(|call| call.cut_off).collect()));
        let inside = Arc::new(MemoryStore::new());
        if scenario.cached {
            let versions: Vec<Token> = scenario.tags.iter().map(|_| Token::fresh()).collect();
            for (tag, version) in scenario.tags.iter().zip(&versions) {
                inside.plant(Tag::new(tag).key(), entry::tag(*version).to_vec());
            }
            let local = scenario.function.settings.local.is_some();
            let mut bytes = entry::begin_with(&versions, local);
            (coded().encode)(&1, type_info().counts, &mut bytes).expect("numbers can be written");
            let header = Header {
                fingerprint: type_info().fingerprint,
                fresh_for: scenario.fresh_for(),
                load_time: Duration::from_secs(1),
                outlives_freshness: !local,
            };
            entry::finish(&mut bytes, Token::fresh(), header);
            entry::stamp(&mut bytes, inside.time());
            inside.plant(KEY, bytes);
        }
        let processes = 1 + scenario.calls.iter().map(|call| call.process).max().unwrap_or_default();
        let cache = |process| {
            let store = SteppedStore::new(inside.clone(), stage.clone(), process, scenario.first);
            Cache::with_store(Store::Stepped(store), scenario.timeout, "test".to_owned())
        };
        let caches = (0..processes).map(cache).collect();
        let call = |_: &super::scenario::Call| Running {
            future: None,
            flag: Arc::new(Flag {
                woken: AtomicBool::new(false),
                wakes: AtomicU64::new(0),
                stage: stage.clone(),
            }),
            begun: false,
            over: false,
            wrote: Arc::default(),
        };
        let calls = scenario.calls.iter().map(call).collect();
        let origin = Arc::new(AtomicU64::new(1));
        let mut world = World {
            scenario,
            stage,
            inside,
            origin,
            caches,
            calls,
            shared: Shared::default(),
            past: Past::default(),
            history: History::new(scenario.calls.len()),
            cancels: scenario.cancels,
            faults: scenario.faults,
            alive: true,
            paused: false,
            log: told.then(Vec::new),
        };
        world.shared = world.look();
        world
    }

    /// Everything that can happen now; nothing when the run is over.
    pub(super) fn choices(&self) -> Vec<Choice> {
        let mut choices = Vec::new();
        for (number, call) in self.calls.iter().enumerate() {
            if !call.over && !call.begun && self.is_due(number) {
                choices.push(Choice::Begin(number));
            }
            if call.future.is_some() && call.flag.woken.load(SeqCst) {
                choices.push(Choice::GoOn(number));
            }
        }
        choices.extend(self.stage.commands(|(number, command)| {
            if command.taken { Choice::Answer(*number) } else { Choice::Effect(*number) }
        }));
        if choices.is_empty() {
            if self.calls.iter().all(|call| call.over) {
                return choices;
            }
            choices.push(Choice::Wait);
        }
        self.add_trouble(&mut choices);
        choices
    }

    /// Whether a call may begin.
    fn is_due(&self, number: usize) -> bool {
        let call = &self.scenario.calls[number];
        call.after.is_none_or(|before| self.calls[before].over)
            && call.during.is_none_or(|other| self.calls[other].over || self.stage.bodies().contains(&other))
            && (!self.scenario.in_order || number == 0 || self.calls[number - 1].begun)
    }

    /// What may go wrong now.
    fn add_trouble(&self, choices: &mut Vec<Choice>) {
        if self.cancels > 0 {
            let cancellable = |number: &usize| {
                self.scenario.calls[*number].cancellable && self.calls[*number].future.is_some()
            };
            choices.extend((0..self.calls.len()).filter(cancellable).map(Choice::Cancel));
        }
        if self.faults > 0 {
            let commands = self.stage.commands(|(number, command)| (*number, command.verb, command.taken));
            for (number, verb, taken) in commands {
                if verb != READ_ORIGIN && verb != WRITE_ORIGIN {
                    choices.push(Choice::Lose(number));
                    if !taken {
                        choices.push(Choice::Delay(number));
                    }
                }
            }
        }
        if self.scenario.death && self.alive && self.calls.iter().any(|call| call.begun) {
            choices.push(Choice::Die { with_commands: false });
            choices.push(Choice::Die { with_commands: true });
        }
        if self.scenario.pause.is_some() && !self.paused && !self.calls.iter().all(|call| call.over) {
            choices.push(Choice::Pause);
        }
    }

    /// Lets it happen, and everything that follows from it without a choice.
    pub(super) async fn take(&mut self, choice: Choice) -> Result<Step, String> {
        let line = self.log.is_some().then(|| self.describe(choice));
        let touched = self.touched(choice);
        let name = self.past.step(kind(choice), &touched);
        let renews = self.renewed(choice);
        let before = Before {
            wakes: self.calls.iter().map(|call| call.flag.wakes.load(SeqCst)).collect(),
            over: self.calls.iter().map(|call| call.over).collect(),
            commands: self.stage.commands(|(number, command)| {
                (*number, command.of.filter(|_| command.awaited), command.is_awaited())
            }),
            sent: self.stage.sent(),
            bodies: self.stage.bodies().len(),
        };
        let id = self.id(choice);

        let kept = self.happen(choice).await;
        // The tasks that calls have left behind run until they wait for a command.
        tokio::task::yield_now().await;
        self.stage.tidy();

        if let (Some(line), Some(log)) = (line, &mut self.log) {
            log.push(line);
            self.tell_changes(&before.over);
        }
        let mut marks = self.marks(&before, name, &touched);
        // Renewing changes the end alone.
        marks.extend(renews.into_iter().map(|key| Mark::Changed(Thing::Store(key), name)));
        let with_all = matches!(choice, Choice::Wait | Choice::Pause | Choice::Die { .. });
        let begins = matches!(choice, Choice::Begin(_)) && self.scenario.in_order;
        let waits = self.scenario.calls.iter().any(|call| call.during.is_some());
        if begins || waits && self.stage.bodies().len() > before.bodies {
            marks.push(Mark::Changed(Thing::Beginnings, name));
        }
        if matches!(choice, Choice::Cancel(_) | Choice::Lose(_) | Choice::Delay(_)) {
            marks.push(Mark::Changed(Thing::Trouble, name));
        }
        self.past.apply(&marks);
        if with_all {
            self.past.all_changed(name);
        }
        kept.map(|()| Step { id, touched, marks, with_all })
    }

    /// Lets it happen again, as it happened in another run.
    pub(super) async fn take_again(&mut self, choice: Choice) {
        // It kept every promise then.
        let _ = self.happen(choice).await;
        tokio::task::yield_now().await;
        self.stage.tidy();
    }

    /// All that happened was taken again: this is its past.
    pub(super) fn resume(&mut self, past: Past) {
        (self.past, self.shared) = (past, self.look());
    }

    async fn happen(&mut self, choice: Choice) -> Result<(), String> {
        match choice {
            Choice::Begin(call) => {
                self.history.begin(self.scenario, call);
                self.calls[call].begun = true;
                self.calls[call].future = Some(self.call(call));
                return self.poll(call);
            }
            Choice::GoOn(call) => return self.poll(call),
            Choice::Cancel(call) => {
                self.cancels -= 1;
                self.stage.act(Some(call), false);
                self.drop_call(call);
            }
            Choice::Effect(number) if self.stage.command(number, Command::is_answered_at_once) => {
                let (of, awaited) = self.stage.command(number, |command| (command.of, command.awaited));
                self.stage.act(of, false);
                self.stage.carry_out(number);
                if let Some(call) = of.filter(|call| awaited && self.calls[*call].future.is_some()) {
                    return self.poll(call);
                }
            }
            Choice::Effect(number) => self.stage.take_effect(number),
            Choice::Answer(number) | Choice::Lose(number) | Choice::Delay(number) => {
                let (of, awaited) = self.stage.command(number, |command| (command.of, command.awaited));
                self.stage.act(of, false);
                match choice {
                    Choice::Answer(_) => self.stage.answer(number),
                    _ => {
                        self.faults -= 1;
                        self.stage.fail(number, matches!(choice, Choice::Delay(_)));
                    }
                }
                if let Some(call) = of.filter(|call| awaited && self.calls[*call].future.is_some()) {
                    return self.poll(call);
                }
            }
            Choice::Wait => {
                self.stage.act(None, false);
                let begun = Instant::now();
                while !self.stirred() {
                    if timeout_at(begun + HANGS, self.stage.stirred.notified()).await.is_err() {
                        return Err("nothing can go on: a call hangs".to_owned());
                    }
                    tokio::task::yield_now().await;
                }
            }
            Choice::Die { with_commands } => {
                self.alive = false;
                self.stage.act(None, false);
                self.stage.die(0, with_commands);
                for call in 0..self.calls.len() {
                    if self.scenario.calls[call].process == 0 && !self.calls[call].over {
                        self.drop_call(call);
                    }
                }
            }
            Choice::Pause => {
                self.paused = true;
                self.stage.act(None, false);
                advance(self.scenario.pause.unwrap_or_default()).await;
            }
        }
        Ok(())
    }

    /// Whether anything can happen that does not need time.
    fn stirred(&self) -> bool {
        let woken = |call: &Running| call.future.is_some() && call.flag.woken.load(SeqCst);
        self.calls.iter().any(woken) || !self.stage.commands(|_| ()).is_empty()
    }

    fn drop_call(&mut self, call: usize) {
        self.calls[call].future = None;
        self.calls[call].over = true;
        self.history.gave[call] = Some(Gave::Nothing);
    }

    fn poll(&mut self, number: usize) -> Result<(), String> {
        let call = &mut self.calls[number];
        let Some(future) = &mut call.future else { return Ok(()) };
        call.flag.woken.store(false, SeqCst);
        self.stage.act(Some(number), true);
        let polled = future.as_mut().poll(&mut Context::from_waker(&Waker::from(call.flag.clone())));
        self.stage.act(Some(number), false);
        let Poll::Ready(result) = polled else { return Ok(()) };
        (call.future, call.over) = (None, true);
        let gave = result.map_or(Gave::Error, Gave::Version);
        let wrote = call.wrote.load(SeqCst);
        self.history.end(self.scenario, number, gave, wrote)
    }
}
