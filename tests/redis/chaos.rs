//! The chaos test, for a short time, and its judge, on histories made by hand: it must see what is wrong with bad ones.

use cached_aside_tests::chaos::{
    caller::{Caller, Dropped, Home},
    check::{Verdict, check},
    class::{Class, TTL},
    clock::Timestamp,
    history::History,
    nemesis::Nemesis,
    record::Record,
    report,
    run::Run,
    subject::Subject,
    timeline::timeline,
    violation::Violation,
};
use std::{
    fmt::Write,
    future::poll_fn,
    iter,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    task::Poll,
    thread,
    time::{Duration, Instant},
};
use tokio::runtime::Handle;

mod nemesis;
mod reports;

/// A history of one process or several, its times in seconds.
fn history(text: &str) -> History {
    let records = text.lines().map(str::trim).filter(|line| !line.is_empty());
    History::new(records.map(|line| line.parse::<Record>().expect("a record")))
}

fn judge(class: Class, text: &str) -> Verdict {
    check(&history(text), class)
}

/// The violations, each by its first word.
fn found(class: Class, text: &str) -> Vec<String> {
    let violations = judge(class, text).violations;
    violations
        .iter()
        .map(|violation| violation.to_string().split(' ').next().unwrap_or_default().to_owned())
        .collect()
}

/// Key 1 is written twice, by process 1, each time within a guard; version 1 is loaded in between.
const TWO_WRITES: &str = "
    write 1.1 10
    done 1.1 20 ok guarded 0
    version 1 1 1.1
    load 2.1 cached 1 1 31 32
    read 2.1 cached 1 30 33 ok 1 1
    write 1.2 40
    done 1.2 50 ok guarded 0
    version 1 2 1.2";

#[test]
fn a_record_reads_as_it_was_written() {
    let text = "read 1.1 cached 5 10 20 ok 5 3
        read 1.2 direct 5 10 20 cancelled 5 0
        load 1.1 cached 5 3 11 12
        write 1.3 30
        done 1.3 40 panicked unguarded 2
        version 5 3 1.3
        counted 1 50 2 7 0
        killed 1 60
        event 1 70 lost FLUSHALL, say
        event 1 70 disturbed something else";
    for line in text.lines().map(str::trim) {
        assert_eq!(line.parse::<Record>().unwrap().to_string(), line);
    }
    for bad in ["", "read", "write 1 2", "done 1.1 2 well guarded 0", "load 1.1 cached x 1 2 3", "said 1"] {
        assert!(bad.parse::<Record>().is_err(), "{bad}");
    }
}

#[test]
fn a_good_history_passes() {
    let text = format!(
        "{TWO_WRITES}\nload 3.1 cached 1 2 61 62\nread 3.1 cached 1 60 70 ok 1 2\nread 2.2 cached 1 80 90 ok 1 2"
    );
    assert_eq!(found(Class::Outages, &text), [""; 0]);
}

/// A read that overlaps the write may give either version, and the other one may be seen after it or not at all.
#[test]
fn a_read_beside_a_write_may_give_the_old_version() {
    let text = format!("{TWO_WRITES}\nread 2.2 cached 1 45 60 ok 1 1\nread 2.3 cached 1 50 60 ok 1 1");
    assert_eq!(found(Class::Outages, &text), [""; 0]);
}

#[test]
fn p1_is_broken_by_a_read_that_begins_after_the_write_returned() {
    let text = format!("{TWO_WRITES}\nread 3.1 cached 1 51 60 ok 1 1");
    let verdict = judge(Class::Outages, &text);
    assert!(matches!(&verdict.violations[..], [Violation::MissesWrite(stale)] if stale.known.version == 2));
}

/// The function returned, although with an error, and its keys were deleted.
#[test]
fn p1_speaks_of_a_write_that_failed_after_it_had_written() {
    let text = format!("{TWO_WRITES}\nread 3.1 cached 1 51 60 ok 1 1").replace("50 ok", "50 err");
    assert_eq!(found(Class::Outages, &text), ["P1:"]);
    let cancelled = text.replace("50 err", "50 cancelled");
    assert_eq!(found(Class::Outages, &cancelled), [""; 0]);
}

/// A write that never ended has been seen, and is not seen later.
#[test]
fn p2_is_broken_by_a_read_that_goes_back() {
    let written = TWO_WRITES.replace("done 1.2 50 ok guarded 0", "killed 1 50");
    let seen = "load 3.1 cached 1 2 61 62\nread 3.1 cached 1 60 70 ok 1 2";
    assert_eq!(found(Class::Outages, &format!("{written}\n{seen}\nread 2.2 cached 1 71 80 ok 1 1")), ["P2:"]);
    assert_eq!(found(Class::Outages, &format!("{written}\n{seen}\nread 2.2 cached 1 69 80 ok 1 1")), [""; 0]);
    assert_eq!(found(Class::Outages, &format!("{written}\nread 2.2 cached 1 71 80 ok 1 1")), [""; 0]);
}

/// Key 1 and key 2 are written together, by a write that has not returned, and the new version of key 1 was seen.
const TOGETHER: &str = "
    write 1.1 10
    done 1.1 20 ok guarded 0
    version 1 1 1.1
    version 2 1 1.1
    load 2.1 cached 2 1 31 32
    read 2.1 cached 2 30 33 ok 2 1
    write 1.2 40
    version 1 2 1.2
    version 2 2 1.2
    load 2.2 cached 1 2 51 52
    read 2.2 cached 1 50 60 ok 1 2";

#[test]
fn whoever_has_seen_one_key_of_a_write_does_not_see_the_old_version_of_another() {
    let half = |begin| format!("{TOGETHER}\nread 3.1 cached 2 {begin} 80 ok 2 1");
    assert_eq!(found(Class::Outages, &half(61)), ["half"]);
    assert_eq!(found(Class::Outages, &half(59)), [""; 0], "it began before that was seen");
    let later = "write 1.3 70\nversion 1 3 1.3\nload 2.3 cached 1 3 71 72\nread 2.3 cached 1 71 73 ok 1 3";
    let text = format!("{}\n{later}", half(75)).replace("read 2.2 cached 1 50 60", "read 2.2 cached 1 50 79");
    assert_eq!(found(Class::Outages, &text), ["half"], "a later version of the one is seen");
    let unguarded = format!("{}\ndone 1.2 90 ok unguarded 1", half(61));
    let verdict = judge(Class::BestEffort, &unguarded);
    assert_eq!((verdict.violations.len(), verdict.allowed_halves.len()), (0, 1));
    let slots = half(61).replace("version 2", "version 101").replace("cached 2", "cached 101");
    assert_eq!(found(Class::Outages, &slots.replace("ok 2", "ok 101")), [""; 0], "a slot has no guard");
}

#[test]
fn a_read_past_the_cache_counts_for_those_that_follow() {
    let written = TWO_WRITES.replace("done 1.2 50 ok guarded 0", "");
    let text = format!(
        "{written}\nload 3.1 direct 1 2 61 62\nread 3.1 direct 1 60 70 ok 1 2\nread 2.2 cached 1 71 80 ok 1 1"
    );
    assert_eq!(found(Class::Crashes, &text), ["P2:"]);
}

#[test]
fn a_version_comes_from_the_origin_and_from_a_load() {
    let unloaded = format!("{TWO_WRITES}\nread 3.1 cached 1 60 70 ok 1 2");
    assert!(judge(Class::Outages, &unloaded).violations[0].to_string().ends_with("nobody had loaded it"));
    let unwritten = format!("{TWO_WRITES}\nload 3.1 cached 1 3 61 62\nread 3.1 cached 1 60 70 ok 1 3");
    let why: Vec<String> =
        judge(Class::Outages, &unwritten).violations.iter().map(ToString::to_string).collect();
    assert!(why.iter().all(|why| why.ends_with("nobody had written it")) && why.len() == 2, "{why:?}");
    let too_early = "write 1.1 10\nversion 1 1 1.1\nload 2.1 cached 1 1 6 7\nread 2.1 cached 1 5 8 ok 1 1";
    assert_eq!(judge(Class::Outages, too_early).violations.len(), 2);
    let other = format!("{TWO_WRITES}\nload 3.1 cached 1 2 61 62\nread 3.1 cached 1 60 70 ok 2 2");
    assert!(judge(Class::Outages, &other).violations[0].to_string().ends_with("that is another key"));
}

#[test]
fn a_body_runs_once_within_its_read_and_gives_what_the_origin_has() {
    let read = "read 3.1 cached 1 60 70 ok 1 2";
    for (load, why) in [
        ("load 3.1 cached 1 2 59 62", "it ran outside its read"),
        ("load 3.1 cached 1 2 61 71", "it ran outside its read"),
        ("load 3.1 cached 1 2 61 62\nload 3.1 cached 1 2 63 64", "it ran twice"),
        ("load 3.1 cached 1 2 61 62\nload 3.2 cached 1 1 61 62", "the origin had a newer one"),
    ] {
        let violations = judge(Class::Outages, &format!("{TWO_WRITES}\n{load}\n{read}")).violations;
        assert!(
            violations.iter().any(|violation| violation.to_string().ends_with(why)),
            "{load}: {violations:?}"
        );
    }
}

#[test]
fn a_refused_write_must_not_have_written() {
    let text = TWO_WRITES.replace("50 ok", "50 refused");
    assert!(
        judge(Class::Outages, &text).violations.contains(&Violation::WroteAllTheSame("1.2".parse().unwrap()))
    );
    let nobody = format!("{TWO_WRITES}\nversion 1 3 9.9");
    assert!(
        judge(Class::Outages, &nobody)
            .violations
            .contains(&Violation::WroteAllTheSame("9.9".parse().unwrap()))
    );
}

/// A write that could not be guarded, and whose deletion is delivered at 100.
const UNGUARDED: &str = "
    write 1.1 10
    done 1.1 20 ok guarded 0
    version 1 1 1.1
    load 2.1 cached 1 1 31 32
    read 2.1 cached 1 30 33 ok 1 1
    write 1.2 40
    done 1.2 50 ok unguarded 1
    version 1 2 1.2
    counted 1 60 1 0 0
    counted 1 100 0 0 0
    counted 1 110 0 0 0";

#[test]
fn an_undelivered_deletion_excuses_others_until_it_is_delivered() {
    let stale = |begin, process| format!("{UNGUARDED}\nread {process}.9 cached 1 {begin} 200 ok 1 1");
    let verdict = judge(Class::BestEffort, &stale(99, 2));
    assert_eq!((verdict.violations.len(), verdict.allowed.len()), (0, 1));
    assert_eq!(found(Class::BestEffort, &stale(101, 2)), ["P1:"], "it was delivered");
    assert_eq!(found(Class::BestEffort, &stale(99, 1)), ["P1:"], "the writer itself goes past the cache");
    assert_eq!(found(Class::Outages, &stale(99, 2)), ["P1:"], "with `required` it should have been refused");
    let guarded = stale(99, 2).replace("unguarded", "guarded");
    assert_eq!(found(Class::BestEffort, &guarded), ["P1:"], "the guard stayed");
}

/// Where Redis answers, a write is guarded whatever its policy, and may not be missed by anybody.
#[test]
fn a_pause_excuses_neither_an_unguarded_write_nor_a_stale_read() {
    assert_eq!(found(Class::Pauses, UNGUARDED), ["write"]);
    let verdict = judge(Class::Pauses, UNGUARDED);
    assert_eq!(verdict.violations, [Violation::Unguarded("1.2".parse().unwrap())]);
    let guarded = UNGUARDED.replace("unguarded", "guarded");
    assert_eq!(found(Class::Pauses, &guarded), [""; 0]);
    let stale = format!("{guarded}\nread 2.9 cached 1 60 200 ok 1 1");
    assert_eq!(found(Class::Pauses, &stale), ["P1:"]);
}

/// What could not be guarded and what lost its guard may be missed, until its deletion has been delivered.
#[test]
fn an_outage_of_the_server_excuses_others_until_the_delivery() {
    let stale = |begin, process| format!("{UNGUARDED}\nread {process}.9 cached 1 {begin} 200 ok 1 1");
    let lost = |begin, process, at: u64| {
        let guarded = stale(begin, process).replace("unguarded", "guarded");
        format!("{guarded}\nevent {at} {} lost Redis is killed", at + 5)
    };
    assert_eq!(found(Class::Restarts, &stale(99, 2)), [""; 0]);
    assert_eq!(found(Class::Restarts, &lost(99, 2, 45)), [""; 0]);
    for broken in [stale(101, 2), stale(99, 1), lost(101, 2, 45), lost(99, 1, 45), lost(99, 2, 55)] {
        assert_eq!(found(Class::Restarts, &broken), ["P1:"], "{broken}");
    }
}

/// What a dead process owed ends with the TTL of what may have been stored.
#[test]
fn a_dead_process_excuses_others_for_a_ttl() {
    let died = UNGUARDED.lines().filter(|line| !line.contains("counted")).collect::<Vec<_>>().join("\n");
    let stale = |begin: u64| format!("{died}\nkilled 1 70\nread 2.9 cached 1 {begin} {} ok 1 1", begin + 1);
    assert_eq!(found(Class::BestEffort, &stale(1_000)), [""; 0]);
    let much_later = Timestamp(70).plus(TTL * 4).0;
    assert_eq!(found(Class::BestEffort, &stale(much_later)), ["P1:"]);
}

/// A later write that was guarded and delivered leaves nothing older, whatever happened before it.
#[test]
fn a_guarded_write_ends_what_an_earlier_one_excuses() {
    let text = format!(
        "{UNGUARDED}
        write 2.2 60
        done 2.2 70 ok guarded 0
        version 1 3 2.2
        read 3.9 cached 1 80 90 ok 1 1"
    );
    assert_eq!(found(Class::BestEffort, &text), ["P1:"]);
}

#[test]
fn a_loss_excuses_the_write_that_it_hit_until_that_returned() {
    let seen = "load 3.1 direct 1 2 45 46\nread 3.1 direct 1 44 47 ok 1 2";
    let stale = |begin| format!("{TWO_WRITES}\n{seen}\nread 2.9 cached 1 {begin} 60 ok 1 1");
    assert_eq!(found(Class::Loss, &stale(48)), ["P2:"]);
    let flushed = |begin| format!("{}\nevent 41 42 lost FLUSHALL", stale(begin));
    assert_eq!(found(Class::Loss, &flushed(48)), [""; 0]);
    assert_eq!(found(Class::Loss, &flushed(51)), ["P1:"]);
    assert_eq!(found(Class::Outages, &flushed(48)), ["P2:"]);
}

/// A copy whose entry was lost is used for what is left of its time, in the writer's process too.
#[test]
fn a_loss_excuses_copies_for_as_long_as_they_may_be_used() {
    let ms = |ms: u64| ms * 1_000_000;
    let stale = |lost: u64, begin: u64, process: u32| {
        format!(
            "{TWO_WRITES}\nevent {lost} {lost} lost an eviction\nread {process}.9 cached 1 {} {} ok 1 1",
            begin,
            begin + 1
        )
    };
    for process in [1, 2] {
        assert_eq!(found(Class::LostCopies, &stale(35, 35 + ms(300), process)), [""; 0]);
        assert_eq!(found(Class::LostCopies, &stale(35, 36 + ms(300), process)), ["P1:"]);
        assert_eq!(found(Class::LostCopies, &stale(51, 60, process)), ["P1:"], "it was told of all copies");
        assert_eq!(found(Class::Loss, &stale(35, 60, process)), ["P1:"]);
    }
}

/// A key that only the result names is deleted after the body: the write is seen once it has returned.
#[test]
fn a_slot_may_go_back_while_it_is_being_written() {
    let slots = TWO_WRITES
        .replace("version 1 ", "version 100 ")
        .replace("cached 1 ", "cached 100 ")
        .replace("ok 1 1", "ok 100 1");
    let seen = "load 3.1 direct 100 2 45 46\nread 3.1 direct 100 44 47 ok 100 2";
    let stale = |begin| format!("{slots}\n{seen}\nread 2.9 cached 100 {begin} 60 ok 100 1");
    assert_eq!(found(Class::Outages, &stale(48)), [""; 0]);
    assert_eq!(found(Class::Outages, &stale(51)), ["P1:"]);
}

#[test]
fn exceptions_must_stay_exceptions() {
    let mut text = UNGUARDED.to_owned();
    for number in 10..150 {
        writeln!(text, "\nread 2.{number} cached 1 70 71 ok 1 1").unwrap();
    }
    assert!(matches!(&judge(Class::BestEffort, &text).violations[..], [Violation::TooMany { .. }]));
}

#[test]
fn the_same_seed_disturbs_in_the_same_way() {
    let start = Instant::now();
    let acts = |seed| {
        let (mut nemesis, mut now) = (Nemesis::new(seed, Class::Loss, 3, start), start);
        let mut next = || {
            now += nemesis.pause();
            nemesis.act(now).map(|act| act.to_string())
        };
        (0..100).map(|_| next()).collect::<Vec<_>>()
    };
    assert_eq!(acts(7), acts(7));
    assert_ne!(acts(7), acts(8));
}

/// What tells that it was dropped.
struct Tells(Arc<AtomicBool>);

impl Drop for Tells {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

#[tokio::test]
async fn a_call_ends_with_its_runtime() {
    let runtimes = [
        Home::Here,
        Home::CurrentThread,
        Home::StandingStill(Duration::from_millis(1), Duration::from_millis(5)),
        Home::MultiThread(1),
        Home::MultiThread(2),
    ];
    for from in runtimes {
        let outcome = Caller { from, dropped: None }.call(async { Handle::current().id() }).await;
        let elsewhere = outcome.unwrap().unwrap() != Handle::current().id();
        assert_eq!(elsewhere, from != Home::Here, "{from:?}");
        for dropped in [Dropped::After(Duration::from_millis(5)), Dropped::AfterPolls(3)] {
            let (told, polls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
            let (tells, polled) = (Tells(told.clone()), polls.clone());
            let endless = poll_fn(move |context| {
                let _ = &tells;
                polled.fetch_add(1, SeqCst);
                context.waker().wake_by_ref();
                Poll::Pending
            });
            let outcome: Option<()> = Caller { from, dropped: Some(dropped) }.call(endless).await.unwrap();
            assert_eq!(outcome, None, "{from:?}, {dropped:?}");
            assert!(told.load(SeqCst), "{from:?}, {dropped:?}: it goes on");
            if dropped == Dropped::AfterPolls(3) {
                assert_eq!(polls.load(SeqCst), 3, "{from:?}");
            }
        }
    }
}

#[test]
fn a_short_chaos_test_breaks_the_naive_cache_aside_and_not_ours() {
    let program = Path::new(env!("CARGO_BIN_EXE_chaos"));
    // Sentinels take their time to agree: `cargo xtask chaos` has them as well.
    let classes = Class::ALL.into_iter().chain(Class::FAILOVERS).rev();
    let classes = classes.filter(|(class, _)| *class != Class::Sentinels);
    let runs = classes.map(|(class, _)| (Subject::Ours, class)).chain([(Subject::Naive, Class::Outages)]);
    let (last, first): (Vec<_>, Vec<_>) =
        runs.partition(|(_, class)| matches!(class, Class::LostCopies | Class::Pauses));
    let run = |(subject, class): (Subject, Class)| {
        // A failover takes its time.
        let time = Duration::from_secs(if class.fails_over() { 15 } else { 5 });
        let run = Run { program, subject, class, seed: 1, time };
        (subject, class, run.execute())
    };
    // Each has servers and processes of its own. More at once, and a small machine keeps those of the tests beside this one from running
    // for longer than a lease lasts; more than two, and it keeps Redis from answering in time, where every write is to be guarded.
    let all = [(3, first), (2, last)].into_iter().flat_map(|(at_once, runs)| {
        let left = Mutex::new(runs.into_iter());
        let next = || left.lock().unwrap().next();
        let lane = || iter::from_fn(next).map(run).collect::<Vec<_>>();
        thread::scope(|scope| {
            let lanes: Vec<_> = (0..at_once).map(|_| scope.spawn(lane)).collect();
            lanes.into_iter().flat_map(|lane| lane.join().expect("it runs to its end")).collect::<Vec<_>>()
        })
    });
    for (subject, class, report) in all {
        println!("{}\n{}", report::head(subject), report.row(class));
        assert!(report.tells(), "{subject}, {class}: {report:?}");
        let broken = report.first.as_deref().unwrap_or_default();
        assert_eq!(
            report.violations > 0,
            subject == Subject::Naive,
            "{subject}: {} violations{broken}",
            report.violations
        );
    }
}
