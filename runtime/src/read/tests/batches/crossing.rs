//! Batches that want each other's keys.

use super::*;

/// A batch comes at any moment of another one's, and either may be dropped at any moment.
#[tokio::test(start_paused = true)]
async fn crossing_batches_never_wait_for_each_other() {
    quietly();
    let mut dropped = 0;
    for slow in [&["read", "acquire", "fill", "abandon"][..], &["acquire"], &[]] {
        for offset in 0..14 {
            let mut polls = 0;
            loop {
                let what = format!("slow {slow:?}, {offset} later, {polls} polls");
                let world = World::new();
                for verb in slow {
                    world.store().set(verb, Gate::Slow);
                }
                let asked = world.asked(&LOAD);
                let begun = Instant::now();
                let second = async {
                    sleep(offset * Duration::from_millis(7)).await;
                    asked.batch(&[2, 1, 0]).await
                };
                let third = async {
                    sleep(offset * Duration::from_millis(3)).await;
                    world.read(Body::Succeeds).await
                };
                let first = cancelled_after(polls, asked.batch(&[0, 1, 2]));
                let (ended, second, third) = tokio::join!(first, second, third);
                assert_eq!((second, third), (all(&[0, 1, 2], 1), Ok(1)), "{what}");
                assert!(begun.elapsed() < WAIT, "{what}: {:?}", begun.elapsed());
                world.is_well(&what).await;
                dropped += u32::from(!ended);
                polls += 1;
                if ended {
                    break;
                }
            }
        }
    }
    assert!(dropped > 100, "{dropped}");
}

/// The trap: while it waits for `k1`, the batch comes to lead `k2`, for which the leader of `k1` waits.
#[tokio::test(start_paused = true)]
async fn what_a_batch_comes_to_lead_it_loads_before_it_waits_on() {
    let world = World::new();
    let asked = world.asked(&LOAD);
    let hangs = Asked { body: Body::IsCancelled, ..asked.clone() };
    let (one, two) = (tokio::spawn(hangs.batch(&[1])), tokio::spawn(hangs.batch(&[2])));
    sleep(BODY).await;
    // Both wait for both.
    let waiting = [[1, 2], [2, 1]].map(|ids| tokio::spawn(asked.batch(&ids)));
    sleep(BODY).await;
    assert!(asked.given().iter().all(|ids| ids.len() == 1), "nothing but the two that hang");
    let third = tokio::spawn(asked.batch(&[1]));
    sleep(BODY).await;
    let begun = Instant::now();
    one.abort();
    assert_eq!(third.await.unwrap(), all(&[1], 1), "while the leader of `k2` hangs");
    assert!(begun.elapsed() <= BODY + TICK, "{:?}", begun.elapsed());
    let begun = Instant::now();
    two.abort();
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap(), all(&[1, 2], 1));
    }
    assert!(begun.elapsed() <= BODY * 2 + TICK * 2, "{:?}", begun.elapsed());
    assert_eq!(world.cache.inner.flights.len(), 0);
}

/// It loads what it leads before it waits for what it follows.
#[tokio::test(start_paused = true)]
async fn nobody_waits_for_what_another_batch_only_waits_for() {
    let world = World::new();
    let asked = world.asked(&LOAD);
    let hangs = Asked { body: Body::IsCancelled, ..asked.clone() };
    let hanging = tokio::spawn(hangs.batch(&[1]));
    sleep(BODY).await;
    let batch = tokio::spawn(asked.batch(&[1, 2]));
    sleep(BODY / 2).await;
    let begun = Instant::now();
    assert_eq!(asked.batch(&[2]).await, all(&[2], 1));
    assert!(begun.elapsed() <= BODY, "{:?}", begun.elapsed());
    hanging.abort();
    assert_eq!(batch.await.unwrap(), all(&[1, 2], 1));
}

/// While its body runs a batch does not get round to leading what it waits for: others do.
#[tokio::test(start_paused = true)]
async fn who_waits_for_the_same_key_need_not_wait_for_the_body_of_a_batch() {
    let world = World::new();
    let asked = world.asked(&LOAD);
    let hangs = Asked { body: Body::IsCancelled, ..asked.clone() };
    let leader = tokio::spawn(hangs.batch(&[1]));
    sleep(BODY).await;
    // It follows `k1`, and its body of `k2` never ends.
    let first = tokio::spawn(hangs.batch(&[1, 2]));
    sleep(BODY).await;
    let second = tokio::spawn(asked.batch(&[1]));
    sleep(BODY).await;
    let begun = Instant::now();
    leader.abort();
    assert_eq!(second.await.unwrap(), all(&[1], 1));
    assert!(begun.elapsed() <= BODY + TICK, "{:?}", begun.elapsed());
    first.abort();
    let _ = first.await;
    world.is_well("after the first").await;
}

/// Another process loads `k1`. The body of the batch asks for it, and so do others.
#[tokio::test(start_paused = true)]
async fn what_a_batch_only_waits_for_is_left_to_others_while_its_body_runs() {
    use bytes::Bytes;
    use cached_aside_protocol::steps::{Abandon, Acquire, Ending};

    let world = World::new();
    let asked = world.asked(&LOAD);
    let (token, inside) = (Token::fresh(), &world.store().inside);
    let acquire = Acquire { expected: Bytes::new(), token, lease: LEASE };
    inside.run(key_of(1).as_str(), &acquire).await.unwrap();
    let hangs = Asked { body: Body::IsCancelled, ..asked.clone() };
    let batch = tokio::spawn(hangs.batch(&[1, 2]));
    sleep(BODY).await;
    assert_eq!(hangs.given(), [[2]]);
    let other = tokio::spawn(asked.batch(&[1]));
    sleep(BODY).await;
    let begun = Instant::now();
    let ending = Ending::BackOff { failures: 0, pause: Duration::ZERO };
    inside.run(key_of(1).as_str(), &Abandon { token, ending }).await.unwrap();
    assert_eq!(other.await.unwrap(), all(&[1], 1));
    assert!(begun.elapsed() <= BODY + Duration::from_millis(300), "{:?}", begun.elapsed());
    batch.abort();
    let _ = batch.await;
    world.is_well("after the batch").await;
}

#[tokio::test(start_paused = true)]
async fn who_is_waited_for_in_vain_costs_one_more_body() {
    let world = World::new();
    let asked = Asked { wait: Some(Duration::from_secs(1)), ..world.asked(&LOAD) };
    let hangs = Asked { body: Body::IsCancelled, ..asked.clone() };
    let hanging = tokio::spawn(hangs.batch(&[1, 2]));
    sleep(BODY).await;
    asked.given();
    let begun = Instant::now();
    assert_eq!(asked.batch(&[0, 1, 2]).await, all(&[0, 1, 2], 1));
    assert_eq!(asked.given(), [vec![0], vec![1, 2]], "what it leads at once, the rest when `wait` is over");
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(1) + BODY * 3, "{took:?}");
    let once = Asked { twice: false, ..asked };
    let begun = Instant::now();
    assert_eq!(once.batch(&[0, 1, 2, 3]).await, all(&[0, 1, 2, 3], 1));
    assert_eq!(once.given(), [[1, 2, 3]], "a body that can't run twice waits for nobody");
    assert!(begun.elapsed() <= BODY + TICK);
    hanging.abort();
}

/// Its followers came before the body began, which nobody may store.
#[tokio::test(start_paused = true)]
async fn who_came_before_an_unstored_body_began_is_given_its_result() {
    let world = World::new();
    let asked = world.asked(&LOAD);
    world.store().set("acquire", Gate::Slow);
    let batch = tokio::spawn(asked.batch(&[1, 2]));
    sleep(TICK).await;
    let follows = tokio::spawn(asked.batch(&[2, 1]));
    sleep(TICK).await;
    let guard = world.cache.guard([key_of(1), key_of(2)]).await.unwrap();
    assert_eq!(batch.await.unwrap(), all(&[1, 2], 1));
    assert_eq!(follows.await.unwrap(), all(&[1, 2], 1));
    assert_eq!((asked.given(), world.cache.stats().total.unstored), (vec![vec![1, 2]], 2));
    guard.release().await.unwrap();
}

/// Another process holds the leases, and dies; or it ends.
#[tokio::test(start_paused = true)]
async fn loads_of_other_processes_are_waited_for_together() {
    use bytes::Bytes;
    use cached_aside_protocol::steps::{Acquire, Fill, Filled};

    for dies in [false, true] {
        let world = World::new();
        let asked = world.asked(&LOAD);
        assert!(asked.batch(&[9]).await.is_ok());
        let value = world.store().inside.read(key_of(9).as_str()).await.unwrap().unwrap();
        let token = Token::fresh();
        for id in [1, 2] {
            let acquire = Acquire { expected: Bytes::new(), token, lease: LEASE };
            world.store().inside.run(key_of(id).as_str(), &acquire).await.unwrap();
        }
        asked.given();
        let begun = Instant::now();
        let elsewhere = async {
            sleep(BODY * 2).await;
            for id in if dies { vec![] } else { vec![1, 2] } {
                let fill = Fill { token, value: value.clone(), ttl: TTL };
                assert_eq!(world.store().inside.run(key_of(id).as_str(), &fill).await, Ok(Filled::Yes));
            }
        };
        let (given, ()) = tokio::join!(asked.batch(&[0, 1, 2]), elsewhere);
        assert_eq!(given, all(&[0, 1, 2], 1));
        let (bodies, took) = (asked.given(), begun.elapsed());
        if dies {
            assert_eq!(bodies, [vec![0], vec![1, 2]]);
            assert!(took <= LEASE + Duration::from_millis(300) + BODY, "{took:?}");
            let again = asked.batch(&[0, 1, 2]).await;
            assert_eq!((again, asked.given().len()), (all(&[0, 1, 2], 1), 0), "what it took over is stored");
        } else {
            assert_eq!(bodies, [vec![0]]);
            assert!(took <= BODY * 2 + Duration::from_millis(300), "{took:?}");
        }
        assert_eq!(world.store().inside.watched(), 0, "a watch is left");
    }
}

/// One key that failed elsewhere spoils no other.
#[tokio::test(start_paused = true)]
async fn an_error_of_somebody_elses_load_costs_one_more_body() {
    let world = World::new();
    let asked = world.asked(&LOAD);
    let single = tokio::spawn(world.read(Body::Fails));
    sleep(BODY / 2).await;
    assert_eq!(asked.batch(&[0, 1]).await, all(&[0, 1], 1));
    assert_eq!(asked.given(), [vec![1], vec![0]]);
    assert!(single.await.unwrap().is_err());
}

/// A recovery list closes single keys of a batch.
#[tokio::test(start_paused = true)]
async fn a_listed_key_is_neither_read_nor_stored() {
    let world = World::new();
    let asked = world.asked(&LOAD);
    assert!(asked.batch(&[0, 1]).await.is_ok());
    asked.given();
    world.version.store(2, SeqCst);
    let write = Token::numbered(1);
    world.cache.inner.recovery.begin(key_of(1).as_str(), write);
    for _ in 0..2 {
        assert_eq!(asked.batch(&[0, 1]).await, Ok(ByKey::from([(0, 1), (1, 2)])));
        assert_eq!(asked.given(), [[1]]);
    }
    world.cache.inner.recovery.end(key_of(1).as_str(), write);
}

/// A long body takes nothing of the time that others are waited for.
#[tokio::test(start_paused = true)]
async fn a_batch_waits_for_others_from_the_end_of_its_body_on() {
    let world = World::new();
    let hangs = Asked { body: Body::IsCancelled, ..world.asked(&LOAD) };
    let hanging = tokio::spawn(hangs.batch(&[1]));
    sleep(TICK).await;
    let asked = Asked { wait: Some(BODY), ..world.asked(&LOAD) };
    let begun = Instant::now();
    assert_eq!(asked.batch(&[0, 1]).await, all(&[0, 1], 1));
    assert_eq!(asked.given(), [[0], [1]]);
    let took = begun.elapsed();
    assert!((BODY * 3..BODY * 3 + TICK * 3).contains(&took), "a body, `wait`, and one more body: {took:?}");
    hanging.abort();
}

/// A task is given so many messages in a turn, and what is there needs no patience.
#[tokio::test(start_paused = true)]
async fn what_a_batch_has_been_told_is_not_loaded_again_when_its_time_is_over() {
    const KEYS: u64 = 5_000;
    let world = World::new();
    let ids: Vec<u64> = (0..KEYS).collect();
    let leads = world.asked(&LOAD);
    let leader = tokio::spawn(leads.batch(&ids));
    sleep(BODY / 2).await;
    let follows = Asked { wait: Some(BODY), ..world.asked(&LOAD) };
    let follower = tokio::spawn(follows.batch(&ids));
    sleep(BODY / 2).await;
    while world.cache.stats().total.stored < KEYS {
        tokio::task::yield_now().await;
    }
    tokio::time::advance(BODY).await;
    assert_eq!(leader.await.unwrap(), all(&ids, 1));
    assert_eq!(follower.await.unwrap(), all(&ids, 1));
    assert_eq!((leads.given().len(), follows.given().len()), (1, 0), "it follows all");
}
