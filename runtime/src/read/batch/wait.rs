//! Waiting for what others load: for all keys at once, and no longer than until the first of them goes on. What a batch comes to lead
//! meanwhile it loads before it waits on; else two batches that follow each other's keys could wait for each other.

use std::{
    future::{Future, pending, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
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
    group::{Follower, Group, GroupSite, State, Told, settled},
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

    /// Waits until something can go on.
    async fn wait(&mut self) {
        let watched = self.which(|state| matches!(state, State::Watches { .. }));
        let until = self.states.iter().filter_map(|state| match state {
            State::Follows(follower) => Some(follower.until),
            State::Watches { until, .. } => Some(*until),
            _ => None,
        });
        let Some(until) = until.min() else { return };
        let left = until.saturating_duration_since(Instant::now());
        let pause = if watched.is_empty() { left } else { self.pauses.next_pause().min(left) };
        let clock = self.of.cache.clock;
        let mut followers = self.take_followers();
        let heard = {
            let changed = self.of.changed(watched.first().copied(), left);
            let mut changed = pin!(first_of(changed, clock.sleep(pause)));
            poll_fn(|context| {
                let heard = followers.hear(context);
                if !heard.is_empty() || changed.as_mut().poll(context).is_ready() {
                    return Poll::Ready(heard);
                }
                Poll::Pending
            })
            .await
        };
        self.put_back(followers);
        if heard.is_empty() && !watched.is_empty() {
            self.look_at_watched(&watched).await;
        }
        for heard in heard {
            self.go_on(heard).await;
        }
        self.run_out_of_patience();
    }

    pub(super) fn take_followers(&mut self) -> Followers<V> {
        let follows = self.which(|state| matches!(state, State::Follows(_)));
        let taken = follows.into_iter().filter_map(|index| match self.states[index].take() {
            State::Follows(follower) => Some((index, follower)),
            _ => None,
        });
        Followers(taken.collect())
    }

    pub(super) fn put_back(&mut self, followers: Followers<V>) {
        for (index, follower) in followers.0 {
            self.states[index] = State::Follows(follower);
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
        self.join(at_hand);
    }

    /// Leaves what it would only wait for to others while its body runs: those who follow it, and the body itself.
    pub(super) fn leave_to_others(&mut self) {
        for index in self.which(|state| matches!(state, State::Watches { .. })) {
            // Another process may have stored it before the body is over: what was seen here says nothing any more.
            self.states[index] = State::Rejoins(AtHand::Nothing(Missing::NeedsServerTime));
        }
    }

    /// Goes on with what a follower was told.
    pub(super) async fn go_on(&mut self, heard: Heard<V>) {
        let (index, follower, told) = match heard {
            Heard::Told(index, follower, told) => (index, follower, told),
            Heard::PassedOn(index, at_hand) => {
                self.states[index] = State::Rejoins(at_hand);
                return;
            }
        };
        let Follower { at_hand, soft, .. } = follower;
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
            let State::Watches { ticket, until } = self.states[*index].take() else { continue };
            let goes_on = match &found {
                Lookup::Missing(Missing::Lease) => true,
                Lookup::Stale(stale) => stale.is_awaited(),
                _ => false,
            };
            self.states[*index] = if goes_on && now < until {
                State::Watches { ticket, until }
            } else {
                State::Leads { ticket, found, looked }
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
    fn run_out_of_patience(&mut self) {
        let now = Instant::now();
        for index in self.which(|state| matches!(state, State::Follows(_))) {
            match self.states[index].take() {
                State::Follows(Follower { at_hand, until, soft, .. }) if until <= now => {
                    self.without_result(index, at_hand, soft);
                }
                other => self.states[index] = other,
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

/// The keys that wait for other calls of this process.
pub(super) struct Followers<V>(Vec<(usize, Follower<V>)>);

/// What a follower came to.
pub(super) enum Heard<V> {
    Told(usize, Follower<V>, Told),
    /// It was its turn to lead, and it let others go first.
    PassedOn(usize, AtHand<V>),
}

impl<V> Heard<V> {
    /// While its body runs a batch would not get round to leading, and others wait.
    pub(super) fn without_lead(self) -> Heard<V> {
        match self {
            Heard::Told(index, Follower { at_hand, .. }, Ok(FollowerMessage::Lead(ticket))) => {
                drop(ticket);
                Heard::PassedOn(index, at_hand)
            }
            other => other,
        }
    }
}

impl<V> Followers<V> {
    /// What has been told meanwhile.
    pub(super) fn hear(&mut self, context: &mut Context<'_>) -> Vec<Heard<V>> {
        let mut heard = Vec::new();
        let mut at = 0;
        while let Some((_, follower)) = self.0.get_mut(at) {
            match Pin::new(&mut follower.message).poll(context) {
                Poll::Ready(told) => {
                    let (index, follower) = self.0.swap_remove(at);
                    heard.push(Heard::Told(index, follower, told));
                }
                Poll::Pending => at += 1,
            }
        }
        heard
    }
}
