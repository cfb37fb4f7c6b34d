//! Everything that goes wrong, by seed: what is done next, when, to whom, and for how long.

use super::{
    class::{Class, HOLD, ROWS},
    random::Random,
};
use std::{
    fmt,
    ops::Range,
    time::{Duration, Instant},
};

/// Longer than any failover takes.
const FOR_LONG: Duration = Duration::from_secs(3_600);

/// One disturbance. Processes are meant by their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// `kill -9`, and another one is started in its place.
    Kill(usize),
    /// SIGSTOP, and SIGCONT after this time.
    Stop(usize, Duration),
    /// SIGSTOP of Redis, and SIGCONT after this time.
    StopRedis(Duration),
    /// What this process sends and is sent is lost for this time, then its connection.
    Hole(usize, Duration),
    /// This process's connection is closed, and new ones are refused for this time.
    Refuse(usize, Duration),
    /// For this time what this process sends and is sent arrives so much later.
    Delay(usize, Duration, Duration),
    /// For this time this process's connections are closed after so many bytes of replies.
    Cut(usize, Duration, usize),
    /// This process's connection is closed.
    Close(usize),
    /// Redis closes all connections.
    ClientKill,
    /// Redis forgets its scripts.
    ScriptFlush,
    /// Redis evicts the entry of this row.
    Evict(u64),
    /// Redis forgets everything.
    FlushAll,
    /// Redis is killed, and started again empty after this time.
    Restart(Duration),
    /// A replica takes the place of the primary that has this row, by command.
    FailOver(u64),
    /// The primary that has this row is killed, and comes back as a replica of the one that took its place.
    KillPrimary(u64),
    /// The slot that has this row goes to another primary.
    MoveSlot(u64),
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(place) => write!(f, "kill -9 of worker {place}"),
            Self::Stop(place, time) => write!(f, "worker {place} is stopped for {time:.0?}"),
            Self::StopRedis(time) => write!(f, "Redis is stopped for {time:.0?}"),
            Self::Hole(place, time) => {
                write!(f, "the network of worker {place} loses everything for {time:.0?}")
            }
            Self::Refuse(place, time) => write!(f, "worker {place} is refused for {time:.0?}"),
            Self::Delay(place, time, by) => {
                write!(f, "what worker {place} sends and is sent takes {by:.0?}, for {time:.0?}")
            }
            Self::Cut(place, time, bytes) => {
                write!(f, "replies to worker {place} are cut after {bytes} bytes, for {time:.0?}")
            }
            Self::Close(place) => write!(f, "the connection of worker {place} is closed"),
            Self::ClientKill => write!(f, "CLIENT KILL TYPE normal"),
            Self::ScriptFlush => write!(f, "SCRIPT FLUSH"),
            Self::Evict(row) => write!(f, "the entry of row {row} is evicted"),
            Self::FlushAll => write!(f, "FLUSHALL"),
            Self::Restart(down) => write!(f, "Redis is killed, and is back empty after {down:.0?}"),
            Self::FailOver(row) => write!(f, "a replica takes the place of the primary of row {row}"),
            Self::KillPrimary(row) => write!(f, "kill -9 of the primary of row {row}, and a promotion"),
            Self::MoveSlot(row) => write!(f, "the slot of row {row} moves"),
        }
    }
}

impl Act {
    /// How long it lasts.
    pub fn lasts(self) -> Duration {
        match self {
            Self::Stop(_, time)
            | Self::StopRedis(time)
            | Self::Hole(_, time)
            | Self::Refuse(_, time)
            | Self::Delay(_, time, _)
            | Self::Cut(_, time, _)
            | Self::Restart(time) => time,
            _ => Duration::ZERO,
        }
    }

    /// Whether Redis may have lost its data.
    pub fn loses(self) -> bool {
        matches!(self, Self::Evict(_) | Self::FlushAll | Self::Restart(_))
    }

    /// Whether several servers take part in it, and it lasts until they agree.
    pub fn fails_over(self) -> bool {
        matches!(self, Self::FailOver(_) | Self::KillPrimary(_) | Self::MoveSlot(_))
    }
}

/// The source of disturbances.
#[derive(Debug)]
pub struct Nemesis {
    random: Random,
    class: Class,
    /// Until when each worker, and Redis, is left as it is.
    busy: Vec<Instant>,
    redis_busy: Instant,
    /// Until when each worker is spared what would keep it from renewing its guards again. A guard that ends because its
    /// renewals came too late is a limit of the promise, and none of the classes.
    spared: Vec<Instant>,
}

impl Nemesis {
    /// What happens to so many workers.
    pub fn new(seed: u64, class: Class, workers: usize, now: Instant) -> Self {
        let random = Random::new(seed, &[0xBAD, class as u64]);
        Self { random, class, busy: vec![now; workers], redis_busy: now, spared: vec![now; workers] }
    }

    /// The pause before the next one.
    pub fn pause(&mut self) -> Duration {
        self.random.between(Duration::from_millis(10), Duration::from_millis(250))
    }

    /// What is done now, unless whom it is meant for is disturbed already.
    pub fn act(&mut self, now: Instant) -> Option<Act> {
        let place = usize::try_from(self.random.below(self.busy.len() as u64)).unwrap_or_default();
        let act = match self.class {
            Class::Crashes => self.crash(place),
            Class::Loss if self.random.per_mille(150) => self.loss(),
            Class::Outages | Class::Loss => self.outage(place, 120),
            Class::BestEffort => self.outage(place, 40),
            Class::Pauses => self.standstill(place),
            Class::Local => self.apart(place),
            Class::LostCopies => self.lost_copies(place),
            Class::Restarts => self.server_outage(place),
            Class::Cluster | Class::Sentinels => self.failover(place),
        };
        let free = match act {
            Act::ScriptFlush
            | Act::Evict(_)
            | Act::FlushAll
            | Act::ClientKill
            | Act::StopRedis(_)
            | Act::Restart(_) => self.redis_busy <= now,
            _ if act.fails_over() => self.redis_busy <= now,
            _ => self.busy[place] <= now,
        };
        let (kept_from_renewing, spared_for) = self.keeps_from_renewing(act, place);
        if !free || self.spared[kept_from_renewing.clone()].iter().any(|spared| now < *spared) {
            return None;
        }
        self.spared[kept_from_renewing].fill(now + act.lasts() + spared_for);
        match act {
            Act::StopRedis(time) | Act::Restart(time) => {
                self.redis_busy = now + time + self.between_outages();
            }
            // For some writes nothing was lost shortly before them.
            Act::Evict(_) | Act::FlushAll if self.class == Class::LostCopies => {
                self.redis_busy = now + self.millis(100, 2_000);
            }
            // Until somebody says that it is over.
            _ if act.fails_over() => self.redis_busy = now + FOR_LONG,
            _ => self.busy[place] = now + act.lasts(),
        }
        Some(act)
    }

    /// A failover is over.
    pub fn has_failed_over(&mut self, now: Instant) {
        // Some calls get through before the next one. Sentinels take a while to tell a primary that it is none any more.
        let (least, most) = if self.class == Class::Sentinels { (1_000, 3_000) } else { (200, 1_500) };
        self.redis_busy = now + self.millis(least, most);
    }

    /// The workers that this keeps from renewing their guards, and how long they are spared after it.
    fn keeps_from_renewing(&self, act: Act, place: usize) -> (Range<usize>, Duration) {
        let everybody = 0..self.spared.len();
        match (self.class, act) {
            // Writes outlast their guards here: of two renewals, a third of that apart, one comes through.
            (Class::Crashes, Act::ClientKill) => (everybody, HOLD / 2),
            (Class::Crashes, Act::Stop(..) | Act::Close(_)) => (place..place + 1, HOLD / 2),
            // They are renewed as soon as the process goes on.
            (Class::Pauses, Act::Stop(..)) => (place..place + 1, HOLD / 8),
            // Writes are shorter than their guards here, unless their processes are stopped again and again.
            (_, Act::Stop(..)) => (place..place + 1, HOLD),
            _ => (0..0, Duration::ZERO),
        }
    }

    /// Nothing that keeps a process from Redis for long.
    fn crash(&mut self, place: usize) -> Act {
        match self.random.below(1_000) {
            0..60 => Act::Kill(place),
            60..400 => Act::Stop(place, self.millis(50, 600)),
            400..650 => Act::Close(place),
            650..800 => Act::ClientKill,
            _ => Act::ScriptFlush,
        }
    }

    /// What a process does to itself, or the machine to it, while Redis answers.
    fn standstill(&mut self, place: usize) -> Act {
        match self.random.below(1_000) {
            0..40 => Act::Kill(place),
            40..80 => Act::ScriptFlush,
            // Shorter and longer than a lease, and shorter than a guard without its renewals.
            _ => Act::Stop(place, self.millis(200, 2_000)),
        }
    }

    /// A process goes on, or is heard of again, after its copies are over.
    fn apart(&mut self, place: usize) -> Act {
        match self.random.below(1_000) {
            0..80 => Act::Kill(place),
            80..500 => Act::Stop(place, self.millis(50, 1_500)),
            500..750 => Act::Hole(place, self.millis(50, 1_500)),
            750..850 => Act::Close(place),
            850..920 => Act::ClientKill,
            _ => Act::ScriptFlush,
        }
    }

    /// The same, and what the copies are of is gone from Redis.
    fn lost_copies(&mut self, place: usize) -> Act {
        match self.random.below(1_000) {
            0..500 => Act::Evict(self.random.below(ROWS)),
            500..600 => Act::FlushAll,
            _ => self.apart(place),
        }
    }

    /// Redis itself is away.
    fn server_outage(&mut self, place: usize) -> Act {
        match self.random.below(1_000) {
            0..20 => Act::Kill(place),
            20..60 => Act::Stop(place, self.millis(50, 1_200)),
            60..650 => Act::Restart(self.millis(0, 1_500)),
            _ => Act::StopRedis(self.millis(150, 1_500)),
        }
    }

    /// How long Redis is left alone after it was away.
    fn between_outages(&mut self) -> Duration {
        // Until the cache is in use again, or hardly.
        if self.class == Class::Restarts { self.millis(300, 2_500) } else { Duration::ZERO }
    }

    fn outage(&mut self, place: usize, kills: u64) -> Act {
        if self.random.per_mille(kills) {
            return Act::Kill(place);
        }
        match self.random.below(1_000) {
            // Shorter and longer than a lease.
            0..150 => Act::Stop(place, self.millis(50, 1_200)),
            150..250 => Act::StopRedis(self.millis(20, 150)),
            250..350 => Act::StopRedis(self.millis(150, 1_200)),
            350..480 => Act::Hole(place, self.millis(50, 1_500)),
            480..600 => Act::Refuse(place, self.millis(20, 1_000)),
            600..670 => {
                let by = self.millis(5, 900);
                Act::Delay(place, self.millis(50, 500), by)
            }
            // What is under way arrives after its connection has been given up and another one is in use.
            670..800 => {
                let by = self.millis(300, 900);
                Act::Delay(place, self.millis(5, 40), by)
            }
            800..870 => {
                let bytes = usize::try_from(self.random.below(400)).unwrap_or_default();
                Act::Cut(place, self.millis(20, 400), bytes)
            }
            870..910 => Act::Close(place),
            910..950 => Act::ClientKill,
            _ => Act::ScriptFlush,
        }
    }

    fn failover(&mut self, place: usize) -> Act {
        let row = self.random.below(ROWS);
        match self.random.below(1_000) {
            0..80 => Act::Kill(place),
            80..350 => Act::Stop(place, self.millis(50, 1_200)),
            350..430 => Act::ClientKill,
            430..480 => Act::ScriptFlush,
            480..700 => Act::KillPrimary(row),
            700..850 if self.class == Class::Cluster => Act::MoveSlot(row),
            _ => Act::FailOver(row),
        }
    }

    fn loss(&mut self) -> Act {
        if self.random.per_mille(700) { Act::FlushAll } else { Act::Restart(self.millis(0, 500)) }
    }

    fn millis(&mut self, least: u64, most: u64) -> Duration {
        self.random.between(Duration::from_millis(least), Duration::from_millis(most))
    }
}
