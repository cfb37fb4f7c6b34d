//! cached-aside beside the ways to do the same without it, in one run on one machine.

pub mod cell;
pub mod drive;
pub mod origin;
pub mod subject;
