//! Connections beside the lasting one, which have to lead where that one does.
//!
//! A name, a load balancer or a sentinel may lead a new connection to another server than the one before. What is deleted over one
//! connection and read over another would then be two caches. So a runtime's own connection, the one for large values and the one
//! that waits for replicas are used only while they lead to the same run of the same server as the lasting one, and end with it.
//! Where a new one leads elsewhere, it is the lasting one that may be at the wrong server: it is dialled again, and moves to where
//! further attempts lead too.

use std::{
    sync::{Arc, OnceLock, atomic::Ordering::Relaxed},
    time::Duration,
};

use super::{
    super::{
        failure::Failure,
        handshake::{Opened, Place},
    },
    Common, Link, Role, Shared,
};
use crate::{
    patience::in_awake_time,
    thread::{self, Clock},
};

/// Number of attempts, all of which have to lead to another server before the lasting connection moves there. Some proxies lead each
/// connection elsewhere.
const CONFIRMED_BY: usize = 2;

impl Link {
    /// Another link to the same server, for commands that wait for replicas and hold up those behind them.
    pub(in super::super) async fn second(&self) -> Link {
        self.another(&self.0.second).await
    }

    /// Another link to the same server, for large values, while this one is in use. Its silence says nothing about the server.
    pub(in super::super) async fn for_large_values(&self) -> Result<Link, Failure> {
        self.takes_reads()?;
        Ok(self.another(&self.0.large).await)
    }

    async fn another(&self, place: &OnceLock<Link>) -> Link {
        let new = || {
            let Shared { dialer, limits, watches, back, owed, trial, .. } = &*self.0;
            let (limits, watches, back) = (*limits, watches.clone(), back.clone());
            let (owed, trial) = (owed.clone(), trial.clone());
            let common = Common { limits, watches, back, owed, trial, home: None };
            let role = Role::Apart { lasting: Arc::downgrade(&self.0) };
            Link(Arc::new(Shared::new(dialer.target().clone(), role, &common, Arc::default())))
        };
        let another = place.get_or_init(new);
        // Whoever comes during the first attempt waits for that one, and nobody for those in the background.
        if !another.is_up() && !another.0.connecting.load(Relaxed) {
            if another.0.dialling.try_lock().is_ok() {
                another.connect().await;
            } else {
                drop(another.0.dialling.lock().await);
            }
        }
        another.clone()
    }
}

impl Shared {
    /// The lasting connection, of one beside it.
    pub(super) fn lasting(&self) -> Option<Arc<Shared>> {
        match &self.role {
            Role::Own { lasting } | Role::Apart { lasting } => lasting.upgrade(),
            Role::Lasting { .. } => None,
        }
    }

    pub(super) fn is_lasting(&self) -> bool {
        matches!(self.role, Role::Lasting { .. })
    }

    pub(super) fn is_apart(&self) -> bool {
        matches!(self.role, Role::Apart { .. })
    }

    /// Whether there is a connection that this one is beside.
    pub(super) fn has_company(&self) -> bool {
        self.is_lasting() || self.lasting().is_some_and(|lasting| lasting.present().is_some())
    }

    /// Why a connection that leads there is not to be used: it is beside a lasting one that leads elsewhere, and then the lasting one
    /// is dialled again in the background.
    pub(super) fn astray(&self, place: &Arc<Place>) -> Option<String> {
        if self.is_lasting() {
            return None;
        }
        let lasting = self.lasting();
        let Some((lasting, there)) = lasting.and_then(|lasting| Some((lasting.clone(), lasting.present()?)))
        else {
            return Some("the lasting connection is lost".to_owned());
        };
        if there.place.is(place) {
            return None;
        }
        lasting.doubt(there.number, place);
        Some(format!("it leads to {place}, the lasting one to {}", there.place))
    }

    /// Another connection led elsewhere than this one with this number.
    fn doubt(self: &Arc<Self>, number: u64, elsewhere: &Arc<Place>) {
        let Some(task) = self.begin(|link| &link.doubting) else { return };
        let elsewhere = elsewhere.clone();
        thread::spawn(async move {
            if let Some(link) = task.0.upgrade() {
                link.move_to(number, &elsewhere).await;
            }
        });
    }

    /// Dials again, and uses what is found where that is the given server.
    async fn move_to(self: &Arc<Self>, number: u64, elsewhere: &Arc<Place>) {
        let _alone = self.dialling.lock().await;
        let mut found = None;
        for _ in 0..CONFIRMED_BY {
            match self.open(self.limits.connect).await {
                Some(Ok(opened)) if opened.place.is(elsewhere) => found = Some(opened),
                _ => return,
            }
        }
        let reason = format!("new connections lead to another server, {elsewhere}");
        if let Some(opened) = found
            && self.end(number, &reason)
        {
            self.away.lost(true);
            self.begin_outage(&reason);
            self.connected(opened);
        }
    }

    /// One attempt to connect; `None` where there was no answer in time.
    pub(super) async fn open(self: &Arc<Self>, within: Duration) -> Option<Result<Opened, String>> {
        let link = Arc::downgrade(self);
        let receive = move |number, push| {
            if let Some(link) = link.upgrade() {
                link.receive(number, push);
            }
        };
        in_awake_time!(Clock::Real, within, self.dialer.open(Arc::new(receive)))
    }

    /// The lasting connection is lost, or another, and those beside it end.
    pub(super) fn end_others(&self, reason: &str) {
        let Role::Lasting { own } = &self.role else { return };
        let own = own.as_ref().map(|(_, own)| own);
        for other in own.into_iter().chain(self.second.get()).chain(self.large.get()) {
            if let Some(up) = other.0.present() {
                other.0.end(up.number, reason);
            }
        }
    }
}
