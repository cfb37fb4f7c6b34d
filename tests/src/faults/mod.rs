//! Everything that can go wrong between an application and its Redis, what is still promised then, and how that is tried:
//! fault by fault, operation by operation.
//!
//! A [`Fault`](fault::Fault) is one row of the table, an [`Operation`](operation::Operation) one column. A cell
//! [is tried](cell::try_cell) on a [`Setup`](setup::Setup) of its own; the [`page`] of the documentation is written
//! from the same table. The [`soak`] takes one fault after the other while callers go on, and [`hang`] is about the
//! memory that a Redis which hangs may cost.

pub mod cell;
pub mod fault;
pub mod hang;
pub mod operation;
pub mod origin;
pub mod page;
pub mod setup;
pub mod soak;
