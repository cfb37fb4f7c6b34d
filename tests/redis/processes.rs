//! Several processes that share a Redis: the promises, where they matter.

use cached_aside_tests::{RedisServer, Worker, server};
use redis::cmd;
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use crate::support::{LONG, eventually};

/// A cache, a database, and a namespace of this test's own.
struct Setting {
    cache: &'static RedisServer,
    database: &'static RedisServer,
    namespace: String,
}

impl Setting {
    fn new() -> Setting {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let namespace = format!("processes-{}", NEXT.fetch_add(1, Relaxed));
        Setting { cache: RedisServer::shared(), database: RedisServer::shared(), namespace }
    }

    async fn app(&self) -> Worker {
        self.app_at(&self.cache.url()).await
    }

    async fn app_at(&self, cache: &str) -> Worker {
        let mut app = crate::worker("app", &[cache, &self.database.url(), &self.namespace]);
        app.expect("ready").await;
        app
    }

    /// A row that no other test uses.
    fn row() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Relaxed)
    }

    fn loads(&self, row: u64) -> u64 {
        self.database.run::<Option<u64>>(cmd("GET").arg(format!("loads:{row}"))).unwrap_or(0)
    }

    /// What stands under the row's key, by the entry's fourth byte.
    fn kind(&self, row: u64) -> Option<u8> {
        let key = format!("{}:row:{row}", self.namespace);
        self.cache.run::<Option<Vec<u8>>>(cmd("GET").arg(key)).map(|bytes| bytes[3])
    }
}

impl Drop for Setting {
    /// Whatever the test did: nothing of ours stays for ever.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.cache.keys_without_ttl(&self.namespace), [""; 0]);
        }
    }
}

const VALUE: Option<u8> = Some(0x10);
const LEASE: Option<u8> = Some(0x01);
const GUARD: Option<u8> = Some(0x02);

async fn ask(app: &mut Worker, line: &str) -> String {
    app.send(format_args!("t {line}"));
    app.line().await
}

/// The fill race: the reader has read the origin, the writer writes and invalidates, the reader's fill arrives.
#[tokio::test]
async fn a_fill_that_races_an_invalidation_leaves_nothing_stale() {
    let setting = Setting::new();
    let (mut reader, mut writer) = (setting.app().await, setting.app().await);
    let mut stale = 0;
    for trial in 0..1_000 {
        let row = Setting::row();
        assert_eq!(ask(&mut reader, &format!("read {row} after")).await, "t loaded 0", "trial {trial}");
        assert_eq!(ask(&mut writer, &format!("write {row}")).await, "t wrote 1");
        assert_eq!(ask(&mut reader, "go").await, "t read 0");
        stale += u32::from(ask(&mut writer, &format!("read {row}")).await != "t read 1");
        stale += u32::from(ask(&mut reader, &format!("read {row}")).await != "t read 1");
    }
    assert_eq!(stale, 0, "stale reads in 1,000 races");
    // A load does not wait for its fill.
    let begun = Instant::now();
    loop {
        let stats = ask(&mut reader, "stats").await;
        if stats.contains("fills_refused=1000") {
            return;
        }
        assert!(begun.elapsed() < LONG, "each race was one: {stats}");
    }
}

/// The same with a write that is only deleted after.
#[tokio::test]
async fn a_write_without_a_guard_refuses_the_fill_too() {
    let setting = Setting::new();
    let (mut reader, mut writer) = (setting.app().await, setting.app().await);
    for _ in 0..50 {
        let row = Setting::row();
        assert_eq!(ask(&mut reader, &format!("read {row} after")).await, "t loaded 0");
        assert_eq!(ask(&mut writer, &format!("write-unguarded {row}")).await, "t wrote 1");
        assert_eq!(ask(&mut reader, "go").await, "t read 0");
        assert_eq!(ask(&mut reader, &format!("read {row}")).await, "t read 1");
    }
}

/// A reader that begins while a write is under way stores nothing, whenever it ends.
#[tokio::test]
async fn nothing_is_stored_while_a_write_is_under_way() {
    let setting = Setting::new();
    let (mut reader, mut writer) = (setting.app().await, setting.app().await);
    let row = Setting::row();
    assert_eq!(ask(&mut reader, &format!("read {row}")).await, "t read 0");
    assert_eq!(ask(&mut writer, &format!("write {row} before")).await, "t writing");
    assert_eq!(setting.kind(row), GUARD);
    assert_eq!(ask(&mut reader, &format!("read {row}")).await, "t read 0");
    assert_eq!(ask(&mut reader, &format!("read {row} after")).await, "t loaded 0");
    assert_eq!(ask(&mut writer, "go").await, "t wrote 1");
    assert_eq!(ask(&mut reader, "go").await, "t read 0");
    assert_eq!(setting.kind(row), None);
    assert_eq!(ask(&mut reader, &format!("read {row}")).await, "t read 1");
    eventually("it is stored", || setting.kind(row) == VALUE);
}

/// A write that takes longer than a guard holds unrenewed.
#[tokio::test]
async fn a_slow_write_keeps_its_guard() {
    let setting = Setting::new();
    let (mut reader, mut writer) = (setting.app().await, setting.app().await);
    let row = Setting::row();
    assert_eq!(ask(&mut writer, &format!("write {row} after")).await, "t written 1");
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(2_500) {
        assert_eq!(ask(&mut reader, &format!("read {row}")).await, "t read 1");
        assert_eq!(setting.kind(row), GUARD, "after {:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(ask(&mut writer, "go").await, "t wrote 1");
    assert_eq!(setting.kind(row), None);
}

#[tokio::test]
async fn a_cold_key_is_loaded_once_by_four_processes_with_fifty_callers_each() {
    let setting = Setting::new();
    let mut apps = Vec::new();
    for _ in 0..4 {
        apps.push(setting.app().await);
    }
    for round in 0..5 {
        let row = Setting::row();
        for app in &mut apps {
            app.send(format_args!("t burst {row} 50 200"));
        }
        for app in &mut apps {
            let said = app.line().await;
            assert!(said.starts_with("t burst [0] in "), "{said}");
        }
        assert_eq!(setting.loads(row), 1, "round {round}");
    }
}

/// The writer dies between its database write and the release.
#[tokio::test]
async fn a_writer_killed_after_its_write_leaves_nobody_with_the_old_value() {
    let setting = Setting::new();
    let mut reader = setting.app().await;
    for _ in 0..5 {
        let mut writer = setting.app().await;
        let row = Setting::row();
        assert_eq!(ask(&mut reader, &format!("read {row}")).await, "t read 0");
        eventually("it is stored", || setting.kind(row) == VALUE);
        assert_eq!(ask(&mut writer, &format!("write {row} after")).await, "t written 1");
        writer.kill9();
        for _ in 0..10 {
            assert_eq!(ask(&mut reader, &format!("read {row}")).await, "t read 1");
        }
        // The guard ends by itself, and the cache is in use again.
        let begun = Instant::now();
        while setting.kind(row) != VALUE {
            assert_eq!(ask(&mut reader, &format!("read {row}")).await, "t read 1");
            assert!(begun.elapsed() < Duration::from_secs(10), "the guard of a dead writer stays");
        }
    }
}

/// The writer dies before its database write: what was cached is gone, and that is all.
#[tokio::test]
async fn a_writer_killed_before_its_write_does_no_harm() {
    let setting = Setting::new();
    let (mut reader, mut writer) = (setting.app().await, setting.app().await);
    let row = Setting::row();
    assert_eq!(ask(&mut reader, &format!("read {row}")).await, "t read 0");
    assert_eq!(ask(&mut writer, &format!("write {row} before")).await, "t writing");
    writer.kill9();
    assert_eq!(ask(&mut reader, &format!("read {row}")).await, "t read 0");
}

#[tokio::test]
async fn a_loader_killed_while_loading_is_replaced_within_its_lease() {
    let setting = Setting::new();
    let mut reader = setting.app().await;
    let mut loader = setting.app().await;
    let row = Setting::row();
    assert_eq!(ask(&mut loader, &format!("read {row} after")).await, "t loaded 0");
    reader.send(format_args!("t burst {row} 20 0"));
    // Longer than the lease: it is renewed as long as its holder lives.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(setting.kind(row), LEASE);
    assert_eq!(setting.loads(row), 1, "the others wait");
    loader.kill9();
    let killed = Instant::now();
    assert!(reader.line().await.starts_with("t burst [0] in "));
    let took = killed.elapsed();
    println!("recovered {took:?} after the loader was killed; its lease: 1s");
    // The lease, and what the machine needs to get round to it.
    assert!(took < Duration::from_secs(1 + 2), "{took:?}");
    assert_eq!(setting.loads(row), 2);
    eventually("it is stored", || setting.kind(row) == VALUE);
}

/// A loader that is stopped and goes on later finds that the world has moved.
#[tokio::test]
async fn a_loader_that_was_frozen_does_not_store_what_it_read_before() {
    let setting = Setting::new();
    let (mut reader, mut loader, mut writer) =
        (setting.app().await, setting.app().await, setting.app().await);
    let row = Setting::row();
    assert_eq!(ask(&mut loader, &format!("read {row} after")).await, "t loaded 0");
    loader.pause();
    assert_eq!(ask(&mut writer, &format!("write {row}")).await, "t wrote 1");
    assert_eq!(ask(&mut reader, &format!("read {row}")).await, "t read 1");
    loader.resume();
    assert_eq!(ask(&mut loader, "go").await, "t read 0");
    assert_eq!(ask(&mut loader, &format!("read {row}")).await, "t read 1");
    assert_eq!(ask(&mut reader, &format!("read {row}")).await, "t read 1");
}

/// What it costs a server that a thousand callers wait for one load of another process.
#[tokio::test]
async fn a_thousand_waiters_cost_few_commands() {
    // Servers before 7.0 forbid a command as a whole.
    let forbidden = if server::version() >= (7, 0) { "-client|tracking" } else { "-client" };
    let rules = format!("~* resetchannels +@all {forbidden}");
    let own = Box::leak(Box::new(RedisServer::builder().user("mute", "m", &rules).start()));
    let mut setting = Setting::new();
    setting.cache = own;
    for (name, url, most) in [("told", own.url(), 25), ("asking", own.url_as("mute", "m"), 35)] {
        let (mut loader, mut waiting) = (setting.app_at(&own.url()).await, setting.app_at(&url).await);
        let row = Setting::row();
        assert_eq!(ask(&mut loader, &format!("read {row} after")).await, "t loaded 0");
        own.reset_stats();
        waiting.send(format_args!("t burst {row} 1000 0"));
        tokio::time::sleep(Duration::from_millis(700)).await;
        let commands = own.commands();
        loader.send("t go");
        let begun = Instant::now();
        loader.expect("t read 0").await;
        assert!(waiting.line().await.starts_with("t burst [0] in "));
        let took = begun.elapsed();
        // Those that come together travel together.
        let looks = |command| commands.get(command).copied().unwrap_or(0);
        let first_looks = (looks("get") + looks("mget")).min(1_000);
        let waited = commands.values().sum::<u64>() - first_looks;
        println!(
            "1,000 waiters ({name}): {waited} commands in 700 ms beside their own first looks; woken after {took:?}"
        );
        assert!(waited <= most, "{commands:?}");
        assert_eq!(setting.loads(row), 1);
    }
}
