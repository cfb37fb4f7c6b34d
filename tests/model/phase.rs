//! Where a reader is, its right to store, and what it may use of what it sees.

use crate::scene::{Mechanism, Scene, TAGS};
use crate::store::{Slot, Stamps, Value};
use crate::token::Token;
use crate::wire::{Reply, Verb, Wire};

/// Where a reader is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) enum Phase {
    /// Between two reads.
    #[default]
    Idle,
    /// Its process is dead.
    Dead,
    /// `read`
    Read(Wire),
    /// In a flight that another reader leads.
    Follow,
    /// `acquire`, and beside it the creation of the versions of missing tags.
    Acquire { right: Right, wire: Wire, versions: Vec<Option<Wire>> },
    /// Waits for the lease of another process.
    Wait,
    /// The body has read this version and has not returned; its right to store, if it has one.
    Loaded { version: u8, right: Option<Right> },
    /// `fill`
    Fill { version: u8, right: Right, wire: Wire },
    /// `remove`, after a load anew that was not stored: what stands there instead is to end.
    End { version: u8, wire: Wire },
}

/// The right to store what the body returns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Right {
    /// The token of the acquisition.
    pub(crate) token: Token,
    /// The versions of the tags from before the load.
    pub(crate) stamps: Stamps,
    /// The version of the value past fresh-until that is refreshed; such a load is nobody else's, and that
    /// version is given if the load is not won or fails.
    pub(crate) refresh: Option<u8>,
    /// Whether a value was taken over to be loaded anew.
    pub(crate) over: bool,
}

/// A refresh that goes on without its caller: `refresh = "background"`, or past a soft limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Detached {
    /// The process that it runs in.
    pub(crate) process: usize,
    /// Its right to store.
    pub(crate) token: Token,
    /// The versions of the tags from before its load.
    pub(crate) stamps: Stamps,
    /// The version that its body has read, once it has.
    pub(crate) version: Option<u8>,
}

impl Phase {
    /// The verb of the call to Redis that is under way.
    pub(crate) fn verb(&self) -> Option<Verb> {
        match self {
            Self::Read(_) => Some(Verb::Read),
            Self::Acquire { .. } => Some(Verb::Acquire),
            Self::Fill { .. } => Some(Verb::Fill),
            Self::End { .. } => Some(Verb::Release),
            _ => None,
        }
    }

    /// The call to Redis that is under way.
    pub(crate) fn wire(&self) -> Option<&Wire> {
        match self {
            Self::Read(wire)
            | Self::Acquire { wire, .. }
            | Self::Fill { wire, .. }
            | Self::End { wire, .. } => Some(wire),
            _ => None,
        }
    }

    /// The creations of versions that are under way.
    pub(crate) fn versions(&self) -> &[Option<Wire>] {
        match self {
            Self::Acquire { versions, .. } => versions,
            _ => &[],
        }
    }

    /// The same, to be answered.
    pub(crate) fn wire_mut(&mut self) -> Option<&mut Wire> {
        match self {
            Self::Read(wire)
            | Self::Acquire { wire, .. }
            | Self::Fill { wire, .. }
            | Self::End { wire, .. } => Some(wire),
            _ => None,
        }
    }
}

impl Right {
    /// Takes the versions that were created; `false` if there is a guard in the place of one.
    pub(crate) fn stamp(&mut self, versions: &[Option<Wire>]) -> bool {
        for (stamp, wire) in self.stamps.iter_mut().zip(versions) {
            match wire {
                Some(Wire::Answered(Reply::Tag(Slot::Version(version)))) => *stamp = Some(*version),
                Some(_) => return false,
                None => {}
            }
        }
        true
    }
}

/// Whether a write of the entry or of one of its tags is in progress.
pub(crate) fn guarded(entry: &Slot, tags: &[Slot; TAGS]) -> bool {
    [entry].into_iter().chain(tags).any(|slot| matches!(slot, Slot::Guard(_)))
}

/// Whether the tags still agree.
pub(crate) fn usable(scene: &Scene, value: &Value, tags: &[Slot; TAGS]) -> bool {
    let asked = if scene.has(Mechanism::EveryTag) { scene.tags } else { scene.tags.min(1) };
    let agrees = |tag: usize| match tags[tag] {
        Slot::Version(now) => value.stamps[tag] == Some(now),
        Slot::Absent => !scene.has(Mechanism::MissingTag),
        _ => false,
    };
    (0..asked).all(agrees)
}
