//! What a server says or does when it cannot serve, brought about in a real one and lifted again.

use crate::{RedisServer, server};
use redis::{Cmd, Connection, Pipeline, RedisResult, cmd};
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// How long a server may take to get into a state, or out of it.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the server reads from disk, key by key, and how long it takes over each: half a minute in all.
const LOADED_KEYS: usize = 1_500;
const LOAD_DELAY: Duration = Duration::from_millis(20);
/// What is left to other clients of a server that evicts.
const LITTLE_MEMORY: u64 = 200_000;

/// A state in which a server answers with errors, or forgets what it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerFault {
    /// It follows another server and refuses to write: `READONLY`.
    ReadOnly,
    /// It follows a server that is down, and serves nothing meanwhile: `MASTERDOWN`.
    PrimaryDown,
    /// It was restarted and reads its data from disk: `LOADING`. Servers before 7.0 cannot be slowed down that far.
    Loading,
    /// Somebody's script does not end: `BUSY`.
    BusyScript,
    /// It has no memory left and evicts nothing: `OOM`.
    OutOfMemory,
    /// It has little memory, and evicts whatever was not used lately.
    Evicting,
    /// It has as many clients as it may, the others were disconnected: `ERR max number of clients reached`.
    MaxClients,
    /// Its password is another one now, and everybody was disconnected: `WRONGPASS`, or `NOAUTH` to who gives none.
    OtherPassword,
}

impl ServerFault {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::ReadOnly,
        Self::PrimaryDown,
        Self::Loading,
        Self::BusyScript,
        Self::OutOfMemory,
        Self::Evicting,
        Self::MaxClients,
        Self::OtherPassword,
    ];

    /// Whether the server that is tested with can be brought into it.
    pub fn is_possible(self) -> bool {
        self != Self::Loading || server::version() >= (7, 0)
    }

    /// Puts the server into this state, until [`FaultyServer::end`].
    pub fn begin(self, server: &RedisServer) -> FaultyServer<'_> {
        if self == Self::Loading {
            restart_loading(server);
        }
        let mut faulty =
            FaultyServer { fault: self, server, connection: server.connection(), disturber: None };
        faulty.begin();
        faulty
    }
}

/// A server in fault.
pub struct FaultyServer<'a> {
    fault: ServerFault,
    server: &'a RedisServer,
    /// From before the fault: a new one might be refused.
    connection: Connection,
    disturber: Option<Disturber>,
}

impl std::fmt::Debug for FaultyServer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultyServer").field("fault", &self.fault).finish_non_exhaustive()
    }
}

impl FaultyServer<'_> {
    fn begin(&mut self) {
        match self.fault {
            ServerFault::Loading => {}
            ServerFault::ReadOnly => self.follow_nobody("yes"),
            ServerFault::PrimaryDown => self.follow_nobody("no"),
            ServerFault::BusyScript => {
                self.set("lua-time-limit", "5");
                self.disturber = Some(Disturber::start(self.server, |connection, _| {
                    let _: RedisResult<()> = cmd("EVAL").arg("while true do end").arg(0).query(connection);
                }));
                server::eventually("the script runs", PATIENCE, || {
                    let answer = cmd("PING").query::<String>(&mut self.connection);
                    answer.is_err_and(|error| error.code() == Some("BUSY"))
                });
            }
            ServerFault::OutOfMemory => {
                self.set("maxmemory-policy", "noeviction");
                self.set("maxmemory", "1");
            }
            ServerFault::Evicting => self.evict(),
            ServerFault::MaxClients => {
                self.set("maxclients", "1");
                self.disconnect_others();
            }
            ServerFault::OtherPassword => {
                self.set("requirepass", "another");
                self.disconnect_others();
            }
        }
    }

    /// Takes the server out of it.
    pub fn end(mut self) {
        match self.fault {
            ServerFault::ReadOnly | ServerFault::PrimaryDown => {
                self.run(cmd("REPLICAOF").arg("NO").arg("ONE"));
            }
            ServerFault::Loading => {
                self.set("key-load-delay", "0");
                server::eventually("the data is loaded", PATIENCE, || {
                    cmd("DBSIZE").query::<u64>(&mut self.connection).is_ok()
                });
                // The next restart begins empty again.
                fs::remove_file(self.server.dir().join("dump.rdb")).expect("it was written");
            }
            ServerFault::BusyScript => self.run(cmd("SCRIPT").arg("KILL")),
            ServerFault::OutOfMemory | ServerFault::Evicting => self.set("maxmemory", "0"),
            ServerFault::MaxClients => self.set("maxclients", "10000"),
            ServerFault::OtherPassword => {
                let password = self.server.password().unwrap_or_default().to_owned();
                self.set("requirepass", &password);
            }
        }
    }

    /// It follows an address where nobody listens.
    fn follow_nobody(&mut self, serve: &str) {
        self.set("replica-serve-stale-data", serve);
        self.run(cmd("REPLICAOF").arg("127.0.0.1").arg(1));
    }

    fn evict(&mut self) {
        let memory: redis::InfoDict =
            cmd("INFO").arg("memory").query(&mut self.connection).expect("the server tells");
        let used: u64 = memory.get("used_memory").expect("it is a number");
        self.set("maxmemory-policy", "allkeys-lru");
        self.set("maxmemory", &(used + LITTLE_MEMORY).to_string());
        self.disturber = Some(Disturber::start(self.server, |connection, ended| {
            for number in 0_u64.. {
                if ended.load(Relaxed) {
                    return;
                }
                let key = format!("fault:{}", number % 1_000);
                // What does not fit does not fit.
                let _ = cmd("SET").arg(key).arg(noise(1_000)).arg("EX").arg(60).exec(connection);
                if number % 20 == 0 {
                    thread::sleep(Duration::from_millis(1));
                }
            }
        }));
    }

    fn set(&mut self, option: &str, value: &str) {
        self.run(cmd("CONFIG").arg("SET").arg(option).arg(value));
    }

    fn disconnect_others(&mut self) {
        let command = cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").clone();
        let _: u64 = command.query(&mut self.connection).expect("others can be disconnected");
    }

    fn run(&mut self, command: &Cmd) {
        command.exec(&mut self.connection).expect("the command succeeds");
    }
}

/// A client that makes the fault.
struct Disturber {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Disturber {
    fn start(server: &RedisServer, disturb: fn(&mut Connection, &AtomicBool)) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let (mut connection, told) = (server.connection(), Arc::clone(&ended));
        connection.set_read_timeout(None).expect("a connection may wait");
        Self { ended, thread: Some(thread::spawn(move || disturb(&mut connection, &told))) }
    }
}

impl Drop for Disturber {
    fn drop(&mut self) {
        self.ended.store(true, Relaxed);
        // Where the server was killed, so is the connection.
        if let Some(thread) = self.thread.take().filter(|_| !thread::panicking()) {
            thread.join().expect("the disturber ends");
        }
    }
}

/// Has the server read a file that takes it as long as anybody may wait; what it held, it reads as well.
fn restart_loading(server: &RedisServer) {
    let mut connection = server.connection();
    let mut pipeline = Pipeline::new();
    for number in 0..LOADED_KEYS {
        let key = format!("fault:{number}");
        pipeline.cmd("SET").arg(key).arg(noise(1_500)).arg("EX").arg(600).ignore();
    }
    pipeline.exec(&mut connection).expect("the keys are written");
    cmd("CONFIG").arg("SET").arg("rdbcompression").arg("no").exec(&mut connection).expect("it can be set");
    cmd("SAVE").exec(&mut connection).expect("the file can be written");
    let delay = LOAD_DELAY.as_micros().to_string();
    // How many bytes it loads before it handles events again.
    let args = ["--key-load-delay", &delay, "--loading-process-events-interval-bytes", "1024"];
    server.restart_with(&args);
}

fn noise(bytes: usize) -> String {
    "noise ".chars().cycle().take(bytes).collect()
}
