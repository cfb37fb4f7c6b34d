//! Functions that are right, in every order; and those that are not, with what is said of them.

#![expect(clippy::unused_async, reason = "the attributes need it, and an origin in memory has no `await`")]

mod faults;
mod right;
mod wrong;

use expect_test::expect;

use super::{Orders, SeesWrites, by_hand, sees_writes};
use crate::{cached_aside, invalidates};

/// An origin of one row, with queries that take a while.
#[derive(Debug, Default)]
struct Row(std::sync::Mutex<String>);

const OLD: &str = "Ada Lovelace";
const NEW: &str = "Ada King";

impl Row {
    fn get(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    fn set(&self, to: &str) {
        to.clone_into(&mut self.0.lock().unwrap());
    }
}

#[cached_aside(ttl = "5m", key = "name:{id}", skip(row))]
async fn name(row: &Row, id: u64) -> String {
    row.get()
}

#[invalidates(name(id))]
async fn rename(row: &Row, id: u64, to: &str) {
    row.set(to);
}

/// A test of these two that begins with the old name each time.
fn from_old<'a>(row: &'a Row, test: SeesWrites<'a, String>) -> SeesWrites<'a, String> {
    test.setup(async || row.set(OLD))
}

/// That no order leaves an old value, of more than so many.
async fn holds<'a>(row: &'a Row, test: SeesWrites<'a, String>, at_least: usize) {
    let Orders { run, old } = from_old(row, test).await;
    assert!(old == 0 && run >= at_least, "{old} of {run}");
}

#[tokio::test(start_paused = true)]
async fn annotated_functions_keep_the_promise_in_every_order() {
    let row = Row::default();
    let orders = from_old(&row, sees_writes(|| name(&row, 7), || rename(&row, 7, NEW))).await;
    expect!["an old value after 0 of 112 orders"].assert_eq(&orders.to_string());
}

async fn read_by_hand(row: &Row) -> String {
    by_hand::get_or_load("name:7", async { row.get() }).await
}

async fn write_by_hand(row: &Row) {
    row.set(NEW);
    by_hand::delete("name:7").await;
}

#[tokio::test(start_paused = true)]
async fn a_cache_by_hand_loses_the_race_that_these_win() {
    let row = Row::default();
    let orders = from_old(&row, sees_writes(|| read_by_hand(&row), || write_by_hand(&row))).count().await;
    expect!["an old value after 2 of 34 orders"].assert_eq(&orders.to_string());
}
