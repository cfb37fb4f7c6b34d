//! The connection of the runtime that made the cache: an optimisation of hits.
//!
//! A task drives each connection. If that task runs on another thread than the caller, each answer costs the wake-up of a thread: up to
//! a fifth of a hit. So the runtime on which the cache was made has its own connection for reads. Everything else, and every caller on
//! another runtime, uses the main connection, which the library's thread drives.
//!
//! The main connection decides whether the server is reachable. The runtime's own is used only while that one is up, and ends with it,
//! since the next one may lead to another server. A task of its runtime connects it, when a call there finds it down. Its loss says
//! nothing about the server: the runtime may be what stands still. What was read over it is read again over the main one; a step that
//! grants a right is not sent twice.

use std::{sync::Arc, time::Instant};

use tokio::{
    runtime::{self, Handle},
    task::JoinHandle,
};

use super::{
    super::{limits::RECONNECT, sole_task::SoleTask},
    Inner, Live, NodeConnection, Role, State,
};
use crate::{
    patience::in_awake_time,
    store::answer::boxed,
    thread::{self, Clock},
};

impl NodeConnection {
    /// The connection for this caller's reads: its runtime's own, whether that is up or not, or this one.
    pub(in super::super) fn local(&self) -> &NodeConnection {
        let Role::Main { own: Some((runtime, own)) } = &self.0.role else { return self };
        match Handle::try_current() {
            Ok(here) if here.id() == *runtime => own,
            _ => self,
        }
    }

    /// The same, if it is up.
    pub(in super::super) fn local_if_up(&self) -> &NodeConnection {
        let here = self.local();
        if here.is_own() && !here.is_up() {
            here.redial();
            return self;
        }
        here
    }

    /// Whether it belongs to a runtime.
    pub(in super::super) fn is_own(&self) -> bool {
        self.0.is_own()
    }

    /// The main connection of a runtime's own one.
    pub(in super::super) fn main(&self) -> Option<NodeConnection> {
        self.0.main().map(NodeConnection)
    }

    /// The runtime on which its batches are sent.
    pub(in super::super) fn runtime(&self) -> runtime::Id {
        if self.is_own() { Handle::current().id() } else { thread::handle().id() }
    }

    /// Sends a batch there.
    pub(in super::super) fn spawn(&self, batch: impl Future<Output = ()> + Send + 'static) {
        if self.is_own() {
            tokio::spawn(batch);
        } else {
            thread::spawn(batch);
        }
    }

    /// Connects the own connection of the runtime that this is called on, if it is to have one.
    pub(in super::super) async fn connect_own(&self) {
        let own = self.local();
        if !own.is_own() {
            return;
        }
        let Some(task) = SoleTask::begin(&own.0, |node| &node.connecting) else { return };
        let shared = own.0.clone();
        let attempt = own.run_here(task, async move {
            let until = Instant::now() + shared.limits.connect;
            let mut pauses = RECONNECT.pauses();
            while let Err(reason) = boxed(shared.dial_own()).await {
                tracing::debug!(cache = %shared.dialer.target(), reason, "the runtime has no connection of its own yet");
                if Instant::now() >= until {
                    return;
                }
                thread::sleep(pauses.next_pause()).await;
            }
        });
        // On a runtime that nobody drives, this does not end.
        let within = self.0.limits.connect.saturating_mul(2);
        let _ = in_awake_time!(Clock::Real, within, attempt);
    }

    /// Connects a runtime's own connection again, in a task of the runtime, unless a task does so already.
    pub(in super::super) fn redial(&self) {
        self.dial_again();
    }

    /// The same; returns the task if there is a new one.
    pub(super) fn dial_again(&self) -> Option<JoinHandle<()>> {
        // While the main one is down there is nothing to do.
        self.main().filter(|main| self.is_own() && main.is_up())?;
        let task = SoleTask::begin(&self.0, |node| &node.connecting)?;
        let own = Arc::downgrade(&self.0);
        Some(self.run_here(task, async move {
            let mut pauses = RECONNECT.pauses();
            loop {
                thread::sleep(pauses.next_pause()).await;
                let Some(own) = own.upgrade() else { return };
                match boxed(own.dial_own()).await {
                    Ok(()) => return,
                    Err(reason) => {
                        tracing::debug!(cache = %own.dialer.target(), reason, "no connection of the runtime's own");
                    }
                }
            }
        }))
    }

    /// Runs the task that connects a runtime's own connection on that runtime. One that panics is the last: the runtime has no I/O, and
    /// each further one would panic too.
    fn run_here(
        &self,
        task: SoleTask<Inner>,
        attempts: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let attempts = tokio::spawn(attempts);
        let cache = self.describe();
        thread::spawn(async move {
            if attempts.await.is_err_and(|error| error.is_panic()) {
                task.be_the_last();
                tracing::warn!(
                    cache,
                    "this tokio runtime can't have a connection of its own and hits are slower; build it with `enable_all()`"
                );
            }
        })
    }
}

impl Inner {
    pub(super) fn is_own(&self) -> bool {
        matches!(self.role, Role::Own { .. })
    }

    /// The current connection.
    pub(super) fn live(&self) -> Option<Live> {
        match &*self.state() {
            State::Up(live) => Some(live.clone()),
            State::Down { .. } => None,
        }
    }

    /// One attempt to connect a runtime's own connection, on that runtime. While the main one is down there is nothing to do.
    async fn dial_own(self: &Arc<Self>) -> Result<(), String> {
        let Some(main) = self.main() else { return Ok(()) };
        let Some(there) = main.live() else { return Ok(()) };
        if there.closed_since(Instant::now()).is_some() {
            return Err(super::STILL_CLOSED.to_owned());
        }
        let within = self.limits.connect;
        let opened = self.open(within).await.ok_or_else(|| format!("no connection within {within:?}"))??;
        if let Some(reason) = self.mismatch(&opened.server) {
            return Err(reason);
        }
        self.put(opened);
        Ok(())
    }

    /// A runtime's own connection is lost: probes the server over the main one.
    pub(super) fn probe_main(&self) {
        if self.is_own()
            && let Some(main) = self.main()
            && let Some(live) = main.live()
        {
            main.probe(&live);
        }
    }
}
