//! A reader and a writer of the program's own functions, in every order of their steps.

use std::{
    fmt::{self, Debug},
    future::{Future, IntoFuture},
    pin::Pin,
};

use futures_util::{FutureExt, future::LocalBoxFuture};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::{unconstrained, yield_now},
};

use super::{
    old_read::{OldRead, asks_the_cache, cause},
    run::Run,
    search::{End, Search},
};
use crate::overrides::{bypass, observe};

/// Maximum number of orders, unless a test says how many are enough.
const TOO_MANY: usize = 10_000;

/// Runs a read and a write in every order of their steps, and finds the orders after which a read gives an old value.
///
/// Both are run anew for every order, over a cache of their own that takes one step at a time, first with an empty cache and then with the
/// entry in it. A step is a command to the cache, or what the functions do between two `await`s that wait. When the write has returned, the
/// read is made twice more: at once, and after the tasks that were spawned meanwhile. Both must give what the read gives without the cache.
///
/// Awaited, it panics with a timeline of the first order that fails; [`check`](SeesWrites::check) gives that as an error, and
/// [`count`](SeesWrites::count) counts.
///
/// ```
/// use std::sync::Mutex;
///
/// use cached_aside::{cached_aside, invalidates, testing};
///
/// #[cached_aside(ttl = "5m", key = "name:{id}", skip(db))]
/// async fn name(db: &Mutex<String>, id: u64) -> String {
///     db.lock().unwrap().clone()
/// }
///
/// #[invalidates(name(id))]
/// async fn rename(db: &Mutex<String>, id: u64, to: &str) {
///     *db.lock().unwrap() = to.to_owned();
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// // In a `#[tokio::test]`:
/// let db = Mutex::default();
/// testing::sees_writes(|| name(&db, 7), || rename(&db, 7, "Ada King"))
///     .setup(async || *db.lock().unwrap() = "Ada Lovelace".to_owned())
///     .await;
/// # }
/// ```
///
/// # Panics
///
/// When it is awaited: where a read gives an old value. And where the test itself is wrong: the write changes nothing that the read gives,
/// the read asks the cache for nothing, a run can't be repeated, or there are more than 10,000 orders. Where the runtime has several
/// threads: it is to be that of a plain `#[tokio::test]`.
pub fn sees_writes<'a, T, R, W>(read: impl Fn() -> R + 'a, write: impl Fn() -> W + 'a) -> SeesWrites<'a, T>
where
    T: PartialEq + Debug + 'a,
    R: Future<Output = T> + 'a,
    W: Future + 'a,
{
    SeesWrites {
        read: Box::new(move || read().boxed_local()),
        write: Box::new(move || write().map(drop).boxed_local()),
        setup: Box::new(|| Box::pin(async {})),
        at_most: None,
        too_many: TOO_MANY,
    }
}

/// A read and a write that are run in every order: [`sees_writes`].
#[must_use = "it runs when it is awaited"]
pub struct SeesWrites<'a, T> {
    read: Make<'a, T>,
    write: Make<'a, ()>,
    setup: Make<'a, ()>,
    at_most: Option<usize>,
    /// Number of orders at which it panics instead.
    too_many: usize,
}

type Make<'a, T> = Box<dyn Fn() -> LocalBoxFuture<'a, T> + 'a>;

impl<T> Debug for SeesWrites<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeesWrites").field("at_most", &self.at_most).finish_non_exhaustive()
    }
}

/// How many orders were run, and after how many of them a read gave an old value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Orders {
    /// Number of orders that were run. Orders that come to the same are run once.
    pub run: usize,
    /// Number of those after which a read gave an old value.
    pub old: usize,
}

impl fmt::Display for Orders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an old value after {} of {} orders", self.old, self.run)
    }
}

impl<'a, T: PartialEq + Debug + 'a> SeesWrites<'a, T> {
    /// Runs this before every order: it puts the origin back to what it was before the write.
    pub fn setup<F: Future + 'a>(self, setup: impl Fn() -> F + 'a) -> SeesWrites<'a, T> {
        SeesWrites { setup: Box::new(move || setup().map(drop).boxed_local()), ..self }
    }

    /// Runs at most so many orders, and no more: for functions that wait so often that there are too many. What fails in a later order is
    /// not found then.
    pub fn at_most(self, orders: usize) -> SeesWrites<'a, T> {
        SeesWrites { at_most: Some(orders), ..self }
    }

    #[cfg(test)]
    pub(super) fn too_many_at(self, orders: usize) -> SeesWrites<'a, T> {
        SeesWrites { too_many: orders, ..self }
    }

    /// Runs every order until one fails.
    ///
    /// # Errors
    ///
    /// The first order after which a read gives an old value.
    ///
    /// # Panics
    ///
    /// Where the test is wrong, as [`sees_writes`] says.
    pub async fn check(self) -> Result<Orders, OldRead> {
        unconstrained(self.search(true)).await.map_err(|old| *old)
    }

    /// Runs every order, also after one has failed.
    ///
    /// # Panics
    ///
    /// Where the test is wrong, as [`sees_writes`] says.
    pub async fn count(self) -> Orders {
        match unconstrained(self.search(false)).await {
            Ok(orders) => orders,
            Err(old) => panic!("{old}"),
        }
    }

    async fn search(&self, stops: bool) -> Result<Orders, Box<OldRead>> {
        assert!(
            Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread,
            "`testing::sees_writes` needs a runtime of one thread: `#[tokio::test]` without a `flavor`"
        );
        let mut orders = Orders { run: 0, old: 0 };
        for is_warm in [false, true] {
            let mut search = Search::default();
            loop {
                if let Some(old) = self.next_order(&mut search, is_warm, &mut orders).await {
                    orders.old += 1;
                    if stops {
                        return Err(Box::new(old));
                    }
                }
                if !search.next() {
                    break;
                }
                if self.at_most.is_some_and(|at_most| orders.run >= at_most) {
                    return Ok(orders);
                }
                assert!(
                    self.at_most.is_some() || orders.run < self.too_many,
                    "there are more than {} orders: let the functions of the test wait less often, or say how many are enough with \
                     `.at_most(…)`",
                    self.too_many
                );
            }
        }
        Ok(orders)
    }

    /// Runs the next order, unless what it comes to was seen; gives the old value that a read gave after it.
    async fn next_order(&self, search: &mut Search, is_warm: bool, orders: &mut Orders) -> Option<OldRead> {
        (self.setup)().await;
        // What an earlier run has left behind ends.
        yield_now().await;
        let mut run = Run::new();
        let before = run.quietly(bypass((self.read)())).await;
        if is_warm {
            run.quietly((self.read)()).await;
        }
        run.begin((self.read)(), (self.write)());
        match search.follow(&mut run).await {
            End::Over => {
                orders.run += 1;
                self.old_read(&run, &before, is_warm).await
            }
            End::Seen => None,
            End::Differs => panic!(
                "order {} can't be repeated: the read or the write takes other steps than before; put back in `.setup(…)` whatever they \
                 depend on",
                orders.run + 1
            ),
            End::Hangs => panic!("the read and the write hang: neither goes on"),
        }
    }

    /// Both are over: whether a read gives an old value now.
    async fn old_read(&self, run: &Run<'_>, before: &T, is_warm: bool) -> Option<OldRead> {
        assert!(
            asks_the_cache(&run.log),
            "the read asks the cache of `testing::sees_writes` for nothing: it is not cached, it names a cache of its own (`cache = …`), \
             or caches are off (`CACHED_ASIDE=off`)"
        );
        let (at_once, calls) = run.quietly(observe((self.read)())).await;
        run.settle().await;
        let right = run.quietly(bypass((self.read)())).await;
        assert!(
            *before != right,
            "the write changes nothing that the read gives: that is {before:?} before it and after it; let it write something else, and \
             put the origin back in `.setup(…)`"
        );
        let (left, calls_of_left) = run.quietly(observe((self.read)())).await;
        let is_gone = left == right;
        let (given, calls) = if at_once == right { (left, calls_of_left) } else { (at_once, calls) };
        if given == right {
            return None;
        }
        let cause = cause(&run.log, &calls, is_gone);
        Some(OldRead::new(cause, (format!("{given:?}"), format!("{right:?}")), is_warm, run.log.clone()))
    }
}

impl<'a, T: PartialEq + Debug + 'a> IntoFuture for SeesWrites<'a, T> {
    type Output = Orders;
    type IntoFuture = Pin<Box<dyn Future<Output = Orders> + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            match self.check().await {
                Ok(orders) => orders,
                Err(old) => panic!("{old}"),
            }
        })
    }
}
