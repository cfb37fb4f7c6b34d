//! A run in words.

use std::{fmt::Write, sync::atomic::Ordering::SeqCst};

use super::{choice::Choice, search::KINDS, world::World};

impl World<'_> {
    pub(super) fn describe(&self, choice: Choice) -> String {
        let name = |call: usize| self.scenario.name_of(call);
        let command = |number: usize| {
            let (process, verb, of) =
                self.stage.command(number, |command| (command.process, command.verb, command.of));
            match of {
                Some(call) => format!("{}: `{verb}`", name(call)),
                None => format!("process {process}: `{verb}`"),
            }
        };
        match choice {
            Choice::Begin(call) => {
                format!("{} begins in process {}", name(call), self.scenario.calls[call].process)
            }
            Choice::GoOn(call) => format!("{} was woken and goes on", name(call)),
            Choice::Effect(number) => format!("{} takes effect", command(number)),
            Choice::Answer(number) => format!("{} is answered", command(number)),
            Choice::Wait => "time passes".to_owned(),
            Choice::Cancel(call) => format!("{} is dropped", name(call)),
            Choice::Lose(number) => format!("{} is lost", command(number)),
            Choice::Delay(number) => format!("{} is cut off, and takes effect later", command(number)),
            Choice::Die { with_commands: false } => "process 0 dies".to_owned(),
            Choice::Die { with_commands: true } => "process 0 dies, with all that it had sent".to_owned(),
            Choice::Pause => {
                format!("everything stands still for {:?}", self.scenario.pause.unwrap_or_default())
            }
        }
    }

    /// Adds to the last line what came of the step.
    pub(super) fn tell_changes(&mut self, over: &[bool]) {
        let mut told = String::new();
        if self.all_stored() != self.shared.stored {
            let _ = write!(told, "; the store has {:?}", self.standing());
        }
        let origin = self.origin.load(SeqCst);
        if origin != self.shared.origin {
            let _ = write!(told, "; the database has version {origin}");
        }
        for (call, was_over) in over.iter().enumerate() {
            if let (true, false, Some(gave)) = (self.calls[call].over, was_over, self.history.gave[call]) {
                let _ = write!(told, "; {} gives {gave:?}", self.scenario.name_of(call));
            }
        }
        if let Some(line) = self.log.as_mut().and_then(|log| log.last_mut()) {
            line.push_str(&told);
        }
    }

    /// What the calls of this run did: hits, shared, waited, stored, refused, unstored, updated, stale, refreshing, local copies.
    pub(super) fn counts(&self) -> [u64; KINDS] {
        let mut counts = [0; KINDS];
        for cache in &self.caches {
            let of = cache.inner.table.of(self.scenario.function);
            let updated = &cache.inner.table.writes.updated;
            let counters = [
                &of.hits,
                &of.shared,
                &of.waited,
                &of.stored,
                &of.fills_refused,
                &of.unstored,
                updated,
                &of.stale,
                &of.refreshes,
                &of.local_hits,
            ];
            counts.iter_mut().zip(counters).for_each(|(count, counter)| *count += counter.get());
        }
        counts
    }
}
