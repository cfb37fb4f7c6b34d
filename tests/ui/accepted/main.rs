//! What the compiler has nothing to say about, also where it denies every warning: each module is a program of its own, and
//! all of them are one binary, since to link each takes longer than to compile it.

#![allow(
    missing_debug_implementations,
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    clippy::unwrap_used,
    reason = "they are written as somebody may write them; what modules deny is what must hold of the code that is generated"
)]

use std::{
    env, fs,
    process::{Command, ExitCode, Termination},
};

/// The modules, each with a `main`.
macro_rules! programs {
    ($($name:ident)*) => {
        $(pub mod $name;)*

        const PROGRAMS: &[&str] = &[$(stringify!($name)),*];

        fn run(name: &str) -> Option<ExitCode> {
            match name {
                $(stringify!($name) => Some($name::main().report()),)*
                _ => None,
            }
        }
    };
}

programs! {
    as_written batches caches contexts detached expected families free invalidates keys lints lists looked_up macros methods needed of_self optional_keys send
    signatures staleness strict tags traits transactions unusual
}

/// Runs the program that the variable names, or every one in a process of its own: each installs a cache.
fn main() -> ExitCode {
    const PROGRAM: &str = "CACHED_ASIDE_TEST_PROGRAM";
    if let Some(result) = env::var(PROGRAM).ok().and_then(|name| run(&name)) {
        return result;
    }
    every_file_is_a_program();
    let filter = env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    let this = env::current_exe().expect("the path of this program");
    let mut failed = 0;
    for name in PROGRAMS.iter().filter(|name| name.contains(&filter)) {
        let status = Command::new(&this).env(PROGRAM, name).status().expect("this program starts");
        println!("test {name} ... {}", if status.success() { "ok" } else { "FAILED" });
        failed += usize::from(!status.success());
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn every_file_is_a_program() {
    for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/ui/accepted")).expect("the folder") {
        let path = file.expect("a file").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        assert!(name == "main" || PROGRAMS.contains(&name), "`{name}` is in no list of programs");
    }
}
