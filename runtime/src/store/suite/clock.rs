//! A server whose clock went back: deadlines that are further ahead than any that is set.

use cached_aside_protocol::Writers;

use super::{over_redis::connect, *};
use cached_aside_tests::RedisServer;
use redis::cmd;

/// How far the clock went back.
const BACK: Duration = Duration::from_secs(3 * 3600);
/// Maximum distance of a deadline.
const LONGEST: Duration = Duration::from_secs(3600);

/// Puts bytes under a key, with the expiry that a clock that went back leaves.
fn plant(server: &RedisServer, full: &str, bytes: &[u8]) {
    server.run::<()>(cmd("SET").arg(full).arg(bytes).arg("PX").arg((BACK + LONG).as_secs() * 1000));
}

fn left(server: &RedisServer, full: &str) -> Duration {
    Duration::from_millis(server.run::<i64>(cmd("PTTL").arg(full)).try_into().unwrap_or_default())
}

#[tokio::test]
async fn a_guard_from_before_the_clock_went_back_is_bounded_by_the_next_write() {
    let server = RedisServer::shared();
    let store = connect(&server.url(), "clock-guard").await;
    for verb in ["release", "updates", "remove"] {
        let key = key("guard");
        let full = format!("clock-guard:{key}");
        let (_, now) = store.read_timed(&key, WITHIN).await.unwrap();
        let mut writers = Writers::default();
        writers.enter(token(8), now + BACK + LONG);
        plant(server, &full, &writers.write());
        assert!(left(server, &full) > BACK);
        match verb {
            "remove" => assert_eq!(store.run_all(&[&key], |_| Remove, WITHIN).await, [Ok(NO_COPIES)]),
            _ => guard(&store, &key, token(9)).await,
        }
        assert!(left(server, &full) <= LONGEST, "{verb}: {:?}", left(server, &full));
        match verb {
            "release" => release(&store, &key, token(9)).await,
            "updates" => {
                let left = Left::Value { value: value(token(9), b"mine").into(), ttl: LONG };
                let release = |_| Release { token: token(9), left: left.clone() };
                assert_eq!(store.run_all(&[&key], release, WITHIN).await, [Ok(RELEASED)]);
            }
            _ => {}
        }
        assert_eq!(state(&store, &key).await, "guard", "{verb}: its writer may still be there");
        let still = left(server, &full);
        assert!(still <= LONGEST && still > LONGEST / 2, "{verb}: {still:?}");
        // It renews its guard, and releases it.
        assert_eq!(
            store.run_all(&[&key], |_| RenewGuard { token: token(8), hold: LONG }, WITHIN).await,
            [Ok(true)]
        );
        assert!(left(server, &full) <= LONG, "{verb}");
        release(&store, &key, token(8)).await;
        assert_eq!(state(&store, &key).await, "absent", "{verb}");
    }
}

#[tokio::test]
async fn a_refresh_from_before_the_clock_went_back_can_be_won_by_another() {
    let server = RedisServer::shared();
    let store = connect(&server.url(), "clock-refresh").await;
    let key = stored(&store, "refresh").await;
    let (there, now) = store.read_timed(&key, WITHIN).await.unwrap();
    for (ahead, won) in [(LONG, false), (LONGEST + BACK, true)] {
        let mut bytes = there.clone().unwrap().to_vec();
        entry::set_refresh(&mut bytes, *token(301).as_bytes(), now + ahead);
        plant(server, &format!("clock-refresh:{key}"), &bytes);
        let elected = store
            .run(
                &key,
                Elect {
                    expected: Bytes::copy_from_slice(entry::header(&bytes)),
                    token: token(302),
                    hold: LONG,
                    force: false,
                },
                WITHIN,
            )
            .await;
        assert_eq!(elected, Ok(won), "{ahead:?} ahead");
    }
}
