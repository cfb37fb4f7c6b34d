//! The random numbers of the protocol, made countable.

use crate::scene::{Mechanism, Scene};

/// Somebody who calls an annotated function: a reader or a writer of the scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Caller {
    /// The reader of this number.
    Reader(usize),
    /// The writer of this number.
    Writer(usize),
}

/// A token. Two are equal only if they are one: "fresh for every acquisition".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Token {
    /// Drawn by a caller in its call of this number, the attempt of this number.
    Fresh(Caller, u8, u8),
    /// What [`Mechanism::FreshTokens`] forbids: one token for all loads of a process.
    Process(usize),
}

impl Token {
    /// The token of an acquisition.
    pub(crate) fn acquisition(scene: &Scene, reader: usize, call: u8, attempt: u8) -> Self {
        if scene.has(Mechanism::FreshTokens) {
            Self::Fresh(Caller::Reader(reader), call, attempt)
        } else {
            Self::Process(scene.readers[reader])
        }
    }

    /// The token of a guard.
    pub(crate) fn guard(writer: usize) -> Self {
        Self::Fresh(Caller::Writer(writer), 0, 0)
    }
}
