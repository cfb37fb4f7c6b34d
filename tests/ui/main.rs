//! What the compiler says about mistakes, and that it says nothing about programs that can't be modules of another (`apart`): of names
//! at the root of a crate, and of all functions of a program. Those that can are in `accepted`.
//!
//! The expected messages are those of one compiler. `TRYBUILD=overwrite cargo test -p cached-aside-tests --test ui`
//! rewrites them; read what changed. They are those of a compiler without the sources of the standard library: where `rust-src` is
//! installed (rust-analyzer does that) some messages show a line of them.

use std::{path::Path, process::Command};

#[test]
fn messages() {
    let compiler = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
    let sysroot = String::from_utf8(compiler.stdout).unwrap();
    assert!(
        !Path::new(sysroot.trim()).join("lib/rustlib/src").exists(),
        "the messages are not those of a compiler with the sources of the standard library: `rustup component remove rust-src`"
    );
    let cases = trybuild::TestCases::new();
    cases.pass("ui/apart/*.rs");
    cases.compile_fail("ui/bad/*.rs");
}
