//! Reads of one server that travel together.
//!
//! A read that finds no other on its way goes out by itself, at once. One that finds others begins a batch, gives way once to
//! whatever else is ready to run, and sends: whoever comes in between travels with it, in one command, and a key that several
//! ask for is asked for once. Redis answers many keys in one command for a fraction of what as many commands cost, and one
//! answer is received, taken apart and handed out instead of many. Nobody waits for company that is not there, or for the
//! answers of others: what gives way is sent in the same turn of the scheduler, as it would be if the connection's own task had
//! been handed a command.
//!
//! A caller may share a read that **has not been sent yet**, never one that is on its way: what that one finds may be older
//! than a write that the caller has seen completed. So a batch takes keys in as long as it stands in the queue, and leaves the
//! queue before it is sent.
//!
//! Whoever sends is a caller like the others, and may go away at any time. Then another of its batch sends, anew if need be.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::sync::oneshot;
use xxhash_rust::xxh3::xxh3_64;

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
    /// No more callers than this wait, commands that are on their way included.
    limit: usize,
}

#[derive(Debug)]
struct Queue<A> {
    /// Commands that are on their way, or about to be.
    on_their_way: usize,
    /// Who waits in a batch of the queue.
    callers: usize,
    /// What has not been sent yet. Somebody is about to send each of them.
    batches: VecDeque<Batch<A>>,
    /// The number of the next batch.
    next: u64,
}

/// Reads that will be sent as one command.
#[derive(Debug)]
struct Batch<A> {
    number: u64,
    keys: Keys,
    /// Those who wait for it, the one who sends it not among them.
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
    /// Send the read by itself, at once, and keep the permit until it is answered.
    Alone(Option<Permit<A>>),
    /// Give way once, then send the batch that you have begun.
    Lead(Lead<A>),
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
        if queue.on_their_way == 0 {
            queue.on_their_way = 1;
            return Turn::Alone(Some(Permit(self.0.clone())));
        }
        if queue.callers + queue.on_their_way >= self.0.limit {
            return Turn::Full;
        }
        let most = (BYTES / usual.max(1)).min(KEYS);
        if let Some(batch) = queue.batches.back_mut()
            && let Some(place) = batch.keys.place(key, most)
        {
            let (word, receiver) = oneshot::channel();
            batch.callers.push(Caller { place, word });
            queue.callers += 1;
            return Turn::Wait(receiver);
        }
        let mut keys = Keys::default();
        let place = keys.place(key, 1).unwrap_or_default();
        let number = queue.next;
        queue.next += 1;
        queue.on_their_way += 1;
        queue.batches.push_back(Batch { number, keys, callers: Vec::new() });
        Turn::Lead(Lead { shared: Some(self.0.clone()), number, place })
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

impl<A> Shared<A> {
    fn lock(&self) -> MutexGuard<'_, Queue<A>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has another of its callers send a batch that stands in the queue. One without any is gone.
    fn hand_over(self: &Arc<Self>, number: u64) {
        loop {
            let Some(Caller { place, word }) = self.lock().choose(number) else { return };
            let lead = Lead { shared: Some(self.clone()), number, place };
            match word.send(Word::Lead(lead)) {
                // That one has gone away since: the next.
                Err(Word::Lead(mut lead)) => lead.shared = None,
                Ok(()) | Err(Word::Given(_)) => return,
            }
        }
    }
}

impl<A> Queue<A> {
    /// The first of those who wait for a batch. Without any it goes.
    fn choose(&mut self, number: u64) -> Option<Caller<A>> {
        let at = self.batches.iter().position(|batch| batch.number == number)?;
        let batch = &mut self.batches[at];
        if batch.callers.is_empty() {
            self.batches.remove(at);
            self.on_their_way -= 1;
            return None;
        }
        self.callers -= 1;
        Some(batch.callers.remove(0))
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
            let at = queue.batches.iter().position(|batch| batch.number == self.number)?;
            let batch = queue.batches.remove(at)?;
            queue.callers -= batch.callers.len();
            batch
        };
        Some(Flight { batch: Some(batch), own: self.place, shared })
    }
}

impl<A> Drop for Lead<A> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.hand_over(self.number);
        }
    }
}

/// A batch on its way. Dropped without answers it goes back into the queue, and another of its callers sends it anew.
#[derive(Debug)]
pub(super) struct Flight<A> {
    batch: Option<Batch<A>>,
    own: usize,
    shared: Arc<Shared<A>>,
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
        // Whoever is given an answer and reads again finds this one out of the way.
        drop(Permit(self.shared.clone()));
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
        let Some(batch) = self.batch.take() else { return };
        let number = batch.number;
        {
            let mut queue = self.shared.lock();
            queue.callers += batch.callers.len();
            queue.batches.push_front(batch);
        }
        self.shared.hand_over(number);
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
        for part in key {
            self.text.extend_from_slice(part);
        }
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
