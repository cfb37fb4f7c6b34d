use proptest::prelude::*;

use super::*;

/// The context of the `fn` behind the mark `@`, in a few words.
fn place_at_mark(source: &str) -> String {
    let at = source.find('@').expect("a mark");
    let before = &source[..at];
    let line = before.matches('\n').count() + 1;
    let column = before[before.rfind('\n').map_or(0, |newline| newline + 1)..].chars().count() + 1;
    match context(&source.replace('@', ""), line, column) {
        Context::Free => "free".into(),
        Context::Nested => "nested".into(),
        Context::Inherent(item) => {
            let item = item.expect("a readable impl");
            format!("impl {}", words(&item.self_ty))
        }
        Context::TraitImpl(item) => {
            let item = item.expect("a readable impl");
            format!("impl {} for {}", words(&item.trait_.as_ref().expect("a trait").0), words(&item.self_ty))
        }
        Context::Trait(item) => format!("trait {}{}", item.ident, words(&item.generics)),
        Context::Unknown => "unknown".into(),
    }
}

fn words(tokens: &impl quote::ToTokens) -> String {
    tokens.to_token_stream().to_string().replace(' ', "")
}

#[test]
fn places_of_all_kinds() {
    for (source, expected) in [
        ("async @fn f() {}", "free"),
        ("mod a { pub(crate) mod b { async @fn f() {} } }", "free"),
        ("#[cfg(test)]\nmod tests { use super::{a, b}; struct S { x: u8 } async @fn f() {} }", "free"),
        ("fn main() { async @fn f() {} }", "nested"),
        ("fn main() -> [u8; 3] { if x { async @fn f() {} } }", "nested"),
        ("impl Repo { fn g(&self) { async @fn f() {} } }", "nested"),
        ("impl Repo { async @fn f() {} }", "impl Repo"),
        (
            "impl Repo { fn g(&self) -> [u8; 2] { [1; 2] } const X: u8 = { 1 }; pub async @fn f() {} }",
            "impl Repo",
        ),
        ("impl<T> Repo<T> where T: for<'a> Fn(&'a str) -> u8 { async @fn f() {} }", "impl Repo<T>"),
        ("impl<const N: usize> Repo<{ N }> { async @fn f() {} }", "impl Repo<{N}>"),
        ("impl<const N: usize> Repo<{ N }, u8> { async @fn f() {} }", "impl Repo<{N},u8>"),
        ("unsafe impl Load for Repo { async @fn f() {} }", "impl Load for Repo"),
        (
            "#[async_trait]\nimpl<'a, T> a::Load<T> for &'a Repo<T> where T: X { async @fn f() {} }",
            "impl a::Load<T> for &'aRepo<T>",
        ),
        ("impl<F: for<'a> Fn(&'a u8)> Repo<F> { async @fn f() {} }", "impl Repo<F>"),
        ("impl Load for for<'a> fn(&'a u8) { async @fn f() {} }", "impl Load for for<'a>fn(&'au8)"),
        ("pub(crate) unsafe trait Load<T>: Send { async @fn f() {} }", "trait Load<T>"),
        ("pub(in crate::a) trait Load: Send { async @fn f() {} }", "trait Load"),
        ("macro_rules! m { ($t:ident) => { impl $t { async @fn f() {} } } }", "impl __of_macro_t"),
        (
            "macro_rules! m { ($r:ident, $t:ty) => { impl $r for $t { async @fn f() {} } } }",
            "impl __of_macro_r for __of_macro_t",
        ),
        ("macro_rules! m { () => { async @fn f() {} } }", "unknown"),
        ("m! { async @fn f() {} }", "unknown"),
        ("m!(async @fn f() {});", "unknown"),
        ("m! { impl Repo { async @fn f() {} } }", "impl Repo"),
    ] {
        assert_eq!(place_at_mark(source), expected, "{source}");
    }
}

#[test]
fn what_is_not_code_is_not_read() {
    for (source, expected) in [
        ("// impl A {\nasync @fn f() {}", "free"),
        ("/* impl A { /* { */ */ impl B { async @fn f() {} }", "impl B"),
        ("/// impl A { \"\nimpl B /* { */ { async @fn f() {} }", "impl B"),
        ("const A: &str = \"impl A { \\\" {\"; async @fn f() {}", "free"),
        ("const A: &str = r#\"impl A { \" {\"#; async @fn f() {}", "free"),
        ("const A: &[u8] = br##\"{\"#{\"##; const B: &CStr = c\"{\"; async @fn f() {}", "free"),
        (
            "const A: char = '{'; const B: char = '\\''; const C: u8 = b'{'; impl B { async @fn f() {} }",
            "impl B",
        ),
        ("const A: char = '\\u{7b}'; async @fn f() {}", "free"),
        ("impl<'a> A<'a> { fn g(&'a self) -> char { '{' } async @fn f() {} }", "impl A<'a>"),
        (
            "impl A { fn r#type(r: u8, br: &'static str) { 'x: loop { break 'x; } } async @fn f() {} }",
            "impl A",
        ),
        ("#[doc = \"{\"] #[a(b = [1, 2])] impl A { async @fn f() {} }", "impl A"),
        ("impl A { /* ü€ */ async @fn f() {} }", "impl A"),
        ("\u{feff}impl A {\r\n async @fn f() {} }", "impl A"),
    ] {
        assert_eq!(place_at_mark(source), expected, "{source}");
    }
}

#[test]
fn a_position_that_is_no_function_is_unknown() {
    for (line, column) in [(0, 0), (1, 0), (1, 2), (1, 99), (9, 1)] {
        assert!(matches!(context("fn f() {}", line, column), Context::Unknown), "{line}:{column}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in any::<String>(), line in 0_usize..6, column in 0_usize..40) {
        let _ = context(&text, line, column);
        let _ = enclosing(&text);
    }

    #[test]
    fn rust_like_text_is_read_without_panic(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "impl ", "trait ", "for ", "mod ", "fn ", "r#\"", "\"#", "\"", "'", "'a", "\\", "/*", "*/", "//", "\n", "{", "}",
                "(", ")", "[", "]", ";", "#[", "<", ">", "b'", "$x", "=>", "!", "é", "where ",
            ]),
            0..40,
        ),
    ) {
        let source = pieces.concat() + "fn f() {}";
        for (at, _) in source.match_indices("fn") {
            let before = &source[..at];
            let line = before.matches('\n').count() + 1;
            let column = before[before.rfind('\n').map_or(0, |newline| newline + 1)..].chars().count() + 1;
            let _ = context(&source, line, column);
        }
    }
}

#[test]
fn functions_of_one_name_in_one_function_are_counted() {
    for (source, expected) in [
        ("fn main() { async @fn load() {} }", 0),
        ("fn main() { { async fn load() {} } { async @fn load() {} } }", 1),
        (
            "fn main() { { async fn load() {} } { async fn r#load() {} } if x { struct A; impl A { async @fn load() {} } } }",
            2,
        ),
        ("fn a() { async fn load() {} } fn main() { async @fn load() {} }", 0),
        ("mod a { fn load() {} fn main() { let s = \"fn load\"; /* fn load */ async @fn load() {} } }", 0),
        ("impl A { fn load() {} } impl B { async @fn load() {} }", 0),
        ("fn main() { fn loader() {} let load = fn_load(load); async @fn load() {} }", 0),
    ] {
        let at = source.find('@').expect("a mark");
        let (line, column) = (1, source[..at].chars().count() + 1);
        assert_eq!(namesakes(&source.replace('@', ""), line, column, "load"), expected, "{source}");
    }
}
