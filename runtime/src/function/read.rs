//! What `#[cached_aside]` fixed when compiling: constant data, one `static` for each function.

use std::{
    panic::Location,
    sync::{OnceLock, atomic::AtomicBool},
    time::Duration,
};

use crate::{
    codec::coding::Coding,
    fingerprint::{Cacheability, CodingKind, FingerprintCell, TypeInfo, Uncacheable},
    function::{name::FunctionName, staleness::Staleness},
};

/// No TTL is longer: 100 years. It keeps every deadline within what Redis and the wire format can hold.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// How long a load may go unrenewed, unless the attribute says so: nobody waits longer for a process that has died. It is renewed
/// each third of it, so that only loads that take longer than that cost a renewal.
const LEASE: Duration = Duration::from_secs(1);
/// Maximum time to wait for a load that goes on, unless the attribute says so.
const WAIT: Duration = Duration::from_secs(5);
/// Minimum time that is allowed for a load when tags are kept for its entry.
const LOAD: Duration = Duration::from_secs(60);
/// Redis counts in milliseconds.
const MIN: Duration = Duration::from_millis(1);

/// The settings of one `#[cached_aside]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadSettings {
    pub(crate) module: &'static str,
    pub(crate) name: &'static str,
    pub(crate) template: &'static str,
    /// Which of its placeholders are integers, a bit each, from the first on.
    pub(crate) integers: u64,
    pub(crate) file: &'static str,
    pub(crate) line: u32,
    pub(crate) ttl: Duration,
    pub(crate) none_ttl: Option<Duration>,
    pub(crate) error_ttl: Option<Duration>,
    pub(crate) jitter_per_mille: u16,
    pub(crate) lease: Duration,
    pub(crate) wait: Duration,
    pub(crate) staleness: Staleness,
    pub(crate) shares_key: bool,
    /// Nothing invalidates it on purpose.
    pub(crate) ttl_only: bool,
    /// The tags of its entries, for the catalog.
    pub(crate) tags: &'static [TagName],
    pub(crate) cached_in_transaction: bool,
    /// The share of hits that are verified; `None`: what the cache says.
    pub(crate) verify: Option<f64>,
    /// How long a local copy may be used.
    pub(crate) local: Option<Duration>,
    pub(crate) local_mode: LocalMode,
}

/// Whether writes wait for local copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LocalMode {
    /// Copies are registered on their entries, and writes wait for them.
    Exact,
    /// Copies are compared with their entries, and may be older than a write by their time at most.
    Bounded,
}

impl ReadSettings {
    pub(crate) const fn function(&self) -> FunctionName {
        FunctionName { module: self.module, name: self.name }
    }

    /// The longest time for which an entry may still be given, from the beginning of its load: its tags live as long. Where a load
    /// takes longer than is allowed for here, its entry ends with its tags.
    pub(crate) fn longest_life(&self) -> Duration {
        let stored = self.ttl.max(self.none_ttl.unwrap_or_default()).max(self.error_ttl.unwrap_or_default());
        let load = self.staleness.hard_limit.unwrap_or_default().max(LOAD);
        stored.saturating_add(self.staleness.window()).saturating_add(load)
    }
}

/// A tag, as far as it is known without a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagName {
    /// Its template.
    Template(&'static str),
    /// The name of the function that gives it.
    Declared(&'static str),
}

/// What the companions of a free function and the function itself share. In a trait of ours, so that it isn't among what one
/// can write behind the function's name.
pub trait Companion {
    /// The shape of its return type.
    const SHAPE: u8;

    /// What the attribute fixed.
    fn function() -> &'static ReadFunction;
}

/// One function with `#[cached_aside]`.
#[derive(Debug)]
pub struct ReadFunction {
    pub(crate) settings: ReadSettings,
    fingerprint: FingerprintCell,
    error_fingerprint: FingerprintCell,
    pub(crate) stored: Stored,
    /// Its number in this program, given at its first call.
    pub(super) number: OnceLock<usize>,
    pub(super) said: Said,
}

/// How the types are encoded that a function stores, where they are known without a call.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) values: Option<CodingKind>,
    pub(crate) errors: Option<CodingKind>,
}

/// What was said already, once for each function.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) uncacheable: AtomicBool,
    pub(super) undecodable: AtomicBool,
    pub(super) unencodable: AtomicBool,
    pub(super) unprintable: AtomicBool,
    pub(super) recursive: AtomicBool,
}

impl Said {
    const fn new() -> Said {
        Said {
            uncacheable: AtomicBool::new(false),
            undecodable: AtomicBool::new(false),
            unencodable: AtomicBool::new(false),
            unprintable: AtomicBool::new(false),
            recursive: AtomicBool::new(false),
        }
    }
}

impl ReadFunction {
    /// A function with the default settings, declared where this is called.
    ///
    /// # Panics
    ///
    /// When compiling, if the TTL is shorter than a millisecond or longer than 100 years.
    #[must_use]
    #[track_caller]
    pub const fn declare(
        module: &'static str,
        name: &'static str,
        template: &'static str,
        ttl: Duration,
    ) -> Self {
        assert!(
            ttl.as_millis() >= MIN.as_millis(),
            "`ttl` must be at least 1ms: every entry lives for a while"
        );
        assert!(ttl.as_millis() <= MAX_TTL.as_millis(), "`ttl` must be at most 100 years");
        let here = Location::caller();
        ReadFunction {
            settings: ReadSettings {
                module,
                name,
                template,
                integers: 0,
                file: here.file(),
                line: here.line(),
                ttl,
                none_ttl: None,
                error_ttl: None,
                jitter_per_mille: 100,
                lease: LEASE,
                wait: WAIT,
                staleness: Staleness::NONE,
                shares_key: false,
                ttl_only: false,
                tags: &[],
                cached_in_transaction: false,
                verify: None,
                local: None,
                local_mode: LocalMode::Exact,
            },
            fingerprint: FingerprintCell::new(),
            error_fingerprint: FingerprintCell::new(),
            stored: Stored { values: None, errors: None },
            number: OnceLock::new(),
            said: Said::new(),
        }
    }

    /// Which placeholders of the template are integers, a bit each, from the first on.
    #[must_use]
    pub const fn integers(mut self, integers: u64) -> Self {
        self.settings.integers = integers;
        self
    }

    /// `tags(…)`.
    #[must_use]
    pub const fn tags(mut self, tags: &'static [TagName]) -> Self {
        self.settings.tags = tags;
        self
    }

    /// `ttl_only`.
    #[must_use]
    pub const fn ttl_only(mut self) -> Self {
        self.settings.ttl_only = true;
        self
    }

    /// `in_transaction = "cached"`.
    #[must_use]
    pub const fn cached_in_transaction(mut self) -> Self {
        self.settings.cached_in_transaction = true;
        self
    }

    /// `none_ttl = …`.
    ///
    /// # Panics
    ///
    /// When compiling, if it is shorter than a millisecond or longer than 100 years.
    #[must_use]
    pub const fn none_ttl(mut self, ttl: Duration) -> Self {
        assert!(
            ttl.as_millis() >= MIN.as_millis(),
            "`none_ttl` must be at least 1ms; leave it out to store no `None`"
        );
        assert!(ttl.as_millis() <= MAX_TTL.as_millis(), "`none_ttl` must be at most 100 years");
        self.settings.none_ttl = Some(ttl);
        self
    }

    /// `error_ttl = …`.
    ///
    /// # Panics
    ///
    /// When compiling, if it is shorter than a millisecond or longer than 100 years.
    #[must_use]
    pub const fn error_ttl(mut self, ttl: Duration) -> Self {
        assert!(
            ttl.as_millis() >= MIN.as_millis(),
            "`error_ttl` must be at least 1ms; leave it out to store no errors"
        );
        assert!(ttl.as_millis() <= MAX_TTL.as_millis(), "`error_ttl` must be at most 100 years");
        self.settings.error_ttl = Some(ttl);
        self
    }

    /// `jitter = …`, in thousandths.
    ///
    /// # Panics
    ///
    /// When compiling, if it is more than the whole.
    #[must_use]
    pub const fn jitter(mut self, per_mille: u16) -> Self {
        assert!(per_mille <= 1000, "`jitter` must be at most 100%");
        self.settings.jitter_per_mille = per_mille;
        self
    }

    /// `lease = …`.
    ///
    /// # Panics
    ///
    /// When compiling, if it is shorter than 10 ms (it is renewed each third of it) or longer than an hour.
    #[must_use]
    pub const fn lease(mut self, lease: Duration) -> Self {
        assert!(lease.as_millis() >= 10, "`lease` must be at least 10ms");
        assert!(lease.as_secs() <= 3600, "`lease` must be at most 1h: it is renewed while the load runs");
        self.settings.lease = lease;
        self
    }

    /// `wait = …`.
    ///
    /// # Panics
    ///
    /// When compiling, if it is longer than 100 years.
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        assert!(wait.as_millis() <= MAX_TTL.as_millis(), "`wait` must be at most 100 years");
        self.settings.wait = wait;
        self
    }

    /// `shares_key`.
    #[must_use]
    pub const fn shares_key(mut self) -> Self {
        self.settings.shares_key = true;
        self
    }

    /// `stale_while_revalidate = …`.
    ///
    /// # Panics
    ///
    /// When compiling, if it is shorter than a millisecond or longer than 100 years.
    #[must_use]
    pub const fn stale_while_revalidate(mut self, window: Duration) -> Self {
        assert!(
            window.as_millis() >= 1,
            "`stale_while_revalidate` must be at least 1ms; leave it out otherwise"
        );
        assert!(
            window.as_millis() <= MAX_TTL.as_millis(),
            "`stale_while_revalidate` must be at most 100 years"
        );
        self.settings.staleness.while_revalidate = window;
        self
    }

    /// `stale_if_error = …`.
    ///
    /// # Panics
    ///
    /// When compiling, if it is shorter than a millisecond or longer than 100 years.
    #[must_use]
    pub const fn stale_if_error(mut self, window: Duration) -> Self {
        assert!(window.as_millis() >= 1, "`stale_if_error` must be at least 1ms; leave it out otherwise");
        assert!(window.as_millis() <= MAX_TTL.as_millis(), "`stale_if_error` must be at most 100 years");
        self.settings.staleness.if_error = window;
        self
    }

    /// `refresh = "background"`.
    #[must_use]
    pub const fn refresh_in_background(mut self) -> Self {
        self.settings.staleness.in_background = true;
        self
    }

    /// `load_timeout(soft = …)`.
    ///
    /// # Panics
    ///
    /// When compiling, if it is shorter than a millisecond, longer than 100 years, or not shorter than the hard limit, which comes
    /// first.
    #[must_use]
    pub const fn soft_limit(mut self, limit: Duration) -> Self {
        assert!(
            limit.as_millis() >= 1,
            "`soft` must be at least 1ms; `refresh = \"background\"` waits not at all"
        );
        assert!(limit.as_millis() <= MAX_TTL.as_millis(), "`soft` must be at most 100 years");
        if let Some(hard) = self.settings.staleness.hard_limit {
            assert!(
                limit.as_nanos() < hard.as_nanos(),
                "`soft` must be shorter than `hard`: a load that was dropped does not go on"
            );
        }
        self.settings.staleness.soft_limit = Some(limit);
        self
    }

    /// `load_timeout(hard = …)`.
    ///
    /// # Panics
    ///
    /// When compiling, if it is shorter than a millisecond.
    #[must_use]
    pub const fn hard_limit(mut self, limit: Duration) -> Self {
        assert!(limit.as_millis() >= 1, "`hard` must be at least 1ms: no load would ever end");
        assert!(limit.as_millis() <= MAX_TTL.as_millis(), "`hard` must be at most 100 years");
        self.settings.staleness.hard_limit = Some(limit);
        self
    }

    /// `early_refresh = …`.
    ///
    /// # Panics
    ///
    /// When compiling, if it is not above 0 and at most 100.
    #[must_use]
    pub const fn early_refresh(mut self, beta: f64) -> Self {
        assert!(
            beta > 0.0 && beta <= 100.0,
            "`early_refresh` must be above 0 and at most 100; 1.0 is the usual"
        );
        self.settings.staleness.early = beta;
        self
    }

    /// The type of its values, which is the same for all calls.
    #[must_use]
    pub const fn stores<V>(mut self, coding: &Coding<V>) -> Self {
        self.stored.values = Some(coding.kind);
        self
    }

    /// The type of its errors, which is the same for all calls.
    #[must_use]
    pub const fn errors<E>(mut self, coding: &Coding<E>) -> Self {
        self.stored.errors = Some(coding.kind);
        self
    }

    /// What is known of the function's values, if they can be cached.
    pub(crate) fn of_value(&self, kind: &CodingKind, shape: u8) -> Cacheability {
        self.fingerprint.get(kind, shape, |why| self.warn_once_one_build(why))
    }

    /// The same for a caller that has the function's key, and does not know the shape of its return type.
    pub(crate) fn of_value_by_key(&self, kind: &CodingKind) -> Cacheability {
        self.fingerprint.of_any_shape(kind)
    }

    /// Why the values of the first type that it had can't be cached, if they can't.
    pub(crate) fn refused(&self) -> Option<Uncacheable> {
        self.fingerprint.refused()
    }

    /// What is known of the function's errors, if they can be cached. The error of a function that gives other values is another
    /// error, whatever its type.
    pub(crate) fn of_error<E>(&self, coding: &Coding<E>, values: TypeInfo, key: &str) -> Option<TypeInfo> {
        // An `Option` or a `Result` inside of an error hides nothing.
        let type_info =
            self.error_fingerprint.get(&coding.kind, u8::MAX, |why| self.warn_once_one_build(why));
        let say = |error: &Uncacheable| {
            if !error.is_passing() {
                self.warn_once_unencodable(key, &error.to_string());
            }
        };
        let type_info = type_info.inspect_err(say).ok()?;
        Some(TypeInfo { fingerprint: type_info.fingerprint.rotate_left(1) ^ values.fingerprint, ..type_info })
    }
}

#[cfg(test)]
mod tests;
