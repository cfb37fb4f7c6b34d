//! The table as a page of the documentation, and as what a run has seen.

use super::{
    cell::{BACK, Seen, TRIES},
    fault::{FAULTS, Fault},
    operation::{Operation, WRITE_BOUND},
    origin::WAIT,
    setup::TIMEOUT,
};
use std::fmt::Write;

/// The page.
pub fn page() -> String {
    let mut page = format!(
        "# When Redis is in trouble

A cached function gives what its body gives, whatever happens to Redis. The table says, for each fault, what becomes of a
call while the fault lasts. It is written by the test suite that tries every cell against a real server
(`cargo xtask test -- --test redis faults`), and a test fails when the two disagree.

Of every cell this holds, and is asserted:

- The result is the body's, and no error or panic comes from the cache.
- A read takes no longer than its body and `timeout` (`CacheBuilder::timeout`, here {TIMEOUT:?}); one that waits for another
  process's load, `wait` (here {WAIT:?}) more.
- A write takes no longer than its body and twice `timeout` (here {WRITE_BOUND:?}): once for the guard before it, once for the
  release after it.
- Where nothing works, calls skip the cache at once after {TRIES} at the most.
- The body of a write runs exactly once; that of a read as often as the table says.
- Within {BACK:?} after the fault has ended the cache is in use again.
- Every invalidation that was owed has then been delivered, and neither this program nor another is given a value older than
  the last write.
- No task, connection or command on its way is left over.

| fault | what happens |"
    );
    for operation in Operation::ALL {
        write!(page, " {operation} |").expect("a string takes everything");
    }
    page.push_str("\n| --- | --- |");
    page.push_str(&" --- |".repeat(Operation::ALL.len()));
    page.push('\n');
    for fault in &FAULTS {
        write!(page, "| {} | {} |", fault.name, fault.what).expect("a string takes everything");
        for operation in Operation::ALL {
            write!(page, " {} |", fault.serves.expected(operation)).expect("a string takes everything");
        }
        page.push('\n');
    }
    page.push_str(
        "
*Body once* means that the function runs uncached. *Invalidates later* means that the keys are on the recovery list until
Redis has acknowledged the deletion: this program goes past the cache for them until then, other programs that still reach
Redis may be given the old values until then, and no longer than their TTL. A host name that cannot be resolved does not
begin to resolve in the suite; for the other faults the last three points are asserted.

`cargo xtask soak --seconds 600` takes these faults one after the other, by chance, while callers of two programs go on
reading and writing: no call may fail, none may be given an old value, and memory and tasks have to stay what they were. Then
Redis hangs for a minute under 2,000 callers a second. `cargo xtask chaos` has several processes, failovers of a cluster and
of sentinels among other things, and a judge of what they saw.
",
    );
    page
}

/// What a run has seen, cell by cell: the slowest call during the fault, and how soon after it the cache was in use.
pub fn seen(rows: &[(&Fault, Vec<Option<Seen>>)]) -> String {
    let mut table = format!("{:<32}", "slowest call / back in use, ms");
    for operation in Operation::ALL {
        write!(table, "{operation:>16}").expect("a string takes everything");
    }
    table.push('\n');
    for (fault, cells) in rows {
        write!(table, "{:<32}", fault.name).expect("a string takes everything");
        for cell in cells {
            let text = match cell {
                None => "FAILED".to_owned(),
                Some(Seen { slowest, back }) => {
                    let back = back.map_or("-".to_owned(), |back| back.as_millis().to_string());
                    format!("{} / {back}", slowest.as_millis())
                }
            };
            write!(table, "{text:>16}").expect("a string takes everything");
        }
        table.push('\n');
    }
    table
}
