//! What a Redis key holds, and the verbs of the store, each one atomic step of the server.

use crate::scene::{Entry, Mechanism, Scene, TAGS};
use crate::token::Token;

/// What is stored under one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Slot {
    /// Nobody knows.
    Absent,
    /// One loader is reading the origin.
    Lease(Token),
    /// An entry.
    Value(Value),
    /// A write is in progress or settling.
    Guard(Guard),
    /// The random version of a tag.
    Version(Token),
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Value {
    /// The version of the origin it was read from: the payload.
    pub(crate) version: u8,
    /// The versions of its tags, in tagged scenes.
    pub(crate) stamps: Stamps,
    /// Who refreshes it.
    pub(crate) refresh: Option<Token>,
}

/// The versions of the tags of an entry.
pub(crate) type Stamps = [Option<Token>; TAGS];

/// Those of an entry without tags.
pub(crate) const NO_STAMPS: Stamps = [None; TAGS];

/// A write in progress.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Guard {
    /// The writers inside, in order.
    pub(crate) writers: Vec<Token>,
    /// Whether more than one writer was ever here, so that none of them may put its value.
    pub(crate) overlapped: bool,
    /// Whether the last writer has left and the origin is given time to catch up.
    pub(crate) settling: bool,
}

impl Slot {
    /// `acquire`: becomes the lease holder if the key still holds what was `seen`.
    pub(crate) fn acquire(&mut self, token: Token, seen: &Slot) -> bool {
        let mine = *self == Slot::Lease(token);
        if *self == *seen || mine {
            *self = Slot::Lease(token);
            return true;
        }
        false
    }

    /// `acquire` for a value past fresh-until: wins the refresh if nobody has.
    pub(crate) fn acquire_refresh(&mut self, token: Token) -> bool {
        match self {
            Slot::Value(Value { refresh: refresh @ None, .. }) => {
                *refresh = Some(token);
                true
            }
            _ => false,
        }
    }

    /// `take_over`: becomes the one who refreshes the value that was `seen`, whoever did.
    pub(crate) fn take_over(&mut self, token: Token, seen: &Slot) -> bool {
        let same = *self == *seen;
        match self {
            Slot::Value(value) if same => {
                value.refresh = Some(token);
                true
            }
            _ => false,
        }
    }

    /// Whether `token` may store here.
    pub(crate) fn held_by(&self, token: Token) -> bool {
        match self {
            Slot::Lease(holder) => *holder == token,
            Slot::Value(value) => value.refresh == Some(token),
            _ => false,
        }
    }

    /// `fill`: replaces the lease, or the value under refresh, if the token still holds it.
    pub(crate) fn fill(&mut self, token: Token, value: Value, fenced: bool) -> bool {
        if fenced && !self.held_by(token) {
            return false;
        }
        *self = Slot::Value(value);
        true
    }

    /// `abandon`: gives the right to store back, if it is still mine.
    pub(crate) fn abandon(&mut self, token: Token) {
        if self.held_by(token) {
            self.expire();
        }
    }

    /// A lease or a refresh reaches its deadline.
    pub(crate) fn expire(&mut self) {
        match self {
            Slot::Lease(_) => *self = Slot::Absent,
            Slot::Value(value) => value.refresh = None,
            _ => {}
        }
    }

    /// `guard`: whatever is there becomes a guard, or the token joins the guard.
    pub(crate) fn guard(&mut self, token: Token) {
        match self {
            Slot::Guard(guard) => guard.join(token),
            _ => *self = Slot::Guard(Guard { writers: vec![token], overlapped: false, settling: false }),
        }
    }

    /// `renew` of a guard: puts it back if it was lost, marked because nobody knows what went on.
    pub(crate) fn renew_guard(&mut self, token: Token, scene: &Scene) {
        let held = matches!(self, Slot::Guard(guard) if guard.writers.contains(&token));
        if held {
            return;
        }
        self.guard(token);
        if let Slot::Guard(guard) = self {
            guard.overlapped |= scene.has(Mechanism::RenewalMark);
        }
    }

    /// `release`: takes the token out; the last one out deletes, puts its value or leaves the guard to
    /// settle. Where no guard is, deletes; where others are inside, leaves them alone but marks them.
    /// `remove` is the same verb, called with a token that was never inside.
    pub(crate) fn release(&mut self, token: Token, put: Option<u8>, scene: &Scene) {
        let Slot::Guard(guard) = self else {
            *self = Slot::Absent;
            return;
        };
        let inside = guard.writers.contains(&token);
        guard.writers.retain(|writer| *writer != token);
        if !inside {
            guard.overlapped |= scene.has(Mechanism::OutsiderMark);
        } else if scene.entry == Entry::Lagging && scene.has(Mechanism::Settle) {
            guard.settling = true;
        } else if guard.writers.is_empty() {
            let alone = !guard.overlapped || !scene.has(Mechanism::OverlapMark);
            *self = match put.filter(|_| alone) {
                Some(version) => Slot::Value(Value { version, stamps: NO_STAMPS, refresh: None }),
                None => Slot::Absent,
            };
        }
    }

    /// The deadline of one writer in the guard passes; with the last one the key expires.
    pub(crate) fn lapse(&mut self, token: Token) {
        if let Slot::Guard(guard) = self {
            guard.writers.retain(|writer| *writer != token);
            if guard.writers.is_empty() && !guard.settling {
                *self = Slot::Absent;
            }
        }
    }
}

impl Guard {
    fn join(&mut self, token: Token) {
        if let Err(place) = self.writers.binary_search(&token) {
            self.writers.insert(place, token);
            self.overlapped = true;
        }
    }
}
