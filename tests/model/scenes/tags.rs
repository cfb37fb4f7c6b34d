//! The scenes of entries with tags.

use crate::history::Promise;
use crate::scene::{Entry, Key, Scene, Trouble, Write};
use crate::witness::Witness;

/// A tagged entry; one writer invalidates the tag, the other the entry.
pub(crate) fn tags() -> Scene {
    Scene {
        tags: 1,
        reads: 1,
        witnesses: &[Witness::Hit, Witness::Shared],
        ..Scene::new("tags", &[0, 0], &[Write::by(1).of_tag(), Write::by(0)])
    }
}

/// The same with the readers apart and one writer.
pub(crate) fn tags_apart() -> Scene {
    Scene {
        name: "tags apart",
        reads: 2,
        readers: &[0, 1],
        writes: vec![Write::by(1).of_tag()],
        witnesses: &[Witness::Hit, Witness::TagMoved],
        ..tags()
    }
}

/// The release of a tag is retried.
pub(crate) fn tags_late() -> Scene {
    Scene {
        trouble: Trouble { timeouts: 1, ..Trouble::NONE },
        witnesses: &[Witness::Hit, Witness::TagMoved, Witness::Late],
        ..Scene { name: "tags late", readers: &[1], writes: vec![Write::by(0).of_tag(); 2], ..tags_apart() }
    }
}

/// A process dies inside the write of a tag.
pub(crate) fn tags_and_crashes() -> Scene {
    Scene {
        name: "tags and crashes",
        trouble: Trouble { crashes: 1, ..Trouble::NONE },
        witnesses: &[Witness::Hit, Witness::TagMoved, Witness::OrphanStatement],
        ..tags_apart()
    }
}

/// Two tags, each with a writer.
pub(crate) fn tags_two() -> Scene {
    Scene {
        name: "two tags",
        tags: 2,
        readers: &[0],
        writes: vec![Write::by(1).of_tag(), Write::by(0).of(&[Key::Tag(1)])],
        witnesses: &[Witness::Hit, Witness::TagMoved],
        ..tags_apart()
    }
}

/// One writer of both tags, and a reader who comes again.
pub(crate) fn tags_together() -> Scene {
    Scene {
        name: "two tags together",
        readers: &[0, 1],
        reads: 1,
        writes: vec![Write::by(1).of(&[Key::Tag(0), Key::Tag(1)])],
        witnesses: &[Witness::Hit, Witness::TagMoved],
        ..tags_two()
    }
}

/// A writer of the entry and of its tag.
pub(crate) fn tags_and_entry() -> Scene {
    Scene {
        name: "a tag and its entry",
        writes: vec![Write::by(1).of(&[Key::Entry, Key::Tag(0)])],
        witnesses: &[Witness::Hit, Witness::Refused],
        ..tags_apart()
    }
}

/// The same with commands that are late, and the recovery list.
pub(crate) fn tags_and_entry_late() -> Scene {
    Scene {
        name: "a tag and its entry, late",
        readers: &[0],
        writes: vec![Write::by(0).of(&[Key::Entry, Key::Tag(0)])],
        trouble: Trouble { timeouts: 1, ..Trouble::NONE },
        witnesses: &[Witness::Hit, Witness::Late, Witness::Listed],
        ..tags_and_entry()
    }
}

/// Redis loses a key: P1 holds, because the second step deletes, and a tag that is missing revives nothing.
pub(crate) fn tags_lost() -> Scene {
    Scene {
        name: "tags lost",
        readers: &[0],
        writes: vec![Write::by(1).of_tag(), Write::by(0)],
        promises: &[Promise::ReadsSeeWrites],
        trouble: Trouble { losses: 1, ..Trouble::NONE },
        witnesses: &[Witness::Hit, Witness::TagMoved, Witness::Refused],
        ..tags_apart()
    }
}

/// Leases expire while their loaders live.
pub(crate) fn tags_expiries() -> Scene {
    Scene {
        name: "tags and expiries",
        trouble: Trouble { expiries: 1, ..Trouble::NONE },
        witnesses: &[Witness::Hit, Witness::TagMoved, Witness::Refused],
        ..tags_apart()
    }
}

/// Tagged values are past fresh-until, and whoever wins the refresh reloads them.
pub(crate) fn tags_refreshes() -> Scene {
    Scene {
        name: "tags and refreshes",
        entry: Entry::Stale,
        witnesses: &[Witness::Hit, Witness::TagMoved, Witness::Refreshed, Witness::Detached],
        ..tags_apart()
    }
}

/// Some reads of a tagged entry load anew.
pub(crate) fn tags_anew() -> Scene {
    Scene {
        name: "tags anew",
        anew: 1,
        witnesses: &[Witness::Hit, Witness::TakenOver, Witness::Refused],
        ..tags_apart()
    }
}

/// A reader was handed a flight and looks; another joins it, and a third fills from elsewhere what its acquire then finds.
pub(crate) fn tags_found() -> Scene {
    Scene {
        name: "tags found",
        readers: &[0, 0, 1],
        reads: 1,
        handed: true,
        witnesses: &[Witness::Hit, Witness::Shared, Witness::FoundByAcquire],
        ..tags_apart()
    }
}
