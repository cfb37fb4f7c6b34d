//! What was returned, in the order in which it was, and whether it keeps the promises.

use super::scenario::{Promise, Scenario};
use crate::options::ReadMode;

/// The beginnings and ends of calls so far.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    /// For each process, the newest version that a write had written that is over.
    written: [u64; 2],
    /// The newest version that another program has made.
    changed: u64,
    /// The newest version that a call has returned which loaded it anew.
    anew: u64,
    /// For each process, the newest version that any call has returned.
    returned: [u64; 2],
    /// For each call, the oldest version that it may give.
    floors: Vec<u64>,
    /// For each call that is over, what it gave.
    pub(super) gave: Vec<Option<Gave>>,
}

/// What a call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Gave {
    Version(u64),
    Error,
    /// It was dropped, or died with its process.
    Nothing,
}

impl History {
    pub(super) fn new(calls: usize) -> History {
        History { floors: vec![0; calls], gave: vec![None; calls], ..History::default() }
    }

    pub(super) fn begin(&mut self, scenario: &Scenario, call: usize) {
        let written = self.written.into_iter().max().unwrap_or_default();
        self.floors[call] = match scenario.promise {
            Promise::Linearizable => self.returned.into_iter().max().unwrap_or_default(),
            Promise::ReadsSeeWrites => written,
            Promise::LoadedAnew if scenario.calls[call].asked == ReadMode::Refresh => {
                written.max(self.anew).max(self.changed)
            }
            Promise::LoadedAnew => written.max(self.anew),
            Promise::InOneProcess if scenario.calls[call].process == 0 => self.returned[0],
            Promise::InOneProcess => 0,
        };
    }

    /// A call is over. `wrote` is the version that it had made of the database's row, whatever it says itself.
    pub(super) fn end(
        &mut self,
        scenario: &Scenario,
        call: usize,
        gave: Gave,
        wrote: u64,
    ) -> Result<(), String> {
        let process = scenario.calls[call].process;
        self.gave[call] = Some(gave);
        if scenario.calls[call].changes() {
            self.changed = self.changed.max(wrote);
            return Ok(());
        }
        self.written[process] = self.written[process].max(wrote);
        let mut newest = wrote;
        if let Gave::Version(version) = gave {
            newest = newest.max(version);
            let floor = self.floors[call];
            if scenario.calls[call].writes.is_none() && version < floor {
                let name = scenario.name_of(call);
                return Err(format!(
                    "{name} gives version {version}, and version {floor} was returned before it began"
                ));
            }
            if scenario.calls[call].asked == ReadMode::Refresh {
                self.anew = self.anew.max(version);
            }
        }
        self.returned[process] = self.returned[process].max(newest);
        Ok(())
    }

    /// Whether an older version than the database's may be left: what nobody has announced, and nobody has loaded anew.
    pub(super) fn allows(&self, scenario: &Scenario, version: u64) -> bool {
        let written = self.written.into_iter().max().unwrap_or_default();
        scenario.promise == Promise::LoadedAnew && version >= written.max(self.anew)
    }

    /// What tells two histories apart.
    pub(super) fn outcome(&self) -> (Vec<Option<Gave>>, Vec<u64>) {
        (self.gave.clone(), self.floors.clone())
    }
}
