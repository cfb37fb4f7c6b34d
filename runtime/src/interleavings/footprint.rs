//! What a step touches, and what it has changed.

use std::{collections::BTreeMap, sync::atomic::Ordering::SeqCst};

use super::{
    choice::{Choice, kind},
    past::{Mark, Thing, hash},
    scenario::{KEY, KEYS, number_of},
    world::{Running, World},
};
use crate::{
    options::ReadMode,
    store::stepped::stage::{Command, READ_ORIGIN, WRITE_ORIGIN},
};

/// What a step is compared with.
pub(super) struct Before {
    pub(super) wakes: Vec<u64>,
    pub(super) over: Vec<bool>,
    /// Commands, the calls that wait for them themselves, and whether anybody waits for them.
    pub(super) commands: Vec<(usize, Option<usize>, bool)>,
    pub(super) sent: usize,
    pub(super) bodies: usize,
}

/// What is shared and changes.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Shared {
    pub(super) stored: Vec<Option<Vec<u8>>>,
    pub(super) origin: u64,
    pub(super) flights: [String; 2],
    pub(super) recovery: [String; 2],
}

impl World<'_> {
    /// What stays the same about a choice after steps that have nothing to do with it.
    pub(super) fn id(&self, choice: Choice) -> u64 {
        let who = match choice {
            Choice::Begin(call) | Choice::GoOn(call) | Choice::Cancel(call) => {
                self.past.name(Thing::Call(call))
            }
            Choice::Effect(number)
            | Choice::Answer(number)
            | Choice::Lose(number)
            | Choice::Delay(number) => self.past.name(Thing::Command(number)),
            Choice::Wait | Choice::Die { .. } | Choice::Pause => 0,
        };
        hash((kind(choice), who))
    }

    /// What the step looks at: first who takes it.
    pub(super) fn touched(&self, choice: Choice) -> Vec<Thing> {
        let of_call = |call: usize, mut touched: Vec<Thing>| {
            let Running { begun, .. } = self.calls[call];
            let process = self.scenario.calls[call].process;
            touched.push(Thing::Recovery(process));
            // The first look asks the flights only if the key is on the recovery list.
            let looks = self.scenario.calls[call].asked != ReadMode::Refresh;
            let looks_only = looks && !begun && self.caches[process].inner.recovery.len() == 0;
            if self.scenario.calls[call].writes.is_none()
                && (!looks_only || self.scenario.calls[call].cut_off)
            {
                touched.push(Thing::Flights(process));
            }
            touched
        };
        let mut touched = match choice {
            Choice::Begin(call) => {
                let mut touched = of_call(call, vec![Thing::Call(call), Thing::Ends]);
                touched.push(Thing::Beginnings);
                touched
            }
            Choice::GoOn(call) | Choice::Cancel(call) => of_call(call, vec![Thing::Call(call)]),
            Choice::Effect(number) => {
                let (process, of, awaited, verb, keys) = self.stage.command(number, |command| {
                    (command.process, command.of, command.awaited, command.verb, numbers(command))
                });
                let is_answered = self.stage.command(number, Command::is_answered_at_once);
                let mut touched = match of.filter(|call| awaited && self.calls[*call].future.is_some()) {
                    Some(call) if is_answered => {
                        of_call(call, vec![Thing::Call(call), Thing::Command(number)])
                    }
                    _ if is_answered => vec![Thing::Command(number), Thing::Recovery(process)],
                    _ => vec![Thing::Command(number)],
                };
                touched.extend(keys.into_iter().map(Thing::Store));
                touched.extend((verb == READ_ORIGIN || verb == WRITE_ORIGIN).then_some(Thing::Origin));
                touched
            }
            Choice::Answer(number) | Choice::Lose(number) | Choice::Delay(number) => {
                let (process, of, awaited, verb, keys) = self.stage.command(number, |command| {
                    (command.process, command.of, command.awaited, command.verb, numbers(command))
                });
                let mut touched = match of.filter(|call| awaited && self.calls[*call].future.is_some()) {
                    Some(call) => of_call(call, vec![Thing::Call(call), Thing::Command(number)]),
                    None => vec![Thing::Command(number), Thing::Recovery(process)],
                };
                if verb == "watch" {
                    // Whoever watches goes on at once if there was a change since.
                    touched.extend(keys.into_iter().map(Thing::Store));
                }
                touched
            }
            Choice::Wait | Choice::Pause | Choice::Die { .. } => Vec::new(),
        };
        if matches!(choice, Choice::Cancel(_) | Choice::Lose(_) | Choice::Delay(_)) {
            touched.push(Thing::Trouble);
        }
        touched
    }

    /// The keys of the leases and guards that it renews.
    pub(super) fn renewed(&self, choice: Choice) -> Vec<usize> {
        let Choice::Effect(number) = choice else { return Vec::new() };
        self.stage.command(number, |command| match command.verb {
            "renew" | "renew_guard" => numbers(command),
            _ => Vec::new(),
        })
    }

    /// Gives the step's name to what it has changed.
    pub(super) fn marks(&mut self, before: &Before, step: u64, touched: &[Thing]) -> Vec<Mark> {
        let mut marks = Vec::new();
        let first = touched.first().copied();
        marks.extend(first.map(|first| Mark::Changed(first, step)));
        for (number, call) in self.calls.iter().enumerate() {
            if call.over && !before.over[number] {
                marks.push(Mark::Ended(step));
            }
            let thing = Thing::Call(number);
            if Some(thing) != first && call.flag.wakes.load(SeqCst) > before.wakes[number] {
                marks.push(Mark::Woken(thing, step));
            }
        }
        let now = self.stage.commands(|(number, command)| (*number, command.is_awaited()));
        let awaited: BTreeMap<usize, bool> = now.into_iter().collect();
        for (number, awaited_by, was_awaited) in &before.commands {
            let thing = Thing::Command(*number);
            let Some(is_awaited) = awaited.get(number) else {
                marks.push(Mark::Gone(thing));
                continue;
            };
            // A renewal is a task of its own, and is ended by its call.
            let is_left = was_awaited != is_awaited;
            if Some(thing) != first
                && (is_left || touched.contains(&thing) || awaited_by.map(Thing::Call) == first)
            {
                // Its caller may have gone away.
                marks.push(Mark::Changed(thing, hash((step, self.past.name(thing), "cut off"))));
            }
        }
        // Timers that fire together send in whatever order they were set: a command is named by what it is.
        let mut serials: BTreeMap<(usize, &str), usize> = BTreeMap::new();
        for number in (before.sent..self.stage.sent()).filter(|number| awaited.contains_key(number)) {
            let what = self.stage.command(number, |command| (command.process, command.verb));
            let serial = serials.entry(what).or_default();
            marks.push(Mark::Sent(number, hash((step, what, *serial))));
            *serial += 1;
        }

        let now = self.look();
        let mut changed = |thing, changed: bool| {
            if changed {
                marks.push(Mark::Changed(thing, step));
            }
        };
        for key in 0..KEYS {
            changed(Thing::Store(key), now.stored.get(key) != self.shared.stored.get(key));
        }
        changed(Thing::Origin, now.origin != self.shared.origin);
        for process in 0..self.caches.len() {
            changed(Thing::Flights(process), now.flights[process] != self.shared.flights[process]);
            changed(Thing::Recovery(process), now.recovery[process] != self.shared.recovery[process]);
        }
        self.shared = now;
        marks
    }

    pub(super) fn look(&self) -> Shared {
        let mut shared =
            Shared { stored: self.all_stored(), origin: self.origin.load(SeqCst), ..Shared::default() };
        for (process, cache) in self.caches.iter().enumerate() {
            if cache.inner.flights.len() > 0 {
                shared.flights[process] = format!("{:?}", cache.inner.flights);
            }
            // Who asks for the one asks for the other.
            let copies = cache.inner.local.state(KEY);
            if cache.inner.recovery.len() > 0 || copies.is_some() {
                shared.recovery[process] = format!("{:?} {copies:?}", cache.inner.recovery);
            }
        }
        shared
    }
}

/// The numbers of the keys that a command is about.
fn numbers(command: &Command) -> Vec<usize> {
    command.keys.iter().map(|key| number_of(key)).collect()
}
