//! Names that other caches have for what an option does: someone who writes one is shown ours.

/// An option, or what to write instead of one, and the names that mean it.
type Names = [(Meant, &'static [&'static str])];

/// What a name of another cache means here.
#[derive(Clone, Copy)]
pub(super) enum Meant {
    Option(&'static str),
    /// It is no option: what to do instead.
    Elsewhere(&'static str),
    /// What this option does is near, and not the same: what to write.
    Near(&'static str, &'static str),
}

use Meant::{Elsewhere, Near, Option as Named};

const NAMESPACE: Meant =
    Elsewhere("keys of one cache begin with its namespace: `Cache::builder().namespace(\"…\")`");
const PREFIX: Meant = Elsewhere(
    "no entries are found by the start of their keys; give them a tag, and write `tags(\"tenant:{tenant}\")`",
);
const SIZE: Meant = Elsewhere(
    "how much is kept is the cache's: `Cache::builder().capacity(…)` in process, `maxmemory` in Redis",
);
const ONLY_SOME: Meant =
    Elsewhere("only `Some` is stored; leave it out, or store `None` too with `none_ttl = \"30s\"`");
const ONLY_OK: Meant = Elsewhere(
    "only `Ok` is stored; leave it out, or store errors too with `error_ttl = \"5s\"` and `error_if`",
);
const ONE_LOAD: Meant =
    Elsewhere("of the callers that find nothing one loads and the others wait for it, always; leave it out");
const IDLE: Meant =
    Elsewhere("an entry lives as long as its `ttl` says, however often it is read; leave it out");
const BY_ARGUMENTS: Meant = Near(
    "store_if",
    "by the value write `store_if = |user: &User| user.active`; by the arguments the caller decides, and `load_user::uncached(id)` runs \
     the body alone",
);
const UNLESS: Meant = Near(
    "store_if",
    "write `store_if` with the opposite condition, such as `store_if = |users: &Vec<User>| !users.is_empty()`",
);
const UNLESS_OF_WRITE: Meant =
    Near("when", "write `when` with the opposite condition, such as `when = id > 3`");
const PARAMETERS: Meant = Near(
    "key",
    "every parameter that is not in `skip(…)` is in the key; leave it out, or write `key = \"user:{id}\"`",
);
const SKIP_ALL: Meant = Near("skip", "name the parameters that are not in the key, such as `skip(self, db)`");
const TIMEOUT: Meant = Near(
    "ttl",
    "how long a value lives is `ttl = \"5m\"`, and how long a load may take `load_timeout(hard = \"2s\")`",
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
            "expire_after",
            "expire_after_write",
            "expires_after",
            "expires",
            "expires_in",
            "expiry",
            "lifetime",
            "max_age",
            "seconds",
            "time",
            "time_to_live",
            "ttl_ms",
            "ttl_secs",
            "ttl_seconds",
        ],
    ),
    (Named("key"), &["cache_key", "id", "key_fn", "key_pattern", "name", "template"]),
    (Named("skip"), &["exclude", "except", "ignore", "omit", "skip_args", "without"]),
    (
        Named("none_ttl"),
        &["cache_none", "cache_null", "missing_ttl", "negative", "negative_ttl", "none", "null_ttl"],
    ),
    (Named("jitter"), &["spread", "ttl_jitter"]),
    (Named("lease"), &["lock", "lock_timeout", "lock_ttl"]),
    (Named("wait"), &["lock_wait", "wait_for", "wait_timeout"]),
    (Named("stale_while_revalidate"), &["grace", "revalidate", "stale", "stale_ttl", "swr"]),
    (Named("stale_if_error"), &["fail_safe", "fallback", "result_fallback", "sie", "stale_on_error"]),
    (Named("refresh"), &["background", "background_refresh", "refresh_in_background"]),
    (Named("load_timeout"), &["deadline", "factory_timeout", "hard", "hard_timeout", "soft", "soft_timeout"]),
    (
        Named("early_refresh"),
        &["beta", "early", "early_expiration", "eager_refresh", "refresh_ahead", "xfetch"],
    ),
    (Named("codec"), &["encoding", "format", "serde", "serialize", "serializer"]),
    (Named("version"), &["revision", "schema", "schema_version"]),
    (Named("cache"), &["backend", "cache_manager", "client", "conn", "connection", "pool", "redis", "store"]),
    (Named("store_if"), &["cache_if", "filter", "predicate"]),
    (BY_ARGUMENTS, &["cond", "condition", "if", "only_if", "when"]),
    (UNLESS, &["unless"]),
    (ONLY_SOME, &["option"]),
    (ONLY_OK, &["result"]),
    (ONE_LOAD, &["single_flight", "sync", "sync_lock", "sync_writes"]),
    (IDLE, &["expire_after_access", "idle", "idle_ttl", "sliding", "time_to_idle", "tti"]),
    (PARAMETERS, &["args", "keys", "params", "vary", "vary_by", "vary_on"]),
    (SKIP_ALL, &["skip_all"]),
    (TIMEOUT, &["timeout"]),
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
    (Named("when"), &["cond", "condition", "if", "only_if"]),
    (UNLESS_OF_WRITE, &["unless"]),
    (NAMESPACE, &["namespace"]),
    (PREFIX, &["pattern", "prefix", "starts_with"]),
    (TAGS, &["cache_tags", "tag", "tags"]),
];

/// What this name means, where it is one of another cache's.
pub(super) fn meant(written: &str, names: &Names) -> Option<Meant> {
    names.iter().find(|(_, names)| names.contains(&written)).map(|(meant, _)| *meant)
}
