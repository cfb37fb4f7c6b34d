use cached_aside_protocol::entry::{Refresh, Value, Versions};

use super::*;
use crate::{Cache, cached_aside};

const TTL: Duration = Duration::from_secs(60);

fn value(outlives_freshness: bool, load_time: Duration) -> Value<'static> {
    let refresh = Refresh { runs: false, failures: 0, until: Duration::ZERO };
    let stored_at = Duration::from_secs(1_000);
    let versions = Versions::NONE;
    Value { payload: Some(b""), versions, stored_at, fresh_for: TTL, load_time, outlives_freshness, refresh }
}

#[test]
fn what_is_due_at_which_age() {
    let windows = |while_revalidate, if_error| Staleness {
        while_revalidate: Duration::from_secs(while_revalidate),
        if_error: Duration::from_secs(if_error),
        ..Staleness::NONE
    };
    let due = |staleness: Staleness, age: i64| {
        let now = Duration::from_secs(u64::try_from(1_000 + age).unwrap());
        staleness.freshness(&value(true, Duration::ZERO), Some(now), || 1.0)
    };
    for (staleness, age, expected) in [
        (windows(10, 0), 0, Freshness::Fresh),
        (windows(10, 0), 59, Freshness::Fresh),
        // The clock of another server after a failover.
        (windows(10, 0), -5, Freshness::Fresh),
        // The clock went back.
        (windows(10, 0), -11, Freshness::Expired),
        (windows(0, 10), -11, Freshness::Expired),
        (Staleness::NONE, -11, Freshness::Expired),
        (windows(10, 0), 60, Freshness::Stale),
        (windows(10, 0), 69, Freshness::Stale),
        (windows(10, 0), 70, Freshness::Expired),
        (windows(0, 10), 60, Freshness::StaleIfError),
        (windows(0, 10), 70, Freshness::Expired),
        (windows(10, 100), 69, Freshness::Stale),
        (windows(10, 100), 70, Freshness::StaleIfError),
        (windows(10, 100), 160, Freshness::Expired),
        (windows(100, 10), 159, Freshness::Stale),
        // Another version of the program let it linger.
        (Staleness::NONE, 59, Freshness::Fresh),
        (Staleness::NONE, 60, Freshness::Expired),
    ] {
        assert_eq!(due(staleness, age), Some(expected), "{staleness:?} at {age} s");
    }
    assert_eq!(windows(10, 100).window(), Duration::from_secs(100));
    let timeless = |outlives_freshness, staleness: Staleness| {
        staleness.freshness(&value(outlives_freshness, Duration::ZERO), None, || 1.0).is_none()
    };
    assert!(timeless(true, Staleness::NONE) && !timeless(false, windows(10, 10)));
    assert!(timeless(false, Staleness { early: 1.0, ..Staleness::NONE }));
}

#[test]
fn the_random_number_is_drawn_only_near_the_end() {
    let second = Duration::from_secs(1);
    let never = || unreachable!("no random number is needed");
    assert!(!is_early(second, 1.0, second * 23, never));
    assert!(is_early(second, 1.0, second * 22, || 1e-10));
    for (left, draw, early) in [(1.0, 0.3, true), (1.0, 0.4, false), (0.0, 1.0, true), (2.0, 0.13, true)] {
        assert_eq!(is_early(second, 1.0, second.mul_f64(left), || draw), early, "{left} s left, {draw}");
    }
    assert!(is_early(second, 2.0, second * 2, || 0.3) && !is_early(second, 1.0, second * 2, || 0.3));
}

/// Random numbers that are the same in every run.
struct Seeded(u64);

impl Seeded {
    /// Above 0 and up to 1.
    fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (f64::from(u32::try_from((mixed ^ mixed >> 31) >> 32).unwrap()) + 1.0) / (f64::from(u32::MAX) + 1.0)
    }

    /// Seconds between two events of which there are so many a second.
    fn pause(&mut self, a_second: f64) -> f64 {
        -self.draw().ln() / a_second
    }
}

/// One key and its readers. All times are seconds.
#[derive(Clone, Copy)]
struct Readers {
    /// `early_refresh`, or none.
    beta: Option<f64>,
    /// One caller loads at a time, by the refresh token; else everybody who thinks so does.
    elected: bool,
    /// What a load takes.
    load_time: fn(&mut Seeded) -> f64,
}

#[derive(Debug, Default)]
struct Result {
    loads: u64,
    /// Times at which loads began while none ran.
    rounds: u64,
    most_at_once: usize,
    /// Reads that were given a value past its TTL.
    stale: u64,
    reads: u64,
}

impl Readers {
    const COUNT: f64 = 10_000.0;
    /// Each comes back after so long, on average.
    const THINKS: f64 = 10.0;
    const TTL: f64 = 20.0;
    const LASTS: f64 = 600.0;

    fn run(self) -> Result {
        let mut random = Seeded(7);
        let mut result = Result::default();
        let first = (self.load_time)(&mut random);
        let (mut stored_at, mut took) = (0.0, first);
        // When each load that runs ends, and what it took.
        let mut running: Vec<(f64, f64)> = Vec::new();
        let mut now = 0.0;
        while now < Self::LASTS {
            now += random.pause(Self::COUNT / Self::THINKS);
            running.retain(|(ends, load)| {
                if *ends <= now && *ends > stored_at {
                    (stored_at, took) = (*ends, *load);
                }
                *ends > now
            });
            result.reads += 1;
            let left = stored_at + Self::TTL - now;
            let due = left <= 0.0
                || self.beta.is_some_and(|beta| {
                    let (took, left) = (Duration::from_secs_f64(took), Duration::from_secs_f64(left));
                    is_early(took, beta, left, || random.draw())
                });
            if due && (running.is_empty() || !self.elected) {
                result.rounds += u64::from(running.is_empty());
                result.loads += 1;
                let load = (self.load_time)(&mut random);
                running.push((now + load, load));
                result.most_at_once = result.most_at_once.max(running.len());
            } else if left <= 0.0 {
                result.stale += 1;
            }
        }
        result
    }
}

/// 10,000 readers of one key, whose load times have a heavy tail. `--nocapture` prints the table.
#[test]
fn early_refresh_simulated() {
    // Pareto: a fifth of a second and more, without a variance, and no more than 15 seconds.
    let heavy = |random: &mut Seeded| (0.2 / random.draw().powf(1.0 / 1.5)).min(15.0);
    let run = |beta, elected| Readers { beta, elected, load_time: heavy }.run();
    let table = [
        ("at the TTL, everybody who finds it past", run(None, false)),
        ("XFetch alone, beta 1", run(Some(1.0), false)),
        ("`stale_while_revalidate`", run(None, true)),
        ("the same with `early_refresh = 1.0`", run(Some(1.0), true)),
        ("the same with `early_refresh = 3.0`", run(Some(3.0), true)),
    ];
    println!("{:<44} {:>8} {:>8} {:>12} {:>12}", "", "reads", "loads", "most at once", "stale reads");
    for (what, Result { reads, loads, most_at_once, stale, .. }) in &table {
        println!("{what:<44} {reads:>8} {loads:>8} {most_at_once:>12} {stale:>12}");
    }
    let [herd, alone, late, early, earlier] = table.map(|(_, result)| result);
    assert!(late.most_at_once == 1 && early.most_at_once == 1 && earlier.most_at_once == 1);
    assert!(herd.loads > 100 * late.loads && alone.loads > 2 * early.loads, "the election");
    assert!(late.stale > 3 * early.stale && early.stale > earlier.stale, "fewer stale reads");
    assert!(early.loads < late.loads * 3 / 2, "for few more loads");

    // The paper lets nobody be elected. With load times that are always the same and many readers its gap makes the loads
    // of one round e^(1/beta) on average, however many the readers are: the first one begins, and the others' rate grows by
    // that much until it ends.
    println!(
        "\n{:<44} {:>8} {:>12}",
        "loads of a round, always 1 s, nobody elected", "measured", "e^(1/beta)"
    );
    for beta in [0.5, 1.0, 2.0] {
        let always = |_: &mut Seeded| 1.0;
        let Result { loads, rounds, .. } =
            Readers { beta: Some(beta), elected: false, load_time: always }.run();
        let (measured, expected) = (average(loads, rounds), (1.0 / beta).exp());
        println!("{:<44} {measured:>8.2} {expected:>12.2}", format!("beta {beta}"));
        assert!((measured / expected - 1.0).abs() < 0.5, "beta {beta}: {measured} for {expected}");
    }
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn average(sum: u64, count: u64) -> f64 {
    sum as f64 / count as f64
}

#[expect(clippy::unused_async, reason = "only async functions are cached")]
#[cached_aside(ttl = "10m", key = "scattered:{id}")]
async fn scattered(id: u64) -> u64 {
    id
}

#[expect(clippy::unused_async, reason = "only async functions are cached")]
#[cached_aside(ttl = "10m", jitter = "0%", key = "together:{id}")]
async fn together(id: u64) -> u64 {
    id
}

/// 10,000 entries that are stored at once do not end at once. `--nocapture` prints the worst second.
#[tokio::test(start_paused = true)]
async fn an_avalanche_with_and_without_jitter() {
    const ENTRIES: u64 = 10_000;
    let cache = Cache::in_process();
    let (mut with, mut without) = ([0_u64; 601], [0_u64; 601]);
    cache
        .scope(async {
            for id in 0..ENTRIES {
                scattered(id).await;
                together(id).await;
            }
        })
        .await;
    for id in 0..ENTRIES {
        for (key, ends) in
            [(scattered::key(id).to_string(), &mut with), (together::key(id).to_string(), &mut without)]
        {
            let left = cache.inner.store.watch(&key, TTL).await.unwrap().left;
            ends[usize::try_from(left.as_secs()).unwrap()] += 1;
        }
    }
    let worst = |ends: &[u64; 601]| ends.iter().copied().max().unwrap_or_default();
    println!("{ENTRIES} entries stored at once, ttl 10 m: the worst second of their ends");
    println!("jitter 10%: {}, without: {}", worst(&with), worst(&without));
    assert_eq!(worst(&without), ENTRIES);
    // Spread over a minute there are 167 a second on average; 250 is more than six standard deviations away.
    assert!(worst(&with) <= 250, "{}", worst(&with));
    assert!(with[..539].iter().all(|ends| *ends == 0), "no more than a tenth is taken off");
}
