//! Every order, depth first.

use std::{
    collections::{BTreeSet, HashMap},
    fmt::{self, Write},
    time::{Duration, Instant},
};

use tokio::runtime::Builder;

use super::{
    choice::Choice,
    history::Gave,
    past::{Past, Step},
    scenario::Scenario,
    world::World,
};

/// Maximum number of steps in one run: one with more never ends.
const TOO_MANY_STEPS: usize = 2_000;

/// Number of counts that are told of.
pub(super) const KINDS: usize = 10;

/// Maximum number of runs of one search.
const TOO_MANY_RUNS: usize = 100_000;

/// The choices of one run, each where there was more than one thing that could happen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Schedule(pub(super) Vec<usize>);

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(usize::to_string).collect();
        f.write_str(&numbers.join("-"))
    }
}

impl std::str::FromStr for Schedule {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Schedule, Self::Err> {
        text.split('-')
            .filter(|number| !number.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Schedule)
    }
}

/// What a run came to.
#[derive(Debug)]
pub(super) enum End {
    Over {
        outcome: Outcome,
        counts: [u64; KINDS],
    },
    /// It came to a state from which everything has been seen.
    Seen,
    Violated(String),
}

/// What was given, and the oldest that might have been.
pub(super) type Outcome = (Vec<Option<Gave>>, Vec<u64>);

/// What chooses among what can happen. It sees the step that led here; `None` ends the run, as does having no choice.
pub(super) trait Decide {
    /// What is taken first, without being asked; and what had happened before the last of it.
    fn beginning(&self) -> (Vec<Choice>, Past);

    fn decide(&mut self, world: &World<'_>, choices: &[Choice], step: Option<Step>) -> Option<usize>;
}

/// One run.
pub(super) fn run(scenario: &Scenario, decide: &mut impl Decide, log: Option<&mut Vec<String>>) -> End {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    let mut told = Vec::new();
    let end = runtime.expect("a runtime can be made").block_on(async {
        let mut world = World::new(scenario, log.is_some());
        let end = steps(&mut world, decide).await;
        told = world.log.take().unwrap_or_default();
        end
    });
    if let Some(log) = log {
        *log = told;
    }
    end
}

async fn steps(world: &mut World<'_>, decide: &mut impl Decide) -> End {
    let (beginning, past) = decide.beginning();
    let mut step = None;
    if let Some((last, before)) = beginning.split_last() {
        for choice in before {
            world.take_again(*choice).await;
        }
        world.resume(past);
        match world.take(*last).await {
            Ok(taken) => step = Some(taken),
            Err(why) => return End::Violated(why),
        }
    }
    for _ in 0..TOO_MANY_STEPS {
        let choices = world.choices();
        if choices.is_empty() {
            decide.decide(world, &choices, step);
            return match world.check_the_end().await {
                Ok(()) => End::Over { outcome: world.history.outcome(), counts: world.counts() },
                Err(why) => End::Violated(why),
            };
        }
        let Some(number) = decide.decide(world, &choices, step) else { return End::Seen };
        match world.take(choices[number]).await {
            Ok(taken) => step = Some(taken),
            Err(why) => return End::Violated(why),
        }
    }
    End::Violated("the calls never end".to_owned())
}

/// A state in which something can happen.
struct Fork {
    past: Past,
    /// Everything that can happen.
    choices: Vec<Choice>,
    /// Which of it is being followed, and which will be.
    taken: usize,
    left: Vec<usize>,
    /// The step that the followed choice was.
    step: Option<Step>,
    /// Steps that were taken from here or before, and that have nothing to do with what has happened since: what
    /// follows from them has been seen.
    asleep: Vec<Step>,
    /// How many schedules go on from what has been taken so far.
    schedules: u128,
}

/// A search through all schedules, depth first.
struct Search {
    skipping: bool,
    /// How many schedules go on from a state.
    seen: HashMap<u64, u128>,
    forks: Vec<Fork>,
    /// How many schedules go on from where the run ended.
    ahead: u128,
}

impl Decide for Search {
    fn beginning(&self) -> (Vec<Choice>, Past) {
        let choices = self.forks.iter().map(|fork| fork.choices[fork.taken]).collect();
        (choices, self.forks.last().map(|fork| fork.past.clone()).unwrap_or_default())
    }

    fn decide(&mut self, world: &World<'_>, choices: &[Choice], step: Option<Step>) -> Option<usize> {
        let state = world.past.state();
        let mut asleep = Vec::new();
        if let (true, Some(before), Some(step)) = (self.skipping, self.forks.last_mut(), step) {
            asleep.extend(before.asleep.iter().filter(|other| other.is_apart_from(&step)).cloned());
            before.step = Some(step);
        }
        if let Some(schedules) = self.seen.get(&state) {
            self.ahead = *schedules;
            return None;
        }
        if choices.is_empty() {
            self.seen.extend(self.skipping.then_some((state, 1)));
            return None;
        }
        let mut left = Vec::new();
        let mut schedules = 0;
        for (number, choice) in choices.iter().enumerate() {
            let id = world.id(*choice);
            match asleep.iter().find(|step| step.id == id) {
                Some(step) => schedules += self.seen[&world.past.state_after(step)],
                None => left.push(number),
            }
        }
        left.reverse();
        let Some(taken) = left.pop() else {
            self.seen.insert(state, schedules);
            self.ahead = schedules;
            return None;
        };
        let (past, choices) = (world.past.clone(), choices.to_vec());
        self.forks.push(Fork { past, choices, taken, left, step: None, asleep, schedules });
        Some(taken)
    }
}

impl Search {
    /// Goes to the next schedule; `None` when there is no other.
    fn next(&mut self) -> Option<()> {
        let mut ahead = std::mem::replace(&mut self.ahead, 1);
        while let Some(fork) = self.forks.last_mut() {
            fork.schedules += ahead;
            fork.asleep.extend(fork.step.take());
            if let Some(next) = fork.left.pop() {
                fork.taken = next;
                return Some(());
            }
            ahead = fork.schedules;
            if self.skipping {
                self.seen.insert(fork.past.state(), ahead);
            }
            self.forks.pop();
        }
        self.ahead = ahead;
        None
    }

    fn schedule(&self) -> Schedule {
        Schedule(self.forks.iter().filter(|fork| fork.choices.len() > 1).map(|fork| fork.taken).collect())
    }
}

/// What a search found.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// How many schedules there are.
    pub(super) schedules: u128,
    /// How many runs it took to see them all.
    pub(super) runs: usize,
    pub(super) took: Duration,
    pub(super) outcomes: BTreeSet<Outcome>,
    /// How many of the runs saw what: hits, shared, waited, stored, refused, unstored, updated, stale, refreshing, local copies.
    pub(super) counts: [u64; KINDS],
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { schedules, runs, took, outcomes, counts } = self;
        write!(
            f,
            "{schedules:>16} schedules in {runs:>6} runs, {:>3} outcomes, {took:>6.2?};",
            outcomes.len()
        )?;
        let names = [
            "hit",
            "shared",
            "waited",
            "stored",
            "refused",
            "unstored",
            "updated",
            "stale",
            "refreshing",
            "local",
        ];
        names
            .iter()
            .zip(counts)
            .filter(|(_, count)| **count > 0)
            .try_for_each(|(name, _)| write!(f, " {name}"))
    }
}

/// A schedule that breaks a promise.
#[derive(Debug)]
pub(super) struct Violation {
    pub(super) why: String,
    pub(super) schedule: Schedule,
}

/// Runs every schedule of a scenario, until one breaks a promise. With `skipping` those are left out that lead only to
/// what has been seen.
pub(super) fn search(scenario: &Scenario, skipping: bool) -> Result<Report, Violation> {
    let begun = Instant::now();
    let mut search = Search { skipping, seen: HashMap::new(), forks: Vec::new(), ahead: 1 };
    let mut report = Report::default();
    loop {
        report.runs += 1;
        assert!(report.runs < TOO_MANY_RUNS, "{}: too large to see all of it", scenario.name);
        match run(scenario, &mut search, None) {
            End::Seen => {}
            End::Over { outcome, counts } => {
                report.outcomes.insert(outcome);
                report.counts.iter_mut().zip(counts).for_each(|(sum, count)| *sum += u64::from(count > 0));
            }
            End::Violated(why) => return Err(Violation { why, schedule: search.schedule() }),
        }
        if search.next().is_none() {
            (report.schedules, report.took) = (search.ahead, begun.elapsed());
            return Ok(report);
        }
    }
}

/// Follows a schedule, and the first choice after its end.
struct Follow<'a>(std::slice::Iter<'a, usize>);

impl Decide for Follow<'_> {
    fn beginning(&self) -> (Vec<Choice>, Past) {
        (Vec::new(), Past::default())
    }

    fn decide(&mut self, _: &World<'_>, choices: &[Choice], _: Option<Step>) -> Option<usize> {
        let number = if choices.len() > 1 { self.0.next().copied() } else { None };
        Some(number.unwrap_or(0).min(choices.len().saturating_sub(1)))
    }
}

/// The steps of one schedule, one a line, and what it came to.
pub(super) fn replay(scenario: &Scenario, schedule: &Schedule) -> String {
    let mut log = Vec::new();
    let end = run(scenario, &mut Follow(schedule.0.iter()), Some(&mut log));
    let mut told = String::new();
    for (step, line) in log.iter().enumerate() {
        let _ = writeln!(told, "{:>4}  {line}", step + 1);
    }
    told += "      ";
    told += match &end {
        End::Over { .. } => "every promise is kept",
        End::Seen => "the run was ended",
        End::Violated(why) => why,
    };
    told
}
