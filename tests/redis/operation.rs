//! What an operator reads in the log: an outage is two lines, whatever the number of writes, and what concerns single writes names
//! its function and lists few keys.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use cached_aside::{
    AnyKey, Cache, Error, Source, cached_aside, invalidate, invalidates, observe, transaction,
};
use cached_aside_tests::{
    RedisServer,
    log::{Log, said},
};
use redis::cmd;
use tokio::{task::JoinSet, time::sleep};

use crate::support::{filled, patient};

mod outages;

#[cached_aside(ttl = "1m", key = "operated:{id}")]
async fn load(id: u64) -> u64 {
    id
}

#[invalidates(load(id))]
async fn save(id: u64) {
    let _ = id;
}

#[invalidates(load(id), wait_replicas = 1, guard = "required")]
async fn save_for_sure(id: u64) -> Result<(), Error> {
    let _ = id;
    Ok(())
}

/// The number behind a word of a line.
fn number(line: &str, name: &str) -> u64 {
    let (_, rest) = line.split_once(&format!(" {name}=")).unwrap_or_else(|| panic!("{name}: {line}"));
    rest.split(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{name}: {line}"))
}

/// The lines that an operator sees who looks at nothing else.
fn warnings(told: &str) -> Vec<&str> {
    told.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).collect()
}

/// Takes what is logged until there are so many lines with these words.
async fn until_said(log: &Log, words: &str, lines: usize) -> String {
    let (mut told, begun) = (log.take(), Instant::now());
    while said(&told, words).len() < lines {
        assert!(begun.elapsed() < Duration::from_secs(20), "{lines} lines `{words}`:\n{told}");
        sleep(Duration::from_millis(2)).await;
        told += &log.take();
    }
    told
}

#[tokio::test]
async fn a_server_that_is_there_and_confirms_no_guard_is_told_of_now_and_then() {
    #[invalidates(
        load(0),
        load(1),
        load(2),
        load(3),
        load(4),
        load(5),
        load(6),
        load(7),
        load(8),
        load(9),
        wait_replicas = 1
    )]
    async fn save_many() {}

    let server = RedisServer::start();
    let log = Log::listen();
    let cache = Cache::builder().url(server.url()).timeout(Duration::from_secs(1)).build().await.unwrap();
    for id in 0..3 {
        cache.scope(save_many()).await;
        cache.scope(save_for_sure(id)).await.unwrap_err();
    }
    let told = log.take();
    for (words, function) in
        [("keys could not be guarded", "save_many"), ("the write was refused", "save_for_sure")]
    {
        let lines = said(&told, words);
        let warnings: Vec<&&str> = lines.iter().filter(|line| line.contains("WARN")).collect();
        assert_eq!(warnings.len(), 1, "{told}");
        // Another module may have a function of that name.
        let named = format!("module=\"redis::operation\" function=\"{function}\"");
        assert!(warnings[0].contains(&named), "{}", warnings[0]);
        assert!(lines.len() >= 3, "the others are at `debug`:\n{told}");
    }
    let unguarded = said(&told, "keys could not be guarded")[0];
    assert!(unguarded.contains("operated:0") && unguarded.contains("and 2 more"), "{unguarded}");
    for line in [unguarded, said(&told, "the write was refused")[0]] {
        assert!(line.contains("0 of 1 replicas") && line.contains("0 are connected"), "{line}");
    }
}

/// Its replicas are asked over a connection of their own.
#[tokio::test]
async fn a_write_that_waits_for_replicas_says_why_the_server_refuses() {
    let server = RedisServer::builder().user("app", "s3cret", "~* +@all -unlink").start();
    for (login, reason) in [("app:s3cret@", "unlink"), ("app:wr0ng@", "WRONGPASS")] {
        let cache = patient(format!("redis://{login}{}", server.addr())).build().await.unwrap();
        for _ in 0..2 {
            let error = cache.scope(save_for_sure(1)).await.unwrap_err().to_string();
            assert!(error.contains(reason) && !error.contains("wr0ng"), "{error}");
        }
    }
}

/// A user that may do everything else.
#[tokio::test]
async fn a_user_that_may_not_wait_for_replicas_is_told_which_right_it_lacks() {
    let server = RedisServer::builder().user("app", "s3cret", "~* +@all -wait").start();
    let cache = patient(format!("redis://app:s3cret@{}", server.addr())).build().await.unwrap();
    let error = cache.scope(save_for_sure(1)).await.unwrap_err().to_string();
    assert!(error.contains("NOPERM") && error.contains("grant the user `+wait`"), "{error}");
}

#[tokio::test]
async fn a_login_that_does_not_do_says_what_to_write() {
    let denied = |rights| RedisServer::builder().user("app", "s3cret", rights).start();
    let (closed, open) = (denied("~* +@all"), RedisServer::start());
    let (no_ping, no_select) = (denied("~* +@all -ping"), denied("~* +@all -select"));
    closed.run::<()>(cmd("CONFIG").arg("SET").arg("requirepass").arg("s3cret"));
    for (server, login, database, words) in [
        (&closed, "", "", "write `redis://:password@host`"),
        (&closed, "app:wr0ng@", "", "it does not take the login that the URL has"),
        (&open, "app:wr0ng@", "", "it does not take the login that the URL has"),
        (&no_ping, "app:s3cret@", "", "grant the user `+ping`"),
        (&no_select, "app:s3cret@", "/3", "grant the user `+select`, or name no database"),
    ] {
        let url = format!("redis://{login}{}{database}", server.addr());
        let error = match patient(url.clone()).build().await {
            Ok(cache) => cache.ping().await.unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert!(
            error.contains(words) && !error.contains("wr0ng") && !error.contains("s3cret"),
            "{url}: {error}"
        );
    }
}

#[tokio::test]
async fn a_guard_that_is_lost_names_its_function() {
    #[invalidates(load(id), guard_for = "60ms")]
    async fn save_slowly(id: u64, server: &RedisServer) {
        let _ = id;
        server.run::<()>(&cmd("FLUSHALL"));
        let begun = Instant::now();
        while Cache::current().unwrap().stats().guards_lost == 0 {
            assert!(begun.elapsed() < Duration::from_secs(20), "no renewal finds it gone");
            sleep(Duration::from_millis(2)).await;
        }
    }
    let server = RedisServer::start();
    let log = Log::listen().and_of_the_library("save_slowly");
    // In a transaction it is still that of the write, and not of the transaction.
    for in_transaction in [false, true] {
        let cache = patient(server.url()).build().await.unwrap();
        if in_transaction {
            cache.scope(transaction(save_slowly(1, &server))).await;
        } else {
            cache.scope(save_slowly(1, &server)).await;
        }
        let told = until_said(&log, "the guard was lost", 1).await;
        // Once it is placed anew it can be lost again, on a machine that is late by its time.
        let [line, ..] = said(&told, "the guard was lost")[..] else { panic!("{told}") };
        assert!(
            line.contains("WARN") && line.contains("module=\"redis::operation\" function=\"save_slowly\""),
            "{line}"
        );
    }
}

/// Of each write the line and the keys on the recovery list have its name: also of what is invalidated by hand, and inside of another.
#[tokio::test]
async fn what_could_not_be_delivered_names_its_function() {
    #[invalidates(load(700_002))]
    async fn save_both() {
        save(700_001).await;
        invalidate([load::key(700_003)]).await;
    }

    let server = RedisServer::start();
    let log = Log::listen().and_of_the_library("operated:70000");
    let cache = patient(server.url()).build().await.unwrap();
    cache.ping().await.unwrap();
    server.kill();
    cache.scope(save_both()).await;
    cache.scope(transaction(save(700_004))).await;
    cache.invalidate(&load::key(700_005)).await.unwrap_err();
    let told = log.take();
    for (words, key, function) in [
        ("keys could not be guarded", 2, "save_both"),
        ("keys could not be guarded", 1, "save"),
        ("keys could not be guarded", 3, "invalidate"),
        ("keys could not be guarded", 4, "save"),
        ("on the recovery list", 1, "save"),
        ("on the recovery list", 2, "save_both"),
        ("on the recovery list", 3, "invalidate"),
        ("on the recovery list", 4, "save"),
        ("on the recovery list", 5, "Cache::invalidate"),
    ] {
        let named = format!(" function=\"{function}\" ");
        let of_key = |line: &&str| line.contains(&format!("operated:70000{key}"));
        let line = said(&told, words).into_iter().find(of_key);
        assert!(line.is_some_and(|line| line.contains(&named)), "{words} {key} {function}:\n{told}");
    }
}

/// Passes everything on, and closes a connection on which it is sent `HELLO`, as proxies do that know no third version of the
/// protocol; but no more than this many.
fn proxy_without_hello(server: SocketAddr, most: u64) -> SocketAddr {
    let closed = Arc::new(AtomicU64::new(0));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let serve = move |mut client: TcpStream| -> io::Result<()> {
        let mut first = [0; 4096];
        let read = client.read(&mut first)?;
        let is_hello = first[..read].windows(5).any(|word| word.eq_ignore_ascii_case(b"hello"));
        if is_hello && closed.fetch_add(1, Relaxed) < most {
            return Ok(());
        }
        let mut server = TcpStream::connect(server)?;
        server.write_all(&first[..read])?;
        let (mut replies, mut answered) = (server.try_clone()?, client.try_clone()?);
        thread::spawn(move || {
            let _ = io::copy(&mut replies, &mut answered);
            answered.shutdown(Shutdown::Both)
        });
        io::copy(&mut client, &mut server)?;
        server.shutdown(Shutdown::Both)
    };
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let serve = serve.clone();
            thread::spawn(move || serve(client));
        }
    });
    addr
}

#[tokio::test]
async fn a_proxy_that_closes_the_connection_at_hello_is_spoken_to_in_resp2() {
    let server = RedisServer::builder().user("app", "s3cret", "~* +@all").start();
    let proxy = proxy_without_hello(server.addr(), u64::MAX);
    let cache = patient(format!("redis://app:s3cret@{proxy}")).build().await.unwrap();
    cache.ping().await.unwrap();
    for hit in 0..2 {
        let begun = Instant::now();
        while cache.stats().total.hits <= hit {
            assert!(begun.elapsed() < Duration::from_secs(20), "{}", cache.stats());
            cache.scope(load(1)).await;
        }
        cache.scope(save(1)).await;
        assert_eq!(cache.stats().guards_failed, 0);
        // It is so again when the connection is made anew.
        server.run::<()>(cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes"));
        while cache.ping().await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{}", cache.stats());
            sleep(Duration::from_millis(2)).await;
        }
    }
}

/// A server that goes away closes connections at `HELLO`, too. One that is back by the next attempt is spoken to in RESP3: over RESP2
/// it announces nothing.
#[tokio::test]
async fn a_server_that_was_away_at_hello_only_is_spoken_to_in_resp3() {
    let server = RedisServer::start();
    let proxy = proxy_without_hello(server.addr(), 1);
    let cache = patient(format!("redis://{proxy}")).build().await.unwrap();
    cache.scope(load(2)).await;
    let clients: String = server.run(cmd("CLIENT").arg("LIST"));
    let ours: Vec<&str> = clients.lines().filter(|client| !client.contains("cmd=client|list")).collect();
    assert!(!ours.is_empty() && ours.iter().all(|client| client.contains(" resp=3")), "{clients}");
}

/// Over RESP2 the server's end of a connection says nothing of its own, and a program may have no calls.
#[tokio::test]
async fn an_idle_program_notices_over_resp2_that_its_connection_was_closed() {
    let server = RedisServer::builder().resp2().start();
    let cache = patient(server.url()).build().await.unwrap();
    cache.ping().await.unwrap();
    assert_eq!(cache.stats().nodes[0].outages, 0);
    server.run::<()>(cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes"));
    let begun = Instant::now();
    while cache.stats().nodes[0].outages == 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", cache.stats());
        sleep(Duration::from_millis(2)).await;
    }
}

/// What `observe` costs where many observe: as reads do, they travel together, and the server says its time once for all.
#[tokio::test]
async fn observed_reads_of_a_crowd_travel_together_and_ask_for_the_time_once() {
    const CALLS: u64 = 300;
    let server = RedisServer::start();
    let cache = Cache::builder().url(server.url()).timeout(Duration::from_secs(10)).build().await.unwrap();
    for id in 0..CALLS {
        cache.scope(load(id)).await;
    }
    filled(&cache, CALLS).await;
    server.reset_stats();
    let mut calls = JoinSet::new();
    for id in 0..CALLS {
        let cache = cache.clone();
        calls.spawn(cache.clone().scope(async move {
            for _ in 0..4 {
                let (value, observed) = observe(load(id)).await;
                assert_eq!((value, observed.source()), (id, Some(Source::Hit)));
                assert!(observed.age().unwrap() < Duration::from_secs(60), "{:?}", observed.age());
            }
        }));
    }
    calls.join_all().await;
    let commands = server.commands();
    let count = |name: &str| commands.get(name).copied().unwrap_or_default();
    let (reads, times) = (count("get") + count("mget"), count("time"));
    println!("{} observed hits: {reads} commands that read, {times} that ask for the time", 4 * CALLS);
    // How many travel together depends on how soon the server is let run.
    assert!(times == reads && times * 2 <= 4 * CALLS, "{commands:?}");
}

/// Neither a line of the log, nor an error, nor what `Debug` prints.
#[tokio::test]
async fn thousands_of_keys_are_listed_by_the_first_ones() {
    let server = RedisServer::start();
    let log = Log::listen().and_of_the_library("operated:1");
    let cache = Cache::builder().url(server.url()).timeout(Duration::from_secs(10)).build().await.unwrap();
    let guard = cache.guard((0..2_500).map(load::key)).await.unwrap();
    let shown = format!("{guard:?} {guard:#?}");
    assert!(shown.contains("operated:0") && shown.contains("and 2492 more"), "{shown}");
    server.kill();
    let error = guard.release().await.unwrap_err();
    let refused = cache.guard((0..2_500).map(load::key)).await.unwrap_err();
    let told = log.take() + &format!("{shown}\n{error} {error:?}\n{refused} {refused:?}");
    assert!(told.contains("could not be guarded") && told.contains("could not be delivered"), "{told}");
    for line in told.lines() {
        assert!(line.matches("operated:").count() <= 16, "{line}");
    }
}

/// A key by hand may hold anything; what it says is not shown as a line of its own, nor in another order.
#[tokio::test]
async fn characters_that_change_how_a_line_is_shown_are_escaped() {
    let server = RedisServer::start();
    let log = Log::listen().and_of_the_library("escaped:");
    let cache = patient(server.url()).build().await.unwrap();
    let key = AnyKey::new("escaped:a\u{202E}b\u{200B}c\nd");
    server.run::<()>(cmd("SET").arg(format!("cached-aside:{key}")).arg("mine"));
    let foreign = cache.scope(key.invalidate()).await.unwrap_err();
    assert!(matches!(foreign, Error::Foreign { .. }), "{foreign}");
    server.kill();
    let refused = cache.guard([key.clone()]).await.unwrap_err();
    let undelivered = cache.scope(key.invalidate()).await.unwrap_err();
    let told = log.take();
    // The release of the guard that was refused is sent in the background, and may be on the list by now as well.
    assert!(matches!(said(&told, "on the recovery list").len(), 1 | 2), "{told}");
    assert_eq!(
        (said(&told, ": guarded keys").len(), said(&told, "could not be guarded").len()),
        (1, 1),
        "{told}"
    );
    let shown =
        format!("{told}{foreign} {foreign:?} {refused} {refused:?} {undelivered} {undelivered:?} {key:?}");
    assert!(shown.contains(r"escaped:a\u{202e}b\u{200b}c\nd"), "{shown}");
    for raw in ["\u{202E}", "\u{200B}", "c\nd"] {
        assert!(!shown.contains(raw), "{raw:?}: {shown:?}");
    }
}
