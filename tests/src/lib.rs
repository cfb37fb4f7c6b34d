//! What the tests stand on: a real Redis, a network that fails on demand, and further processes.
//!
//! Whatever is started here belongs to the test process: it ends when its value is dropped, and also
//! when the test process is killed.
#![expect(clippy::missing_panics_doc, reason = "a step that cannot be taken fails the test")]

pub use process::Process;
pub use proxy::{Mode, Proxy};
pub use server::RedisServer;
pub use worker::Worker;

mod process;
mod proxy;
pub mod server;
pub mod torture;
mod worker;
