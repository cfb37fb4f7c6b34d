//! The steps on a cluster, on a primary behind sentinels, and over TLS.

use super::{
    over_redis::{LIMITS, connect, connect_with, is_up, rules, until},
    *,
};
use crate::store::redis::{Address, Limits, RedisStore};
use cached_aside_tests::{RedisCluster, RedisServer, Sentinels};
use redis::cmd;

/// How long a failover may take on a busy machine.
const FAILOVER: Duration = Duration::from_secs(60);

/// Runs a step until it succeeds.
async fn until_it_is_taken<T>(mut step: impl AsyncFnMut() -> Answer<T>, what: &str) -> T {
    let begun = Instant::now();
    loop {
        match step().await {
            Ok(answer) => return answer,
            Err(error) => assert!(begun.elapsed() < FAILOVER, "{what}: {error:?}"),
        }
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster() {
    let cluster = RedisCluster::start();
    let store = connect(&cluster.url(), "suite").await;
    assert_eq!(store.nodes().len(), 3, "{:?}", store.nodes());
    assert!(is_up(&store));
    the_suite(&store).await;
    whoever_watches_is_told(&store).await;
    for primary in &cluster.nodes()[..3] {
        assert_eq!(primary.keys_without_ttl("suite"), [""; 0], "keys that would stay for ever");
    }
    slots_move(&cluster, &store).await;
    a_node_is_killed(&cluster, &store).await;
}

/// Keys of several nodes at once, while a slot is moving between two of them and after it has moved.
async fn slots_move(cluster: &RedisCluster, store: &Store) {
    let here = "{moved}:there".to_owned();
    let absent = "{moved}:absent".to_owned();
    let apart = cluster.key_apart_from("suite:{moved}", "suite:apart");
    let apart = apart.strip_prefix("suite:").unwrap().to_owned();
    assert_eq!(acquire(store, &here, token(1)).await, Acquired::Yes);
    assert!(fill(store, &here, token(1)).await);
    let migration = cluster.begin_migration("suite:{moved}");
    let asked = migration.from();
    // Keys that have not moved yet, and keys that the old node redirects (`ASK`).
    assert_eq!(state(store, &here).await, "value");
    assert_eq!(state(store, &absent).await, "absent");
    assert_eq!(acquire(store, &absent, token(2)).await, Acquired::Yes);
    assert_eq!(state(store, &absent).await, "lease");
    assert!(migration.to().run::<u64>(&cmd("DBSIZE")) > 0);
    let watched = store.watch(&absent, WITHIN).await.unwrap();
    assert_eq!(
        watched.there.as_deref(),
        Some(&entry::lease(token(2))[..]),
        "a waiting reader is sent on, too"
    );
    assert!(!watched.watch.is_push() && watched.left > Duration::ZERO);
    assert!(fill(store, &absent, token(2)).await);
    let keys = [here.as_str(), absent.as_str(), apart.as_str()];
    assert_eq!(
        store.run_all(&keys, |_| Guard { token: token(9), hold: LONG }, WITHIN).await,
        [Ok(NO_COPIES), Ok(NO_COPIES), Ok(NO_COPIES)]
    );
    migration.finish();
    // From here on the old node answers `MOVED`, once.
    assert_eq!(
        store.run_all(&keys, |_| Release { token: token(9), left: Left::Nothing }, WITHIN).await,
        [Ok(RELEASED), Ok(RELEASED), Ok(RELEASED)]
    );
    for key in keys {
        assert_eq!(state(store, key).await, "absent");
    }
    asked.reset_stats();
    for _ in 0..20 {
        assert_eq!(state(store, &here).await, "absent");
    }
    assert_eq!(asked.commands().get("get"), None, "the new place of the slot is known");
}

/// The other nodes go on meanwhile, and a replica takes over.
async fn a_node_is_killed(cluster: &RedisCluster, store: &Store) {
    let key = key("killed");
    let full = format!("suite:{key}");
    let apart = cluster.key_apart_from(&full, "suite:apart");
    let apart = apart.strip_prefix("suite:").unwrap();
    assert_eq!(acquire(store, &key, token(1)).await, Acquired::Yes);
    let dead = cluster.kill_primary_of(&full);
    let answers = store
        .run_all(&[&key, apart], |_| Guard { token: token(9), hold: LONG }, Duration::from_secs(1))
        .await;
    assert!(matches!(answers[0], Err(StoreError::Unreachable(_) | StoreError::Timeout(_))), "{answers:?}");
    assert_eq!(answers[1], Ok(NO_COPIES), "a node that is down is none of the others' business");
    let promoted = cluster.wait_for_promotion(&full, dead);
    assert_ne!(promoted, dead);
    let begun = Instant::now();
    let read = async || store.read(&key, Duration::from_millis(250)).await;
    until_it_is_taken(read, "the promoted replica is found").await;
    println!("cluster: in use {:?} after the promotion", begun.elapsed());
    cluster.restart_as_replica(dead);
    assert_eq!(
        store.run_all(&[&key, apart], |_| Release { token: token(9), left: Left::Nothing }, WITHIN).await,
        [Ok(RELEASED), Ok(RELEASED)]
    );
    until(|| store.nodes().len() == 3 && is_up(store), "the dead node is forgotten").await;
    the_suite(store).await;
}

/// With the permissions that the documentation names, on each kind of deployment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_no_more_rights_than_needed() {
    let user = |further: &[&str]| RedisServer::builder().user("app", "pw", &rules("acl", further));
    let cluster = RedisCluster::start_with(user(&["+role", "+cluster|slots", "+asking"]));
    let store = connect(&cluster.url_as("app:pw@"), "acl").await;
    the_suite(&store).await;
    let migration = cluster.begin_migration("acl:{moved}");
    assert_eq!(acquire(&store, "{moved}", token(1)).await, Acquired::Yes);
    migration.finish();
    assert!(fill(&store, "{moved}", token(1)).await);
    let server = user(&["+role", "+wait", "+select"]).start();
    let store = connect(&(server.url_as("app", "pw") + "/3"), "acl").await;
    the_suite(&store).await;
    let answer = store
        .guard_on_replicas(&["k"], Guard { token: token(9), hold: LONG }, 1, Duration::from_secs(2))
        .await;
    assert!(format!("{answer:?}").contains("0 of 1 replicas"), "{answer:?}");
}

/// Nodes that are all down are found when they are back, also those that were down at first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_comes_later() {
    let cluster = RedisCluster::start();
    for node in cluster.nodes() {
        node.pause();
    }
    let limits = Limits { connect: Duration::from_millis(300), call: Duration::from_millis(100), ..LIMITS };
    let store = connect_with(&cluster.url(), "late", limits).await;
    let refused = store.read("k", WITHIN).await;
    assert!(matches!(refused, Err(StoreError::Unreachable(_))), "{refused:?}");
    assert!(store.ping(WITHIN).await.is_err());
    for node in cluster.nodes() {
        node.resume();
    }
    until_it_is_taken(async || store.read("k", WITHIN).await, "the cluster is found").await;
    cluster.wait_until_whole();
    until(|| store.nodes().len() == 3 && is_up(&store), "every node is found").await;
    the_suite(&store).await;
}

/// A single-server URL to a node of a cluster, and a cluster URL to a single server.
#[tokio::test]
async fn a_cluster_taken_for_a_server() {
    let cluster = RedisCluster::start();
    let store = connect(&format!("redis://{}", cluster.nodes()[0].addr()), "one").await;
    let keys: Vec<String> = (0..20).map(|number| format!("k{number}")).collect();
    let answers = join_all(keys.iter().map(|key| store.read(key, WITHIN))).await;
    assert!(answers.iter().any(Result::is_ok) && answers.iter().any(Result::is_err), "{answers:?}");
    assert!(is_up(&store), "it is no fault of the server's");
    let server = RedisServer::start();
    let limits = Limits { connect: Duration::from_millis(300), ..LIMITS };
    let store = connect_with(&format!("redis-cluster://{}", server.addr()), "none", limits).await;
    assert!(matches!(store.read("k", WITHIN).await, Err(StoreError::Unreachable(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_sentinels_name() {
    let sentinels = Sentinels::start();
    let store = connect(&sentinels.url(), "suite").await;
    assert!(is_up(&store), "{:?}", store.nodes());
    the_suite(&store).await;
    whoever_watches_is_told(&store).await;
    // The sentinel that is asked first is gone.
    sentinels.sentinels()[0].kill();
    let key = stored(&store, "kept").await;
    let old = sentinels.kill_primary();
    let refused = store.read(&key, Duration::from_millis(250)).await;
    assert!(refused.is_err(), "{refused:?}");
    sentinels.sentinels()[0].restart();
    sentinels.wait_for_promotion(old);
    let begun = Instant::now();
    let read = async || store.read(&key, Duration::from_millis(250)).await;
    until_it_is_taken(read, "the new primary is found").await;
    println!("sentinels: in use {:?} after the promotion", begun.elapsed());
    sentinels.restart_as_replica(old);
    // A primary that still runs while another is promoted: its clients must not stay there.
    let before = sentinels.primary().addr();
    sentinels.fail_over();
    assert_ne!(sentinels.primary().addr(), before);
    let after = sentinels.primary().addr().to_string();
    until(|| is_up(&store) && store.nodes()[0].address == after, "the new primary is found").await;
    the_suite(&store).await;
}

#[cfg(feature = "tls")]
mod tls {
    use super::*;
    use crate::store::redis::Certificates;
    use cached_aside_tests::{Authority, Clients, server::has_tls};
    use std::fs;

    async fn connect(url: &str, certificates: &Certificates) -> Store {
        let address = certificates.apply(Address::parse(url).unwrap()).unwrap();
        let limits = Limits { connect: Duration::from_secs(2), ..LIMITS };
        Store::Redis(Box::new(RedisStore::connect(address, "tls".to_owned(), limits).await))
    }

    fn reason(store: &Store) -> String {
        format!("{:?}", store.nodes()[0].state)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_authority_and_a_client_certificate_of_ones_own() {
        if !has_tls() {
            println!("the server was built without TLS: nothing to test");
            return;
        }
        let authority = Authority::new();
        let ca = Some(fs::read(authority.root_path()).unwrap());
        let read = |path| fs::read(path).unwrap();
        let client = Some((read(authority.client_path()), read(authority.client_key_path())));
        let server = RedisServer::builder().tls(&authority, Clients::Any).start();
        let store = connect(&server.url(), &Certificates { authority: ca.clone(), client: None }).await;
        the_suite(&store).await;
        whoever_watches_is_told(&store).await;
        let store = connect(&server.url(), &Certificates::default()).await;
        assert!(reason(&store).contains("UnknownIssuer"), "{}", reason(&store));
        let server = RedisServer::builder().tls(&authority, Clients::Known).start();
        let store = connect(&server.url(), &Certificates { authority: ca.clone(), client: None }).await;
        assert!(!is_up(&store), "a client without a certificate");
        let store = connect(&server.url(), &Certificates { authority: ca, client }).await;
        the_suite(&store).await;
    }

    #[test]
    fn certificates_that_can_never_work_are_refused_at_once() {
        let with = |url: &str, authority: &[u8]| {
            let certificates = Certificates { authority: Some(authority.to_vec()), client: None };
            certificates.apply(Address::parse(url).unwrap()).unwrap_err().to_string()
        };
        assert!(with("rediss://a", b"not a certificate").contains("not in PEM"));
        assert!(with("redis://a", b"-----BEGIN CERTIFICATE-----").contains("write `rediss://"));
        let broken = with("rediss://a", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        assert!(broken.contains("tls_ca"), "{broken}");
    }
}
