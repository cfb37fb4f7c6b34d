//! Waiting for what others load: for all keys at once, and no longer than until the first of them goes on. What a batch comes to lead
//! meanwhile it loads before it waits on; else two batches that follow each other's keys could wait for each other.

use std::{
    future::{pending, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use cached_aside_protocol::entry::{self, Entry};
use tokio::time::Instant;

use super::{
    super::{
        decision::{AtHand, of_new_leader},
        found::{Lookup, Missing},
        lookup::first_of,
        site::Call,
    },
    followers::{Heard, Message},
    group::{Follower, Group, GroupSite, State, settled},
};
use crate::{
    engine::flight::{Epoch, FollowerMessage, Ticket},
    options::Source,
    outcome::Loaded,
    store::Watched,
};

impl<V, E> Group<V, E> {
    /// The keys of the next body, which begins now; `None` when each key is over, or the batch has failed.
    pub(super) async fn next_load(&mut self) -> Option<Vec<usize>> {
        while self.error.is_none() {
            self.rejoin();
            self.take_steps().await;
            let loads = self.begin_load();
            if !loads.is_empty() {
                return Some(loads);
            }
            if !self.waits_for_others() {
                break;
            }
            self.wait().await;
        }
        None
    }

    /// Whether any key waits for others.
    fn waits_for_others(&self) -> bool {
        self.states.iter().any(|state| matches!(state, State::Follows(_) | State::Watches { .. }))
    }

    /// Waits until something can go on. A key that is only told its value does not.
    async fn wait(&mut self) {
        let watched = self.which(|state| matches!(state, State::Watches { .. }));
        let until = self.states.iter().filter_map(|state| match state {
            State::Follows(follower) => Some(follower.until),
            State::Watches { until, .. } => Some(*until),
            _ => None,
        });
        let Some(until) = until.min() else { return };
        loop {
            let heard = self.hear(&watched, until).await;
            if heard.is_empty() && !watched.is_empty() {
                self.look_at_watched(&watched).await;
            }
            let mut goes_on = heard.is_empty() || !watched.is_empty();
            for heard in heard {
                let index = heard.index;
                self.go_on(heard).await;
                goes_on |= !matches!(self.states[index], State::Over);
            }
            if goes_on || self.followers.is_empty() || until <= Instant::now() {
                return self.run_out_of_patience().await;
            }
        }
    }

    /// What followers are told; nothing if a watched key may have changed, or it is time to look at them.
    async fn hear(&mut self, watched: &[usize], until: Instant) -> Vec<Heard> {
        let left = until.saturating_duration_since(Instant::now());
        let pause = if watched.is_empty() { left } else { self.pauses.next_pause().min(left) };
        let Group { of, followers, .. } = self;
        let changed = of.changed(watched.first().copied(), left);
        let mut changed = pin!(first_of(changed, of.cache.clock.sleep(pause)));
        let hear = poll_fn(|context| {
            let heard = followers.hear(context);
            if !heard.is_empty() || changed.as_mut().poll(context).is_ready() {
                return Poll::Ready(heard);
            }
            Poll::Pending
        });
        hear.await
    }

    /// Waits for as long as its body has run in addition: that was no waiting.
    pub(super) fn renew_patience(&mut self, took: Duration) {
        let before = self.patience;
        self.patience += took;
        for state in &mut self.states {
            match state {
                State::Follows(follower) if !follower.soft && follower.until == before => {
                    follower.until = self.patience;
                }
                _ => {}
            }
        }
    }

    /// Joins the flights again that were left to others.
    fn rejoin(&mut self) {
        let rejoins = self.which(|state| matches!(state, State::Rejoins(_)));
        if rejoins.is_empty() {
            return;
        }
        let at_hand = rejoins.into_iter().filter_map(|index| match self.states[index].take() {
            State::Rejoins(at_hand) => Some((index, at_hand)),
            _ => None,
        });
        let at_hand = at_hand.collect();
        self.join(at_hand, |at_hand| of_new_leader(&at_hand).into());
    }

    /// Leaves what it would only wait for to others while its body runs: those who follow it, and the body itself.
    pub(super) fn leave_to_others(&mut self) {
        for index in self.which(|state| matches!(state, State::Watches { .. })) {
            if let State::Watches { at_hand, .. } = self.states[index].take() {
                self.states[index] = State::Rejoins(at_hand);
            }
        }
    }

    /// Goes on with what a follower was told.
    pub(super) async fn go_on(&mut self, Heard { index, told }: Heard) {
        let Follower { at_hand, soft, .. } = match self.states[index].take() {
            State::Follows(follower) => follower,
            other => {
                self.states[index] = other;
                return;
            }
        };
        let Some(told) = told else {
            self.states[index] = State::Rejoins(at_hand);
            return;
        };
        let Group { of, states, values, .. } = self;
        let site = of.site();
        let call = Call::new(&site, &of.keys[index]);
        match told {
            Ok(FollowerMessage::Lead(ticket)) if call.is_forced() => {
                states[index] = State::TakesOver(ticket);
            }
            Ok(FollowerMessage::Lead(ticket)) => {
                let found = of_new_leader(&at_hand).into();
                states[index] = State::Leads { ticket, found, looked: Epoch::NONE };
            }
            Ok(FollowerMessage::Shared(shared)) => match call.received(&shared) {
                // One key that failed elsewhere spoils no other: this batch asks its own body.
                Some(Loaded::Error(_)) | None => self.without_result(index, at_hand, soft),
                Some(result) => {
                    call.counters.shared.increment();
                    call.record_source(Source::Shared, call.age_of(&shared).await);
                    tracing::debug!(key = call.key(), "shared");
                    values[index] = settled(&call, result);
                }
            },
            Ok(FollowerMessage::Failed(_)) | Err(_) => self.without_result(index, at_hand, soft),
        }
    }

    /// Looks at all keys that other processes load.
    async fn look_at_watched(&mut self, watched: &[usize]) {
        let looked: Vec<Epoch> = watched.iter().map(|index| self.next_epoch(*index)).collect();
        // Not out of the budget: a call has it for each look while it waits.
        let (answers, of_tags) = self.of.read(watched, true, self.of.cache.timeout).await;
        let found = self.of.classify(watched, answers, &of_tags);
        let now = Instant::now();
        for ((index, found), looked) in watched.iter().zip(found).zip(looked) {
            let State::Watches { ticket, until, .. } = self.states[*index].take() else { continue };
            let in_time = now < until;
            self.states[*index] = match found {
                Lookup::Missing(lease @ Missing::Lease) if in_time => {
                    State::Watches { ticket, at_hand: AtHand::Nothing(lease), until }
                }
                Lookup::Stale(stale) if in_time && stale.is_awaited() => {
                    State::Watches { ticket, at_hand: AtHand::Stale(stale), until }
                }
                found => State::Leads { ticket, found, looked },
            };
        }
    }

    fn next_epoch(&self, index: usize) -> Epoch {
        match &self.states[index] {
            State::Watches { ticket, .. } => Ticket::next_epoch(ticket),
            _ => Epoch::NONE,
        }
    }

    /// Ends the waits that have taken too long.
    async fn run_out_of_patience(&mut self) {
        let now = Instant::now();
        let is_over =
            |state: &State<V, E>| matches!(state, State::Follows(follower) if follower.until <= now);
        if !self.states.iter().any(is_over) {
            return;
        }
        let messages = std::mem::take(&mut self.followers).0.into_iter();
        let (over, others): (Vec<_>, Vec<_>) =
            messages.partition(|message| is_over(&self.states[message.index]));
        self.followers.0.extend(others);
        for Message { index, mut message } in over {
            // It may have come just now, or this task has had no turn for it.
            if let Ok(told) = message.try_recv() {
                self.go_on(Heard { index, told: Some(Ok(told)) }).await;
            } else if let State::Follows(Follower { at_hand, soft, .. }) = self.states[index].take() {
                self.without_result(index, at_hand, soft);
            }
        }
    }
}

impl<V, E> GroupSite<V, E> {
    /// Waits for a change of one of the keys that other processes load, which stands for all: they are looked at together.
    async fn changed(&self, watched: Option<usize>, within: Duration) {
        let Some(index) = watched else { return pending().await };
        match self.cache.watch(self.key(index), within.min(self.cache.timeout)).await {
            Ok(Watched { mut watch, there, .. }) => {
                let bytes = there.unwrap_or_default();
                if matches!(entry::parse(&bytes, self.type_info.fingerprint), Entry::Lease | Entry::Value(_))
                {
                    watch.changed().await;
                }
            }
            // The pause ends.
            Err(_) => pending().await,
        }
    }
}
