#![doc = include_str!("../README.md")]

#[doc(hidden)]
pub mod published;
