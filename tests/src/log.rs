//! The log, as tests read it.

use std::{
    cell::RefCell,
    io,
    sync::{Arc, Mutex, Once, PoisonError},
    thread,
};

use tracing_subscriber::fmt;

/// What was logged by one thread.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

thread_local! {
    static LISTENER: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// Who listens to the library's own thread, each to the lines with a word of its own.
static OF_THE_LIBRARY: Mutex<Vec<(String, Log)>> = Mutex::new(Vec::new());

/// Where the lines of a thread go.
enum Writer {
    Log(Log),
    OfTheLibrary,
}

impl Writer {
    fn of_this_thread() -> Writer {
        if thread::current().name() == Some("cached-aside") {
            return Writer::OfTheLibrary;
        }
        Writer::Log(LISTENER.with_borrow(|log| log.clone().unwrap_or_default()))
    }
}

impl io::Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self {
            Writer::Log(log) => log.write(line),
            Writer::OfTheLibrary => {
                let text = String::from_utf8_lossy(line);
                let mut listeners = OF_THE_LIBRARY.lock().unwrap_or_else(PoisonError::into_inner);
                for (_, log) in listeners.iter_mut().filter(|(word, _)| text.contains(word.as_str())) {
                    log.write_all(line)?;
                }
                Ok(line.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Everything logged by this thread from now on. There is one subscriber for the whole program: while subscribers come
    /// and go, events of other threads can be lost.
    pub fn listen() -> Log {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let subscriber = fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).without_time();
            subscriber.with_writer(Writer::of_this_thread).init();
        });
        let log = Log::default();
        LISTENER.set(Some(log.clone()));
        log
    }

    /// Also the lines of the library's thread with this word.
    #[must_use]
    pub fn and_of_the_library(self, word: impl Into<String>) -> Log {
        OF_THE_LIBRARY.lock().unwrap_or_else(PoisonError::into_inner).push((word.into(), self.clone()));
        self
    }

    /// What was logged since the last call.
    pub fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The lines of our own that say this.
pub fn said<'a>(log: &'a str, words: &str) -> Vec<&'a str> {
    log.lines().filter(|line| line.contains("cached_aside") && line.contains(words)).collect()
}
