//! The steps of the protocol: each changes one key, at once. Each is a script for Redis, a function for a store in memory, and a
//! transition of the model.
//!
//! | step | by whom | without it |
//! | --- | --- | --- |
//! | [`Acquire`] | a reader that misses | every reader loads |
//! | [`Elect`] | a reader of a value that is due | every reader reloads |
//! | [`Renew`] | a load that takes long | another one begins beside it |
//! | [`Fill`] | a load that is over | nothing is stored |
//! | [`Abandon`] | a load that stores nothing | others wait until the lease ends |
//! | [`Guard`] | a write, before its body | a load of before is stored after the write |
//! | [`RenewGuard`] | a write that takes long | its guard ends before it does |
//! | [`Release`] | a write that is over | the guard stands until its deadline |
//! | [`Remove`] | an invalidation without a body | the old value is given until its TTL ends |

mod abandon;
mod acquire;
mod elect;
mod fill;
mod guard;
mod release;
mod remove;
mod renew;
mod renew_guard;
mod script;

use std::{fmt::Debug, time::Duration};

use bytes::Bytes;

pub use self::{
    abandon::{Abandon, Ending},
    acquire::{Acquire, Acquired},
    elect::Elect,
    fill::Fill,
    guard::Guard,
    release::{Left, Release},
    remove::Remove,
    renew::Renew,
    renew_guard::RenewGuard,
    script::Script,
};
use crate::Slot;

/// One atomic change of one key: a script on the server, a function in memory.
pub trait Step: Clone + Debug + Send + Sync + 'static {
    /// What whoever takes it is told.
    type Answer: Clone + Debug + PartialEq + Send + 'static;

    /// Its name, in tests and tools.
    const NAME: &'static str;

    /// Whether it does no harm to be taken twice. A step that grants a right does: the second answer would deny it.
    const REPEATABLE: bool = true;

    /// Whether it keeps up a right beside the body that runs under it.
    const RENEWAL: bool = false;

    /// The step as a script. Its key is the only one; it answers a number.
    fn script() -> &'static Script;

    /// Writes what the script is given besides the key.
    fn arguments(&self, out: &mut impl Arguments);

    /// What the script's number says.
    ///
    /// # Errors
    ///
    /// The key holds somebody else's data.
    fn answer(reply: i64) -> Result<Self::Answer, Foreign>;

    /// The step itself, as the script takes it.
    ///
    /// # Errors
    ///
    /// The key holds somebody else's data.
    fn apply(&self, slot: &mut Slot<'_>) -> Result<Self::Answer, Foreign>;

    /// The value that it stores.
    fn value(&self) -> Option<&Bytes> {
        None
    }

    /// The same as a single command, where there is one that tells more than the script does.
    fn set_if_absent(&self) -> Option<SetIfAbsent<Self::Answer>> {
        None
    }
}

/// The key holds somebody else's data, which is never touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreign;

/// What the arguments of a script are written to.
pub trait Arguments {
    /// The next argument.
    fn bytes(&mut self, bytes: &[u8]);
    /// The next argument, in decimal.
    fn number(&mut self, number: u64);
}

/// `SET key value NX GET PX ttl`, which Redis takes since 7.0.
#[derive(Debug)]
pub struct SetIfAbsent<A> {
    /// What is put under the key.
    pub value: Vec<u8>,
    /// For how long (ms).
    pub ttl: u64,
    /// What it means that this stands there instead.
    pub answer: fn(Option<Bytes>) -> A,
}

/// Every step's name and script.
pub fn scripts() -> [(&'static str, &'static Script); 9] {
    fn of<S: Step>() -> (&'static str, &'static Script) {
        (S::NAME, S::script())
    }
    [
        of::<Acquire>(),
        of::<Elect>(),
        of::<Renew>(),
        of::<Fill>(),
        of::<Abandon>(),
        of::<Guard>(),
        of::<RenewGuard>(),
        of::<Release>(),
        of::<Remove>(),
    ]
}

/// The number of a step that does all or nothing.
fn done(reply: i64) -> Result<bool, Foreign> {
    if reply < 0 { Err(Foreign) } else { Ok(reply > 0) }
}

/// Redis counts in milliseconds.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A TTL, of which Redis knows none of zero.
fn ttl(duration: Duration) -> u64 {
    millis(duration).max(1)
}

#[cfg(test)]
mod tests;
