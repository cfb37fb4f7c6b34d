//! Clusters, sentinels, TLS and unix sockets.

use cached_aside_tests::{Authority, Clients, RedisCluster, RedisServer, Sentinels, server};

use crate::support::{at, catalog, filled};

/// Everything once.
fn everything(args: &[&str], url: &str) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = catalog(&dir);
    let path = path.to_str().expect("UTF-8");
    let said = |more: &[&str]| at(url, &[args, more].concat());
    let doctor = said(&["doctor"]);
    assert_eq!(doctor.code, Some(0), "{doctor:?}");
    let users = said(&["keys", "user:*", "--json"]);
    assert_eq!(users.json_lines().len(), 3, "{users:?}");
    assert_eq!(said(&["get", "user:1", "--json"]).json()["value"]["name"], "user 1");
    assert_eq!(said(&["explain", "user:1", "--json", "--catalog", path]).json()["entry"]["state"], "value");
    assert_eq!(said(&["invalidate", "--function", "load_user", "--catalog", path]).out, "ended 3 entries\n");
    assert_eq!(said(&["invalidate", "--tag", "tenant:7"]).code, Some(0));
    assert_eq!(said(&["keys", "user:*"]).code, Some(1));
}

#[tokio::test]
async fn every_primary_of_a_cluster_is_looked_into() {
    let cluster = RedisCluster::start();
    filled(&cluster.url()).await;
    everything(&[], &cluster.url());
    let builder = crate::support::patient(cluster.url()).publish_stats(true);
    let _publishing = [builder.clone().build().await.unwrap(), builder.build().await.unwrap()];
    crate::counts::shown_at(&cluster.url(), |top| top["processes"] == 2);
}

#[tokio::test]
async fn sentinels_name_the_primary() {
    let sentinels = Sentinels::start();
    filled(&sentinels.url()).await;
    everything(&[], &sentinels.url());
}

#[tokio::test]
async fn a_unix_socket_is_a_place() {
    let server = RedisServer::start();
    filled(&server.unix_url()).await;
    everything(&[], &server.unix_url());
}

#[tokio::test]
async fn certificates_are_given_as_files() {
    if !server::has_tls() {
        eprintln!("the server was built without TLS");
        return;
    }
    let authority = Authority::new();
    let server = RedisServer::builder().tls(&authority, Clients::Known).start();
    let read = |path| std::fs::read(path).unwrap();
    let cache = crate::support::patient(server.url())
        .tls_ca(read(authority.root_path()))
        .tls_client(read(authority.client_path()), read(authority.client_key_path()))
        .build()
        .await
        .unwrap();
    cache.scope(async { crate::support::load_user(1).await }).await;
    crate::support::stored(&cache, 1).await;
    let (root, certificate, key) =
        (authority.root_path(), authority.client_path(), authority.client_key_path());
    let args = |args: &[&str]| {
        let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
        let files = [path(&root), path(&certificate), path(&key)];
        let tls = ["--tls-ca", &files[0], "--tls-cert", &files[1], "--tls-key", &files[2]];
        at(&server.url(), &[&tls, args].concat())
    };
    assert_eq!(args(&["doctor"]).code, Some(0));
    assert_eq!(args(&["get", "user:1", "--json"]).json()["state"], "value");
    let without = at(&server.url(), &["doctor"]);
    assert_eq!(without.code, Some(1), "{without:?}");
}
