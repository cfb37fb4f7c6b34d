//! What an attribute fixed when compiling: constant data, one `static` for each annotated function.

use std::{
    panic::Location,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{
    CodecError,
    codec::{Coding, CodingKind},
    fingerprint::{FingerprintCell, Incomplete, Known, Uncacheable, Verdict},
    staleness::Staleness,
    telemetry,
};

/// No TTL is longer: 100 years. It keeps every deadline within what Redis and the wire format can hold.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// How long a load may go unrenewed, unless the attribute says so: nobody waits longer for a process that has died. It is renewed
/// each third of it, so that only loads that take longer than that cost a renewal.
const LEASE: Duration = Duration::from_secs(1);
/// Maximum time to wait for a load that goes on, unless the attribute says so.
const WAIT: Duration = Duration::from_secs(5);
/// Redis counts in milliseconds.
const MIN: Duration = Duration::from_millis(1);

/// The settings of one `#[cached_aside]`.
#[derive(Debug, Clone, Copy)]
pub struct ReadSettings {
    pub(crate) module: &'static str,
    pub(crate) name: &'static str,
    pub(crate) template: &'static str,
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
}

impl ReadSettings {
    /// The settings that have no default.
    ///
    /// # Panics
    ///
    /// When compiling, if the TTL is shorter than a millisecond or longer than 100 years.
    #[must_use]
    pub const fn new(
        module: &'static str,
        name: &'static str,
        template: &'static str,
        file: &'static str,
        line: u32,
        ttl: Duration,
    ) -> Self {
        assert!(
            ttl.as_millis() >= MIN.as_millis(),
            "`ttl` must be at least 1ms: every entry lives for a while"
        );
        assert!(ttl.as_millis() <= MAX_TTL.as_millis(), "`ttl` must be at most 100 years");
        ReadSettings {
            module,
            name,
            template,
            file,
            line,
            ttl,
            none_ttl: None,
            error_ttl: None,
            jitter_per_mille: 100,
            lease: LEASE,
            wait: WAIT,
            staleness: Staleness::NONE,
            shares_key: false,
        }
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
        self.none_ttl = Some(ttl);
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
        self.error_ttl = Some(ttl);
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
        self.jitter_per_mille = per_mille;
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
        self.lease = lease;
        self
    }

    /// `wait = …`.
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// `shares_key`.
    #[must_use]
    pub const fn shares_key(mut self) -> Self {
        self.shares_key = true;
        self
    }
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
    number: OnceLock<usize>,
    said: Said,
}

/// How the types are encoded that a function stores, where they are known without a call.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) values: Option<CodingKind>,
    pub(crate) errors: Option<CodingKind>,
}

/// What was said already, once for each function.
#[derive(Debug, Default)]
struct Said {
    uncacheable: AtomicBool,
    undecodable: AtomicBool,
    unencodable: AtomicBool,
    unprintable: AtomicBool,
    recursive: AtomicBool,
}

impl ReadFunction {
    /// A function with these settings.
    #[must_use]
    pub const fn new(settings: ReadSettings) -> Self {
        let said = Said {
            uncacheable: AtomicBool::new(false),
            undecodable: AtomicBool::new(false),
            unencodable: AtomicBool::new(false),
            unprintable: AtomicBool::new(false),
            recursive: AtomicBool::new(false),
        };
        ReadFunction {
            settings,
            fingerprint: FingerprintCell::new(),
            error_fingerprint: FingerprintCell::new(),
            stored: Stored { values: None, errors: None },
            number: OnceLock::new(),
            said,
        }
    }

    /// A function with the default settings, declared where this is called.
    ///
    /// # Panics
    ///
    /// When compiling, as [`ReadSettings::new`] does.
    #[must_use]
    #[track_caller]
    pub const fn declare(
        module: &'static str,
        name: &'static str,
        template: &'static str,
        ttl: Duration,
    ) -> Self {
        let here = Location::caller();
        Self::new(ReadSettings::new(module, name, template, here.file(), here.line(), ttl))
    }

    /// `none_ttl = …`; see [`ReadSettings::none_ttl`].
    #[must_use]
    pub const fn none_ttl(mut self, ttl: Duration) -> Self {
        self.settings = self.settings.none_ttl(ttl);
        self
    }

    /// `error_ttl = …`; see [`ReadSettings::error_ttl`].
    #[must_use]
    pub const fn error_ttl(mut self, ttl: Duration) -> Self {
        self.settings = self.settings.error_ttl(ttl);
        self
    }

    /// `jitter = …`; see [`ReadSettings::jitter`].
    #[must_use]
    pub const fn jitter(mut self, per_mille: u16) -> Self {
        self.settings = self.settings.jitter(per_mille);
        self
    }

    /// `lease = …`; see [`ReadSettings::lease`].
    #[must_use]
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.settings = self.settings.lease(lease);
        self
    }

    /// `wait = …`; see [`ReadSettings::wait`].
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.settings = self.settings.wait(wait);
        self
    }

    /// `shares_key`; see [`ReadSettings::shares_key`].
    #[must_use]
    pub const fn shares_key(mut self) -> Self {
        self.settings = self.settings.shares_key();
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

    /// The function's number in this program, given at its first call.
    pub(crate) fn number(&'static self) -> usize {
        *self.number.get_or_init(|| telemetry::enter(self))
    }

    /// What is known of the function's values, if they can be cached.
    pub(crate) fn of_value(&self, kind: &CodingKind, shape: u8) -> Verdict {
        self.fingerprint.get(kind, shape, |why| self.say_one_build(why))
    }

    /// What is known of the function's errors, if they can be cached. The error of a function that gives other values is another
    /// error, whatever its type.
    pub(crate) fn of_error<E>(&self, coding: &Coding<E>, values: Known, key: &str) -> Option<Known> {
        // An `Option` or a `Result` inside of an error hides nothing.
        let known = self.error_fingerprint.get(&coding.kind, u8::MAX, |why| self.say_one_build(why));
        let say = |error: &Uncacheable| {
            if !error.is_passing() {
                self.say_unencodable(key, &error.to_string());
            }
        };
        let known = known.inspect_err(say).ok()?;
        Some(Known { fingerprint: known.fingerprint.rotate_left(1) ^ values.fingerprint, ..known })
    }

    /// What a type's structure does not tell apart is told apart by the build.
    fn say_one_build(&self, why: Incomplete) {
        static ABORTS: AtomicBool = AtomicBool::new(false);
        if why == Incomplete::Aborts && !first_time(&ABORTS) {
            // It is the same for all functions.
            return;
        }
        let ReadSettings { module, name, file, line, .. } = self.settings;
        tracing::warn!(
            module,
            function = name,
            file,
            line,
            %why,
            "entries are shared by processes of the same build only: the structure of the type can't be compared; \
             `version = only(1)` shares them with all builds, and the version must then be raised with every change of the type"
        );
    }

    pub(crate) fn say_uncacheable(&self, error: &Uncacheable) {
        if error.is_passing() {
            tracing::debug!(function = self.settings.name, %error, "the function runs uncached until then");
        } else if first_time(&self.said.uncacheable) {
            let ReadSettings { module, name, template, file, line, .. } = self.settings;
            tracing::error!(module, function = name, template, file, line, %error, "the function runs uncached");
        }
    }

    pub(crate) fn say_unprintable(&self, key: &str) {
        if first_time(&self.said.unprintable) {
            let ReadSettings { module, name, template, file, line, .. } = self.settings;
            tracing::error!(
                module,
                function = name,
                template,
                file,
                line,
                key,
                "the `Display` of a value in the key failed; such calls run uncached"
            );
        }
    }

    pub(crate) fn say_errors_unreadable(&self, error: &Uncacheable) {
        if first_time(&self.said.unencodable) {
            let ReadSettings { module, name, file, line, .. } = self.settings;
            tracing::error!(module, function = name, file, line, %error, "the function's errors are not stored");
        }
    }

    pub(crate) fn say_undecodable(&self, key: &str, error: &CodecError) {
        if first_time(&self.said.undecodable) {
            tracing::error!(
                function = self.settings.name,
                key,
                %error,
                "the entry can't be read and is replaced"
            );
        }
    }

    pub(crate) fn say_recursive(&self, key: &str) {
        if first_time(&self.said.recursive) {
            let ReadSettings { module, name, file, line, .. } = self.settings;
            tracing::warn!(
                module,
                function = name,
                file,
                line,
                key,
                "recursive load: the body calls this function with the same key again, directly or through another; the inner call runs the body uncached"
            );
        }
    }

    pub(crate) fn say_unencodable(&self, key: &str, error: &str) {
        if first_time(&self.said.unencodable) {
            tracing::error!(function = self.settings.name, key, error, "the value can't be stored");
        }
    }
}

fn first_time(said: &AtomicBool) -> bool {
    !said.swap(true, Relaxed)
}

/// What a write does when its keys can't be guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Guard {
    /// Go on without.
    #[default]
    BestEffort,
    /// Refuse the write.
    Required,
    /// Never guard; delete afterwards only.
    Off,
}

/// The settings of one `#[invalidates]`.
#[derive(Debug, Clone, Copy)]
pub struct WriteSettings {
    pub(crate) module: &'static str,
    pub(crate) name: &'static str,
    pub(crate) file: &'static str,
    pub(crate) line: u32,
    pub(crate) guard: Guard,
    pub(crate) guard_for: Duration,
    pub(crate) settle: Duration,
    pub(crate) wait_replicas: u8,
}

/// How long a guard may go unrenewed, unless the attribute says so.
pub(crate) const GUARD_FOR: Duration = Duration::from_secs(10);

impl WriteSettings {
    /// Settings at their defaults.
    #[must_use]
    pub const fn new(module: &'static str, name: &'static str, file: &'static str, line: u32) -> Self {
        WriteSettings {
            module,
            name,
            file,
            line,
            guard: Guard::BestEffort,
            guard_for: GUARD_FOR,
            settle: Duration::ZERO,
            wait_replicas: 0,
        }
    }

    /// `guard = …`.
    #[must_use]
    pub const fn guard(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }

    /// `guard_for = …`.
    ///
    /// # Panics
    ///
    /// When compiling, if it is shorter than 10 ms (it is renewed each third of it) or longer than an hour.
    #[must_use]
    pub const fn guard_for(mut self, hold: Duration) -> Self {
        assert!(hold.as_millis() >= 10, "`guard_for` must be at least 10ms");
        assert!(hold.as_secs() <= 3600, "`guard_for` must be at most 1h: it is renewed while the write runs");
        self.guard_for = hold;
        self
    }

    /// `settle = …`.
    ///
    /// # Panics
    ///
    /// When compiling, if it is longer than an hour.
    #[must_use]
    pub const fn settle(mut self, settle: Duration) -> Self {
        assert!(settle.as_secs() <= 3600, "`settle` must be at most 1h");
        self.settle = settle;
        self
    }

    /// `wait_replicas = …`.
    #[must_use]
    pub const fn wait_replicas(mut self, replicas: u8) -> Self {
        self.wait_replicas = replicas;
        self
    }
}

/// One function with `#[invalidates]`.
#[derive(Debug)]
pub struct WriteFunction {
    pub(crate) settings: WriteSettings,
}

impl WriteFunction {
    /// A function with these settings.
    #[must_use]
    pub const fn new(settings: WriteSettings) -> Self {
        WriteFunction { settings }
    }

    /// A function with the default settings, declared where this is called.
    #[must_use]
    #[track_caller]
    pub const fn declare(module: &'static str, name: &'static str) -> Self {
        let here = Location::caller();
        Self::new(WriteSettings::new(module, name, here.file(), here.line()))
    }

    /// `guard = …`; see [`WriteSettings::guard`].
    #[must_use]
    pub const fn guard(mut self, guard: Guard) -> Self {
        self.settings = self.settings.guard(guard);
        self
    }

    /// `guard_for = …`; see [`WriteSettings::guard_for`].
    #[must_use]
    pub const fn guard_for(mut self, hold: Duration) -> Self {
        self.settings = self.settings.guard_for(hold);
        self
    }

    /// `settle = …`; see [`WriteSettings::settle`].
    #[must_use]
    pub const fn settle(mut self, settle: Duration) -> Self {
        self.settings = self.settings.settle(settle);
        self
    }

    /// `wait_replicas = …`; see [`WriteSettings::wait_replicas`].
    #[must_use]
    pub const fn wait_replicas(mut self, replicas: u8) -> Self {
        self.settings = self.settings.wait_replicas(replicas);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults() {
        static READ: ReadFunction = ReadFunction::declare("module", "load", "key", Duration::from_secs(1));
        static WRITE: WriteFunction = WriteFunction::declare("module", "save");
        let ReadSettings { jitter_per_mille, lease, wait, none_ttl, .. } = READ.settings;
        assert_eq!((jitter_per_mille, none_ttl), (100, None));
        assert_eq!((lease, wait), (Duration::from_secs(1), Duration::from_secs(5)));
        let WriteSettings { guard, guard_for, settle, .. } = WRITE.settings;
        assert_eq!((guard, guard_for, settle), (Guard::BestEffort, Duration::from_secs(10), Duration::ZERO));
        assert!(READ.settings.file.ends_with("settings.rs") && READ.settings.line < WRITE.settings.line);
        let builder = format!("{:?}", crate::Cache::builder());
        assert!(builder.contains("\"cached-aside\", timeout: 250ms, connect_timeout: 1s"), "{builder}");
    }
}
