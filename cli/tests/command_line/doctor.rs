//! `doctor`.

use cached_aside_tests::{RedisCluster, RedisServer};
use redis::cmd;

use crate::support::{at, on};

#[test]
fn a_server_in_order_has_no_problem() {
    let server = RedisServer::start();
    let () = server.run(cmd("CONFIG").arg("SET").arg("maxmemory").arg("64mb"));
    let () = server.run(cmd("CONFIG").arg("SET").arg("maxmemory-policy").arg("allkeys-lru"));
    let said = on(&server, &["doctor"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for check in [
        "reachable",
        "version",
        "role",
        "memory",
        "policy",
        "clients",
        "replicas",
        "clock",
        "latency",
        "changes",
    ] {
        assert!(said.line(check).starts_with("ok "), "{check}: {said:?}");
    }
    let named = at("redis://127.0.0.1:1", &["doctor", &server.url()]);
    assert_eq!(named.code, Some(0), "the URL behind `doctor` is the one: {named:?}");
}

#[test]
fn what_is_wrong_comes_with_its_fix() {
    let server = RedisServer::builder().resp2().start();
    let unlimited = on(&server, &["doctor"]);
    assert_eq!(unlimited.code, Some(0), "a warning is no problem: {unlimited:?}");
    assert!(unlimited.line("memory").starts_with("warning") && unlimited.out.contains("set `maxmemory`"));
    assert!(unlimited.line("changes").starts_with("warning"), "{unlimited:?}");

    let () = server.run(cmd("CONFIG").arg("SET").arg("maxmemory").arg("1mb"));
    let full = on(&server, &["doctor", "--json"]);
    assert_eq!(full.code, Some(1), "{full:?}");
    let findings = full.json();
    let found =
        |check: &str| findings.as_array().unwrap().iter().find(|one| one["check"] == check).unwrap().clone();
    assert_eq!(
        (&found("memory")["level"], &found("policy")["level"]),
        (&"problem".into(), &"warning".into())
    );
    assert!(found("policy")["fix"].as_str().unwrap().contains("allkeys-lru"), "{findings}");
}

#[test]
fn a_replica_is_named_as_one() {
    let primary = RedisServer::start();
    let replica = RedisServer::builder().replica_of(&primary).start();
    let said = on(&replica, &["doctor"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("replica"), "{said:?}");
}

#[test]
fn a_node_of_a_cluster_is_named_as_one() {
    let cluster = RedisCluster::start();
    let said = on(&cluster.nodes()[0], &["doctor"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("redis-cluster://"), "{said:?}");
}

#[test]
fn missing_rights_are_named_and_no_password_is() {
    const SECRET: &str = "s3cr3t-p4ss";
    let server =
        RedisServer::builder().password(SECRET).user("app", SECRET, "~* +@all -evalsha -eval").start();
    let said = at(&server.url_as("app", SECRET), &["doctor"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("+eval +evalsha"), "{said:?}");
    for url in [
        server.url_as("app", "wr0ng-p4ss"),
        server.url_as("app", SECRET),
        "redis://:s3cr3t-p4ss@127.0.0.1:x".to_owned(),
    ] {
        for args in [&["doctor"][..], &["keys"], &["doctor", "--json"], &["keys", "--help"]] {
            let said = at(&url, args);
            let all = format!("{}{}", said.out, said.err);
            assert!(!all.contains(SECRET) && !all.contains("wr0ng"), "{args:?}: {all}");
        }
    }
}

#[test]
fn a_server_that_is_away_is_a_problem() {
    let server = RedisServer::start();
    let url = server.url();
    server.kill();
    let said = at(&url, &["doctor"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.line("reachable").starts_with("problem"), "{said:?}");
    let keys = at(&url, &["keys"]);
    assert_eq!((keys.code, keys.out.as_str()), (Some(2), ""));
    assert!(keys.err.starts_with("error: the cache can't be used"), "{keys:?}");
}
