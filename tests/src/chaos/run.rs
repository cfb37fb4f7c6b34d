//! One run: servers, processes, disturbances, and the calm after.

use super::{
    check,
    class::{Class, HOLD, TTL, keys},
    clock::Timestamp,
    history::History,
    load::{Places, Workload},
    nemesis::{Act, Nemesis},
    report::{self, Report},
    setup::{Disturbed, NAMESPACE, Setup, Undo, journal_of},
    subject::Subject,
    violation::Violation,
};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{runtime, time::sleep};

/// What is longer than a guard lasts, a lease, and what a loaded machine adds.
const CALM: Duration = HOLD.saturating_add(TTL).saturating_add(Duration::from_secs(3));
/// How often what would stay for ever is looked for.
const LOOK: Duration = Duration::from_secs(1);

/// One run.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// The program `chaos`, which the processes run.
    pub program: &'a Path,
    /// The cache under test.
    pub subject: Subject,
    /// How.
    pub class: Class,
    /// By which seed.
    pub seed: u64,
    /// For how long, the calm after it not counted.
    pub time: Duration,
}

/// Runs both in each class with one server, each for `time` in all, and ours in those with several as well; or in the one class
/// that is named, all the time. Every line for people goes to `say`.
///
/// # Panics
/// What is needed cannot be started.
pub fn both(
    program: &Path,
    seed: u64,
    time: Duration,
    only: Option<Class>,
    mut say: impl FnMut(&str),
) -> [Report; 2] {
    [Subject::Naive, Subject::Ours].map(|subject| {
        let mut all = Report::default();
        say(&report::head(subject));
        // The naive one speaks to one server only.
        let failovers = Class::FAILOVERS.into_iter().filter(|_| subject == Subject::Ours);
        let classes = match only {
            Some(class) => vec![(class, 100)],
            None => Class::ALL.into_iter().chain(failovers).collect(),
        };
        for (class, share) in classes {
            let run = Run { program, subject, class, seed, time: time * share / 100 };
            let report = run.execute();
            say(&report.row(class));
            all.add(report);
        }
        say(&all.row("all"));
        if let Some(after) = all.found_after {
            say(&format!("the first violation came with operation {after} of {}", all.operations));
        }
        // How the naive one fails needs no picture.
        if let Some(first) = all.first.as_ref().filter(|_| subject == Subject::Ours) {
            say(first);
        }
        Report { subject: Some(subject), ..all }
    })
}

impl Run<'_> {
    /// Runs it, and goes through what happened.
    ///
    /// # Panics
    /// What is needed cannot be started.
    pub fn execute(&self) -> Report {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let (history, mut found) = runtime.expect("a thread can be started").block_on(self.happen());
        let mut verdict = check::check(&history, self.class);
        verdict.violations.append(&mut found);
        Report::new(self.class, &history, &verdict)
    }

    async fn happen(&self) -> (History, Vec<Violation>) {
        let mut setup = Setup::set(self);
        let mut found = setup.disturb_for(self).await;
        found.extend(setup.calm_down().await);
        found.extend(setup.compare(self).await);
        (setup.history(), found)
    }
}

impl Setup {
    /// Disturbs until the time is over, and undoes whatever is left.
    async fn disturb_for(&mut self, run: &Run<'_>) -> Vec<Violation> {
        let end = Instant::now() + run.time;
        let mut nemesis = Nemesis::new(run.seed, run.class, run.class.workers(), Instant::now());
        let mut undone: Vec<Undo> = Vec::new();
        let mut found = Vec::new();
        let mut next = Instant::now() + nemesis.pause();
        let mut look = Instant::now() + LOOK;
        while Instant::now() < end {
            let until = undone.iter().map(|undo| undo.at).chain([next, end]).min().unwrap_or(end);
            sleep(until.saturating_duration_since(Instant::now())).await;
            let now = Instant::now();
            for undo in undone.extract_if(.., |undo| undo.at <= now).collect::<Vec<_>>() {
                self.undo(&undo);
            }
            let redis_is_there =
                !undone.iter().any(|undo| matches!(undo.act, Act::StopRedis(_) | Act::Restart(_)));
            let was_failing_over = self.has_failover();
            let failing_over = self.is_failing_over();
            if was_failing_over && !failing_over {
                nemesis.has_failed_over(now);
            }
            let redis_is_there = redis_is_there && !failing_over;
            if look <= now && redis_is_there {
                found.extend(self.forever());
                look = now + LOOK;
            }
            if next <= now {
                if let Some(act) = nemesis.act(now) {
                    let (since, process) = (Timestamp::now(), self.disturb(run, act));
                    let undo = Undo { at: now + act.lasts(), act, since, process };
                    if act.fails_over() {
                        // It is undone, and noted, when it is over.
                    } else if act.lasts().is_zero() {
                        self.note(&undo);
                    } else {
                        undone.push(undo);
                    }
                }
                next = Instant::now() + nemesis.pause();
            }
        }
        for undo in &undone {
            self.undo(undo);
        }
        self.finish_failover();
        found.truncate(1);
        found
    }

    /// The processes finish what they do, and deliver what they owe.
    async fn calm_down(&mut self) -> Vec<Violation> {
        for disturbed in &mut self.workers {
            disturbed.worker.send("finish");
        }
        let mut found = Vec::new();
        for Disturbed { worker, process, .. } in &mut self.workers {
            let owing = worker.line().await.parse().expect("a worker says how much it owes");
            if owing > 0 {
                found.push(Violation::Undelivered { process: *process, owing });
            }
        }
        found
    }

    /// Reads everything from yet another process, until the cache holds what the origin does and is in use.
    async fn compare(&self, run: &Run<'_>) -> Vec<Violation> {
        let path = journal_of(&self.origin, 0);
        let places = Places {
            cache: &self.redis.url(),
            origin: &self.origin.url(),
            namespace: NAMESPACE,
            journal: &path,
        };
        let workload =
            Workload::new(run.subject, run.class, 0, places).await.expect("nothing is disturbed now");
        let workload = Arc::new(workload);
        let deadline = Instant::now() + CALM;
        let mut found: Vec<_> = self.forever().into_iter().collect();
        loop {
            for key in keys() {
                workload.clone().read_quietly(key).await;
            }
            let loads = workload.cached().counts().loads;
            let mut differing = Vec::new();
            for key in keys() {
                workload.clone().read_quietly(key).await;
                let origin = workload.origin().version(key).await.expect("the origin is never disturbed");
                let cached = workload.cached().peek(key).await;
                if cached.as_ref().ok().copied().flatten().unwrap_or_default() != origin {
                    let held = self
                        .redis
                        .held(key)
                        .map(|bytes| String::from_utf8_lossy(&bytes).escape_debug().to_string());
                    let cached = format!("{cached:?} ({held:?})");
                    differing.push(Violation::Differs { key, cached, origin });
                }
            }
            let unused = workload.cached().counts().loads > loads;
            if differing.is_empty() && !unused {
                return found;
            }
            if deadline <= Instant::now() {
                found.extend(differing);
                found.extend(unused.then_some(Violation::Unused));
                return found;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}
