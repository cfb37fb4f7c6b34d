//! A transaction over two keys: everything that one database transaction writes is one write.
//!
//! The steps are coarser than in the rest of the model: a command is sent, executed and answered in one step, because what
//! lost replies and late commands do to one key is searched there. What is searched here is what two keys, one commit and
//! many guards do to each other. Readers read either key in any order, beside a writer outside of the transaction. Watched
//! are P1 and P2 of each key, P3, and what holds for the transaction as a whole:
//!
//! | promise | sentence |
//! | --- | --- |
//! | whole | who was given the transaction's version of one key is never given an older one of the other |
//! | committed | nobody outside is given what was not committed |
//!
//! The keys' verbs are those of [`crate::store`]; beside them, an entry knows until when others hold local copies of it.
//!
//! | mechanism | test | what falls |
//! | --- | --- | --- |
//! | guards placed inside are released by the outermost write | `released_at_the_inner_end`, `half_of_it_released_at_the_inner_end` | P2, whole |
//! | keys that only a result names are guarded before the commit | `late_keys_are_only_deleted` | whole |
//! | … and the local copies of them are waited for | `late_keys_are_guarded_without_their_wait` | P2 |
//! | `guard = "off"` inside is guarded all the same | `off_deletes_at_once_inside` | P1 |
//! | reads inside store nothing | `filled_from_inside`, `an_old_snapshot_is_filled_from_inside` | committed, P1 |
//! | reads inside share nothing | `shared_from_inside`, `an_old_snapshot_is_shared_from_inside` | committed, P2 |
//! | after `Err` the guards stay a while | `released_at_err_at_once`, `released_at_err_at_once_in_a_crash` | P2, P3 |
//!
//! What the placing of a guard costs where it fails, with `guard = "best_effort"`, is shown by
//! `a_guard_that_was_not_placed_costs_p2_and_the_whole`.

mod check;
mod reader;
mod state;
mod writer;

use crate::mutations::{described, falls};
use crate::promises::all_of;
use crate::scene as protocol;

/// One of the two keys.
pub(crate) type Key = usize;
/// Both keys.
pub(crate) const KEYS: [Key; 2] = [0, 1];

/// What a scene can switch off, to see that the checker misses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    /// Guards placed inside are released when the transaction is over, not when the function that named them is.
    OutermostReleases,
    /// Keys that only a result names are guarded before the function returns, so before the commit.
    LateGuard,
    /// … and the local copies of them are waited for.
    LateWait,
    /// Inside, a write with `guard = "off"` places guards as any other.
    OffGuards,
    /// Reads inside store nothing.
    ReadsStoreNothing,
    /// Reads inside share nothing with reads outside.
    ReadsShareNothing,
    /// After `Err` the guards stay longer than a commit can be on its way.
    ErrStays,
}

/// How the transaction's function of a key names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// By its arguments: guarded before its statement.
    Arguments,
    /// By its result: guarded after its statement.
    Result,
    /// By its arguments, with `guard = "off"`.
    Off,
}

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Promise {
    /// P1: a read that starts after a write returned gives a version at least as new.
    ReadsSeeWrites,
    /// P2: no read gives an older version of a key than one that was returned before it started.
    Monotonic,
    /// Who was given the transaction's version of one key is never given an older one of the other.
    Whole,
    /// Nobody outside is given what was not committed.
    Committed,
    /// P3: the others, after a process died.
    CrashSafe,
}

/// How often each kind of trouble may strike in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Trouble {
    /// Processes that die, or writes that are dropped.
    pub(crate) crashes: u8,
    /// Transactions that give `Err`: rolled back, or with a commit that is still on its way.
    pub(crate) errors: u8,
    /// Guards that could not be placed.
    pub(crate) unguarded: u8,
}

/// One exploration.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    /// What the run is called when its size is printed.
    pub(crate) name: &'static str,
    /// What the transaction writes, in order.
    pub(crate) inside: [Named; 2],
    /// What the writers outside write, each once.
    pub(crate) outside: &'static [Key],
    /// The readers, each in a process of its own, and which key each of their reads is of; `None` is either.
    pub(crate) reads: &'static [&'static [Option<Key>]],
    /// Whether readers hold local copies.
    pub(crate) copies: bool,
    /// Whether the transaction reads what it writes.
    pub(crate) reads_inside: bool,
    /// What may go wrong.
    pub(crate) trouble: Trouble,
    /// What must hold.
    pub(crate) promises: &'static [Promise],
    /// The mechanism that is switched off.
    pub(crate) without: Option<Mechanism>,
    /// The scene of one key whose verbs the keys have.
    pub(crate) verbs: protocol::Scene,
}

const TWICE: &[Option<Key>] = &[None, None];

impl Scene {
    /// Two readers, each of which reads either key twice, beside a transaction that names its keys so.
    pub(crate) fn new(name: &'static str, inside: [Named; 2]) -> Self {
        Self {
            name,
            inside,
            outside: &[],
            reads: &[TWICE, TWICE],
            copies: false,
            reads_inside: false,
            trouble: Trouble::default(),
            promises: &[Promise::ReadsSeeWrites, Promise::Monotonic, Promise::Whole, Promise::Committed],
            without: None,
            verbs: protocol::Scene::new(name, &[], &[]),
        }
    }

    /// The same scene with `mechanism` switched off.
    pub(crate) fn without(self, mechanism: Mechanism) -> Self {
        Self { without: Some(mechanism), ..self }
    }

    /// Whether `mechanism` is at work.
    pub(crate) fn has(&self, mechanism: Mechanism) -> bool {
        self.without != Some(mechanism)
    }

    /// Whether `promise` is watched.
    pub(crate) fn promises(&self, promise: Promise) -> bool {
        self.promises.contains(&promise)
    }
}

mod scenes {
    use super::*;

    /// One key of its arguments and one of a result, beside a writer outside.
    pub(super) fn transaction() -> Scene {
        Scene { outside: &[1], ..Scene::new("transaction", [Named::Arguments, Named::Result]) }
    }

    /// The same, and the process of either writer dies at any step.
    pub(super) fn transaction_in_a_crash() -> Scene {
        let trouble = Trouble { crashes: 1, ..Trouble::default() };
        Scene { name: "transaction in a crash", trouble, ..transaction() }
    }

    /// The same, and the transaction gives `Err`.
    pub(super) fn transaction_that_fails() -> Scene {
        let trouble = Trouble { errors: 1, ..Trouble::default() };
        Scene { name: "transaction that fails", trouble, ..transaction() }
    }

    /// It gives `Err`, or its process dies, or both.
    pub(super) fn transaction_that_fails_in_a_crash() -> Scene {
        let trouble = Trouble { errors: 1, crashes: 1, ..Trouble::default() };
        Scene { name: "transaction that fails in a crash", trouble, outside: &[], ..transaction() }
    }

    /// A write with `guard = "off"` inside.
    pub(super) fn transaction_with_off() -> Scene {
        Scene { outside: &[0], ..Scene::new("transaction with off", [Named::Arguments, Named::Off]) }
    }

    /// Writers outside of both keys, and one reader who reads long.
    pub(super) fn transaction_beside_writers() -> Scene {
        Scene { name: "transaction beside writers", outside: &[1, 0], reads: &[&[None; 4]], ..transaction() }
    }

    /// Readers hold local copies.
    pub(super) fn transaction_with_copies() -> Scene {
        let reads: &[&[Option<Key>]] = &[&[Some(1), Some(1), Some(1)], &[Some(1), Some(0), Some(1)]];
        Scene { name: "transaction with copies", copies: true, outside: &[], reads, ..transaction() }
    }

    /// A guard could not be placed, and its policy is best effort: P1 is what such a transaction keeps.
    pub(super) fn transaction_unguarded() -> Scene {
        let trouble = Trouble { unguarded: 1, ..Trouble::default() };
        let promises: &[Promise] = &[Promise::ReadsSeeWrites, Promise::Committed];
        Scene { name: "transaction unguarded", trouble, promises, ..transaction() }
    }

    /// The transaction reads its own rows, and those that it has not locked from its snapshot.
    pub(super) fn transaction_that_reads() -> Scene {
        let trouble = Trouble { errors: 1, ..Trouble::default() };
        let inside = [Named::Result, Named::Result];
        Scene { reads_inside: true, outside: &[1], trouble, ..Scene::new("transaction that reads", inside) }
    }
}

macro_rules! hold {
    ($($scene:ident),+ $(,)?) => {
        $(
            #[test]
            fn $scene() {
                let scene = scenes::$scene();
                all_of(scene.name, scene);
            }
        )+
    };
}

hold!(
    transaction,
    transaction_in_a_crash,
    transaction_that_fails,
    transaction_that_fails_in_a_crash,
    transaction_with_off,
    transaction_beside_writers,
    transaction_with_copies,
    transaction_unguarded,
    transaction_that_reads,
);

/// Explores `scene` until `promise` is broken.
fn breaks(scene: Scene, promise: Promise) {
    falls(&described(scene.name, scene.without), promise.name(), scene);
}

bite!(
    released_at_the_inner_end: transaction without OutermostReleases breaks Monotonic,
    half_of_it_released_at_the_inner_end: transaction without OutermostReleases breaks Whole,
    late_keys_are_only_deleted: transaction without LateGuard breaks Whole,
    late_keys_are_guarded_without_their_wait: transaction_with_copies without LateWait breaks Monotonic,
    off_deletes_at_once_inside: transaction_with_off without OffGuards breaks ReadsSeeWrites,
    filled_from_inside: transaction_that_reads without ReadsStoreNothing breaks Committed,
    an_old_snapshot_is_filled_from_inside: transaction_that_reads without ReadsStoreNothing breaks ReadsSeeWrites,
    shared_from_inside: transaction_that_reads without ReadsShareNothing breaks Committed,
    an_old_snapshot_is_shared_from_inside: transaction_that_reads without ReadsShareNothing breaks Monotonic,
    released_at_err_at_once: transaction_that_fails without ErrStays breaks Monotonic,
    released_at_err_at_once_in_a_crash: transaction_that_fails_in_a_crash without ErrStays breaks CrashSafe,
);

/// The promises of [`scenes::transaction_unguarded`] are all that are left to it.
#[test]
fn a_guard_that_was_not_placed_costs_p2_and_the_whole() {
    let unguarded = scenes::transaction_unguarded;
    breaks(Scene { promises: &[Promise::Monotonic], ..unguarded() }, Promise::Monotonic);
    breaks(Scene { promises: &[Promise::Whole], ..unguarded() }, Promise::Whole);
}
