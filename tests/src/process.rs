//! Child processes that never outlive the process that started them.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use std::{
    io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Waits for the end of its standard input, which comes when the starting process has ended in whatever
/// way, then kills the process group `$1` and removes the folder `$2`.
///
/// `PR_SET_PDEATHSIG` would not do: it fires when the starting *thread* ends, and each test has its own.
const WATCHDOG: &str = r#"read -r _; kill -KILL "-$1"; if [ -n "$2" ]; then rm -rf "$2"; fi"#;

/// A child process, killed when this value is dropped and also when this process dies without dropping it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    watchdog: Child,
}

impl Process {
    /// Starts `command` in a process group of its own, so that an interrupt at the terminal reaches it
    /// only through this process. When this process is killed, the folder `scratch` goes as well.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn spawn(command: &mut Command, scratch: Option<&Path>) -> io::Result<Self> {
        let mut child = command.process_group(0).spawn()?;
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog", &child.id().to_string()])
            .args(scratch)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        match watchdog {
            Ok(watchdog) => Ok(Self { child, watchdog }),
            Err(error) => {
                // Without a watchdog, nothing is left running.
                child.kill()?;
                child.wait()?;
                Err(error)
            }
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The child's standard input, once, if it was piped.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// The child's standard output, once, if it was piped.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Stops the child where it is. When this returns, none of its threads runs any more.
    pub fn pause(&mut self) {
        self.signal(Signal::STOP);
        // `EXITED` and `NOWAIT`: a child that has ended is noticed, and still there to be waited for.
        let stopped = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(self.id()), stopped).expect("our own child can be waited for");
    }

    /// Lets a paused child go on.
    pub fn resume(&mut self) {
        self.signal(Signal::CONT);
    }

    /// Asks the child to end, and kills it if it has not ended within `patience`.
    pub fn terminate(&mut self, patience: Duration) {
        if self.exited().is_some() {
            return;
        }
        self.resume();
        self.signal(Signal::TERM);
        let deadline = Instant::now() + patience;
        while self.exited().is_none() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(2));
        }
        self.kill();
    }

    /// Kills the child and its process group, `kill -9`. When this returns, the child is gone.
    pub fn kill(&mut self) {
        if self.exited().is_none() {
            let _ = kill_process_group(self.id(), Signal::KILL);
            let _ = self.child.wait();
        }
    }

    /// How the child ended, if it has.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our own child can be waited for")
    }

    fn signal(&mut self, signal: Signal) {
        let ended = self.exited();
        assert!(ended.is_none(), "the process has ended: {ended:?}");
        kill_process(self.id(), signal).expect("our own child can be signalled");
    }

    fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The watchdog first: it must not act on a process id that is free again.
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        self.kill();
    }
}
