use std::collections::BTreeMap;

use proptest::prelude::*;
use tokio::sync::oneshot::{Receiver, error::TryRecvError};

use super::{BYTES, Flight, Gather, KEYS, Lead, Permit, Turn, Word};

type Answer = Result<String, &'static str>;
type Reads = Gather<Answer>;

fn reads() -> Reads {
    Gather::new(1_000)
}

fn key(name: &str) -> [&[u8]; 3] {
    [b"shop", b":", name.as_bytes()]
}

/// A read by itself that is on its way.
fn busy(reads: &Reads) -> Permit<Answer> {
    match reads.join(key("alone")) {
        Turn::Alone(Some(permit)) => permit,
        other => panic!("nothing is in the way, but {other:?}"),
    }
}

fn begin(reads: &Reads, name: &str) -> Lead<Answer> {
    match reads.join(key(name)) {
        Turn::Lead(lead) => lead,
        other => panic!("`{name}` begins a batch, but {other:?}"),
    }
}

fn wait(reads: &Reads, name: &str) -> Receiver<Word<Answer>> {
    match reads.join(key(name)) {
        Turn::Wait(word) => word,
        other => panic!("`{name}` joins the batch, but {other:?}"),
    }
}

fn told(word: &mut Receiver<Word<Answer>>) -> Lead<Answer> {
    match word.try_recv() {
        Ok(Word::Lead(lead)) => lead,
        other => panic!("this one should send, but {other:?}"),
    }
}

fn given(word: &mut Receiver<Word<Answer>>) -> Answer {
    match word.try_recv() {
        Ok(Word::Given(answer)) => answer,
        other => panic!("there should be an answer, but {other:?}"),
    }
}

fn names(flight: &Flight<Answer>) -> Vec<String> {
    flight.keys().map(|key| String::from_utf8(key.to_vec()).unwrap()).collect()
}

fn land(flight: Flight<Answer>) -> Answer {
    let answers: Vec<Answer> = names(&flight).into_iter().map(Ok).collect();
    flight.land(answers).unwrap()
}

fn left(reads: &Reads) -> (usize, usize, usize) {
    let queue = reads.0.lock();
    (queue.on_their_way, queue.callers, queue.batches.len())
}

#[test]
fn a_read_with_no_other_on_its_way_goes_out_by_itself() {
    let reads = reads();
    drop(busy(&reads));
    drop(busy(&reads));
    assert_eq!(left(&reads), (0, 0, 0));
}

#[test]
fn those_who_come_before_it_is_sent_travel_together_and_ask_for_equal_keys_once() {
    let reads = reads();
    let before = busy(&reads);
    let lead = begin(&reads, "a");
    let mut words = ["b", "a", "c", "b"].map(|name| wait(&reads, name));
    let flight = lead.take().unwrap();
    assert_eq!(names(&flight), ["shop:a", "shop:b", "shop:c"]);
    assert_eq!(land(flight).unwrap(), "shop:a");
    for (word, name) in words.iter_mut().zip(["shop:b", "shop:a", "shop:c", "shop:b"]) {
        assert_eq!(given(word).unwrap(), name);
    }
    drop(before);
    assert_eq!(left(&reads), (0, 0, 0));
}

#[test]
fn a_batch_is_joined_until_it_is_sent_and_never_after() {
    let reads = reads();
    let _before = busy(&reads);
    let lead = begin(&reads, "a");
    let mut unsent = wait(&reads, "a");
    let flight = lead.take().unwrap();
    // What is on its way when it comes is not for this one.
    let late = begin(&reads, "a");
    assert_eq!(land(flight).unwrap(), "shop:a");
    assert_eq!(given(&mut unsent).unwrap(), "shop:a");
    assert_eq!(names(&late.take().unwrap()), ["shop:a"]);
}

#[test]
fn an_error_reaches_those_of_its_own_command() {
    let reads = reads();
    let before = busy(&reads);
    let failing = begin(&reads, "0");
    let mut words: Vec<_> = (1..KEYS).map(|number| wait(&reads, &number.to_string())).collect();
    let other = begin(&reads, "other");
    let failing = failing.take().unwrap();
    assert_eq!(failing.keys().len(), KEYS);
    let other = other.take().unwrap();
    assert_eq!(failing.land(vec![Err("connection lost"); KEYS]), Some(Err("connection lost")));
    assert!(words.iter_mut().all(|word| given(word) == Err("connection lost")));
    assert_eq!(land(other).unwrap(), "shop:other");
    drop(before);
    assert_eq!(left(&reads), (0, 0, 0));
}

#[test]
fn who_goes_away_before_sending_is_replaced() {
    let reads = reads();
    let before = busy(&reads);
    let lead = begin(&reads, "a");
    let [gone, second, mut last] = ["b", "c", "d"].map(|name| wait(&reads, name));
    drop(gone);
    drop(lead);
    // This one has been told, and goes away as well.
    drop(second);
    assert_eq!(land(told(&mut last).take().unwrap()).unwrap(), "shop:d");
    drop(before);
    assert_eq!(left(&reads), (0, 0, 0));
}

#[test]
fn who_goes_away_while_the_command_is_on_its_way_is_replaced() {
    let reads = reads();
    let before = busy(&reads);
    let lead = begin(&reads, "a");
    let mut word = wait(&reads, "b");
    drop(lead.take().unwrap());
    let lead = told(&mut word);
    // It has not been sent again yet.
    let mut late = wait(&reads, "b");
    assert_eq!(land(lead.take().unwrap()).unwrap(), "shop:b");
    assert_eq!(given(&mut late).unwrap(), "shop:b");
    drop(before);
    assert_eq!(left(&reads), (0, 0, 0));
}

#[test]
fn nothing_is_left_of_callers_who_have_all_gone_away() {
    let reads = reads();
    let before = busy(&reads);
    for sent in [false, true] {
        let lead = begin(&reads, "a");
        let words = ["b", "c"].map(|name| wait(&reads, name));
        let flight = sent.then(|| lead.take());
        drop(words);
        drop(flight);
    }
    drop(before);
    assert_eq!(left(&reads), (0, 0, 0));
}

#[test]
fn the_longer_the_answers_the_fewer_travel_together() {
    let reads = reads();
    (0..100).for_each(|_| reads.note(BYTES / 4));
    let _before = busy(&reads);
    let lead = begin(&reads, "0");
    let _words: Vec<_> = (1..4).map(|number| wait(&reads, &number.to_string())).collect();
    let _next = begin(&reads, "4");
    assert_eq!(lead.take().unwrap().keys().len(), 4);
    // Of these no two would fit.
    (0..100).for_each(|_| reads.note(BYTES));
    assert!((0..9).all(|_| matches!(reads.join(key("a")), Turn::Alone(None))));
    (0..100).for_each(|_| reads.note(200));
    assert!(reads.0.usual.load(super::Relaxed) < 1_000);
}

#[test]
fn no_more_than_so_many_wait() {
    let reads: Reads = Gather::new(4);
    let before = busy(&reads);
    let lead = begin(&reads, "a");
    let words = ["a", "b"].map(|name| wait(&reads, name));
    assert!(matches!(reads.join(key("c")), Turn::Full));
    drop((words, lead, before));
    assert_eq!(left(&reads), (0, 0, 0));
}

/// One thing that happens to the reads of a server.
#[derive(Debug, Clone)]
enum Event {
    /// A caller comes.
    Come { key: u8 },
    /// A caller does what it has to do next: send, take its answer, or nothing yet.
    Go { caller: usize },
    /// A caller goes away.
    Leave { caller: usize },
    /// A command is answered.
    Answer { command: usize },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..4_u8).prop_map(|key| Event::Come { key }),
        4 => (0..64_usize).prop_map(|caller| Event::Go { caller }),
        1 => (0..64_usize).prop_map(|caller| Event::Leave { caller }),
        3 => (0..8_usize).prop_map(|command| Event::Answer { command }),
    ]
}

/// An answer that says which key was read, and when that command was sent.
type Stamped = (Vec<u8>, usize);

enum Doing {
    Alone { sent: usize, permit: Option<Permit<Stamped>> },
    GivingWay(Lead<Stamped>),
    Waiting(Receiver<Word<Stamped>>),
    Leading { sent: usize, flight: Flight<Stamped> },
}

struct One {
    key: u8,
    came: usize,
    doing: Doing,
}

/// A world in which one thing happens after the other.
struct World {
    reads: Gather<Stamped>,
    callers: BTreeMap<usize, One>,
    now: usize,
    answered: usize,
}

impl World {
    fn happen(&mut self, event: &Event) {
        self.now += 1;
        let nth = |callers: &BTreeMap<usize, One>, nth: usize| {
            callers.keys().copied().nth(nth % callers.len().max(1))
        };
        match *event {
            Event::Come { key } => {
                let doing = match self.reads.join([b"k", b":", &[key]]) {
                    Turn::Alone(permit) => Doing::Alone { sent: self.now, permit },
                    Turn::Lead(lead) => Doing::GivingWay(lead),
                    Turn::Wait(word) => Doing::Waiting(word),
                    Turn::Full => return,
                };
                self.callers.insert(self.now, One { key, came: self.now, doing });
            }
            Event::Go { caller } => {
                if let Some(caller) = nth(&self.callers, caller) {
                    self.go(caller);
                }
            }
            Event::Leave { caller } => {
                if let Some(caller) = nth(&self.callers, caller) {
                    self.callers.remove(&caller);
                }
            }
            Event::Answer { command } => {
                let on_their_way =
                    |one: &&One| matches!(one.doing, Doing::Alone { .. } | Doing::Leading { .. });
                let callers: Vec<usize> =
                    self.callers.values().filter(on_their_way).map(|one| one.came).collect();
                if let Some(caller) = callers.get(command % callers.len().max(1)) {
                    self.answer(*caller);
                }
            }
        }
    }

    /// A caller sends what it has begun, or looks whether there is word.
    fn go(&mut self, caller: usize) {
        let Some(mut one) = self.callers.remove(&caller) else { return };
        let sent = self.now;
        one.doing = match one.doing {
            Doing::GivingWay(lead) => Doing::Leading { sent, flight: lead.take().unwrap() },
            Doing::Waiting(mut word) => match word.try_recv() {
                Ok(Word::Given(answer)) => return self.check(one.key, one.came, &answer),
                Ok(Word::Lead(lead)) => Doing::Leading { sent, flight: lead.take().unwrap() },
                Err(TryRecvError::Empty) => Doing::Waiting(word),
                Err(TryRecvError::Closed) => panic!("nobody will tell this caller anything"),
            },
            on_its_way => on_its_way,
        };
        self.callers.insert(caller, one);
    }

    fn answer(&mut self, caller: usize) {
        let one = self.callers.remove(&caller).unwrap();
        let answer = match one.doing {
            Doing::Alone { sent, permit } => {
                drop(permit);
                ([b"k:", &[one.key][..]].concat(), sent)
            }
            Doing::Leading { sent, flight } => {
                let answers: Vec<Stamped> = flight.keys().map(|key| (key.to_vec(), sent)).collect();
                flight.land(answers).unwrap()
            }
            Doing::GivingWay(_) | Doing::Waiting(_) => return,
        };
        self.check(one.key, one.came, &answer);
    }

    /// What a caller is given is of its key, and was not on its way before it came.
    fn check(&mut self, asked: u8, came: usize, (key, sent): &Stamped) {
        assert_eq!(*key, [b"k:", &[asked][..]].concat());
        assert!(*sent >= came, "a read of {sent} was given to who came at {came}");
        self.answered += 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_happens_nobody_is_given_an_old_read_and_nobody_is_forgotten(
        events in prop::collection::vec(event(), 1..200),
    ) {
        let mut world =
            World { reads: Gather::new(32), callers: BTreeMap::new(), now: 0, answered: 0 };
        for event in events {
            world.happen(&event);
        }
        // Those who are left do what they have to do until all are served.
        for _ in 0..1_000 {
            let callers: Vec<usize> = world.callers.keys().copied().collect();
            for caller in callers {
                world.happen(&Event::Answer { command: 0 });
                world.now += 1;
                world.go(caller);
            }
        }
        prop_assert!(world.callers.is_empty());
        let queue = world.reads.0.lock();
        prop_assert_eq!((queue.on_their_way, queue.callers, queue.batches.len()), (0, 0, 0));
    }
}
