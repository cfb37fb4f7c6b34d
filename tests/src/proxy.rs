//! A network that fails on demand.

use rustix::net::sockopt::set_socket_linger;
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    runtime::{self, Runtime},
    sync::watch,
    time::sleep,
};

/// What happens to the traffic, from now on and on every connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Everything arrives.
    Pass,
    /// Connections are accepted, and whatever is sent on them, either way, is lost without a sign.
    Hole,
    /// A new connection is reset at once; those that are open go on.
    Refuse,
    /// Whatever is sent arrives this much later, each way.
    Delay(Duration),
    /// Maximum number of bytes per second, each way and on each connection.
    Rate(u32),
    /// A connection is closed after this many more bytes of replies, even in the middle of one.
    Cut(usize),
    /// The same, and the client is told that the connection was reset.
    Reset(usize),
    /// After this many more bytes of replies nothing more arrives, even in the middle of one.
    Stall(usize),
    /// Whatever the server replies, the client is given this instead.
    Say(&'static str),
    /// A new connection is told this and closed, as a server does with a client that it does not want; those that are open
    /// go on.
    Deny(&'static str),
}

/// A TCP proxy in front of one server.
///
/// It runs on a thread of its own: a test may block, or pause its clock, and the traffic still flows.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    control: Arc<Control>,
    /// Taken out to be dropped.
    runtime: Option<Runtime>,
}

#[derive(Debug)]
struct Control {
    mode: watch::Sender<Mode>,
    /// Every change closes the connections that are open.
    drops: watch::Sender<()>,
    accepted: AtomicUsize,
}

impl Proxy {
    /// Listens on a free port, for connections to `server`, in [`Mode::Pass`].
    pub fn start(server: SocketAddr) -> Self {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("proxy")
            .enable_all()
            .build()
            .expect("a thread can be started");
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a listener can be made non-blocking");
        let addr = listener.local_addr().expect("a listener has an address");
        let control = Arc::new(Control {
            mode: watch::Sender::new(Mode::Pass),
            drops: watch::Sender::new(()),
            accepted: AtomicUsize::new(0),
        });
        runtime.spawn(accept(listener, server, Arc::clone(&control)));
        Self { addr, control, runtime: Some(runtime) }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `redis://…`
    pub fn url(&self) -> String {
        format!("redis://{}", self.addr)
    }

    /// Changes what happens to the traffic.
    pub fn set(&self, mode: Mode) {
        self.control.mode.send_replace(mode);
    }

    /// Closes every open connection.
    pub fn drop_all(&self) {
        self.control.drops.send_replace(());
    }

    /// How many connections there have been, refused ones included.
    pub fn accepted(&self) -> usize {
        self.control.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn accept(
    listener: std::net::TcpListener,
    server: SocketAddr,
    control: Arc<Control>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (client, _) = listener.accept().await?;
        control.accepted.fetch_add(1, Ordering::SeqCst);
        let (mode, mut drops) = (control.mode.subscribe(), control.drops.subscribe());
        tokio::spawn(async move {
            tokio::select! {
                result = relay(client, server, mode) => result,
                _ = drops.changed() => Ok(()),
            }
        });
    }
}

/// Serves one connection until either side closes it, or the mode does.
async fn relay(mut client: TcpStream, server: SocketAddr, mode: watch::Receiver<Mode>) -> io::Result<()> {
    let at_first = *mode.borrow();
    match at_first {
        Mode::Refuse => return resets(&client),
        Mode::Deny(why) => return client.write_all(why.as_bytes()).await,
        _ => {}
    }
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        result = pump(from_client, to_server, Way::Requests, mode.clone()) => result,
        result = pump(from_server, to_client, Way::Replies, mode) => result,
    }
}

/// Closing a socket that does not linger resets the connection.
fn resets(client: &TcpStream) -> io::Result<()> {
    Ok(set_socket_linger(client, Some(Duration::ZERO))?)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Requests,
    Replies,
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    way: Way,
    mut mode: watch::Receiver<Mode>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    // How long the link is busy with what was relayed (seconds).
    let mut owed = 0.0;
    // Bytes relayed since the mode was set.
    let mut relayed = 0;
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let now = {
            // In one step: a mode that is set between two would begin with what the last one relayed.
            let mode = mode.borrow_and_update();
            if mode.has_changed() {
                relayed = 0;
            }
            *mode
        };
        let replies = way == Way::Replies;
        match now {
            Mode::Hole => continue,
            Mode::Cut(limit) | Mode::Reset(limit) if replies && relayed + count >= limit => {
                to.write_all(&buffer[..limit - relayed]).await?;
                if matches!(now, Mode::Reset(_)) {
                    resets(to.as_ref())?;
                    // Dropped, it would first say that this is the end.
                    to.forget();
                }
                return Ok(());
            }
            Mode::Stall(limit) if replies => {
                let arrives = count.min(limit.saturating_sub(relayed));
                to.write_all(&buffer[..arrives]).await?;
            }
            Mode::Say(instead) if replies => to.write_all(instead.as_bytes()).await?,
            Mode::Delay(delay) => {
                sleep(delay).await;
                to.write_all(&buffer[..count]).await?;
            }
            Mode::Rate(rate) => {
                to.write_all(&buffer[..count]).await?;
                owed += f64::from(u32::try_from(count).expect("a buffer is short")) / f64::from(rate);
                // A sleep lasts a millisecond at least.
                if owed > 0.002 {
                    sleep(Duration::from_secs_f64(owed)).await;
                    owed = 0.0;
                }
            }
            _ => to.write_all(&buffer[..count]).await?,
        }
        relayed += count;
    }
}
