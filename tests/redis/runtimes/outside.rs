//! Calls outside of tokio.

use super::*;

/// What drives a future where there is no tokio.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let begun = Instant::now();
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park_timeout(LONG),
        }
        assert!(begun.elapsed() < LONG, "it is not woken");
    }
}

/// What runs a future to its end.
type Run<'a> = &'a dyn for<'b> Fn(Pin<Box<dyn Future<Output = ()> + 'b>>);

#[test]
fn calls_outside_of_tokio_use_the_cache() {
    let server = RedisServer::start();
    let bare = Builder::new_current_thread().build().unwrap();
    let timeless = Builder::new_current_thread().enable_io().build().unwrap();
    let run: [(&str, Run<'_>); 3] = [
        ("none", &|future| block_on(future)),
        ("bare", &|future| bare.block_on(future)),
        ("timeless", &|future| timeless.block_on(future)),
    ];
    for (name, run) in run {
        let elsewhere = Elsewhere::new(&server, name);
        for cache in [block_on(cache(&server, name)), Cache::in_process()] {
            let id = rows(1);
            elsewhere.stores(id..=id);
            run(Box::pin(cache.scope(async {
                load(id).await;
                save(id).await;
                save_guarded(id).await.unwrap();
                assert_eq!([load(id).await, load(id).await], [2, 2]);
                let guard = cache.guard([AnyKey::from(load::key(id))]).await.unwrap();
                guard.release().await.unwrap();
                cache.invalidate(&load::key(id)).await.unwrap();
                cache.ping().await.unwrap();
                cache.shutdown(LONG).await.unwrap();
            })));
            let total = cache.stats().total;
            assert!(total.hits > 0 && total.errors == 0, "{name}: {total:?}");
            every_write_was_guarded(&cache);
            if cache.stats().nodes.len() == 1 {
                assert_eq!(elsewhere.reads(id..=id), [2], "{name}");
            }
        }
    }
}
