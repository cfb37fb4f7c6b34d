//! For the tests of a program: does a read see the write that came before it, in every order of their steps; and what does the program
//! do while the cache fails? A feature: `testing`, in `[dev-dependencies]`. [The page about it](crate::docs::testing) has examples.

pub mod by_hand;
mod faults;
mod old_read;
mod run;
mod search;
mod sees_writes;

pub use self::{
    faults::{Faults, faulty_cache},
    old_read::{Cause, OldRead},
    sees_writes::{Orders, SeesWrites, sees_writes},
};

#[cfg(test)]
mod tests;
