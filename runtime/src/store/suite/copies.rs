//! Local copies: what is registered stands in the way of nobody but those who would take the value away.

use super::*;

/// How long a copy is asked for: long enough for a few steps on a busy machine.
const COPY: Duration = Duration::from_millis(800);

/// A value of which local copies can be registered, and its key.
async fn local(store: &Store, name: &str, fresh_for: Duration, ttl: Duration) -> String {
    let key = key(name);
    assert_eq!(acquire(store, &key, token(1)).await, Acquired::Yes);
    let fill = Fill { token: token(1), value: local_value(token(1), b"payload", fresh_for).into(), ttl };
    assert_eq!(store.run(&key, fill, WITHIN).await, Ok(Filled::Yes));
    key
}

fn local_value(token: Token, payload: &[u8], fresh_for: Duration) -> Vec<u8> {
    let mut bytes = entry::begin_with(&[], true);
    bytes.extend_from_slice(payload);
    let (fingerprint, load_time) = (FINGERPRINT, Duration::ZERO);
    let header = Header { fingerprint, fresh_for, load_time, outlives_freshness: false };
    entry::finish(&mut bytes, token, header);
    bytes
}

async fn header(store: &Store, key: &str) -> Bytes {
    entry::header_of(&store.read(key, WITHIN).await.unwrap().unwrap())
}

async fn register(store: &Store, key: &str, local: Duration) -> Duration {
    let expected = header(store, key).await;
    let registered = store.run(key, Register { expected, local }, WITHIN).await.unwrap();
    registered.map(|registered| registered.granted).unwrap_or_default()
}

/// A value with a registered copy.
async fn copied(store: &Store, name: &str) -> String {
    let key = local(store, name, LONG, LONG).await;
    assert_eq!(register(store, &key, COPY).await, COPY);
    key
}

/// Some of the time that was registered is left.
fn is_left(left: Duration) -> bool {
    left > Duration::ZERO && left <= COPY
}

async fn placed(store: &Store, key: &str, token: Token, hold: Duration) -> Duration {
    store.run_all(&[key], |_| Guard { token, hold }, WITHIN).await.pop().unwrap().unwrap()
}

async fn released(store: &Store, key: &str, token: Token) -> Released {
    let release = |_| Release { token, left: Left::Nothing };
    store.run_all(&[key], release, WITHIN).await.pop().unwrap().unwrap()
}

/// Waits until the key is empty, and fails if that was before the copies were over.
async fn ends_after_the_copies(store: &Store, key: &str, left: Duration, asked: Instant) {
    assert!(is_left(left), "{left:?}");
    loop {
        match state(store, key).await {
            "absent" => break,
            "guard" => assert!(asked.elapsed() < WITHIN, "it never ends"),
            other => panic!("{other}"),
        }
        sleep(Duration::from_millis(5)).await;
    }
    let took = asked.elapsed() + Duration::from_millis(2);
    assert!(took >= left, "it ended after {took:?}, of {left:?}");
}

pub(super) async fn a_guard_takes_over_the_copies_of_what_it_replaces(store: &Store) {
    let key = copied(store, "guarded").await;
    assert!(is_left(placed(store, &key, token(8), LONG).await), "the writer is told of the copies");
    assert!(is_left(placed(store, &key, token(9), LONG).await), "and so is who joins the guard");
    let renewed = store.run_all(&[&key], |_| RenewGuard { token: token(8), hold: LONG }, WITHIN).await;
    assert_eq!(renewed, [Ok(true)]);
    assert!(matches!(released(store, &key, token(8)).await, Released::Left(left) if is_left(left)));
    let asked = Instant::now();
    let Released::Left(left) = released(store, &key, token(9)).await else { panic!("it stores nothing") };
    ends_after_the_copies(store, &key, left, asked).await;
}

pub(super) async fn a_guard_does_not_end_before_the_copies(store: &Store) {
    let key = copied(store, "short guard").await;
    let asked = Instant::now();
    let left = placed(store, &key, token(8), Duration::from_millis(20)).await;
    ends_after_the_copies(store, &key, left, asked).await;
    assert_eq!(placed(store, &key, token(8), LONG).await, NO_COPIES, "there are none any more");
    assert_eq!(released(store, &key, token(8)).await, RELEASED);
    assert_eq!(state(store, &key).await, "absent");
}

pub(super) async fn what_deletes_a_value_leaves_its_copies_a_guard(store: &Store) {
    for by in ["remove", "release", "discard"] {
        let key = copied(store, by).await;
        let asked = Instant::now();
        let left = match by {
            "remove" => store.run_all(&[&key], |_| Remove, WITHIN).await.pop().unwrap().unwrap(),
            "release" => match released(store, &key, token(9)).await {
                Released::Left(left) => left,
                Released::Stored => panic!("it stores nothing"),
            },
            _ => {
                let (expected, token) = (header(store, &key).await, token(7));
                let elect = Elect { expected, token, hold: LONG, force: false };
                assert_eq!(store.run(&key, elect, WITHIN).await, Ok(true));
                store.run(&key, discards(token), WITHIN).await.unwrap().expect("it refreshes")
            }
        };
        assert_eq!(state(store, &key).await, "guard", "{by}");
        let again = store.run_all(&[&key], |_| Remove, WITHIN).await.pop().unwrap().unwrap();
        assert!(is_left(again), "who comes to the guard is told as well: {by}");
        ends_after_the_copies(store, &key, left, asked).await;
    }
}

pub(super) async fn nothing_is_stored_over_a_guard_with_copies(store: &Store) {
    let key = copied(store, "put").await;
    assert!(is_left(placed(store, &key, token(8), LONG).await));
    let value = Left::Value { value: local_value(token(8), b"written", LONG).into(), ttl: LONG };
    let release = |_| Release { token: token(8), left: value.clone() };
    let answer = store.run_all(&[&key], release, WITHIN).await.pop().unwrap();
    assert!(matches!(answer, Ok(Released::Left(left)) if is_left(left)), "{answer:?}");
    assert_eq!(state(store, &key).await, "guard");
    // Whoever waited may store, as long as nobody else has left the guard.
    let key = copied(store, "put later").await;
    sleep(placed(store, &key, token(8), LONG).await + Duration::from_millis(2)).await;
    assert_eq!(store.run_all(&[&key], release, WITHIN).await, [Ok(Released::Stored)]);
}

pub(super) async fn a_refill_waits_for_the_copies(store: &Store) {
    let key = copied(store, "refill").await;
    let (expected, token) = (header(store, &key).await, token(7));
    assert_eq!(register(store, &key, COPY).await, COPY);
    let elect = Elect { expected, token, hold: LONG, force: false };
    assert_eq!(store.run(&key, elect, WITHIN).await, Ok(true), "a copy is no change of what was seen");
    let fill = || Fill { token, value: local_value(token, b"new", LONG).into(), ttl: LONG };
    let answer = store.run(&key, fill(), WITHIN).await.unwrap();
    let Filled::Copied(left) = answer else { panic!("{answer:?} while copies may be used") };
    assert!(is_left(left));
    assert_eq!(register(store, &key, COPY).await, NO_COPIES, "nothing is registered while a refresh runs");
    sleep(left + Duration::from_millis(2)).await;
    assert_eq!(store.run(&key, fill(), WITHIN).await, Ok(Filled::Yes));
    assert_eq!(register(store, &key, COPY).await, COPY, "the new value can be copied");
    let of_another = Fill { token: self::token(6), ..fill() };
    assert_eq!(store.run(&key, of_another, WITHIN).await, Ok(Filled::No), "nobody else's refill is held up");
}

pub(super) async fn what_cannot_be_read_is_not_replaced_while_there_are_copies(store: &Store) {
    let key = copied(store, "unusable").await;
    let acquire = Acquire { expected: header(store, &key).await, token: token(5), lease: LONG };
    assert_eq!(store.run(&key, acquire.clone(), WITHIN).await, Ok(Acquired::Copied));
    assert_eq!(state(store, &key).await, "value");
    sleep(COPY).await;
    assert_eq!(store.run(&key, acquire, WITHIN).await, Ok(Acquired::Yes));
}

pub(super) async fn a_copy_is_granted_for_no_longer_than_its_value(store: &Store) {
    let short = COPY / 2;
    let granted = async |key: &str| register(store, key, COPY).await;
    let ends = granted(&local(store, "short ttl", LONG, short).await).await;
    assert!(ends <= short && ends > Duration::ZERO, "{ends:?}");
    let stale = granted(&local(store, "soon stale", short, LONG).await).await;
    assert!(stale <= short && stale > Duration::ZERO, "{stale:?}");
    let key = local(store, "stale", short, LONG).await;
    sleep(short).await;
    assert_eq!(granted(&key).await, NO_COPIES, "a stale value is not copied");
    assert_eq!(granted(&stored(store, "no room").await).await, NO_COPIES);
    let key = local(store, "changed", LONG, LONG).await;
    let seen = Bytes::from([&header(store, &key).await[..51], b"x"].concat());
    assert_eq!(store.run(&key, Register { expected: seen, local: COPY }, WITHIN).await, Ok(None));
    assert_eq!(placed(store, &key, token(8), LONG).await, NO_COPIES, "nothing was registered");
    let absent = Register { expected: Bytes::new(), local: COPY };
    assert_eq!(store.run(&self::key("absent"), absent, WITHIN).await, Ok(None));
}

pub(super) async fn a_shorter_copy_does_not_shorten_a_longer_one(store: &Store) {
    let key = copied(store, "two").await;
    let short = COPY / 8;
    assert_eq!(register(store, &key, short).await, short);
    assert!(placed(store, &key, token(8), LONG).await > short, "the longer copy is waited for");
}
