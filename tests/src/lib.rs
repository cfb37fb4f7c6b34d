//! What the tests stand on: a real Redis, a network that fails on demand, and further processes.
//!
//! Whatever is started here belongs to the test process: it ends when its value is dropped, and also
//! when the test process is killed.
#![expect(clippy::missing_panics_doc, reason = "a step that cannot be taken fails the test")]

pub use cluster::RedisCluster;
pub use postgres::{PostgresProxy, PostgresServer};
pub use process::Process;
pub use proxy::{Mode, Proxy};
pub use sentinel::Sentinels;
pub use server::{Clients, RedisServer};
pub use server_fault::{FaultyServer, ServerFault};
pub use tls::Authority;
pub use worker::Worker;

pub mod chaos;
pub mod cluster;
pub mod faults;
pub mod log;
pub mod machine;
mod postgres;
mod process;
mod proxy;
pub mod sentinel;
pub mod server;
mod server_fault;
pub mod tls;
mod worker;
