//! The connection of the runtime that made the cache, for speed alone.
//!
//! A connection is driven by a task, and where that task runs on another thread than the caller, each answer costs a wake-up of a
//! thread: up to a fifth of a hit. So the runtime on which the cache was made has a connection of its own, for what reads send.
//! Everything else, and every caller on another runtime, uses the lasting connection, which the library's thread drives.
//!
//! The lasting connection decides whether the server is there. The runtime's own is used only while that one is up, and ends with
//! it, since what comes after it may be another server. It is dialled by a task of its runtime, when a call there finds it missing,
//! and its loss says nothing about the server: what stands still may be the runtime. What was read over it is read again over the
//! lasting one; what grants a right is not sent twice.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use tokio::runtime::{self, Handle};

use super::{super::limits::RECONNECT, Link, Role, Shared, State, Up};
use crate::{
    patience::in_awake_time,
    store::answer::boxed,
    thread::{self, Clock},
};

impl Link {
    /// The link for what this caller reads: its runtime's own, whether that is up or not, or this one.
    pub(in super::super) fn here(&self) -> &Link {
        let Role::Lasting { own: Some((runtime, own)) } = &self.0.role else { return self };
        match Handle::try_current() {
            Ok(here) if here.id() == *runtime => own,
            _ => self,
        }
    }

    /// The same where it is up.
    pub(in super::super) fn here_if_up(&self) -> &Link {
        let here = self.here();
        if here.is_own() && !here.is_up() {
            here.dial_again();
            return self;
        }
        here
    }

    /// Whether it belongs to a runtime.
    pub(in super::super) fn is_own(&self) -> bool {
        self.0.is_own()
    }

    /// The link that lasts, of a runtime's own one.
    pub(in super::super) fn lasting(&self) -> Option<Link> {
        self.0.lasting().map(Link)
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

    /// Gives the runtime that this is called on its own connection, if it is to have one.
    pub(in super::super) async fn connect_own(&self) {
        let own = self.here();
        if !own.is_own() {
            return;
        }
        let Some(task) = own.0.begin(|link| &link.connecting) else { return };
        let shared = own.0.clone();
        let attempt = tokio::spawn(async move {
            let _task = task;
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
        // A runtime that nobody drives does not get there.
        let within = self.0.limits.connect.saturating_mul(2);
        let ended = in_awake_time!(Clock::Real, within, attempt);
        if ended.is_some_and(|ended| ended.is_err_and(|error| error.is_panic())) {
            own.0.connecting.store(true, Relaxed);
            tracing::warn!(
                cache = %self.0.dialer.target(),
                "this tokio runtime can't have a connection of its own and hits are slower; build it with `enable_all()`"
            );
        }
    }

    /// Connects a runtime's own link again, in a task of the runtime, unless that is being done.
    pub(in super::super) fn dial_again(&self) {
        let own = &self.0;
        let Role::Own { lasting } = &own.role else { return };
        let there = lasting.upgrade().is_some_and(|lasting| lasting.present().is_some());
        if !there {
            return;
        }
        let Some(task) = own.begin(|link| &link.connecting) else { return };
        tokio::spawn(async move {
            let mut pauses = RECONNECT.pauses();
            loop {
                thread::sleep(pauses.next_pause()).await;
                let Some(own) = task.0.upgrade() else { return };
                match boxed(own.dial_own()).await {
                    Ok(()) => return,
                    Err(reason) => {
                        tracing::debug!(cache = %own.dialer.target(), reason, "no connection of the runtime's own");
                    }
                }
            }
        });
    }
}

impl Shared {
    pub(super) fn is_own(&self) -> bool {
        matches!(self.role, Role::Own { .. })
    }

    /// The connection in use.
    pub(super) fn present(&self) -> Option<Up> {
        match &*self.state() {
            State::Up(up) => Some(up.clone()),
            State::Down { .. } => None,
        }
    }

    /// One attempt to connect a runtime's own link, on that runtime. Nothing is to be done while the lasting one is down.
    async fn dial_own(self: &Arc<Self>) -> Result<(), String> {
        let Some(lasting) = self.lasting() else { return Ok(()) };
        let Some(there) = lasting.present() else { return Ok(()) };
        if there.closed_since(Instant::now()).is_some() {
            return Err(super::BACK.to_owned());
        }
        let within = self.limits.connect;
        let opened = self.open(within).await.ok_or_else(|| format!("no connection within {within:?}"))??;
        if let Some(reason) = self.astray(&opened.place) {
            return Err(reason);
        }
        self.put(opened);
        Ok(())
    }

    /// A runtime's own connection is lost: whether the server is there is asked over the lasting one.
    pub(super) fn ask_lasting(&self) {
        if self.is_own()
            && let Some(lasting) = self.lasting()
            && let Some(up) = lasting.present()
        {
            lasting.probe(&up);
        }
    }
}
