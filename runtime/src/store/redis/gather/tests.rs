use std::{
    collections::BTreeMap,
    iter,
    pin::pin,
    task::{Context, Waker},
};

use proptest::prelude::*;
use tokio::{
    runtime::{Builder, Id},
    sync::oneshot::{Receiver, error::TryRecvError},
};

use super::{BYTES, Batch, Begun, CALLERS, FEW, Gather, Permit, Turn};

type Reads = Gather<String>;

fn reads() -> Reads {
    Gather::new(1_000)
}

/// Of a runtime that is gone again: only to tell it from others.
fn runtime() -> Id {
    Builder::new_current_thread().build().unwrap().handle().id()
}

fn key(name: &str) -> [&[u8]; 3] {
    [b"shop", b":", name.as_bytes()]
}

/// A read by itself that is on its way.
fn alone(reads: &Reads) -> Permit<String> {
    match reads.join(key("alone"), false, runtime) {
        Turn::Alone(Some(permit)) => permit,
        other => panic!("nothing is in the way, but {other:?}"),
    }
}

/// So many reads on their way that the next ones travel together.
fn busy(reads: &Reads) -> Vec<Permit<String>> {
    (0..FEW).map(|_| alone(reads)).collect()
}

/// Runs it to its end; what else has turns meanwhile is nothing here.
fn run(future: impl Future<Output = ()>) {
    let (mut future, mut context) = (pin!(future), Context::from_waker(Waker::noop()));
    while future.as_mut().poll(&mut context).is_pending() {}
}

fn begin(reads: &Reads, on: Id, name: &str) -> (Receiver<String>, Begun<String>) {
    match reads.join(key(name), false, || on) {
        Turn::Begin(word, begun) => (word, begun),
        other => panic!("`{name}` begins a batch, but {other:?}"),
    }
}

fn wait(reads: &Reads, on: Id, name: &str) -> Receiver<String> {
    match reads.join(key(name), false, || on) {
        Turn::Wait(word) => word,
        other => panic!("`{name}` joins the batch, but {other:?}"),
    }
}

/// Begins a batch of so many callers, each with a key of its own.
fn begin_many(reads: &Reads, on: Id, callers: usize) -> (Vec<Receiver<String>>, Begun<String>) {
    let (first, begun) = begin(reads, on, "0");
    let others = (1..callers).map(|number| wait(reads, on, &number.to_string()));
    (iter::once(first).chain(others).collect(), begun)
}

fn names(batch: &Batch<String>) -> Vec<String> {
    batch.keys().map(|key| String::from_utf8(key.to_vec()).unwrap()).collect()
}

fn land(batch: Batch<String>) {
    let answers = names(&batch);
    run(batch.land(answers));
}

fn left(reads: &Reads) -> (usize, usize) {
    let queue = reads.0.lock();
    (queue.on_their_way, queue.open.len())
}

#[test]
fn a_read_with_few_others_on_their_way_goes_out_by_itself() {
    let (reads, on) = (reads(), runtime());
    drop(busy(&reads));
    let before = busy(&reads);
    assert_eq!(left(&reads), (FEW, 0));
    let (_, begun) = begin(&reads, on, "a");
    drop((before, begun));
    assert_eq!(left(&reads), (0, 0));
}

#[test]
fn a_crowd_is_remembered_until_it_is_gone() {
    let (reads, on) = (reads(), runtime());
    let before = busy(&reads);
    for _ in 0..4 {
        let (_words, begun) = begin_many(&reads, on, CALLERS / 2);
        land(begun.close().unwrap());
    }
    drop(before);
    // The first of the next crowd, or somebody by himself: that shows soon.
    for _ in 0..2 {
        let (_, begun) = begin(&reads, on, "a");
        land(begun.close().unwrap());
    }
    drop(alone(&reads));
    assert_eq!(left(&reads), (0, 0));
}

/// The order in which callers are told and go on is what keeps the server busy.
#[test]
fn the_first_of_a_crowd_go_on_before_the_others_are_told() {
    let told = |on_their_way: bool| {
        let (reads, on) = (reads(), runtime());
        let mut before = busy(&reads);
        let (mut words, begun) = begin_many(&reads, on, 20);
        if !on_their_way {
            before.clear();
        }
        let batch = begun.close().unwrap();
        let answers = names(&batch);
        let (mut landing, mut context) = (pin!(batch.land(answers)), Context::from_waker(Waker::noop()));
        let mut told = Vec::new();
        loop {
            let over = landing.as_mut().poll(&mut context).is_ready();
            told.push(words.iter_mut().filter_map(|word| word.try_recv().ok()).count());
            if over {
                return told;
            }
        }
    };
    assert_eq!(told(false), [10, 0, 0, 10]);
    assert_eq!(told(true), [20], "the server is busy");
}

#[test]
fn those_who_come_before_it_is_sent_travel_together_and_ask_for_equal_keys_once() {
    let (reads, on) = (reads(), runtime());
    let before = busy(&reads);
    let (first, begun) = begin(&reads, on, "a");
    let mut words = vec![first];
    words.extend(["b", "a", "c", "b"].map(|name| wait(&reads, on, name)));
    let batch = begun.close().unwrap();
    assert_eq!(names(&batch), ["shop:a", "shop:b", "shop:c"]);
    land(batch);
    for (word, name) in words.iter_mut().zip(["shop:a", "shop:b", "shop:a", "shop:c", "shop:b"]) {
        assert_eq!(word.try_recv().unwrap(), name);
    }
    drop((before, begun));
    assert_eq!(left(&reads), (0, 0));
}

#[test]
fn a_batch_is_joined_until_it_is_sent_and_never_after() {
    let (reads, on) = (reads(), runtime());
    let _before = busy(&reads);
    let (_, begun) = begin(&reads, on, "a");
    let mut unsent = wait(&reads, on, "a");
    let batch = begun.close().unwrap();
    // What is on its way when it comes is not for this one.
    let (mut late, next) = begin(&reads, on, "a");
    land(batch);
    assert_eq!(unsent.try_recv().unwrap(), "shop:a");
    assert_eq!(late.try_recv(), Err(TryRecvError::Empty));
    land(next.close().unwrap());
    assert_eq!(late.try_recv().unwrap(), "shop:a");
}

#[test]
fn a_full_batch_is_sent_by_who_fills_it_and_answers_only_its_own() {
    let (reads, on) = (reads(), runtime());
    let before = busy(&reads);
    let (mut words, begun) = begin_many(&reads, on, CALLERS - 1);
    let Turn::Send(last, full) = reads.join(key("last"), false, || on) else { panic!("it is full now") };
    words.push(last);
    let (mut other, next) = begin(&reads, on, "other");
    assert!(begun.close().is_none(), "it is on its way");
    run(full.land(vec!["failed".to_owned(); CALLERS]));
    assert!(words.iter_mut().all(|word| word.try_recv().unwrap() == "failed"));
    assert_eq!(other.try_recv(), Err(TryRecvError::Empty));
    land(next.close().unwrap());
    assert_eq!(other.try_recv().unwrap(), "shop:other");
    drop(before);
    assert_eq!(left(&reads), (0, 0));
}

/// Who waits for a task of a runtime that nobody drives any more would wait for ever.
#[test]
fn nobody_waits_for_a_task_of_another_runtime() {
    let (reads, here, there) = (reads(), runtime(), runtime());
    let _before = busy(&reads);
    let (mut word, begun) = begin(&reads, here, "a");
    let (mut other, elsewhere) = begin(&reads, there, "a");
    drop(wait(&reads, there, "b"));
    land(elsewhere.close().unwrap());
    assert_eq!(other.try_recv().unwrap(), "shop:a");
    assert_eq!(word.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(names(&begun.close().unwrap()), ["shop:a"]);
}

#[test]
fn a_task_that_never_runs_tells_those_who_wait_for_it() {
    let (reads, on) = (reads(), runtime());
    let before = busy(&reads);
    let (first, begun) = begin(&reads, on, "a");
    let mut words = [first, wait(&reads, on, "b")];
    drop(begun);
    assert!(words.iter_mut().all(|word| word.try_recv() == Err(TryRecvError::Closed)));
    drop(before);
    assert_eq!(left(&reads), (0, 0));
}

/// The task of a batch may stand behind one that blocks, or on a runtime that nobody drives.
#[test]
fn a_batch_of_which_nothing_becomes_is_given_up() {
    let (reads, on) = (reads(), runtime());
    let before = busy(&reads);
    assert!(reads.watch() && !reads.watch(), "one is enough");
    let (mut open, begun) = begin(&reads, on, "open");
    let (mut unsent, other) = begin(&reads, runtime(), "closed, and its task has no turn");
    let closed = other.close().unwrap();
    let (mut unanswered, sends) = begin(&reads, runtime(), "sent");
    let sent = sends.close().unwrap();
    assert!(sent.send());
    let mut words = [&mut open, &mut unsent, &mut unanswered];
    let mut given_up = || words.each_mut().map(|word| word.try_recv() == Err(TryRecvError::Closed));
    for expected in [[false; 3], [false; 3], [true, true, false], [true, true, false], [true; 3]] {
        let goes_on = reads.give_up(2, 4);
        assert_eq!(given_up(), expected);
        assert_eq!(goes_on, expected != [true; 3], "somebody still waits");
    }
    assert!(begun.close().is_none(), "it has nothing to send");
    // What is answered after all is answered to nobody.
    land(closed);
    land(sent);
    assert!(reads.watch(), "nobody does any more");
    let (mut word, begun) = begin(&reads, on, "answered in time");
    assert!(reads.give_up(2, 4));
    land(begun.close().unwrap());
    assert!(!reads.give_up(2, 4), "nothing is left to watch");
    assert!(word.try_recv().is_ok());
    drop(before);
    assert_eq!(left(&reads), (0, 0));
}

/// Those whose answers were still to be handed out.
#[test]
fn a_batch_whose_task_stops_between_its_parts_is_given_up() {
    let (reads, on) = (reads(), runtime());
    let mut before = busy(&reads);
    reads.watch();
    let (mut words, begun) = begin_many(&reads, on, 20);
    before.clear();
    let batch = begun.close().unwrap();
    assert!(batch.send());
    let answers = names(&batch);
    let (mut landing, mut context) = (pin!(batch.land(answers)), Context::from_waker(Waker::noop()));
    assert!(landing.as_mut().poll(&mut context).is_pending());
    assert!(!reads.give_up(0, 0));
    let told: Vec<_> = words.iter_mut().map(|word| word.try_recv().is_ok()).collect();
    assert_eq!(told, [[true; 10], [false; 10]].concat());
    assert!(words[10..].iter_mut().all(|word| word.try_recv() == Err(TryRecvError::Closed)));
    run(landing);
}

#[test]
fn nothing_is_left_of_callers_who_have_all_gone_away() {
    let (reads, on) = (reads(), runtime());
    let before = busy(&reads);
    for (closed, repeated) in [(false, "b"), (true, "b"), (true, "a")] {
        let (first, begun) = begin(&reads, on, "a");
        let second = wait(&reads, on, repeated);
        let batch = closed.then(|| begun.close().unwrap());
        drop(first);
        assert!(batch.as_ref().is_none_or(Batch::send), "one is still there");
        drop(second);
        assert!(batch.as_ref().is_none_or(|batch| !batch.send()));
        drop((batch, begun));
    }
    drop(before);
    assert_eq!(left(&reads), (0, 0));
}

#[test]
fn the_longer_the_answers_the_fewer_travel_together() {
    let (reads, on) = (reads(), runtime());
    (0..100).for_each(|_| reads.note(BYTES / 4));
    let _before = busy(&reads);
    let _three = begin_many(&reads, on, 3);
    let Turn::Send(_, full) = reads.join(key("3"), false, || on) else { panic!("more would not fit") };
    assert_eq!(full.keys().len(), 4);
    // Of these no two would fit.
    (0..100).for_each(|_| reads.note(BYTES));
    assert!((0..9).all(|_| matches!(reads.join(key("a"), false, || on), Turn::Alone(None))));
    (0..100).for_each(|_| reads.note(200));
    assert!(reads.0.length.load(super::Relaxed) < 1_000);
}

#[test]
fn no_more_than_so_many_wait() {
    let (reads, on): (Reads, _) = (Gather::new(FEW + 3), runtime());
    let before = busy(&reads);
    let first = begin(&reads, on, "a");
    let others = ["a", "b"].map(|name| wait(&reads, on, name));
    assert!(matches!(reads.join(key("c"), false, || on), Turn::Full));
    drop((first, others, before));
    assert_eq!(left(&reads), (0, 0));
}

/// One thing that happens to the reads of a server.
#[derive(Debug, Clone)]
enum Event {
    /// A caller comes, on one of two runtimes.
    Come { key: u8, runtime: usize },
    /// A task runs: closes its batch, and sends it.
    Send { task: usize },
    /// A task is gone before it has run.
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
    word: Receiver<Stamped>,
}

/// A command on its way, and when it was sent.
enum Sent {
    Alone { key: u8, _permit: Option<Permit<Stamped>> },
    Together(Batch<Stamped>),
}

/// A world in which one thing happens after the other.
struct World {
    reads: Gather<Stamped>,
    runtimes: [Id; 2],
    tasks: Vec<Begun<Stamped>>,
    sent: Vec<(usize, Sent)>,
    callers: BTreeMap<usize, Waiting>,
    now: usize,
}

/// Takes one of several out.
fn take<T>(of: &mut Vec<T>, nth: usize) -> Option<T> {
    (!of.is_empty()).then(|| of.remove(nth % of.len()))
}

impl World {
    fn new() -> World {
        let (tasks, sent, callers) = (Vec::new(), Vec::new(), BTreeMap::new());
        let runtimes = [runtime(), runtime()];
        let reads = Gather::new(32);
        // So that they travel together from the start.
        reads.0.lock().average = 8 * CALLERS;
        World { reads, runtimes, tasks, sent, callers, now: 0 }
    }

    fn happen(&mut self, event: &Event) {
        self.now += 1;
        let now = self.now;
        match *event {
            Event::Come { key, runtime } => {
                let word = match self.reads.join([b"k", b":", &[key]], false, || self.runtimes[runtime]) {
                    Turn::Alone(permit) => {
                        return self.sent.push((now, Sent::Alone { key, _permit: permit }));
                    }
                    Turn::Wait(word) => word,
                    Turn::Begin(word, begun) => {
                        self.tasks.push(begun);
                        word
                    }
                    Turn::Send(word, batch) => {
                        self.sent.push((now, Sent::Together(batch)));
                        word
                    }
                    Turn::Full => return,
                };
                self.callers.insert(now, Waiting { key, came: now, word });
            }
            Event::Send { task } => {
                if let Some(batch) = take(&mut self.tasks, task).and_then(|begun| begun.close()) {
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
                    run(batch.land(answers));
                }
                Some((sent, Sent::Alone { key, .. })) => {
                    check(key, sent, &([b'k', b':', key].to_vec(), sent));
                }
                None => {}
            },
        }
        self.callers.retain(|_, Waiting { key, came, word }| match word.try_recv() {
            Ok(answer) => {
                check(*key, *came, &answer);
                false
            }
            Err(TryRecvError::Empty) => true,
            // It asks by itself.
            Err(TryRecvError::Closed) => false,
        });
    }
}

/// What a caller is given is of its key, and was not on its way before it came.
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
        let queue = world.reads.0.lock();
        prop_assert_eq!((queue.on_their_way, queue.open.len()), (0, 0));
    }
}
