//! Alongside paths, cancelled wherever they wait.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_read_cancelled_at_every_await_with_others_waiting() {
    quietly();
    for slow in [&["read", "acquire", "fill", "abandon"][..], &["fill"], &[]] {
        let mut ended = false;
        let mut polls = 0;
        while !ended {
            let what = format!("slow {slow:?}, {polls} polls");
            let world = World::new();
            for verb in slow {
                world.store().set(verb, Gate::Slow);
            }
            let followers = async {
                let reads: Vec<_> = (0..3).map(|_| tokio::spawn(world.read(Body::Succeeds))).collect();
                for read in reads {
                    assert_eq!(read.await.unwrap(), Ok(1));
                }
            };
            let leader = cancelled_after(polls, world.read(Body::Succeeds));
            let begun = Instant::now();
            (ended, ()) = tokio::join!(leader, followers);
            assert!(begun.elapsed() < Duration::from_millis(600), "{what}: {:?}", begun.elapsed());
            let bodies = world.bodies.load(SeqCst);
            assert!(bodies <= 2, "{what}: {bodies} bodies");
            world.is_well(&what).await;
            polls += 1;
        }
        assert!(polls > 3, "there was something to cancel: {polls}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_cancelled_at_every_await() {
    let mut dropped_inside = 0;
    for slow in [&["guard", "release"][..], &[]] {
        let mut ended = false;
        let mut polls = 0;
        while !ended {
            let what = format!("slow {slow:?}, {polls} polls");
            let world = World::new();
            world.read(Body::Succeeds).await.unwrap();
            for verb in slow {
                world.store().set(verb, Gate::Slow);
            }
            ended = cancelled_after(polls, world.write(&SAVE, Body::Succeeds)).await;
            let seen = world.read(Body::Succeeds).await;
            assert!(!ended || seen == Ok(2), "{what}: {seen:?}");
            sleep(SLOW * 3).await;
            let guarded = async || {
                let there = world.store().inside.read("k").await.unwrap();
                there.is_some_and(|bytes| bytes[3] == format::GUARD)
            };
            // Dropped before or after its body, a write takes its guard away. Dropped while it runs, the database may still
            // be carrying it out: nothing is stored until the guard ends by itself.
            let in_the_body = world.begun.load(SeqCst) > world.over.load(SeqCst);
            assert_eq!(guarded().await, in_the_body, "{what}");
            dropped_inside += u32::from(in_the_body);
            sleep(GUARD_FOR.saturating_sub(Duration::from_secs(1))).await;
            assert_eq!(guarded().await, in_the_body, "{what}");
            sleep(Duration::from_secs(2)).await;
            assert!(!guarded().await, "{what}");
            world.is_well(&what).await;
            polls += 1;
        }
        assert!(polls > 3, "there was something to cancel: {polls}");
    }
    assert!(dropped_inside > 3, "{dropped_inside}");
}
