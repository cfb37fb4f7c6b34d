//! What a program asks of its calls, and what they report.

use std::{fmt, sync::Arc, time::Duration};

use crate::{function::read::ReadFunction, lock::Mutex};

/// What is asked of a call, beside what its attribute says.
#[derive(Debug, Clone)]
pub(crate) struct CallOptions {
    pub(crate) mode: ReadMode,
    /// Whether the call is inside of a transaction.
    pub(crate) in_transaction: bool,
    observer: Option<Arc<Observer>>,
}

/// Where a call takes its value from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadMode {
    /// From the cache, or else from the body.
    ReadThrough,
    /// From the body alone.
    Bypass,
    /// From the body, whose result replaces what is stored.
    Refresh,
    /// From the cache alone.
    OnlyCached,
}

impl CallOptions {
    /// Nothing out of the ordinary.
    pub(crate) const DEFAULT: CallOptions =
        CallOptions { mode: ReadMode::ReadThrough, in_transaction: false, observer: None };

    /// With this mode instead.
    pub(crate) fn in_mode(self, mode: ReadMode) -> CallOptions {
        CallOptions { mode, ..self }
    }

    /// With one more observer, beside those that there are.
    pub(crate) fn observed(self) -> CallOptions {
        let observer = Observer { calls: Mutex::default(), outer: self.observer };
        CallOptions { observer: Some(Arc::new(observer)), ..self }
    }

    /// Whether anybody observes the call.
    pub(crate) fn is_observed(&self) -> bool {
        self.observer.is_some()
    }

    /// Whether a call is to be answered as it always is, and nobody observes it.
    pub(crate) fn is_plain(&self) -> bool {
        self.mode == ReadMode::ReadThrough && !self.in_transaction && !self.is_observed()
    }

    /// Reports to all observers where a value came from.
    pub(crate) fn report(
        &self,
        function: &'static ReadFunction,
        key: &str,
        source: Source,
        age: Option<Duration>,
    ) {
        let mut observer = self.observer.as_ref();
        while let Some(Observer { calls, outer }) = observer.map(|observer| &**observer) {
            let call = ObservedCall { function: function.settings.name, key: key.to_owned(), source, age };
            calls.lock().push(call);
            observer = outer.as_ref();
        }
    }

    /// What the innermost observer was told; it forgets it.
    pub(crate) fn take_observed(&self) -> Observed {
        let calls = self.observer.as_ref().map(|observer| std::mem::take(&mut *observer.calls.lock()));
        Observed { calls: calls.unwrap_or_default() }
    }
}

/// Who observes the calls of a future.
#[derive(Debug)]
struct Observer {
    calls: Mutex<Vec<ObservedCall>>,
    /// Who observes the future that this one is part of.
    outer: Option<Arc<Observer>>,
}

/// Where the values of a future came from, by [`observe`](crate::observe()).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    calls: Vec<ObservedCall>,
}

impl Observed {
    /// Every call, in the order in which they were over.
    #[must_use]
    pub fn calls(&self) -> &[ObservedCall] {
        &self.calls
    }

    /// The age of the oldest value. `None` when there was none, or one's age is not known.
    ///
    /// A value that was made of other cached values does not know how old they were when it was stored.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let ages: Option<Vec<Duration>> = self.calls.iter().map(|call| call.age).collect();
        ages?.into_iter().max()
    }

    /// The source that is furthest from a hit, in the order of [`Source`]: `Hit` says that all calls were hits. `None` when no
    /// cached function was called.
    #[must_use]
    pub fn source(&self) -> Option<Source> {
        self.calls.iter().map(|call| call.source).max()
    }
}

/// Where one call had its value from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObservedCall {
    /// The cached function: `load_user`, `Repo::load_user`.
    pub function: &'static str,
    /// The key, without the namespace.
    pub key: String,
    /// Where the value came from.
    pub source: Source,
    /// How long ago it was stored; zero for what was loaded now. `None` when there is no value, or the store could not say it.
    pub age: Option<Duration>,
}

/// Where a value came from, from the nearest to the furthest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Source {
    /// A copy in this process (`local`): as new as the cache, or with `local_mode = "bounded"` older than a write by `local` at most.
    Local,
    /// The cache: a value, a stored `None` or a stored error, all within their TTLs.
    Hit,
    /// The cache: a value past its TTL, which the function's stale window allows.
    Stale,
    /// Another call, of this process or of another, that was loading it.
    Shared,
    /// The body, which this call ran. An error is its result too.
    Loaded,
    /// The body, without the cache: [`bypass`](crate::bypass()), no cache, or a type that the codec can't read back.
    Bypassed,
    /// Nowhere: [`only_cached`](crate::only_cached()) found nothing.
    Absent,
}

impl fmt::Display for Source {
    /// In lower case: `hit`, `stale`, …
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::Local => "local",
            Source::Hit => "hit",
            Source::Stale => "stale",
            Source::Shared => "shared",
            Source::Loaded => "loaded",
            Source::Bypassed => "bypassed",
            Source::Absent => "absent",
        })
    }
}
