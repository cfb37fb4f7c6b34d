//! Reads of one server that travel together.
//!
//! While few are on their way a read goes out by itself, at once. In a crowd it begins a batch; whoever comes before that is sent
//! travels with it, in one command, and a key that several ask for is asked for once. Redis answers many keys in one command for
//! a fraction of what as many commands cost, and one answer is received, taken apart and handed out instead of many. A batch is
//! sent when it is full, or else when everything has had its turn that was ready to run when it was begun: nobody waits for
//! company that is not there, or for what others are still to be answered. What has been answered is handed out by parts, so
//! that the server has something to do again before the last are told: see [`Batch::land`].
//!
//! A caller may share a read that **has not been sent yet**, never one that is on its way: what that one finds may be older
//! than a write that the caller has seen completed. So a batch takes keys in as long as it is open, and is closed before it is
//! sent.
//!
//! A batch is sent by a task of its own, so that no caller depends on another, which may go away at any time, or never be
//! polled again. And it is joined only from the runtime that this task runs on. But a caller may be polled there while the task is
//! not: the task has been put behind one that blocks, or callers drive themselves (`Handle::block_on`) and nobody drives the
//! runtime. So batches can be watched from elsewhere, and are given up when nothing has become of them: see [`Gather::give_up`].

use std::{
    collections::VecDeque,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{runtime, sync::oneshot, time::Instant};

use self::keys::Keys;
use super::poll::next_turn;
use crate::store::answer::Answer;

mod keys;

/// No more callers than this travel together: the server does nothing else while it answers them, and meanwhile the next are
/// gathered here.
const CALLERS: usize = 64;
/// No more bytes than this travel together, as far as that can be known before.
const BYTES: usize = 64 << 10;
/// While so few are about, each read goes out by itself: gathering costs more than it saves.
const FEW: usize = 8;
/// When batches carry fewer callers than this on average, few are about; and so few are answered at once in any case.
const CROWD: usize = 4;
/// No more keys than this are answered at once.
const ANSWERED: usize = 32;

/// What stands under a key, and the server's time right after it was read where somebody asked for it.
pub(super) type Read = (Option<Bytes>, Option<Duration>);
/// What those are given who did not ask by themselves: an answer; or until when they may ask, where they have to after all.
pub(super) type Given = Result<Answer<Read>, Instant>;

/// The reads of one server. `A` is what a caller is given in the end.
#[derive(Debug)]
pub(super) struct Gather<A>(Arc<Shared<A>>);

#[derive(Debug)]
struct Shared<A> {
    queue: Mutex<Queue<A>>,
    /// How long an answer is on average (bytes).
    length: AtomicUsize,
    /// No more commands than this are on their way, callers that wait for one to be sent included.
    limit: usize,
    /// The server takes no command that reads several keys.
    one_by_one: AtomicBool,
}

#[derive(Debug)]
struct Queue<A> {
    /// Commands that are on their way, or about to be.
    on_their_way: usize,
    /// What can still be joined, one a runtime.
    open: Vec<Open<A>>,
    /// The number of the next batch.
    next: u64,
    /// How many callers a batch carries on average, in eighths.
    average: usize,
    /// Somebody watches.
    watched: bool,
    /// Number of looks that were taken so far.
    looks: u64,
    /// What is closed and watched, some of it answered by now.
    closed: Vec<Closed<A>>,
}

#[derive(Debug)]
struct Open<A> {
    number: u64,
    /// Where its task runs.
    runtime: runtime::Id,
    /// The last look before it was begun.
    since: u64,
    batch: Gathering<A>,
}

#[derive(Debug)]
struct Closed<A> {
    since: u64,
    words: Weak<Mutex<Words<A>>>,
}

/// Who waits for the answers of a batch.
#[derive(Debug)]
struct Words<A> {
    /// Who asked first, for each key.
    first: VecDeque<oneshot::Sender<A>>,
    /// Who asked for a key that was there, and its place.
    more: Vec<(usize, oneshot::Sender<A>)>,
    /// The task of the batch has had its turn.
    sent: bool,
}

/// What a caller does.
#[derive(Debug)]
pub(super) enum Turn<A> {
    /// Send the read by itself, at once, and keep the permit until it is answered.
    Alone(Option<Permit<A>>),
    /// Wait for word.
    Wait(oneshot::Receiver<A>),
    /// The same, and have the batch sent when everything has had its turn that is ready to run now.
    Begin(oneshot::Receiver<A>, Begun<A>),
    /// The same, and have the batch sent at once.
    Send(oneshot::Receiver<A>, Batch<A>),
    /// Too many wait already.
    Full,
}

impl<A> Queue<A> {
    fn is_crowded(&self) -> bool {
        self.average >= 8 * CROWD
    }

    /// Closes a batch.
    fn close(&mut self, at: usize) -> Batch<A> {
        let Open { since, batch, .. } = self.open.swap_remove(at);
        self.average = match batch.waiting() {
            // Nobody else is about.
            1 if self.on_their_way == 1 => self.average / 2,
            // An eighth of each new one moves it.
            callers => self.average - self.average / 8 + callers,
        };
        let batch = batch.close();
        if self.watched {
            if self.closed.len() == self.closed.capacity() {
                self.closed.retain(|closed| closed.words.strong_count() > 0);
            }
            self.closed.push(Closed { since, words: Arc::downgrade(&batch.words) });
        }
        batch
    }
}

impl<A> Gather<A> {
    /// With so many commands at the most.
    pub(super) fn new(limit: usize) -> Gather<A> {
        let queue = Queue {
            on_their_way: 0,
            open: Vec::new(),
            next: 0,
            average: 0,
            watched: false,
            looks: 0,
            closed: Vec::new(),
        };
        Gather(Arc::new(Shared {
            queue: Mutex::new(queue),
            length: AtomicUsize::new(0),
            limit,
            one_by_one: AtomicBool::new(false),
        }))
    }

    /// Takes a key in, written as its parts one after the other, of a caller on this runtime, which may ask for the server's time as
    /// well.
    pub(super) fn join(
        &self,
        key: [&[u8]; 3],
        timed: bool,
        runtime: impl FnOnce() -> runtime::Id,
    ) -> Turn<A> {
        let length = self.0.length.load(Relaxed);
        if length > BYTES / 2 {
            return Turn::Alone(None);
        }
        let mut queue = self.0.lock();
        if !queue.is_crowded() && queue.on_their_way < FEW.min(self.0.limit) {
            queue.on_their_way += 1;
            return Turn::Alone(Some(Permit(self.0.clone())));
        }
        let waiting: usize = queue.open.iter().map(|open| open.batch.waiting()).sum();
        let sent = queue.on_their_way - queue.open.len();
        if sent + waiting >= self.0.limit {
            return Turn::Full;
        }
        let runtime = runtime();
        let Some(at) = queue.open.iter().position(|open| open.runtime == runtime) else {
            let mut batch = Gathering::new(Permit(self.0.clone()));
            let word = batch.add(key, timed);
            let (number, since) = (queue.next, queue.looks);
            queue.next += 1;
            queue.on_their_way += 1;
            queue.open.push(Open { number, runtime, since, batch });
            return Turn::Begin(word, Begun { shared: self.0.clone(), number });
        };
        let batch = &mut queue.open[at].batch;
        let word = batch.add(key, timed);
        if batch.waiting() < CALLERS && batch.keys.len() < BYTES / length.max(1) {
            return Turn::Wait(word);
        }
        Turn::Send(word, queue.close(at))
    }

    /// Has batches watched from now on; `true` if the caller is the one to do so.
    pub(super) fn watch(&self) -> bool {
        !mem::replace(&mut self.0.lock().watched, true)
    }

    /// Takes a look at what has become of the batches, to be called at regular intervals. Those whose task had no turn for so many
    /// whole intervals, or that were sent and not answered for so many, are given up: their callers get no word. `false` if nothing
    /// is left to watch.
    pub(super) fn give_up(&self, unsent: u64, unanswered: u64) -> bool {
        // Whoever is woken by this runs code of somebody else: not under the lock.
        let (mut unsent_ones, mut silent_ones) = (Vec::new(), Vec::new());
        let goes_on = {
            let mut queue = self.0.lock();
            queue.looks += 1;
            let looks = queue.looks;
            while let Some(at) = queue.open.iter().position(|open| looks - open.since > unsent) {
                unsent_ones.push(queue.close(at));
            }
            queue.closed.retain(|closed| {
                let Some(words) = closed.words.upgrade() else { return false };
                let bound = if lock(&words).sent { unanswered } else { unsent };
                let late = looks - closed.since > bound;
                if late {
                    silent_ones.push(words);
                }
                !late
            });
            queue.watched = !(queue.open.is_empty() && queue.closed.is_empty());
            queue.watched
        };
        drop(unsent_ones);
        for words in silent_ones {
            let mut words = lock(&words);
            let gone = (mem::take(&mut words.first), mem::take(&mut words.more));
            drop(words);
            drop(gone);
        }
        goes_on
    }

    /// Whether the server has refused to read several keys with one command.
    pub(super) fn one_by_one(&self) -> bool {
        self.0.one_by_one.load(Relaxed)
    }

    /// Notes that it does; `true` the first time.
    pub(super) fn refuse_together(&self) -> bool {
        !self.0.one_by_one.swap(true, Relaxed)
    }

    /// Notes how long an answer was.
    pub(super) fn note(&self, bytes: usize) {
        let length = self.0.length.load(Relaxed);
        // An average that an eighth of each new one moves; a lost update is no loss.
        let moved = (length * 7 + bytes) / 8;
        if moved != length {
            self.0.length.store(moved, Relaxed);
        }
    }
}

impl<A> Shared<A> {
    fn lock(&self) -> MutexGuard<'_, Queue<A>> {
        lock(&self.queue)
    }
}

/// The right to have a command on its way.
#[derive(Debug)]
pub(super) struct Permit<A>(Arc<Shared<A>>);

impl<A> Drop for Permit<A> {
    fn drop(&mut self) {
        self.0.lock().on_their_way -= 1;
    }
}

/// A batch that has been begun. Dropped before it is sent, it takes the batch with it, and its callers know.
#[derive(Debug)]
pub(super) struct Begun<A> {
    shared: Arc<Shared<A>>,
    number: u64,
}

impl<A> Begun<A> {
    /// Closes the batch: from here on nobody joins it. `None` if it was full before, and has been sent.
    pub(super) fn close(&self) -> Option<Batch<A>> {
        let mut queue = self.shared.lock();
        let at = queue.open.iter().position(|open| open.number == self.number)?;
        Some(queue.close(at))
    }
}

impl<A> Drop for Begun<A> {
    fn drop(&mut self) {
        drop(self.close());
    }
}

/// Reads that are still joined.
#[derive(Debug)]
struct Gathering<A> {
    keys: Keys,
    first: Vec<oneshot::Sender<A>>,
    more: Vec<(usize, oneshot::Sender<A>)>,
    /// Whether any of them asked for the server's time.
    timed: bool,
    permit: Permit<A>,
}

impl<A> Gathering<A> {
    fn new(permit: Permit<A>) -> Gathering<A> {
        let (first, more) = (Vec::with_capacity(CALLERS), Vec::new());
        Gathering { keys: Keys::with_capacity(CALLERS), first, more, timed: false, permit }
    }

    fn add(&mut self, key: [&[u8]; 3], timed: bool) -> oneshot::Receiver<A> {
        self.timed |= timed;
        let (word, receiver) = oneshot::channel();
        match self.keys.place(key) {
            Some(place) => self.more.push((place, word)),
            None => self.first.push(word),
        }
        receiver
    }

    /// How many callers wait for it.
    fn waiting(&self) -> usize {
        self.first.len() + self.more.len()
    }

    fn close(self) -> Batch<A> {
        let Gathering { keys, first, more, timed, permit } = self;
        let words = Words { first: first.into(), more, sent: false };
        Batch { keys, words: Arc::new(Mutex::new(words)), timed, permit }
    }
}

/// Reads that are sent as one command.
#[derive(Debug)]
pub(super) struct Batch<A> {
    keys: Keys,
    words: Arc<Mutex<Words<A>>>,
    timed: bool,
    permit: Permit<A>,
}

impl<A> Batch<A> {
    /// Whether the server's time is asked for, once for all.
    pub(super) fn is_timed(&self) -> bool {
        self.timed
    }

    /// Says that it is about to be sent; `false` if every caller has gone away.
    pub(super) fn send(&self) -> bool {
        let mut words = lock(&self.words);
        words.sent = true;
        let more = words.more.iter().map(|(_, word)| word);
        !words.first.iter().chain(more).all(oneshot::Sender::is_closed)
    }

    /// The keys, each once.
    pub(super) fn keys(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.keys.iter()
    }

    /// How long the keys are together (bytes).
    pub(super) fn length(&self) -> usize {
        self.keys.text.len()
    }

    /// Gives the answers, one a key and in their order, to those who wait, and lets the first of them go on before the others
    /// are told. What they ask for next is on its way then, and the server works while the others do. Told all at once they
    /// would all ask at once, and client and server would wait for each other by turns.
    pub(super) async fn land(self, answers: Vec<A>)
    where
        A: Clone,
    {
        let Batch { words, permit, .. } = self;
        let shared = permit.0.clone();
        // Whoever is given an answer and reads again finds this one out of the way.
        drop(permit);
        let at_once =
            if shared.lock().on_their_way == 0 { answers.len().div_ceil(2).max(CROWD) } else { ANSWERED };
        let more = mem::take(&mut lock(&words).more);
        // One that has gone away needs no answer.
        for (place, word) in more {
            if let Some(answer) = answers.get(place) {
                let _ = word.send(answer.clone());
            }
        }
        let mut answers = answers.into_iter();
        loop {
            let part: Vec<_> = {
                let first = &mut lock(&words).first;
                let many = at_once.min(first.len());
                first.drain(..many).collect()
            };
            for (word, answer) in part.into_iter().zip(answers.by_ref()) {
                let _ = word.send(answer);
            }
            if answers.len() == 0 || lock(&words).first.is_empty() {
                return;
            }
            // The task of their batch has its turn twice, and then the connection's.
            for _ in 0..3 {
                next_turn().await;
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
