//! Connections to servers in trouble, and what the tests of connections share.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cached_aside_tests::{RedisServer, ServerFault};
use redis::{Cmd, IntoConnectionInfo, cmd};
use tokio::{
    runtime::{self, Handle},
    time::sleep,
};

use super::{
    super::{capabilities::Capabilities, handshake::Target, limits::Limits},
    Common, NodeConnection, REFUSALS_IN_A_ROW, STILL_CLOSED, State,
};
use crate::store::changes::ChangeListeners;

pub(in super::super) const LONG: Duration = Duration::from_secs(20);

/// A connection that has not been attempted yet; this runtime is to have one of its own.
pub(in super::super) fn node(url: &str, home: Option<runtime::Id>) -> NodeConnection {
    node_with(url, home, Capabilities::new("connection"))
}

fn node_with(url: &str, home: Option<runtime::Id>, capabilities: Capabilities) -> NodeConnection {
    let limits = Limits { connect: LONG, call: LONG, value: 1 << 20, in_flight: 100 };
    let (listeners, reconnected, owed) = (ChangeListeners::default(), Arc::default(), Arc::default());
    let common = Common { limits, listeners, reconnected, owed, capabilities, home };
    NodeConnection::new(Target::Server(url.into_connection_info().unwrap().into()), &common)
}

pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "{what}");
        sleep(Duration::from_millis(1)).await;
    }
}

fn reason(node: &NodeConnection) -> String {
    match &*node.0.state() {
        State::Up(_) => "it is up".to_owned(),
        State::Down { reason, .. } => reason.clone(),
    }
}

/// The server was away while both connections were made: either may be the first in use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runtimes_own_connection_is_not_used_while_others_may_be_in_an_outage() {
    let server = RedisServer::start();
    let main = node(&server.url(), Some(Handle::current().id()));
    main.connect().await;
    let NodeConnection(own) = main.local();
    let opened = own.open(LONG).await.unwrap().unwrap();
    let lost = main.0.live().unwrap().number;
    // Attempts to connect had no answer, so the window is as long as one may take.
    main.0.closed_window.failed(true);
    main.0.lost(lost, "it did not answer");
    until("the main connection is back", || main.is_up()).await;
    assert_eq!(own.mismatch(&opened.server).as_deref(), Some(STILL_CLOSED));
    // As if that had been asked before the main one was back.
    own.put(opened);
    assert!(own.live().is_none(), "nothing is read over it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_is_one_for_large_values_that_was_waited_for_meanwhile() {
    let server = RedisServer::start();
    let main = node(&server.url(), None);
    main.connect().await;
    server.pause();
    let waiting = main.clone();
    let large = tokio::spawn(async move { waiting.large_value_connection().await.is_err() });
    let is_connecting = || main.0.large.get().is_some_and(|large| large.0.connect_lock.try_lock().is_err());
    until("it is being connected", is_connecting).await;
    main.0.closed_window.failed(true);
    main.0.lost(main.0.live().unwrap().number, "it did not answer");
    server.resume();
    assert!(large.await.unwrap(), "others may be in the outage still");
}

/// Without the right to ask for the role.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_by_a_replica_on_a_runtimes_own_connection_ends_the_main_one_too() {
    let server = RedisServer::builder().user("app", "pass", "~* +@all -role -info").start();
    let main = node(&server.url_as("app", "pass"), Some(Handle::current().id()));
    main.connect().await;
    main.connect_own().await;
    assert!(main.local().is_own() && main.local().is_up());
    let fault = ServerFault::ReadOnly.begin(&server);
    let refused = main.local().call::<()>(cmd("SET").arg("k").arg("v")).await;
    assert!(!main.is_up() && !main.local().is_up(), "{refused:?}");
    until("it is not taken for a primary", || reason(&main).contains("it is a replica")).await;
    fault.end();
    until("it is a primary again", || main.is_up()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_name_keys_to_be_tracked_is_not_told_of_changes() {
    let rules = "~* +@all -client +client|tracking";
    let server = RedisServer::builder().user("app", "pass", rules).start();
    let app = node(&server.url_as("app", "pass"), None);
    app.connect().await;
    assert!(app.is_up() && !app.tracking());
    let anybody = node(&server.url(), None);
    anybody.connect().await;
    assert!(anybody.tracking());
}

/// A cluster of one node, which is down when one of its slots has no node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_a_cluster_that_is_down_is_not_used_and_has_a_closed_window_after_that() {
    let server = RedisServer::builder().args(["--cluster-enabled", "yes"]).start();
    let slots = |verb: &str, slots: &[u16]| server.run::<()>(cmd("CLUSTER").arg(verb).arg(slots));
    let slot = |key: &str| server.run::<u16>(cmd("CLUSTER").arg("KEYSLOT").arg(key));
    let get = |key: &str| -> Cmd { cmd("GET").arg(key).clone() };
    slots("ADDSLOTS", &(0..16_384).collect::<Vec<_>>());
    let capabilities = Capabilities::new("connection").clustered();
    let node = node_with(&server.url(), None, capabilities);
    node.connect().await;
    until("the cluster is up", || node.is_open()).await;
    let used = [slot("k"), slot("connection:is anybody there")];
    let other = (0..3).find(|slot| !used.contains(slot)).unwrap();
    slots("DELSLOTS", &[other]);
    for _ in 0..REFUSALS_IN_A_ROW {
        assert!(node.is_up());
        let refused = node.call::<Option<String>>(&get("k")).await;
        assert!(format!("{refused:?}").contains("The cluster is down"), "{refused:?}");
    }
    assert!(!node.is_up(), "the others have noticed it as well");
    assert!(node.0.connect().await.unwrap_err().starts_with("CLUSTERDOWN"), "it answers, and serves nothing");
    slots("ADDSLOTS", &[other]);
    until("the cluster is up again", || node.is_up()).await;
    assert!(node.0.live().unwrap().closed.is_some(), "others may have invalidations to deliver");
}

/// The server was away when the cache was made, so nothing was tried then.
#[test]
fn a_runtime_without_io_is_tried_once() {
    let server = RedisServer::start();
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let main = node(&server.url(), Some(Handle::current().id()));
        main.connect_own().await;
        main.connect().await;
        let own = main.local();
        own.dial_again().expect("it is tried").await.unwrap();
        assert!(!own.is_up() && own.dial_again().is_none(), "it would panic each time");
    });
}
