//! What a run stands on: servers, processes, and the disturbances that are done to them.

use super::{
    class::keys,
    history::History,
    journal::{self, Journal},
    moment::Moment,
    nemesis::Act,
    record::{Event, Record},
    storm::Storm,
    violation::Violation,
};
use crate::{Mode, Proxy, RedisServer, Worker};
use redis::cmd;
use std::{collections::BTreeMap, path::PathBuf, time::Instant};

/// So many processes, with so many tasks each.
pub(super) const WORKERS: usize = 3;
const TASKS: u64 = 8;
/// What every key begins with.
pub(super) const NAMESPACE: &str = "torture";

/// What a run stands on. All of it ends with it.
pub(super) struct Scene {
    pub(super) workers: Vec<Tortured>,
    pub(super) redis: RedisServer,
    pub(super) origin: RedisServer,
    /// How many processes there have been.
    processes: u32,
    /// The disturbances, written down by the process of this scene, which is number zero.
    journal: Journal,
}

/// One process.
pub(super) struct Tortured {
    pub(super) worker: Worker,
    pub(super) process: u32,
    proxy: Proxy,
}

/// What has to be undone, when, and since when it is done.
pub(super) struct Undo {
    pub(super) at: Instant,
    pub(super) act: Act,
    pub(super) since: Moment,
    /// To which process.
    pub(super) process: Option<u32>,
}

impl Scene {
    pub(super) fn set(storm: &Storm<'_>) -> Self {
        let origin = RedisServer::start();
        let journal = Journal::open(&journal_of(&origin, 0)).expect("a file can be written");
        let mut scene =
            Self { redis: RedisServer::start(), origin, workers: Vec::new(), processes: 0, journal };
        for _ in 0..WORKERS {
            let proxy = Proxy::start(scene.redis.addr());
            let (process, worker) = scene.start_worker(storm, &proxy);
            scene.workers.push(Tortured { worker, process, proxy });
        }
        scene
    }

    fn start_worker(&mut self, storm: &Storm<'_>, proxy: &Proxy) -> (u32, Worker) {
        self.processes += 1;
        let process = self.processes;
        let Storm { program, subject, class, seed, .. } = storm;
        let args = [
            subject.to_string(),
            class.to_string(),
            seed.to_string(),
            process.to_string(),
            TASKS.to_string(),
            proxy.url(),
            self.origin.url(),
            NAMESPACE.to_owned(),
            journal_of(&self.origin, process).display().to_string(),
        ];
        (process, Worker::spawn(&program.to_string_lossy(), "work", args))
    }

    /// Begins a disturbance; returns the process that it is done to, if it is one.
    pub(super) fn disturb(&mut self, storm: &Storm<'_>, act: Act) -> Option<u32> {
        let place = match act {
            Act::Kill(place) => {
                let process = self.workers[place].process;
                self.workers[place].worker.kill9();
                self.journal.note(&Record::Killed(process, Moment::now()));
                let proxy = self.workers.remove(place).proxy;
                let (process, worker) = self.start_worker(storm, &proxy);
                self.workers.insert(place, Tortured { worker, process, proxy });
                return None;
            }
            Act::StopRedis(_) => {
                self.redis.pause();
                return None;
            }
            Act::ClientKill => {
                let _: u64 = self.redis.run(cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal"));
                return None;
            }
            Act::ScriptFlush => {
                self.redis.run::<()>(cmd("SCRIPT").arg("FLUSH"));
                return None;
            }
            Act::FlushAll => {
                self.redis.run::<()>(&cmd("FLUSHALL"));
                return None;
            }
            Act::Restart(_) => {
                self.redis.kill();
                return None;
            }
            Act::Stop(place, _)
            | Act::Hole(place, _)
            | Act::Refuse(place, _)
            | Act::Delay(place, ..)
            | Act::Cut(place, ..)
            | Act::Close(place) => place,
        };
        let Tortured { worker, process, proxy } = &mut self.workers[place];
        match act {
            Act::Stop(..) => worker.pause(),
            Act::Hole(..) => proxy.set(Mode::Hole),
            Act::Refuse(..) => {
                proxy.set(Mode::Refuse);
                proxy.drop_all();
            }
            Act::Delay(_, _, by) => proxy.set(Mode::Delay(by)),
            Act::Cut(_, _, bytes) => proxy.set(Mode::Cut(bytes)),
            _ => proxy.drop_all(),
        }
        Some(*process)
    }

    pub(super) fn undo(&mut self, undo: &Undo) {
        match undo.act {
            Act::Stop(place, _) => {
                let tortured = &mut self.workers[place];
                if Some(tortured.process) == undo.process {
                    tortured.worker.resume();
                }
            }
            Act::StopRedis(_) => self.redis.resume(),
            Act::Restart(_) => self.redis.restart(),
            Act::Hole(place, _) => {
                self.workers[place].proxy.set(Mode::Pass);
                self.workers[place].proxy.drop_all();
            }
            // What was delayed is on its way, and arrives.
            Act::Refuse(place, _) | Act::Cut(place, ..) | Act::Delay(place, ..) => {
                self.workers[place].proxy.set(Mode::Pass);
            }
            _ => {}
        }
        self.note(undo);
    }

    pub(super) fn note(&self, undo: &Undo) {
        let process = undo.process.map_or_else(String::new, |process| format!(" (process {process})"));
        self.journal.note(&Record::Event(Event {
            begin: undo.since,
            end: Moment::now(),
            loss: undo.act.loses(),
            what: format!("{}{process}", undo.act),
        }));
    }

    pub(super) fn forever(&self) -> Option<Violation> {
        let keys = self.redis.keys_without_ttl("");
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

/// The journal of a process, in the folder of the origin, which goes with it however this process ends.
pub(super) fn journal_of(origin: &RedisServer, process: u32) -> PathBuf {
    origin.dir().join(format!("journal-{process}"))
}
