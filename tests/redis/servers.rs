//! The support library's clusters, sentinels, certificates and servers in fault, seen with plain commands.

use std::{fs, thread, time::Instant};

use cached_aside_tests::{Authority, Clients, RedisCluster, RedisServer, Sentinels, ServerFault, server};
use redis::{Client, Cmd, RedisResult, TlsCertificates, cmd};

use crate::support::{SHORT, connect, eventually, ping, ping_on};

fn get(server: &RedisServer, key: &str) -> RedisResult<Option<String>> {
    cmd("GET").arg(key).query(&mut server.connection())
}

fn set(key: &str) -> Cmd {
    cmd("SET").arg(key).arg("value").arg("EX").arg(600).clone()
}

/// What a node that does not serve a key says of it.
fn refusal(server: &RedisServer, key: &str) -> String {
    get(server, key).unwrap_err().code().unwrap_or_default().to_owned()
}

#[test]
fn a_cluster_serves_fails_over_and_takes_a_dead_node_back() {
    let begun = Instant::now();
    let cluster = RedisCluster::start();
    println!("a cluster: {:?}", begun.elapsed());
    assert!(cluster.url().starts_with("redis-cluster://127.0.0.1:"));
    let other = cluster.key_apart_from("a", "other:");
    let (primary, apart) = (cluster.primary_of("a"), cluster.primary_of(&other));
    assert_ne!(primary, apart);
    for key in ["a", &other] {
        cluster.nodes()[cluster.primary_of(key)].run::<()>(&set(key));
        assert_eq!(ping(&cluster.nodes()[cluster.primary_of(key)].url()).unwrap(), "PONG");
    }
    assert_eq!(refusal(&cluster.nodes()[apart], "a"), "MOVED");
    let acknowledged = |node: usize| {
        let mut connection = cluster.nodes()[node].connection();
        set("a").exec(&mut connection).unwrap();
        cmd("WAIT").arg(1).arg(10_000).query::<u64>(&mut connection).unwrap()
    };
    assert_eq!(acknowledged(primary), 1, "a primary has a replica");

    let begun = Instant::now();
    assert_eq!(cluster.kill_primary_of("a"), primary);
    let promoted = cluster.wait_for_promotion("a", primary);
    println!("a primary was killed, and its replica promoted: {:?}", begun.elapsed());
    assert_eq!(get(&cluster.nodes()[promoted], "a").unwrap().as_deref(), Some("value"));
    assert_eq!(cluster.primary_of(&other), apart, "the others stay what they are");

    let begun = Instant::now();
    cluster.restart_as_replica(primary);
    println!("the dead primary became a replica: {:?}", begun.elapsed());
    assert_eq!(acknowledged(promoted), 1);

    let begun = Instant::now();
    assert_eq!(cluster.fail_over("a"), primary, "by command, and back");
    println!("a failover by command: {:?}", begun.elapsed());
    assert_eq!(get(&cluster.nodes()[primary], "a").unwrap().as_deref(), Some("value"));
}

#[test]
fn a_slot_migrates_while_it_is_served() {
    let cluster = RedisCluster::start_with(RedisServer::builder().password("secret"));
    let keys = ["{slot}:here", "{slot}:new"];
    let first = &cluster.nodes()[cluster.primary_of("{slot}")];
    first.run::<()>(&set(keys[0]));
    let migration = cluster.begin_migration("{slot}");
    let second = migration.to();
    assert_eq!(migration.from().addr(), first.addr());
    assert_eq!(get(first, keys[0]).unwrap().as_deref(), Some("value"), "it still has this one");
    assert_eq!(refusal(first, keys[1]), "ASK");
    assert_eq!(refusal(second, keys[1]), "MOVED", "without `ASKING`");
    let mut asking = second.connection();
    cmd("ASKING").exec(&mut asking).unwrap();
    set(keys[1]).exec(&mut asking).unwrap();
    migration.move_keys();
    assert_eq!(refusal(first, keys[0]), "ASK");
    migration.finish();
    for key in keys {
        assert_eq!(refusal(first, key), "MOVED");
        assert_eq!(get(second, key).unwrap().as_deref(), Some("value"));
    }
    cluster.wait_until_whole();
}

#[test]
fn sentinels_promote_a_replica_by_command_and_when_the_primary_dies() {
    let begun = Instant::now();
    let service = Sentinels::start();
    println!("a primary, two replicas and three sentinels: {:?}", begun.elapsed());
    let (hosts, name) = service.url()["redis-sentinel://".len()..]
        .split_once('/')
        .map(|(hosts, name)| (hosts.split(',').count(), name.to_owned()))
        .unwrap();
    assert_eq!((hosts, name.as_str()), (3, "shop"));
    let old = service.primary().addr();
    let mut writer = service.primary().connection();
    set("a").exec(&mut writer).unwrap();
    assert_eq!(cmd("WAIT").arg(2).arg(10_000).query::<u64>(&mut writer).unwrap(), 2);

    let begun = Instant::now();
    service.fail_over();
    println!("a failover by command: {:?}", begun.elapsed());
    assert_ne!(service.primary().addr(), old);
    assert_eq!(get(service.primary(), "a").unwrap().as_deref(), Some("value"));
    eventually("the old primary is a replica", || {
        set("b")
            .exec(&mut service.servers()[0].connection())
            .is_err_and(|error| error.code() == Some("READONLY"))
    });

    let begun = Instant::now();
    let dead = service.kill_primary();
    service.wait_for_promotion(dead);
    println!("the primary was killed, and a replica promoted: {:?}", begun.elapsed());
    assert_eq!(get(service.primary(), "a").unwrap().as_deref(), Some("value"));
    service.restart_as_replica(dead);
    eventually("it has what the new primary has", || {
        get(&service.servers()[dead], "a").is_ok_and(|value| value.is_some())
    });
}

/// What a client trusts and shows.
fn tls_client(
    server: &RedisServer,
    root: Option<&Authority>,
    own: Option<&Authority>,
) -> RedisResult<String> {
    let read = |path| fs::read(path).unwrap();
    let certificates = TlsCertificates {
        client_tls: own.map(|own| redis::ClientTlsConfig {
            client_cert: read(own.client_path()),
            client_key: read(own.client_key_path()),
        }),
        root_cert: root.map(|root| read(root.root_path())),
    };
    let client = Client::build_with_tls(server.url(), certificates)?;
    let mut connection = client.get_connection_with_timeout(SHORT * 50)?;
    ping_on(&mut connection)
}

#[test]
fn certificates_are_what_a_server_with_tls_asks_for() {
    if !server::has_tls() {
        return println!("this server was built without TLS");
    }
    let (known, stranger) = (Authority::new(), Authority::new());
    let open = RedisServer::builder().tls(&known, Clients::Any).start();
    assert!(open.url().starts_with("rediss://"));
    assert_eq!(tls_client(&open, Some(&known), None).unwrap(), "PONG");
    assert!(tls_client(&open, Some(&stranger), None).is_err(), "the client knows another authority");
    assert!(tls_client(&open, None, None).is_err(), "the client knows the system's");
    assert!(ping(&format!("redis://{}", open.addr())).is_err(), "in plain text");
    open.restart();
    assert_eq!(tls_client(&open, Some(&known), None).unwrap(), "PONG");

    let closed = RedisServer::builder().tls(&known, Clients::Known).password("secret").start();
    assert_eq!(tls_client(&closed, Some(&known), Some(&known)).unwrap(), "PONG");
    assert!(tls_client(&closed, Some(&known), None).is_err(), "the client shows nothing");
    assert!(tls_client(&closed, Some(&known), Some(&stranger)).is_err(), "the client shows another's");
}

/// Each state shows, spares nobody who comes new, and ends.
#[test]
fn a_server_in_trouble_says_so_until_it_is_over() {
    let possible = ServerFault::ALL.into_iter().filter(|fault| fault.is_possible());
    let faults: Vec<_> = possible.map(|fault| thread::spawn(move || shows_and_ends(fault))).collect();
    for fault in faults {
        fault.join().unwrap();
    }
}

fn shows_and_ends(fault: ServerFault) {
    let server = RedisServer::start();
    server.run::<()>(&set("before"));
    let faulty = fault.begin(&server);
    let on_a_new_connection =
        |command: &Cmd| -> RedisResult<Option<String>> { command.query(&mut connect(&server.url())?) };
    let write = || on_a_new_connection(&set("during"));
    let read = || on_a_new_connection(cmd("GET").arg("before"));
    let code = |answer: RedisResult<_>| answer.unwrap_err().code().map(str::to_owned);
    match fault {
        ServerFault::Evicting => {
            eventually("what was not used is evicted", || matches!(get(&server, "before"), Ok(None)));
        }
        ServerFault::MaxClients => assert!(write().is_err()),
        // What only reads is served by a server that cannot write.
        ServerFault::ReadOnly | ServerFault::OutOfMemory => {
            let expected = if fault == ServerFault::ReadOnly { "READONLY" } else { "OOM" };
            assert_eq!(code(write()).as_deref(), Some(expected));
            assert_eq!(read().unwrap().as_deref(), Some("value"));
        }
        ServerFault::PrimaryDown => assert_eq!(code(read()).as_deref(), Some("MASTERDOWN")),
        ServerFault::OtherPassword => assert_eq!(code(read()).as_deref(), Some("NOAUTH")),
        ServerFault::Loading | ServerFault::BusyScript => {
            let expected = if fault == ServerFault::Loading { "LOADING" } else { "BUSY" };
            for _ in 0..20 {
                assert_eq!(code(read()).as_deref(), Some(expected));
            }
        }
    }
    faulty.end();
    write().unwrap_or_else(|error| panic!("{fault:?} is over: {error}"));
    if fault != ServerFault::Evicting {
        assert_eq!(get(&server, "before").unwrap().as_deref(), Some("value"), "{fault:?}");
    }
    server.restart();
    assert_eq!(server.run::<u64>(&cmd("DBSIZE")), 0, "{fault:?}: empty after a restart");
}

#[test]
fn a_server_without_resp3_refuses_hello() {
    let server = RedisServer::builder().resp2().start();
    assert_eq!(ping(&server.url()).unwrap(), "PONG");
    let error = cmd("HELLO").arg(3).exec(&mut server.connection()).unwrap_err();
    assert!(error.to_string().contains("unknown command"), "{error}");
}

#[test]
fn a_replica_follows_from_its_start() {
    let primary = RedisServer::builder().password("secret").start();
    let replica = RedisServer::builder().password("secret").replica_of(&primary).start();
    primary.run::<()>(&set("a"));
    eventually("it follows", || get(&replica, "a").is_ok_and(|value| value.is_some()));
    assert_eq!(set("b").exec(&mut replica.connection()).unwrap_err().code(), Some("READONLY"));
}
