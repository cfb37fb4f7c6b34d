//! Scenarios of batches: calls that read two keys with one body.

use super::scenario::{KEEPS, PAST_A_LEASE, REVALIDATES, Scenario, batch, read, reversed_batch, write};

/// Calls that read two keys with one body.
pub(super) fn batches() -> Vec<Scenario> {
    vec![
        Scenario::new("batch-read", [batch(), read()]),
        Scenario::new("batch-batch", [batch(), reversed_batch()]),
        Scenario::new("batch-write", [batch(), write()]),
        Scenario::new("batch-write-cached", [batch(), write()]).cached(),
        Scenario::new("batch-write-batch", [batch(), write().during(0), reversed_batch().after(1)]),
        Scenario::new("batch-read-write", [batch(), read().during(0), write().during(0)]),
        Scenario::new("failing-batch", [batch().fails(), read().during(0)]),
        Scenario::new("stale-batch", [batch(), write()]).old(&REVALIDATES),
        Scenario::new("kept-batch", [batch(), reversed_batch()]).old(&KEEPS),
    ]
}

/// The same in trouble.
pub(super) fn batches_in_trouble() -> Vec<Scenario> {
    vec![
        Scenario::new("cancelled-batch", [batch().cancellable(), reversed_batch()]).cancels(1),
        Scenario::new("cancelled-batch-read", [batch().cancellable(), read().during(0)]).cancels(1),
        Scenario::new("fault-batch", [batch(), write()]).faults(1),
        Scenario::new("processes-batch-batch", [batch(), reversed_batch().elsewhere()]),
        Scenario::new("death-of-a-batch", [batch(), reversed_batch().elsewhere().during(0)]).death(),
        Scenario::new("batch-lease-ends", [batch(), write().during(0)]).pause(PAST_A_LEASE),
        Scenario::new("cut-off-write-batch", [batch(), write().cut_off().during(0), batch().after(1)]),
    ]
}
