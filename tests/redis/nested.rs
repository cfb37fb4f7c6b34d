//! Annotated functions that call each other: the size of their futures, and how deep they go on the stack of a worker.

use std::{cell::Cell, error::Error, future::Future, rc::Rc};

use cached_aside::{Cache, bypass, cached_aside, invalidates, observe, only_cached, refresh, updates};
use tokio::task::{JoinHandle, yield_now};

/// Functions that call each other, their attributes by turns. Each adds one to what the next gives.
macro_rules! chain {
    ($n:ident: $(#[$one:meta])* | $(#[$other:meta])* | $last:ident) => {
        $(#[$one])*
        pub(super) async fn $last($n: u64) -> u64 {
            yield_now().await;
            $n - $n
        }
    };
    ($n:ident: $(#[$one:meta])* | $(#[$other:meta])* | $name:ident $next:ident $($rest:ident)*) => {
        $(#[$one])*
        pub(super) async fn $name($n: u64) -> u64 {
            $next($n).await + 1
        }
        chain!($n: $(#[$other])* | $(#[$one])* | $next $($rest)*);
    };
    ($this:ident, $n:ident: $(#[$one:meta])* | $(#[$other:meta])* | $last:ident) => {
        $(#[$one])*
        pub(super) async fn $last(&$this, $n: u64) -> u64 {
            yield_now().await;
            $n - $n
        }
    };
    ($this:ident, $n:ident: $(#[$one:meta])* | $(#[$other:meta])* | $name:ident $next:ident $($rest:ident)*) => {
        $(#[$one])*
        pub(super) async fn $name(&$this, $n: u64) -> u64 {
            $this.$next($n).await + 1
        }
        chain!($this, $n: $(#[$other])* | $(#[$one])* | $next $($rest)*);
    };
    (thirty $($all:tt)*) => {
        chain!(
            $($all)* | f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 f12 f13 f14 f15 f16 f17 f18 f19 f20 f21 f22 f23 f24 f25 f26 f27 f28
            f29 f30
        );
    };
}

mod reads {
    use super::*;
    chain!(thirty n: #[cached_aside(ttl = "5m")] | #[cached_aside(ttl = "5m")]);
}

mod writes {
    use super::*;
    chain!(thirty n: #[invalidates("row:{n}")] | #[invalidates("row:{n}", when = n > 0)]);
}

mod updating {
    use super::*;
    #[cached_aside(ttl = "5m", key = "row:{n}")]
    pub(super) async fn row(n: u64) -> u64 {
        f1(n).await
    }
    chain!(thirty n: #[updates(row(n))] | #[updates(row(n), when = n > 0)]);
}

mod mixed {
    use super::*;
    chain!(thirty n: #[cached_aside(ttl = "5m")] | #[invalidates("row:{n}")]);
}

mod refreshed_in_the_background {
    use super::*;
    chain!(
        thirty n: #[cached_aside(ttl = "5m", stale_while_revalidate = "5m", refresh = "background")]
        | #[cached_aside(ttl = "5m", stale_while_revalidate = "5m", refresh = "background", load_timeout(soft = "9s"))]
    );
}

mod methods {
    use super::*;

    #[derive(Debug, Clone)]
    pub(super) struct Shop;

    impl Shop {
        chain!(
            thirty self, n: #[cached_aside(ttl = "5m", skip(self))] | #[invalidates(self.f1(n), "row:{n}")]
        );
    }
}

/// Its key is not its argument: each level is an entry, or a write, of its own.
macro_rules! deep {
    ($name:ident, $n:ident: $(#[$attribute:meta])*) => {
        $(#[$attribute])*
        async fn $name($n: u64) -> u64 {
            if $n == 0 { 0 } else { Box::pin($name($n - 1)).await + 1 }
        }
    };
}

deep!(deep_read, n: #[cached_aside(ttl = "5m")]);
deep!(deep_write, n: #[invalidates("row:{n}")]);

const KIB: usize = 1 << 10;

/// What a call adds to what its body takes.
fn added<T>(call: &T, body: usize) -> usize {
    size_of_val(call).saturating_sub(body)
}

#[test]
fn a_call_carries_its_body_once_and_little_beside_it() {
    type Size = [u8; 12 * KIB];

    async fn large() -> u64 {
        let room: Size = [0; 12 * KIB];
        yield_now().await;
        room.iter().map(|byte| u64::from(*byte)).sum()
    }
    #[cached_aside(ttl = "5m")]
    async fn read(n: u64) -> u64 {
        large().await + n
    }
    #[cached_aside(ttl = "5m", stale_while_revalidate = "5m", refresh = "background")]
    async fn refreshed(n: u64) -> u64 {
        large().await + n
    }
    #[cached_aside(ttl = "5m", stale_while_revalidate = "5m", refresh = "background")]
    async fn refreshed_small(n: u64) -> u64 {
        n
    }
    #[invalidates("row:{n}")]
    async fn write(n: u64) -> u64 {
        large().await + n
    }
    #[invalidates(read(result.0), "row:{n}", when = n > 0, guard = "required")]
    async fn write_of_a_result(n: u64) -> Result<(u64, u64), cached_aside::Error> {
        Ok((large().await + n, n))
    }
    #[updates(read(n), when = n > 0)]
    async fn update(n: u64) -> u64 {
        large().await + n
    }
    let body = size_of_val(&read::uncached(1));
    let cache = Cache::in_process();
    for (what, added) in [
        ("a read", added(&read(1), body)),
        ("a write", added(&write(1), body)),
        ("a write of a result", added(&write_of_a_result(1), body)),
        ("an update", added(&update(1), body)),
    ] {
        assert!(added <= KIB, "{what} takes {added} bytes more than its body");
    }
    // A wrapper carries its future once, too.
    let call = size_of_val(&read(1));
    for (what, added) in [
        ("a scope", added(&cache.scope(read(1)), call)),
        ("bypass", added(&bypass(read(1)), call)),
        ("refresh", added(&refresh(read(1)), call)),
        ("observe", added(&observe(read(1)), call)),
        ("only_cached", added(&only_cached(read(1)), call)),
    ] {
        assert!(added <= 128, "{what} takes {added} bytes more than its future");
    }
    // Its body is on the heap, and only on a miss.
    let owned = added(&refreshed_small(1), size_of_val(&refreshed_small::uncached(1)));
    assert!(owned <= KIB, "a read that can go on without its caller takes {owned} bytes more than its body");
    assert_eq!(size_of_val(&refreshed(1)), size_of_val(&refreshed_small(1)));
    let thirty = size_of_val(&reads::f1(1)).max(size_of_val(&writes::f1(1)));
    assert!(thirty <= 30 * KIB, "thirty nested calls take {thirty} bytes");
}

#[test]
fn thirty_nested_calls_run_on_the_stack_of_a_worker() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let cache = Cache::in_process();
    fn nested(cache: &Cache, call: impl Future<Output = u64> + Send + 'static) -> JoinHandle<u64> {
        tokio::spawn(cache.scope(call))
    }
    runtime.block_on(async {
        assert_eq!(nested(&cache, reads::f1(1)).await.unwrap(), 29);
        assert_eq!(nested(&cache, writes::f1(1)).await.unwrap(), 29);
        assert_eq!(nested(&cache, updating::row(1)).await.unwrap(), 29);
        assert_eq!(nested(&cache, mixed::f1(1)).await.unwrap(), 29);
        assert_eq!(nested(&cache, refreshed_in_the_background::f1(1)).await.unwrap(), 29);
        assert_eq!(nested(&cache, async { methods::Shop.f1(1).await }).await.unwrap(), 29);
        // A tree of rows, each of which asks for the next.
        assert_eq!(nested(&cache, deep_read(100)).await.unwrap(), 100);
        assert_eq!(nested(&cache, deep_write(100)).await.unwrap(), 100);
    });
}

/// The future is `Send` whenever the body's is and what it gives is; neither has to be `Sync`.
#[tokio::test]
async fn results_need_not_be_sync_and_bodies_need_not_be_send() {
    trait Get<T> {
        fn get(&self, id: u64) -> impl Future<Output = Result<T, String>> + Send;
    }
    struct Table<T>(std::marker::PhantomData<fn() -> T>);
    impl<T: serde::Serialize + serde::de::DeserializeOwned + Default + Send + 'static> Get<T> for Table<T> {
        #[cached_aside(ttl = "5m", key = "{T}:{id}", skip(self))]
        async fn get(&self, id: u64) -> Result<T, String> {
            let _ = id;
            Ok(T::default())
        }
    }
    #[cached_aside(ttl = "5m")]
    async fn boxed_error(n: u64) -> Result<u64, Box<dyn Error + Send>> {
        Ok(n)
    }
    #[cached_aside(ttl = "5m", key = "cell")]
    async fn cell() -> Cell<u64> {
        Cell::new(5)
    }
    #[invalidates("row:{n}")]
    async fn write(n: u64) -> Result<u64, Box<dyn Error + Send>> {
        Ok(n)
    }
    #[updates(cell())]
    async fn update() -> Cell<u64> {
        Cell::new(5)
    }
    #[cached_aside(ttl = "5m")]
    async fn not_send(n: u64) -> u64 {
        let n = Rc::new(n);
        yield_now().await;
        *n
    }
    #[invalidates("row:{n}")]
    async fn write_not_send(n: u64) -> Rc<u64> {
        let n = Rc::new(n);
        yield_now().await;
        n
    }
    fn is_send<T: Send>(call: T) -> T {
        call
    }
    let cache = Cache::in_process();
    assert_eq!(is_send(cache.scope(boxed_error(7))).await.unwrap(), 7);
    assert_eq!(is_send(cache.scope(cell())).await.get(), 5);
    assert_eq!(is_send(cache.scope(write(7))).await.unwrap(), 7);
    assert_eq!(is_send(cache.scope(update())).await.get(), 5);
    assert_eq!(is_send(cache.scope(Table::<u64>(std::marker::PhantomData).get(7))).await.unwrap(), 0);
    assert_eq!(cache.scope(not_send(7)).await, 7);
    assert_eq!(*cache.scope(write_not_send(7)).await, 7);
}
