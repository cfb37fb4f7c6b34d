//! Batches of reads of one server.
//!
//! While few reads are in flight, each is sent alone and at once. Under load the first read opens a batch, and the reads that come
//! before the batch is sent join it: one command reads all their keys, each key once. Redis answers many keys in one command for a
//! fraction of what as many commands cost, and the client parses one answer instead of many. A batch is sent when it is full, or
//! once every task that was ready to run when it was opened has run: nobody waits for others that may not come. Answers are handed
//! out in parts, so that the server has the next reads before the last callers have their answers: see [`Batch::distribute`].
//!
//! A caller may join a read that **has not been sent yet**, never one that is in flight: that one may return a value older than a
//! write that the caller has seen complete. So a batch accepts keys only while it is open, and is closed before it is sent.
//!
//! A task of its own sends each batch, so that no caller depends on another, which may be dropped at any time, or never polled again.
//! Only callers on the runtime of that task can join. Even so a caller may be polled while the task is not: the task may be queued
//! behind one that blocks, or callers may drive themselves (`Handle::block_on`) while nobody drives the runtime. So batches can be
//! supervised from another thread, and are given up when they make no progress: see [`ReadBatcher::give_up`].

use std::{
    mem,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::{runtime, sync::oneshot, time::Instant};

use self::{
    keys::Keys,
    pending::PendingReads,
    waiters::{Waiter, Waiters},
};
use super::poll::yield_once;
use crate::{
    few::Few,
    lock::Mutex,
    store::answer::{Answer, Read},
};

mod keys;
mod pending;
mod several;
mod waiters;

/// Maximum number of callers of a batch: the server does nothing else while it answers them, and meanwhile the next batch fills.
const MAX_CALLERS: usize = 64;
/// Maximum length of the answer of a batch, as far as it can be estimated (bytes).
const MAX_BYTES: usize = 64 << 10;
/// Maximum number of commands in flight up to which a read is sent alone: a batch would cost more than it saves.
const SOLO_LIMIT: usize = 8;
/// Minimum average number of callers of a batch at which reads are batched however few are in flight; and the minimum number of
/// callers that are answered at once.
const BATCH_THRESHOLD: usize = 4;
/// Maximum number of keys that are answered at once.
const MAX_REPLIES_AT_ONCE: usize = 32;

/// What a caller of a batch gets: an answer, or the deadline until which it may ask alone, where it has to.
pub(super) type BatchReply = Result<Answer<Read>, Instant>;

/// Batches the reads of one server. `A` is what a caller gets in the end.
#[derive(Debug)]
pub(super) struct ReadBatcher<A>(Arc<Shared<A>>);

#[derive(Debug)]
struct Shared<A> {
    queue: Mutex<Queue<A>>,
    /// Average length of an answer (bytes).
    length: AtomicUsize,
    /// Maximum number of commands in flight and of callers that wait for one to be sent, together.
    limit: usize,
    /// The server does not accept `MGET`.
    one_by_one: AtomicBool,
}

#[derive(Debug)]
struct Queue<A> {
    /// Number of commands that are in flight or about to be sent.
    in_flight: usize,
    /// The batches that can still be joined, one per runtime.
    open: Vec<JoinableBatch<A>>,
    /// The number of the next batch.
    next: u64,
    /// Average number of callers of a batch, in eighths.
    average: usize,
    /// A task supervises the batches.
    supervised: bool,
    /// Number of checks by that task so far.
    checks: u64,
    /// The closed batches that are supervised, some of them answered by now.
    closed: Vec<ClosedBatch<A>>,
}

#[derive(Debug)]
struct JoinableBatch<A> {
    number: u64,
    /// Where its task runs.
    runtime: runtime::Id,
    /// Number of the last check before it was opened.
    since: u64,
    batch: PendingReads<A>,
    permit: Permit<A>,
}

#[derive(Debug)]
struct ClosedBatch<A> {
    since: u64,
    waiters: Weak<Mutex<Waiters<A>>>,
}

/// How a read is admitted; `R` is what its caller gets.
#[derive(Debug)]
pub(super) enum Admission<A, R = A> {
    /// The caller sends its read alone, at once, and keeps the permit until it is answered.
    Alone(Option<Permit<A>>),
    /// Wait for reply.
    Wait(oneshot::Receiver<R>),
    /// The same, and the caller has the batch sent once every task that is ready now has run.
    Begin(oneshot::Receiver<R>, OpenBatch<A>),
    /// The same, and the caller has the batch sent at once.
    Send(oneshot::Receiver<R>, Batch<A>),
    /// Too many callers wait already.
    Full,
}

impl<A> Queue<A> {
    fn is_crowded(&self) -> bool {
        self.average >= 8 * BATCH_THRESHOLD
    }

    /// Closes a batch.
    fn close(&mut self, at: usize) -> Batch<A> {
        let JoinableBatch { since, batch, permit, .. } = self.open.swap_remove(at);
        self.average = match batch.waiting() {
            // There are no other callers.
            1 if self.in_flight == 1 => self.average / 2,
            // An exponential moving average with the weight 1/8.
            callers => self.average - self.average / 8 + callers,
        };
        let (keys, waiters, timed) = batch.close();
        let batch = Batch { keys, waiters: Arc::new(Mutex::new(waiters)), timed, permit };
        if self.supervised {
            if self.closed.len() == self.closed.capacity() {
                self.closed.retain(|closed| closed.waiters.strong_count() > 0);
            }
            self.closed.push(ClosedBatch { since, waiters: Arc::downgrade(&batch.waiters) });
        }
        batch
    }
}

impl<A> ReadBatcher<A> {
    /// At most `limit` commands are in flight.
    pub(super) fn new(limit: usize) -> ReadBatcher<A> {
        let queue = Queue {
            in_flight: 0,
            open: Vec::new(),
            next: 0,
            average: 0,
            supervised: false,
            checks: 0,
            closed: Vec::new(),
        };
        ReadBatcher(Arc::new(Shared {
            queue: Mutex::new(queue),
            length: AtomicUsize::new(0),
            limit,
            one_by_one: AtomicBool::new(false),
        }))
    }

    /// Admits the read of a key, which is its parts one after the other, by a caller on this runtime. `timed` asks for the server's
    /// time as well.
    pub(super) fn join(
        &self,
        key: [&[u8]; 3],
        timed: bool,
        runtime: impl FnOnce() -> runtime::Id,
    ) -> Admission<A> {
        self.admit(runtime, |batch| batch.add(key, timed))
    }

    /// The same with several keys, one at least, whose answers a caller gets together: that of the first, and those of the others.
    pub(super) fn join_together<'k>(
        &self,
        keys: impl Iterator<Item = [&'k [u8]; 3]>,
        timed: bool,
        runtime: impl FnOnce() -> runtime::Id,
    ) -> Admission<A, (A, Few<A>)> {
        self.admit(runtime, |batch| batch.add_together(keys, timed))
    }

    fn admit<R>(
        &self,
        runtime: impl FnOnce() -> runtime::Id,
        add: impl FnOnce(&mut PendingReads<A>) -> oneshot::Receiver<R>,
    ) -> Admission<A, R> {
        let length = self.0.length.load(Relaxed);
        if length > MAX_BYTES / 2 {
            return Admission::Alone(None);
        }
        let mut queue = self.0.queue.lock();
        if !queue.is_crowded() && queue.in_flight < SOLO_LIMIT.min(self.0.limit) {
            queue.in_flight += 1;
            return Admission::Alone(Some(Permit(self.0.clone())));
        }
        let waiting: usize = queue.open.iter().map(|open| open.batch.waiting()).sum();
        let sent = queue.in_flight - queue.open.len();
        if sent + waiting >= self.0.limit {
            return Admission::Full;
        }
        let runtime = runtime();
        let Some(at) = queue.open.iter().position(|open| open.runtime == runtime) else {
            let mut batch = PendingReads::with_capacity(MAX_CALLERS);
            let reply = add(&mut batch);
            let (number, since) = (queue.next, queue.checks);
            queue.next += 1;
            queue.in_flight += 1;
            let permit = Permit(self.0.clone());
            queue.open.push(JoinableBatch { number, runtime, since, batch, permit });
            return Admission::Begin(reply, OpenBatch { shared: self.0.clone(), number });
        };
        let batch = &mut queue.open[at].batch;
        let reply = add(batch);
        if batch.waiting() < MAX_CALLERS && batch.keys.len() < MAX_BYTES / length.max(1) {
            return Admission::Wait(reply);
        }
        Admission::Send(reply, queue.close(at))
    }

    /// Marks the batches as supervised; `true` if the caller has to start supervising them.
    pub(super) fn supervise(&self) -> bool {
        !mem::replace(&mut self.0.queue.lock().supervised, true)
    }

    /// Checks the progress of the batches; to be called at regular intervals. Gives up those whose task has not run for `unsent`
    /// whole intervals, and those that were sent and not answered for `unanswered`: the channels of their callers are closed.
    /// `false` if nothing is left to supervise.
    pub(super) fn give_up(&self, unsent: u64, unanswered: u64) -> bool {
        // Dropping a sender may run a caller's waker: not under the lock.
        let (mut unsent_ones, mut silent_ones) = (Vec::new(), Vec::new());
        let goes_on = {
            let mut queue = self.0.queue.lock();
            queue.checks += 1;
            let checks = queue.checks;
            while let Some(at) = queue.open.iter().position(|open| checks - open.since > unsent) {
                unsent_ones.push(queue.close(at));
            }
            queue.closed.retain(|closed| {
                let Some(waiters) = closed.waiters.upgrade() else { return false };
                let bound = if waiters.lock().sent { unanswered } else { unsent };
                let late = checks - closed.since > bound;
                if late {
                    silent_ones.push(waiters);
                }
                !late
            });
            queue.supervised = !(queue.open.is_empty() && queue.closed.is_empty());
            queue.supervised
        };
        drop(unsent_ones);
        for waiters in silent_ones {
            let mut waiters = waiters.lock();
            let gone = (mem::take(&mut waiters.first), mem::take(&mut waiters.more));
            drop(waiters);
            drop(gone);
        }
        goes_on
    }

    /// Whether the server has refused to read several keys with one command.
    pub(super) fn one_by_one(&self) -> bool {
        self.0.one_by_one.load(Relaxed)
    }

    /// Notes that the server has refused `MGET`; `true` the first time.
    pub(super) fn disable_mget(&self) -> bool {
        !self.0.one_by_one.swap(true, Relaxed)
    }

    /// Records the length of an answer.
    pub(super) fn record_length(&self, bytes: usize) {
        let length = self.0.length.load(Relaxed);
        // An exponential moving average; a lost update does not matter.
        let moved = (length * 7 + bytes) / 8;
        if moved != length {
            self.0.length.store(moved, Relaxed);
        }
    }
}

/// The right to have a command in flight.
#[derive(Debug)]
pub(super) struct Permit<A>(Arc<Shared<A>>);

impl<A> Drop for Permit<A> {
    fn drop(&mut self) {
        self.0.queue.lock().in_flight -= 1;
    }
}

/// A batch that has been opened. Dropped before it is sent, it closes the batch and the channels of its callers.
#[derive(Debug)]
pub(super) struct OpenBatch<A> {
    shared: Arc<Shared<A>>,
    number: u64,
}

impl<A> OpenBatch<A> {
    /// Closes the batch: from now on nobody can join it. `None` if it was full and has been sent already.
    pub(super) fn close(&self) -> Option<Batch<A>> {
        let mut queue = self.shared.queue.lock();
        let at = queue.open.iter().position(|open| open.number == self.number)?;
        Some(queue.close(at))
    }
}

impl<A> Drop for OpenBatch<A> {
    fn drop(&mut self) {
        drop(self.close());
    }
}

/// Reads that are sent as one command.
#[derive(Debug)]
pub(super) struct Batch<A> {
    keys: Keys,
    waiters: Arc<Mutex<Waiters<A>>>,
    timed: bool,
    permit: Permit<A>,
}

impl<A> Batch<A> {
    /// Whether a caller asked for the server's time.
    pub(super) fn is_timed(&self) -> bool {
        self.timed
    }

    /// Marks the batch as sent; `false` if every caller has gone away.
    pub(super) fn send(&self) -> bool {
        let mut waiters = self.waiters.lock();
        waiters.sent = true;
        let more = waiters.more.iter().map(|(_, waiter)| waiter);
        !waiters.first.iter().chain(more).all(Waiter::is_gone)
    }

    /// The keys, each once.
    pub(super) fn keys(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        self.keys.iter()
    }

    /// Total length of the keys (bytes).
    pub(super) fn length(&self) -> usize {
        self.keys.text.len()
    }

    /// Hands the answers, one per key in the order of the keys, to the callers, and lets the first callers go on before the others
    /// get theirs. Their next reads are in flight by then, and the server works while the other callers do. Answered all at once they
    /// would all ask at once, and client and server would take turns waiting for each other.
    pub(super) async fn distribute(self, answers: Vec<A>)
    where
        A: Clone,
    {
        let Batch { waiters, permit, .. } = self;
        let shared = permit.0.clone();
        // A caller that reads again after its answer must not count this command as in flight.
        drop(permit);
        let at_once = if shared.queue.lock().in_flight == 0 {
            answers.len().div_ceil(2).max(BATCH_THRESHOLD)
        } else {
            MAX_REPLIES_AT_ONCE
        };
        let (more, mut others) = {
            let mut waiters = waiters.lock();
            (mem::take(&mut waiters.more), waiters.others(&answers))
        };
        for (place, waiter) in more {
            if let Some(answer) = answers.get(place) {
                let others = waiter.others(&answers);
                waiter.answer(answer.clone(), others);
            }
        }
        let mut answers = answers.into_iter();
        loop {
            let part: Vec<_> = {
                let first = &mut waiters.lock().first;
                let many = at_once.min(first.len());
                first.drain(..many).collect()
            };
            for (waiter, answer) in part.into_iter().zip(answers.by_ref()) {
                let others = if waiter.is_of_several() { others.pop_front() } else { None };
                waiter.answer(answer, others.unwrap_or_default());
            }
            if answers.len() == 0 || waiters.lock().first.is_empty() {
                return;
            }
            // The task of their next batch runs twice, and then the connection's.
            for _ in 0..3 {
                yield_once().await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
