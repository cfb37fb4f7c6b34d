//! What the compiler says about mistakes, and that it says nothing about programs that can't be modules of another (`apart`): of names
//! at the root of a crate, and of all functions of a program. Those that can are in `accepted`.
//!
//! The expected messages are those of one compiler. `TRYBUILD=overwrite cargo test -p cached-aside-tests --test ui`
//! rewrites them; read what changed. They are those of a compiler without the sources of the standard library: where `rust-src` is
//! installed (rust-analyzer does that) four messages show a line of them. `rustup component remove rust-src` before they are compared.

#[test]
fn messages() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/apart/*.rs");
    cases.compile_fail("ui/bad/*.rs");
}
