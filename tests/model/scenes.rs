//! The scenes: small casts, each explored completely, so that together they cover what can go wrong.
//!
//! Unless a scene says otherwise two readers read twice each, beside two writers who write once each.

use crate::history::Promise;
use crate::scene::{Entry, Policy, Scene, Trouble, Write};
use crate::witness::Witness;

mod tags;

pub(crate) use self::tags::*;

/// Two readers of one process, so that they share loads; a writer in it, and one in another.
pub(crate) fn calm() -> Scene {
    Scene {
        witnesses: &[Witness::Hit, Witness::Refused, Witness::Shared, Witness::GoesOn, Witness::Overlapped],
        ..Scene::new("calm", &[0, 0], &[Write::by(1), Write::by(0)])
    }
}

/// The readers are in two processes: what they share is Redis.
pub(crate) fn apart() -> Scene {
    Scene {
        name: "apart",
        readers: &[0, 1],
        witnesses: &[Witness::Hit, Witness::Refused, Witness::Waited, Witness::Overlapped],
        ..calm()
    }
}

/// The same, and leases expire while their loaders live.
pub(crate) fn expiries() -> Scene {
    Scene {
        trouble: Trouble { expiries: 1, ..Trouble::NONE },
        witnesses: &[Witness::Hit, Witness::Refused, Witness::Waited],
        ..Scene::new("expiries", &[0, 1], &[Write::by(1)])
    }
}

/// A process dies at any step of a read or a write, sharing readers live on or die with it.
pub(crate) fn crashes() -> Scene {
    Scene {
        trouble: Trouble { crashes: 1, ..Trouble::NONE },
        witnesses: &[Witness::Hit, Witness::Refused, Witness::OrphanGuard, Witness::OrphanStatement],
        ..Scene::new("crashes", &[0, 0], &[Write::by(1), Write::by(0)])
    }
}

/// The same with the readers apart, so that a lease outlives its loader.
pub(crate) fn crashes_apart() -> Scene {
    Scene {
        readers: &[0, 1],
        trouble: Trouble { crashes: 1, expiries: 1, ..Trouble::NONE },
        witnesses: &[Witness::Hit, Witness::Refused, Witness::Waited, Witness::OrphanGuard],
        name: "crashes apart",
        writes: vec![Write::by(1)],
        ..crashes()
    }
}

/// Commands are late or their replies lost; a refused guard, a release that is retried.
pub(crate) fn late_commands() -> Scene {
    Scene {
        reads: 1,
        trouble: Trouble { timeouts: 1, ..Trouble::NONE },
        witnesses: &[Witness::Hit, Witness::Refused, Witness::Late, Witness::Listed],
        ..Scene::new("late commands", &[0, 0], &[Write::by(1), Write::by(0)])
    }
}

/// The same with one writer, reads that repeat, and leases that expire.
pub(crate) fn late_fills() -> Scene {
    Scene {
        trouble: Trouble { timeouts: 1, expiries: 1, ..Trouble::NONE },
        witnesses: &[Witness::Hit, Witness::Refused, Witness::Late],
        ..Scene::new("late fills", &[0, 0], &[Write::by(1)])
    }
}

/// Two commands are late at once.
pub(crate) fn late_twice() -> Scene {
    Scene { name: "late twice", trouble: Trouble { timeouts: 2, ..Trouble::NONE }, ..late_fills() }
}

/// A process dies, and what it or another sent executes later.
pub(crate) fn late_and_dead() -> Scene {
    Scene {
        trouble: Trouble { timeouts: 1, crashes: 1, ..Trouble::NONE },
        witnesses: &[Witness::Hit, Witness::Late, Witness::OrphanGuard],
        ..Scene::new("late and dead", &[0, 1], &[Write::by(1)])
    }
}

/// A caller is dropped at any step: a leader whose followers go on, a write whose statement goes on.
pub(crate) fn cancellations() -> Scene {
    Scene {
        trouble: Trouble { cancellations: 1, ..Trouble::NONE },
        witnesses: &[Witness::Hit, Witness::Late, Witness::GoesOn, Witness::OrphanStatement],
        ..Scene::new("cancellations", &[0, 0], &[Write::by(1)])
    }
}

/// Everything at once, for a cast of three.
pub(crate) fn everything() -> Scene {
    Scene {
        reads: 1,
        trouble: Trouble { timeouts: 1, crashes: 1, cancellations: 1, expiries: 1, ..Trouble::NONE },
        witnesses: &[Witness::Hit, Witness::Refused, Witness::Late, Witness::OrphanGuard],
        ..Scene::new("everything", &[0, 0], &[Write::by(1)])
    }
}

/// Writers store the value they wrote.
pub(crate) fn puts() -> Scene {
    Scene {
        trouble: Trouble { timeouts: 1, ..Trouble::NONE },
        witnesses: &[Witness::Hit, Witness::Put, Witness::Overlapped, Witness::OrphanGuard],
        ..Scene::new("puts", &[0], &[Write::by(1).putting(), Write::by(0).putting()])
    }
}

/// The same with a process that dies.
pub(crate) fn puts_and_crashes() -> Scene {
    Scene {
        name: "puts and crashes",
        readers: &[0, 1],
        trouble: Trouble { crashes: 1, ..Trouble::NONE },
        ..puts()
    }
}

/// A writer that puts beside one that could not place a guard: `best_effort`, and its guard is late.
pub(crate) fn puts_unguarded() -> Scene {
    let writes = [Write::by(1).putting().with(Policy::BestEffort), Write::by(0).putting()];
    Scene {
        promises: &[Promise::ReadsSeeDeliveredWrites],
        trouble: Trouble { timeouts: 1, ..Trouble::NONE },
        witnesses: &[Witness::Hit, Witness::Put, Witness::Late],
        ..Scene::new("puts unguarded", &[0], &writes)
    }
}

/// A writer that puts beside one that only deletes afterwards: `guard = "off"`, or a key that only the
/// result names. P1 is all that such a write keeps.
pub(crate) fn removes() -> Scene {
    Scene {
        promises: &[Promise::ReadsSeeWrites],
        witnesses: &[Witness::Hit, Witness::Put, Witness::Overlapped],
        ..Scene::new("removes", &[0, 0], &[Write::by(1).putting(), Write::by(0).with(Policy::Off)])
    }
}

/// Nobody guards: P1 holds.
pub(crate) fn unguarded() -> Scene {
    let writes = [Write::by(1).with(Policy::Off), Write::by(0).with(Policy::Off)];
    Scene {
        promises: &[Promise::ReadsSeeWrites],
        trouble: Trouble { expiries: 1, ..Trouble::NONE },
        witnesses: &[Witness::Hit, Witness::Refused, Witness::Shared],
        ..Scene::new("unguarded", &[0, 0], &writes)
    }
}

/// Redis loses a key: P1 holds, because the second step deletes.
pub(crate) fn losses() -> Scene {
    Scene {
        reads: 1,
        promises: &[Promise::ReadsSeeWrites],
        trouble: Trouble { losses: 1, ..Trouble::NONE },
        witnesses: &[Witness::Hit, Witness::Put, Witness::Overlapped],
        ..Scene::new("losses", &[0, 0], &[Write::by(1).putting(), Write::by(0).putting()])
    }
}

/// A guard expires under a live writer: the same.
pub(crate) fn lapses() -> Scene {
    Scene { name: "lapses", trouble: Trouble { lapses: 1, ..Trouble::NONE }, ..losses() }
}

/// `best_effort` while Redis is out of reach of the process that writes: P1 within this process.
pub(crate) fn outage() -> Scene {
    Scene {
        promises: &[Promise::ReadsSeeDeliveredWrites],
        trouble: Trouble { timeouts: 2, ..Trouble::NONE },
        witnesses: &[Witness::Hit, Witness::Listed, Witness::Late],
        ..Scene::new("outage", &[0, 0], &[Write::by(0).with(Policy::BestEffort)])
    }
}

/// Two writes of one process whose release fails, and the deliveries of its recovery list.
pub(crate) fn deliveries() -> Scene {
    Scene {
        reads: 1,
        promises: &[Promise::ReadsSeeDeliveredWrites],
        trouble: Trouble { timeouts: 2, ..Trouble::NONE },
        witnesses: &[Witness::Hit, Witness::Listed, Witness::Late],
        ..Scene::new("deliveries", &[0, 1], &[Write::by(0).with(Policy::Off); 2])
    }
}

/// Values are past fresh-until, and whoever wins the refresh reloads them.
pub(crate) fn refreshes() -> Scene {
    Scene {
        entry: Entry::Stale,
        trouble: Trouble { expiries: 1, ..Trouble::NONE },
        witnesses: &[Witness::Hit, Witness::Refreshed, Witness::Refused, Witness::Detached],
        ..Scene::new("refreshes", &[0, 0], &[Write::by(1)])
    }
}

/// The same with a process that dies while it refreshes, and commands that are late.
pub(crate) fn refreshes_in_trouble() -> Scene {
    Scene {
        name: "refreshes in trouble",
        readers: &[0, 1],
        reads: 1,
        trouble: Trouble { timeouts: 1, crashes: 1, expiries: 1, ..Trouble::NONE },
        ..refreshes()
    }
}

/// Values are refreshed while the release of a write can't be delivered.
pub(crate) fn refreshes_in_an_outage() -> Scene {
    Scene {
        name: "refreshes in an outage",
        entry: Entry::Stale,
        witnesses: &[Witness::Hit, Witness::Listed, Witness::Detached],
        ..outage()
    }
}

/// Another program changes the row meanwhile, and invalidates nothing.
pub(crate) fn refreshes_after_changes() -> Scene {
    Scene {
        entry: Entry::Stale,
        cached: true,
        promises: &[Promise::Monotonic],
        trouble: Trouble { changes: 1, ..Trouble::NONE },
        witnesses: &[Witness::Hit, Witness::Refreshed, Witness::Detached],
        ..Scene::new("refreshes after changes", &[0, 0, 1], &[])
    }
}

/// Some reads load anew, whatever is there. Values may be past fresh-until too, and are then refreshed.
pub(crate) fn anew() -> Scene {
    Scene {
        anew: 2,
        entry: Entry::Stale,
        witnesses: &[Witness::Hit, Witness::Refused, Witness::TakenOver, Witness::Shared],
        ..Scene::new("anew", &[0, 0], &[Write::by(1)])
    }
}

/// The same with the readers apart, a process that dies, and commands that are late.
pub(crate) fn anew_in_trouble() -> Scene {
    Scene {
        name: "anew in trouble",
        readers: &[0, 1],
        reads: 1,
        cached: true,
        trouble: Trouble { timeouts: 1, crashes: 1, ..Trouble::NONE },
        witnesses: &[Witness::Hit, Witness::Refused, Witness::TakenOver, Witness::Late],
        ..anew()
    }
}

/// Another program changes the row, and invalidates nothing: what is there stays until it is loaded anew.
pub(crate) fn anew_after_changes() -> Scene {
    Scene {
        name: "anew after changes",
        cached: true,
        entry: Entry::Plain,
        trouble: Trouble { changes: 1, ..Trouble::NONE },
        promises: &[Promise::ReadsSeeWrites, Promise::LoadedAnew],
        witnesses: &[Witness::Hit, Witness::LeftBehind, Witness::TakenOver, Witness::SharedAnew],
        ..anew()
    }
}

/// The same without a write, and with a third reader elsewhere who loads anew too.
pub(crate) fn anew_apart() -> Scene {
    Scene {
        name: "anew apart",
        readers: &[0, 0, 1],
        reads: 1,
        writes: Vec::new(),
        trouble: Trouble { changes: 1, expiries: 1, ..Trouble::NONE },
        witnesses: &[Witness::Hit, Witness::LeftBehind, Witness::TakenOver, Witness::Ended],
        ..anew_after_changes()
    }
}

/// The same with commands that are late and a process that dies.
pub(crate) fn anew_late() -> Scene {
    Scene {
        name: "anew late",
        readers: &[0, 1],
        reads: 2,
        trouble: Trouble { changes: 1, timeouts: 1, crashes: 1, ..Trouble::NONE },
        witnesses: &[Witness::Hit, Witness::LeftBehind, Witness::TakenOver, Witness::Late, Witness::Listed],
        ..anew_apart()
    }
}

/// Nothing is there at first: who loads anew takes the load of another over.
pub(crate) fn anew_loads() -> Scene {
    Scene {
        name: "anew loads",
        readers: &[0, 0, 1, 1],
        reads: 1,
        anew_by: &[1, 2],
        cached: false,
        trouble: Trouble { changes: 1, ..Trouble::NONE },
        witnesses: &[Witness::LeftBehind, Witness::Ended, Witness::SharedAnew],
        ..anew_apart()
    }
}

/// The origin lags; `settle` keeps the guard until it has caught up, so that hits keep P1.
pub(crate) fn lag() -> Scene {
    Scene {
        entry: Entry::Lagging,
        promises: &[Promise::HitsSeeWrites],
        witnesses: &[Witness::Hit, Witness::Settling, Witness::Refused],
        ..Scene::new("lag", &[0, 0], &[Write::by(1), Write::by(0)])
    }
}
