//! Calls that name no key, where the source shows what was meant.

use quote::ToTokens;
use syn::{
    Attribute, Expr, ExprCall, ExprMethodCall, ExprPath, Ident, ImplItemFn, LitStr, Meta, ext::IdentExt,
    parse::Parser,
};

use super::uncached::plain_name;
use crate::{
    item::{
        beside::{Beside, Site},
        context::Context,
        receiver::{is_self, type_of},
    },
    parse::{call::Call, template::Template},
    problem::nearest,
    tokens::{compact, mentions},
};

/// What to write instead of a call that the compiler could only say is not there.
pub(super) fn misnamed(call: &Call, site: &Site) -> Option<syn::Error> {
    if let Some(problem) = companion_of_method(call, site) {
        return Some(problem);
    }
    let (name, of) = match call {
        Call::Path(_, path) if path.qself.as_ref().is_some_and(|qself| qself.position > 0) => {
            let last = path.path.segments.last()?;
            return Some(syn::Error::new_spanned(path, of_trait(&last.ident.to_string(), None)));
        }
        Call::Path(call, path) => {
            if let Some(problem) = misnamed_path(call, path, site) {
                return Some(problem);
            }
            let mut segments = path.path.segments.iter().rev();
            (&segments.next()?.ident, segments.next().map(|of| of.ident.to_string()))
        }
        Call::Method(call) if matches!(&*call.receiver, Expr::Path(path) if path.path.is_ident("self")) => {
            (&call.method, Some("self".to_owned()))
        }
        Call::Key(key) => return key_of_call(key, site),
        Call::Tag(tag) => return site.beside.as_ref().and_then(|beside| cached_tag(tag, beside)),
        Call::Method(call) => return verb_behind(call, site).or_else(|| called_of_trait(call, site)),
    };
    let text = name.to_string();
    if let (Some(of), Some(beside)) = (&of, &site.beside)
        && !["self", "Self"].contains(&of.as_str())
        && let Some(method) = beside.method_of(of, &text)
    {
        let why = needs_self(&method, &cached(&method.attrs).flatten()?, call.arguments().count(), site)?;
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
        Some("self" | "Self") if in_trait && template.is_some() && beside.is_written_once(&text) => {
            of_trait(&text, template.flatten().as_ref())
        }
        Some(of) if of != "self" && (of == "Self" || is_self_type(of, site)) => {
            needs_self(&method, &template.flatten()?, call.arguments().count(), site)?
        }
        _ => return None,
    };
    Some(syn::Error::new(name.span(), why))
}

/// The same of a path, whatever the function belongs to.
fn misnamed_path(call: &ExprCall, path: &ExprPath, site: &Site) -> Option<syn::Error> {
    if let Some(problem) = option_as_call(call, path, site) {
        return Some(problem);
    }
    let beside = site.beside.as_ref()?;
    let shown = no_function(path, beside).or_else(|| companion(path, site)).or_else(|| mistyped(path, site));
    if shown.is_some() {
        return shown;
    }
    let mut segments = path.path.segments.iter();
    let (Some(of), Some(name), None) = (segments.next(), segments.next(), segments.next()) else {
        return None;
    };
    let of_a_trait = beside.item(&of.ident.to_string()) == Some("trait");
    of_a_trait.then(|| syn::Error::new_spanned(path, of_trait(&name.ident.to_string(), None)))
}

/// `Repo::load_user_key(id)`, where `load_user` is the cached function and that the companion which makes its key.
fn companion(path: &ExprPath, site: &Site) -> Option<syn::Error> {
    let mut called = path.clone();
    let of = called.path.segments.iter().nth_back(1)?.ident.to_string();
    let last =
        called.path.segments.last_mut().filter(|_| path.qself.is_none() && path.path.segments.len() == 2)?;
    let name = cached_behind(&of, &last.ident.to_string(), site)?;
    last.ident = Ident::new(&name, last.ident.span());
    let call = compact(&called.to_token_stream());
    Some(syn::Error::new_spanned(path, format!("write the call itself, `{call}(…)`: its key is meant")))
}

/// `self.load_user_key(id)`, where `load_user` is the cached method.
fn companion_of_method(call: &Call, site: &Site) -> Option<syn::Error> {
    let Call::Method(call) = call else { return None };
    let of = if is_self(&call.receiver) {
        "Self".to_owned()
    } else {
        plain_name(&type_of(&call.receiver, site)?)?.to_string()
    };
    let name = cached_behind(&of, &call.method.to_string(), site)?;
    let on = compact(&call.receiver.to_token_stream());
    let why = format!("write the call itself, `{on}.{name}(…)`: its key is meant");
    Some(syn::Error::new(call.method.span(), why))
}

/// The cached function of this type whose companion is called so, where nothing in the file is a function of that name.
fn cached_behind(of: &str, companion: &str, site: &Site) -> Option<String> {
    let name = companion.strip_suffix("_key")?;
    let beside =
        site.beside.as_ref().filter(|beside| !beside.has("fn", companion) && !beside.is_in_macro())?;
    let method = match of {
        "Self" => {
            let Context::Inherent(Some(item)) = &site.function.context else { return None };
            let elsewhere = || beside.inherent_method(&plain_name(&item.self_ty)?.to_string(), name);
            beside.method(name).or_else(elsewhere)
        }
        of => beside.inherent_method(of, name),
    };
    cached(&method?.attrs).map(|_| name.to_owned())
}

/// `load_user(id).invalidate()`, where `load_user` is a cached function beside this one.
fn verb_behind(call: &ExprMethodCall, site: &Site) -> Option<syn::Error> {
    const VERBS: [&str; 8] =
        ["clear", "delete", "evict", "forget", "invalidate", "peek", "refresh", "remove"];
    let Expr::Call(named) = &*call.receiver else { return None };
    let Expr::Path(path) = &*named.func else { return None };
    let name = path.path.segments.last()?.ident.to_string();
    let function = site.beside.as_ref()?.free_function(&name).filter(|_| path.path.get_ident().is_some())?;
    cached(&function.attrs).filter(|_| VERBS.iter().any(|verb| call.method == verb))?;
    let written = compact(&named.to_token_stream()).replace(" (", "(");
    Some(syn::Error::new(
        call.method.span(),
        format!("write the call alone, `{written}`: the attribute says what becomes of its entry"),
    ))
}

/// `repo.load(id)`, where `load` is cached in the `impl` of a trait for what `repo` is.
fn called_of_trait(call: &ExprMethodCall, site: &Site) -> Option<syn::Error> {
    let ty = type_of(&call.receiver, site)?;
    let (of, name) = (plain_name(&ty)?.to_string(), call.method.to_string());
    let beside = site.beside.as_ref().filter(|beside| !beside.is_in_macro() && beside.is_only_type(&of))?;
    if !beside.is_written_once(&name) || beside.has_files() {
        return None;
    }
    let method = beside.method_of_trait(&of, &name)?;
    let template = cached(&method.attrs)?;
    Some(syn::Error::new(call.method.span(), of_trait(&name, template.as_ref())))
}

/// `load_user(id).key()`, where `load_user` is a cached function beside this one.
fn key_of_call(key: &ExprMethodCall, site: &Site) -> Option<syn::Error> {
    let Expr::Call(call) = &*key.receiver else { return None };
    let Expr::Path(path) = &*call.func else { return None };
    let function = site.beside.as_ref()?.free_function(&path.path.get_ident()?.to_string())?;
    cached(&function.attrs)?;
    let written = call.to_token_stream().to_string().replace(" (", "(");
    Some(syn::Error::new_spanned(call, format!("write the call itself, `{written}`: its key is meant")))
}

/// `load_user::key(id)` where `load_user` is a function, `USER(id)` where `USER` is a `Cached`, and `catalog(id)` where `catalog` is a tag.
pub(super) fn no_function(path: &ExprPath, beside: &Beside) -> Option<syn::Error> {
    let segments = &path.path.segments;
    let last = segments.last()?.ident.to_string();
    let of = segments.iter().nth_back(1).map(|of| of.ident.to_string());
    let here = segments.len() == 2 && path.path.leading_colon.is_none() && !beside.is_in_macro();
    let private = of.as_ref().filter(|_| here).and_then(|module| beside.private_in(module, &last));
    let why = match of {
        Some(name) if last == "key" && beside.has("fn", &name) && !beside.has("mod", &name) => {
            let written = compact(&path.to_token_stream());
            let call = written.strip_suffix("::key").unwrap_or(&name);
            format!("write the call itself, `{call}(…)`: its key is meant")
        }
        Some(module) if private.is_some() => {
            let template = private.and_then(|function| cached(&function.attrs)?);
            let template = template.map_or_else(|| "user:{id}".to_owned(), |template| template.value());
            format!(
                "`{last}` is private in `{module}`; write `pub(super) async fn {last}`, or name its key as text, such as `\"{template}\"`"
            )
        }
        Some(module) if here && beside.lacks(&module, &last) => {
            let elsewhere = beside.free_function(&last).is_some();
            let meant = if elsewhere { format!("; did you mean `{last}(…)`?") } else { String::new() };
            format!("there is no function `{last}` in `{module}`{meant}")
        }
        _ if path.path.get_ident().is_some() && beside.is_static(&last) => {
            format!("`{last}` is not a function; the key of a `Cached` is written `{last}.key(…)`")
        }
        _ if path.path.get_ident().is_some() && beside.is_only_a_tag(&last) => {
            format!("`{last}` is a tag; write `tags({last}(…))`")
        }
        _ => return None,
    };
    Some(syn::Error::new_spanned(path, why))
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
    Some(syn::Error::new_spanned(path, why))
}

/// `skip(db)` and `when(id > 3)`, where no function is called so.
fn option_as_call(call: &ExprCall, path: &ExprPath, site: &Site) -> Option<syn::Error> {
    const OPTIONS: [&str; 7] =
        ["cache", "guard", "guard_for", "settle", "transaction", "wait_replicas", "when"];
    let name = path.path.get_ident()?.to_string();
    let may_be_called = |beside: &Beside| {
        beside.has("fn", &name)
            || beside.may_mean(&name, false)
            || beside.imports(&name)
            || beside.makes_items()
            || beside.is_in_macro()
    };
    if site.beside.as_ref().is_none_or(may_be_called) {
        return None;
    }
    if OPTIONS.contains(&&*name) {
        let value =
            call.args.first().map_or_else(|| "…".to_owned(), |value| value.to_token_stream().to_string());
        let why = format!("an option is written `{name} = {value}`");
        return Some(syn::Error::new_spanned(path, why));
    }
    if name == "tag" && matches!(call.args.first(), Some(Expr::Lit(_))) {
        let why = "the tags of a write are named as `tags(\"tenant:{tenant}\")`";
        return Some(syn::Error::new_spanned(path, why));
    }
    if name != "skip" {
        return None;
    }
    let is_parameter = |argument: &Expr| match argument {
        Expr::Path(path) => path.path.get_ident().is_some_and(|name| {
            site.function.parameters.iter().any(|parameter| parameter.binds(&name.to_string()))
        }),
        _ => false,
    };
    call.args
        .iter()
        .all(is_parameter)
        .then(|| syn::Error::new_spanned(path, "a write takes no `skip`: leave it out"))
}

/// `load_usr(id)` where only a `load_user` is in scope.
fn mistyped(path: &ExprPath, site: &Site) -> Option<syn::Error> {
    let (name, beside) = (path.path.get_ident()?, site.beside.as_ref()?);
    let text = name.unraw().to_string();
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
fn needs_self(method: &ImplItemFn, template: &LitStr, arguments: usize, site: &Site) -> Option<String> {
    let (parsed, name) = (Template::parse(template.clone()).ok()?, &method.sig.ident);
    // Generic parameters are no arguments.
    let is_argument = |name: &&str| {
        *name == "self" || method.sig.inputs.iter().any(|input| mentions(&input.to_token_stream(), name))
    };
    let mut names: Vec<&str> =
        parsed.placeholders().map(|placeholder| placeholder.name.as_str()).filter(is_argument).collect();
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
