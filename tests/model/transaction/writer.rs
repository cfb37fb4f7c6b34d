//! The transaction, and writes outside of it.

use super::state::State;
use super::{KEYS, Key, Mechanism, Named, Scene};
use crate::token::Token;

/// The transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Transaction {
    /// Where it is.
    pub(crate) stage: Stage,
    /// Which rows its statements have changed, and locked.
    pub(crate) wrote: [bool; 2],
    /// What was committed when it began, where it reads.
    pub(crate) snapshot: Option<[u8; 2]>,
    /// The versions that it committed.
    pub(crate) committed: Option<[u8; 2]>,
}

/// Where the transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// The function of this key is about to be called; with a key too many all were, and it commits.
    Begin(Key),
    /// It waits for local copies up to this registration, before the statement or (late) after it.
    Waits { key: Key, until: u8, late: bool },
    /// Its guard is placed, its statement is about to run.
    Statement(Key),
    /// Its statement has run, and its key is known only now.
    Late(Key),
    /// The commit is on its way.
    Commits,
    /// It has given `Err` although its commit is still on its way.
    Doubtful,
    /// It has given `Err`, and nothing is on its way any more.
    Failed,
    /// Its process is dead while the commit is on its way.
    Orphan,
    /// The database has committed; these keys are released already.
    Releases([bool; 2]),
    /// It has returned.
    Done,
    /// Its process is dead, or it was dropped.
    Dead,
}

impl Default for Stage {
    fn default() -> Self {
        Self::Begin(0)
    }
}

/// A write outside of the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outside {
    /// Not called yet.
    Idle,
    /// It waits for local copies up to this registration.
    Waits { until: u8 },
    /// Its guard is placed, its statement is about to run.
    Statement,
    /// The database has committed this version.
    Release { version: u8 },
    /// It has returned, or its process is dead.
    Done,
}

/// The token of the transaction.
const INSIDE: usize = 0;

/// The token of a writer outside.
fn outside(writer: usize) -> Token {
    Token::guard(1 + writer)
}

impl State {
    /// Guards a key; answers up to which registration its local copies are to be waited for.
    fn guard(&mut self, key: Key, token: Token) -> u8 {
        self.entries[key].change(|slot| slot.guard(token));
        self.entries[key].copies
    }

    fn release(&mut self, scene: &Scene, key: Key, token: Token) {
        self.entries[key].change(|slot| slot.release(token, None, &scene.verbs));
    }

    /// The function of `key` places its guard.
    pub(crate) fn guard_inside(&mut self, scene: &Scene, key: Key, late: bool) {
        let until = self.guard(key, Token::guard(INSIDE));
        let waits = until > 0 && (!late || scene.has(Mechanism::LateWait));
        if waits {
            self.transaction.stage = Stage::Waits { key, until, late };
        } else {
            self.guarded(scene, key, late);
        }
    }

    /// The guard of `key` stands, and nobody holds a copy.
    fn guarded(&mut self, scene: &Scene, key: Key, late: bool) {
        if late {
            self.function_ends(scene, key);
        } else {
            self.transaction.stage = Stage::Statement(key);
        }
    }

    /// The local copies of the key that is being guarded are over.
    pub(crate) fn copies_end(&mut self, scene: &Scene) {
        if let Stage::Waits { key, until, late } = self.transaction.stage {
            self.waited_for(until);
            self.guarded(scene, key, late);
        }
    }

    /// The statement of `key` runs; its row is locked until the end.
    pub(crate) fn statement(&mut self, scene: &Scene, key: Key) {
        self.transaction.wrote[key] = true;
        match scene.inside[key] {
            Named::Result if scene.has(Mechanism::LateGuard) => self.transaction.stage = Stage::Late(key),
            Named::Off if !scene.has(Mechanism::OffGuards) => {
                self.release(scene, key, Token::guard(INSIDE));
                self.transaction.stage = Stage::Begin(key + 1);
            }
            _ => self.function_ends(scene, key),
        }
    }

    fn function_ends(&mut self, scene: &Scene, key: Key) {
        self.transaction.stage = Stage::Begin(key + 1);
        if !scene.has(Mechanism::OutermostReleases) {
            self.release(scene, key, Token::guard(INSIDE));
        }
    }

    /// Whether the function of `key` places a guard before its statement.
    pub(crate) fn guards_first(scene: &Scene, key: Key) -> bool {
        match scene.inside[key] {
            Named::Arguments => true,
            Named::Result => false,
            Named::Off => scene.has(Mechanism::OffGuards),
        }
    }

    /// The database commits all that the transaction wrote.
    pub(crate) fn commit(&mut self) {
        for key in KEYS {
            self.committed[key] += u8::from(self.transaction.wrote[key]);
        }
        self.transaction.wrote = [false; 2];
        self.transaction.committed = Some(self.committed);
    }

    /// The transaction is rolled back.
    pub(crate) fn roll_back(&mut self) {
        self.transaction.wrote = [false; 2];
    }

    /// The transaction gives `Err`.
    pub(crate) fn fail(&mut self, scene: &Scene, stage: Stage) {
        self.transaction.stage = stage;
        if !scene.has(Mechanism::ErrStays) {
            for key in KEYS {
                self.release(scene, key, Token::guard(INSIDE));
            }
        }
    }

    /// A key is released after the end, or deleted where no guard of the transaction stands; with the last one it has returned.
    pub(crate) fn release_inside(&mut self, scene: &Scene, key: Key) {
        let Stage::Releases(mut released) = self.transaction.stage else { return };
        let at_once = !scene.has(Mechanism::OutermostReleases)
            || scene.inside[key] == Named::Off && !scene.has(Mechanism::OffGuards);
        let copies = self.entries[key].copies;
        if !at_once {
            self.release(scene, key, Token::guard(INSIDE));
        }
        self.waited_for(copies);
        released[key] = true;
        self.transaction.stage = Stage::Releases(released);
        if released == [true; 2] {
            self.transaction.stage = Stage::Done;
            let written = self.transaction.committed.unwrap_or_default();
            for key in KEYS {
                self.wrote(scene, key, written[key]);
            }
            self.floors.whole |= scene.promises(super::Promise::Whole);
        }
    }

    /// The process of the transaction dies: what was not on its way is rolled back.
    pub(crate) fn kill_transaction(&mut self) {
        self.transaction.stage = match self.transaction.stage {
            Stage::Commits | Stage::Doubtful => Stage::Orphan,
            _ => Stage::Dead,
        };
        if self.transaction.stage == Stage::Dead {
            self.roll_back();
        }
    }

    /// A write outside takes its next step. Its statement waits for the lock of the transaction on its row.
    pub(crate) fn go_on_outside(&mut self, scene: &Scene, writer: usize) {
        let key = scene.outside[writer];
        self.outside[writer] = match self.outside[writer] {
            Outside::Idle => match self.guard(key, outside(writer)) {
                0 => Outside::Statement,
                until => Outside::Waits { until },
            },
            Outside::Waits { until } => {
                self.waited_for(until);
                Outside::Statement
            }
            Outside::Statement => {
                self.committed[key] += 1;
                Outside::Release { version: self.committed[key] }
            }
            Outside::Release { version } => {
                let copies = self.entries[key].copies;
                self.release(scene, key, outside(writer));
                self.waited_for(copies);
                self.wrote(scene, key, version);
                Outside::Done
            }
            Outside::Done => Outside::Done,
        };
    }

    /// Whether a write outside can take its next step.
    pub(crate) fn can_go_on(&self, scene: &Scene, writer: usize) -> bool {
        match self.outside[writer] {
            Outside::Done => false,
            Outside::Statement => !self.transaction.wrote[scene.outside[writer]],
            _ => true,
        }
    }

    /// Whether the deadline of this token passes sooner or later: nobody renews it, and it was left longer than a commit can
    /// be on its way.
    pub(crate) fn lapses(&self, token: Token) -> bool {
        if token == Token::guard(INSIDE) {
            return matches!(self.transaction.stage, Stage::Dead | Stage::Failed);
        }
        (0..self.outside.len())
            .any(|writer| outside(writer) == token && self.outside[writer] == Outside::Done)
    }
}
