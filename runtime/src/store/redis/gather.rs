//! Reads of one server that travel together.
//!
//! A read that finds no other on its way goes out by itself, at once. Those that come while reads are on their way wait and
//! then go out as one command, which one of them sends and whose answers it hands to the others. Redis answers many keys in one
//! command for a fraction of what as many commands cost, and a key that several ask for is asked for once.
//!
//! A caller may share a read that **has not been sent yet**, never one that is on its way: what that one finds may be older
//! than a write that the caller has seen completed. So a batch takes keys in as long as it stands in the queue, and leaves the
//! queue before it is sent. Nobody waits for company: a batch goes out as soon as it may.
//!
//! Whoever sends is a caller like the others, and may go away at any time. Then the batch goes back to the head of the queue
//! and another of its callers sends it anew.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::sync::oneshot;
use xxhash_rust::xxh3::xxh3_64;

/// So many commands with reads may be on their way; further reads wait and travel together.
const ON_THEIR_WAY: usize = 2;
/// No more keys than this travel together: the server does nothing else while it answers.
const KEYS: usize = 128;
/// No more bytes than this travel together, as far as that can be known before.
const BYTES: usize = 64 << 10;

/// The reads of one server. `A` is what a caller is given in the end.
#[derive(Debug)]
pub(super) struct Gather<A>(Arc<Shared<A>>);

#[derive(Debug)]
struct Shared<A> {
    queue: Mutex<Queue<A>>,
    /// How long an answer usually is (bytes).
    usual: AtomicUsize,
    /// No more callers than this wait.
    limit: usize,
}

#[derive(Debug)]
struct Queue<A> {
    on_their_way: usize,
    callers: usize,
    /// What has not been sent yet, in the order in which it will be.
    batches: VecDeque<Batch<A>>,
    /// The number of the next batch.
    next: u64,
}

/// Reads that will be sent as one command.
#[derive(Debug)]
struct Batch<A> {
    number: u64,
    /// Somebody has been told to send it.
    led: bool,
    keys: Keys,
    callers: Vec<Caller<A>>,
}

#[derive(Debug)]
struct Caller<A> {
    /// The place of its key.
    place: usize,
    word: oneshot::Sender<Word<A>>,
}

/// What a caller does.
#[derive(Debug)]
pub(super) enum Turn<A> {
    /// Send the read by itself, at once. Others may be waiting until the permit is dropped.
    Alone(Option<Permit<A>>),
    /// Wait for word.
    Wait(oneshot::Receiver<Word<A>>),
    /// Too many wait already.
    Full,
}

/// What a caller that waits is told.
#[derive(Debug)]
pub(super) enum Word<A> {
    /// The answer.
    Given(A),
    /// Send the batch that you are in.
    Lead(Lead<A>),
}

impl<A> Gather<A> {
    /// With so many callers at the most that wait.
    pub(super) fn new(limit: usize) -> Gather<A> {
        let queue = Queue { on_their_way: 0, callers: 0, batches: VecDeque::new(), next: 0 };
        Gather(Arc::new(Shared { queue: Mutex::new(queue), usual: AtomicUsize::new(0), limit }))
    }

    /// Takes a key in, written as its parts one after the other.
    pub(super) fn join(&self, key: [&[u8]; 3]) -> Turn<A> {
        let usual = self.0.usual.load(Relaxed);
        if usual > BYTES / 2 {
            return Turn::Alone(None);
        }
        let mut queue = self.0.lock();
        if queue.batches.is_empty() && queue.on_their_way < ON_THEIR_WAY {
            queue.on_their_way += 1;
            return Turn::Alone(Some(Permit(self.0.clone())));
        }
        if queue.callers >= self.0.limit {
            return Turn::Full;
        }
        queue.callers += 1;
        let most = (BYTES / usual.max(1)).min(KEYS);
        let (word, receiver) = oneshot::channel();
        queue.take_in(key, most, word);
        Turn::Wait(receiver)
    }

    /// Notes how long an answer was.
    pub(super) fn note(&self, bytes: usize) {
        let usual = self.0.usual.load(Relaxed);
        // An average that an eighth of each new one moves; a lost update is no loss.
        let moved = (usual * 7 + bytes) / 8;
        if moved != usual {
            self.0.usual.store(moved, Relaxed);
        }
    }
}

impl<A> Clone for Gather<A> {
    fn clone(&self) -> Self {
        Gather(self.0.clone())
    }
}

impl<A> Queue<A> {
    fn take_in(&mut self, key: [&[u8]; 3], most: usize, word: oneshot::Sender<Word<A>>) {
        if let Some(batch) = self.batches.back_mut()
            && let Some(place) = batch.keys.place(key, most)
        {
            return batch.callers.push(Caller { place, word });
        }
        let mut keys = Keys::default();
        let place = keys.place(key, 1).unwrap_or_default();
        self.batches.push_back(Batch {
            number: self.next,
            led: false,
            keys,
            callers: vec![Caller { place, word }],
        });
        self.next += 1;
    }

    /// Chooses who sends the next batch; nobody, if none is waiting to be led.
    fn choose(&mut self) -> Option<(u64, Caller<A>)> {
        loop {
            let at = self.batches.iter().position(|batch| !batch.led)?;
            let batch = &mut self.batches[at];
            let before = batch.callers.len();
            batch.callers.retain(|caller| !caller.word.is_closed());
            self.callers = self.callers.saturating_sub(before - batch.callers.len());
            if batch.callers.is_empty() {
                // All of them have gone away.
                self.batches.remove(at);
                continue;
            }
            batch.led = true;
            self.callers = self.callers.saturating_sub(1);
            return Some((batch.number, batch.callers.remove(0)));
        }
    }
}

impl<A> Shared<A> {
    fn lock(&self) -> MutexGuard<'_, Queue<A>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the next batch go, or notes that fewer commands are on their way.
    fn pass_on(self: &Arc<Self>) {
        loop {
            let (number, Caller { place, word }) = {
                let mut queue = self.lock();
                match queue.choose() {
                    Some(chosen) => chosen,
                    None => {
                        queue.on_their_way -= 1;
                        return;
                    }
                }
            };
            let lead = Lead { shared: Some(self.clone()), number, place };
            match word.send(Word::Lead(lead)) {
                Err(Word::Lead(mut lead)) => {
                    // It has gone away since: the next one.
                    lead.shared = None;
                    self.leave(number);
                }
                Ok(()) | Err(Word::Given(_)) => return,
            }
        }
    }

    /// Nobody leads this batch any more.
    fn leave(&self, number: u64) {
        let mut queue = self.lock();
        if let Some(batch) = queue.batches.iter_mut().find(|batch| batch.number == number) {
            batch.led = false;
        }
    }
}

/// The right to have a command with reads on its way.
#[derive(Debug)]
pub(super) struct Permit<A>(Arc<Shared<A>>);

impl<A> Drop for Permit<A> {
    fn drop(&mut self) {
        self.0.pass_on();
    }
}

/// The task of sending a batch. Dropping it hands it to another of the batch's callers.
#[derive(Debug)]
pub(super) struct Lead<A> {
    shared: Option<Arc<Shared<A>>>,
    number: u64,
    place: usize,
}

impl<A> Lead<A> {
    /// Takes the batch out of the queue: from here on nobody joins it.
    pub(super) fn take(mut self) -> Option<Flight<A>> {
        let shared = self.shared.take()?;
        let batch = {
            let mut queue = shared.lock();
            let at = queue.batches.iter().position(|batch| batch.number == self.number);
            let batch = at.and_then(|at| queue.batches.remove(at));
            queue.callers =
                queue.callers.saturating_sub(batch.as_ref().map_or(0, |batch| batch.callers.len()));
            batch
        };
        // Made first, so that the right to send is passed on whatever happens.
        let permit = Permit(shared.clone());
        Some(Flight { batch: Some(batch?), own: self.place, shared, _permit: permit })
    }
}

impl<A> Drop for Lead<A> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.leave(self.number);
            shared.pass_on();
        }
    }
}

/// A batch on its way. Dropped without answers it goes back to the head of the queue.
#[derive(Debug)]
pub(super) struct Flight<A> {
    batch: Option<Batch<A>>,
    own: usize,
    shared: Arc<Shared<A>>,
    /// Dropped last: then the next batch goes.
    _permit: Permit<A>,
}

impl<A: Clone> Flight<A> {
    /// The keys, each once.
    pub(super) fn keys(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        static NONE: Keys = Keys { text: Vec::new(), ends: Vec::new(), hashes: Vec::new() };
        self.batch.as_ref().map_or(&NONE, |batch| &batch.keys).iter()
    }

    /// How long the keys are together (bytes).
    pub(super) fn length(&self) -> usize {
        self.batch.as_ref().map_or(0, |batch| batch.keys.text.len())
    }

    /// Gives the answers, one a key and in their order, to those who wait; returns the caller's own.
    pub(super) fn land(mut self, answers: impl IntoIterator<Item = A>) -> Option<A> {
        let batch = self.batch.take()?;
        let mut answers: Vec<Option<A>> = answers.into_iter().map(Some).collect();
        let mut asked = vec![0_u32; answers.len().max(batch.keys.len())];
        asked[self.own] += 1;
        batch.callers.iter().for_each(|caller| asked[caller.place] += 1);
        // The last who asked for a key is given the answer itself, those before copies.
        let mut answer = |place: usize| {
            asked[place] -= 1;
            let there = answers.get_mut(place)?;
            if asked[place] == 0 { there.take() } else { there.clone() }
        };
        for Caller { place, word } in batch.callers {
            if let Some(answer) = answer(place) {
                // One that has gone away needs no answer.
                let _ = word.send(Word::Given(answer));
            }
        }
        answer(self.own)
    }
}

impl<A> Drop for Flight<A> {
    fn drop(&mut self) {
        let Some(mut batch) = self.batch.take() else { return };
        batch.led = false;
        let mut queue = self.shared.lock();
        queue.callers += batch.callers.len();
        queue.batches.push_front(batch);
    }
}

/// Keys, each once, one after the other in one buffer.
#[derive(Debug, Default)]
struct Keys {
    text: Vec<u8>,
    ends: Vec<usize>,
    hashes: Vec<u64>,
}

impl Keys {
    fn len(&self) -> usize {
        self.ends.len()
    }

    fn at(&self, place: usize) -> &[u8] {
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.text[start..self.ends[place]]
    }

    fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|place| self.at(place))
    }

    /// The place of a key, which is put in if it is not there; `None` if there are so many already.
    fn place(&mut self, key: [&[u8]; 3], most: usize) -> Option<usize> {
        let start = self.text.len();
        key.iter().for_each(|part| self.text.extend_from_slice(part));
        let hash = xxh3_64(&self.text[start..]);
        let same = |place: &usize| self.hashes[*place] == hash && self.at(*place) == &self.text[start..];
        let known = (0..self.len()).find(same);
        if known.is_some() || self.len() >= most {
            self.text.truncate(start);
            return known;
        }
        self.ends.push(self.text.len());
        self.hashes.push(hash);
        Some(self.len() - 1)
    }
}

#[cfg(test)]
mod tests;
