//! Functions that the macros beside an annotated function are given: `tags!` and those of the program.

use super::{
    beside::{Beside, tokens},
    lexer::enclosing,
};

impl Beside {
    /// Whether it is written in a `macro_rules!`: what names mean there is decided where that is called.
    pub(crate) fn is_in_macro(&self) -> bool {
        enclosing(&self.text[..self.at]).iter().any(|frame| frame.header.contains("macro_rules!"))
    }

    /// Whether a `tags!` of the same module declares a tag of this name, and nothing else in the file is called so.
    pub(crate) fn is_only_a_tag(&self, name: &str) -> bool {
        let named = tokens(&self.text).zip(tokens(&self.text).skip(1));
        let functions = named.filter(|(before, token)| before.text == "fn" && token.text == name).count();
        functions == 1 && !self.imports(name) && self.given_to_macros(name).any(|of| of == "tags")
    }

    /// Whether a macro of the same module is given a function of this name.
    pub(crate) fn gives_to_macro(&self, name: &str) -> bool {
        self.given_to_macros(name).next().is_some()
    }

    /// The macros that are given a function of this name.
    fn given_to_macros(&self, name: &str) -> impl Iterator<Item = &str> {
        let mut last = [""; 2];
        let mut called = None;
        tokens(&self.text[self.module().clone()]).filter_map(move |token| {
            let [macro_name, mark] = last;
            last = [mark, token.text];
            match token.text {
                _ if token.depth > 0 => {}
                "{" | "(" | "[" if mark == "!" => called = Some(macro_name),
                "}" | ")" | "]" => called = None,
                _ => {}
            }
            called.filter(|_| mark == "fn" && token.text == name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_macro_is_found() {
        let is_in_macro =
            |source: &str| Beside::at(source.to_owned(), source.find("HERE").unwrap()).is_in_macro();
        assert!(is_in_macro("macro_rules! writer { ($n:ident) => { async fn HERE() {} }; }"));
        assert!(!is_in_macro("macro_rules! writer { () => {}; } fn HERE() {}"));
    }

    #[test]
    fn what_macros_are_given_is_found() {
        const SOURCE: &str = "
mod other { cached_aside::tags! { fn elsewhere() = \"e\"; } }
cached_aside::tags! { /// One.
    pub fn catalog(tenant: u64) = \"catalog:{tenant}\"; fn all() = \"all\"; }
loaders! { async fn made(id: u64) -> u64 }
fn plain() { tags!(fn inner() = \"i\"); }
fn HERE() {}
";
        let beside = Beside::at(SOURCE.to_owned(), SOURCE.find("fn HERE").unwrap());
        let found = |name| (beside.is_only_a_tag(name), beside.gives_to_macro(name));
        assert_eq!([found("catalog"), found("all")], [(true, true); 2]);
        assert_eq!(found("made"), (false, true));
        for name in ["elsewhere", "plain", "inner", "HERE", "tenant"] {
            assert_eq!(found(name), (false, false), "{name}");
        }
    }
}
