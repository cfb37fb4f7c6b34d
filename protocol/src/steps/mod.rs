//! The steps of the protocol: each changes one key atomically. Each is a script for Redis, a function for the store in memory, and a
//! transition of the model.
//!
//! | step | taken by | without it |
//! | --- | --- | --- |
//! | [`Acquire`] | a reader that misses | every reader loads |
//! | [`Elect`] | a reader of a stale value | every reader reloads |
//! | [`Register`] | a process that keeps a decoded copy | the copy may be older than a completed write |
//! | [`Carry`] | a load whose entry will carry a tag | an invalidation of the tag does not reach the entry |
//! | [`Renew`] | a long load | another one begins beside it |
//! | [`Fill`] | a load that has ended | nothing is stored |
//! | [`Abandon`] | a load that stores nothing | others wait until the lease ends |
//! | [`Guard`] | a write, before its body | a load from before the write is stored after it |
//! | [`RenewGuard`] | a long write | its guard expires before it ends |
//! | [`Release`] | a write that has ended | the guard stays until its deadline |
//! | [`Remove`] | an invalidation without a body | the stale value is served until its TTL ends |

mod abandon;
mod acquire;
mod carry;
mod elect;
mod fill;
mod guard;
mod register;
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
    carry::Carry,
    elect::Elect,
    fill::{Fill, Filled},
    guard::Guard,
    register::{Register, Registered},
    release::{Left, Release, Released},
    remove::Remove,
    renew::Renew,
    renew_guard::RenewGuard,
    script::Script,
};
use crate::Slot;

/// One atomic change of one key: a script on the server, a function in memory.
pub trait Step: Clone + Debug + Send + Sync + 'static {
    /// What the step answers.
    type Answer: Clone + Debug + PartialEq + Send + 'static;

    /// Its name, in tests and tools.
    const NAME: &'static str;

    /// Whether it may be executed twice. A step that grants a right may not: its second answer would be a refusal.
    const REPEATABLE: bool = true;

    /// Whether it renews a right while the body runs.
    const RENEWAL: bool = false;

    /// Whether steps on several keys can share a script: all of them have as many arguments.
    const SHARES_SCRIPT: bool = true;

    /// The step as a script with one key.
    fn script() -> &'static Script;

    /// The same script with several keys, all of one server, and their arguments one after the other. It answers a list: the answer of
    /// each key, or a list of the text of its error, which leaves the other keys alone.
    fn together() -> &'static Script;

    /// Writes the arguments of the script.
    fn arguments(&self, out: &mut impl Arguments);

    /// Parses the answer of the script.
    ///
    /// # Errors
    ///
    /// The key holds data of another program.
    fn answer(reply: Reply<'_>) -> Result<Self::Answer, Foreign>;

    /// The same step in memory.
    ///
    /// # Errors
    ///
    /// The key holds data of another program.
    fn apply(&self, slot: &mut Slot<'_>) -> Result<Self::Answer, Foreign>;

    /// The value that it stores.
    fn value(&self) -> Option<&Bytes> {
        None
    }

    /// The same step as a single command, if there is one that answers more than the script.
    fn set_if_absent(&self) -> Option<SetIfAbsent<Self::Answer>> {
        None
    }
}

/// What a script answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply<'a> {
    /// A number, negative if the key holds data of another program.
    Number(i64),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// The key holds data of another program, which is never touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreign;

/// Receives the arguments of a script.
pub trait Arguments {
    /// The next argument.
    fn bytes(&mut self, bytes: &[u8]);
    /// The next argument, in decimal.
    fn number(&mut self, number: u64);
}

/// `SET key value NX GET PX ttl`, which Redis accepts since 7.0.
#[derive(Debug)]
pub struct SetIfAbsent<A> {
    /// The new bytes.
    pub value: Vec<u8>,
    /// When they expire (ms).
    pub ttl: u64,
    /// The answer of the step, given the bytes that are there instead.
    pub answer: fn(Option<Bytes>) -> A,
}

/// Every step's name and script.
pub fn scripts() -> [(&'static str, &'static Script); 11] {
    fn of<S: Step>() -> (&'static str, &'static Script) {
        (S::NAME, S::script())
    }
    [
        of::<Acquire>(),
        of::<Elect>(),
        of::<Register>(),
        of::<Carry>(),
        of::<Renew>(),
        of::<Fill>(),
        of::<Abandon>(),
        of::<Guard>(),
        of::<RenewGuard>(),
        of::<Release>(),
        of::<Remove>(),
    ]
}

/// The answer of a step that does all or nothing.
fn done(reply: Reply<'_>) -> Result<bool, Foreign> {
    match reply {
        Reply::Number(0..) => Ok(reply != Reply::Number(0)),
        Reply::Number(_) | Reply::Bytes(_) => Err(Foreign),
    }
}

/// The answer of a step that answers a number of milliseconds.
fn left(reply: Reply<'_>) -> Result<Duration, Foreign> {
    match reply {
        Reply::Number(left @ 0..) => Ok(Duration::from_millis(left.unsigned_abs())),
        Reply::Number(_) | Reply::Bytes(_) => Err(Foreign),
    }
}

/// Redis counts in milliseconds.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// An expiry, which in Redis is at least one millisecond.
fn ttl(duration: Duration) -> u64 {
    millis(duration).max(1)
}

#[cfg(test)]
mod tests;
