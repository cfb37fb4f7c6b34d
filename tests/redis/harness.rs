//! The support library itself: what the other tests rely on.

use std::{
    io::Read,
    net::{TcpListener, TcpStream},
    path::Path,
    thread,
    time::Instant,
};

use cached_aside_tests::{Mode, Proxy, RedisServer};
use redis::cmd;
use rustix::process::{Pid, test_kill_process};

use crate::support::{SHORT, connect, eventually, ping, ping_on};

fn exists(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid).is_ok())
}

#[test]
fn a_server_answers_by_tcp_and_by_unix_socket() {
    let server = RedisServer::start();
    for url in [server.url(), server.unix_url()] {
        assert_eq!(ping(&url).unwrap(), "PONG", "{url}");
    }
}

#[test]
fn a_restarted_server_is_another_process_at_the_same_address_and_empty() {
    let server = RedisServer::start();
    let (pid, url) = (server.pid(), server.url());
    server.run::<()>(cmd("SET").arg("a").arg(1));
    server.restart();
    assert_ne!(server.pid(), pid);
    assert_eq!(server.url(), url);
    assert_eq!(ping(&url).unwrap(), "PONG");
    assert_eq!(server.run::<u64>(&cmd("DBSIZE")), 0);
}

#[test]
fn a_stopped_or_killed_server_refuses_until_it_is_restarted() {
    for end in [RedisServer::stop, RedisServer::kill] {
        let server = RedisServer::start();
        end(&server);
        assert!(ping(&server.url()).unwrap_err().is_connection_refusal());
        assert!(ping(&server.unix_url()).unwrap_err().is_connection_refusal());
        server.restart();
        assert_eq!(ping(&server.url()).unwrap(), "PONG");
    }
}

#[test]
fn a_restart_waits_for_its_port() {
    let server = RedisServer::start();
    server.stop();
    let squatter = TcpListener::bind(server.addr()).unwrap();
    thread::scope(|scope| {
        let restart = scope.spawn(|| server.restart());
        thread::sleep(SHORT);
        assert!(!restart.is_finished());
        drop(squatter);
    });
    assert_eq!(ping(&server.url()).unwrap(), "PONG");
}

#[test]
fn a_paused_server_is_silent_and_loses_nothing() {
    let server = RedisServer::start();
    let mut connection = connect(&server.url()).unwrap();
    connection.set_read_timeout(Some(SHORT)).unwrap();
    server.pause();
    let silent = cmd("INCR").arg("n").query::<u64>(&mut connection).unwrap_err();
    assert!(silent.is_timeout(), "{silent}");
    server.resume();
    eventually("the command that was sent is carried out", || {
        server.run::<Option<u64>>(cmd("GET").arg("n")) == Some(1)
    });
}

#[test]
fn a_server_is_killed_when_dropped_even_while_paused() {
    let server = RedisServer::start();
    let (pid, url) = (server.pid(), server.url());
    server.pause();
    drop(server);
    assert!(!exists(pid));
    assert!(ping(&url).unwrap_err().is_connection_refusal());
}

#[test]
fn passwords_and_users_are_asked_for() {
    let server =
        RedisServer::builder().password("secret").user("reader", "pass", "~shop:* +get +ping").start();
    assert_eq!(ping(&server.url()).unwrap(), "PONG");
    assert_eq!(ping(&server.unix_url()).unwrap(), "PONG");
    assert!(ping(&format!("redis://{}", server.addr())).is_err());
    let mut reader = connect(&server.url_as("reader", "pass")).unwrap();
    assert_eq!(cmd("GET").arg("shop:1").query::<Option<String>>(&mut reader).unwrap(), None);
    assert!(cmd("GET").arg("bank:1").query::<Option<String>>(&mut reader).is_err());
}

#[test]
fn keys_without_a_ttl_are_found_in_every_database() {
    let server = RedisServer::start();
    let mut connection = server.connection();
    for database in [0, 3] {
        cmd("SELECT").arg(database).exec(&mut connection).unwrap();
        for key in 0..100 {
            cmd("SET").arg(format!("shop:{key}")).arg("").arg("EX").arg(100).exec(&mut connection).unwrap();
        }
        cmd("SET").arg(format!("shop:forever:{database}")).arg("").exec(&mut connection).unwrap();
        cmd("SET").arg(format!("bank:forever:{database}")).arg("").exec(&mut connection).unwrap();
    }
    let mut found = server.keys_without_ttl("shop:");
    found.sort();
    assert_eq!(found, ["shop:forever:0", "shop:forever:3"]);
    assert_eq!(server.keys_without_ttl("").len(), 4);
}

#[test]
fn commands_are_counted_without_the_set_up_of_connections() {
    let server = RedisServer::start();
    server.run::<()>(cmd("SET").arg("a").arg(1));
    server.reset_stats();
    for _ in 0..3 {
        let _: Option<u64> = server.run(cmd("GET").arg("a"));
    }
    assert_eq!(server.command_count(), 3, "{:?}", server.commands());
    assert_eq!(server.commands()["get"], 3);
}

#[test]
fn a_proxy_passes_delays_swallows_and_refuses() {
    let proxy = Proxy::start(RedisServer::shared().addr());
    let mut open = connect(&proxy.url()).unwrap();
    assert_eq!(ping_on(&mut open).unwrap(), "PONG");

    proxy.set(Mode::Delay(SHORT / 4));
    let start = Instant::now();
    assert_eq!(ping_on(&mut open).unwrap(), "PONG");
    assert!(start.elapsed() >= SHORT / 2, "once each way");

    proxy.set(Mode::Refuse);
    assert!(connect(&proxy.url()).is_err());
    assert_eq!(ping_on(&mut open).unwrap(), "PONG", "an open connection goes on");

    open.set_read_timeout(Some(SHORT)).unwrap();
    proxy.set(Mode::Hole);
    assert!(ping_on(&mut open).unwrap_err().is_timeout());

    proxy.set(Mode::Pass);
    assert_eq!(ping(&proxy.url()).unwrap(), "PONG");
    assert_eq!(proxy.accepted(), 3);
}

#[test]
fn a_proxy_cuts_a_reply_in_the_middle() {
    let proxy = Proxy::start(RedisServer::shared().addr());
    let mut connection = connect(&proxy.url()).unwrap();
    proxy.set(Mode::Cut("+PO".len()));
    assert!(ping_on(&mut connection).unwrap_err().is_connection_dropped());
    proxy.set(Mode::Pass);
    assert_eq!(ping(&proxy.url()).unwrap(), "PONG");
}

#[test]
fn a_proxy_resets_stalls_garbles_and_denies() {
    let proxy = Proxy::start(RedisServer::shared().addr());
    let open = || {
        proxy.set(Mode::Pass);
        let connection = connect(&proxy.url()).unwrap();
        connection.set_read_timeout(Some(SHORT)).unwrap();
        connection
    };

    let mut connection = open();
    proxy.set(Mode::Reset("+PO".len()));
    let reset = ping_on(&mut connection).unwrap_err();
    assert!(reset.to_string().contains("reset"), "{reset}");

    let mut connection = open();
    proxy.set(Mode::Stall("+PO".len()));
    assert!(ping_on(&mut connection).unwrap_err().is_timeout());

    let mut connection = open();
    proxy.set(Mode::Say("what?\r\n"));
    let garbage = ping_on(&mut connection).unwrap_err();
    assert_eq!(garbage.kind(), redis::ErrorKind::Parse, "{garbage}");

    let mut connection = open();
    proxy.set(Mode::Deny("-DENIED go away\r\n"));
    assert_eq!(ping_on(&mut connection).unwrap(), "PONG", "an open connection goes on");
    let mut told = String::new();
    TcpStream::connect(proxy.addr()).unwrap().read_to_string(&mut told).unwrap();
    assert_eq!(told, "-DENIED go away\r\n");
}

#[test]
fn a_proxy_drops_every_connection_at_once() {
    let proxy = Proxy::start(RedisServer::shared().addr());
    let mut connections = [connect(&proxy.url()).unwrap(), connect(&proxy.url()).unwrap()];
    proxy.drop_all();
    for connection in &mut connections {
        assert!(ping_on(connection).unwrap_err().is_connection_dropped());
    }
    assert_eq!(ping(&proxy.url()).unwrap(), "PONG");
}

#[tokio::test]
async fn a_worker_answers_and_ends_with_kill9() {
    let mut worker = super::worker("echo", &["> "]);
    worker.send("one");
    worker.expect("> one").await;
    worker.pause();
    worker.send("two");
    worker.resume();
    worker.expect("> two").await;
    worker.kill9();
    assert_eq!(worker.next().await, None);
    assert!(!exists(worker.pid()));
}

#[tokio::test]
async fn a_worker_is_killed_when_dropped() {
    let worker = super::worker("echo", &[]);
    let pid = worker.pid();
    assert!(exists(pid));
    drop(worker);
    assert!(!exists(pid));
}

/// The `nest` role starts a server; killed with `kill -9`, it cannot clean up.
#[tokio::test]
async fn what_a_killed_process_started_ends_as_well() {
    let mut worker = super::worker("nest", &[]);
    let line = worker.line().await;
    let (url, folder) = line.split_once(' ').unwrap();
    assert_eq!(ping(url).unwrap(), "PONG");
    assert!(Path::new(folder).exists());
    worker.kill9();
    eventually("the server ends", || ping(url).is_err_and(|error| error.is_connection_refusal()));
    eventually("its folder goes", || !Path::new(folder).exists());
}
