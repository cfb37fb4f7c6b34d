//! Functions that the source shows to be plain ones, where the compiler would only say that they are no types.

use syn::ItemFn;

use super::beside::{Beside, Token, tokens};

/// Attributes that make nothing beside a function.
const HARMLESS: [&str; 9] =
    ["allow", "cold", "deny", "deprecated", "doc", "expect", "inline", "must_use", "warn"];

/// Whether this name can't but mean a function without an attribute that would cache it, where it is written.
pub(crate) fn is_uncached(name: &str, beside: &Beside) -> bool {
    let text = &beside.text[beside.module().clone()];
    let tokens = outside_of_modules(text);
    let is_import = |importing: &mut bool, token: &Token| {
        *importing = token.text == "use" || *importing && token.text != ";";
        Some(*importing && (token.text == name || token.text == "*"))
    };
    let is_made = |three: &[Token]| {
        three[0].depth == 0 && three[1].text == "!" && matches!(three[2].text, "{" | "(" | "[")
    };
    if tokens.iter().scan(false, is_import).any(|import| import)
        || tokens.windows(3).any(|three| three[0].text != "#" && is_made(three))
    {
        return false;
    }
    let is_item = |pair: &&[Token]| {
        pair[1].text == name
            && matches!(pair[0].text, "fn" | "enum" | "struct" | "type" | "mod" | "trait" | "union")
    };
    let mut items = tokens.windows(2).filter(is_item);
    match (items.next(), items.next()) {
        (Some([keyword, _]), None) if keyword.text == "fn" && keyword.depth == 0 => {
            let ends_item =
                |token: &&Token| token.at < keyword.at && token.depth == 0 && matches!(token.text, ";" | "}");
            let begins = tokens.iter().rev().find(ends_item).map_or(0, |end| end.at + 1);
            let header = &text[begins..keyword.at];
            let function = syn::parse_str::<ItemFn>(&format!("{header} fn plain() {{}}"));
            function.is_ok_and(|function| {
                let is_harmless = |name: &&str, path: &syn::Path| path.is_ident(name);
                function.attrs.iter().all(|attr| HARMLESS.iter().any(|name| is_harmless(name, attr.path())))
            })
        }
        _ => false,
    }
}

/// The tokens that are in no module inside of this one.
fn outside_of_modules(text: &str) -> Vec<Token<'_>> {
    let (mut kept, mut inside): (Vec<Token>, Option<usize>) = (Vec::new(), None);
    for token in tokens(text) {
        match inside {
            Some(depth) if token.depth == depth && token.text == "}" => inside = None,
            Some(_) => continue,
            None => {
                let is_module =
                    token.text == "{" && kept.iter().nth_back(1).is_some_and(|word| word.text == "mod");
                inside = is_module.then_some(token.depth);
            }
        }
        kept.push(token);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"
//! About `use all::*;`
use shop::{User, imported};
mod inner { use super::*; fn plain() {} fn elsewhere() {} }
/// Loads `cached` things.
#[must_use]
pub(crate) async fn plain(id: u64) -> u64 { id }
#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn cached(id: u64) -> u64 { id }
#[cfg(feature = "x")]
async fn configured() {}
async fn twice() {}
struct Repo;
impl Repo { async fn method(&self) {} }
fn outer() { async fn twice() {} async fn nested() {} HERE; }
"#;

    fn shown(source: &str, name: &str) -> bool {
        is_uncached(name, &Beside::at(source.to_owned(), source.find("HERE").unwrap()))
    }

    #[test]
    fn only_what_is_certainly_a_plain_function_is_called_so() {
        assert!(shown(SOURCE, "plain"));
        for name in
            ["cached", "configured", "twice", "nested", "method", "imported", "elsewhere", "Repo", "nothing"]
        {
            assert!(!shown(SOURCE, name), "{name}");
        }
    }

    #[test]
    fn where_something_else_may_be_meant_nothing_is_said() {
        for more in [
            "use all::*;",
            "use more::plain;",
            "enum plain {}",
            "loaders! { of plain }",
            "use a::{b, c as plain};",
        ] {
            assert!(
                !shown(&SOURCE.replace("struct Repo;", &format!("struct Repo; {more}")), "plain"),
                "{more}"
            );
            let nested = SOURCE.replace("HERE;", &format!("{more} HERE;"));
            assert!(!shown(&nested, "plain") || more.starts_with("loaders"), "{more}");
        }
    }
}
