//! Who takes part in one exploration, what may go wrong in it, and what must hold.

use crate::history::Promise;
use crate::witness::Witness;

/// A mechanism of the protocol that a scene can switch off, to see that the checker misses it.
/// `mutations.rs` has the test of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    /// A write replaces what is there by a `Guard` before it touches the database.
    Guard,
    /// A fill stores only if its token still holds the key.
    FillFence,
    /// The same for a refresh of a value that is there.
    RefreshFence,
    /// Who refreshes a value that is there returns only when it has been replaced. Who loads a missing entry does not wait.
    AwaitRefill,
    /// Who loads anew is given only what a body gave that began after it came.
    ShareAnew,
    /// Nor what was not stored, unless who loaded it ends what stands there instead.
    ShareKept,
    /// A load anew that was not stored ends what stands there instead.
    EndReplaced,
    /// Every acquisition has a token of its own; without it the process has one.
    FreshTokens,
    /// A command that brings a token into being is sent once; without this an acquire, or the `read` that
    /// creates the version of a tag, may be sent again with the same token.
    OneAttempt,
    /// A guard remembers that writers overlapped; a value is put only if they did not.
    OverlapMark,
    /// A release by a token that is not in the guard marks the guard as overlapped.
    OutsiderMark,
    /// A renewal that finds its guard lost puts it back marked as overlapped.
    RenewalMark,
    /// A value is put only if the guard was acknowledged before the body.
    AcknowledgedGuard,
    /// Callers share a load by the rule of [`crate::flight`]; without it they take what comes.
    SharingRule,
    /// An accepted fill covers only callers that arrived before the fill was sent.
    ShareBeforeFill,
    /// A caller never joins a look that has been sent.
    ShareBeforeLook,
    /// An accepted fill of a tagged entry covers nobody who arrived after the body started.
    ShareTagged,
    /// A tagged value that an acquire finds covers nobody who arrived after the look: only that has seen the tags.
    ShareFound,
    /// A hit is given only if every tag still has the version that the entry carries.
    EveryTag,
    /// A tag that is missing invalidates the entries that carry it.
    MissingTag,
    /// A load looks at the recovery list again before it sends its fill.
    ListBeforeFill,
    /// The process reads and stores nothing under a key that is on its recovery list.
    Bypass,
    /// A delivery takes off the list the one write it was sent for, not the key.
    DeliveryPerWrite,
    /// A delivery waits until the body of its write is over.
    DeliverAfterBody,
    /// The guard of a cancelled write stays until it lapses.
    CancelledGuard,
    /// A tagged value carries the tag versions from before the load.
    StampBeforeLoad,
    /// Releasing a tag removes its version; without this the release brings a new one along.
    TagRemoved,
    /// After a write the guard stays until the lagging origin has caught up.
    Settle,
    /// Not a mechanism but what the guard takes for granted: `guard_for` is longer than a statement
    /// lives on without its caller.
    StatementsEnd,
}

/// Maximum number of tags of an entry in the model.
pub(crate) const TAGS: usize = 2;

/// The keys of the model: an entry, and the tags it carries in tagged scenes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    /// `<namespace>:<key>`
    Entry,
    /// `<namespace>:#<tag>`, by number
    Tag(usize),
}

/// What a write does when its guard is not acknowledged: `guard = "…"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// The write is refused before it touches the database.
    Required,
    /// The write goes on and its key goes on the recovery list.
    BestEffort,
    /// There is no guard: the key is deleted afterwards only. So are keys that only the result names.
    Off,
}

/// An annotated write function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    /// The process that calls it.
    pub(crate) process: usize,
    /// What it invalidates.
    pub(crate) keys: &'static [Key],
    /// Its guard policy.
    pub(crate) policy: Policy,
    /// Whether it stores the value it wrote instead of deleting.
    pub(crate) puts: bool,
}

impl Write {
    /// A guarded write of the entry, called by `process`.
    pub(crate) const fn by(process: usize) -> Self {
        Self { process, keys: &[Key::Entry], policy: Policy::Required, puts: false }
    }

    /// The same, storing the value it wrote.
    pub(crate) const fn putting(self) -> Self {
        Self { puts: true, ..self }
    }

    /// The same with another guard policy.
    pub(crate) const fn with(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// The same for other keys.
    pub(crate) const fn of(self, keys: &'static [Key]) -> Self {
        Self { keys, ..self }
    }

    /// The same for the first tag of the entry.
    pub(crate) const fn of_tag(self) -> Self {
        self.of(&[Key::Tag(0)])
    }
}

/// What kind of entry the scene is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// One key.
    Plain,
    /// It may be past fresh-until and is then refreshed.
    Stale,
    /// Its bodies read a replica that lags behind the origin.
    Lagging,
}

/// How often each kind of trouble may strike in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Trouble {
    /// Callers that stop waiting for Redis: the command is late, or its reply is lost.
    pub(crate) timeouts: u8,
    /// Processes that die.
    pub(crate) crashes: u8,
    /// Callers that are dropped in the middle of a read or write.
    pub(crate) cancellations: u8,
    /// Keys that Redis loses: flush, eviction, failover.
    pub(crate) losses: u8,
    /// Leases that expire although their loader lives.
    pub(crate) expiries: u8,
    /// Guards that expire although their writer lives.
    pub(crate) lapses: u8,
    /// Changes of the row by other programs, which invalidate nothing.
    pub(crate) changes: u8,
}

impl Trouble {
    /// Nothing goes wrong, except that commands and replies take their time.
    pub(crate) const NONE: Self =
        Self { timeouts: 0, crashes: 0, cancellations: 0, losses: 0, expiries: 0, lapses: 0, changes: 0 };
}

/// One exploration.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    /// What the run is called when its size is printed.
    pub(crate) name: &'static str,
    /// The process of each reader; every reader reads [`Scene::reads`] times in sequence.
    pub(crate) readers: &'static [usize],
    /// How often each reader reads.
    pub(crate) reads: u8,
    /// How many of all these reads may load anew, whatever is there.
    pub(crate) anew: u8,
    /// Whose reads those may be.
    pub(crate) anew_by: &'static [usize],
    /// The writers; each writes once.
    pub(crate) writes: Vec<Write>,
    /// Whether the first version is in the cache already.
    pub(crate) cached: bool,
    /// Whether the first reader leads a flight already, and looks.
    pub(crate) handed: bool,
    /// What they read and write.
    pub(crate) entry: Entry,
    /// How many tags the entry carries, each a key of its own.
    pub(crate) tags: usize,
    /// What may go wrong.
    pub(crate) trouble: Trouble,
    /// What must hold.
    pub(crate) promises: &'static [Promise],
    /// What must happen at least once.
    pub(crate) witnesses: &'static [Witness],
    /// The mechanism that is switched off.
    pub(crate) without: Option<Mechanism>,
}

impl Scene {
    /// Nothing goes wrong yet: `readers` (given by their processes) read twice each beside `writes`.
    pub(crate) fn new(name: &'static str, readers: &'static [usize], writes: &[Write]) -> Self {
        Self {
            name,
            readers,
            reads: 2,
            anew: 0,
            anew_by: &[0, 1, 2, 3],
            cached: false,
            handed: false,
            writes: writes.to_vec(),
            entry: Entry::Plain,
            tags: 0,
            trouble: Trouble::NONE,
            promises: &[Promise::ReadsSeeWrites, Promise::Monotonic],
            witnesses: &[],
            without: None,
        }
    }

    /// The same scene with `mechanism` switched off.
    pub(crate) fn without(self, mechanism: Mechanism) -> Self {
        Self { without: Some(mechanism), ..self }
    }

    /// Whether `mechanism` is at work.
    pub(crate) fn has(&self, mechanism: Mechanism) -> bool {
        self.without != Some(mechanism)
    }

    /// Whether `promise` is watched.
    pub(crate) fn promises(&self, promise: Promise) -> bool {
        self.promises.contains(&promise)
    }

    /// Whether the entry carries a tag.
    pub(crate) fn tagged(&self) -> bool {
        self.tags > 0
    }

    /// How many processes there are.
    pub(crate) fn processes(&self) -> usize {
        let readers = self.readers.iter().copied();
        readers.chain(self.writes.iter().map(|write| write.process)).max().map_or(0, |last| last + 1)
    }
}
