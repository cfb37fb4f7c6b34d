//! What the compiler says about mistakes, and that it says nothing about the rest.
//!
//! The expected messages are those of one compiler. `TRYBUILD=overwrite cargo test -p cached-aside-tests --test ui`
//! rewrites them; read what changed.

#[test]
fn messages() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/ok/*.rs");
    cases.compile_fail("ui/bad/*.rs");
}
