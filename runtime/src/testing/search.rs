//! Every order of the steps of a run, depth first. Two orders that differ only where neighbouring steps have nothing to do with each
//! other come to the same, and one of them is run.

use super::run::{Choice, Run, Step, Stuck};

/// A state in which something can happen.
struct Fork {
    choices: Vec<Choice>,
    /// Which of them is being followed.
    taken: usize,
    /// The step that it was.
    step: Option<Step>,
    /// Steps that were taken from here or before, and have nothing to do with what happened since: what follows has been seen.
    asleep: Vec<Step>,
}

/// What a run came to.
#[derive(Debug)]
pub(super) enum End {
    Over,
    /// It goes on as another run did, or there is no such order.
    Seen,
    /// What happened in an earlier run did not happen again.
    Differs,
    Hangs,
}

/// A search through all orders.
#[derive(Default)]
pub(super) struct Search {
    forks: Vec<Fork>,
}

impl Search {
    /// Follows the next order.
    pub(super) async fn follow(&mut self, run: &mut Run<'_>) -> End {
        for depth in 0.. {
            let choices = run.choices();
            let choice = match self.forks.get(depth) {
                Some(fork) => {
                    let choice = fork.choices[fork.taken].clone();
                    if !choices.contains(&choice) {
                        return End::Differs;
                    }
                    choice
                }
                None if choices.is_empty() => return End::Over,
                None => match self.fork(choices) {
                    Some(choice) => choice,
                    None => return End::Seen,
                },
            };
            match run.take(choice).await {
                Ok(step) => self.forks[depth].step = Some(step),
                Err(Stuck::NeedsTheOther) => return End::Seen,
                Err(Stuck::Hangs) => return End::Hangs,
            }
        }
        End::Over
    }

    /// Adds a state, and gives the first choice in it that was not seen.
    fn fork(&mut self, choices: Vec<Choice>) -> Option<Choice> {
        let asleep: Vec<Step> = match self.forks.last() {
            Some(Fork { step: Some(step), asleep, .. }) => {
                asleep.iter().filter(|other| other.is_apart_from(step)).cloned().collect()
            }
            _ => Vec::new(),
        };
        let fork = Fork { choices, taken: 0, step: None, asleep };
        let taken = fork.next(0)?;
        let choice = fork.choices[taken].clone();
        self.forks.push(Fork { taken, ..fork });
        Some(choice)
    }

    /// Goes to the next order; `false` when there is no other.
    pub(super) fn next(&mut self) -> bool {
        while let Some(fork) = self.forks.last_mut() {
            fork.asleep.extend(fork.step.take());
            if let Some(next) = fork.next(fork.taken + 1) {
                fork.taken = next;
                return true;
            }
            self.forks.pop();
        }
        false
    }
}

impl Fork {
    /// The first choice from this one on of which not all has been seen.
    fn next(&self, from: usize) -> Option<usize> {
        let is_seen = |choice: &Choice| self.asleep.iter().any(|step| step.choice == *choice);
        (from..self.choices.len()).find(|choice| !is_seen(&self.choices[*choice]))
    }
}
