//! Exactly what expansions call. No part of the public promise.

pub use crate::{
    AnyKey, Cache, Key,
    codec::{Cacheable, Coding, DefaultCodec, coding},
    key::{Arg, KeyWriter, ViaDebug, ViaDisplay, any_key, key, number, type_name},
    outcome::{NoShape, NotShared, Outcome, Refusable, Shape, Sharing, Success, assert_none, refuse},
    read::load,
    settings::{Guard, ReadFunction, ReadSettings, WriteFunction, WriteSettings},
    write::write,
};
