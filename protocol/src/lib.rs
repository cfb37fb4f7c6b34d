//! The protocol of [cached-aside](https://docs.rs/cached-aside): the bytes under a key, and each step that changes
//! them. No I/O, no clock, no globals.
//!
//! The bytes keep their meaning from release to release. The functions here are for `cached-aside` and its tools, and may change
//! with any release.

pub mod entry;
mod field;
pub mod format;
pub mod outline;
mod slot;
pub mod steps;
mod token;
mod writers;

pub use slot::{Change, Slot};
pub use steps::Step;
pub use token::Token;
pub use writers::Writers;
