//! One order: a reader, a writer, and a store that takes one step at a time.

use std::{
    fmt::Debug,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use cached_aside_protocol::outline::Outline;
use futures_util::{
    FutureExt,
    future::{Either, LocalBoxFuture, select},
};
use tokio::{
    runtime::Handle,
    task::yield_now,
    time::{Instant, timeout_at},
};

use crate::{
    Cache,
    store::{
        Store,
        memory::MemoryStore,
        stepped::{
            First, SteppedStore,
            stage::{Command, Stage},
        },
    },
    thread::Clock,
};

/// The numbers of the two tasks.
pub(super) const READER: usize = 0;
pub(super) const WRITER: usize = 1;
/// No command is given up: time passes only where both tasks wait for the origin.
const PATIENT: Duration = Duration::from_secs(24 * 3600);
/// Maximum time for which a task is waited for while the other could go on: it may need what the other holds.
const NEEDS_THE_OTHER: Duration = Duration::from_secs(1);
/// Maximum time for which a task is waited for that nothing else could help.
const HANGS: Duration = Duration::from_secs(60);
/// Maximum time for which tasks are waited for that the read and the write have spawned.
const SPAWNED: Duration = Duration::from_secs(1);
/// Minimum time that counts as one that has passed: timers have a resolution of a millisecond.
const SHORT: Duration = Duration::from_millis(1);
/// Number of times that the library's tasks are let run after a step. Each of them sends a command or ends.
const TURNS: usize = 8;

/// What can happen next, as it is recognised in another run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// A task goes on, or begins.
    Go(usize),
    /// A command takes effect and is answered.
    Effect { of: Option<usize>, verb: &'static str, keys: Vec<String> },
}

/// A step that was taken.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) choice: Choice,
    /// Code of the program may have run.
    runs_code: bool,
    /// Time may have passed.
    takes_time: bool,
    /// The tasks that it woke.
    woke: Vec<usize>,
}

impl Step {
    /// Whether it does not matter which of the two comes first.
    pub(super) fn is_apart_from(&self, other: &Step) -> bool {
        let keys = |step: &Step| match &step.choice {
            Choice::Go(_) => Vec::new(),
            Choice::Effect { keys, .. } => keys.clone(),
        };
        let of = |step: &Step| match step.choice {
            Choice::Go(task) => Some(task),
            Choice::Effect { of, .. } => of,
        };
        let wakes = |step: &Step, other: &Step| of(other).is_some_and(|task| step.woke.contains(&task));
        let others = keys(other);
        let meet = of(self) == of(other)
            || self.takes_time
            || other.takes_time
            || self.runs_code && other.runs_code
            || keys(self).iter().any(|key| others.contains(key))
            || wakes(self, other)
            || wakes(other, self);
        !meet
    }
}

/// Why a run can't go on.
#[derive(Debug)]
pub(super) enum Stuck {
    /// The task needs what the other holds: there is no such order.
    NeedsTheOther,
    /// Nothing goes on.
    Hangs,
}

/// What happened, for the timeline.
#[derive(Debug, Clone)]
pub(super) enum Event {
    Went { task: usize, how: &'static str, gave: Option<String> },
    Effect { task: Option<usize>, verb: &'static str, keys: Vec<String>, found: &'static str },
}

struct Flag {
    woken: AtomicBool,
    stage: Arc<Stage>,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, SeqCst);
        self.stage.stirred.notify_one();
    }
}

struct Task<'a> {
    /// Until it is over.
    future: Option<LocalBoxFuture<'a, String>>,
    flag: Arc<Flag>,
    begun: bool,
    /// The last command of its own was the one before its body.
    is_before_body: bool,
}

pub(super) struct Run<'a> {
    pub(super) cache: Cache,
    stage: Arc<Stage>,
    inside: Arc<MemoryStore>,
    tasks: [Task<'a>; 2],
    pub(super) log: Vec<Event>,
    /// Number of tasks of the runtime before this run.
    spawned_before: usize,
}

impl<'a> Run<'a> {
    pub(super) fn new() -> Run<'a> {
        let (stage, inside) = (Arc::new(Stage::new(Vec::new())), Arc::new(MemoryStore::new()));
        let store = SteppedStore::new(inside.clone(), stage.clone(), 0, First::Entry);
        let task = || Task {
            future: None,
            flag: Arc::new(Flag { woken: AtomicBool::new(false), stage: stage.clone() }),
            begun: false,
            is_before_body: false,
        };
        let tasks = [task(), task()];
        let cache = Cache::with_store(Store::Stepped(store), PATIENT, "testing".to_owned());
        Run { cache, stage, inside, tasks, log: Vec::new(), spawned_before: alive() }
    }

    /// Makes the two tasks ready to begin.
    pub(super) fn begin<T: Debug + 'a>(
        &mut self,
        read: LocalBoxFuture<'a, T>,
        write: LocalBoxFuture<'a, ()>,
    ) {
        let read = async move { format!("{:?}", read.await) };
        self.tasks[READER].future = Some(self.cache.scope(read).boxed_local());
        let write = async move {
            write.await;
            String::new()
        };
        self.tasks[WRITER].future = Some(self.cache.scope(write).boxed_local());
    }

    /// Everything that can happen now; nothing when the run is over.
    pub(super) fn choices(&self) -> Vec<Choice> {
        let commands = self.stage.commands(|(_, command)| (command.of, choice_of(command)));
        let waits = |task| commands.iter().any(|(of, _)| *of == Some(task));
        let goes_on = |task: &usize| self.tasks[*task].future.is_some() && !waits(*task);
        let mut choices: Vec<Choice> = [READER, WRITER].into_iter().filter(goes_on).map(Choice::Go).collect();
        choices.extend(commands.into_iter().map(|(_, choice)| choice));
        choices
    }

    /// Lets it happen, and everything that follows from it without a choice.
    pub(super) async fn take(&mut self, choice: Choice) -> Result<Step, Stuck> {
        let woken = |run: &Run<'_>| [READER, WRITER].map(|task| run.tasks[task].flag.woken.load(SeqCst));
        let before = woken(self);
        let (mut takes_time, mut runs_code) = (false, false);
        match &choice {
            Choice::Go(task) => {
                runs_code = true;
                takes_time = self.tasks[*task].begun && !before[*task];
                if takes_time {
                    let begun = Instant::now();
                    self.wait_for(*task).await?;
                    takes_time = begun.elapsed() >= SHORT;
                }
                self.poll(*task);
            }
            Choice::Effect { of, verb, keys } => {
                let numbers = self.stage.commands(|(number, command)| (*number, choice_of(command)));
                let number = numbers.into_iter().find(|(_, other)| *other == choice);
                let (number, _) = number.expect("the command is under way");
                self.stage.act(*of, false);
                self.stage.carry_out(number);
                if let Some(task) = of {
                    self.tasks[*task].is_before_body = ["acquire", "guard"].contains(verb);
                }
                let found = self.found(keys.first().map_or("", String::as_str), verb);
                self.log.push(Event::Effect { task: *of, verb, keys: keys.clone(), found });
            }
        }
        runs_code |= self.let_tasks_run().await;
        let after = woken(self);
        let woke = [READER, WRITER].into_iter().filter(|task| after[*task] && !before[*task]).collect();
        Ok(Step { choice, runs_code, takes_time, woke })
    }

    /// Waits until a task is woken, or a command is sent on its behalf.
    async fn wait_for(&self, task: usize) -> Result<(), Stuck> {
        self.stage.act(Some(task), false);
        let alone = self.choices() == [Choice::Go(task)];
        let end = Instant::now() + if alone { HANGS } else { NEEDS_THE_OTHER };
        let can_go_on = || {
            let sent = self.stage.commands(|(_, command)| command.of == Some(task));
            self.tasks[task].flag.woken.load(SeqCst) || sent.contains(&true)
        };
        while !can_go_on() {
            if timeout_at(end, self.stage.stirred.notified()).await.is_err() {
                return Err(if alone { Stuck::Hangs } else { Stuck::NeedsTheOther });
            }
        }
        Ok(())
    }

    fn poll(&mut self, number: usize) {
        let task = &mut self.tasks[number];
        if task.begun && !task.flag.woken.swap(false, SeqCst) {
            return;
        }
        let how = match (task.begun, task.is_before_body) {
            (false, _) => "begins",
            (true, true) => "runs its body",
            (true, false) => "goes on",
        };
        (task.begun, task.is_before_body) = (true, false);
        let Some(future) = &mut task.future else { return };
        self.stage.act(Some(number), true);
        let polled = future.as_mut().poll(&mut Context::from_waker(&Waker::from(task.flag.clone())));
        self.stage.act(Some(number), false);
        let gave = match polled {
            Poll::Ready(gave) => {
                task.future = None;
                Some(gave)
            }
            Poll::Pending => None,
        };
        self.log.push(Event::Went { task: number, how, gave });
    }

    /// Lets the library's own tasks run until each of them waits for a command; `true` if there were any.
    async fn let_tasks_run(&self) -> bool {
        let waits = |(_, command): (&usize, &Command)| usize::from(!command.awaited);
        for turn in 0..TURNS {
            if self.cache.inner.tasks.len() <= self.stage.commands(waits).into_iter().sum() {
                self.stage.tidy();
                return turn > 0;
            }
            yield_now().await;
        }
        self.stage.tidy();
        true
    }

    /// Runs a future in the cache of this run, with every command carried out when it is sent.
    pub(super) async fn quietly<F: Future>(&self, future: F) -> F::Output {
        self.stage.act(None, false);
        let mut future = pin!(self.cache.scope(future));
        let output = loop {
            let stirred = pin!(self.stage.stirred.notified());
            match select(future.as_mut(), stirred).await {
                Either::Left((output, _)) => break output,
                Either::Right(_) => drop(self.carry_out_all()),
            }
        };
        loop {
            self.let_tasks_run().await;
            if !self.carry_out_all() {
                return output;
            }
        }
    }

    /// Carries out what has been sent; `false` if nothing was.
    fn carry_out_all(&self) -> bool {
        let numbers = self.stage.commands(|(number, _)| *number);
        for number in &numbers {
            self.stage.carry_out(*number);
        }
        !numbers.is_empty()
    }

    /// Waits for what the read and the write have spawned, for a while. Where time is paused that takes none, so tasks are waited for
    /// that the runtime does not count: those of a `LocalSet`.
    pub(super) async fn settle(&self) {
        let end = Instant::now() + SPAWNED;
        yield_now().await;
        let is_paused = Clock::Callers.is_paused();
        while (is_paused || alive() > self.spawned_before) && Instant::now() < end {
            let soon = if is_paused { end } else { end.min(Instant::now() + Duration::from_millis(10)) };
            let _ = timeout_at(soon, self.stage.stirred.notified()).await;
            self.carry_out_all();
        }
    }

    /// What stands under a key.
    fn found(&self, key: &str, verb: &str) -> &'static str {
        if let (Store::Stepped(store), "GET" | "SET" | "DEL") = (&self.cache.inner.store, verb) {
            return if store.by_hand.lock().contains_key(key) { "a value" } else { "nothing" };
        }
        let Some(Ok(Some(bytes))) = self.inside.read(key).now_or_never() else { return "nothing" };
        match Outline::of(&bytes, bytes.len() as u64) {
            Outline::Lease => "a lease",
            Outline::Guard { .. } => "a guard",
            Outline::Tag => "a version",
            Outline::Stored(_) => "a value",
            Outline::Unusable | Outline::Foreign => "something else",
        }
    }
}

fn choice_of(command: &Command) -> Choice {
    Choice::Effect { of: command.of, verb: command.verb, keys: command.keys.clone() }
}

/// Number of tasks of this runtime.
fn alive() -> usize {
    Handle::current().metrics().num_alive_tasks()
}
