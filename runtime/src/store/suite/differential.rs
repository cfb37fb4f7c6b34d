//! Random steps in this process and on Redis: every answer, all bytes, and their expiry have to agree.
//!
//! Both have the same clock: that of the in-process store is paused, and the scripts get its time instead of the server's. So even
//! the times in the bytes are equal.

use std::{cell::RefCell, collections::BTreeSet};

use bytes::Bytes;
use cached_aside_protocol::{
    Step, Writers,
    entry::TagSlot,
    format::{GUARD, LEASE, LOCAL_END, LOCAL_UNTIL_AT, LONGEST, MAGIC, TAG, VALUE},
    steps::{Arguments, Reply, scripts},
};
use cached_aside_tests::RedisServer;
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};
use redis::{Cmd, cmd};
use tokio::{runtime::Builder, time::advance};

use super::*;

/// All times are whole minutes, so that the duration of the test does not matter.
const MINUTE: Duration = Duration::from_secs(60);
/// Maximum duration of a run of moves.
const DRIFT: Duration = Duration::from_secs(30);
const KEY: &str = "k";

/// What happens next.
#[derive(Debug, Clone)]
enum Move {
    /// Another program puts this under the key.
    Plant(Vec<u8>, Duration),
    /// Time passes.
    Wait(Duration),
    Acquire(Seen, Token, Duration),
    Elect(Seen, Token, Duration, bool),
    Carry(Token, Duration),
    Renew(Token, Duration),
    Fill(Token, Vec<u8>, Duration),
    Abandon(Token, Ending),
    Register(Seen, Duration),
    Guard(Token, Duration),
    RenewGuard(Token, Duration),
    Release(Token, Left),
    Remove,
}

/// What a reader saw before it runs a step.
#[derive(Debug, Clone, Copy)]
enum Seen {
    There,
    Nothing,
    /// The entry one move earlier.
    Before,
}

fn tokens() -> impl Strategy<Value = Token> {
    (0..3_u64).prop_map(token)
}

/// Whole minutes, few enough that they coincide, with a part of a millisecond that neither store counts.
fn minutes(choices: &'static [u32]) -> impl Strategy<Value = Duration> {
    (select(choices), select(vec![0, 999]))
        .prop_map(|(minutes, micros)| MINUTE * minutes + Duration::from_micros(micros))
}

/// Points in time before and after the steps.
const TIMES: &[u32] = &[0, 120, 150, 180, 181, 210, 240, 241, 300, 400];
/// How long something may be held or kept. Copies are asked for shorter times: what is left of a minute in Redis is real.
const HOLDS: &[u32] = &[1, 30, 59, 60];
const TTLS: &[u32] = &[1, 30, 60, 61, 200, 400];

fn values() -> impl Strategy<Value = Vec<u8>> {
    (tokens(), vec(any::<u8>(), 0..20), select(vec![true, true, false]), minutes(HOLDS)).prop_map(
        |(token, payload, local, fresh_for)| {
            let mut bytes = entry::begin_with(&[], local);
            bytes.extend_from_slice(&payload);
            let (fingerprint, load_time) = (FINGERPRINT, Duration::ZERO);
            let header = Header { fingerprint, fresh_for, load_time, outlives_freshness: false };
            entry::finish(&mut bytes, token, header);
            bytes
        },
    )
}

/// A guard of several writers, some of them from before the clock went back.
fn guards() -> impl Strategy<Value = Vec<u8>> {
    let slots = vec((tokens(), minutes(TIMES)), 0..4);
    let copies = prop::option::of(minutes(TIMES).prop_map(whole_millis));
    (any::<bool>(), slots, copies).prop_map(|(overlapped, slots, local_until)| {
        let mut writers = Writers::default();
        (writers.overlapped, writers.local_until) = (overlapped, local_until);
        for (token, deadline) in slots {
            writers.stay(token, deadline);
        }
        writers.write()
    })
}

fn whole_millis(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap())
}

/// A value that is or was being revalidated, and of which there may be local copies.
fn refreshed() -> impl Strategy<Value = Vec<u8>> {
    let holders =
        prop_oneof![tokens().prop_map(|token| *token.as_bytes()), any::<u8>().prop_map(entry::failures)];
    let stamps = (minutes(TIMES), minutes(TIMES));
    (values(), holders, minutes(TIMES), stamps).prop_map(|(mut value, holder, until, (stored_at, copied))| {
        entry::set_refresh(&mut value, holder, until);
        entry::stamp(&mut value, stored_at);
        if entry::can_have_copies(&value) {
            let until = u64::try_from(copied.as_millis()).unwrap().to_be_bytes();
            value[LOCAL_UNTIL_AT..LOCAL_END].copy_from_slice(&until[2..]);
        }
        value
    })
}

/// The version of a tag, with copies of what carries it or without.
fn tags() -> impl Strategy<Value = Vec<u8>> {
    (tokens(), prop::option::of(minutes(TIMES))).prop_map(|(version, copied)| copied_tag(version, copied))
}

fn copied_tag(version: Token, copied: Option<Duration>) -> Vec<u8> {
    let millis = copied.map(|until| u64::try_from(until.as_millis()).unwrap().to_be_bytes());
    [&entry::tag(version)[..], millis.as_ref().map_or(&[], |until| &until[2..])].concat()
}

/// What may be under a key, whoever put it there.
fn planted() -> impl Strategy<Value = Vec<u8>> {
    let begun = |kind: u8| move |rest: Vec<u8>| [&MAGIC[..], &[kind], &rest].concat();
    let cut = (prop_oneof![guards(), refreshed(), tags()], any::<prop::sample::Index>());
    prop_oneof![
        2 => tokens().prop_map(|token| entry::lease(token).to_vec()),
        4 => tags(),
        4 => refreshed(),
        4 => guards(),
        2 => cut.prop_map(|(bytes, at)| bytes[..at.index(bytes.len())].to_vec()),
        1 => select(&FOREIGN[..]).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..80).prop_map(begun(GUARD)),
        1 => vec(any::<u8>(), 0..20).prop_map(begun(LEASE)),
        1 => vec(any::<u8>(), 0..20).prop_map(begun(TAG)),
        1 => vec(any::<u8>(), 0..80).prop_map(begun(VALUE)),
        1 => (any::<u8>(), vec(any::<u8>(), 0..80)).prop_map(move |(kind, rest)| begun(kind)(rest)),
    ]
}

fn moves() -> impl Strategy<Value = Move> {
    let seen = || prop_oneof![4 => Just(Seen::There), 3 => Just(Seen::Nothing), 1 => Just(Seen::Before)];
    let holds = || minutes(HOLDS);
    let rest =
        (any::<u8>(), minutes(&[0, 1, 30])).prop_map(|(failures, pause)| Ending::BackOff { failures, pause });
    let left = prop_oneof![
        2 => Just(Left::Nothing),
        1 => minutes(&[0, 1, 30]).prop_map(Left::Settling),
        2 => (values(), minutes(TTLS)).prop_map(|(value, ttl)| Left::Value { value: value.into(), ttl }),
    ];
    prop_oneof![
        3 => (planted(), minutes(TTLS)).prop_map(|(bytes, ttl)| Move::Plant(bytes, ttl)),
        3 => select(&[1, 29, 30, 60, 90][..]).prop_map(|minutes| Move::Wait(MINUTE * minutes)),
        3 => (seen(), tokens(), holds()).prop_map(|(seen, token, lease)| Move::Acquire(seen, token, lease)),
        3 => (seen(), tokens(), holds(), any::<bool>())
            .prop_map(|(seen, token, hold, force)| Move::Elect(seen, token, hold, force)),
        2 => (tokens(), minutes(TTLS)).prop_map(|(token, ttl)| Move::Carry(token, ttl)),
        2 => (tokens(), holds()).prop_map(|(token, hold)| Move::Renew(token, hold)),
        3 => (tokens(), values(), minutes(TTLS)).prop_map(|(token, value, ttl)| Move::Fill(token, value, ttl)),
        5 => (tokens(), prop_oneof![1 => rest, 1 => Just(Ending::Discard)])
            .prop_map(|(token, ending)| Move::Abandon(token, ending)),
        4 => (seen(), select(&[0, 20_000, 25_000][..]))
            .prop_map(|(seen, local)| Move::Register(seen, Duration::from_millis(local))),
        3 => (tokens(), holds()).prop_map(|(token, hold)| Move::Guard(token, hold)),
        3 => (tokens(), holds()).prop_map(|(token, hold)| Move::RenewGuard(token, hold)),
        4 => (tokens(), left).prop_map(|(token, left)| Move::Release(token, left)),
        1 => Just(Move::Remove),
    ]
}

/// A value that the first token refreshes, and of which there are local copies.
fn with_copies() -> Vec<u8> {
    let mut value = entry::begin_with(&[], true);
    let (fingerprint, load_time) = (FINGERPRINT, Duration::ZERO);
    let header = Header { fingerprint, fresh_for: LONG, load_time, outlives_freshness: false };
    entry::finish(&mut value, token(9), header);
    entry::set_refresh(&mut value, *token(0).as_bytes(), MINUTE * 240);
    // Further ahead than any that is registered.
    value[LOCAL_UNTIL_AT..LOCAL_END].fill(1);
    value
}

/// Every step that does something else where there are local copies.
fn on_copies() -> [Move; 6] {
    let (holder, other) = (token(0), token(1));
    [
        Move::Acquire(Seen::There, other, MINUTE),
        Move::Fill(holder, with_copies(), MINUTE * 60),
        Move::Abandon(holder, Ending::Discard),
        Move::Guard(other, MINUTE),
        Move::Release(other, Left::Nothing),
        Move::Remove,
    ]
}

/// The arguments of a script.
struct CommandArguments<'a>(&'a mut Cmd);

impl Arguments for CommandArguments<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.arg(bytes);
    }

    fn number(&mut self, number: u64) {
        self.0.arg(number);
    }
}

/// The same key in both stores.
struct Both<'a> {
    memory: MemoryStore,
    redis: redis::Connection,
    /// Whether the last step was taken by a script with several keys.
    together: bool,
    /// The steps that were executed, and refused.
    met: &'a RefCell<BTreeSet<(&'static str, bool)>>,
    /// The steps that have met local copies.
    copied: &'a RefCell<BTreeSet<&'static str>>,
}

impl Both<'_> {
    fn command<T: redis::FromRedisValue>(&mut self, command: &Cmd) -> T {
        command.query(&mut self.redis).expect("the command succeeds")
    }

    async fn there(&self) -> Option<Bytes> {
        self.memory.read(KEY).await.unwrap()
    }

    async fn wait(&mut self, time: Duration) {
        advance(time).await;
        let left =
            Duration::from_millis(self.command::<i64>(cmd("PTTL").arg(KEY)).try_into().unwrap_or_default());
        match left.checked_sub(time).filter(|left| !left.is_zero()) {
            Some(left) => {
                let left = u64::try_from(left.as_millis()).unwrap();
                self.command::<()>(cmd("PEXPIRE").arg(KEY).arg(left));
            }
            None => self.command::<()>(cmd("DEL").arg(KEY)),
        }
    }

    async fn take<S: Step>(&mut self, step: S) {
        let there = self.there().await;
        let (_, now) = self.memory.read_timed(KEY).await.unwrap();
        self.together = !self.together && S::SHARES_SCRIPT;
        let reply = if self.together { self.reply_together(&step, now) } else { self.reply(&step, now) };
        let reply = match &reply {
            redis::Value::Int(number) => Reply::Number(*number),
            redis::Value::BulkString(bytes) => Reply::Bytes(bytes),
            other => panic!("{other:?}"),
        };
        let redis = S::answer(reply).map_err(StoreError::from);
        let memory = self.memory.run(KEY, &step).await;
        let what = format!("{step:?} at {now:?} on {there:?}");
        // A script does not return the current entry.
        let told = format!("{memory:?}");
        if redis.is_ok() && told.starts_with("Ok(No(") {
            assert_eq!(format!("{redis:?}"), "Ok(Changed)", "{what}");
        } else {
            assert_eq!(redis, memory, "{what}");
        }
        let refusals = ["Ok(false)", "Ok(No)", "Ok(None)", "Ok(Changed)"];
        let taken = memory.is_ok() && !refusals.contains(&told.as_str()) && !told.starts_with("Ok(No(");
        // A refusal because of copies, or a time that is left of them.
        let left = told.contains("s)") && !told.contains(&format!("{NO_COPIES:?}"));
        if told.starts_with("Ok(Copied") || S::NAME != "register" && left {
            self.copied.borrow_mut().insert(S::NAME);
        }
        self.met.borrow_mut().insert((S::NAME, taken));
        self.compare(&what).await;
    }

    /// The reply of a step's script.
    fn reply<S: Step>(&mut self, step: &S, now: Duration) -> redis::Value {
        let source = S::script().source().replace("redis.call('TIME')", "{KEYS[2], KEYS[3]}");
        assert!(!source.contains("TIME'"), "the time is the test's");
        let mut command = cmd("EVAL");
        command.arg(source).arg(3).arg(KEY).arg(now.as_secs()).arg(now.subsec_micros());
        step.arguments(&mut CommandArguments(&mut command));
        self.command(&command)
    }

    /// The same in a script with other keys around it: one of them has another type, and what is under the others is not touched.
    fn reply_together<S: Step>(&mut self, step: &S, now: Duration) -> redis::Value {
        const KEYS: [&str; 4] = ["text", "list", KEY, "list"];
        const OTHERS: &str = "what no step has seen";
        let time = "{redis.call('GET', 'seconds'), redis.call('GET', 'micros')}";
        let source = S::together().source().replace("redis.call('TIME')", time);
        assert!(!source.contains("TIME'"), "the time is the test's");
        let mut command = cmd("EVAL");
        command.arg(source).arg(KEYS.len()).arg(&KEYS);
        for _ in KEYS {
            step.arguments(&mut CommandArguments(&mut command));
        }
        let mut pipeline = redis::pipe();
        pipeline
            .cmd("MSET")
            .arg("seconds")
            .arg(now.as_secs())
            .arg("micros")
            .arg(now.subsec_micros())
            .ignore();
        pipeline.cmd("SET").arg("text").arg(OTHERS).ignore();
        pipeline.cmd("DEL").arg("list").ignore();
        pipeline.cmd("LPUSH").arg("list").arg("element").ignore();
        pipeline.add_command(command);
        pipeline.cmd("GET").arg("text").cmd("LLEN").arg("list");
        let (answers, text, length): (Vec<redis::Value>, String, usize) =
            pipeline.query(&mut self.redis).expect("the script succeeds");
        assert_eq!((text.as_str(), length), (OTHERS, 1), "{step:?}");
        let [_, before, reply, after] = answers.try_into().expect("an answer for each key");
        for error in [before, after] {
            // Some steps refuse before they look at the key.
            if error != redis::Value::Int(0) {
                let [text]: [String; 1] = redis::from_redis_value(error).expect("the error of a list");
                assert!(text.contains("WRONGTYPE"), "{text}");
            }
        }
        reply
    }

    /// The entry, and when it expires.
    async fn compare(&mut self, what: &str) {
        let (bytes, left): (Option<Bytes>, i64) = {
            let mut pipeline = redis::pipe();
            pipeline.cmd("GET").arg(KEY).cmd("PTTL").arg(KEY);
            pipeline.query(&mut self.redis).expect("both are answered")
        };
        let watched = self.memory.watch(KEY).await.unwrap();
        assert_eq!(bytes, watched.there, "{what}");
        let left = Duration::from_millis(left.try_into().unwrap_or_default());
        if bytes.is_some() {
            assert!(left.abs_diff(watched.left) < DRIFT, "{what}: {left:?} and {:?}", watched.left);
        }
    }

    async fn all(&mut self, moves: Vec<Move>) {
        let mut before = Bytes::new();
        for next in moves {
            let there = self.there().await.unwrap_or_default();
            let saw = |seen| match seen {
                Seen::There => entry::header_of(&there),
                Seen::Nothing => Bytes::new(),
                Seen::Before => entry::header_of(&before),
            };
            match next {
                Move::Plant(bytes, ttl) => {
                    let millis = u64::try_from(ttl.as_millis()).unwrap();
                    self.command::<()>(cmd("SET").arg(KEY).arg(&bytes).arg("PX").arg(millis));
                    self.memory.plant_for(KEY, bytes, Duration::from_millis(millis));
                }
                Move::Wait(time) => self.wait(time).await,
                Move::Acquire(seen, token, lease) => {
                    self.take(Acquire { expected: saw(seen), token, lease }).await;
                }
                Move::Elect(seen, token, hold, force) => {
                    self.take(Elect { expected: saw(seen), token, hold, force }).await;
                }
                Move::Carry(fresh, ttl) => self.take(Carry { fresh, ttl }).await,
                Move::Renew(token, hold) => self.take(Renew { token, hold }).await,
                Move::Fill(token, value, ttl) => self.take(Fill { token, value: value.into(), ttl }).await,
                Move::Register(seen, local) => {
                    let mut expected = saw(seen);
                    // The version of a tag is expected without the copies of what carries it.
                    if let TagSlot::Version(version) = entry::tag_slot(Some(&expected)) {
                        expected = Bytes::copy_from_slice(&entry::tag(version));
                    }
                    self.take(Register { expected, local }).await;
                }
                Move::Abandon(token, ending) => self.take(Abandon { token, ending }).await,
                Move::Guard(token, hold) => self.take(Guard { token, hold }).await,
                Move::RenewGuard(token, hold) => self.take(RenewGuard { token, hold }).await,
                Move::Release(token, left) => self.take(Release { token, left }).await,
                Move::Remove => self.take(Remove).await,
            }
            before = there;
        }
        self.compare("in the end").await;
    }
}

#[test]
fn both_stores_take_every_step_alike() {
    let server = RedisServer::start();
    let (met, copied) = (RefCell::default(), RefCell::default());
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    let run = |moves: Vec<Move>| {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut both = Both {
                memory: MemoryStore::new(),
                redis: server.connection(),
                together: false,
                met: &met,
                copied: &copied,
            };
            both.command::<()>(&cmd("FLUSHALL"));
            // Longer than any deadline is ahead, so that some are in the past.
            advance(LONGEST * 3).await;
            both.all(moves).await;
        });
        Ok(())
    };
    let result = runner.run(&vec(moves(), 1..60), run);
    if let Err(error) = result {
        panic!("{error}");
    }
    for next in on_copies() {
        run(vec![Move::Plant(with_copies(), MINUTE * 60), next]).unwrap();
    }
    for (name, _) in scripts() {
        let met = met.borrow();
        assert!(met.contains(&(name, true)), "`{name}` was never taken");
        assert!(met.contains(&(name, false)), "`{name}` was never refused");
    }
    for name in ["guard", "release", "remove", "fill", "abandon", "acquire"] {
        assert!(copied.borrow().contains(name), "`{name}` has never met local copies");
    }
    let local = Duration::from_secs(20);
    for next in [Move::Guard(token(1), MINUTE), Move::Release(token(1), Left::Nothing), Move::Remove] {
        let register = Move::Register(Seen::There, local);
        copied.borrow_mut().clear();
        run(vec![Move::Plant(entry::tag(token(2)).to_vec(), MINUTE * 60), register, next]).unwrap();
        assert_eq!(copied.borrow().len(), 1, "a step has met no copies of what carries the tag");
    }
}
