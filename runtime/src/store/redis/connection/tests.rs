//! Connections to servers in trouble, and what the tests of connections share.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cached_aside_tests::RedisServer;
use redis::IntoConnectionInfo;
use tokio::{
    runtime::{self, Handle},
    time::sleep,
};

use super::{
    super::{capabilities::Capabilities, handshake::Target, limits::Limits},
    Common, NodeConnection, STILL_CLOSED,
};
use crate::store::changes::ChangeListeners;

pub(in super::super) const LONG: Duration = Duration::from_secs(20);

/// A connection that has not been attempted yet; this runtime is to have one of its own.
pub(in super::super) fn node(url: &str, home: Option<runtime::Id>) -> NodeConnection {
    let limits = Limits { connect: LONG, call: LONG, value: 1 << 20, in_flight: 100 };
    let (listeners, reconnected, owed) = (ChangeListeners::default(), Arc::default(), Arc::default());
    let capabilities = Capabilities::new("connection");
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
