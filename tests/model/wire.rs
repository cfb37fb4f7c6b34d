//! Commands on their way to Redis, and replies on their way back.
//!
//! A command is sent, executed and answered in three steps, and anything may happen in between. A caller
//! that times out leaves its command behind: it may still execute, late, and nobody hears the reply.

use crate::scene::{Key, Mechanism, Scene, TAGS};
use crate::store::{Slot, Value};
use crate::token::Token;

/// A verb of the store with its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Command {
    /// `read`: the entry, and in tagged scenes its tags. A cluster answers each at a time of its own.
    Read { entry: Option<Slot>, tags: [Option<Slot>; TAGS] },
    /// `read` of a tag that is missing: creates its version.
    Version { tag: usize, token: Token },
    /// `acquire`: the lease, if the key still holds what was seen.
    Acquire { token: Token, seen: Slot },
    /// `acquire` of the refresh of a value past fresh-until.
    Refresh { token: Token },
    /// `take_over`: the same, whoever has it, if the key still holds what was seen.
    TakeOver { token: Token, seen: Slot },
    /// `fill`
    Fill { token: Token, value: Value, refresh: bool },
    /// `abandon`
    Abandon { token: Token },
    /// `guard`
    Guard { key: Key, token: Token },
    /// `renew` of a guard. (Renewing a lease needs no step here: leases expire at any time.)
    Renew { key: Key, token: Token },
    /// `release`, and `remove` when the token was never in the guard.
    Release { key: Key, token: Token, put: Option<u8> },
}

/// The verbs of the store, as its methods, scripts and traces call them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Read,
    Acquire,
    Fill,
    Abandon,
    Guard,
    Renew,
    Release,
}

impl Command {
    /// The token that it makes the holder, if any.
    fn acquires(&self) -> Option<Token> {
        match self {
            Self::Acquire { token, .. } | Self::Refresh { token } | Self::TakeOver { token, .. } => {
                Some(*token)
            }
            _ => None,
        }
    }

    /// Its verb.
    pub(crate) fn verb(&self) -> Verb {
        match self {
            Self::Read { .. } | Self::Version { .. } => Verb::Read,
            Self::Acquire { .. } | Self::Refresh { .. } | Self::TakeOver { .. } => Verb::Acquire,
            Self::Fill { .. } => Verb::Fill,
            Self::Abandon { .. } => Verb::Abandon,
            Self::Guard { .. } => Verb::Guard,
            Self::Renew { .. } => Verb::Renew,
            Self::Release { .. } => Verb::Release,
        }
    }
}

/// What a command answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reply {
    /// What `read` found under the entry and under its tags.
    Seen { entry: Slot, tags: [Slot; TAGS] },
    /// The version of the tag after `read` created it if it was missing.
    Tag(Slot),
    /// `acquire` succeeded.
    Acquired,
    /// `acquire` found this instead.
    Taken(Slot),
    /// `fill` stored the value.
    Accepted,
    /// `fill` did not: an invalidation came in between, or the lease was lost.
    Refused,
    /// Done.
    Done,
}

/// One call to Redis, as its caller sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Wire {
    /// Sent, and not executed yet.
    Sent(Command),
    /// Executed; the reply has not been handled.
    Answered(Reply),
}

/// The Redis that all processes share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Redis {
    /// The entry.
    pub(crate) entry: Slot,
    /// Its tags.
    pub(crate) tags: [Slot; TAGS],
    /// Commands whose callers no longer listen, in order so that equal states are equal.
    pub(crate) late: Vec<Command>,
}

impl Redis {
    /// The slot of `key`.
    pub(crate) fn slot(&mut self, key: Key) -> &mut Slot {
        match key {
            Key::Entry => &mut self.entry,
            Key::Tag(tag) => &mut self.tags[tag],
        }
    }

    /// Sends a command whose reply nobody waits for. A `read` without a reader has no effect.
    pub(crate) fn send(&mut self, command: Command) {
        if matches!(command, Command::Read { .. }) {
            return;
        }
        let place = self.late.partition_point(|other| *other <= command);
        self.late.insert(place, command);
    }

    /// Forgets late commands that can never have an effect any more.
    pub(crate) fn forget_the_harmless(&mut self, scene: &Scene) {
        // Where tokens come back, so may the right of a late fill.
        if self.late.is_empty() || !scene.has(Mechanism::FreshTokens) {
            return;
        }
        let late: Vec<_> = self.late.iter().filter_map(Command::acquires).collect();
        let entry = &self.entry;
        self.late.retain(|command| match command {
            Command::Fill { token, refresh, .. } => {
                entry.held_by(*token) || late.contains(token) || !fenced(scene, *refresh)
            }
            Command::Abandon { token } => entry.held_by(*token) || late.contains(token),
            _ => true,
        });
    }

    /// Executes a command, all at once; a `read` that a cluster splits is executed by [`Redis::read`].
    pub(crate) fn execute(&mut self, command: Command, scene: &Scene) -> Reply {
        match command {
            Command::Read { entry, .. } => {
                Reply::Seen { entry: entry.unwrap_or_else(|| self.entry.clone()), tags: self.tags.clone() }
            }
            Command::Version { tag, token } => {
                if self.tags[tag] == Slot::Absent {
                    self.tags[tag] = Slot::Version(token);
                }
                Reply::Tag(self.tags[tag].clone())
            }
            Command::Acquire { token, seen } => {
                if self.entry.acquire(token, &seen) {
                    Reply::Acquired
                } else {
                    Reply::Taken(self.entry.clone())
                }
            }
            Command::Refresh { token } => {
                if self.entry.acquire_refresh(token) {
                    Reply::Acquired
                } else {
                    Reply::Taken(self.entry.clone())
                }
            }
            Command::TakeOver { token, seen } => {
                if self.entry.take_over(token, &seen) {
                    Reply::Acquired
                } else {
                    Reply::Taken(self.entry.clone())
                }
            }
            Command::Fill { token, mut value, refresh } => {
                for (stamp, tag) in value.stamps.iter_mut().zip(&self.tags) {
                    if let (Some(stamp), Slot::Version(now)) = (stamp, tag)
                        && !scene.has(Mechanism::StampBeforeLoad)
                    {
                        *stamp = *now;
                    }
                }
                if self.entry.fill(token, value, fenced(scene, refresh)) {
                    Reply::Accepted
                } else {
                    Reply::Refused
                }
            }
            Command::Abandon { token } => {
                self.entry.abandon(token);
                Reply::Done
            }
            Command::Guard { key, token } => {
                self.slot(key).guard(token);
                Reply::Done
            }
            Command::Renew { key, token } => {
                self.slot(key).renew_guard(token, scene);
                Reply::Done
            }
            Command::Release { key, token, put } => {
                self.slot(key).release(token, put, scene);
                if let Key::Tag(tag) = key
                    && self.tags[tag] == Slot::Absent
                    && !scene.has(Mechanism::TagRemoved)
                {
                    self.tags[tag] = Slot::Version(token);
                }
                Reply::Done
            }
        }
    }

    /// Executes one part of a `read` that a cluster splits.
    pub(crate) fn read(&self, part: Key, command: Command) -> Wire {
        let Command::Read { mut entry, mut tags } = command else {
            return Wire::Sent(command);
        };
        match part {
            Key::Entry => entry = Some(self.entry.clone()),
            Key::Tag(tag) => tags[tag] = Some(self.tags[tag].clone()),
        }
        match (entry, tags) {
            (Some(entry), [Some(first), Some(second)]) => {
                Wire::Answered(Reply::Seen { entry, tags: [first, second] })
            }
            (entry, tags) => Wire::Sent(Command::Read { entry, tags }),
        }
    }
}

fn fenced(scene: &Scene, refresh: bool) -> bool {
    scene.has(Mechanism::FillFence) && (!refresh || scene.has(Mechanism::RefreshFence))
}
