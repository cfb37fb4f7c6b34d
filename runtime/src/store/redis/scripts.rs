//! The scripts, one verb each.

use std::sync::LazyLock;

use redis::{Cmd, Script};

/// A script and the name that the server knows it by.
pub(super) struct Verb {
    source: &'static str,
    hash: String,
}

impl Verb {
    fn new(source: &'static str) -> Verb {
        Verb { source, hash: Script::new(source).get_hash().to_owned() }
    }

    /// The call of a script on one key, by its hash: the server is expected to know it.
    pub(super) fn by_hash(&self) -> Cmd {
        let mut command = self.hash_of();
        command.arg(1);
        command
    }

    /// The same without the number of keys.
    pub(super) fn hash_of(&self) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.hash);
        command
    }

    /// The same with its source, from which the server learns it.
    pub(super) fn by_source(&self) -> Cmd {
        let mut command = self.source_of();
        command.arg(1);
        command
    }

    /// The same without the number of keys.
    pub(super) fn source_of(&self) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(self.source);
        command
    }
}

macro_rules! scripts {
    ($($name:ident = $($file:literal)+;)*) => {$(
        pub(super) static $name: LazyLock<Verb> =
            LazyLock::new(|| Verb::new(concat!($(include_str!(concat!("scripts/", $file, ".lua"))),+)));
    )*};
}

scripts! {
    ACQUIRE = "acquire";
    RENEW = "renew";
    FILL = "fill";
    ABANDON = "abandon";
    ELECT = "elect";
    TAKE_OVER = "take_over";
    RENEW_REFRESH = "refresher" "renew_refresh";
    REFILL = "refresher" "refill";
    REST = "refresher" "rest";
    DISCARD = "refresher" "discard";
    GUARD = "writers" "guard";
    RENEW_GUARD = "writers" "renew_guard";
    RELEASE = "writers" "release";
    RELEASE_WITH = "writers" "release_with";
    REMOVE = "writers" "remove";
    TRIAL = "trial";
}
