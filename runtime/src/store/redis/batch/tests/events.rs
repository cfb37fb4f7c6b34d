//! Random events: no caller gets an old read, and no caller is forgotten.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// One event.
#[derive(Debug, Clone)]
enum Event {
    /// A caller comes, on one of two runtimes.
    Come { key: u8, runtime: usize },
    /// A task runs: it closes its batch, and sends it.
    Send { task: usize },
    /// A task is dropped before it has run.
    Lose { task: usize },
    /// A caller goes away.
    Leave { caller: usize },
    /// A command is answered.
    Answer { command: usize },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..4_u8, 0..2_usize).prop_map(|(key, runtime)| Event::Come { key, runtime }),
        2 => (0..8_usize).prop_map(|task| Event::Send { task }),
        1 => (0..64_usize).prop_map(|task| Event::Lose { task }),
        1 => (0..64_usize).prop_map(|caller| Event::Leave { caller }),
        3 => (0..8_usize).prop_map(|command| Event::Answer { command }),
    ]
}

/// An answer that says which key was read, and when that command was sent.
type Stamped = (Vec<u8>, usize);

/// A caller that waits.
struct Waiting {
    key: u8,
    came: usize,
    reply: Receiver<Stamped>,
}

/// A command in flight, and when it was sent.
enum Sent {
    Alone { key: u8, _permit: Option<Permit<Stamped>> },
    Together(Batch<Stamped>),
}

/// The state of a run of events.
struct World {
    reads: ReadBatcher<Stamped>,
    runtimes: [Id; 2],
    tasks: Vec<OpenBatch<Stamped>>,
    sent: Vec<(usize, Sent)>,
    callers: BTreeMap<usize, Waiting>,
    now: usize,
}

/// Removes one of several.
fn take<T>(of: &mut Vec<T>, nth: usize) -> Option<T> {
    (!of.is_empty()).then(|| of.remove(nth % of.len()))
}

impl World {
    fn new() -> World {
        let (tasks, sent, callers) = (Vec::new(), Vec::new(), BTreeMap::new());
        let runtimes = [runtime(), runtime()];
        let reads = ReadBatcher::new(32);
        // So that they are batched from the start.
        reads.0.queue.lock().average = 8 * MAX_CALLERS;
        World { reads, runtimes, tasks, sent, callers, now: 0 }
    }

    fn happen(&mut self, event: &Event) {
        self.now += 1;
        let now = self.now;
        match *event {
            Event::Come { key, runtime } => {
                let reply = match self.reads.join([b"k", b":", &[key]], false, || self.runtimes[runtime]) {
                    Admission::Alone(permit) => {
                        return self.sent.push((now, Sent::Alone { key, _permit: permit }));
                    }
                    Admission::Wait(reply) => reply,
                    Admission::Begin(reply, open_batch) => {
                        self.tasks.push(open_batch);
                        reply
                    }
                    Admission::Send(reply, batch) => {
                        self.sent.push((now, Sent::Together(batch)));
                        reply
                    }
                    Admission::Full => return,
                };
                self.callers.insert(now, Waiting { key, came: now, reply });
            }
            Event::Send { task } => {
                if let Some(batch) = take(&mut self.tasks, task).and_then(|open_batch| open_batch.close()) {
                    self.sent.push((now, Sent::Together(batch)));
                }
            }
            Event::Lose { task } => drop(take(&mut self.tasks, task)),
            Event::Leave { caller } => {
                let caller = self.callers.keys().copied().nth(caller % self.callers.len().max(1));
                caller.map(|caller| self.callers.remove(&caller));
            }
            Event::Answer { command } => match take(&mut self.sent, command) {
                Some((sent, Sent::Together(batch))) => {
                    let answers = batch.keys().map(|key| (key.to_vec(), sent)).collect();
                    run(batch.distribute(answers));
                }
                Some((sent, Sent::Alone { key, .. })) => {
                    check(key, sent, &([b'k', b':', key].to_vec(), sent));
                }
                None => {}
            },
        }
        self.callers.retain(|_, Waiting { key, came, reply }| match reply.try_recv() {
            Ok(answer) => {
                check(*key, *came, &answer);
                false
            }
            Err(TryRecvError::Empty) => true,
            // It asks alone.
            Err(TryRecvError::Closed) => false,
        });
    }
}

/// An answer is of the key of its caller, and was not in flight before the caller came.
fn check(asked: u8, came: usize, (key, sent): &Stamped) {
    assert_eq!(*key, [b'k', b':', asked]);
    assert!(*sent >= came, "a read of {sent} was given to who came at {came}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_happens_nobody_is_given_an_old_read_and_nobody_is_forgotten(
        events in prop::collection::vec(event(), 1..200),
    ) {
        let mut world = World::new();
        for event in events {
            world.happen(&event);
        }
        // What is left is sent and answered.
        while !(world.tasks.is_empty() && world.sent.is_empty()) {
            world.happen(&Event::Send { task: 0 });
            world.happen(&Event::Answer { command: 0 });
        }
        prop_assert!(world.callers.is_empty());
        let queue = world.reads.0.queue.lock();
        prop_assert_eq!((queue.in_flight, queue.open.len()), (0, 0));
    }
}
