//! `load_user(user.id)`: the call of a cached function, whose key is meant; and `USER.key(user.id)`, a key itself.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Expr, ExprCall, ExprMethodCall, ExprPath, Ident, Token, ext::IdentExt, parse::ParseStream,
    spanned::Spanned,
};

use crate::tokens::{compact, ungrouped};

/// The call of a cached function, in `#[invalidates(…)]`.
#[derive(Clone)]
pub(crate) enum Call {
    /// `load_user(id)`, `users::load_user(id)`, `Repo::load_user(id)`
    Path(ExprCall, ExprPath),
    /// `self.load_user(id)`
    Method(ExprMethodCall),
    /// `USER.key(id)`, which is the key
    Key(ExprMethodCall),
    /// `catalog(tenant)`, inside of `tags(…)`: the tag
    Tag(ExprCall),
}

const HOW: &str =
    "name the call of a cached function, such as `load_user(id)`, or a key, such as `\"user:{id}\"`";

const LIST: &str = "write what is named first, and the list behind it: `load_user(id) for id in ids`";

/// `ids.iter().map(…)`: no cached method takes a closure, or the name of a function.
fn is_of_iterator(call: &ExprMethodCall) -> bool {
    const ADAPTORS: [&str; 9] =
        ["map", "flat_map", "filter_map", "filter", "collect", "iter", "into_iter", "chain", "for_each"];
    let adaptor = |call: &ExprMethodCall| {
        ADAPTORS.iter().any(|adaptor| call.method == adaptor)
            && (call.args.is_empty() || call.args.iter().any(|argument| matches!(argument, Expr::Closure(_))))
    };
    adaptor(call) || matches!(&*call.receiver, Expr::MethodCall(inner) if adaptor(inner))
}

/// `[load_user(id) for id in ids]`
fn list_in_brackets(input: ParseStream) -> Option<syn::Error> {
    let Ok(TokenTree::Group(group)) = input.fork().parse::<TokenTree>() else { return None };
    let mut inside = group.stream().into_iter();
    let has_for = inside.any(|token| matches!(token, TokenTree::Ident(word) if word == "for"));
    let is_list = has_for && matches!(group.delimiter(), Delimiter::Bracket | Delimiter::Parenthesis);
    is_list.then(|| {
        let why = format!("write `{}` without brackets", compact(&group.stream()));
        syn::Error::new(group.span(), why)
    })
}

/// `load_user(id for id in ids)` and `load_user(*)`
fn list_inside(input: ParseStream) -> Option<syn::Error> {
    let ahead = input.fork();
    let path: ExprPath = ahead.parse().ok()?;
    let Ok(TokenTree::Group(group)) = ahead.parse::<TokenTree>() else { return None };
    let inside: Vec<TokenTree> = group.stream().into_iter().collect();
    let written = compact(&path.to_token_stream());
    let is_word = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word == "for");
    let why = match inside.as_slice() {
        _ if group.delimiter() != Delimiter::Parenthesis => return None,
        [TokenTree::Punct(all)] if all.as_char() == '*' => all_of(&written),
        [TokenTree::Ident(all)] if all == "_" => all_of(&written),
        tokens => {
            let at = tokens.iter().position(is_word).filter(|at| *at > 0)?;
            // `for<'a>` is of a type.
            if matches!(tokens.get(at + 1), Some(TokenTree::Punct(next)) if next.as_char() == '<') {
                return None;
            }
            let [what, list] =
                [&tokens[..at], &tokens[at..]].map(|tokens| compact(&tokens.iter().cloned().collect()));
            format!("write the list behind the call, as in `#[invalidates({written}({what}) {list})]`")
        }
    };
    Some(syn::Error::new(group.span(), why))
}

fn all_of(written: &str) -> String {
    format!(
        "a call names one entry of `{written}`; give its entries a tag, and write it here, as in `#[invalidates(tags(\"users\"))]`"
    )
}

impl Call {
    pub(crate) fn parse(input: ParseStream) -> syn::Result<Call> {
        if input.peek(Token![for]) {
            return Err(input.error(LIST));
        }
        if let Some(list) = list_in_brackets(input) {
            return Err(list);
        }
        if let Some(inside) = list_inside(input) {
            return Err(inside);
        }
        let mut expr = ungrouped(input.parse()?);
        if let Expr::Call(call) = &mut expr {
            *call.func = ungrouped((*call.func).clone());
        }
        let why = match &expr {
            Expr::Call(call) => match &*call.func {
                Expr::Path(path) if path.path.is_ident("tags") => {
                    "`tags(…)` stands by itself, such as `tags(\"tenant:{tenant}\", catalog(tenant))`"
                        .to_owned()
                }
                Expr::Path(path) => {
                    let path = path.clone();
                    return Ok(Call::Path(call.clone(), path));
                }
                other => return Err(syn::Error::new(other.span(), HOW)),
            },
            Expr::MethodCall(call) if is_of_iterator(call) => LIST.to_owned(),
            Expr::MethodCall(call) if call.method == "key" => return Ok(Call::Key(call.clone())),
            Expr::MethodCall(call) => return Ok(Call::Method(call.clone())),
            Expr::Path(path) if path.path.is_ident("transaction") => {
                "write `transaction = \"required\"` if somebody else commits, `transaction = \"own\"` if this function does"
                    .to_owned()
            }
            Expr::Path(path) => {
                let written = path.to_token_stream().to_string().replace(' ', "");
                format!("`{written}` needs its arguments, such as `{written}(id)`")
            }
            Expr::While(_) | Expr::Loop(_) => LIST.to_owned(),
            Expr::Array(_) | Expr::Tuple(_) => {
                "write the calls side by side, without brackets, such as `load_user(id), load_team(team)`"
                    .to_owned()
            }
            Expr::Macro(call) if call.mac.path.is_ident("vec") => {
                "write the calls side by side, such as `load_user(id), load_team(team)`".to_owned()
            }
            Expr::Macro(call) if call.mac.path.is_ident("format") => {
                "a template is written without `format!`, such as `\"user:{id}\"`".to_owned()
            }
            Expr::If(_) | Expr::Match(_) => {
                format!("whether a write is about cached keys is said by `when = …`; {HOW}")
            }
            Expr::Await(_) | Expr::Reference(_) | Expr::Block(_) | Expr::Try(_) => {
                "write the call alone, such as `load_user(id)`; it is never made, only its key is".to_owned()
            }
            _ => HOW.to_owned(),
        };
        Err(syn::Error::new(expr.span(), why))
    }

    /// The arguments; those of a key itself one by one, also where they are a tuple.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &Expr> {
        let (arguments, is_key) = match self {
            Call::Path(call, _) | Call::Tag(call) => (&call.args, false),
            Call::Method(call) => (&call.args, false),
            Call::Key(call) => (&call.args, true),
        };
        arguments.iter().flat_map(move |argument| match argument {
            Expr::Tuple(parts) if is_key => parts.elems.iter().collect(),
            _ => vec![argument],
        })
    }

    /// What it stands on: `self` of `self.load_user(id)`.
    pub(crate) fn receiver(&self) -> Option<&Expr> {
        match self {
            Call::Method(call) | Call::Key(call) => Some(&call.receiver),
            Call::Path(..) | Call::Tag(_) => None,
        }
    }

    /// Everything in it that is evaluated: what it stands on, and the arguments.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Expr> {
        self.receiver().into_iter().chain(self.arguments())
    }

    /// What it stands on, to be changed.
    pub(crate) fn receiver_mut(&mut self) -> Option<&mut Expr> {
        match self {
            Call::Method(call) | Call::Key(call) => Some(&mut call.receiver),
            Call::Path(..) | Call::Tag(_) => None,
        }
    }

    /// Changes each of the arguments.
    pub(crate) fn change_arguments(&mut self, mut change: impl FnMut(&mut Expr)) {
        let (arguments, is_key) = match self {
            Call::Path(call, _) | Call::Tag(call) => (&mut call.args, false),
            Call::Method(call) => (&mut call.args, false),
            Call::Key(call) => (&mut call.args, true),
        };
        for argument in arguments {
            match argument {
                Expr::Tuple(parts) if is_key => parts.elems.iter_mut().for_each(&mut change),
                argument => change(argument),
            }
        }
    }

    /// The name of the function.
    pub(crate) fn name(&self) -> String {
        match self {
            Call::Path(_, path) => {
                path.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default()
            }
            Call::Method(call) | Call::Key(call) => call.method.to_string(),
            Call::Tag(call) => call.func.to_token_stream().to_string(),
        }
    }

    /// The span of the name that becomes the companion's.
    pub(crate) fn span(&self) -> Span {
        match self {
            Call::Path(_, path) => match path.path.segments.last() {
                Some(last) if !is_of_type(path) => last.ident.span(),
                _ => path.span(),
            },
            Call::Method(call) | Call::Key(call) => call.method.span(),
            Call::Tag(call) => call.func.span(),
        }
    }
}

impl ToTokens for Call {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Call::Path(call, _) | Call::Tag(call) => call.to_tokens(tokens),
            Call::Method(call) | Call::Key(call) => call.to_tokens(tokens),
        }
    }
}

/// Whether the path is one to a function of a type. Types begin with a capital, as the compiler's own lints have it.
pub(crate) fn is_of_type(path: &ExprPath) -> bool {
    let is_type =
        |name: &Ident| name.unraw().to_string().trim_start_matches('_').starts_with(char::is_uppercase);
    path.qself.is_some()
        || path.path.segments.iter().nth_back(1).is_some_and(|segment| is_type(&segment.ident))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_call_says_so() {
        for (written, why) in [
            ("load_user", "`load_user` needs its arguments, such as `load_user(id)`"),
            ("transaction", "write `transaction = \"required\"`"),
            ("users::load", "`users::load` needs its arguments, such as `users::load(id)`"),
            ("tags(\"a\")", "`tags(…)` stands by itself"),
            ("5", "name the call of a cached function"),
            ("(load)(id)", "name the call of a cached function"),
            ("ids.iter().map(|id| load(*id))", "`load_user(id) for id in ids`"),
            ("ids.iter().map(load)", "`load_user(id) for id in ids`"),
            ("for id in ids { load(id) }", "`load_user(id) for id in ids`"),
            ("for id in ids load(id)", "`load_user(id) for id in ids`"),
            ("[load(1), load(2)]", "side by side"),
            ("vec![load(1), load(2)]", "side by side"),
            ("[load(id) for id in ids]", "write `load (id) for id in ids` without brackets"),
            ("format!(\"user:{id}\")", "without `format!`"),
            ("if new { load(1) }", "`when = …`"),
            ("load(1).await", "the call alone"),
            ("&load(1)", "the call alone"),
        ] {
            let error = syn::parse::Parser::parse_str(Call::parse, written).err().unwrap().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
