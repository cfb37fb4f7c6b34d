//! What the compiler says about mistakes, and that it says nothing about programs that can't be modules of another (`apart`): of names
//! at the root of a crate, and of all functions of a program. Those that can are in `accepted`.
//!
//! The expected messages are those of one compiler. `TRYBUILD=overwrite cargo test -p cached-aside-tests --test ui`
//! rewrites them; read what changed. They are those of a compiler without the sources of the standard library: where `rust-src` is
//! installed (rust-analyzer does that) some messages show a line of them.

use std::{
    io::{self, Write},
    path::Path,
    process::Command,
};

/// What to say before a copy of the dependencies is built in this folder, which takes longer than all messages.
fn is_to_be_built(folder: &Path) -> Option<String> {
    let is_there = folder.join("debug/deps").exists();
    (!is_there).then(|| {
        format!(
            "the tests of the compiler's messages build a copy of the dependencies in {}, which takes some minutes\n",
            folder.display()
        )
    })
}

#[test]
fn what_takes_long_is_said_before() {
    let folder = tempfile::tempdir().unwrap();
    let said = is_to_be_built(folder.path()).unwrap();
    assert!(
        said.contains("takes some minutes") && said.contains(&folder.path().display().to_string()),
        "{said}"
    );
    std::fs::create_dir_all(folder.path().join("debug/deps")).unwrap();
    assert_eq!(is_to_be_built(folder.path()), None);
}

#[test]
fn messages() {
    let compiler = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
    let sysroot = String::from_utf8(compiler.stdout).unwrap();
    assert!(
        !Path::new(sysroot.trim()).join("lib/rustlib/src").exists(),
        "the messages are not those of a compiler with the sources of the standard library: `rustup component remove rust-src`"
    );
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    if let Some(said) = is_to_be_built(&target.join("tests/trybuild")) {
        // Not by `eprintln`, which is shown when the test is over.
        io::stderr().write_all(said.as_bytes()).unwrap();
    }
    let cases = trybuild::TestCases::new();
    cases.pass("ui/apart/*.rs");
    cases.compile_fail("ui/bad/*.rs");
}
