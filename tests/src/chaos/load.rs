//! The workload of one process: several tasks, each one operation after another, until it is told to finish.

use super::{
    caller::{Caller, Outcome},
    class::{Class, FIRST_TAGGED, PATIENT_HOLD, ROWS, keys},
    clock::Timestamp,
    journal::Journal,
    origin::{Failure, Fate, Origin, Row, Step},
    random::Random,
    record::{Begun, Counted, Done, Ended, OpId, Read, Record},
    subject::{Cached, Subject, Write, is_tagged},
};
use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

/// How often a process writes down what it has counted.
const COUNTING: Duration = Duration::from_millis(20);
/// A recovery list that is not delivered by then never will be: its pauses are no longer than two seconds.
const DELIVERED: Duration = Duration::from_secs(15);

/// One process: its cache, the origin, and where it writes things down.
#[derive(Debug)]
pub struct Workload {
    cached: Cached,
    origin: Origin,
    journal: Arc<Journal>,
    class: Class,
    process: u32,
    operations: AtomicU32,
}

/// Where a process finds things.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// The cache's address.
    pub cache: &'a str,
    /// The origin's address.
    pub origin: &'a str,
    /// What every key begins with.
    pub namespace: &'a str,
    /// The process's journal.
    pub journal: &'a Path,
}

impl Workload {
    /// Connects.
    ///
    /// # Errors
    /// The origin is not there, or the journal cannot be written.
    pub async fn new(subject: Subject, class: Class, process: u32, places: Places<'_>) -> io::Result<Self> {
        let journal = Arc::new(Journal::open(places.journal)?);
        let origin = Origin::connect(places.origin, journal.clone()).await.map_err(io::Error::other)?;
        let cached = Cached::connect(subject, places.cache, places.namespace, class.timeout()).await?;
        Ok(Self { cached, origin, journal, class, process, operations: AtomicU32::new(1) })
    }

    /// The cache under test.
    pub fn cached(&self) -> &Cached {
        &self.cached
    }

    /// The origin.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Works with so many tasks until `finish` says so, and then until nothing is undelivered. Returns how many deletions
    /// are undelivered all the same.
    pub async fn work(self: Arc<Self>, tasks: u64, seed: u64, finish: watch::Receiver<bool>) -> u64 {
        let counting = tokio::spawn(self.clone().count());
        let mut working = JoinSet::new();
        for task in 0..tasks {
            let random = Random::new(seed, &[u64::from(self.process), task]);
            working.spawn(self.clone().operate(random, finish.clone()));
        }
        while working.join_next().await.is_some() {}
        // What a cancelled write still does in the background is on the list after this, or done.
        sleep(self.class.timeout() * 3).await;
        let delivered = timeout(DELIVERED, async {
            while self.cached.counts().recovering > 0 {
                sleep(COUNTING).await;
            }
        });
        let _ = delivered.await;
        // Once more, so that the last state is written down.
        counting.abort();
        self.note_counts();
        self.cached.counts().recovering
    }

    async fn count(self: Arc<Self>) {
        loop {
            self.note_counts();
            sleep(COUNTING).await;
        }
    }

    fn note_counts(&self) {
        let counts = self.cached.counts();
        self.journal.note(&Record::Counted(Counted {
            process: self.process,
            at: Timestamp::now(),
            recovering: counts.recovering,
            refused_fills: counts.refused_fills,
            unreadable: counts.unreadable,
        }));
    }

    async fn operate(self: Arc<Self>, mut random: Random, finish: watch::Receiver<bool>) {
        while !*finish.borrow() {
            let key = some_key(&mut random);
            match random.below(100) {
                0..64 => self.clone().read(key, false, &mut random).await,
                64..84 => self.clone().read_several(key, &mut random).await,
                84..90 => self.clone().read(key, true, &mut random).await,
                _ => self.clone().write(&mut random).await,
            }
            sleep(random.between(Duration::ZERO, Duration::from_millis(2))).await;
        }
    }

    /// One read of this key, as chance would have it.
    pub async fn read(self: Arc<Self>, key: u64, direct: bool, random: &mut Random) {
        let step = Step { direct, ..self.step(random) };
        self.read_in_steps(key, step, Caller::some(random, 60)).await;
    }

    /// One read of this key and of others with one call, as chance would have it: in the history, as many reads.
    async fn read_several(self: Arc<Self>, key: u64, random: &mut Random) {
        let others = keys().filter(|other| is_tagged(*other) == is_tagged(key));
        let asked: Vec<u64> = others.filter(|other| *other == key || random.per_mille(500)).collect();
        let ops: BTreeMap<u64, OpId> = asked.into_iter().map(|key| (key, self.next_op())).collect();
        let step = Step { direct: random.per_mille(50), ..self.step(random) };
        let (direct, caller) = (step.direct, Caller::some(random, 60));
        let begin = Timestamp::now();
        let (this, of_keys) = (self.clone(), ops.clone());
        let reading = async move { this.cached.read_all(&this.origin, &step, &of_keys, this.class).await };
        let (ended, rows) = outcome(caller.call(reading).await);
        let (end, rows) = (Timestamp::now(), rows.unwrap_or_default());
        for (key, op) in ops {
            let Row { id: about, version } = rows.get(&key).copied().unwrap_or(Row { id: key, version: 0 });
            self.journal.note(&Record::Read(Read { op, direct, key, begin, end, ended, about, version }));
        }
    }

    /// One read of this key with nothing in its way.
    pub async fn read_quietly(self: Arc<Self>, key: u64) {
        let quiet = Random::new(0, &[]);
        let step = Step {
            before: Duration::ZERO,
            after: Duration::ZERO,
            fate: Fate::Well,
            ..self.step(&mut quiet.clone())
        };
        self.read_in_steps(key, step, Caller::QUIET).await;
    }

    async fn read_in_steps(self: Arc<Self>, key: u64, step: Step, caller: Caller) {
        let (op, direct) = (step.op, step.direct);
        let begin = Timestamp::now();
        let this = self.clone();
        let reading = async move { this.cached.read(&this.origin, &step, key, this.class).await };
        let (ended, row) = outcome(caller.call(reading).await);
        let end = Timestamp::now();
        let Row { id: about, version } = row.flatten().unwrap_or(Row { id: key, version: 0 });
        self.journal.note(&Record::Read(Read { op, direct, key, begin, end, ended, about, version }));
    }

    async fn write(self: Arc<Self>, random: &mut Random) {
        let mut step = self.step(random);
        let write = if self.class == Class::Crashes && random.per_mille(15) {
            // Without renewals its guard has ended when it writes, which is seen before it returns.
            step.before = random.between(PATIENT_HOLD + PATIENT_HOLD / 10, PATIENT_HOLD + PATIENT_HOLD / 3);
            step.after = random.between(PATIENT_HOLD / 10, PATIENT_HOLD / 3);
            Write::Long(random.below(FIRST_TAGGED))
        } else if self.class.fails_over() {
            some_guarded_write(random)
        } else {
            some_write(random)
        };
        let (op, caller, class) = (step.op, Caller::some(random, 12), self.class);
        let unguarded = self.cached.counts().unguarded;
        self.journal.note(&Record::Begun(Begun { op, begin: Timestamp::now() }));
        let this = self.clone();
        let writing = async move { this.cached.write(&this.origin, &step, write, class).await };
        let (ended, _) = outcome(caller.call(writing).await);
        let counts = self.cached.counts();
        let (unguarded, recovering) = (counts.unguarded > unguarded, counts.recovering);
        let end = Timestamp::now();
        self.journal.note(&Record::Done(Done { op, end, ended, unguarded, recovering }));
    }

    fn next_op(&self) -> OpId {
        OpId { process: self.process, number: self.operations.fetch_add(1, Relaxed) }
    }

    fn step(&self, random: &mut Random) -> Step {
        Step {
            op: self.next_op(),
            direct: false,
            before: some_pause(random),
            after: some_pause(random),
            fate: some_fate(random),
        }
    }
}

/// The first rows are in greater demand.
fn some_key(random: &mut Random) -> u64 {
    if random.per_mille(200) {
        return super::class::FIRST_SLOT + random.below(super::class::SLOTS);
    }
    some_row(random)
}

fn some_row(random: &mut Random) -> u64 {
    random.below(ROWS).min(random.below(ROWS))
}

fn some_write(random: &mut Random) -> Write {
    let row = some_row(random);
    if row >= FIRST_TAGGED {
        return if random.per_mille(500) { Write::Tagged(row) } else { Write::AllTagged };
    }
    let other = (row + 1 + random.below(FIRST_TAGGED - 1)) % FIRST_TAGGED;
    match random.below(10) {
        0..4 => Write::One(row),
        4 => Write::Two(row, other),
        5..7 => Write::Transfer(row, other),
        7 => Write::RowAndSlot(row),
        _ => Write::Slot,
    }
}

/// Of keys that are named by arguments.
fn some_guarded_write(random: &mut Random) -> Write {
    loop {
        let write = some_write(random);
        if !matches!(write, Write::RowAndSlot(_) | Write::Slot) {
            return write;
        }
    }
}

fn some_pause(random: &mut Random) -> Duration {
    let millis = |least, most| (Duration::from_millis(least), Duration::from_millis(most));
    let (least, most) = match random.below(1_000) {
        0..600 => return Duration::ZERO,
        600..900 => millis(0, 4),
        900..990 => millis(5, 60),
        // Longer than a lease lasts unless it is renewed.
        _ => millis(200, 700),
    };
    random.between(least, most)
}

fn some_fate(random: &mut Random) -> Fate {
    match random.below(1_000) {
        0..10 => Fate::Fails { late: false },
        10..25 => Fate::Fails { late: true },
        25..27 => Fate::Panics { late: false },
        27..30 => Fate::Panics { late: true },
        _ => Fate::Well,
    }
}

fn outcome<T>(outcome: Outcome<Result<T, Failure>>) -> (Ended, Option<T>) {
    match outcome {
        Ok(Some(Ok(value))) => (Ended::Ok, Some(value)),
        Ok(Some(Err(Failure::Refused(_)))) => (Ended::Refused, None),
        Ok(Some(Err(Failure::Planned))) => (Ended::Err, None),
        Ok(Some(Err(Failure::Origin(error)))) => panic!("the origin is never disturbed, but: {error}"),
        Ok(None) => (Ended::Cancelled, None),
        Err(_) => (Ended::Panicked, None),
    }
}
