//! Local copies: hits without the network that are still linearizable.
//!
//! A process registers a copy on the entry itself, and on each of its tags: `local_until`, a time of the server. A guard takes it
//! over and answers it, and the writer waits it out before its body. The steps are coarse, as in [`crate::transaction`]. Time has no
//! clock here: registrations are numbered in their order, and whoever waits for one ends all copies that were registered up to it.
//! A copy may also end at any time before that, since nobody knows how long its owner keeps it.
//!
//! | promise | sentence |
//! | --- | --- |
//! | P | nobody is given less than a write that had returned (P1), or than what a read had given (P2, where the scene watches it), when the call began |
//!
//! | mechanism | test |
//! | --- | --- |
//! | a writer waits for the copies before its body | `a_writer_waits_before_its_body`, and with writers that store, crashes, one and two tags |
//! | a copy is used for a time that counts from the question | `time_counts_from_the_question` |
//! | who joins a guard is told of the copies too | `who_joins_a_guard_is_told` |
//! | a plain read makes no copy | `a_plain_read_makes_no_copy` |
//! | a refill waits for the copies | `a_refill_waits`, `a_load_anew_waits` |
//! | … for those that it meets, not those that its election has met | `a_refill_asks` |
//! | … and nothing is registered while a refresh runs | `nothing_is_registered_while_a_refresh_runs` |
//! | no step takes a registration away | `no_step_takes_a_registration_away`, and with values that are not stored, removals and writers that are dropped |
//! | what releases or removes waits for what it meets | `a_removal_waits`, `a_delivery_waits`, `a_load_anew_waits_for_its_removal`, `a_release_waits_after_a_loss` |
//! | an unusable entry stays while copies may live | `an_unusable_entry_stays`, `an_entry_whose_tag_has_moved_stays` |
//! | a guard does not end before the copies | `a_guard_outlives_the_copies` |
//! | a copy ends with the entry at the latest | `a_copy_ends_with_its_entry`, `a_copy_ends_with_its_tag` |
//! | a copy of a tagged entry is registered on its tags | `tags_are_registered` |
//! | a tagged value carries the versions from before its load | `stamps_are_from_before_the_load` |
//!
//! Where it ends: `a_lost_registration_is_a_limit`.

mod check;
mod reader;
mod state;
mod writer;

use crate::mutations::falls;
use crate::promises::all_of;

/// The promise.
const P: &str = "P";
/// A key, by number.
type Key = usize;
/// The entry.
const ENTRY: Key = 0;
/// The entry and two tags.
const KEYS: usize = 3;

/// What a scene can switch off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    /// A writer waits for the local copies before its body.
    WaitsBeforeBody,
    /// The time of a copy counts from when the question was sent.
    FromTheQuestion,
    /// Who joins a guard is told of the copies of what it has replaced.
    JoinerIsTold,
    /// A copy is kept of a registered read only.
    RegisteredOnly,
    /// A refill waits for the copies of what it replaces.
    RefillWaits,
    /// … for those that it meets; without this for those that its election has met.
    RefillAsks,
    /// Nothing is registered while a refresh runs.
    QuietWhileRefreshed,
    /// What deletes an entry leaves its registration behind, in a guard.
    KeepsRegistration,
    /// What releases, removes or delivers is over when the copies that it has met are.
    ReleaseWaits,
    /// An entry that can't be used is not replaced while copies of it may live.
    UnusableStays,
    /// A guard does not end before the copies of what it has replaced.
    GuardOutlives,
    /// A copy is granted no longer than its entry, or the version of its tag, lasts.
    GrantsWhatIsLeft,
    /// A copy is registered on the tags of its entry too.
    RegistersTags,
    /// A tagged value carries the versions of the tags from before its load.
    StampsBeforeLoad,
    /// Not a mechanism but what they take for granted: Redis loses no registration.
    RedisKeeps,
}

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It guards its keys, and deletes them.
    Deletes,
    /// It guards its key, and stores what it wrote if it was alone.
    Stores,
    /// It deletes its key afterwards only.
    Off,
    /// Its guard can't be placed, nor its deletion delivered for a while.
    Undeliverable,
}

/// A writer; it writes once.
#[derive(Clone, Copy, Debug)]
struct Write {
    keys: &'static [Key],
    kind: Kind,
}

const DELETES: Write = Write { keys: &[ENTRY], kind: Kind::Deletes };
const STORES: Write = Write { kind: Kind::Stores, ..DELETES };
const OFF: Write = Write { kind: Kind::Off, ..DELETES };
const UNDELIVERABLE: Write = Write { kind: Kind::Undeliverable, ..DELETES };
const TAG: Write = Write { keys: &[1], ..DELETES };

/// How often each kind of trouble may strike in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Trouble {
    /// Changes of the row by other programs.
    changes: u8,
    /// Calls that load anew.
    anew: u8,
    /// Refreshes that pass their deadline.
    lapses: u8,
    /// Guards that Redis loses. While copies live that is a limit of the promise.
    losses: u8,
    /// Writers that are dropped while they wait.
    drops: u8,
    crashes: u8,
    /// Tagged entries and versions of tags that expire.
    expiries: u8,
}

/// One exploration.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of the scene")]
struct Scene {
    name: &'static str,
    readers: usize,
    /// How often each reader calls.
    calls: u8,
    writers: &'static [Write],
    /// How many tags the entry carries.
    tags: usize,
    /// Whether the first version is stored already.
    cached: bool,
    /// Whether the entry is past fresh-until.
    stale: bool,
    /// Whether a refresh past its deadline may be won by somebody else.
    reelects: bool,
    /// Whether the body of a refresh may give what is not to be stored.
    discards: bool,
    /// Whether entries expire.
    entries_end: bool,
    /// The readers that keep copies; empty: all.
    keeps: &'static [usize],
    /// The readers of another type.
    other_type: &'static [usize],
    /// Whether what a read has given is a floor for later calls.
    monotonic: bool,
    /// Whether what a load anew has given is one.
    anew_is_newest: bool,
    trouble: Trouble,
    without: Vec<Mechanism>,
}

impl Scene {
    fn new(name: &'static str, writers: &'static [Write]) -> Self {
        Self {
            name,
            readers: 2,
            calls: 2,
            writers,
            tags: 0,
            cached: false,
            stale: false,
            reelects: true,
            discards: false,
            entries_end: true,
            keeps: &[],
            other_type: &[],
            monotonic: true,
            anew_is_newest: true,
            trouble: Trouble::default(),
            without: Vec::new(),
        }
    }

    fn without(mut self, mechanism: Mechanism) -> Self {
        self.without.push(mechanism);
        self
    }

    fn has(&self, mechanism: Mechanism) -> bool {
        !self.without.contains(&mechanism)
    }

    fn keeps(&self, reader: usize) -> bool {
        self.keeps.is_empty() || self.keeps.contains(&reader)
    }

    fn other_type(&self, reader: usize) -> bool {
        self.other_type.contains(&reader)
    }
}

/// Two writers, and a process that dies.
fn copies() -> Scene {
    let trouble = Trouble { crashes: 1, ..Trouble::default() };
    Scene { calls: 3, trouble, ..Scene::new("local copies", &[DELETES, DELETES]) }
}

/// A stale entry that three processes refresh, after another program has changed the row.
fn refills() -> Scene {
    Scene {
        readers: 3,
        calls: 3,
        cached: true,
        stale: true,
        entries_end: false,
        trouble: Trouble { changes: 1, ..Trouble::default() },
        ..Scene::new("refills under copies", &[])
    }
}

/// The same with a refresh that passes its deadline.
fn lapsed_refills() -> Scene {
    let trouble = Trouble { changes: 1, lapses: 1, ..Trouble::default() };
    Scene { name: "lapsed refills under copies", reelects: false, trouble, ..refills() }
}

/// The same with two writers, one of whom may die.
fn written_refills() -> Scene {
    let trouble = Trouble { crashes: 1, lapses: 1, ..Trouble::default() };
    Scene {
        cached: true,
        stale: true,
        trouble,
        ..Scene::new("refills beside writes under copies", &[DELETES, DELETES])
    }
}

/// Loads anew, after another program has changed the row.
fn anew() -> Scene {
    Scene {
        cached: true,
        stale: true,
        monotonic: false,
        trouble: Trouble { anew: 2, changes: 1, ..Trouble::default() },
        ..Scene::new("loads anew under copies", &[])
    }
}

/// A writer that stores what it wrote.
fn stores() -> Scene {
    Scene { stale: true, ..Scene::new("writers that store under copies", &[STORES, DELETES]) }
}

/// A reload that is not to be stored.
fn discards() -> Scene {
    let keeps = &[0];
    Scene {
        calls: 3,
        stale: true,
        discards: true,
        keeps,
        ..Scene::new("values not stored under copies", &[DELETES])
    }
}

/// A write that deletes afterwards only, beside one with a guard.
fn removes() -> Scene {
    Scene { monotonic: false, ..Scene::new("removals under copies", &[OFF, DELETES]) }
}

/// A writer that is dropped while it waits.
fn drops() -> Scene {
    let trouble = Trouble { drops: 1, crashes: 1, ..Trouble::default() };
    Scene { trouble, ..Scene::new("dropped writers under copies", &[DELETES, DELETES]) }
}

/// A process that dies between guard and release.
fn dies() -> Scene {
    let trouble = Trouble { crashes: 1, ..Trouble::default() };
    Scene { trouble, ..Scene::new("dead writers under copies", &[DELETES, DELETES]) }
}

/// The recovery list of the one process that reads: others may be given old values until it is delivered.
fn owed() -> Scene {
    Scene {
        readers: 1,
        calls: 20,
        monotonic: false,
        ..Scene::new("the recovery list under copies", &[UNDELIVERABLE, UNDELIVERABLE])
    }
}

/// Two releases of the application, each of which can't read what the other stored.
fn types() -> Scene {
    Scene { readers: 3, other_type: &[1], ..Scene::new("two types under copies", &[DELETES]) }
}

/// A guard is lost.
fn lost() -> Scene {
    let trouble = Trouble { losses: 1, ..Trouble::default() };
    Scene { monotonic: false, trouble, ..Scene::new("lost guards under copies", &[DELETES, DELETES]) }
}

/// A tagged entry, and a writer of its tag.
fn tag() -> Scene {
    let trouble = Trouble { expiries: 1, ..Trouble::default() };
    Scene { tags: 1, trouble, ..Scene::new("a tag under copies", &[TAG]) }
}

/// A writer of the entry and its tag.
fn tag_and_entry() -> Scene {
    let writers = &[Write { keys: &[ENTRY, 1], ..DELETES }];
    Scene { tags: 1, ..Scene::new("a tag and its entry under copies", writers) }
}

/// A writer of the tag, who may be dropped, and one of the entry.
fn tag_beside_entry() -> Scene {
    let trouble = Trouble { drops: 1, ..Trouble::default() };
    Scene { tags: 1, trouble, ..Scene::new("a tag beside its entry under copies", &[TAG, DELETES]) }
}

/// Two writers of the tag, of whom one may be dropped.
fn tag_twice() -> Scene {
    let trouble = Trouble { drops: 1, ..Trouble::default() };
    Scene { tags: 1, trouble, ..Scene::new("a tag twice under copies", &[TAG, TAG]) }
}

/// Two tags.
fn two_tags() -> Scene {
    Scene { tags: 2, ..Scene::new("two tags under copies", &[Write { keys: &[1, 2], ..DELETES }]) }
}

macro_rules! holds {
    ($($scene:ident),+ $(,)?) => {
        mod promises {
            $(
                #[test]
                fn $scene() {
                    let scene = super::$scene();
                    super::all_of(scene.name, scene);
                }
            )+
        }
    };
}

holds!(
    copies,
    refills,
    lapsed_refills,
    written_refills,
    anew,
    stores,
    discards,
    removes,
    drops,
    dies,
    owed,
    types,
    lost,
    tag,
    tag_and_entry,
    tag_beside_entry,
    tag_twice,
    two_tags,
);

/// Explores a scene until the promise falls.
fn broken(scene: Scene) {
    falls(&format!("{} without {:?}", scene.name, scene.without), P, scene);
}

macro_rules! bites {
    ($($test:ident: $scene:ident without $($mechanism:ident)and+),+ $(,)?) => {
        $(
            #[test]
            fn $test() {
                broken($scene()$(.without(Mechanism::$mechanism))+);
            }
        )+
    };
}

bites!(
    a_writer_waits_before_its_body: copies without WaitsBeforeBody,
    a_writer_waits_beside_refills: written_refills without WaitsBeforeBody,
    a_writer_that_stores_waits: stores without WaitsBeforeBody,
    a_writer_of_a_tag_waits: tag without WaitsBeforeBody,
    a_writer_of_a_tag_and_its_entry_waits: tag_and_entry without WaitsBeforeBody,
    time_counts_from_the_question: copies without FromTheQuestion,
    who_joins_a_guard_is_told: copies without JoinerIsTold,
    a_plain_read_makes_no_copy: copies without RegisteredOnly,
    a_refill_waits: refills without RefillWaits,
    a_load_anew_waits: anew without RefillWaits,
    a_refill_asks: lapsed_refills without RefillAsks,
    nothing_is_registered_while_a_refresh_runs: refills without RefillAsks and QuietWhileRefreshed,
    no_step_takes_a_registration_away: removes without KeepsRegistration,
    a_value_not_stored_leaves_its_registration: discards without KeepsRegistration,
    a_dropped_writer_leaves_the_registration: drops without KeepsRegistration,
    a_dropped_writer_of_a_tag_leaves_the_registration: tag_twice without KeepsRegistration,
    a_removal_waits: removes without ReleaseWaits,
    a_delivery_waits: owed without ReleaseWaits,
    a_load_anew_waits_for_its_removal: anew without ReleaseWaits,
    a_release_waits_after_a_loss: lost without ReleaseWaits,
    an_unusable_entry_stays: types without UnusableStays,
    an_entry_whose_tag_has_moved_stays: tag_beside_entry without KeepsRegistration and UnusableStays,
    a_guard_outlives_the_copies: dies without GuardOutlives,
    a_lost_registration_is_a_limit: lost without RedisKeeps,
    a_copy_ends_with_its_entry: copies without GrantsWhatIsLeft,
    a_copy_ends_with_its_tag: tag without GrantsWhatIsLeft,
    tags_are_registered: tag without RegistersTags,
    two_tags_are_registered: two_tags without RegistersTags,
    stamps_are_from_before_the_load: tag without StampsBeforeLoad,
);
