//! Every interleaving of the real code: a few calls, and every order in which their steps can be taken.
//!
//! What a call asks of the store or of the database takes effect at one moment and is answered at a later one; a call that
//! was woken goes on at yet another. At each step of a run everything that can happen next is a choice, tasks in the
//! background included. A run is determined by its choices: its schedule, such as `0-1-1-0-2`. The search runs all of
//! them, and leaves out only those that lead to a state which has been seen (see `past.rs`).
//!
//! A schedule that breaks a promise is printed step by step. To see one again:
//!
//! ```text
//! SCHEDULE=read-write:0-1-1-0-2 cargo test -p cached-aside --lib interleavings::scenarios::replays -- --nocapture
//! ```

mod batch;
mod batches;
mod call;
mod choice;
mod footprint;
mod history;
mod local;
mod past;
mod scenario;
mod scenarios;
mod search;
mod standing;
mod tagged;
mod telling;
mod world;
