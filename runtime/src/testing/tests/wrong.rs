//! What is said of functions that are wrong, and of tests that are.

use std::{cell::RefCell, panic::AssertUnwindSafe, rc::Rc, sync::Arc, time::Duration};

use expect_test::Expect;
use futures_util::FutureExt;
use tokio::{
    task::{LocalSet, spawn_local},
    time::sleep,
};

use super::*;
use crate::{Cache, Error, inherit, testing::Cause, transaction};

/// The timeline of the first order that leaves an old value.
async fn tells<'a>(row: &'a Row, test: SeesWrites<'a, String>, expected: Expect) -> Cause {
    let old = from_old(row, test).check().await.expect_err("a read gives an old value");
    expected.assert_eq(&old.to_string());
    old.cause().clone()
}

#[tokio::test(start_paused = true)]
async fn a_write_that_invalidates_nothing_is_named() {
    let row = Row::default();
    let cause = tells(&row, sees_writes(|| name(&row, 7), async || row.set(NEW)), expect![[r#"
        after the write has returned, the read gives an old value: "Ada Lovelace"
        without the cache it gives: "Ada King"

           0  the cache is empty
           1  the read  begins
           2  the read  looks up name:7: nothing
           3  the read  goes on
           4  the read  asks for the lease of name:7: a lease
           5  the read  runs its body, and gives "Ada Lovelace"
           6  the write begins, and returns
           7  the read  stores name:7: a value
           8  a read after both gives "Ada Lovelace"

        the write invalidates nothing, and `name` has its value under `name:7`: write `#[invalidates(name(…))]` above the function that writes"#]]).await;
    assert_eq!(cause, Cause::NotInvalidated { function: "name".to_owned(), key: "name:7".to_owned() });
}

#[cached_aside(ttl = "5m", key = "name-as-written:{id}", skip(row))]
async fn name_as_written(row: &Row, id: &str) -> String {
    row.get()
}

#[invalidates(name_as_written(id))]
async fn rename_as_written(row: &Row, id: &str) {
    row.set(NEW);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_differs_is_named() {
    let row = Row::default();
    let test = sees_writes(|| name_as_written(&row, "07"), || rename_as_written(&row, "7"));
    tells(&row, test, expect![[r#"
        after the write has returned, the read gives an old value: "Ada Lovelace"
        without the cache it gives: "Ada King"

           0  the cache is empty
           1  the read  begins
           2  the write begins
           3  the read  looks up name-as-written:07: nothing
           4  the read  goes on
           5  the write guards name-as-written:7: a guard
           6  the read  asks for the lease of name-as-written:07: a lease
           7  the read  runs its body, and gives "Ada Lovelace"
           8  the write runs its body
           9  the read  stores name-as-written:07: a value
          10  the write releases name-as-written:7: nothing
          11  the write goes on, and returns
          12  a read after both gives "Ada Lovelace"

        the write invalidates `name-as-written:7`, and `name_as_written` has its value under `name-as-written:07`: name that entry in `#[invalidates(name_as_written(…))]`, with the arguments of the read"#]]).await;
}

/// A value that is made of another, which alone is invalidated.
#[cached_aside(ttl = "5m", key = "greeting:{id}", skip(row))]
async fn greeting(row: &Row, id: u64) -> String {
    format!("Dear {}", name(row, id).await)
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_made_of_another_is_named() {
    let row = Row::default();
    let cause = tells(&row, sees_writes(|| greeting(&row, 7), || rename(&row, 7, NEW)), expect![[r#"
        after the write has returned, the read gives an old value: "Dear Ada Lovelace"
        without the cache it gives: "Dear Ada King"

           0  the cache is empty
           1  the read  begins
           2  the write begins
           3  the read  looks up greeting:7: nothing
           4  the read  goes on
           5  the write guards name:7: a guard
           6  the read  asks for the lease of greeting:7: a lease
           7  the read  runs its body
           8  the read  looks up name:7: a guard
           9  the read  goes on, and gives "Dear Ada Lovelace"
          10  the write runs its body
          11  the read  stores greeting:7: a value
          12  the write releases name:7: nothing
          13  the write goes on, and returns
          14  a read after both gives "Dear Ada Lovelace"

        the write invalidates `name:7`, and `greeting` has its value under `greeting:7`: name that entry in `#[invalidates(greeting(…))]`, with the arguments of the read"#]]).await;
    assert!(matches!(cause, Cause::OtherKey { function, .. } if function == "greeting"));
}

#[invalidates(name(id))]
async fn rename_in_a_task(row: &Rc<Row>, id: u64) {
    let row = row.clone();
    spawn_local(async move { row.set(NEW) });
}

#[tokio::test(start_paused = true)]
async fn a_commit_in_a_spawned_task_is_late() {
    let row = Rc::new(Row::default());
    let test = sees_writes(|| name(&row, 7), || rename_in_a_task(&row, 7));
    LocalSet::new().run_until(tells(&row, test, expect![[r#"
        after the write has returned, the read gives an old value: "Ada Lovelace"
        without the cache it gives: "Ada King"

           0  the cache is empty
           1  the read  begins
           2  the write begins
           3  the read  looks up name:7: nothing
           4  the read  goes on
           5  the write guards name:7: a guard
           6  the write runs its body
           7  the read  asks for the lease of name:7: a guard
           8  the read  runs its body, and gives "Ada Lovelace"
           9  the write releases name:7: nothing
          10  the write goes on, and returns
          11  a read after both gives "Ada Lovelace"

        the write has invalidated `name:7`, and the origin gave the old value after that: the commit is late. Commit before the function returns, or put `transaction(…)` around it and its commit"#]])).await;
}

#[invalidates(name(id))]
async fn prepare(statements: &RefCell<Vec<&'static str>>, id: u64) {
    statements.borrow_mut().push(NEW);
}

#[tokio::test(start_paused = true)]
async fn a_commit_after_the_function_has_returned_is_late_unless_a_transaction_is_around_both() {
    let row = Row::default();
    let statements_and_commit = async || {
        let statements = RefCell::default();
        prepare(&statements, 7).await;
        statements.borrow().iter().for_each(|name| row.set(name));
        Ok::<_, Error>(())
    };
    let cause = tells(&row, sees_writes(|| name(&row, 7), statements_and_commit), expect![[r#"
        after the write has returned, the read gives an old value: "Ada Lovelace"
        without the cache it gives: "Ada King"

           0  the cache is empty
           1  the read  begins
           2  the write begins
           3  the read  looks up name:7: nothing
           4  the read  goes on
           5  the write guards name:7: a guard
           6  the write runs its body
           7  the write releases name:7: nothing
           8  the read  asks for the lease of name:7: a lease
           9  the read  runs its body, and gives "Ada Lovelace"
          10  the write goes on, and returns
          11  the read  stores name:7: a value
          12  a read after both gives "Ada Lovelace"

        the write has invalidated `name:7`, and the origin gave the old value after that: the commit is late. Commit before the function returns, or put `transaction(…)` around it and its commit"#]]).await;
    assert_eq!(cause, Cause::Late { invalidated: vec!["name:7".to_owned()] });
    let write = || transaction(statements_and_commit());
    holds(&row, sees_writes(|| name(&row, 7), write), 100).await;
}

async fn is_late(row: &Arc<Row>) {
    let write = async || {
        rename(row, 7, OLD).await;
        let row = row.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(30)).await;
            row.set(NEW);
        });
    };
    let old = from_old(row, sees_writes(|| name(row, 7), write))
        .check()
        .await
        .expect_err("a read gives an old value");
    assert_eq!(old.cause(), &Cause::Late { invalidated: vec!["name:7".to_owned()] });
}

#[tokio::test]
async fn a_commit_that_its_task_delays_is_waited_for_and_late() {
    is_late(&Arc::default()).await;
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_a_local_task_delays_is_waited_for_where_time_is_paused() {
    let row = Rc::new(Row::default());
    let write = async || {
        rename(&row, 7, OLD).await;
        let row = row.clone();
        spawn_local(async move {
            sleep(Duration::from_millis(30)).await;
            row.set(NEW);
        });
    };
    let test = from_old(&row, sees_writes(|| name(&row, 7), write));
    let old = LocalSet::new().run_until(test.check()).await.expect_err("a read gives an old value");
    assert!(matches!(old.cause(), Cause::Late { .. }), "{old}");
}

/// Nothing old is left in the end, and a read that begins when the write has returned gives the old value all the same.
#[tokio::test(start_paused = true)]
async fn a_write_that_goes_on_after_it_has_returned_is_late() {
    let row = Rc::new(Row::default());
    let write = async || {
        let row = row.clone();
        spawn_local(inherit(async move { rename(&row, 7, NEW).await }));
    };
    let test = sees_writes(|| name(&row, 7), write);
    let cause = LocalSet::new().run_until(tells(&row, test, expect![[r#"
        after the write has returned, the read gives an old value: "Ada Lovelace"
        without the cache it gives: "Ada King"

           0  the cache is empty
           1  the read  begins
           2  the read  looks up name:7: nothing
           3  the read  goes on
           4  the read  asks for the lease of name:7: a lease
           5  the read  runs its body, and gives "Ada Lovelace"
           6  the read  stores name:7: a value
           7  the write begins, and returns
           8  a read after both gives "Ada Lovelace"

        the write has returned before the origin had the new value: the commit is late. Wait for it, before the write returns"#]])).await;
    assert_eq!(cause, Cause::Late { invalidated: Vec::new() });
}

cached_aside::tags! {
    fn house(id: u64) = "house:{id}";
}

#[cached_aside(ttl = "5m", key = "name-in-house:{id}", skip(row), tags(house(1)))]
async fn name_in_house(row: &Row, id: u64) -> String {
    row.get()
}

#[invalidates(tags(house(1)))]
async fn prepare_the_house(statements: &RefCell<Vec<&'static str>>) {
    statements.borrow_mut().push(NEW);
}

#[tokio::test(start_paused = true)]
async fn an_entry_whose_tag_is_invalidated_is_not_said_to_be_missing() {
    let row = Row::default();
    let write = async || {
        let statements = RefCell::default();
        prepare_the_house(&statements).await;
        statements.borrow().iter().for_each(|name| row.set(name));
    };
    let test = from_old(&row, sees_writes(|| name_in_house(&row, 7), write));
    let old = test.check().await.expect_err("a read gives an old value");
    assert_eq!(old.cause(), &Cause::Late { invalidated: vec!["#house:1".to_owned()] });
}

#[tokio::test(start_paused = true)]
async fn a_cache_by_hand_is_told_how_it_lost() {
    let row = Row::default();
    tells(&row, sees_writes(|| read_by_hand(&row), || write_by_hand(&row)), expect![[r#"
        after the write has returned, the read gives an old value: "Ada Lovelace"
        without the cache it gives: "Ada King"

           0  the cache is empty
           1  the read  begins
           2  the read  GET name:7: nothing
           3  the read  goes on
           4  the write begins
           5  the write DEL name:7: nothing
           6  the write goes on, and returns
           7  the read  SET name:7: a value
           8  the read  goes on, and gives "Ada Lovelace"
           9  a read after both gives "Ada Lovelace"

        a cache by hand: nothing keeps a read from storing what it has read before the write, after the write has deleted the key"#]]).await;
}

/// What a test panics with.
async fn panics(wrong: SeesWrites<'_, String>, with: &str) {
    let panic = AssertUnwindSafe(wrong.check()).catch_unwind().await.expect_err("the test is wrong");
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    let text = text.expect("a text");
    assert!(text.contains(with), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_test_that_could_not_fail_fails() {
    let row = Row::default();
    let nothing_changes = from_old(&row, sees_writes(|| name(&row, 7), || rename(&row, 7, OLD)));
    panics(nothing_changes, "the write changes nothing that the read gives").await;
    let without_setup = sees_writes(|| name(&row, 7), || rename(&row, 7, NEW));
    panics(without_setup, "put the origin back in `.setup(…)`").await;
    let uncached = from_old(&row, sees_writes(async || row.get(), || rename(&row, 7, NEW)));
    panics(uncached, "asks the cache of `testing::sees_writes` for nothing").await;
    let other = Cache::in_process();
    let elsewhere = sees_writes(|| other.scope(name(&row, 7)), || rename(&row, 7, NEW));
    panics(from_old(&row, elsewhere), "asks the cache of `testing::sees_writes` for nothing").await;
    let turns = std::cell::Cell::new(0);
    let differs = async || {
        turns.set(turns.get() + 1);
        if turns.get() > 8 { row.set(NEW) } else { rename(&row, 7, NEW).await }
    };
    panics(from_old(&row, sees_writes(|| name(&row, 7), differs)), "can't be repeated").await;
    let hangs = sees_writes(|| name(&row, 7), std::future::pending::<()>);
    panics(from_old(&row, hangs), "the read and the write hang").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_runtime_of_several_threads_is_refused() {
    let row = Row::default();
    panics(sees_writes(|| name(&row, 7), || rename(&row, 7, NEW)), "needs a runtime of one thread").await;
}

#[tokio::test(start_paused = true)]
async fn too_many_orders_are_said_and_may_be_bounded() {
    let row = Row::default();
    let slow = async || {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        rename(&row, 7, NEW).await;
    };
    let read = async || {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        name(&row, 7).await
    };
    let bounded = from_old(&row, sees_writes(read, slow)).at_most(100).await;
    assert_eq!((bounded.run, bounded.old), (100, 0));
    let unbounded = sees_writes(read, slow).too_many_at(100);
    panics(from_old(&row, unbounded), "there are more than 100 orders").await;
}
