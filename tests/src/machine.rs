//! What a busy machine takes from a test, so that what a test allows is about the library alone.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use redis::cmd;

use crate::RedisServer;

/// How long the threads of this process were ready to run and had no processor, all of them together. Nothing where the system does not
/// say it: Linux does, in `/proc/self/task/*/schedstat`.
fn waited_for_processors() -> Duration {
    let waited = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    Duration::from_nanos(tasks.filter_map(waited).sum())
}

/// What the threads of this process wait for processors, counted until the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Waits(Arc<AtomicU64>);

impl Waits {
    /// Begins to count.
    pub fn count() -> Waits {
        const PAUSE: Duration = Duration::from_millis(5);
        let waited = Arc::new(AtomicU64::new(0));
        let counted = Arc::downgrade(&waited);
        thread::spawn(move || {
            while let Some(waited) = counted.upgrade() {
                // A thread that has ended is counted no more.
                let now = u64::try_from(waited_for_processors().as_micros()).unwrap_or(u64::MAX);
                waited.fetch_max(now, Relaxed);
                drop(waited);
                thread::sleep(PAUSE);
            }
        });
        Waits(waited)
    }

    /// What it has come to.
    pub fn so_far(&self) -> Duration {
        Duration::from_micros(self.0.load(Relaxed))
    }
}

/// Another client of a server, that does nothing but ask it: it waits as long as the server lets anybody wait.
#[derive(Debug)]
pub struct Watch {
    ended: Arc<AtomicBool>,
    slowest: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins to ask.
    pub fn of(server: &RedisServer) -> Watch {
        const PAUSE: Duration = Duration::from_millis(5);
        let (ended, slowest) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut connection = server.connection();
        let (is_over, longest) = (Arc::clone(&ended), Arc::clone(&slowest));
        let thread = thread::spawn(move || {
            while !is_over.load(Relaxed) {
                let begun = Instant::now();
                if cmd("PING").exec(&mut connection).is_err() {
                    return;
                }
                longest.fetch_max(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX), Relaxed);
                thread::sleep(PAUSE);
            }
        });
        Watch { ended, slowest, thread: Some(thread) }
    }

    /// The longest that it waited for an answer so far.
    pub fn slowest(&self) -> Duration {
        Duration::from_micros(self.slowest.load(Relaxed))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.ended.store(true, Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
