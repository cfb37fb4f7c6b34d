//! The rows of the table: what goes wrong, how it is brought about, and what works meanwhile.

use super::{
    operation::Serves,
    setup::{NAMESPACE, PATIENCE, Setup, TIMEOUT},
};
use crate::{FaultyServer, Mode, RedisServer, ServerFault, server::Builder};
use redis::cmd;
use std::time::Duration;

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// In a few words.
    pub name: &'static str,
    /// What happens, in a sentence.
    pub what: &'static str,
    /// How it is brought about.
    pub kind: Kind,
    /// Whether it is there before the cache first connects.
    pub at_first: bool,
    /// What still works.
    pub serves: Serves,
}

/// How a fault is brought about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The server is killed, and started again, empty, when it is over.
    Killed,
    /// The server is killed and started again, empty.
    Restarted,
    /// The server is stopped, and goes on when it is over.
    Stopped,
    /// The network fails.
    Network(Mode),
    /// The server cannot serve.
    Server(ServerFault),
    /// The server learns the password only when it is over.
    WrongPassword,
    /// The server has this database only when it is over.
    WrongDatabase,
    /// Nothing has this name, and nothing ever will.
    NoSuchHost,
    /// Under every key of ours there is another kind of value.
    WrongType,
    /// Under every key of ours there are bytes of somebody else.
    ForeignBytes,
    /// The server forgets all scripts.
    ScriptsForgotten,
}

/// Longer than a call may take.
const SLOW: Duration = Duration::from_millis(400);
const DENIED: &str = "-DENIED Redis is running in protected mode because protected mode is enabled.\r\n";

const fn row(name: &'static str, what: &'static str, kind: Kind, serves: Serves) -> Fault {
    Fault { name, what, kind, at_first: false, serves }
}

const fn at_first(name: &'static str, what: &'static str, kind: Kind) -> Fault {
    Fault { name, what, kind, at_first: true, serves: Serves::Nothing }
}

const fn server(name: &'static str, what: &'static str, fault: ServerFault, serves: Serves) -> Fault {
    row(name, what, Kind::Server(fault), serves)
}

/// All of them.
pub const FAULTS: [Fault; 27] = {
    use Serves::{Anything, Everything, Foreign, Nothing, Reads, ReadsAtFirst};
    [
        at_first("refused from the start", "nobody listens when the program starts", Kind::Killed),
        at_first(
            "silent from the start",
            "connections are accepted, nothing is ever answered",
            Kind::Network(Mode::Hole),
        ),
        at_first("no such host", "the name cannot be resolved", Kind::NoSuchHost),
        at_first("wrong password", "`WRONGPASS`, until the server knows it", Kind::WrongPassword),
        at_first(
            "wrong database",
            "`ERR DB index is out of range`, until the server has it",
            Kind::WrongDatabase,
        ),
        at_first(
            "protected mode",
            "`DENIED` to every new connection, which is closed",
            Kind::Network(Mode::Deny(DENIED)),
        ),
        row("killed", "`kill -9`; started again, empty, when it is over", Kind::Killed, Nothing),
        row("restarted", "killed and at once started again, empty", Kind::Restarted, Anything),
        row("stopped", "SIGSTOP; SIGCONT when it is over", Kind::Stopped, Nothing),
        row("black hole", "whatever is sent, either way, is lost", Kind::Network(Mode::Hole), Nothing),
        row(
            "refused",
            "connections are closed, and new ones are reset",
            Kind::Network(Mode::Refuse),
            Nothing,
        ),
        row("slow", "each way takes longer than a call may", Kind::Network(Mode::Delay(SLOW)), Nothing),
        row(
            "closed in a reply",
            "connections are closed after three bytes",
            Kind::Network(Mode::Cut(3)),
            Nothing,
        ),
        row(
            "reset in a reply",
            "connections are reset after three bytes",
            Kind::Network(Mode::Reset(3)),
            Nothing,
        ),
        row(
            "half a reply",
            "three bytes arrive, and nothing after them",
            Kind::Network(Mode::Stall(3)),
            Nothing,
        ),
        row(
            "garbage",
            "each reply is one that no server gives",
            Kind::Network(Mode::Say("what?\r\n")),
            Nothing,
        ),
        server(
            "read-only",
            "`READONLY`: the server has become a replica",
            ServerFault::ReadOnly,
            ReadsAtFirst,
        ),
        server(
            "primary down",
            "`MASTERDOWN`: a replica that serves nothing",
            ServerFault::PrimaryDown,
            Nothing,
        ),
        server("loading", "`LOADING`: restarted, and reading its data", ServerFault::Loading, Nothing),
        server("busy", "`BUSY`: somebody's script does not end", ServerFault::BusyScript, Nothing),
        server(
            "out of memory",
            "`OOM`: `maxmemory` is reached, nothing is evicted",
            ServerFault::OutOfMemory,
            Reads,
        ),
        server("evicting", "`allkeys-lru` with next to no memory", ServerFault::Evicting, Anything),
        server(
            "too many clients",
            "`maxclients` is reached, and we are disconnected",
            ServerFault::MaxClients,
            Nothing,
        ),
        server("password changed", "`NOAUTH`, and we are disconnected", ServerFault::OtherPassword, Nothing),
        row("another type", "`WRONGTYPE`: our keys hold sets", Kind::WrongType, Foreign),
        row("foreign bytes", "our keys hold strings of somebody else", Kind::ForeignBytes, Foreign),
        row("scripts forgotten", "`NOSCRIPT`: `SCRIPT FLUSH`", Kind::ScriptsForgotten, Everything),
    ]
};

/// A fault that goes on.
#[derive(Debug)]
pub struct Active<'a> {
    kind: Kind,
    setup: &'a Setup,
    faulty: Option<FaultyServer<'a>>,
}

impl Fault {
    /// Whether the server that is tested with can be brought into it.
    pub fn is_possible(&self) -> bool {
        !matches!(self.kind, Kind::Server(fault) if !fault.is_possible())
    }

    /// Whether it can end while the program runs.
    pub fn ends(&self) -> bool {
        self.kind != Kind::NoSuchHost
    }

    /// How long a call may spend on the cache while it lasts.
    pub(super) fn timeout(&self) -> Duration {
        if self.serves == Serves::Nothing { TIMEOUT } else { PATIENCE }
    }

    /// A server that it can be brought about at.
    pub(super) fn server(&self) -> Builder {
        match self.kind {
            Kind::WrongPassword => RedisServer::builder().password("right"),
            Kind::WrongDatabase => RedisServer::builder().args(["--databases", "1"]),
            _ => RedisServer::builder(),
        }
    }

    /// Brings it about.
    pub fn begin<'a>(&self, setup: &'a Setup) -> Active<'a> {
        let Setup { server, proxy, .. } = setup;
        let mut faulty = None;
        match self.kind {
            Kind::Killed => server.kill(),
            Kind::Restarted => server.restart(),
            Kind::Stopped => server.pause(),
            Kind::Network(mode) => {
                proxy.set(mode);
                if matches!(mode, Mode::Refuse | Mode::Deny(_)) {
                    proxy.drop_all();
                }
            }
            Kind::Server(fault) => faulty = Some(fault.begin(server)),
            Kind::WrongType => put(server, "SADD"),
            Kind::ForeignBytes => put(server, "SET"),
            Kind::ScriptsForgotten => server.run::<()>(cmd("SCRIPT").arg("FLUSH")),
            Kind::WrongPassword | Kind::WrongDatabase | Kind::NoSuchHost => {}
        }
        Active { kind: self.kind, setup, faulty }
    }
}

impl Active<'_> {
    /// Ends it.
    pub fn end(self) {
        let Setup { server, proxy, .. } = self.setup;
        if let Some(faulty) = self.faulty {
            faulty.end();
        }
        match self.kind {
            Kind::Killed => server.restart(),
            Kind::Stopped => server.resume(),
            Kind::Network(_) => {
                proxy.set(Mode::Pass);
                // What was lost is not sent again.
                proxy.drop_all();
            }
            Kind::WrongPassword => server.run::<()>(cmd("ACL").arg("SETUSER").arg("default").arg(">wrong")),
            Kind::WrongDatabase => server.restart_with(&["--databases", "2"]),
            Kind::WrongType | Kind::ForeignBytes => {
                for key in keys() {
                    server.run::<()>(cmd("DEL").arg(key));
                }
            }
            Kind::Restarted | Kind::Server(_) | Kind::NoSuchHost | Kind::ScriptsForgotten => {}
        }
    }
}

fn put(server: &RedisServer, command: &str) {
    // All at once: else somebody could put something in between.
    let mut pipeline = redis::pipe();
    pipeline.atomic();
    for key in keys() {
        pipeline.cmd("DEL").arg(&key).cmd(command).arg(&key).arg("mine");
    }
    pipeline.exec(&mut server.connection()).expect("the keys can be written");
}

fn keys() -> impl Iterator<Item = String> {
    super::origin::ROWS.into_iter().map(|row| format!("{NAMESPACE}:row:{row}"))
}
