//! A real Postgres server, started for a test and gone with it: a cluster of its own in a temporary folder, which listens on a
//! unix socket there and nowhere else.
//!
//! The programs are `initdb` and `postgres` in `PATH`, in the folder that `CACHED_ASIDE_TEST_POSTGRES` names, or where Debian
//! puts them.

use crate::Process;
use rustix::process::geteuid;
use std::{
    env, fs,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{UnixListener, UnixStream},
    task::AbortHandle,
};

/// A loaded machine may need most of this.
const START: Duration = Duration::from_secs(60);
/// Where Debian and its like keep each version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// The name of the socket in a server's folder.
const SOCKET: &str = ".s.PGSQL.5432";

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct PostgresServer {
    process: Process,
    dir: TempDir,
}

impl PostgresServer {
    /// One for all tests of this process, which keep to tables of their own.
    pub fn shared() -> &'static PostgresServer {
        static SHARED: OnceLock<PostgresServer> = OnceLock::new();
        SHARED.get_or_init(PostgresServer::start)
    }

    /// Starts a server and waits until it takes connections.
    pub fn start() -> PostgresServer {
        let dir = tempfile::Builder::new().prefix("postgres-").tempdir().expect("a temporary folder");
        let (data, user) = (dir.path().join("data"), other_user());
        if let Some((uid, gid)) = user {
            chown(dir.path(), Some(uid), Some(gid)).expect("root may give a folder away");
        }
        let run = |program: &str| {
            let mut command = Command::new(find(program));
            if let Some((uid, gid)) = user {
                command.uid(uid).gid(gid);
            }
            command.current_dir(dir.path()).env("LC_ALL", "C").stdin(Stdio::null()).arg("-D").arg(&data);
            command
        };
        let made = run("initdb")
            .args(["--username=test", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .output()
            .expect("`initdb` can be started");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let log = fs::File::create(dir.path().join("log")).expect("the log can be written");
        let mut server = run("postgres");
        server
            .arg("-k")
            .arg(dir.path())
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=100"])
            .stdout(Stdio::null())
            .stderr(log);
        let process = Process::spawn(&mut server, Some(dir.path())).expect("`postgres` can be started");
        let mut server = PostgresServer { process, dir };
        server.wait();
        server
    }

    /// The folder with its socket: what a client takes as its host.
    pub fn socket(&self) -> &Path {
        self.dir.path()
    }

    fn wait(&mut self) {
        let (pid_file, deadline) = (self.dir.path().join("data/postmaster.pid"), Instant::now() + START);
        // Its eighth line says how far the server is.
        while !fs::read_to_string(&pid_file)
            .is_ok_and(|text| text.lines().nth(7).is_some_and(|line| line.trim() == "ready"))
        {
            let ended = self.process.exited();
            let log = || fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(ended.is_none() && Instant::now() < deadline, "it does not start: {}", log());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A socket in front of a server, whose connections can be cut while the server goes on with what it was told.
#[derive(Debug)]
pub struct PostgresProxy {
    dir: TempDir,
    /// The task that takes connections, and theirs.
    tasks: Arc<Mutex<Vec<AbortHandle>>>,
}

impl PostgresProxy {
    /// A socket in front of this server. Its tasks are those of the runtime that this is called on.
    pub fn start(server: &PostgresServer) -> PostgresProxy {
        let dir = tempfile::Builder::new().prefix("postgres-").tempdir().expect("a temporary folder");
        let listener = UnixListener::bind(dir.path().join(SOCKET)).expect("a socket in a folder of its own");
        let (tasks, to) = (Arc::<Mutex<Vec<AbortHandle>>>::default(), server.socket().join(SOCKET));
        let connections = Arc::downgrade(&tasks);
        let accept = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (to, Some(connections)) = (to.clone(), connections.upgrade()) else { return };
                let connection = tokio::spawn(async move {
                    if let Ok(mut server) = UnixStream::connect(to).await {
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
                connections.lock().unwrap_or_else(PoisonError::into_inner).push(connection.abort_handle());
            }
        });
        tasks.lock().unwrap_or_else(PoisonError::into_inner).push(accept.abort_handle());
        PostgresProxy { dir, tasks }
    }

    /// The folder with its socket.
    pub fn socket(&self) -> &Path {
        self.dir.path()
    }

    /// Cuts all connections, and takes none from now on.
    pub fn cut(&self) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..).for_each(|task| task.abort());
    }
}

impl Drop for PostgresProxy {
    fn drop(&mut self) {
        self.cut();
    }
}

/// Postgres refuses to run as root: then the user and the group that it runs as.
fn other_user() -> Option<(u32, u32)> {
    if !geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("there are users");
    let of = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2).map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    };
    Some(of("postgres").or_else(|| of("nobody")).expect("a user that is not root"))
}

fn find(program: &str) -> PathBuf {
    let named = env::var_os("CACHED_ASIDE_TEST_POSTGRES").map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let versions =
        fs::read_dir(VERSIONS).into_iter().flatten().flatten().map(|version| version.path().join("bin"));
    let mut folders = named.into_iter().chain(env::split_paths(&path)).chain(versions);
    folders.find_map(|folder| Some(folder.join(program)).filter(|path| path.is_file())).unwrap_or_else(|| {
        panic!(
            "`{program}` is missing: install `postgresql`, or name its folder in CACHED_ASIDE_TEST_POSTGRES"
        )
    })
}
