//! What calls share on their way to the server.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, mpsc},
    task::{Context, Wake},
    time::Duration,
};

use cached_aside::{cached_aside, invalidates};
use cached_aside_tests::{RedisServer, server};
use redis::cmd;
use tokio::task::JoinSet;

use crate::support::{carried_out, patient};

#[cached_aside(ttl = "1m", key = "together:{id}")]
async fn load(id: u64) -> u64 {
    id
}

#[invalidates(load(id))]
async fn save(id: u64) {
    let _ = id;
}

/// Holds up the library's thread, which sends for everybody, from the answer that it brings to a call until it is let go.
struct Hold {
    reached: mpsc::Sender<()>,
    let_go: Mutex<mpsc::Receiver<()>>,
}

impl Wake for Hold {
    fn wake(self: Arc<Self>) {
        // The second time nobody listens any more, and the thread goes on.
        if std::thread::current().name() == Some("cached-aside") && self.reached.send(()).is_ok() {
            let _ = self.let_go.lock().unwrap().recv();
        }
    }
}

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A call that is under way, and holds up the library's thread as soon as that brings it an answer.
struct Holding {
    call: Boxed,
    reached: mpsc::Receiver<()>,
    let_go: mpsc::Sender<()>,
}

impl Holding {
    /// Nothing if the call is over at once: where this thread is held up, all answers can be there as soon as they are asked for.
    fn begin(mut call: Boxed) -> Option<Self> {
        let ((reached, is_reached), (let_go, is_let_go)) = (mpsc::channel(), mpsc::channel());
        let hold = Arc::new(Hold { reached, let_go: Mutex::new(is_let_go) });
        let is_over = call.as_mut().poll(&mut Context::from_waker(&hold.into())).is_ready();
        (!is_over).then_some(Self { call, reached: is_reached, let_go })
    }

    fn wait_until_held(&self) {
        self.reached.recv_timeout(Duration::from_secs(20)).expect("the library's thread brings the answer");
    }

    /// Lets the thread go on, and gives what is left of the call.
    fn let_go(self) -> Boxed {
        drop((self.let_go, self.reached));
        self.call
    }
}

/// What is sent at the same time travels together, fills and releases too: the server has far less to read than there are
/// commands. The thread that sends is held up while they are made: how soon the system lets it run is not what is tried here.
#[tokio::test]
async fn calls_that_come_together_travel_together() {
    const CALLS: u64 = 64;
    let server = RedisServer::start();
    let cache = patient(server.url()).build().await.unwrap();
    let call = |call: fn(u64) -> Boxed, id| -> Boxed {
        let cache = cache.clone();
        Box::pin(async move { cache.scope(call(id)).await })
    };
    let load: fn(u64) -> Boxed = |id| Box::pin(async move { assert_eq!(load(id).await, id) });
    let save: fn(u64) -> Boxed = |id| Box::pin(save(id));
    call(load, 0).await;
    call(save, 0).await;
    let arrivals = || -> u64 {
        let stats: redis::InfoDict = server.run(cmd("INFO").arg("stats"));
        stats.get("total_reads_processed").unwrap()
    };
    let scripts = || server.commands().get("evalsha").copied().unwrap_or_default();
    let polled = async || {
        // Each of them has a turn.
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    };

    carried_out(&cache).await;
    let held = (0..10).find_map(|_| {
        server.reset_stats();
        Holding::begin(call(save, 0))
    });
    let first = held.expect("a write waits for Redis");
    first.wait_until_held();
    let before = arrivals();
    let saves: JoinSet<_> = (1..=CALLS).map(|id| call(save, id)).collect();
    polled().await;
    let last = Holding::begin(call(save, CALLS + 1)).expect("nobody brings it an answer");
    let first = first.let_go();
    last.wait_until_held();
    polled().await;
    let last = last.let_go();
    first.await;
    last.await;
    saves.join_all().await;
    let arrived = arrivals() - before;
    assert_eq!(scripts(), (CALLS + 2) * 2);
    assert!(arrived <= CALLS / 2, "{CALLS} guards and as many releases came in {arrived} parts");

    carried_out(&cache).await;
    server.reset_stats();
    let before = arrivals();
    let loads: JoinSet<_> = (1..=CALLS).map(|id| call(load, id)).collect();
    loads.join_all().await;
    carried_out(&cache).await;
    let arrived = arrivals() - before;
    assert_eq!(scripts(), CALLS * if server::version() >= (7, 0) { 1 } else { 2 });
    // Nothing is held up here: a busy machine sends what it has whenever the thread that sends has its turn.
    assert!(arrived <= CALLS, "{CALLS} looks, as many acquires and as many fills came in {arrived} parts");
}
