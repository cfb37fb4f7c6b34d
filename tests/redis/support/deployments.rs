//! Redis wherever it runs: one server by each way to it, a cluster, a primary that sentinels name, TLS. Each with a user who
//! is allowed what the documentation says is needed, and nothing else.

use std::{fs, sync::OnceLock, thread, time::Duration};

use cached_aside::{Cache, CacheBuilder};
use cached_aside_tests::{
    Authority, Clients, RedisCluster, RedisServer, Sentinels,
    server::{Builder, has_tls},
};

/// What the tests of the functions call their namespaces.
const NAMESPACES: &str = "functions-";
const USER: &str = "app";
const PASSWORD: &str = "s3cret";

/// One Redis, and a way to it.
pub(crate) struct Deployment {
    pub(crate) name: &'static str,
    url: String,
    authority: Option<Vec<u8>>,
    servers: Servers,
}

enum Servers {
    One(&'static RedisServer),
    Cluster(&'static RedisCluster),
    Sentinels(&'static Sentinels),
}

impl Deployment {
    /// A cache there.
    pub(crate) async fn cache(&self, namespace: &str) -> Cache {
        assert!(namespace.starts_with(NAMESPACES), "the user is allowed nothing else than `{NAMESPACES}*`");
        let builder = Cache::builder().url(&self.url).namespace(namespace).timeout(Duration::from_secs(5));
        let builder = match &self.authority {
            Some(pem) => CacheBuilder::tls_ca(builder, pem.clone()),
            None => builder,
        };
        let cache = builder.connect_timeout(Duration::from_secs(10)).build().await.unwrap();
        cache.ping().await.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        cache
    }

    /// The keys that would stay for ever.
    pub(crate) fn keys_without_ttl(&self, prefix: &str) -> Vec<String> {
        let servers: &[RedisServer] = match self.servers {
            Servers::One(server) => return server.keys_without_ttl(prefix),
            Servers::Cluster(cluster) => cluster.nodes(),
            Servers::Sentinels(sentinels) => sentinels.servers(),
        };
        servers.iter().flat_map(|server| server.keys_without_ttl(prefix)).collect()
    }
}

/// What the documentation says that a user needs, here, and for these purposes beyond it.
fn allowed(purposes: &[&str]) -> String {
    let page = include_str!("../../../docs/production.md");
    let (_, rest) = page.split_once("```text\n~<namespace>:* ").expect("the page says what a user needs");
    let (commands, rest) = rest.split_once("```").unwrap();
    let mut rules = format!("resetchannels -@all ~{NAMESPACES}* {}", commands.replace('\n', " "));
    for purpose in purposes {
        let line = rest.lines().find(|line| line.ends_with(&format!("| {purpose} |")));
        let line = line.unwrap_or_else(|| panic!("the page says what is needed for: {purpose}"));
        let commands = line.split('`').nth(1).unwrap();
        rules = format!("{rules} {}", commands.replace("\\|", "|"));
    }
    rules
}

const ROLE: &str = "noticing that the server is a replica although nothing is written";

fn builder(purposes: &[&str]) -> Builder {
    RedisServer::builder().user(USER, PASSWORD, &allowed(purposes))
}

/// All of them, shared by the tests of this process.
pub(crate) fn all() -> &'static [Deployment] {
    static ALL: OnceLock<Vec<Deployment>> = OnceLock::new();
    ALL.get_or_init(|| {
        let cluster = thread::spawn(cluster);
        let sentinels = thread::spawn(sentinels);
        let mut all = vec![tcp(), unix_socket(), database(), resp2()];
        all.extend(tls());
        all.extend([cluster.join().unwrap(), sentinels.join().unwrap()]);
        all
    })
}

fn one(name: &'static str, server: Builder, url: impl FnOnce(&RedisServer) -> String) -> Deployment {
    let server: &'static RedisServer = Box::leak(Box::new(server.start()));
    Deployment { name, url: url(server), authority: None, servers: Servers::One(server) }
}

fn tcp() -> Deployment {
    one("TCP", builder(&[]), |server| server.url_as(USER, PASSWORD))
}

fn unix_socket() -> Deployment {
    one("unix socket", builder(&[]), |server| format!("{}?user={USER}&pass={PASSWORD}", server.unix_url()))
}

fn database() -> Deployment {
    one("database", builder(&["a database other than 0"]), |server| {
        format!("{}/3", server.url_as(USER, PASSWORD))
    })
}

fn resp2() -> Deployment {
    one("RESP2", builder(&[ROLE]).resp2(), |server| server.url_as(USER, PASSWORD))
}

/// Nothing where the server was built without it.
fn tls() -> Option<Deployment> {
    let authority = has_tls().then(Authority::new)?;
    let pem = fs::read(authority.root_path()).unwrap();
    let deployment = one("TLS", builder(&[ROLE]).tls(&authority, Clients::Any), |server| {
        server.url().replace("://", &format!("://{USER}:{PASSWORD}@"))
    });
    Some(Deployment { authority: Some(pem), ..deployment })
}

fn cluster() -> Deployment {
    let cluster = RedisCluster::start_with(builder(&[ROLE, "a cluster", "`wait_replicas`"]));
    let cluster: &'static RedisCluster = Box::leak(Box::new(cluster));
    let url = cluster.url_as(&format!("{USER}:{PASSWORD}@"));
    Deployment { name: "cluster", url, authority: None, servers: Servers::Cluster(cluster) }
}

fn sentinels() -> Deployment {
    let sentinels = Sentinels::start_with(&builder(&[ROLE, "`wait_replicas`"]), 1);
    let sentinels: &'static Sentinels = Box::leak(Box::new(sentinels));
    let url = sentinels.url_as(&format!("{USER}:{PASSWORD}@"));
    Deployment { name: "sentinels", url, authority: None, servers: Servers::Sentinels(sentinels) }
}
