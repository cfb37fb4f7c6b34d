//! Verification: a sampled hit also runs the body, and an entry that is not what it gives is told and removed. Annotated writes, however
//! they overlap with it, must raise no alarm.
//!
//! One process verifies one key, beside readers that load and refresh it and writers of every kind. The steps are coarse, as in
//! [`crate::transaction`]. Its order is that of `runtime/src/read/verify.rs`: a hit, its body, a pause, a look; the next hit of the
//! key, its body, a pause, a look, and only then the alarm. Time has no clock here: a pause may be over at any moment at which no
//! deletion is on its way and no replica lags, which is what its length is for.
//!
//! | promise | sentence |
//! | --- | --- |
//! | no false alarm | what is told is an entry that is older than the row, and that no write under way will end |
//! | the accused alone | what is removed is that entry, and nothing that has come in its place |
//! | no false doubt | a body that gives what the row says is not told to be unverifiable, unless its origin lags |
//!
//! | mechanism | test |
//! | --- | --- |
//! | a look comes after a pause | `deletions_are_waited_for`, `lost_guards_are_waited_for`, `replicas_are_waited_for`, `a_row_that_returns_is_no_doubt` |
//! | a second hit runs the body again | `one_body_may_be_behind` |
//! | … and both bodies have given the same | `bodies_that_disagree_accuse_nobody` |
//! | the removal names the entry that it is about | `another_entry_is_not_removed` |
//!
//! After the pause a second hit of the same entry is proof enough for these: it is a look with everything that a look compares. So
//! each of them falls only without the second body, which would then be the one proof:
//!
//! | mechanism | test |
//! | --- | --- |
//! | the entry is looked at after the body | `what_a_write_has_ended_is_not_accused`, `what_a_write_of_its_tag_has_ended_is_not_accused` |
//! | … by who wrote it, not by what it says | `the_same_value_again_is_another_entry` |
//! | … with its tags | `an_entry_whose_tag_has_moved_is_not_accused` |
//! | the body runs after the look that found the entry | `a_body_that_ran_before_may_be_older` |
//!
//! `unannotated` shows that it finds what it is for. Where a pause ends too early, which without a guard is where a write goes on for
//! longer after its commit, `deletions_are_waited_for` shows what that costs.

mod check;
mod state;

use crate::mutations::falls;
use crate::promises::all_of;

/// Nothing else is told.
const NO_FALSE_ALARM: &str = "no false alarm";
/// No body that can be verified is told not to be.
const NO_FALSE_DOUBT: &str = "no false doubt";
/// Nothing else is removed.
const THE_ACCUSED_ALONE: &str = "the accused alone";

/// What a scene can switch off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    /// The body begins when the look has found the entry.
    BodyAfterLook,
    /// A look comes after a pause in which deletions arrive and replicas catch up.
    Pause,
    /// The entry is looked at after each body.
    LooksAgain,
    /// … together with its tags.
    ComparesTags,
    /// … by the token of who wrote it; without this by its value.
    ComparesTokens,
    /// A second hit runs the body once more.
    SecondBody,
    /// Two bodies that gave different values accuse nobody.
    BodiesAgree,
    /// Only the entry that was accused is removed.
    RemovesTheAccused,
}

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    /// It guards the entry, and deletes it.
    Deletes,
    /// It guards the entry, and stores what it wrote if it was alone.
    Stores,
    /// It guards the entry until the replica has caught up.
    Settles,
    /// It guards the tag of the entry, and deletes that.
    OfTag,
    /// It deletes the entry afterwards only: `guard = "off"`, and keys that only the result names.
    Off,
}

/// How often each kind of trouble may strike in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Trouble {
    /// Changes of the row that nobody announces.
    changes: u8,
    /// Guards that are lost.
    losses: u8,
}

/// One exploration.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of the scene")]
struct Scene {
    name: &'static str,
    writers: &'static [Write],
    readers: usize,
    /// How often each reader reads.
    calls: u8,
    /// Whether the entry carries a tag.
    tagged: bool,
    /// Whether bodies may be answered by a replica that lags.
    lags: bool,
    /// Whether the body gives something else each time.
    changing: bool,
    /// Whether the row has but two values, which take turns.
    repeats: bool,
    /// Whether an alarm is possible.
    alarms: bool,
    trouble: Trouble,
    without: Vec<Mechanism>,
}

impl Scene {
    fn new(name: &'static str, writers: &'static [Write]) -> Self {
        Self {
            name,
            writers,
            readers: 2,
            calls: 2,
            tagged: false,
            lags: false,
            changing: false,
            repeats: false,
            alarms: false,
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
}

fn guards() -> Scene {
    Scene::new("verification beside guards", &[Write::Deletes, Write::Deletes])
}

fn stores() -> Scene {
    Scene::new("verification beside writes that store", &[Write::Stores, Write::Deletes])
}

fn tags() -> Scene {
    Scene {
        tagged: true,
        ..Scene::new("verification beside a write of a tag", &[Write::OfTag, Write::Deletes])
    }
}

fn unguarded() -> Scene {
    Scene::new("verification beside writes without a guard", &[Write::Off, Write::Off])
}

fn losses() -> Scene {
    let trouble = Trouble { losses: 1, ..Trouble::default() };
    Scene { trouble, ..Scene::new("verification beside a lost guard", &[Write::Deletes, Write::Deletes]) }
}

fn settles() -> Scene {
    Scene { lags: true, ..Scene::new("verification beside `settle`", &[Write::Settles, Write::Settles]) }
}

/// Without `settle`: what a body on the replica has stored may stay, and is rightly told.
fn lag() -> Scene {
    Scene { alarms: true, lags: true, ..Scene::new("verification behind a replica", &[Write::Deletes]) }
}

/// The body gives the time, or the like.
fn changing() -> Scene {
    Scene { changing: true, ..Scene::new("verification of what can't be verified", &[Write::Deletes]) }
}

/// A row that is what it was before, after two writes.
fn repeats() -> Scene {
    Scene { repeats: true, ..Scene::new("verification of a row that returns", &[Write::Off, Write::Off]) }
}

/// What it is for.
fn unannotated() -> Scene {
    let trouble = Trouble { changes: 1, ..Trouble::default() };
    Scene { alarms: true, trouble, ..Scene::new("verification finds a change", &[Write::Deletes]) }
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

holds!(guards, stores, tags, unguarded, losses, settles, lag, changing, repeats, unannotated);

macro_rules! bites {
    ($($test:ident: $scene:ident without $($mechanism:ident)and+ breaks $promise:ident),+ $(,)?) => {
        $(
            #[test]
            fn $test() {
                let scene = $scene()$(.without(Mechanism::$mechanism))+;
                falls(&format!("{} without {:?}", scene.name, scene.without), $promise, scene);
            }
        )+
    };
}

bites!(
    deletions_are_waited_for: unguarded without Pause breaks NO_FALSE_ALARM,
    a_row_that_returns_is_no_doubt: repeats without Pause breaks NO_FALSE_DOUBT,
    lost_guards_are_waited_for: losses without Pause breaks NO_FALSE_ALARM,
    replicas_are_waited_for: lag without Pause breaks NO_FALSE_ALARM,
    one_body_may_be_behind: lag without SecondBody breaks NO_FALSE_ALARM,
    bodies_that_disagree_accuse_nobody: changing without BodiesAgree breaks NO_FALSE_ALARM,
    what_a_write_has_ended_is_not_accused: unguarded without SecondBody and LooksAgain breaks NO_FALSE_ALARM,
    what_a_write_of_its_tag_has_ended_is_not_accused: tags without SecondBody and LooksAgain breaks NO_FALSE_ALARM,
    the_same_value_again_is_another_entry: repeats without SecondBody and ComparesTokens breaks NO_FALSE_ALARM,
    an_entry_whose_tag_has_moved_is_not_accused: tags without SecondBody and ComparesTags breaks NO_FALSE_ALARM,
    a_body_that_ran_before_may_be_older: guards without SecondBody and BodyAfterLook breaks NO_FALSE_ALARM,
    another_entry_is_not_removed: unannotated without RemovesTheAccused breaks THE_ACCUSED_ALONE,
);
