//! What an attribute says, as written: nothing is decided yet, every value keeps its tokens.

use syn::{Expr, Ident, LitInt, LitStr, Path, Type};

use super::{call::Call, duration::Length, template::Template};

/// An option with the name that it was given under.
pub(crate) struct Given<T> {
    pub(crate) name: Ident,
    pub(crate) value: T,
}

/// The options of `#[cached_aside(…)]`.
#[derive(Default)]
pub(crate) struct ReadArgs {
    pub(crate) ttl: Option<Given<Length>>,
    pub(crate) key: Option<Given<Template>>,
    pub(crate) skip: Option<Given<Vec<Ident>>>,
    pub(crate) none_ttl: Option<Given<Length>>,
    pub(crate) jitter: Option<Given<u16>>,
    pub(crate) lease: Option<Given<Length>>,
    pub(crate) wait: Option<Given<Length>>,
    pub(crate) stale_while_revalidate: Option<Given<Length>>,
    pub(crate) stale_if_error: Option<Given<Length>>,
    pub(crate) refresh: Option<Given<Refresh>>,
    pub(crate) load_timeout: Option<Given<LoadTimeout>>,
    pub(crate) early_refresh: Option<Given<Expr>>,
    pub(crate) codec: Option<Given<Type>>,
    pub(crate) version: Option<Given<Version>>,
    pub(crate) cache: Option<Given<Expr>>,
    pub(crate) store_if: Option<Given<Expr>>,
    pub(crate) ttl_for: Option<Given<Expr>>,
    pub(crate) error_ttl: Option<Given<Length>>,
    pub(crate) error_if: Option<Given<Expr>>,
    /// Where the library is found.
    pub(crate) root: Option<Given<Path>>,
    pub(crate) shares_key: Option<Given<()>>,
    /// Every option that was named, also those whose value can't be read.
    pub(super) seen: Vec<Ident>,
}

/// `refresh = "…"`: who pays for the reload of a value that is still given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refresh {
    Inline,
    Background,
}

/// `version = 2` or `version = only(2)`.
pub(crate) struct Version {
    pub(crate) number: Expr,
    /// It stands for the type's structure, which is not looked at.
    pub(crate) only: bool,
}

/// `load_timeout(soft = "…", hard = "…")`, either or both.
#[derive(Default)]
pub(crate) struct LoadTimeout {
    pub(crate) soft: Option<Given<Length>>,
    pub(crate) hard: Option<Given<Length>>,
}

impl ReadArgs {
    /// Whether the option was named, even if its value can't be read.
    pub(crate) fn names(&self, option: &str) -> bool {
        self.seen.iter().any(|seen| seen == option)
    }

    /// The soft and the hard limit of `load_timeout`.
    pub(crate) fn limits(&self) -> (Option<&Given<Length>>, Option<&Given<Length>>) {
        let limits = self.load_timeout.as_ref().map(|given| &given.value);
        (limits.and_then(|limits| limits.soft.as_ref()), limits.and_then(|limits| limits.hard.as_ref()))
    }

    /// The lengths of time that were written.
    pub(crate) fn lengths_mut(&mut self) -> impl Iterator<Item = &mut Length> {
        let limits = self.load_timeout.as_mut().map(|given| &mut given.value);
        let (soft, hard) = limits.map_or((None, None), |limits| (limits.soft.as_mut(), limits.hard.as_mut()));
        let lengths = [
            &mut self.ttl,
            &mut self.none_ttl,
            &mut self.lease,
            &mut self.wait,
            &mut self.stale_while_revalidate,
            &mut self.stale_if_error,
            &mut self.error_ttl,
        ];
        let lengths = lengths.into_iter().filter_map(Option::as_mut).chain(soft).chain(hard);
        lengths.map(|given| &mut given.value)
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
    pub(crate) guard: Option<Given<Policy>>,
    pub(crate) guard_for: Option<Given<Length>>,
    pub(crate) settle: Option<Given<Length>>,
    pub(crate) wait_replicas: Option<Given<LitInt>>,
    pub(crate) when: Option<Given<Expr>>,
    pub(crate) cache: Option<Given<Expr>>,
    /// Where the library is found.
    pub(crate) root: Option<Given<Path>>,
    /// Whether anything but an option was written, even if it can't be read.
    pub(crate) names_a_key: bool,
}

/// What a write names.
pub(crate) enum Target {
    Call(Call),
    Template(Template),
}

/// `guard = "…"`, with the literal.
pub(crate) enum Policy {
    BestEffort,
    Required(LitStr),
    Off,
}

impl WriteArgs {
    /// The lengths of time that were written.
    pub(crate) fn lengths_mut(&mut self) -> impl Iterator<Item = &mut Length> {
        let lengths = [&mut self.guard_for, &mut self.settle];
        lengths.into_iter().filter_map(Option::as_mut).map(|given| &mut given.value)
    }
}
