//! A cache at the Redis of a client that the application already has.

use std::{fs, time::Duration};

use cached_aside::{Cache, CacheBuilder, Error, cached_aside, redis as of_the_library};
use cached_aside_tests::{Authority, Clients, RedisServer, server};
use redis::{Client, IntoConnectionInfo, TlsCertificates, cmd};

use crate::support::filled;

// The lease outlasts a machine that stands still.
#[cached_aside(ttl = "5m", key = "double:{n}", lease = "20s")]
async fn double(n: u64) -> u64 {
    2 * n
}

/// What is stored there, in this database.
async fn stores(builder: CacheBuilder, namespace: &str) -> Cache {
    let cache = builder.namespace(namespace).timeout(Duration::from_secs(5)).build().await.unwrap();
    cache.ping().await.unwrap();
    assert_eq!(cache.scope(double(4)).await, 8);
    filled(&cache, 1).await;
    assert_eq!(cache.scope(async { double::key(4).peek().await }).await.unwrap(), Some(8));
    cache
}

#[tokio::test]
async fn its_address_database_and_credentials_are_the_clients() {
    let server =
        RedisServer::builder().password("secret").user("app", "of-the-app", "~shop:* ~shop2:* +@all").start();
    let url = format!("{}/3", server.url_as("app", "of-the-app"));
    let client: of_the_library::Client = Client::open(url.as_str()).unwrap();
    stores(Cache::builder().client(client.clone()), "shop").await;
    let mut connection = client.get_connection().unwrap();
    assert_eq!(cmd("EXISTS").arg("shop:double:4").query::<u64>(&mut connection).unwrap(), 1);
    assert_eq!(server.run::<u64>(cmd("EXISTS").arg("shop:double:4")), 0, "in that database alone");
    stores(Cache::builder().client(Client::open(server.unix_url()).unwrap()), "shop2").await;
}

#[tokio::test]
async fn its_tls_is_the_clients() {
    if !server::has_tls() {
        return println!("this server was built without TLS");
    }
    let known = Authority::new();
    let server = RedisServer::builder().tls(&known, Clients::Any).start();
    let root = fs::read(known.root_path()).unwrap();
    let certificates = TlsCertificates { client_tls: None, root_cert: Some(root.clone()) };
    let client = Client::build_with_tls(server.url(), certificates).unwrap();
    stores(Cache::builder().client(client.clone()), "tls").await;
    let refused = Cache::builder().client(client).tls_ca(root).build().await.unwrap_err();
    assert!(matches!(&refused, Error::Option { option: "tls_ca", .. }), "{refused}");
}

#[tokio::test]
async fn beside_another_place_it_is_refused() {
    let client = || Client::open("redis://:secret@localhost".into_connection_info().unwrap()).unwrap();
    for (builder, refused) in [
        (Cache::builder().client(client()).url("redis://localhost"), "client"),
        (Cache::builder().client(client()).url("in-process"), "client"),
        (Cache::builder().client(client()).in_process(), "client"),
        (Cache::builder().client(client()).capacity(1 << 20), "capacity"),
        (Cache::builder().client(client()).namespace(""), "namespace"),
    ] {
        let error = builder.build().await.unwrap_err();
        assert!(matches!(&error, Error::Option { option, .. } if *option == refused), "{error}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
}
