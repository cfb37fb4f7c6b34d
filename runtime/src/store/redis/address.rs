//! Parsing URLs. No message contains any part of a URL that could be secret.

use std::{net::IpAddr, time::Duration};

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

mod query;

/// Schemes of single servers, without and with TLS.
const SCHEMES: [&str; 7] = ["redis", "valkey", "redis+unix", "valkey+unix", "unix", "rediss", "valkeys"];
/// How long sent data may stay unacknowledged before the kernel closes the connection.
const UNACKNOWLEDGED: Duration = Duration::from_secs(2);
const PORT: &str = "host:port[,host:port…]";

/// Where Redis runs.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    /// One server.
    Server(ConnectionInfo),
    /// Sentinels, which know the current primary of a service.
    Sentinels {
        sentinels: Vec<ConnectionInfo>,
        service: String,
        /// How to connect to the primary; only its address is unknown.
        primary: ConnectionInfo,
    },
    /// Some nodes of a cluster, which know the others.
    Cluster(Vec<ConnectionInfo>),
}

impl Address {
    /// Parses a URL. White space around it is left out: a file that holds a secret ends with a line break.
    pub(crate) fn parse(url: &str) -> Result<Address, String> {
        let url = url.trim();
        if url.starts_with(['"', '\'', '`']) {
            return Err("leave the quotes around it out; write `redis://host:6379`".to_owned());
        }
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(without_slashes(url));
        };
        let scheme = scheme.to_ascii_lowercase();
        let (kind, tls) = match &*scheme {
            "redis-cluster" | "valkey-cluster" => (Address::cluster as fn(&Parts) -> _, false),
            "rediss-cluster" | "valkeys-cluster" => (Address::cluster as fn(&Parts) -> _, true),
            "redis-sentinel" | "valkey-sentinel" => (Address::sentinels as fn(&Parts) -> _, false),
            "rediss-sentinel" | "valkeys-sentinel" => (Address::sentinels as fn(&Parts) -> _, true),
            // It is not repeated: somebody may have written a password before the `://`.
            scheme if !SCHEMES.contains(&scheme) => {
                return Err(
                    "unknown scheme; write `redis://…`, `rediss://…`, `redis+unix://…`, `redis-cluster://…` or `redis-sentinel://…`"
                        .to_owned(),
                );
            }
            scheme => {
                let tls = matches!(scheme, "rediss" | "valkeys");
                if scheme.ends_with("unix") {
                    query::check(rest, &query::SOCKET)?;
                } else {
                    query::check(rest, &query::SERVER)?;
                    check_host(rest)?;
                }
                let url = format!("{scheme}://{rest}");
                return connection_info(&url, tls, "redis://[user:password@]host[:port][/database]")
                    .map(Address::Server);
            }
        };
        let known: &[&str] = if scheme.ends_with("sentinel") { &query::SENTINEL } else { &query::SERVER };
        query::check(rest, known)?;
        kind(&Parts::of(rest, tls)?)
    }

    fn cluster(parts: &Parts) -> Result<Address, String> {
        let form = format!("redis-cluster://[user:password@]{PORT}");
        if !matches!(parts.path, "" | "0") {
            return Err(format!("a cluster has only the database 0; write `{form}`"));
        }
        parts.each(parts.login, parts.query, &form).map(Address::Cluster)
    }

    fn sentinels(parts: &Parts) -> Result<Address, String> {
        let form = format!("redis-sentinel://[user:password@]{PORT}/service[/database]");
        let (service, database) = parts.path.split_once('/').unwrap_or((parts.path, ""));
        if service.is_empty() {
            return Err(format!("it names no service; write `{form}`"));
        }
        let mut login = (None, None);
        let mut query = Vec::new();
        for pair in parts.query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sentinel_user", user)) => login.0 = Some(user),
                Some(("sentinel_pass", pass)) => login.1 = Some(pass),
                _ => query.push(pair),
            }
        }
        let own = match login {
            (None, None) => String::new(),
            (user, pass) => format!("{}:{}@", user.unwrap_or_default(), pass.unwrap_or_default()),
        };
        let sentinels = parts.each(&own, "", &form)?;
        let url = format!("{}://{}localhost/{database}?{}", parts.scheme(), parts.login, query.join("&"));
        Ok(Address::Sentinels {
            sentinels,
            service: service.to_owned(),
            primary: connection_info(&url, parts.tls, &form)?,
        })
    }

    /// How to connect to each of its servers.
    pub(super) fn infos_mut(&mut self) -> Vec<&mut ConnectionInfo> {
        match self {
            Address::Server(info) => vec![info],
            Address::Sentinels { sentinels, primary, .. } => sentinels.iter_mut().chain([primary]).collect(),
            Address::Cluster(seeds) => seeds.iter_mut().collect(),
        }
    }

    /// The same, with socket options that send small packets at once over a network and detect a dead peer.
    pub(super) fn with_socket_options(mut self) -> Address {
        for info in self.infos_mut() {
            *info = with_socket_options(info.clone());
        }
        self
    }

    /// Whether it uses TLS.
    pub(crate) fn is_tls(&self) -> bool {
        let infos: &[ConnectionInfo] = match self {
            Address::Server(info) => std::slice::from_ref(info),
            Address::Sentinels { sentinels, .. } => sentinels,
            Address::Cluster(seeds) => seeds,
        };
        infos.iter().any(|info| matches!(info.addr(), ConnectionAddr::TcpTls { .. }))
    }
}

fn with_socket_options(info: ConnectionInfo) -> ConnectionInfo {
    let (ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. }) = info.addr() else {
        return info;
    };
    // With Nagle's algorithm a call over a network takes twice as long. Within a machine it costs microseconds, and small packets that
    // are sent together are received together.
    let tcp = info.tcp_settings().clone().set_nodelay(!is_loopback(host));
    #[cfg(target_os = "linux")]
    let tcp = if tcp.user_timeout().is_none() { tcp.set_user_timeout(UNACKNOWLEDGED) } else { tcp };
    info.set_tcp_settings(tcp)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// The same way to connect, to another host.
pub(super) fn with_host(info: &ConnectionInfo, host: &str, port: u16) -> ConnectionInfo {
    let host = host.to_owned();
    let addr = match info.addr() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
        }
        _ => ConnectionAddr::Tcp(host, port),
    };
    with_socket_options(info.clone().set_addr(addr))
}

/// `host:port`, where the host may be an IPv6 address.
pub(super) fn host_and_port(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    Some((host.trim_start_matches('[').trim_end_matches(']'), port.parse().ok()?))
}

/// The parts of a URL with several hosts.
struct Parts<'a> {
    /// With its `@`, or empty.
    login: &'a str,
    hosts: Vec<&'a str>,
    path: &'a str,
    query: &'a str,
    tls: bool,
}

impl Parts<'_> {
    fn of(rest: &str, tls: bool) -> Result<Parts<'_>, String> {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        if login.contains(',') && login.matches('@').count() > 1 {
            let why = "the login is the same for all hosts, and is written once, before the first of them; in a password `@` is written as \
                       `%40` and `,` as `%2C`";
            return Err(why.to_owned());
        }
        let hosts: Vec<&str> = hosts.split(',').map(str::trim).collect();
        if hosts.iter().any(|host| host.is_empty()) {
            return Err(format!("a host is missing; write `{PORT}`"));
        }
        hosts.iter().try_for_each(|host| check_port(host))?;
        Ok(Parts { login, hosts, path: path.trim_end_matches('/'), query, tls })
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "rediss" } else { "redis" }
    }

    fn each(&self, login: &str, query: &str, form: &str) -> Result<Vec<ConnectionInfo>, String> {
        let hosts = self.hosts.iter();
        hosts
            .map(|host| {
                connection_info(&format!("{}://{login}{host}/?{query}", self.scheme()), self.tls, form)
            })
            .collect()
    }
}

/// The error of a URL without `://`.
fn without_slashes(url: &str) -> String {
    let scheme = url.split(':').next().filter(|_| url.contains(':')).unwrap_or_default();
    let known = scheme.strip_suffix("-cluster").or(scheme.strip_suffix("-sentinel")).unwrap_or(scheme);
    // What is not a scheme may be a user name followed by a password, and is not repeated.
    if SCHEMES.contains(&known) {
        format!("after `{scheme}` comes `://`; write `{scheme}://…`")
    } else {
        "it has no scheme; write `redis://host:6379` or `redis+unix:///path/to/socket`".to_owned()
    }
}

/// Checks the host at the start of this text, and its port.
fn check_host(rest: &str) -> Result<(), String> {
    if host_of(rest).contains(',') {
        let why =
            "several hosts are a cluster or sentinels; write `redis-cluster://…` or `redis-sentinel://…`";
        return Err(why.to_owned());
    }
    check_port(rest)
}

/// The host at the start of this text, with its port.
fn host_of(rest: &str) -> &str {
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

/// Checks the port after the host at the start of this text.
fn check_port(rest: &str) -> Result<(), String> {
    let host = host_of(rest);
    let after_address = host.rsplit(']').next().unwrap_or_default();
    match after_address.split_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok_and(|port| port > 0) => Ok(()),
        Some((_, "")) | None => Ok(()),
        Some(_) => Err(format!(
            "the port is not a number from 1 to 65535; write `redis://host:6379`, or with a login \
             `redis://user:password@host:6379`{}",
            query::if_secret_was_cut(rest)
        )),
    }
}

fn connection_info(url: &str, tls: bool, form: &str) -> Result<ConnectionInfo, String> {
    if tls && cfg!(not(feature = "tls")) {
        return Err("cached-aside was built without TLS; enable its feature `tls`".to_owned());
    }
    let info = url.into_connection_info().map_err(|error| explain(&error, form))?;
    if info.redis_settings().db() < 0 {
        return Err(format!("invalid database number: there is none below 0; write `{form}`"));
    }
    Ok(info)
}

/// redis-rs has fixed texts for what is wrong; a detail, which could quote the URL, is left out.
fn explain(error: &redis::RedisError, form: &str) -> String {
    let text = if error.detail().is_none() { error.to_string() } else { error.category().to_owned() };
    let what = text.split(" - ").next().unwrap_or_default();
    format!("{what}; write `{form}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(infos: &[ConnectionInfo]) -> Vec<String> {
        infos.iter().map(|info| info.addr().to_string()).collect()
    }

    #[test]
    fn a_cluster_is_named_by_some_of_its_nodes() {
        let address = Address::parse("redis-cluster://me:s%3Acret@a:1,b,[::1]:3/").unwrap();
        let Address::Cluster(seeds) = address else { panic!("{address:?}") };
        assert_eq!(hosts(&seeds), ["a:1", "b:6379", "::1:3"]);
        for seed in &seeds {
            let settings = seed.redis_settings();
            assert_eq!((settings.username(), settings.password()), (Some("me"), Some("s:cret")));
        }
    }

    #[test]
    fn sentinels_have_a_service_and_a_login_of_their_own() {
        let url = "redis-sentinel://me:secret@a:1,b:2/main/3?sentinel_pass=other&protocol=resp3";
        let address = Address::parse(url).unwrap();
        let Address::Sentinels { sentinels, service, primary } = address else { panic!("{address:?}") };
        assert_eq!((hosts(&sentinels), service.as_str()), (vec!["a:1".to_owned(), "b:2".to_owned()], "main"));
        assert_eq!(sentinels[0].redis_settings().password(), Some("other"));
        let settings = primary.redis_settings();
        assert_eq!(
            (settings.username(), settings.password(), settings.db()),
            (Some("me"), Some("secret"), 3)
        );
    }

    #[test]
    fn what_can_never_work_is_explained_without_secrets() {
        for (url, says) in [
            ("localhost:6379", "no scheme"),
            ("http://secret@localhost", "unknown scheme"),
            ("\"redis://:secret@localhost\"", "leave the quotes around it out"),
            ("redis:/secret", "after `redis` comes `://`"),
            ("redis://user:secret", "`redis://user:password@host:6379`"),
            ("redis://:secret@a:1,b:2", "write `redis-cluster://…`"),
            ("redis-cluster://:secret@a:1,:secret@b:2", "written once, before the first"),
            ("rediss-sentinel:secret@a:1/main", "after `rediss-sentinel` comes `://`"),
            ("secret:secret@localhost", "no scheme"),
            ("redis://secret@localhost:port", "write `redis://"),
            ("redis://:secret@localhost:99999", "from 1 to 65535"),
            ("redis://:secret@localhost:0/1", "from 1 to 65535"),
            ("redis://:secret@[::1]:99999", "from 1 to 65535"),
            ("redis-cluster://:secret@a:1,b:99999", "from 1 to 65535"),
            ("redis-sentinel://:secret@a:99999/main", "from 1 to 65535"),
            ("redis://:sec/ret@localhost", "`%2F`"),
            ("redis://:sec?ret@localhost", "`%2F`"),
            ("redis://localhost?timeout=5&secret=1", "`Cache::builder().timeout(…)`"),
            ("redis://localhost/?password=secret", "`redis://user:password@host`"),
            ("redis://localhost?db=3", "`redis://host/3`"),
            ("redis://localhost?ssl=true", "`rediss://host`"),
            ("redis://localhost/0?secret=x", "only `protocol`"),
            ("redis-cluster://a,b?secret", "only `protocol`"),
            ("redis-sentinel://a/main?secret=5", "`sentinel_user`"),
            ("redis+unix:///run/redis.sock?secret=5", "`db`"),
            ("redis://:secret@localhost/#insecure", "leave the `#…` out"),
            ("redis://:secret@localhost/zero", "database number"),
            ("redis://:secret@localhost/-1", "database number"),
            ("redis+unix:///run/redis.sock?db=-1&pass=secret", "database number"),
            ("redis-cluster://:secret@", "a host is missing"),
            ("redis-cluster://:secret@a,,b", "a host is missing"),
            ("redis-cluster://:secret@a:1/3", "only the database 0"),
            ("redis-sentinel://:secret@a:1", "names no service"),
            ("redis-sentinel://:secret@a:1/main/zero", "database number"),
        ] {
            let error = Address::parse(url).unwrap_err();
            assert!(error.contains(says) && !error.contains("secret"), "{url}: {error}");
        }
    }

    #[test]
    fn what_the_client_understands_is_not_refused() {
        for url in [
            "redis://:a%2Fb@localhost:65535/3?protocol=resp3",
            "redis://user:a:b@[::1]:6380",
            "redis://[::1]",
            "redis://localhost\n",
            " REDIS://localhost",
            "redis://:a,b@c@localhost",
            "redis-cluster://:a@b@localhost,other",
            "redis://localhost:/1",
            "redis+unix:///run/redis.sock?db=3&user=a&pass=b@c&protocol=resp3",
            "redis-cluster://a:1,b:2?protocol=resp3",
            "redis-sentinel://a/main?sentinel_user=u&sentinel_pass=p@q&protocol=3",
        ] {
            assert!(Address::parse(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn another_host_is_reached_the_same_way() {
        let info = "redis://me:secret@a:1/2".into_connection_info().unwrap();
        let other = with_host(&info, "b", 7);
        assert_eq!(other.addr().to_string(), "b:7");
        assert_eq!((other.redis_settings().password(), other.redis_settings().db()), (Some("secret"), 2));
        assert_eq!(host_and_port("[::1]:7"), Some(("::1", 7)));
        assert_eq!(host_and_port("::1:7"), Some(("::1", 7)));
        assert_eq!(host_and_port("nowhere"), None);
    }

    #[test]
    fn small_packets_wait_for_each_other_only_within_a_machine() {
        let nodelay = |info: &ConnectionInfo| info.tcp_settings().nodelay();
        for (url, at_once) in [
            ("redis://localhost", false),
            ("redis://127.0.0.1:7", false),
            ("redis://[::1]:7", false),
            ("redis://10.0.0.1", true),
            ("redis://cache.example", true),
        ] {
            let Address::Server(info) = Address::parse(url).unwrap().with_socket_options() else {
                panic!("{url}")
            };
            assert_eq!(nodelay(&info), at_once, "{url}");
            // The nodes of a cluster, and the primary that sentinels name, may be on other machines.
            assert!(nodelay(&with_host(&info, "10.0.0.2", 7)), "{url}");
            assert!(!nodelay(&with_host(&info, "127.0.0.1", 7)), "{url}");
        }
    }

    /// They come from a client that a program has made.
    #[test]
    fn socket_options_that_somebody_has_set_are_kept() {
        use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
        let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(30));
        let tcp = TcpSettings::default().set_keepalive(keepalive.clone());
        let info = "redis://a".into_connection_info().unwrap().set_tcp_settings(tcp);
        let Address::Server(info) = Address::Server(info).with_socket_options() else { unreachable!() };
        assert_eq!(format!("{:?}", info.tcp_settings().keepalive()), format!("{:?}", Some(&keepalive)));
    }

    #[cfg(feature = "tls")]
    #[test]
    fn tls_is_asked_for_by_the_scheme() {
        for url in ["rediss://a", "rediss-cluster://a,b", "rediss-sentinel://a/main"] {
            assert!(Address::parse(url).unwrap().is_tls(), "{url}");
        }
        assert!(!Address::parse("redis://a").unwrap().is_tls());
        let error = Address::parse("rediss://:secret@a/#insecure").unwrap_err();
        assert!(error.contains("tls_ca") && !error.contains("secret"), "{error}");
    }
}
