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
    use cached_aside_tests::RedisServer;
    use redis::cmd;

    use super::{
        super::over_redis::{connect, until},
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
