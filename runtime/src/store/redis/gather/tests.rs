use std::collections::BTreeMap;

use proptest::prelude::*;
use tokio::sync::oneshot::{Receiver, error::TryRecvError};

use super::{BYTES, Flight, Gather, KEYS, Lead, ON_THEIR_WAY, Permit, Turn, Word};

type Answer = Result<String, &'static str>;
type Reads = Gather<Answer>;

fn reads() -> Reads {
    Gather::new(1_000)
}

fn key(name: &str) -> [&[u8]; 3] {
    [b"shop", b":", name.as_bytes()]
}

/// As many reads by themselves as may be on their way.
fn busy(reads: &Reads) -> Vec<Permit<Answer>> {
    let alone = |_| match reads.join(key("alone")) {
        Turn::Alone(Some(permit)) => permit,
        other => panic!("nothing is in the way, but {other:?}"),
    };
    (0..ON_THEIR_WAY).map(alone).collect()
}

fn wait(reads: &Reads, name: &str) -> Receiver<Word<Answer>> {
    match reads.join(key(name)) {
        Turn::Wait(word) => word,
        other => panic!("`{name}` has to wait, but {other:?}"),
    }
}

fn lead(word: &mut Receiver<Word<Answer>>) -> Lead<Answer> {
    match word.try_recv() {
        Ok(Word::Lead(lead)) => lead,
        other => panic!("this one should lead, but {other:?}"),
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

fn idle(reads: &Reads) -> bool {
    let queue = reads.0.lock();
    (queue.on_their_way, queue.callers, queue.batches.len()) == (0, 0, 0)
}

#[test]
fn a_read_with_nobody_before_it_goes_out_by_itself() {
    let reads = reads();
    drop(busy(&reads));
    assert!(matches!(reads.join(key("a")), Turn::Alone(Some(_))));
    assert!(idle(&reads));
}

#[test]
fn those_behind_travel_together_and_ask_for_equal_keys_once() {
    let reads = reads();
    let mut before = busy(&reads);
    let mut words = ["a", "b", "a", "c", "b"].map(|name| wait(&reads, name));
    before.pop();
    let flight = lead(&mut words[0]).take().unwrap();
    assert_eq!(names(&flight), ["shop:a", "shop:b", "shop:c"]);
    assert_eq!(land(flight).unwrap(), "shop:a");
    for (word, name) in words[1..].iter_mut().zip(["shop:b", "shop:a", "shop:c", "shop:b"]) {
        assert_eq!(given(word).unwrap(), name);
    }
    drop(before);
    assert!(idle(&reads));
}

#[test]
fn a_batch_is_joined_until_it_is_sent_and_never_after() {
    let reads = reads();
    let mut before = busy(&reads);
    let mut first = wait(&reads, "a");
    before.pop();
    let told = lead(&mut first);
    let mut unsent = wait(&reads, "a");
    let flight = told.take().unwrap();
    let mut late = wait(&reads, "a");
    assert_eq!(land(flight).unwrap(), "shop:a");
    assert_eq!(given(&mut unsent).unwrap(), "shop:a");
    // What was on its way when it came is not for this one.
    let flight = lead(&mut late).take().unwrap();
    assert_eq!(names(&flight), ["shop:a"]);
}

#[test]
fn an_error_reaches_those_of_its_own_command() {
    let reads = reads();
    let before = busy(&reads);
    let mut words: Vec<_> = (0..=KEYS).map(|number| wait(&reads, &number.to_string())).collect();
    drop(before);
    let failing = lead(&mut words[0]).take().unwrap();
    assert_eq!(failing.keys().len(), KEYS);
    let other = lead(&mut words[KEYS]).take().unwrap();
    let errors = vec![Err("connection lost"); KEYS];
    assert_eq!(failing.land(errors), Some(Err("connection lost")));
    assert_eq!(given(&mut words[1]), Err("connection lost"));
    assert_eq!(land(other).unwrap(), format!("shop:{KEYS}"));
    assert!(idle(&reads));
}

#[test]
fn a_leader_that_goes_away_before_it_sends_is_replaced() {
    let reads = reads();
    let mut before = busy(&reads);
    let mut words = ["a", "b", "c"].map(|name| Some(wait(&reads, name)));
    // One that has gone away before its turn is not chosen; one that goes after it hands over.
    words[0] = None;
    before.pop();
    words[1] = None;
    let mut last = words[2].take().unwrap();
    assert_eq!(land(lead(&mut last).take().unwrap()).unwrap(), "shop:c");
    drop(before);
    assert!(idle(&reads));
}

#[test]
fn a_leader_that_goes_away_while_its_command_is_on_its_way_is_replaced() {
    let reads = reads();
    let mut before = busy(&reads);
    let mut words = ["a", "b"].map(|name| wait(&reads, name));
    before.pop();
    let flight = lead(&mut words[0]).take().unwrap();
    drop(flight);
    let told = lead(&mut words[1]);
    // It has not been sent again yet.
    let mut late = wait(&reads, "b");
    assert_eq!(land(told.take().unwrap()).unwrap(), "shop:b");
    assert_eq!(given(&mut late).unwrap(), "shop:b");
    drop(before);
    assert!(idle(&reads));
}

#[test]
fn nothing_is_left_of_callers_who_have_all_gone_away() {
    let reads = reads();
    let before = busy(&reads);
    drop(["a", "b", "c"].map(|name| wait(&reads, name)));
    drop(before);
    assert!(idle(&reads));
}

#[test]
fn batches_go_in_the_order_in_which_their_callers_came() {
    let reads = reads();
    let mut before = busy(&reads);
    let mut words: Vec<_> = (0..3 * KEYS).map(|number| wait(&reads, &number.to_string())).collect();
    before.pop();
    for batch in 0..3 {
        let flight = lead(&mut words[batch * KEYS]).take().unwrap();
        assert_eq!(names(&flight)[0], format!("shop:{}", batch * KEYS));
        land(flight).unwrap();
    }
    drop(before);
    assert!(idle(&reads));
}

#[test]
fn the_longer_the_answers_the_fewer_travel_together() {
    let reads = reads();
    (0..100).for_each(|_| reads.note(BYTES / 4));
    let before = busy(&reads);
    let mut words: Vec<_> = (0..6).map(|number| wait(&reads, &number.to_string())).collect();
    drop(before);
    assert_eq!(lead(&mut words[0]).take().unwrap().keys().len(), 4);
    // Of these no two would fit: nobody waits.
    (0..100).for_each(|_| reads.note(BYTES));
    assert!((0..9).all(|_| matches!(reads.join(key("a")), Turn::Alone(None))));
    (0..100).for_each(|_| reads.note(200));
    assert!(reads.0.usual.load(super::Relaxed) < 1_000);
}

#[test]
fn no_more_than_so_many_wait() {
    let reads: Reads = Gather::new(2);
    let before = busy(&reads);
    let waiting = ["a", "b"].map(|name| wait(&reads, name));
    assert!(matches!(reads.join(key("c")), Turn::Full));
    drop((before, waiting));
    assert!(idle(&reads));
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
                let on_their_way = |one: &&One| !matches!(one.doing, Doing::Waiting(_));
                let callers: Vec<usize> =
                    self.callers.values().filter(on_their_way).map(|one| one.came).collect();
                if let Some(caller) = callers.get(command % callers.len().max(1)) {
                    self.answer(*caller);
                }
            }
        }
    }

    /// A caller looks whether there is word.
    fn go(&mut self, caller: usize) {
        let Some(one) = self.callers.get_mut(&caller) else { return };
        let Doing::Waiting(word) = &mut one.doing else { return };
        match word.try_recv() {
            Ok(Word::Given(answer)) => {
                let one = self.callers.remove(&caller).unwrap();
                self.check(&one, &answer);
            }
            Ok(Word::Lead(lead)) => {
                one.doing = Doing::Leading { sent: self.now, flight: lead.take().unwrap() };
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Closed) => panic!("nobody will tell this caller anything"),
        }
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
            Doing::Waiting(_) => return,
        };
        self.check(&One { doing: Doing::Alone { sent: 0, permit: None }, ..one }, &answer);
    }

    /// What a caller is given is of its key, and was not on its way before it came.
    fn check(&mut self, one: &One, (key, sent): &Stamped) {
        assert_eq!(*key, [b"k:", &[one.key][..]].concat());
        assert!(*sent >= one.came, "a read of {sent} was given to who came at {}", one.came);
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
        events.iter().for_each(|event| world.happen(event));
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
