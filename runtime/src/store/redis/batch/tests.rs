use std::{
    iter,
    pin::pin,
    task::{Context, Waker},
};

use tokio::{
    runtime::{Builder, Id},
    sync::oneshot::{Receiver, error::TryRecvError},
};

use super::{Admission, Batch, MAX_BYTES, MAX_CALLERS, OpenBatch, Permit, ReadBatcher, SOLO_LIMIT};

mod events;

type Reads = ReadBatcher<String>;

fn reads() -> Reads {
    ReadBatcher::new(1_000)
}

/// The id of a runtime that is gone again: only to tell it from others.
fn runtime() -> Id {
    Builder::new_current_thread().build().unwrap().handle().id()
}

fn key(name: &str) -> [&[u8]; 3] {
    [b"shop", b":", name.as_bytes()]
}

/// A read that is sent alone and is in flight.
fn alone(reads: &Reads) -> Permit<String> {
    match reads.join(key("alone"), false, runtime) {
        Admission::Alone(Some(permit)) => permit,
        other => panic!("nothing is in the way, but {other:?}"),
    }
}

/// As many reads in flight as it takes for the next ones to be batched.
fn busy(reads: &Reads) -> Vec<Permit<String>> {
    (0..SOLO_LIMIT).map(|_| alone(reads)).collect()
}

/// Polls it to its end; there are no other tasks.
fn run(future: impl Future<Output = ()>) {
    let (mut future, mut context) = (pin!(future), Context::from_waker(Waker::noop()));
    while future.as_mut().poll(&mut context).is_pending() {}
}

fn begin(reads: &Reads, on: Id, name: &str) -> (Receiver<String>, OpenBatch<String>) {
    match reads.join(key(name), false, || on) {
        Admission::Begin(reply, open_batch) => (reply, open_batch),
        other => panic!("`{name}` begins a batch, but {other:?}"),
    }
}

fn wait(reads: &Reads, on: Id, name: &str) -> Receiver<String> {
    match reads.join(key(name), false, || on) {
        Admission::Wait(reply) => reply,
        other => panic!("`{name}` joins the batch, but {other:?}"),
    }
}

/// Opens a batch of `callers`, each with a key of its own.
fn begin_many(reads: &Reads, on: Id, callers: usize) -> (Vec<Receiver<String>>, OpenBatch<String>) {
    let (first, open_batch) = begin(reads, on, "0");
    let others = (1..callers).map(|number| wait(reads, on, &number.to_string()));
    (iter::once(first).chain(others).collect(), open_batch)
}

fn names(batch: &Batch<String>) -> Vec<String> {
    batch.keys().map(|key| String::from_utf8(key.to_vec()).unwrap()).collect()
}

fn distribute(batch: Batch<String>) {
    let answers = names(&batch);
    run(batch.distribute(answers));
}

fn left(reads: &Reads) -> (usize, usize) {
    let queue = reads.0.queue.lock();
    (queue.in_flight, queue.open.len())
}

#[test]
fn a_read_with_few_others_on_their_way_goes_out_by_itself() {
    let (reads, on) = (reads(), runtime());
    drop(busy(&reads));
    let before = busy(&reads);
    assert_eq!(left(&reads), (SOLO_LIMIT, 0));
    let (_, open_batch) = begin(&reads, on, "a");
    drop((before, open_batch));
    assert_eq!(left(&reads), (0, 0));
}

#[test]
fn a_crowd_is_remembered_until_it_is_gone() {
    let (reads, on) = (reads(), runtime());
    let before = busy(&reads);
    for _ in 0..4 {
        let (_words, open_batch) = begin_many(&reads, on, MAX_CALLERS / 2);
        distribute(open_batch.close().unwrap());
    }
    drop(before);
    // The first of the next batch, or a single caller: the average shows it soon.
    for _ in 0..2 {
        let (_, open_batch) = begin(&reads, on, "a");
        distribute(open_batch.close().unwrap());
    }
    drop(alone(&reads));
    assert_eq!(left(&reads), (0, 0));
}

/// The order in which callers are answered and go on keeps the server busy.
#[test]
fn the_first_of_a_crowd_go_on_before_the_others_are_told() {
    let told = |in_flight: bool| {
        let (reads, on) = (reads(), runtime());
        let mut before = busy(&reads);
        let (mut waiters, open_batch) = begin_many(&reads, on, 20);
        if !in_flight {
            before.clear();
        }
        let batch = open_batch.close().unwrap();
        let answers = names(&batch);
        let (mut landing, mut context) =
            (pin!(batch.distribute(answers)), Context::from_waker(Waker::noop()));
        let mut told = Vec::new();
        loop {
            let over = landing.as_mut().poll(&mut context).is_ready();
            told.push(waiters.iter_mut().filter_map(|reply| reply.try_recv().ok()).count());
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
    let (first, open_batch) = begin(&reads, on, "a");
    let mut waiters = vec![first];
    waiters.extend(["b", "a", "c", "b"].map(|name| wait(&reads, on, name)));
    let batch = open_batch.close().unwrap();
    assert_eq!(names(&batch), ["shop:a", "shop:b", "shop:c"]);
    distribute(batch);
    for (reply, name) in waiters.iter_mut().zip(["shop:a", "shop:b", "shop:a", "shop:c", "shop:b"]) {
        assert_eq!(reply.try_recv().unwrap(), name);
    }
    drop((before, open_batch));
    assert_eq!(left(&reads), (0, 0));
}

#[test]
fn a_batch_is_joined_until_it_is_sent_and_never_after() {
    let (reads, on) = (reads(), runtime());
    let _before = busy(&reads);
    let (_, open_batch) = begin(&reads, on, "a");
    let mut unsent = wait(&reads, on, "a");
    let batch = open_batch.close().unwrap();
    // A read must not join one that is in flight already.
    let (mut late, next) = begin(&reads, on, "a");
    distribute(batch);
    assert_eq!(unsent.try_recv().unwrap(), "shop:a");
    assert_eq!(late.try_recv(), Err(TryRecvError::Empty));
    distribute(next.close().unwrap());
    assert_eq!(late.try_recv().unwrap(), "shop:a");
}

#[test]
fn a_full_batch_is_sent_by_who_fills_it_and_answers_only_its_own() {
    let (reads, on) = (reads(), runtime());
    let before = busy(&reads);
    let (mut waiters, open_batch) = begin_many(&reads, on, MAX_CALLERS - 1);
    let Admission::Send(last, full) = reads.join(key("last"), false, || on) else { panic!("it is full now") };
    waiters.push(last);
    let (mut other, next) = begin(&reads, on, "other");
    assert!(open_batch.close().is_none(), "it is on its way");
    run(full.distribute(vec!["failed".to_owned(); MAX_CALLERS]));
    assert!(waiters.iter_mut().all(|reply| reply.try_recv().unwrap() == "failed"));
    assert_eq!(other.try_recv(), Err(TryRecvError::Empty));
    distribute(next.close().unwrap());
    assert_eq!(other.try_recv().unwrap(), "shop:other");
    drop(before);
    assert_eq!(left(&reads), (0, 0));
}

/// A caller must not wait for ever for a task of a runtime that nobody drives any more.
#[test]
fn nobody_waits_for_a_task_of_another_runtime() {
    let (reads, here, there) = (reads(), runtime(), runtime());
    let _before = busy(&reads);
    let (mut reply, open_batch) = begin(&reads, here, "a");
    let (mut other, elsewhere) = begin(&reads, there, "a");
    drop(wait(&reads, there, "b"));
    distribute(elsewhere.close().unwrap());
    assert_eq!(other.try_recv().unwrap(), "shop:a");
    assert_eq!(reply.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(names(&open_batch.close().unwrap()), ["shop:a"]);
}

#[test]
fn a_task_that_never_runs_tells_those_who_wait_for_it() {
    let (reads, on) = (reads(), runtime());
    let before = busy(&reads);
    let (first, open_batch) = begin(&reads, on, "a");
    let mut waiters = [first, wait(&reads, on, "b")];
    drop(open_batch);
    assert!(waiters.iter_mut().all(|reply| reply.try_recv() == Err(TryRecvError::Closed)));
    drop(before);
    assert_eq!(left(&reads), (0, 0));
}

/// The task of a batch may be queued behind one that blocks, or on a runtime that nobody drives.
#[test]
fn a_batch_of_which_nothing_becomes_is_given_up() {
    let (reads, on) = (reads(), runtime());
    let before = busy(&reads);
    assert!(reads.supervise() && !reads.supervise(), "one is enough");
    let (mut open, open_batch) = begin(&reads, on, "open");
    let (mut unsent, other) = begin(&reads, runtime(), "closed, and its task has no turn");
    let closed = other.close().unwrap();
    let (mut unanswered, sends) = begin(&reads, runtime(), "sent");
    let sent = sends.close().unwrap();
    assert!(sent.send());
    let mut waiters = [&mut open, &mut unsent, &mut unanswered];
    let mut given_up = || waiters.each_mut().map(|reply| reply.try_recv() == Err(TryRecvError::Closed));
    for expected in [[false; 3], [false; 3], [true, true, false], [true, true, false], [true; 3]] {
        let goes_on = reads.give_up(2, 4);
        assert_eq!(given_up(), expected);
        assert_eq!(goes_on, expected != [true; 3], "somebody still waits");
    }
    assert!(open_batch.close().is_none(), "it has nothing to send");
    // A late answer goes to nobody.
    distribute(closed);
    distribute(sent);
    assert!(reads.supervise(), "nobody does any more");
    let (mut reply, open_batch) = begin(&reads, on, "answered in time");
    assert!(reads.give_up(2, 4));
    distribute(open_batch.close().unwrap());
    assert!(!reads.give_up(2, 4), "nothing is left to watch");
    assert!(reply.try_recv().is_ok());
    drop(before);
    assert_eq!(left(&reads), (0, 0));
}

/// Those whose answers were still to be distributed.
#[test]
fn a_batch_whose_task_stops_between_its_parts_is_given_up() {
    let (reads, on) = (reads(), runtime());
    let mut before = busy(&reads);
    reads.supervise();
    let (mut waiters, open_batch) = begin_many(&reads, on, 20);
    before.clear();
    let batch = open_batch.close().unwrap();
    assert!(batch.send());
    let answers = names(&batch);
    let (mut landing, mut context) = (pin!(batch.distribute(answers)), Context::from_waker(Waker::noop()));
    assert!(landing.as_mut().poll(&mut context).is_pending());
    assert!(!reads.give_up(0, 0));
    let told: Vec<_> = waiters.iter_mut().map(|reply| reply.try_recv().is_ok()).collect();
    assert_eq!(told, [[true; 10], [false; 10]].concat());
    assert!(waiters[10..].iter_mut().all(|reply| reply.try_recv() == Err(TryRecvError::Closed)));
    run(landing);
}

#[test]
fn nothing_is_left_of_callers_who_have_all_gone_away() {
    let (reads, on) = (reads(), runtime());
    let before = busy(&reads);
    for (closed, repeated) in [(false, "b"), (true, "b"), (true, "a")] {
        let (first, open_batch) = begin(&reads, on, "a");
        let second = wait(&reads, on, repeated);
        let batch = closed.then(|| open_batch.close().unwrap());
        drop(first);
        assert!(batch.as_ref().is_none_or(Batch::send), "one is still there");
        drop(second);
        assert!(batch.as_ref().is_none_or(|batch| !batch.send()));
        drop((batch, open_batch));
    }
    drop(before);
    assert_eq!(left(&reads), (0, 0));
}

#[test]
fn the_longer_the_answers_the_fewer_travel_together() {
    let (reads, on) = (reads(), runtime());
    (0..100).for_each(|_| reads.record_length(MAX_BYTES / 4));
    let _before = busy(&reads);
    let _three = begin_many(&reads, on, 3);
    let Admission::Send(_, full) = reads.join(key("3"), false, || on) else { panic!("more would not fit") };
    assert_eq!(full.keys().len(), 4);
    // No two of these would fit.
    (0..100).for_each(|_| reads.record_length(MAX_BYTES));
    assert!((0..9).all(|_| matches!(reads.join(key("a"), false, || on), Admission::Alone(None))));
    (0..100).for_each(|_| reads.record_length(200));
    assert!(reads.0.length.load(super::Relaxed) < 1_000);
}

#[test]
fn no_more_than_so_many_wait() {
    let (reads, on): (Reads, _) = (ReadBatcher::new(SOLO_LIMIT + 3), runtime());
    let before = busy(&reads);
    let first = begin(&reads, on, "a");
    let others = ["a", "b"].map(|name| wait(&reads, on, name));
    assert!(matches!(reads.join(key("c"), false, || on), Admission::Full));
    drop((first, others, before));
    assert_eq!(left(&reads), (0, 0));
}
