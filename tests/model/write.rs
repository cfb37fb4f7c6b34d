//! The write path: `runtime/src/write.rs`, top to bottom in the order it happens.

use crate::scene::{Entry, Key, Mechanism, Policy, Scene, Write};
use crate::state::State;
use crate::token::Token;
use crate::wire::{Command, Reply, Verb, Wire};

/// Where a caller of an annotated write is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Writer {
    /// Not called yet.
    Idle,
    /// `guard`, of every key
    Guard(Vec<Wire>),
    /// The body: its statement is on the way to the database. Whether the guard was acknowledged, and
    /// whether it was renewed.
    Body { guarded: bool, renewed: bool },
    /// `release` of every key, after the database has committed this version.
    Release { version: u8, wires: Vec<Wire> },
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
            Writer::Guard(of_each(scene, writer, |key, token| Command::Guard { key, token }))
        };
    }

    /// Handles the reply that `writer` waits for.
    pub(crate) fn handle_write(&mut self, scene: &Scene, writer: usize) {
        let answered = |wire: &Wire| *wire == Wire::Answered(Reply::Done);
        let wires = self.writers[writer].wires();
        if !wires.iter().all(answered) {
            return;
        }
        match self.writers[writer].clone() {
            Writer::Guard(_) => {
                self.writers[writer] = Writer::Body { guarded: true, renewed: false };
            }
            Writer::Release { version, .. } => {
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
            for key in scene.writes[writer].keys {
                self.redis.send(Command::Renew { key: *key, token: Token::guard(writer) });
            }
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
        let Write { puts, .. } = scene.writes[writer];
        let put = (puts && (guarded || !scene.has(Mechanism::AcknowledgedGuard))).then_some(version);
        let wires = of_each(scene, writer, |key, token| Command::Release { key, token, put });
        self.writers[writer] = Writer::Release { version, wires };
    }

    /// Redis did not answer in time.
    pub(crate) fn time_out_write(&mut self, scene: &Scene, writer: usize) {
        self.detach_write(writer);
        match self.writers[writer].clone() {
            Writer::Guard(_) if scene.policy(writer) == Policy::Required => {
                self.give_up_guards(scene, writer);
                self.writers[writer] = Writer::Done;
            }
            Writer::Guard(wires) => {
                self.owe(scene, writer, &wires, None);
                self.writers[writer] = Writer::Body { guarded: false, renewed: false };
            }
            Writer::Release { version, wires } => {
                self.owe(scene, writer, &wires, Some(version));
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
        self.detach_write(writer);
        match self.writers[writer].clone() {
            Writer::Body { .. } => {
                if !scene.has(Mechanism::CancelledGuard) {
                    self.give_up_guards(scene, writer);
                }
                self.writers[writer] = Writer::Orphan;
            }
            Writer::Guard(_) => {
                self.give_up_guards(scene, writer);
                self.writers[writer] = Writer::Done;
            }
            Writer::Release { version, wires } => {
                self.owe(scene, writer, &wires, Some(version));
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
        for wire in self.writers[writer].wires() {
            if let Wire::Sent(command) = wire {
                self.redis.send(command.clone());
            }
        }
    }

    /// Releases every key of a write that is not to be.
    fn give_up_guards(&mut self, scene: &Scene, writer: usize) {
        for key in scene.writes[writer].keys {
            self.redis.send(Command::Release { key: *key, token: Token::guard(writer), put: None });
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

    /// The calls to Redis that are under way, one for each key.
    pub(crate) fn wires(&self) -> &[Wire] {
        match self {
            Self::Guard(wires) | Self::Release { wires, .. } => wires,
            _ => &[],
        }
    }

    /// The same, to be answered.
    pub(crate) fn wires_mut(&mut self) -> &mut [Wire] {
        match self {
            Self::Guard(wires) | Self::Release { wires, .. } => wires,
            _ => &mut [],
        }
    }
}

/// A command on its way for each key of a write.
fn of_each(scene: &Scene, writer: usize, command: impl Fn(Key, Token) -> Command) -> Vec<Wire> {
    let keys = scene.writes[writer].keys.iter();
    keys.map(|key| Wire::Sent(command(*key, Token::guard(writer)))).collect()
}
