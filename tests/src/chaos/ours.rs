//! The annotated functions.

use super::{
    class::{LOCAL, TTL},
    origin::{Failure, Origin, Row, Step, Written},
    record::OpId,
};
use cached_aside::cached_aside;
use std::collections::{BTreeMap, HashMap};

/// A row or a slot.
///
/// # Errors
/// As the step says.
#[cached_aside(
    ttl = TTL,
    none_ttl = TTL,
    key = "row:{id}",
    skip(origin, step),
    lease = "500ms",
    wait = "400ms",
    shares_key
)]
pub async fn row(origin: &Origin, step: &Step, id: u64) -> Result<Option<Row>, Failure> {
    origin.load(step, id).await
}

/// The same with local copies: a row, or a slot.
///
/// # Errors
/// As the step says.
#[cached_aside(
    ttl = TTL,
    none_ttl = TTL,
    key = "row:{id}",
    skip(origin, step),
    lease = "500ms",
    wait = "400ms",
    local = LOCAL,
    shares_key
)]
pub async fn copied(origin: &Origin, step: &Step, id: u64) -> Result<Option<Row>, Failure> {
    origin.load(step, id).await
}

cached_aside::tags! {
    /// All rows from [`FIRST_TAGGED`](super::class::FIRST_TAGGED) on.
    pub fn group() = "group";
}

/// A row whose entry carries a tag.
///
/// # Errors
/// As the step says.
#[cached_aside(
    ttl = TTL,
    none_ttl = TTL,
    key = "tagged:{id}",
    skip(origin, step),
    tags(group()),
    lease = "500ms",
    wait = "400ms",
    shares_key
)]
pub async fn tagged(origin: &Origin, step: &Step, id: u64) -> Result<Option<Row>, Failure> {
    origin.load(step, id).await
}

/// The same with local copies.
///
/// # Errors
/// As the step says.
#[cached_aside(
    ttl = TTL,
    none_ttl = TTL,
    key = "tagged:{id}",
    skip(origin, step),
    tags(group()),
    lease = "500ms",
    wait = "400ms",
    local = LOCAL,
    shares_key
)]
pub async fn copied_tagged(origin: &Origin, step: &Step, id: u64) -> Result<Option<Row>, Failure> {
    origin.load(step, id).await
}

/// What a transaction will write when it commits.
#[derive(Debug, Default)]
struct Transaction {
    changes: Vec<u64>,
}

/// Several rows and slots.
///
/// # Errors
/// As the step says.
#[cached_aside(row(id) for id in ids, skip(origin, step, ops))]
pub async fn rows(
    origin: &Origin,
    step: &Step,
    ops: &BTreeMap<u64, OpId>,
    ids: &[u64],
) -> Result<HashMap<u64, Row>, Failure> {
    origin.load_all(step, ops, ids).await
}

/// The same with local copies.
///
/// # Errors
/// As the step says.
#[cached_aside(copied(id) for id in ids, skip(origin, step, ops))]
pub async fn copied_rows(
    origin: &Origin,
    step: &Step,
    ops: &BTreeMap<u64, OpId>,
    ids: &[u64],
) -> Result<HashMap<u64, Row>, Failure> {
    origin.load_all(step, ops, ids).await
}

/// Several rows whose entries carry a tag.
///
/// # Errors
/// As the step says.
#[cached_aside(tagged(id) for id in ids, skip(origin, step, ops))]
pub async fn tagged_rows(
    origin: &Origin,
    step: &Step,
    ops: &BTreeMap<u64, OpId>,
    ids: &[u64],
) -> Result<HashMap<u64, Row>, Failure> {
    origin.load_all(step, ops, ids).await
}

macro_rules! writes {
    ($(#[$doc:meta])* $module:ident: $guard:literal, $guard_for:ident $(, $option:ident = $value:literal)?) => {
        $(#[$doc])*
        pub mod $module {
            use crate::chaos::class::$guard_for;
            use super::{group, row, Failure, Origin, Step, Transaction, Written};
            use cached_aside::{invalidates, transaction};

            /// Writes one row.
            ///
            /// # Errors
            /// As the step says, or refused.
            #[invalidates(row(id), guard = $guard, guard_for = $guard_for $(, $option = $value)?)]
            pub async fn one(origin: &Origin, step: &Step, id: u64) -> Result<Written, Failure> {
                origin.store(step, &[id], false).await
            }

            /// Writes two rows at once.
            ///
            /// # Errors
            /// As the step says, or refused.
            #[invalidates(row(one), row(other), guard = $guard, guard_for = $guard_for $(, $option = $value)?)]
            pub async fn two(origin: &Origin, step: &Step, one: u64, other: u64) -> Result<Written, Failure> {
                origin.store(step, &[one, other], false).await
            }

            /// Writes rows whose entries carry the tag.
            ///
            /// # Errors
            /// As the step says, or refused.
            #[invalidates(tags(group()), guard = $guard, guard_for = $guard_for $(, $option = $value)?)]
            pub async fn tagged(origin: &Origin, step: &Step, ids: &[u64]) -> Result<Written, Failure> {
                origin.store(step, ids, false).await
            }

            /// Writes two rows in a transaction: they are written when it commits, after the writes of both have returned.
            ///
            /// # Errors
            /// As the step says, or refused.
            pub async fn transfer(origin: &Origin, step: &Step, one: u64, other: u64) -> Result<Written, Failure> {
                transaction(async {
                    let mut tx = Transaction::default();
                    change(&mut tx, one).await?;
                    change(&mut tx, other).await?;
                    origin.store(step, &tx.changes, false).await
                })
                .await
            }

            #[invalidates(
                row(id), transaction = "required", guard = $guard, guard_for = $guard_for $(, $option = $value)?
            )]
            async fn change(tx: &mut Transaction, id: u64) -> Result<(), Failure> {
                tx.changes.push(id);
                Ok(())
            }

            /// Writes a row and a slot that the origin picks.
            ///
            /// # Errors
            /// As the step says, or refused.
            #[invalidates(row(id), row(result.id), guard = $guard, guard_for = $guard_for $(, $option = $value)?)]
            pub async fn row_and_slot(origin: &Origin, step: &Step, id: u64) -> Result<Written, Failure> {
                origin.store(step, &[id], true).await
            }
        }
    };
}

writes! {
    /// Writes that are refused when their keys cannot be guarded.
    required: "required", HOLD
}
writes! {
    /// Writes that go on all the same.
    best_effort: "best_effort", HOLD
}
writes! {
    /// Writes that are refused when their keys cannot be guarded, and take longer than a guard goes unrenewed.
    patient: "required", PATIENT_HOLD
}
writes! {
    /// Writes that are refused when no replica confirms their guards.
    confirmed: "required", HOLD, wait_replicas = 1
}

/// Writes a slot that the origin picks: no key is known before.
///
/// # Errors
/// As the step says.
#[cached_aside::invalidates(row(result.id))]
pub async fn slot(origin: &Origin, step: &Step) -> Result<Written, Failure> {
    origin.store(step, &[], true).await
}
