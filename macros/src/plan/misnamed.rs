//! Calls that name no key, where the source shows what was meant.

use quote::ToTokens;
use syn::{
    Attribute, Expr, ExprCall, ExprMethodCall, ExprPath, LitStr, Meta, parse::Parser, spanned::Spanned,
};

use crate::{
    item::{
        beside::{Beside, Site},
        context::Context,
    },
    parse::{call::Call, template::Template},
    problem::nearest,
};

/// What to write instead of a call that the compiler could only say is not there.
pub(super) fn misnamed(call: &Call, site: &Site) -> Option<syn::Error> {
    let (name, of) = match call {
        Call::Path(_, path) if path.qself.as_ref().is_some_and(|qself| qself.position > 0) => {
            let last = path.path.segments.last()?;
            return Some(syn::Error::new(path.span(), of_trait(&last.ident.to_string(), None)));
        }
        Call::Path(call, path) => {
            let segments = &path.path.segments;
            if let Some(problem) = option_of_reads(call, path, site) {
                return Some(problem);
            }
            let shown = site.beside.as_ref().and_then(|beside| no_function(path, beside));
            if let Some(problem) = shown.or_else(|| mistyped(path, site)) {
                return Some(problem);
            }
            let of = segments.iter().nth_back(1).map(|segment| segment.ident.to_string());
            if segments.len() == 2
                && let (Some(of), Some(beside)) = (&of, &site.beside)
                && beside.item(of) == Some("trait")
            {
                return Some(syn::Error::new(path.span(), of_trait(&segments[1].ident.to_string(), None)));
            }
            (&segments.last()?.ident, of)
        }
        Call::Method(call) if matches!(&*call.receiver, Expr::Path(path) if path.path.is_ident("self")) => {
            (&call.method, Some("self".to_owned()))
        }
        Call::Key(key) => return key_of_call(key, site),
        Call::Tag(tag) => return site.beside.as_ref().and_then(|beside| cached_tag(tag, beside)),
        Call::Method(_) => return None,
    };
    let text = name.to_string();
    if let (Some(of), Some(beside)) = (&of, &site.beside)
        && !["self", "Self"].contains(&of.as_str())
        && let Some(method) = beside.method_of(of, &text)
    {
        let why = needs_self(&text, &cached(&method.attrs).flatten()?, call.arguments().count(), site)?;
        return Some(syn::Error::new(name.span(), why));
    }
    let beside = site.beside.as_ref().filter(|_| site.function.context.has_self_type())?;
    let method = beside.method(&text)?;
    let in_trait = matches!(site.function.context, Context::TraitImpl(_) | Context::Trait(_));
    let template = cached(&method.attrs);
    let why = match of.as_deref() {
        None if !beside.is_only_inside(&text) => return None,
        None if method.sig.receiver().is_some() => {
            format!(
                "`{text}` is a method; write `self.{text}(…)`, or `Self::{text}(…)` where its key has no `{{self.…}}`"
            )
        }
        None => format!("`{text}` is a function of this type; write `Self::{text}(…)`"),
        Some("self" | "Self") if in_trait && template.is_some() => {
            of_trait(&text, template.flatten().as_ref())
        }
        Some(of) if of != "self" && (of == "Self" || is_self_type(of, site)) => {
            needs_self(&text, &template.flatten()?, call.arguments().count(), site)?
        }
        _ => return None,
    };
    Some(syn::Error::new(name.span(), why))
}

/// `load_user(id).key()`, where `load_user` is a cached function beside this one.
fn key_of_call(key: &ExprMethodCall, site: &Site) -> Option<syn::Error> {
    let Expr::Call(call) = &*key.receiver else { return None };
    let Expr::Path(path) = &*call.func else { return None };
    let function = site.beside.as_ref()?.free_function(&path.path.get_ident()?.to_string())?;
    cached(&function.attrs)?;
    let written = call.to_token_stream().to_string().replace(" (", "(");
    Some(syn::Error::new(call.span(), format!("write the call itself, `{written}`: its key is meant")))
}

/// `load_user::key(id)` where `load_user` is a function, `USER(id)` where `USER` is a `Cached`, and `catalog(id)` where `catalog` is a tag.
pub(super) fn no_function(path: &ExprPath, beside: &Beside) -> Option<syn::Error> {
    let segments = &path.path.segments;
    let last = segments.last()?.ident.to_string();
    let of = segments.iter().nth_back(1).map(|of| of.ident.to_string());
    let private =
        of.as_ref().filter(|_| segments.len() == 2).and_then(|module| beside.private_in(module, &last));
    let why = match of {
        Some(name) if last == "key" && beside.has("fn", &name) && !beside.has("mod", &name) => {
            format!("write the call itself, `{name}(…)`: its key is meant")
        }
        Some(module) if private.is_some() => {
            let template = private.and_then(|function| cached(&function.attrs)?);
            let template = template.map_or_else(|| "user:{id}".to_owned(), |template| template.value());
            format!(
                "`{last}` is private in `{module}`; write `pub(super) async fn {last}`, or name its key as text, such as `\"{template}\"`"
            )
        }
        _ if path.path.get_ident().is_some() && beside.is_static(&last) => {
            format!("`{last}` is not a function; the key of a `Cached` is written `{last}.key(…)`")
        }
        _ if path.path.get_ident().is_some() && beside.is_only_a_tag(&last) => {
            format!("`{last}` is a tag; write `tags({last}(…))`")
        }
        _ => return None,
    };
    Some(syn::Error::new(path.span(), why))
}

/// `load_user(id)` inside of `tags(…)`, where it is a cached function.
pub(super) fn cached_tag(tag: &ExprCall, beside: &Beside) -> Option<syn::Error> {
    let Expr::Path(path) = &*tag.func else { return None };
    let name = path.path.get_ident()?.to_string();
    if beside.imports(&name) {
        return None;
    }
    cached(&beside.free_function(&name)?.attrs)?;
    let why = format!("`{name}` is a cached function, and no tag; name it outside of `tags(…)`");
    Some(syn::Error::new(path.span(), why))
}

/// `skip(db)`, where no function is called so.
fn option_of_reads(call: &ExprCall, path: &ExprPath, site: &Site) -> Option<syn::Error> {
    let beside = site.beside.as_ref().filter(|_| path.path.is_ident("skip"))?;
    let is_parameter = |argument: &Expr| match argument {
        Expr::Path(path) => path.path.get_ident().is_some_and(|name| {
            site.function.parameters.iter().any(|parameter| parameter.binds(&name.to_string()))
        }),
        _ => false,
    };
    let is_option =
        call.args.iter().all(is_parameter) && !beside.may_mean("skip", false) && !beside.makes_items();
    is_option.then(|| syn::Error::new(path.span(), "a write takes no `skip`: leave it out"))
}

/// `load_usr(id)` where only a `load_user` is in scope.
fn mistyped(path: &ExprPath, site: &Site) -> Option<syn::Error> {
    let (name, beside) = (path.path.get_ident()?, site.beside.as_ref()?);
    let text = name.to_string();
    if matches!(site.function.context, Context::Nested | Context::Unknown) || beside.may_be_in_scope(&text) {
        return None;
    }
    let (functions, methods) = (beside.functions(), beside.methods());
    let near = nearest(&text, functions.iter().chain(methods.keys()).map(String::as_str))?;
    let written = match methods.get(near) {
        Some(true) => format!("self.{near}(…)"),
        Some(false) => format!("Self::{near}(…)"),
        None => format!("{near}(…)"),
    };
    Some(syn::Error::new(
        name.span(),
        format!("there is no function `{text}` here; did you mean `{written}`?"),
    ))
}

/// The template of a cached function, if it has one that is written out; nothing for a function that isn't cached.
#[expect(clippy::option_option, reason = "a cached function may have a derived key")]
pub(super) fn cached(attrs: &[Attribute]) -> Option<Option<LitStr>> {
    let is_ours = |attribute: &&Attribute| {
        attribute.path().segments.last().is_some_and(|last| last.ident == "cached_aside")
    };
    let attribute = attrs.iter().find(is_ours)?;
    let Meta::List(list) = &attribute.meta else { return Some(None) };
    let mut template = None;
    let mut literal_follows = 0;
    for token in list.tokens.clone() {
        match token {
            proc_macro2::TokenTree::Ident(ident) if ident == "key" => literal_follows = 2,
            proc_macro2::TokenTree::Punct(punct) if punct.as_char() == '=' && literal_follows == 2 => {
                literal_follows = 1;
            }
            proc_macro2::TokenTree::Literal(literal) if literal_follows == 1 => {
                let parse = |input: syn::parse::ParseStream| input.parse::<LitStr>();
                template = parse.parse2(proc_macro2::TokenTree::from(literal).into()).ok();
                break;
            }
            _ => literal_follows = 0,
        }
    }
    Some(template)
}

fn of_trait(name: &str, template: Option<&LitStr>) -> String {
    let written =
        template.map_or_else(|| "\"user:{id}\"".to_owned(), |template| format!("{:?}", template.value()));
    format!(
        "`{name}` stands in a trait, where nothing can stand beside it that makes its key; `#[invalidates]` takes the key as \
         text, such as `{written}`, or let the trait's function call an inherent method that is cached"
    )
}

/// `Repo::load(id)` where the key of `load` has `{self.…}`, and `self` isn't among the arguments.
fn needs_self(name: &str, template: &LitStr, arguments: usize, site: &Site) -> Option<String> {
    let parsed = Template::parse(template.clone()).ok()?;
    let mut names: Vec<&str> = parsed.placeholders().map(|placeholder| placeholder.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if !names.contains(&"self") || arguments + 1 != names.len() {
        return None;
    }
    let on = if site.function.receiver().is_some() && site.function.context.has_self_type() {
        "self"
    } else {
        "repo"
    };
    let of = if on == "self" { "" } else { ", on the value whose fields they are" };
    Some(format!("the key of `{name}` has fields of `self`; write `{on}.{name}(…)`{of}"))
}

/// Whether the type of this name is the one that the function belongs to.
fn is_self_type(name: &str, site: &Site) -> bool {
    site.function.implementation().is_some_and(|item| match &*item.self_ty {
        syn::Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == name),
        _ => false,
    })
}
