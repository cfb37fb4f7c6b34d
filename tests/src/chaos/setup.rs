//! What a run stands on: servers, processes, and the disturbances that are done to them.

use super::{
    class::keys,
    clock::Timestamp,
    deployment::Deployment,
    history::History,
    journal::{self, Journal},
    nemesis::Act,
    record::{Event, Record},
    run::Run,
    violation::Violation,
};
use crate::{Mode, Proxy, RedisServer, Worker};
use redis::cmd;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Number of tasks of each process.
const TASKS: u64 = 8;
/// How far away Redis is where processes pause, each way: far enough that some questions are on their way at any time, and
/// answered meanwhile.
const DISTANCE: Duration = Duration::from_millis(5);
/// What every key begins with.
pub(super) const NAMESPACE: &str = "chaos";

/// What a run stands on. All of it ends with it.
pub(super) struct Setup {
    pub(super) workers: Vec<Disturbed>,
    pub(super) redis: Arc<Deployment>,
    pub(super) origin: RedisServer,
    /// A failover that goes on.
    failing_over: Option<(JoinHandle<()>, Undo)>,
    /// How many processes there have been.
    processes: u32,
    /// The disturbances, written down by the process of this setup, which is number zero.
    journal: Journal,
}

/// One process.
pub(super) struct Disturbed {
    pub(super) worker: Worker,
    pub(super) process: u32,
    /// To the one server, if it is one.
    proxy: Option<Proxy>,
}

/// What has to be undone, when, and since when it is done.
pub(super) struct Undo {
    pub(super) at: Instant,
    pub(super) act: Act,
    pub(super) since: Timestamp,
    /// To which process.
    pub(super) process: Option<u32>,
}

impl Setup {
    pub(super) fn set(run: &Run<'_>) -> Self {
        let origin = RedisServer::start();
        let journal = Journal::open(&journal_of(&origin, 0)).expect("a file can be written");
        let redis = Arc::new(Deployment::start(run.class));
        let mut setup =
            Self { redis, origin, failing_over: None, workers: Vec::new(), processes: 0, journal };
        for _ in 0..run.class.workers() {
            let proxy = match &*setup.redis {
                Deployment::One(server) => {
                    let proxy = Proxy::start(server.addr());
                    if run.class.reaches() {
                        proxy.set(Mode::Delay(DISTANCE));
                    }
                    Some(proxy)
                }
                _ => None,
            };
            let (process, worker) = setup.start_worker(run, proxy.as_ref());
            setup.workers.push(Disturbed { worker, process, proxy });
        }
        setup
    }

    fn start_worker(&mut self, run: &Run<'_>, proxy: Option<&Proxy>) -> (u32, Worker) {
        self.processes += 1;
        let process = self.processes;
        let Run { program, subject, class, seed, .. } = run;
        let args = [
            subject.to_string(),
            class.to_string(),
            seed.to_string(),
            process.to_string(),
            TASKS.to_string(),
            proxy.map_or_else(|| self.redis.url(), Proxy::url),
            self.origin.url(),
            NAMESPACE.to_owned(),
            journal_of(&self.origin, process).display().to_string(),
        ];
        (process, Worker::spawn(&program.to_string_lossy(), "work", args))
    }

    /// Begins a disturbance; returns the process that it is done to, if it is one.
    pub(super) fn disturb(&mut self, run: &Run<'_>, act: Act) -> Option<u32> {
        let place = match act {
            Act::Kill(place) => {
                let process = self.workers[place].process;
                self.workers[place].worker.kill9();
                self.journal.note(&Record::Killed(process, Timestamp::now()));
                let proxy = self.workers.remove(place).proxy;
                let (process, worker) = self.start_worker(run, proxy.as_ref());
                self.workers.insert(place, Disturbed { worker, process, proxy });
                return None;
            }
            Act::FailOver(_) | Act::KillPrimary(_) | Act::MoveSlot(_) => {
                self.begin_failover(act);
                return None;
            }
            Act::Evict(row) => {
                self.redis.evict(row);
                return None;
            }
            Act::StopRedis(_) | Act::ClientKill | Act::ScriptFlush | Act::FlushAll | Act::Restart(_) => {
                self.redis.servers().iter().for_each(|server| disturb_server(server, act));
                return None;
            }
            Act::Stop(place, _)
            | Act::Hole(place, _)
            | Act::Refuse(place, _)
            | Act::Delay(place, ..)
            | Act::Cut(place, ..)
            | Act::Close(place) => place,
        };
        let Disturbed { worker, process, proxy } = &mut self.workers[place];
        match act {
            Act::Stop(..) => worker.pause(),
            _ => {
                if let Some(proxy) = proxy {
                    disturb_network(proxy, act);
                }
            }
        }
        Some(*process)
    }

    fn begin_failover(&mut self, act: Act) {
        let redis = Arc::clone(&self.redis);
        let fail_over = move || match act {
            Act::FailOver(row) => redis.fail_over(row),
            Act::KillPrimary(row) => redis.kill_primary(row),
            Act::MoveSlot(row) => redis.move_slot(row),
            _ => {}
        };
        let undo = Undo { at: Instant::now(), act, since: Timestamp::now(), process: None };
        self.failing_over = Some((thread::spawn(fail_over), undo));
    }

    /// Whether there is a failover, which may be over.
    pub(super) fn has_failover(&self) -> bool {
        self.failing_over.is_some()
    }

    /// Whether there is a failover that goes on. One that is over is written down.
    pub(super) fn is_failing_over(&mut self) -> bool {
        match self.failing_over.take() {
            Some(failing_over) if failing_over.0.is_finished() => self.failed_over(failing_over),
            Some(failing_over) => {
                self.failing_over = Some(failing_over);
                return true;
            }
            None => {}
        }
        false
    }

    /// Waits until no failover goes on.
    pub(super) fn finish_failover(&mut self) {
        if let Some(failing_over) = self.failing_over.take() {
            self.failed_over(failing_over);
        }
    }

    fn failed_over(&self, (thread, undo): (JoinHandle<()>, Undo)) {
        thread.join().expect("the servers agree in the end");
        self.note(&undo);
    }

    pub(super) fn undo(&mut self, undo: &Undo) {
        match undo.act {
            Act::Stop(place, _) => {
                let disturbed = &mut self.workers[place];
                if Some(disturbed.process) == undo.process {
                    disturbed.worker.resume();
                }
            }
            Act::StopRedis(_) => self.redis.servers().iter().for_each(RedisServer::resume),
            Act::Restart(_) => self.redis.servers().iter().for_each(RedisServer::restart),
            // What was delayed is on its way, and arrives.
            Act::Hole(place, _) | Act::Refuse(place, _) | Act::Cut(place, ..) | Act::Delay(place, ..) => {
                if let Some(proxy) = &self.workers[place].proxy {
                    proxy.set(Mode::Pass);
                    if matches!(undo.act, Act::Hole(..)) {
                        proxy.drop_all();
                    }
                }
            }
            _ => {}
        }
        self.note(undo);
    }

    pub(super) fn note(&self, undo: &Undo) {
        let process = undo.process.map_or_else(String::new, |process| format!(" (process {process})"));
        self.journal.note(&Record::Event(Event {
            begin: undo.since,
            end: Timestamp::now(),
            // A primary that another replaces while it still runs goes on answering.
            loss: undo.act.loses()
                || matches!((&*self.redis, undo.act), (Deployment::Sentinels(_), Act::FailOver(_))),
            what: format!("{}{process}", undo.act),
        }));
    }

    pub(super) fn forever(&self) -> Option<Violation> {
        let keys: Vec<String> =
            self.redis.servers().iter().flat_map(|server| server.keys_without_ttl("")).collect();
        (!keys.is_empty()).then_some(Violation::Forever(keys))
    }

    /// Everything that was written down, and what the origin says about who wrote what.
    pub(super) fn history(&self) -> History {
        let files = (0..=self.processes).map(|process| journal_of(&self.origin, process));
        // A process may have been killed before it wrote anything.
        let files = files.filter(|file| file.exists());
        let mut records: Vec<Record> =
            files.flat_map(|file| journal::read(&file).expect("a journal can be read")).collect();
        for key in keys() {
            let writers: BTreeMap<u64, String> =
                self.origin.run(cmd("HGETALL").arg(format!("writers:{key}")));
            let version = |(version, op): (u64, String)| {
                Record::Version(key, version, op.parse().expect("the origin was told operations"))
            };
            records.extend(writers.into_iter().map(version));
        }
        History::new(records)
    }
}

fn disturb_server(server: &RedisServer, act: Act) {
    match act {
        Act::StopRedis(_) => server.pause(),
        Act::ClientKill => {
            let _: u64 = server.run(cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal"));
        }
        Act::ScriptFlush => server.run::<()>(cmd("SCRIPT").arg("FLUSH")),
        Act::FlushAll => server.run::<()>(&cmd("FLUSHALL")),
        Act::Restart(_) => server.kill(),
        _ => {}
    }
}

fn disturb_network(proxy: &Proxy, act: Act) {
    match act {
        Act::Hole(..) => proxy.set(Mode::Hole),
        Act::Refuse(..) => {
            proxy.set(Mode::Refuse);
            proxy.drop_all();
        }
        Act::Delay(_, _, by) => proxy.set(Mode::Delay(by)),
        Act::Cut(_, _, bytes) => proxy.set(Mode::Cut(bytes)),
        _ => proxy.drop_all(),
    }
}

/// The journal of a process, in the folder of the origin, which goes with it however this process ends.
pub(super) fn journal_of(origin: &RedisServer, process: u32) -> PathBuf {
    origin.dir().join(format!("journal-{process}"))
}
