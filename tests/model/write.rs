//! The write path: `runtime/src/write.rs`, top to bottom in the order it happens.

use crate::scene::{Entry, Mechanism, Policy, Scene, Write};
use crate::state::State;
use crate::token::Token;
use crate::wire::{Command, Reply, Verb, Wire};

/// Where a caller of an annotated write is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Writer {
    /// Not called yet.
    Idle,
    /// `guard`
    Guard(Wire),
    /// The body: its statement is on the way to the database. Whether the guard was acknowledged, and
    /// whether it was renewed.
    Body { guarded: bool, renewed: bool },
    /// `release`, after the database has committed this version.
    Release { version: u8, wire: Wire },
    /// Returned, refused, dropped or dead.
    Done,
    /// Dropped or dead, while the statement was on the way to the database.
    Orphan,
}

impl Scene {
    /// The guard policy of `writer`.
    pub(crate) fn policy(&self, writer: usize) -> Policy {
        if self.has(Mechanism::Guard) { self.writes[writer].policy } else { Policy::Off }
    }
}

impl State {
    /// A write starts: sends `guard`, or starts the body at once.
    pub(crate) fn start_write(&mut self, scene: &Scene, writer: usize) {
        self.writers[writer] = if scene.policy(writer) == Policy::Off {
            Writer::Body { guarded: false, renewed: false }
        } else {
            let (key, token) = (scene.writes[writer].key, Token::guard(writer));
            Writer::Guard(Wire::Sent(Command::Guard { key, token }))
        };
    }

    /// Handles the reply that `writer` waits for.
    pub(crate) fn handle_write(&mut self, scene: &Scene, writer: usize) {
        match self.writers[writer].clone() {
            Writer::Guard(Wire::Answered(Reply::Done)) => {
                self.writers[writer] = Writer::Body { guarded: true, renewed: false };
            }
            Writer::Release { version, wire: Wire::Answered(Reply::Done) } => {
                self.settle_up(scene, writer);
                self.delivered(scene, version);
                self.end_write(scene, writer, version);
            }
            _ => {}
        }
    }

    /// A live writer sends `renew` for its guard.
    pub(crate) fn renew(&mut self, scene: &Scene, writer: usize) {
        if let Writer::Body { renewed, .. } = &mut self.writers[writer] {
            *renewed = true;
            let (key, token) = (scene.writes[writer].key, Token::guard(writer));
            self.redis.send(Command::Renew { key, token });
        }
    }

    /// The database commits the statement, and the writer sends `release`.
    pub(crate) fn commit(&mut self, scene: &Scene, writer: usize) {
        self.origin.committed += 1;
        if scene.entry != Entry::Lagging {
            self.origin.visible = self.origin.committed;
        }
        let version = self.origin.committed;
        let Writer::Body { guarded, .. } = self.writers[writer] else {
            self.writers[writer] = Writer::Done;
            return;
        };
        let Write { key, puts, .. } = scene.writes[writer];
        let put = (puts && (guarded || !scene.has(Mechanism::AcknowledgedGuard))).then_some(version);
        let wire = Wire::Sent(Command::Release { key, token: Token::guard(writer), put });
        self.writers[writer] = Writer::Release { version, wire };
    }

    /// Redis did not answer in time.
    pub(crate) fn time_out_write(&mut self, scene: &Scene, writer: usize) {
        let (key, token) = (scene.writes[writer].key, Token::guard(writer));
        self.detach_write(writer);
        match self.writers[writer].clone() {
            Writer::Guard(_) if scene.policy(writer) == Policy::Required => {
                self.redis.send(Command::Release { key, token, put: None });
                self.writers[writer] = Writer::Done;
            }
            Writer::Guard(_) => {
                self.owe(scene, writer, None);
                self.writers[writer] = Writer::Body { guarded: false, renewed: false };
            }
            Writer::Release { version, .. } => {
                self.owe(scene, writer, Some(version));
                self.end_write(scene, writer, version);
            }
            _ => {}
        }
    }

    fn end_write(&mut self, scene: &Scene, writer: usize, version: u8) {
        self.writers[writer] = Writer::Done;
        self.wrote(scene, scene.writes[writer].process, version);
    }

    /// The write of `writer` is dropped where it stands. Before the body the guard is released; after it
    /// the release goes on the recovery list. In the middle the statement may be on its way, and the
    /// database will commit it although nobody listens: the guard stays, and lapses by itself.
    pub(crate) fn cancel_write(&mut self, scene: &Scene, writer: usize) {
        let (key, token) = (scene.writes[writer].key, Token::guard(writer));
        self.detach_write(writer);
        match self.writers[writer] {
            Writer::Body { .. } => {
                if !scene.has(Mechanism::CancelledGuard) {
                    self.redis.send(Command::Release { key, token, put: None });
                }
                self.writers[writer] = Writer::Orphan;
            }
            Writer::Guard(_) => {
                self.redis.send(Command::Release { key, token, put: None });
                self.writers[writer] = Writer::Done;
            }
            Writer::Release { version, .. } => {
                self.owe(scene, writer, Some(version));
                self.writers[writer] = Writer::Done;
            }
            _ => {}
        }
    }

    /// The process of `writer` dies.
    pub(crate) fn kill_write(&mut self, writer: usize) {
        self.detach_write(writer);
        self.writers[writer] = match self.writers[writer] {
            Writer::Body { .. } | Writer::Orphan => Writer::Orphan,
            _ => Writer::Done,
        };
    }

    /// Leaves the command of `writer` on its way, with nobody to hear the reply.
    fn detach_write(&mut self, writer: usize) {
        if let Some(Wire::Sent(command)) = self.writers[writer].wire() {
            self.redis.send(command.clone());
        }
    }

    /// Whether the deadline of this token passes sooner or later while it is in a guard: a live writer
    /// renews what was acknowledged, and `guard_for` is longer than a statement lives on without its
    /// caller.
    pub(crate) fn lapses(&self, scene: &Scene, token: Token) -> bool {
        (0..self.writers.len()).filter(|writer| Token::guard(*writer) == token).all(|writer| {
            match &self.writers[writer] {
                Writer::Idle | Writer::Done | Writer::Body { guarded: false, .. } => true,
                Writer::Orphan => !scene.has(Mechanism::StatementsEnd),
                _ => false,
            }
        })
    }
}

impl Writer {
    /// The verb of the call to Redis that is under way.
    pub(crate) fn verb(&self) -> Option<Verb> {
        match self {
            Self::Guard(_) => Some(Verb::Guard),
            Self::Release { .. } => Some(Verb::Release),
            _ => None,
        }
    }

    /// The call to Redis that is under way.
    pub(crate) fn wire(&self) -> Option<&Wire> {
        match self {
            Self::Guard(wire) | Self::Release { wire, .. } => Some(wire),
            _ => None,
        }
    }

    /// The same, to be answered.
    pub(crate) fn wire_mut(&mut self) -> Option<&mut Wire> {
        match self {
            Self::Guard(wire) | Self::Release { wire, .. } => Some(wire),
            _ => None,
        }
    }
}
