//! The keys of one batch, and how far each of them has come.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tracing::{Span, debug_span};

use super::{
    super::{
        decision::AtHand,
        found::{Lookup, StaleEntry},
        lookup::POLL,
        site::{Call, Site},
    },
    followers::Followers,
    tags::Tags,
};
use crate::{
    AnyKey,
    backoff::Pauses,
    codec::coding::Coding,
    engine::{
        budget::Budget,
        flight::{Epoch, Ticket},
        lease::{StoreRight, several::StoreRights},
        nested::Waiting,
        shared::Shared,
    },
    fingerprint::TypeInfo,
    function::{name::FunctionName, read::ReadFunction},
    options::CallOptions,
    outcome::{Loaded, returns::ErrorPolicy},
};

/// Batches can always say that there is nothing: the shape with a `None` and an `Err`.
const SHAPE: u8 = 3;

/// The keys of one batch in one cache, each once. A batch is as many single reads, whose bodies run together.
pub(super) struct Group<V, E> {
    pub(super) of: GroupSite<V, E>,
    /// None while every key is over: a batch of hits needs none.
    pub(super) states: Vec<State<V, E>>,
    /// For those that follow.
    pub(super) followers: Followers,
    /// What has been given so far.
    pub(super) values: Vec<Option<V>>,
    /// Why the batch has failed.
    pub(super) error: Option<E>,
    pub(super) budget: Budget,
    /// Until when others are waited for; while its body runs it does not wait.
    pub(super) patience: Instant,
    /// The same where there is a stale value at hand.
    pub(super) soft: Option<Instant>,
    /// Whether others are waited for: not where the body can't run twice.
    pub(super) waits: bool,
    /// Between looks at what other processes load.
    pub(super) pauses: Pauses,
    /// Misses and loads are told inside of it.
    span: Option<Span>,
}

/// What the keys of a batch share: the [`Site`] of their calls, and their texts.
pub(super) struct GroupSite<V, E> {
    pub(super) cache: Arc<Shared>,
    pub(super) function: &'static ReadFunction,
    pub(super) type_info: TypeInfo,
    pub(super) coding: Coding<V>,
    pub(super) errors: ErrorPolicy<E>,
    pub(super) options: CallOptions,
    pub(super) keys: Vec<AnyKey>,
    pub(super) tags: Tags,
}

/// How far the read of one key has come.
pub(super) enum State<V, E> {
    /// Its value is known, or it takes part in nothing.
    Over,
    /// It leads the flight of its key, and decides by what was found.
    Leads { ticket: Ticket, found: Lookup<V, E>, looked: Epoch },
    /// The same of a call that is forced to load.
    TakesOver(Ticket),
    /// Its entry is due for a refresh, which nobody waits for.
    Refreshes(StaleEntry<V>),
    /// Another call of this process leads.
    Follows(Follower<V>),
    /// It leads, and another process loads.
    Watches { ticket: Ticket, at_hand: AtHand<V>, until: Instant },
    /// It was left to others while the body ran, and joins the flight of its key again.
    Rejoins(AtHand<V>),
    /// It takes part in the next body.
    Loads(Load<V>),
}

pub(super) struct Follower<V> {
    pub(super) at_hand: AtHand<V>,
    pub(super) until: Instant,
    /// It waits no longer than `load_timeout(soft = …)` says.
    pub(super) soft: bool,
    pub(super) _waiting: Waiting,
}

/// What a key brings into a body, and what becomes of its result.
pub(super) struct Load<V> {
    /// The flight that it leads.
    pub(super) ticket: Option<Ticket>,
    /// The right to store the result.
    pub(super) held: Option<StoreRight>,
    /// What is given if the body fails, and the step that found it.
    pub(super) stale: Option<(StaleEntry<V>, Epoch)>,
    /// The step in which the body runs.
    pub(super) began: Epoch,
}

impl<V> Load<V> {
    /// Without storing or sharing what the body gives.
    pub(super) fn alone(stale: Option<StaleEntry<V>>) -> Load<V> {
        let stale = stale.map(|stale| (stale, Epoch::NONE));
        Load { ticket: None, held: None, stale, began: Epoch::NONE }
    }
}

impl<V, E> State<V, E> {
    pub(super) fn take(&mut self) -> State<V, E> {
        std::mem::replace(self, State::Over)
    }
}

/// What is left when a batch is dropped or fails: all rights are given up with one step a server.
impl<V, E> Drop for Group<V, E> {
    fn drop(&mut self) {
        let held = |state: &mut State<V, E>| match state {
            State::Loads(load) => load.held.take(),
            _ => None,
        };
        drop(self.states.iter_mut().filter_map(held).collect::<StoreRights>());
    }
}

impl<V, E> GroupSite<V, E> {
    pub(super) fn new(
        cache: Arc<Shared>,
        function: &'static ReadFunction,
        (type_info, coding): (TypeInfo, Coding<V>),
        errors: ErrorPolicy<E>,
        options: CallOptions,
        keys: Vec<AnyKey>,
    ) -> GroupSite<V, E> {
        let tags = Tags::of(&keys);
        GroupSite { cache, function, type_info, coding, errors, options, keys, tags }
    }

    pub(super) fn site(&self) -> Site<'_, V, E> {
        let GroupSite { ref cache, function, type_info, ref coding, ref errors, ref options, .. } = *self;
        let counters = cache.table.of(function);
        let (shape, of_batch, options) = (SHAPE, true, options.clone());
        Site { cache, function, counters, type_info, coding, errors, shape, of_batch, options }
    }

    /// A second value for the same key, by way of its codec.
    pub(super) fn copy(&self, value: &V) -> Option<V> {
        let mut bytes = Vec::new();
        (self.coding.encode)(value, self.type_info.counts, &mut bytes).ok()?;
        (self.coding.decode)(&bytes).ok()
    }

    pub(super) fn key(&self, index: usize) -> &str {
        self.keys[index].as_str()
    }
}

impl<V, E> Group<V, E> {
    pub(super) fn new(of: GroupSite<V, E>, wait: Duration, waits: bool) -> Group<V, E> {
        let keys = of.keys.len();
        let now = Instant::now();
        Group {
            states: Vec::new(),
            followers: Followers::default(),
            values: (0..keys).map(|_| None).collect(),
            error: None,
            budget: Budget::new(of.cache.timeout),
            patience: now + wait,
            soft: of.function.settings.staleness.soft_limit.map(|limit| now + limit),
            waits,
            pauses: POLL.pauses(),
            span: None,
            of,
        }
    }

    /// The span of this batch, which begins when the first keys, so many, have to be loaded.
    pub(super) fn span(&mut self, keys: usize) -> Span {
        let FunctionName { module, name } = self.of.function.settings.function();
        self.span.get_or_insert_with(|| debug_span!("cached_aside", function = name, keys, module)).clone()
    }

    /// From now on keys can be in other states than [`State::Over`].
    pub(super) fn begin_states(&mut self) {
        self.states.resize_with(self.of.keys.len(), || State::Over);
    }

    /// Those that are in a state.
    pub(super) fn which(&self, is: fn(&State<V, E>) -> bool) -> Vec<usize> {
        (0..self.states.len()).filter(|index| is(&self.states[*index])).collect()
    }
}

/// The value of a key that is over, which is reported.
pub(super) fn settled<V, E>(call: &Call<'_, V, E>, loaded: Loaded<V, E>) -> Option<V> {
    call.report();
    match loaded {
        Loaded::Value(value) => Some(value),
        Loaded::None | Loaded::Error(_) => None,
    }
}
