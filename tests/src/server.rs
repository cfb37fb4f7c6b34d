//! A real Redis server, started for a test and gone with it.
//!
//! The program is `redis-server` in `PATH`, or whatever `CACHED_ASIDE_TEST_SERVER` names: Valkey, or
//! another version. A wrapper script has to `exec` the server, so that its process id is the server's.

use crate::{Process, tls::Authority};
use redis::{Client, Cmd, Commands, Connection, FromRedisValue, RedisResult, cmd};
use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs::{self, File},
    hash::{BuildHasher, RandomState},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    ops::Range,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A loaded machine may need most of this; an idle one needs a hundredth.
const START: Duration = Duration::from_secs(30);
/// How long a server may take to answer one command of this library.
const ANSWER: Duration = Duration::from_secs(10);
/// Commands that belong to a connection or to this library, and not to what a test measures.
const HOUSEKEEPING: [&str; 8] =
    ["auth", "client|setinfo", "client|setname", "config|resetstat", "hello", "info", "role", "select"];
/// The same where a server before 7.0 counts all that begin with one word together.
const HOUSEKEEPING_BEFORE_7: [&str; 2] = ["client", "config"];

/// Where servers listen: below the ports that systems give to outgoing connections. A client that keeps trying to
/// connect to one of those after its server has gone may be given that very port, and then holds it.
const PORTS: Range<u16> = 12_000..32_000;
/// What the nodes of a cluster talk to each other by is so far above what they serve by.
const BUS: u16 = 10_000;

/// What a server is started with.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    args: Vec<OsString>,
    password: Option<String>,
    /// A file to begin with, which the server may write to.
    config: Option<String>,
    cluster: bool,
    /// By option: files, in PEM.
    tls: Option<[(&'static str, Vec<u8>); 3]>,
}

impl Builder {
    /// Further arguments: `["--maxmemory", "2mb"]`.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Requires this password, which [`RedisServer::url`] then carries, and gives it to whom it may follow.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.args(["--requirepass", password, "--masterauth", password])
    }

    /// Adds a user with rules as in `ACL SETUSER`, such as `"~shop:* +@all -@dangerous"`; see
    /// [`RedisServer::url_as`].
    #[must_use]
    pub fn user(self, name: &str, password: &str, rules: &str) -> Self {
        let password = format!(">{password}");
        self.args(["--user", name, "on", &password]).args(rules.split_whitespace())
    }

    /// Makes it one node of a cluster.
    pub(crate) fn cluster(mut self) -> Self {
        self.cluster = true;
        self.args(["--cluster-enabled", "yes"])
    }

    /// Makes it a sentinel, which begins with these lines of configuration.
    pub(crate) fn sentinel(mut self, config: String) -> Self {
        self.config = Some(config);
        self.args(["--sentinel"])
    }

    /// A replica of that server from the start.
    #[must_use]
    pub fn replica_of(self, primary: &RedisServer) -> Self {
        self.args(["--replicaof", "127.0.0.1", &primary.port.to_string()])
    }

    /// Serves by TLS only, with a certificate for `localhost` and `127.0.0.1` of this authority. Clients may show a
    /// certificate of the same authority, or must.
    #[must_use]
    pub fn tls(mut self, authority: &Authority, clients: Clients) -> Self {
        let files = [
            ("--tls-ca-cert-file", authority.root_path()),
            ("--tls-cert-file", authority.server_path()),
            ("--tls-key-file", authority.server_key_path()),
        ];
        self.tls = Some(files.map(|(option, path)| (option, fs::read(path).expect("it was written"))));
        self.args(["--tls-auth-clients", if clients == Clients::Known { "yes" } else { "no" }])
    }

    /// Knows no `HELLO`, like a server from before RESP3.
    #[must_use]
    pub fn resp2(self) -> Self {
        self.args(["--rename-command", "HELLO", ""])
    }

    /// Starts the server and waits until it answers.
    pub fn start(self) -> RedisServer {
        let deadline = Instant::now() + START;
        let dir = tempfile::Builder::new().prefix("redis-").tempdir().expect("a temporary folder");
        let port = free_port(self.cluster);
        let mut server = RedisServer { settings: self, dir, port, process: Mutex::default() };
        if let Some(config) = &server.settings.config {
            fs::write(server.config(), config).expect("the configuration can be written");
        }
        while !server.launch(&[], deadline) {
            server.port = free_port(server.settings.cluster);
        }
        server
    }
}

/// Whom a server with TLS talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    /// Anybody.
    Any,
    /// Those with a certificate.
    Known,
}

/// A running server, reachable by TCP and by a unix socket; killed when dropped.
///
/// A test that stops, pauses or floods the server starts its own; the others share one and keep to a
/// namespace of their own.
#[derive(Debug)]
pub struct RedisServer {
    settings: Builder,
    dir: TempDir,
    port: u16,
    process: Mutex<Option<Process>>,
}

impl RedisServer {
    /// A server with no further arguments.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// A server with further arguments.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The server that the tests of this process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<RedisServer> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The port of [`RedisServer::addr`].
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://…`, or `rediss://…` for a server with TLS, with the password if there is one.
    pub fn url(&self) -> String {
        let scheme = if self.settings.tls.is_some() { "rediss" } else { "redis" };
        let login = self.settings.password.as_ref().map(|password| format!(":{password}@"));
        format!("{scheme}://{}{}", login.unwrap_or_default(), self.addr())
    }

    /// `redis://name:password@…`, for one of [`Builder::user`].
    pub fn url_as(&self, name: &str, password: &str) -> String {
        format!("redis://{name}:{password}@{}", self.addr())
    }

    /// `redis+unix://…`, with the password if there is one.
    pub fn unix_url(&self) -> String {
        let login = self.settings.password.as_ref().map(|password| format!("?pass={password}"));
        format!("redis+unix://{}{}", self.socket().display(), login.unwrap_or_default())
    }

    /// The server's folder, with its socket and its log `redis.log`; removed with it.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The process id of the server.
    pub fn pid(&self) -> u32 {
        self.running(|process| process.pid())
    }

    /// Whether it was neither stopped nor killed.
    pub fn is_running(&self) -> bool {
        self.process().is_some()
    }

    pub(crate) fn password(&self) -> Option<&str> {
        self.settings.password.as_deref()
    }

    /// Ends the server as an operator would. What it held is lost: nothing is ever written to disk.
    pub fn stop(&self) {
        self.running(|process| process.terminate(ANSWER));
        *self.process() = None;
    }

    /// Kills the server, `kill -9`.
    pub fn kill(&self) {
        self.running(Process::kill);
        *self.process() = None;
    }

    /// Starts the server again, empty, at the same addresses; ends it first if it still runs.
    pub fn restart(&self) {
        self.restart_with(&[]);
    }

    /// The same with further arguments, for this once.
    pub fn restart_with(&self, args: &[&str]) {
        let deadline = Instant::now() + START;
        *self.process() = None;
        while !self.launch(args, deadline) {
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Freezes the server: connections are accepted by the kernel, nothing is answered.
    pub fn pause(&self) {
        self.running(Process::pause);
    }

    /// Lets the server go on after [`RedisServer::pause`].
    pub fn resume(&self) {
        self.running(Process::resume);
    }

    /// A plain connection beside the library under test, by the unix socket.
    pub fn connection(&self) -> Connection {
        let deadline = Instant::now() + Duration::from_secs(1);
        loop {
            match self.connect() {
                Ok(connection) => return connection,
                // Somebody may have it disconnect all clients at this moment.
                Err(error) => assert!(Instant::now() < deadline, "no connection to the server: {error}"),
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// One plain command: `server.run(cmd("GET").arg("users:1"))`.
    pub fn run<T: FromRedisValue>(&self, command: &Cmd) -> T {
        command.query(&mut self.connection()).expect("the command succeeds")
    }

    /// The keys of all databases that start with `prefix` and would stay for ever.
    pub fn keys_without_ttl(&self, prefix: &str) -> Vec<String> {
        let mut connection = self.connection();
        let keyspace: String = self.run(cmd("INFO").arg("keyspace"));
        let databases = keyspace.lines().filter_map(|line| line.strip_prefix("db")?.split_once(':'));
        let mut found = Vec::new();
        for (database, _) in databases {
            cmd("SELECT").arg(database).exec(&mut connection).expect("the database exists");
            let keys: RedisResult<Vec<Vec<u8>>> = connection.scan().and_then(Iterator::collect);
            let keys = keys.expect("the keys can be listed");
            for key in keys.iter().filter(|key| key.starts_with(prefix.as_bytes())) {
                match cmd("PTTL").arg(key).query::<i64>(&mut connection) {
                    Ok(-1) => found.push(String::from_utf8_lossy(key).into_owned()),
                    // Another node of the cluster is asked about it.
                    Err(error) if matches!(error.code(), Some("MOVED" | "ASK")) => {}
                    ttl => drop(ttl.expect("a key has a TTL or none")),
                }
            }
        }
        found
    }

    /// How often each command ran since [`RedisServer::reset_stats`], by its lower-case name. What a script
    /// calls is counted beside the script.
    pub fn commands(&self) -> BTreeMap<String, u64> {
        let stats: String = self.run(cmd("INFO").arg("commandstats"));
        stats
            .lines()
            .filter_map(|line| {
                let (name, stats) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
                let calls = stats.split(',').next()?.parse().ok()?;
                let housekeeping = HOUSEKEEPING.iter().chain(&HOUSEKEEPING_BEFORE_7).any(|of| *of == name);
                (!housekeeping).then(|| (name.to_owned(), calls))
            })
            .collect()
    }

    /// How many commands ran since [`RedisServer::reset_stats`], the set-up of connections not counted.
    pub fn command_count(&self) -> u64 {
        self.commands().values().sum()
    }

    /// Starts counting from zero.
    pub fn reset_stats(&self) {
        self.run::<()>(cmd("CONFIG").arg("RESETSTAT"));
    }

    /// Starts the process and waits until it answers; `false` if somebody else has the port.
    fn launch(&self, args: &[&str], deadline: Instant) -> bool {
        let log = self.dir.path().join("redis.log");
        let mut process = Process::spawn(self.command(&log).args(args), Some(self.dir.path()))
            .unwrap_or_else(|error| {
                panic!("`{}`: {error}; `cargo xtask test` installs it", program().display())
            });
        loop {
            let answered_by: Option<u32> = self.connect().ok().and_then(|mut connection| {
                let info: redis::InfoDict = cmd("INFO").arg("server").query(&mut connection).ok()?;
                info.get("process_id")
            });
            if let Some(pid) = answered_by {
                assert_eq!(pid, process.pid(), "`{}` does not `exec` the server", program().display());
                *self.process() = Some(process);
                return true;
            }
            let said = || fs::read_to_string(&log).unwrap_or_default();
            if let Some(status) = process.exited() {
                let said = said();
                assert!(said.contains("Address already in use"), "the server ended with {status}:\n{said}");
                return false;
            }
            assert!(Instant::now() < deadline, "no answer from the server in {START:?}:\n{}", said());
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn command(&self, log: &Path) -> Command {
        let output = File::create(log).expect("the log can be written");
        let errors = output.try_clone().expect("the log can be written");
        let port = self.port.to_string();
        let tls = self.settings.tls.is_some();
        let mut command = Command::new(program());
        command
            .args(self.settings.config.as_ref().map(|_| self.config()))
            .args(["--bind", "127.0.0.1", "--port", if tls { "0" } else { &port }])
            .args(tls.then_some(["--tls-port", &port]).into_iter().flatten())
            .args(self.certificates())
            .arg("--unixsocket")
            .arg(self.socket())
            .arg("--dir")
            .arg(self.dir.path())
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
            .args(&self.settings.args)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        command
    }

    /// In files of the server's own folder, which goes with it however this process ends.
    fn certificates(&self) -> impl Iterator<Item = OsString> {
        self.settings.tls.iter().flatten().flat_map(|(option, pem)| {
            let path = self.dir.path().join(&option[2..]);
            fs::write(&path, pem).expect("a certificate can be written");
            [option.into(), path.into_os_string()]
        })
    }

    fn connect(&self) -> RedisResult<Connection> {
        let connection = Client::open(self.unix_url())?.get_connection_with_timeout(ANSWER)?;
        connection.set_read_timeout(Some(ANSWER))?;
        Ok(connection)
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("server.conf")
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running<R>(&self, act: impl FnOnce(&mut Process) -> R) -> R {
        act(self.process().as_mut().expect("the server was stopped before"))
    }
}

fn program() -> OsString {
    env::var_os("CACHED_ASIDE_TEST_SERVER").unwrap_or_else(|| "redis-server".into())
}

/// Waits for what other processes do in their own time.
pub(crate) fn eventually(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// What `--version` of the program says it is: major and minor.
pub fn version() -> (u32, u32) {
    static VERSION: OnceLock<(u32, u32)> = OnceLock::new();
    *VERSION.get_or_init(|| {
        let said = Command::new(program()).arg("--version").output().expect("the server runs");
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let version = said.split("v=").nth(1).and_then(|rest| {
            let mut numbers = rest.split('.').map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        });
        version.unwrap_or_else(|| panic!("a version is told: {said}"))
    })
}

/// Whether the program was built with TLS.
pub fn has_tls() -> bool {
    static TLS: OnceLock<bool> = OnceLock::new();
    *TLS.get_or_init(|| {
        // It does not get as far as serving: there is no such port.
        let said = Command::new(program()).args(["--tls-port", "none"]).output().expect("the server runs");
        let said = [said.stdout, said.stderr].concat();
        !String::from_utf8_lossy(&said).contains("Bad directive")
    })
}

fn free_port(cluster: bool) -> u16 {
    let choice = if cluster { PORTS.start..PORTS.end - BUS } else { PORTS };
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    loop {
        let random = RandomState::new().hash_one(()) % u64::from(choice.end - choice.start);
        let port = choice.start + u16::try_from(random).expect("it is within the range");
        if is_free(port) && (!cluster || is_free(port + BUS)) {
            return port;
        }
    }
}
