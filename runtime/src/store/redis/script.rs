//! Scripts as commands.

use cached_aside_protocol::{
    Step,
    steps::{Arguments, Script},
};
use redis::Cmd;

use super::wire::FullKey;

/// Calls a step's script by its hash: the server is expected to know it.
pub(super) fn by_hash<S: Step>(key: FullKey<'_>, step: &S) -> Cmd {
    with_arguments(evalsha(S::script()), key, step)
}

/// The same with its source, which the server then knows.
pub(super) fn by_source<S: Step>(key: FullKey<'_>, step: &S) -> Cmd {
    with_arguments(eval(S::script()), key, step)
}

/// Calls the script of steps on several keys by its hash.
pub(super) fn together_by_hash<'k, S: Step>(
    keys: impl ExactSizeIterator<Item = FullKey<'k>>,
    steps: impl Iterator<Item = &'k S>,
) -> Cmd {
    together(evalsha(S::together()), keys, steps)
}

/// The same with its source.
pub(super) fn together_by_source<'k, S: Step>(
    keys: impl ExactSizeIterator<Item = FullKey<'k>>,
    steps: impl Iterator<Item = &'k S>,
) -> Cmd {
    together(eval(S::together()), keys, steps)
}

fn together<'k, S: Step>(
    mut command: Cmd,
    keys: impl ExactSizeIterator<Item = FullKey<'k>>,
    steps: impl Iterator<Item = &'k S>,
) -> Cmd {
    command.arg(keys.len());
    keys.for_each(|key| {
        command.arg(key);
    });
    steps.for_each(|step| step.arguments(&mut Writer(&mut command)));
    command
}

/// Calls a script by its hash, up to the number of keys.
pub(super) fn evalsha(script: &Script) -> Cmd {
    let mut command = redis::cmd("EVALSHA");
    command.arg(script.hash());
    command
}

/// The same with its source.
pub(super) fn eval(script: &Script) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(script.source());
    command
}

fn with_arguments<S: Step>(mut command: Cmd, key: FullKey<'_>, step: &S) -> Cmd {
    command.arg(1).arg(key);
    step.arguments(&mut Writer(&mut command));
    command
}

/// Writes the arguments of a step.
struct Writer<'a>(&'a mut Cmd);

impl Arguments for Writer<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.arg(bytes);
    }

    fn number(&mut self, number: u64) {
        self.0.arg(number);
    }
}
