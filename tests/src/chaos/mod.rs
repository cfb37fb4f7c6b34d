//! The chaos test: several processes read and write a handful of keys through a cache while everything around them
//! fails, and a checker that goes through what they saw.
//!
//! Data goes one way. The [workload](load) of each process calls either the annotated functions ([`ours`]) or the usual
//! cache-aside ([`naive`]), from runtimes that last and from [some that come and go](caller), over an [`origin`] that gives
//! each write of a key the next version, and writes every operation with its begin and its end to a [`journal`]. The
//! [`nemesis`] disturbs by seed. A [`run`] is one run of all that; its journals make a [`history`], which the [`check`]
//! judges and the [`report`] shows.
//!
//! # What is demanded
//!
//! A read is *stale* if its version is older than what another operation on that key, a read or a write, had returned
//! before the read began, or than what a write of several keys had made of it, if that write was seen at another of them. With the [full promise](class::Class) no read is. Where the protocol names a limit,
//! [`exposure`] says which writes are beyond it and until when: only those may be missed, and only so long.

pub mod caller;
pub mod check;
pub mod class;
pub mod clock;
mod deployment;
pub mod exposure;
pub mod history;
pub mod journal;
pub mod load;
pub mod naive;
pub mod nemesis;
pub mod origin;
pub mod ours;
pub mod random;
pub mod record;
pub mod report;
pub mod run;
mod setup;
pub mod subject;
pub mod timeline;
mod together;
pub mod violation;
