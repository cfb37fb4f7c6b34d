//! The rows of the attributes that write.

use syn::{Expr, parse::Parse as _};

use super::{
    super::{
        args::{Attribute, WriteArgs},
        duration::{duration, duration_or_zero},
        library::library,
        slots::{set, set_flag},
        values::{one_cache, policy, replicas, transaction},
    },
    row::{Row, WRITES, cache, root},
};

/// The options of `#[invalidates]` and `#[updates]`.
pub(super) const WRITE: [Row<WriteArgs>; 9] = [
    Row {
        name: "guard",
        of: WRITES,
        form: r#"guard = "best_effort""#,
        default: r#"`"best_effort"`"#,
        meaning: "what happens when a key can't be guarded; see [the policies](macro@invalidates#options)",
        parse: |args, name, input| set(&mut args.guard, name, input, policy),
    },
    Row {
        name: "guard_for",
        of: WRITES,
        form: r#"guard_for = "10s""#,
        default: r#"`"10s"`"#,
        meaning: "how long a guard holds unrenewed: 10 ms to one hour",
        parse: |args, name, input| set(&mut args.guard_for, name, input, duration),
    },
    Row {
        name: "settle",
        of: &[Attribute::Invalidates],
        form: r#"settle = "500ms""#,
        default: "not at all",
        meaning: "keep the guards this long after the body: for an origin that answers with old data for a while, such as a read replica. At most one hour",
        parse: |args, name, input| set(&mut args.settle, name, input, duration_or_zero),
    },
    Row {
        name: "wait_replicas",
        of: WRITES,
        form: "wait_replicas = 1",
        default: "none",
        meaning: "a guard counts as placed only once this many replicas have confirmed it (Redis' `WAIT`), so that it survives a failover; without confirmation within the cache's timeout the key counts as unguarded. 1 to 255; nothing to wait for in process",
        parse: |args, name, input| set(&mut args.wait_replicas, name, input, replicas),
    },
    Row {
        name: "transaction",
        of: WRITES,
        form: r#"transaction = "required""#,
        default: "it commits before it returns",
        meaning: r#"`"required"`: somebody else commits what it writes, and outside of [`transaction(…)`](crate::transaction()) it is refused; `"own"`: it commits inside of itself, and reads inside run their bodies. Demanded where a parameter is a database transaction"#,
        parse: |args, name, input| {
            args.says_who_commits = true;
            set(&mut args.transaction, name, input, transaction)
        },
    },
    Row {
        name: "detach",
        of: WRITES,
        form: "detach",
        default: "the caller's task",
        meaning: "the function runs in a task of its own: [a caller that goes away](macro@invalidates#callers-that-go-away) changes nothing",
        parse: |args, name, input| set_flag(&mut args.detach, name, input),
    },
    Row {
        name: "when",
        of: WRITES,
        form: "when = expr",
        default: "always",
        meaning: "an expression of type `bool` over the arguments; if it is `false`, only the body runs: neither the keys nor, without `detach`, `cache` are evaluated",
        parse: |args, name, input| set(&mut args.when, name, input, Expr::parse),
    },
    cache(WRITES, |args, name, input| set(&mut args.cache, name, input, one_cache)),
    root(WRITES, |args, name, input| set(&mut args.root, name, input, library)),
];
