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
pub fn waited_for_processors() -> Duration {
    let waited = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    Duration::from_nanos(tasks.filter_map(waited).sum())
}

/// Another client of a server, that does nothing but ask it: what it waits for is no doing of the library's.
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
