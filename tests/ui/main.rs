//! What the compiler says about mistakes, and that it says nothing about programs that can't be modules of another (`apart`): of names
//! at the root of a crate, and of all functions of a program. Those that can are in `accepted`.
//!
//! The expected messages are those of one compiler. `TRYBUILD=overwrite cargo test -p cached-aside-tests --test ui`
//! rewrites them; read what changed.

use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
};

/// Set in the run that has a compiler without the sources of the standard library.
const WITHOUT_SOURCES: &str = "CACHED_ASIDE_TEST_WITHOUT_SOURCES";
/// Where a toolchain has them, if `rust-src` is installed, as rust-analyzer asks for.
const SOURCES: &str = "lib/rustlib/src";

fn sysroot() -> PathBuf {
    let compiler = Command::new("rustc").args(["--print", "sysroot"]).output().expect("`rustc` runs");
    PathBuf::from(String::from_utf8(compiler.stdout).expect("a path").trim())
}

#[test]
fn messages() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let sysroot = sysroot();
    if env::var_os(WITHOUT_SOURCES).is_none() && sysroot.join(SOURCES).exists() {
        return without_sources(&sysroot, &target.join("tests/sysroot"));
    }
    // At once, and not by `eprintln`, which is shown when the test is over.
    let folder = target.join("tests/trybuild");
    let said = format!(
        "the programs of `tests/ui` are compiled in {}, which takes 5 minutes on two cores, and some more where what they depend on has \
         to be built first\n",
        folder.display()
    );
    io::stderr().write_all(said.as_bytes()).unwrap();
    let cases = trybuild::TestCases::new();
    cases.pass("ui/apart/*.rs");
    cases.compile_fail("ui/bad/*.rs");
}

/// Where they are installed, some messages show a line of the sources of the standard library, and others not: runs the test once more
/// with a toolchain that is made of links to everything but those.
#[cfg(unix)]
fn without_sources(sysroot: &Path, linked: &Path) {
    let compiler =
        compiler_without_sources(sysroot, linked).expect("folders, links and a script can be made");
    let mut again = Command::new(env::current_exe().expect("it has a path"));
    again
        .args(["messages", "--exact", "--nocapture"])
        .args(env::args().filter(|arg| arg.starts_with("trybuild=")));
    let status = again.env(WITHOUT_SOURCES, "1").env("RUSTC_WRAPPER", compiler).status();
    assert!(status.is_ok_and(|status| status.success()), "the messages are others: see above");
}

#[cfg(unix)]
fn compiler_without_sources(sysroot: &Path, linked: &Path) -> io::Result<PathBuf> {
    use std::os::unix::fs::{PermissionsExt, symlink};

    if linked.exists() {
        fs::remove_dir_all(linked)?;
    }
    let mut apart = PathBuf::new();
    for folder in Path::new(SOURCES) {
        fs::create_dir_all(linked.join(&apart))?;
        for entry in fs::read_dir(sysroot.join(&apart))? {
            let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
            if name != folder {
                symlink(path, linked.join(&apart).join(name))?;
            }
        }
        apart.push(folder);
    }
    let wrapper = linked.join("rustc-without-sources");
    fs::write(&wrapper, format!("#!/bin/sh\nexec \"$@\" --sysroot '{}'\n", linked.display()))?;
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?;
    Ok(wrapper)
}

#[cfg(unix)]
#[test]
fn a_toolchain_of_links_has_all_but_the_sources() {
    let folder = tempfile::tempdir().unwrap();
    let (real, linked) = (folder.path().join("real"), folder.path().join("linked"));
    let files =
        ["bin/rustc", "lib/driver.so", "lib/rustlib/target/lib/std.rlib", "lib/rustlib/src/rust/lib.rs"];
    for file in files {
        fs::create_dir_all(real.join(file).parent().unwrap()).unwrap();
        fs::write(real.join(file), file).unwrap();
    }
    // One of an earlier run is replaced.
    for _ in 0..2 {
        let compiler = compiler_without_sources(&real, &linked).unwrap();
        assert_eq!(files.map(|file| linked.join(file).exists()), [true, true, true, false]);
        let output = Command::new(compiler).args(["echo", "a b"]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said.trim(), format!("a b --sysroot {}", linked.display()));
    }
}

#[cfg(not(unix))]
fn without_sources(_: &Path, _: &Path) {
    panic!(
        "the messages are those of a compiler without the sources of the standard library: `rustup component remove rust-src`"
    );
}
