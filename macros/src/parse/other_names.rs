//! Names that other caches have for what an option does: someone who writes one is shown ours.

/// An option, or what to write instead of one, and the names that mean it.
type Names = [(Meant, &'static [&'static str])];

/// What a name of another cache means here.
#[derive(Clone, Copy)]
pub(super) enum Meant {
    Option(&'static str),
    /// It is no option: what to do instead.
    Elsewhere(&'static str),
}

use Meant::{Elsewhere, Option as Named};

const NAMESPACE: Meant =
    Elsewhere("keys of one cache begin with its namespace: `Cache::builder().namespace(\"…\")`");
const PREFIX: Meant = Elsewhere(
    "no entries are found by the start of their keys; give them a tag, and write `tags(\"tenant:{tenant}\")`",
);
const SIZE: Meant = Elsewhere(
    "how much is kept is the cache's: `Cache::builder().capacity(…)` in process, `maxmemory` in Redis",
);
const TAGS: Meant = Elsewhere("tags are a list: write `tags(\"tenant:{tenant}\", catalog(tenant))`");

/// The names of `#[cached_aside]`'s options.
pub(super) const READ: &Names = &[
    (
        Named("ttl"),
        &[
            "duration",
            "ex",
            "expiration",
            "expire",
            "expires",
            "expires_in",
            "expiry",
            "lifetime",
            "max_age",
            "seconds",
            "time",
            "time_to_live",
        ],
    ),
    (Named("key"), &["cache_key", "convert", "id", "key_fn", "key_pattern", "name", "template"]),
    (Named("skip"), &["exclude", "except", "ignore", "omit", "skip_args", "without"]),
    (
        Named("none_ttl"),
        &[
            "cache_none",
            "cache_null",
            "missing_ttl",
            "negative",
            "negative_ttl",
            "none",
            "null_ttl",
            "option",
        ],
    ),
    (Named("jitter"), &["spread", "ttl_jitter"]),
    (Named("lease"), &["lock", "lock_timeout", "lock_ttl"]),
    (Named("wait"), &["lock_wait", "wait_for", "wait_timeout"]),
    (Named("stale_while_revalidate"), &["grace", "revalidate", "stale", "stale_ttl", "swr"]),
    (Named("stale_if_error"), &["fail_safe", "fallback", "result_fallback", "sie", "stale_on_error"]),
    (Named("refresh"), &["background", "background_refresh", "refresh_in_background"]),
    (
        Named("load_timeout"),
        &["deadline", "factory_timeout", "hard", "hard_timeout", "soft", "soft_timeout", "timeout"],
    ),
    (
        Named("early_refresh"),
        &["beta", "early", "early_expiration", "eager_refresh", "refresh_ahead", "xfetch"],
    ),
    (Named("codec"), &["encoding", "format", "serde", "serialize", "serializer"]),
    (Named("version"), &["revision", "schema", "schema_version"]),
    (Named("cache"), &["backend", "cache_manager", "client", "conn", "connection", "pool", "redis", "store"]),
    (
        Named("store_if"),
        &["cache_if", "cond", "condition", "filter", "if", "only_if", "predicate", "unless", "when"],
    ),
    (Named("ttl_for"), &["expire_for", "ttl_fn", "ttl_from"]),
    (Named("error_ttl"), &["cache_err", "cache_error", "cache_errors", "err_ttl"]),
    (Named("local"), &["in_memory", "l1", "local_cache", "local_ttl", "memory", "near", "near_cache"]),
    (Named("local_mode"), &["consistency", "local_consistency", "near_mode"]),
    (NAMESPACE, &["namespace", "prefix"]),
    (SIZE, &["capacity", "max_capacity", "max_size", "size"]),
    (Named("tags"), &["cache_tags", "group", "groups", "tag"]),
];

/// The names of `#[invalidates]`'s and `#[updates]`' options.
pub(super) const WRITE: &Names = &[
    (Named("guard"), &["lock", "policy"]),
    (Named("guard_for"), &["guard_ttl", "lease", "lock_ttl"]),
    (Named("settle"), &["delay", "grace", "wait"]),
    (Named("wait_replicas"), &["replicas", "wait_for"]),
    (Named("when"), &["cond", "condition", "if", "only_if", "unless"]),
    (NAMESPACE, &["namespace"]),
    (PREFIX, &["pattern", "prefix", "starts_with"]),
    (TAGS, &["cache_tags", "tag", "tags"]),
];

/// What this name means, where it is one of another cache's.
pub(super) fn meant(written: &str, names: &Names) -> Option<Meant> {
    names.iter().find(|(_, names)| names.contains(&written)).map(|(meant, _)| *meant)
}
