//! A step as a script of Redis.

use std::fmt::Write;

use crate::{
    Token,
    format::{
        FLAG_LOCAL, FLAGS_AT, FRESH_FOR_AT, GUARD, HEADER_LEN, KIND_AT, LEASE, LOAD_TIME_AT, LOCAL_END,
        LOCAL_UNTIL_AT, LONGEST, LONGEST_LOCAL, MAGIC, MARKS_AT, OVERLAPPED, REFRESH_AT, REFRESH_UNTIL_AT,
        SLOT_LEN, SLOTS_AT, STORED_AT, TAG, TAG_END, TAG_LEN, TIME_LEN, VALUE, VALUES,
    },
};

/// A script and its hash, by which servers know it.
#[derive(Debug)]
pub struct Script {
    source: String,
    hash: String,
}

impl Script {
    /// A script with this source.
    pub fn new(source: String) -> Script {
        let hash = sha1_smol::Sha1::from(&source).digest().to_string();
        Script { source, hash }
    }

    /// The argument of `EVAL`.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The argument of `EVALSHA`.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

/// The scripts of a step: the constants of the format, and the Lua files. With several keys the files of the step are the body of a
/// function, which `together.lua` calls for each key.
macro_rules! script {
    ($($file:literal),+) => {
        fn script() -> &'static $crate::steps::Script {
            static SCRIPT: std::sync::LazyLock<$crate::steps::Script> = std::sync::LazyLock::new(|| {
                let parts = [&$crate::steps::script::constants(), include_str!("shared.lua"), $(include_str!($file)),+];
                $crate::steps::Script::new(parts.concat())
            });
            &SCRIPT
        }

        fn together() -> &'static $crate::steps::Script {
            static SCRIPT: std::sync::LazyLock<$crate::steps::Script> = std::sync::LazyLock::new(|| {
                let begin = [&$crate::steps::script::constants(), include_str!("shared.lua"), "local function step(ARGV)\n"];
                let parts = [$(include_str!($file)),+, include_str!("together.lua")];
                $crate::steps::Script::new([begin.concat(), parts.concat()].concat())
            });
            &SCRIPT
        }
    };
}

pub(super) use script;

/// The constants of the format, by their names in Rust. Offsets count from 0, as those of `GETRANGE` and `SETRANGE` do;
/// the first byte of a string in Lua is its byte 1.
pub(super) fn constants() -> String {
    let mut lua = String::new();
    let mut local = |name: &str, value: String| {
        // Writing to a `String` can't fail.
        let _ = writeln!(lua, "local {name} = {value}");
    };
    local("MAGIC", text(&MAGIC));
    for (name, kind) in [("LEASE", LEASE), ("GUARD", GUARD), ("TAG", TAG), ("VALUE", VALUE)] {
        local(name, text(&[&MAGIC[..], &[kind]].concat()));
    }
    local("OVERLAPPED", text(&[OVERLAPPED]));
    // The format of a point in time for `struct`.
    local("TIME", format!("'>I{TIME_LEN}'"));
    local("FRESH_FOR", format!("'>I{}'", LOAD_TIME_AT - FRESH_FOR_AT));
    for (name, number) in [
        ("KIND_AT", KIND_AT),
        ("FLAGS_AT", FLAGS_AT),
        ("FLAG_LOCAL", usize::from(FLAG_LOCAL)),
        ("VALUES", usize::from(VALUES)),
        ("TOKEN_LEN", Token::LEN),
        ("TIME_LEN", TIME_LEN),
        ("MARKS_AT", MARKS_AT),
        ("SLOTS_AT", SLOTS_AT),
        ("SLOT_LEN", SLOT_LEN),
        ("TAG_LEN", TAG_LEN),
        ("TAG_END", TAG_END),
        ("HEADER_LEN", HEADER_LEN),
        ("REFRESH_AT", REFRESH_AT),
        ("REFRESH_UNTIL_AT", REFRESH_UNTIL_AT),
        ("STORED_AT", STORED_AT),
        ("FRESH_FOR_AT", FRESH_FOR_AT),
        ("LOCAL_UNTIL_AT", LOCAL_UNTIL_AT),
        ("LOCAL_END", LOCAL_END),
    ] {
        local(name, number.to_string());
    }
    // As arguments of commands: a number of Lua is written with 17 digits for them, which costs the server as much as a small command.
    for (name, argument) in [
        ("MARKS_ARG", MARKS_AT),
        ("TAG_END_ARG", TAG_END),
        ("HEADER_LAST_ARG", HEADER_LEN - 1),
        ("LOCAL_LAST_ARG", LOCAL_END - 1),
        ("REFRESH_ARG", REFRESH_AT),
        ("REFRESH_UNTIL_ARG", REFRESH_UNTIL_AT),
        ("STORED_ARG", STORED_AT),
    ] {
        local(name, format!("'{argument}'"));
    }
    local("LONGEST", LONGEST.as_millis().to_string());
    local("LONGEST_LOCAL", LONGEST_LOCAL.as_millis().to_string());
    lua
}

/// A string literal of Lua.
fn text(bytes: &[u8]) -> String {
    let escaped: Vec<String> = bytes.iter().map(|byte| format!("\\{byte:03}")).collect();
    format!("'{}'", escaped.concat())
}
