//! Checks the options against the function, and decides everything that the expansion needs.

mod batch;
mod constants;
mod coverage;
mod derived_key;
mod detach;
mod fixed;
mod form;
mod in_expression;
pub(crate) mod key;
mod late;
mod misnamed;
mod mistaken;
mod mistyped;
mod of_macro;
mod optional_keys;
mod pattern;
mod read;
mod staleness;
mod tags;
mod targets;
mod transfer;
mod uncached;
mod unfinished;
mod unwritable;
mod write;

pub(crate) use batch::{BatchPlan, batch};
pub(crate) use form::{Form, display_name};
pub(crate) use in_expression::keys;
pub(crate) use optional_keys::has_question;
pub(crate) use read::{CacheKnown, ReadPlan, Shown, read};
pub(crate) use tags::{DeclaredTag, TagKey, declared};
pub(crate) use targets::{After, Argument, KeyOf, TargetKey};
pub(crate) use transfer::ArgTransfer;
pub(crate) use unfinished::{Unfinished, unfinished};
pub(crate) use write::{End, Mention, WritePlan, WriteSettings, write};
