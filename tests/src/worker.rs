//! Further processes of a test.

use crate::Process;
use std::{
    ffi::OsStr,
    fmt::Display,
    io::{BufRead, BufReader, Write},
    process::{ChildStdin, Command, Stdio},
    thread,
    time::Duration,
};
use tokio::{
    sync::mpsc::{self, UnboundedReceiver},
    time::timeout,
};

/// A worker that says nothing for so long will not speak again.
const PATIENCE: Duration = Duration::from_secs(60);

/// A second process that plays one role of the `worker` program, told what to do line by line and
/// answering line by line; killed when dropped.
#[derive(Debug)]
pub struct Worker {
    role: String,
    process: Process,
    stdin: ChildStdin,
    lines: UnboundedReceiver<String>,
}

impl Worker {
    /// Starts `program`, which is `env!("CARGO_BIN_EXE_worker")` in a test, in the given role. What it
    /// writes to standard error appears among the output of the test.
    pub fn spawn(program: &str, role: &str, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let mut command = Command::new(program);
        command.arg(role).args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::spawn(&mut command, None).expect("the worker starts");
        let stdin = process.stdin().expect("it was piped");
        let stdout = process.stdout().expect("it was piped");
        let (said, lines) = mpsc::unbounded_channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if said.send(line).is_err() {
                    return;
                }
            }
        });
        Self { role: role.to_owned(), process, stdin, lines }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Sends one line.
    pub fn send(&mut self, line: impl Display) {
        writeln!(self.stdin, "{line}")
            .unwrap_or_else(|error| panic!("`{}` does not listen: {error}", self.role));
    }

    /// The next line that it says, or nothing once it has ended and all its lines are read.
    pub async fn next(&mut self) -> Option<String> {
        timeout(PATIENCE, self.lines.recv())
            .await
            .unwrap_or_else(|_| panic!("`{}` said nothing for {PATIENCE:?}", self.role))
    }

    /// The next line that it says.
    pub async fn line(&mut self) -> String {
        self.next().await.unwrap_or_else(|| panic!("`{}` has ended: {:?}", self.role, self.process.exited()))
    }

    /// Reads a line, which must be this one.
    pub async fn expect(&mut self, line: &str) {
        assert_eq!(self.line().await, line, "from `{}`", self.role);
    }

    /// Stops it where it is.
    pub fn pause(&mut self) {
        self.process.pause();
    }

    /// Lets it go on.
    pub fn resume(&mut self) {
        self.process.resume();
    }

    /// Kills it, `kill -9`. What it has said can still be read.
    pub fn kill9(&mut self) {
        self.process.kill();
    }
}
