//! What all handles of one cache share.

use std::{collections::HashSet, future::Future, time::Duration};

use tokio::{runtime::Handle, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    engine::{
        background::Background,
        events::Events,
        flight::Flights,
        local::{self, LocalCopies},
        recovery::Recovery,
        switch::Switch,
        verification::Verification,
    },
    function::read::ReadFunction,
    lock::Mutex,
    store::{Store, StoreError},
    telemetry::{CounterTable, Stats},
    thread::{self, Clock},
};

/// What all handles of one cache share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) timeout: Duration,
    pub(crate) clock: Clock,
    pub(crate) flights: Flights,
    pub(crate) recovery: Recovery,
    pub(crate) local: LocalCopies,
    pub(crate) background: Background,
    pub(crate) table: CounterTable,
    pub(crate) switch: Switch,
    pub(crate) events: Events,
    pub(crate) verification: Verification,
    /// What goes on without its caller: fills, releases.
    pub(crate) tasks: TaskTracker,
    /// Cancelled when the cache is shut down, which ends what goes on for as long as the cache is used.
    pub(crate) shut_down: CancellationToken,
    pub(crate) namespace: String,
    /// The keys that were found to be somebody else's, as far as they have been told of.
    foreign: Mutex<HashSet<String>>,
}

/// Maximum number of foreign keys that are logged.
const FOREIGN_KEYS: usize = 1_000;

impl Shared {
    pub(crate) fn new(store: Store, timeout: Duration, namespace: String) -> Shared {
        Shared {
            clock: store.clock(),
            recovery: Recovery::new(store.owed()),
            local: LocalCopies::new(local::CAPACITY),
            store,
            timeout,
            flights: Flights::default(),
            background: Background::default(),
            table: CounterTable::new(),
            switch: Switch::from_env(),
            events: Events::default(),
            verification: Verification::new(0.0),
            tasks: TaskTracker::new(),
            shut_down: CancellationToken::new(),
            namespace,
            foreign: Mutex::default(),
        }
    }

    /// What the cache has done so far in this process, and how its servers are.
    pub(crate) fn stats(&self) -> Stats {
        let recovering = u64::try_from(self.recovery.len()).unwrap_or(u64::MAX);
        let (local_entries, local_bytes) = self.local.size();
        let nodes = self.store.nodes();
        Stats { local_entries, local_bytes, recovering, nodes, ..self.table.read() }
    }

    /// Goes on with something of our own without its caller, and without the caller's runtime. [`Cache::shutdown`] waits for it.
    pub(crate) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.tasks.spawn_on(future, &self.runtime())
    }

    /// The same with what [`Cache::shutdown`] does not wait for.
    pub(crate) fn spawn_for_ever(&self, future: impl Future<Output = ()> + Send + 'static) {
        drop(self.runtime().spawn(future));
    }

    fn runtime(&self) -> Handle {
        // A store in this process takes a step at once, so that the caller's runtime has no time to end.
        let here = if self.store.is_remote() { None } else { Handle::try_current().ok() };
        here.unwrap_or_else(thread::handle)
    }

    /// The same with a body, which may block, and may need its caller's runtime.
    pub(crate) fn spawn_body<F>(&self, runtime: &Handle, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.tasks.spawn_on(future, runtime)
    }

    /// A step of a read that the store did not take: counted and told.
    pub(crate) fn record_store_error(
        &self,
        function: &'static ReadFunction,
        key: &str,
        doing: &'static str,
        error: &StoreError,
    ) {
        let counters = self.table.of(function);
        match error {
            // Counted and logged when the key was listed.
            StoreError::Listed => {}
            StoreError::Foreign => {
                counters.foreign.increment();
                self.warn_once_foreign(function, key);
            }
            _ => {
                counters.errors.increment();
                tracing::debug!(key, doing, ?error, "the cache failed, the function runs uncached");
            }
        }
    }

    /// Tells of a key that holds somebody else's data, once.
    pub(crate) fn warn_once_foreign(&self, function: &ReadFunction, key: &str) {
        let mut foreign = self.foreign.lock();
        if foreign.len() < FOREIGN_KEYS && foreign.insert(key.to_owned()) {
            tracing::warn!(
                module = function.settings.module,
                function = function.settings.name,
                key,
                "the key holds somebody else's data, which is left alone; the function runs uncached"
            );
        }
    }
}
