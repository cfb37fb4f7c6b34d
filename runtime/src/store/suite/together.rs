//! Steps on many keys of one server: scripts with many keys each.

use super::*;

/// Number of keys: several scripts, and one that is not full.
const KEYS: usize = 200;

fn keys() -> Vec<String> {
    (0..KEYS).map(|number| key(&format!("together:{number}"))).collect()
}

fn names(keys: &[String]) -> Vec<&str> {
    keys.iter().map(String::as_str).collect()
}

/// The tokens of the keys, each its own.
fn tokens() -> impl Iterator<Item = Token> {
    (0..KEYS as u64).map(token)
}

async fn acquire_all(store: &Store, keys: &[&str]) {
    let steps = tokens().map(|token| Acquire { expected: Bytes::new(), token, lease: LONG }).collect();
    assert_eq!(store.run_all_of_load(keys, steps, WITHIN).await, vec![Ok(Acquired::Yes); KEYS]);
}

fn fills() -> Vec<Fill> {
    tokens().map(|token| Fill { token, value: value(token, b"payload").into(), ttl: LONG }).collect()
}

/// Each key by itself: who lost its lease is refused, and an error is the error of its key alone.
pub(super) async fn many_fills_are_as_many_steps(store: &Store) {
    let keys = keys();
    let names = names(&keys);
    acquire_all(store, &names).await;
    for lost in [0, 63, 64, 199] {
        guard(store, names[lost], token(900)).await;
        release(store, names[lost], token(900)).await;
    }
    let filled = store.run_all_of_load(&names, fills(), WITHIN).await;
    for (number, (name, filled)) in names.iter().zip(filled).enumerate() {
        let is_lost = [0, 63, 64, 199].contains(&number);
        assert_eq!(filled, Ok(if is_lost { Filled::No } else { Filled::Yes }), "{number}");
        assert_eq!(state(store, name).await, if is_lost { "absent" } else { "value" }, "{number}");
    }
    let renewed = tokens().map(|token| Renew { token, hold: LONG }).collect();
    assert_eq!(store.run_all_of_load(&names, renewed, WITHIN).await, vec![Ok(false); KEYS], "they are over");
}

/// The steps of one call need not have as many arguments: a lease is deleted, and a value rests.
pub(super) async fn many_rights_are_given_up_each_in_its_way(store: &Store) {
    const PAUSE: Duration = Duration::from_secs(40);
    let keys = keys();
    let names = names(&keys);
    acquire_all(store, &names).await;
    let with_values = |number: &usize| !number.is_multiple_of(2);
    let failures = |number: usize| u8::try_from(number).expect("fewer than there are keys");
    for number in (0..KEYS).filter(with_values) {
        assert!(fill(store, names[number], token(number as u64)).await);
        let bytes = store.read(names[number], WITHIN).await.unwrap().unwrap();
        let (expected, token) = (entry::header_of(&bytes), token(number as u64));
        let elect = Elect { expected, token, hold: LONG, force: false };
        assert_eq!(store.run(names[number], elect, WITHIN).await, Ok(true));
    }
    let steps = tokens().enumerate().map(|(number, token)| {
        if with_values(&number) { rests(token, failures(number), PAUSE) } else { discards(token) }
    });
    let answers = store.run_all_of_load(&names, steps.collect(), WITHIN).await;
    assert_eq!(answers, vec![Ok(Some(NO_COPIES)); KEYS]);
    for (number, name) in names.iter().enumerate() {
        if !with_values(&number) {
            assert_eq!(state(store, name).await, "absent", "{number}");
            continue;
        }
        let (there, now) = store.read_timed(name, WITHIN).await.unwrap();
        let bytes = there.unwrap();
        let Entry::Value(value) = entry::parse(&bytes, FINGERPRINT) else { panic!("{number}: {bytes:?}") };
        let Refresh { runs, failures, until } = value.refresh;
        assert_eq!((runs, usize::from(failures)), (false, number));
        assert!(until > now && until <= now + PAUSE, "{number}: {until:?} at {now:?}");
    }
}

/// The tags of many entries: each with the version that was there, or its own.
pub(super) async fn many_tags_are_carried_at_once(store: &Store) {
    let keys = keys();
    let names = names(&keys);
    store.run(names[70], Carry { fresh: token(700), ttl: LONG }, WITHIN).await.unwrap();
    guard(store, names[71], token(900)).await;
    let steps = tokens().map(|fresh| Carry { fresh, ttl: LONG }).collect();
    let versions = store.run_all_of_load(&names, steps, WITHIN).await;
    for (number, (fresh, version)) in tokens().zip(versions).enumerate() {
        let expected = match number {
            70 => Some(token(700)),
            71 => None,
            _ => Some(fresh),
        };
        assert_eq!(version, Ok(expected), "{number}");
    }
    release(store, names[71], token(900)).await;
}

#[cfg(feature = "redis")]
mod over_redis {
    use cached_aside_tests::{RedisServer, ServerFault};
    use redis::cmd;

    use super::{
        super::over_redis::{connect, is_up, until},
        *,
    };

    #[tokio::test]
    async fn many_fills_are_few_scripts_and_a_foreign_key_among_them_fails_alone() {
        let server = RedisServer::start();
        let store = connect(&server.url(), "scripts").await;
        let keys = keys();
        let names = names(&keys);
        for round in 0..2 {
            acquire_all(&store, &names).await;
            server.run::<()>(cmd("DEL").arg(format!("scripts:{}", names[65])));
            server.run::<()>(cmd("LPUSH").arg(format!("scripts:{}", names[65])).arg("element"));
            // The server does not know the script at first, and not after this.
            server.run::<()>(cmd("SCRIPT").arg("FLUSH"));
            server.reset_stats();
            let filled = store.run_all_of_load(&names, fills(), WITHIN).await;
            let commands = server.commands();
            let count = |name| commands.get(name).copied().unwrap_or_default();
            assert_eq!((count("eval"), count("evalsha")), (1, 3), "{round}");
            for (number, filled) in filled.into_iter().enumerate() {
                let expected = if number == 65 { Err(StoreError::Foreign) } else { Ok(Filled::Yes) };
                assert_eq!(filled, expected, "{round} {number}");
            }
            assert_eq!(server.run::<u64>(cmd("LLEN").arg(format!("scripts:{}", names[65]))), 1);
            server.run::<()>(&cmd("FLUSHALL"));
        }
    }

    /// The source of a script is longer than what a few keys would save.
    #[tokio::test]
    async fn few_fills_are_scripts_of_their_own_without_the_source() {
        let server = RedisServer::start();
        let store = connect(&server.url(), "few").await;
        let keys = keys();
        let names = names(&keys);
        for (number, expected) in [(1, (0, 1)), (15, (0, 15)), (16, (1, 0)), (64, (1, 0)), (65, (1, 1))] {
            for round in 0..2 {
                acquire_all(&store, &names).await;
                server.reset_stats();
                let fills = fills().into_iter().take(number).collect();
                let filled = store.run_all_of_load(&names[..number], fills, WITHIN).await;
                assert_eq!(filled, vec![Ok(Filled::Yes); number]);
                let commands = server.commands();
                let count = |name| commands.get(name).copied().unwrap_or_default();
                // In the first round the server may not know the script.
                assert!(
                    round == 0 || (count("eval"), count("evalsha")) == expected,
                    "{number}: {commands:?}"
                );
                server.run::<()>(&cmd("FLUSHALL"));
            }
        }
    }

    /// What it says is inside of the answers of scripts.
    #[tokio::test]
    async fn a_replica_that_refuses_many_steps_is_left_at_once() {
        let server = RedisServer::start();
        let store = connect(&server.url(), "replica").await;
        let keys = keys();
        let names = names(&keys);
        acquire_all(&store, &names).await;
        let fault = ServerFault::ReadOnly.begin(&server);
        let filled = store.run_all_of_load(&names, fills(), WITHIN).await;
        assert!(!is_up(&store), "{:?}", filled[0]);
        fault.end();
        until(|| is_up(&store), "it is a primary again").await;
    }

    /// A node of a cluster that is taken for a server by itself, or a proxy: it refuses scripts with keys of several slots.
    #[tokio::test]
    async fn where_keys_of_several_slots_are_refused_each_has_a_script_of_its_own() {
        let server = RedisServer::builder().args(["--cluster-enabled", "yes"]).start();
        server.run::<()>(cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(0).arg(16_383));
        let is_up = || server.run::<String>(cmd("CLUSTER").arg("INFO")).contains("cluster_state:ok");
        until(is_up, "it has all slots").await;
        let store = connect(&server.url(), "slots").await;
        let keys = keys();
        let names = names(&keys);
        for round in 0..2 {
            acquire_all(&store, &names).await;
            server.reset_stats();
            assert_eq!(store.run_all_of_load(&names, fills(), WITHIN).await, vec![Ok(Filled::Yes); KEYS]);
            let commands = server.commands();
            let evals = commands.get("evalsha").copied().unwrap_or_default();
            assert!(evals >= KEYS as u64 - 1, "{evals} in round {round}");
            server.run::<()>(&cmd("FLUSHALL"));
        }
    }
}
