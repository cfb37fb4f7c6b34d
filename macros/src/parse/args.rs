//! What an attribute says, as written: nothing is decided yet, every value keeps its tokens.

use syn::{Expr, Ident, LitInt, LitStr, Path, Type};

use super::{duration::DurationArg, tags::Tag, target::Target, template::Template};

/// The value of an option, with the option's name as it was written.
pub(crate) struct OptionValue<T> {
    pub(crate) name: Ident,
    pub(crate) value: T,
}

/// The options of `#[cached_aside(…)]`.
#[derive(Default)]
pub(crate) struct ReadArgs {
    pub(crate) ttl: Option<OptionValue<DurationArg>>,
    pub(crate) key: Option<OptionValue<Template>>,
    pub(crate) skip: Option<OptionValue<Vec<Ident>>>,
    pub(crate) none_ttl: Option<OptionValue<DurationArg>>,
    pub(crate) jitter: Option<OptionValue<u16>>,
    pub(crate) lease: Option<OptionValue<DurationArg>>,
    pub(crate) wait: Option<OptionValue<DurationArg>>,
    pub(crate) stale_while_revalidate: Option<OptionValue<DurationArg>>,
    pub(crate) stale_if_error: Option<OptionValue<DurationArg>>,
    pub(crate) refresh: Option<OptionValue<Refresh>>,
    pub(crate) load_timeout: Option<OptionValue<LoadTimeout>>,
    pub(crate) early_refresh: Option<OptionValue<Expr>>,
    pub(crate) codec: Option<OptionValue<Type>>,
    pub(crate) version: Option<OptionValue<Version>>,
    pub(crate) cache: Option<OptionValue<Expr>>,
    pub(crate) store_if: Option<OptionValue<Expr>>,
    pub(crate) ttl_for: Option<OptionValue<Expr>>,
    pub(crate) error_ttl: Option<OptionValue<DurationArg>>,
    pub(crate) error_if: Option<OptionValue<Expr>>,
    /// Where the library is found.
    pub(crate) root: Option<OptionValue<Path>>,
    pub(crate) shares_key: Option<OptionValue<()>>,
    pub(crate) ttl_only: Option<OptionValue<()>>,
    pub(crate) in_transaction: Option<OptionValue<()>>,
    pub(crate) verify: Option<OptionValue<f64>>,
    pub(crate) tags: Option<OptionValue<Vec<Tag>>>,
    pub(crate) local: Option<OptionValue<DurationArg>>,
    pub(crate) local_mode: Option<OptionValue<LocalMode>>,
    /// Every option that was named, also those whose value can't be read.
    pub(super) seen: Vec<Ident>,
}

/// `refresh = "…"`: who waits for the reload of a stale value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refresh {
    Inline,
    Background,
}

/// `local_mode = "…"`: whether writes wait for the copies of `local`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LocalMode {
    Exact,
    Bounded,
}

/// `version = 2` or `version = only(2)`.
pub(crate) struct Version {
    pub(crate) number: Expr,
    /// It replaces the comparison of the type's structure.
    pub(crate) only: bool,
}

/// `load_timeout(soft = "…", hard = "…")`, either or both.
#[derive(Default)]
pub(crate) struct LoadTimeout {
    pub(crate) soft: Option<OptionValue<DurationArg>>,
    pub(crate) hard: Option<OptionValue<DurationArg>>,
}

impl ReadArgs {
    /// Whether the option was named, even if its value can't be read.
    pub(crate) fn names(&self, option: &str) -> bool {
        self.seen.iter().any(|seen| seen == option)
    }

    /// `local_mode = "bounded"`.
    pub(crate) fn bounded(&self) -> Option<&OptionValue<LocalMode>> {
        self.local_mode.as_ref().filter(|option| option.value == LocalMode::Bounded)
    }

    /// The soft and the hard limit of `load_timeout`.
    pub(crate) fn limits(&self) -> (Option<&OptionValue<DurationArg>>, Option<&OptionValue<DurationArg>>) {
        let limits = self.load_timeout.as_ref().map(|option| &option.value);
        (limits.and_then(|limits| limits.soft.as_ref()), limits.and_then(|limits| limits.hard.as_ref()))
    }

    /// The durations that were written.
    pub(crate) fn durations_mut(&mut self) -> impl Iterator<Item = &mut DurationArg> {
        let limits = self.load_timeout.as_mut().map(|option| &mut option.value);
        let (soft, hard) = limits.map_or((None, None), |limits| (limits.soft.as_mut(), limits.hard.as_mut()));
        let durations = [
            &mut self.ttl,
            &mut self.none_ttl,
            &mut self.lease,
            &mut self.wait,
            &mut self.stale_while_revalidate,
            &mut self.stale_if_error,
            &mut self.error_ttl,
            &mut self.local,
        ];
        let durations = durations.into_iter().filter_map(Option::as_mut).chain(soft).chain(hard);
        durations.map(|option| &mut option.value)
    }
}

/// One of the attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attribute {
    CachedAside,
    Invalidates,
    Updates,
}

impl Attribute {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Attribute::CachedAside => "cached_aside",
            Attribute::Invalidates => "invalidates",
            Attribute::Updates => "updates",
        }
    }
}

/// The arguments of `#[invalidates(…)]` and `#[updates(…)]`.
#[derive(Default)]
pub(crate) struct WriteArgs {
    pub(crate) targets: Vec<Target>,
    pub(crate) guard: Option<OptionValue<Policy>>,
    pub(crate) guard_for: Option<OptionValue<DurationArg>>,
    pub(crate) settle: Option<OptionValue<DurationArg>>,
    pub(crate) wait_replicas: Option<OptionValue<LitInt>>,
    pub(crate) transaction: Option<OptionValue<Transaction>>,
    /// Whether `transaction` was written, even if its value can't be read.
    pub(crate) says_who_commits: bool,
    pub(crate) detach: Option<OptionValue<()>>,
    pub(crate) when: Option<OptionValue<Expr>>,
    pub(crate) cache: Option<OptionValue<Expr>>,
    /// Where the library is found.
    pub(crate) root: Option<OptionValue<Path>>,
    /// Whether anything but an option was written, even if it can't be read.
    pub(crate) names_a_key: bool,
}

/// `transaction = "…"`: who commits what the function writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transaction {
    /// Somebody else, later.
    Required,
    /// The function itself.
    Own,
}

/// `guard = "…"`, with the literal.
pub(crate) enum Policy {
    BestEffort,
    Required(LitStr),
    Off,
}

impl WriteArgs {
    /// The durations that were written.
    pub(crate) fn durations_mut(&mut self) -> impl Iterator<Item = &mut DurationArg> {
        let durations = [&mut self.guard_for, &mut self.settle];
        durations.into_iter().filter_map(Option::as_mut).map(|option| &mut option.value)
    }
}
