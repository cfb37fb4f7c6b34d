//! Registering local copies, in the background: no caller waits for it. While one question is on its way to the store, those that come
//! meanwhile are asked together next.

use std::{
    any::Any,
    sync::{Arc, atomic::AtomicBool, atomic::AtomicU64},
    time::Duration,
};

use bytes::Bytes;
use cached_aside_protocol::{
    entry,
    steps::{Register, Registered},
};

use super::{LocalCopy, clock};
use crate::{engine::shared::Shared, function::read::ReadFunction};

impl Shared {
    /// A call was given this entry by a look at the store: keeps a copy of what it holds, if that is worth its registration.
    pub(crate) fn keep_copy(
        self: &Arc<Self>,
        function: &'static ReadFunction,
        (key, local): (&str, Duration),
        bytes: &Bytes,
        value: impl FnOnce() -> Option<Box<dyn Any + Send + Sync>>,
    ) {
        if !entry::can_have_copies(bytes) {
            return;
        }
        let number = function.number();
        if self.tasks.is_closed() || !self.local.is_hot(number, key, clock::now(self.clock), local) {
            return;
        }
        let length = (bytes.len() + key.len()) as u64;
        if !self.local.has_room(length) {
            return;
        }
        let copy = LocalCopy {
            key: key.into(),
            function: number,
            value: value(),
            header: entry::header_of(bytes),
            // A store's clock may begin with zero.
            stored_at: entry::stored_at(bytes).unwrap_or_default(),
            local,
            length,
            losses: AtomicU64::new(0),
            until: AtomicU64::new(0),
            born: AtomicU64::new(0),
            asked: AtomicBool::new(false),
        };
        self.register(Arc::new(copy));
    }

    /// A call is given this copy: has it registered again before it ends.
    pub(crate) fn used_copy(self: &Arc<Self>, copy: &Arc<LocalCopy>, now: clock::Nanos) {
        if !self.tasks.is_closed() && copy.is_due(now) {
            self.register(copy.clone());
        }
    }

    fn register(self: &Arc<Self>, copy: Arc<LocalCopy>) {
        if self.local.queue(copy) {
            let asking = Asking(Some(self.clone()));
            drop(self.spawn(asking.ask()));
        }
    }
}

/// Whoever asks for the copies that are queued. What is queued is forgotten where it goes away before they all are.
struct Asking(Option<Arc<Shared>>);

impl Asking {
    async fn ask(mut self) {
        let Some(cache) = self.0.clone() else { return };
        loop {
            let copies = cache.local.next();
            if copies.is_empty() {
                self.0 = None;
                return;
            }
            let keys: Vec<&str> = copies.iter().map(|copy| &*copy.key).collect();
            let step = |copy: &Arc<LocalCopy>| Register { expected: copy.header.clone(), local: copy.local };
            let steps = copies.iter().map(step).collect();
            let sent = (clock::now(cache.clock), cache.store.losses());
            let answers = cache.run_all_of_load(&keys, steps, Option::is_some, cache.timeout).await;
            for (copy, answer) in copies.iter().zip(answers) {
                match answer {
                    Ok(Some(Registered { granted, now })) => {
                        tracing::trace!(key = &*copy.key, ?granted, "local copy registered");
                        cache.local.registered(copy.clone(), sent, granted, now);
                    }
                    _ => cache.local.refused(copy),
                }
            }
            cache.local.sweep(sent);
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(cache) = &self.0 {
            cache.local.abandoned();
        }
    }
}
