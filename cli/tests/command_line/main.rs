//! The program on real servers.
#![expect(clippy::unused_async, reason = "only async functions are cached")]

mod counts;
mod doctor;
mod ending;
mod inspect;
mod looking;
mod places;
mod support;
mod usage;
