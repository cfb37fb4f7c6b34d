//! What can go wrong with the cache itself.

use std::time::Duration;

/// A failure of the cache, never of the function it stands in front of.
///
/// Where the cache fails, annotated functions do not return it: they run their body. They return it, made into their own error by
/// `From`, where they were asked to: `guard = "required"`, `transaction = "required"`, `load_timeout(hard = …)`, and inside of
/// [`only_cached`](crate::only_cached()). Else it reaches a program only where that speaks to the cache directly
/// ([`Cache::connect`](crate::Cache::connect), [`Key::peek`](crate::Key::peek), [`Cache::invalidate`](crate::Cache::invalidate) …).
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL can never work. The text never contains the URL's password.
    #[error("this URL can't be used for a cache: {reason}")]
    Url {
        /// What is wrong with it and what to write instead.
        reason: String,
    },

    /// An option given to the builder can never work.
    #[error("the option `{option}` can't be used: {reason}")]
    Option {
        /// The builder's method.
        option: &'static str,
        /// What is wrong with it and what to give instead.
        reason: String,
    },

    /// [`Cache::install`](crate::Cache::install) was called a second time.
    #[error(
        "a cache is installed already ({installed}); install once, at the start of the program, and use `Cache::scope` for others"
    )]
    AlreadyInstalled {
        /// The cache that is installed, without secrets.
        installed: String,
    },

    /// There is no cache: none was installed, none is in scope, and the key names none.
    #[error(
        "no cache is installed; call `Cache::connect(url).await?.install()?` at the start of the program"
    )]
    NoCache,

    /// The store did not answer in time. It may have done what it was asked to do.
    #[error(
        "the cache did not answer within {within:?} ({doing}); is Redis overloaded, or the timeout too short?"
    )]
    Timeout {
        /// The step that was being taken.
        doing: &'static str,
        /// The time that it was given.
        within: Duration,
    },

    /// There is no connection to the store at the moment, or its server refuses what the cache needs; it is tried again in the
    /// background.
    #[error("the cache can't be used ({doing}): {reason}; it is tried again in the background")]
    Unreachable {
        /// The step that was being taken.
        doing: &'static str,
        /// What the connection said, or what the server refuses and what to grant.
        reason: String,
    },

    /// The server refused a command.
    #[error("the server refused ({doing}): {reason}")]
    Server {
        /// The step that was being taken.
        doing: &'static str,
        /// The server's own words.
        reason: String,
    },

    /// More commands are on their way to Redis than [`CacheBuilder::max_in_flight`](crate::CacheBuilder::max_in_flight)
    /// allows; this one was not sent.
    #[error(
        "too many commands are on their way to the cache ({doing}); it is slow, or `max_in_flight` is too small"
    )]
    Overloaded {
        /// The step that was being taken.
        doing: &'static str,
    },

    /// Invalidations could not be delivered before the time was up. See [`Cache::shutdown`](crate::Cache::shutdown).
    #[error("{keys} invalidations are still undelivered; their entries are corrected by their TTLs")]
    Undelivered {
        /// How many keys are left.
        keys: usize,
    },

    /// The key holds something that this library did not write. It is never overwritten or deleted.
    #[error(
        "the key `{}` holds data of somebody else, which is left as it is; give the cache a namespace of its own (`Cache::builder().namespace(…)`) or rename the key",
        key.escape_debug()
    )]
    Foreign {
        /// The key, without the namespace.
        key: String,
    },

    /// A function was called inside of [`only_cached`](crate::only_cached()), and its value is not in the cache.
    #[error("`{}` is not in the cache, and only the cache was to be asked", key.escape_debug())]
    NotCached {
        /// The key, without the namespace.
        key: String,
    },

    /// A load took longer than the `load_timeout(hard = …)` of its function, and was dropped. Functions that ask for this limit
    /// return it.
    #[error("`{function}` did not load within {limit:?} and was given up (`load_timeout`)")]
    LoadTimeout {
        /// The cached function.
        function: &'static str,
        /// Its limit.
        limit: Duration,
    },

    /// A function with `transaction = "required"` was called outside of [`transaction`](crate::transaction()), and was refused before
    /// its body ran.
    #[error(
        "`{function}` writes what somebody else commits (`transaction = \"required\"`), and no `transaction(…)` is around it; put \
         `cached_aside::transaction(async {{ … }})` around the database transaction, from before its beginning until after its commit"
    )]
    OutsideTransaction {
        /// The write.
        function: &'static str,
    },

    /// A write was refused before its body ran, because its keys could not be guarded and it asked for
    /// `guard = "required"`. Inside of a [`transaction`](crate::transaction()) or of another write it may have run, where only its
    /// result names the key: it has to be rolled back then.
    #[error("the write was refused, because `{}` could not be guarded: {source}", key.escape_debug())]
    NotGuarded {
        /// The first key that could not be guarded, without the namespace.
        key: String,
        /// Why.
        source: Box<Error>,
    },
}
