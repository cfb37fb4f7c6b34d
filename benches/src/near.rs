//! Copies in this process, beside a cache that has nothing else, and beside other two-tier caches with what they give that is old.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cached_aside_benches::{
    drive,
    origin::{self, Size},
    subject::{
        ByHand, Cacheable, Cached, Fred, Hitbox, MultiTier, Subject,
        near::{CacheableNear, Far, MultiTierNear, Near, OursNear, QuickCache, version},
    },
};
use cached_aside_tests::RedisServer;
use rand::{SeedableRng, rngs::SmallRng};
use rand_distr::{Distribution, Zipf};
use tokio::{runtime::Runtime, task::JoinSet};

use crate::{
    cost,
    report::Report,
    results::median,
    sections::{Effort, number},
};

pub const TITLE: &str = "Copies in the process";

const KEYS: u64 = 10_000;
const CALLERS: usize = 64;
/// Copies are made of what is asked for again, in the background.
const WARM_UP: Duration = Duration::from_millis(1_500);
const FAR_WARM_UP: Duration = Duration::from_millis(100);
/// Number of calls between two of which a caller lets the others go on.
const AT_ONCE: usize = 32;

pub fn run(effort: Effort, report: &mut Report) {
    let server = RedisServer::start();
    let runtime = Runtime::new().expect("a runtime");
    origin::set_delay(Duration::ZERO);
    let url = server.url();
    let (ours, cacheable, multi) = runtime.block_on(async {
        (
            OursNear::connect(&url).await,
            CacheableNear::connect(&url).await,
            MultiTierNear::connect(&url).await,
        )
    });
    runtime.block_on(async {
        prepare(&ours).await;
        prepare(&cacheable).await;
        prepare(&multi).await;
    });
    let quick = QuickCache::new((0..KEYS).map(|key| Size::Small.id(key)));
    one_key(&runtime, effort, (&ours, &quick, &cacheable, &multi), report);
    some_hotter(&runtime, effort, (&ours, &quick, &cacheable, &multi), &url, report);
}

/// Puts all entries into Redis.
async fn prepare<N: Near>(subject: &N) {
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS as u64 {
        let subject = subject.clone();
        callers.spawn(async move {
            for number in (caller..KEYS).step_by(CALLERS) {
                drop(subject.get(Size::Small.id(number)).await);
            }
        });
    }
    callers.join_all().await;
}

type Rate<'a> = (&'static str, Box<dyn Fn() -> f64 + 'a>);

/// 64 callers, and keys of which some are hotter than others; what is given that is old.
fn some_hotter(
    runtime: &Runtime,
    effort: Effort,
    (ours, quick, cacheable, multi): (&OursNear, &QuickCache, &CacheableNear, &MultiTierNear),
    url: &str,
    report: &mut Report,
) {
    report.heading(
        "Copies in the process, some keys hotter than others",
        "64 callers, by Zipf's law with exponent 0.99 over 10,000 keys; × is the median of the ratios to redis-rs by hand in the same \
         round. What has one tier asks Redis each time. The second half: one hot key that a second cache of the program, which stands for another \
         process, writes for as long as it can, with 16 readers; a read is old that began after a write had returned, and gives what was there before. The others send \
         messages that invalidate.",
    );
    let mut rates: Vec<Rate<'_>> = vec![
        near(runtime, effort, ours),
        near(runtime, effort, cacheable),
        near(runtime, effort, multi),
        near(runtime, effort, quick),
        far::<ByHand>(runtime, effort, url),
        far::<Cached>(runtime, effort, url),
        far::<Cacheable>(runtime, effort, url),
        far::<Hitbox>(runtime, effort, url),
        far::<MultiTier>(runtime, effort, url),
        far::<Fred>(runtime, effort, url),
    ];
    let base = rates.iter().position(|(name, _)| *name == ByHand::NAME).expect("it is one of them");
    let mut measured = vec![Vec::new(); rates.len()];
    for round in 0..effort.rounds {
        eprintln!("{TITLE}, round {} of {}", round + 1, effort.rounds);
        for ((_, rate), measured) in rates.iter_mut().zip(&mut measured) {
            measured.push(rate());
        }
    }
    let mut old = vec![
        old_reads(runtime, effort, ours),
        old_reads(runtime, effort, cacheable),
        old_reads(runtime, effort, multi),
    ]
    .into_iter();
    let rows: Vec<Vec<String>> = rates
        .iter()
        .zip(&measured)
        .map(|((name, _), own)| {
            let ratios = own.iter().zip(&measured[base]).map(|(own, base)| own / base).collect();
            let mut row =
                vec![(*name).to_owned(), number(median(own.clone()) / 1e3), format!("{:.2}", median(ratios))];
            row.extend(old.next().into_iter().flatten());
            row.resize(6, "–".to_owned());
            row
        })
        .collect();
    let head = ["", "thousand/s", "×", "writes", "reads meanwhile, thousand", "old reads"];
    report.table(&head.map(str::to_owned), &rows);
}

/// Calls in a second of what keeps copies.
fn near<'a, N: Near>(runtime: &'a Runtime, effort: Effort, subject: &'a N) -> Rate<'a> {
    (N::NAME, Box::new(move || rate(runtime, effort, subject, WARM_UP)))
}

/// The same of what asks Redis each time.
fn far<'a, S: Subject>(runtime: &'a Runtime, effort: Effort, url: &str) -> Rate<'a> {
    let subject = runtime.block_on(async {
        let subject = S::connect(url).await;
        drive::prepare(&subject, Size::Small, KEYS).await;
        Far(subject)
    });
    (S::NAME, Box::new(move || rate(runtime, effort, &subject, FAR_WARM_UP)))
}

/// One caller, one key.
fn one_key(
    runtime: &Runtime,
    effort: Effort,
    (ours, quick, cacheable, multi): (&OursNear, &QuickCache, &CacheableNear, &MultiTierNear),
    report: &mut Report,
) {
    report.heading(
        TITLE,
        "One caller, one hot key, the value in an `Arc`; × is the median of the ratios to quick_cache's `get` with a formatted text \
         key in the same round. Allocations are counted with a single-threaded runtime.",
    );
    let mut times = [const { Vec::new() }; 4];
    for _ in 0..effort.rounds * 3 {
        times[0].push(time_of_hit(runtime, effort, ours));
        times[1].push(time_of_hit(runtime, effort, quick));
        times[2].push(time_of_hit(runtime, effort, cacheable));
        times[3].push(time_of_hit(runtime, effort, multi));
    }
    let names = [OursNear::NAME, QuickCache::NAME, CacheableNear::NAME, MultiTierNear::NAME];
    let rows: Vec<Vec<String>> = names
        .iter()
        .zip(&times)
        .map(|(name, own)| {
            let ratios = own.iter().zip(&times[1]).map(|(own, base)| own / base).collect();
            let allocations = if *name == CacheableNear::NAME || *name == MultiTierNear::NAME {
                "–".to_owned()
            } else {
                number(cost::allocations_near(name))
            };
            vec![
                (*name).to_owned(),
                number(median(own.clone())),
                format!("{:.2}", median(ratios)),
                allocations,
            ]
        })
        .collect();
    report.table(&["", "ns", "×", "allocations"].map(str::to_owned), &rows);
}

/// The time of a hit (ns).
fn time_of_hit<N: Near>(runtime: &Runtime, effort: Effort, subject: &N) -> f64 {
    let id = Size::Small.id(0);
    runtime.block_on(async {
        // It may take a moment until there is a copy, and until it is registered again.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(20) {
            drop(subject.get(id).await);
        }
        let (begun, mut count) = (Instant::now(), 0_u64);
        while begun.elapsed() < effort.time {
            for _ in 0..1_000 {
                drop(subject.get(id).await);
            }
            count += 1_000;
        }
        begun.elapsed().as_nanos() as f64 / count as f64
    })
}

/// Calls in a second.
fn rate<N: Near>(runtime: &Runtime, effort: Effort, subject: &N, warm_up: Duration) -> f64 {
    let mut random = SmallRng::seed_from_u64(1);
    let zipf = Zipf::new(KEYS as f64, 0.99).expect("the exponent is positive");
    let order: Arc<[u64]> =
        (0..1 << 16).map(|_| Size::Small.id(zipf.sample(&mut random) as u64 - 1)).collect();
    runtime.block_on(async {
        let (calls, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let mut callers = JoinSet::new();
        for number in 0..CALLERS {
            let (subject, order, calls, stop) = (subject.clone(), order.clone(), calls.clone(), stop.clone());
            callers.spawn(async move {
                let mut at = number * 9973;
                while !stop.load(Relaxed) {
                    for _ in 0..AT_ONCE {
                        at += 1;
                        drop(subject.get(order[at % order.len()]).await);
                    }
                    calls.fetch_add(AT_ONCE as u64, Relaxed);
                    tokio::task::yield_now().await;
                }
            });
        }
        tokio::time::sleep(warm_up).await;
        let (begun, before) = (Instant::now(), calls.load(Relaxed));
        tokio::time::sleep(effort.time * 5).await;
        let rate = (calls.load(Relaxed) - before) as f64 / begun.elapsed().as_secs_f64();
        stop.store(true, Relaxed);
        callers.join_all().await;
        rate
    })
}

/// Writes, reads beside them, and how many of those were old.
fn old_reads<N: Near>(runtime: &Runtime, effort: Effort, subject: &N) -> [String; 3] {
    eprintln!("{}, old reads", N::NAME);
    // Nobody has read it.
    let id = Size::Small.id(KEYS + 1);
    runtime.block_on(async {
        let stop = Arc::new(AtomicBool::new(false));
        let (reads, old) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let written = Arc::new(AtomicU64::new(version()));
        let mut callers = JoinSet::new();
        for _ in 0..16 {
            let (subject, stop, written) = (subject.clone(), stop.clone(), written.clone());
            let (reads, old) = (reads.clone(), old.clone());
            callers.spawn(async move {
                while !stop.load(Relaxed) {
                    let expected = written.load(SeqCst);
                    let given = subject.get(id).await.version();
                    reads.fetch_add(1, Relaxed);
                    old.fetch_add(u64::from(given < expected), Relaxed);
                    tokio::task::yield_now().await;
                }
            });
        }
        tokio::time::sleep(WARM_UP).await;
        let (begun, mut writes) = (Instant::now(), 0);
        while begun.elapsed() < effort.time * 40 {
            written.store(subject.write_elsewhere(id).await, SeqCst);
            writes += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.store(true, Relaxed);
        callers.join_all().await;
        let reads = reads.load(Relaxed) as f64 / 1e3;
        [writes.to_string(), number(reads), old.load(Relaxed).to_string()]
    })
}
