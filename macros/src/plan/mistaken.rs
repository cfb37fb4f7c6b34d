//! Calls whose argument is a list or an `Option` of what the cached function takes, where the source shows both.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Expr, FnArg, GenericParam, Ident, LitStr, Pat, Signature, Type, spanned::Spanned};

use super::misnamed::cached;
use crate::{
    item::{
        beside::Site,
        context::Context,
        types::{inside, without_references},
    },
    parse::{call::Call, each::Each, template::Template},
    tokens::{compact, mention_of, mentions},
};

/// What to write instead of such an argument: a `?`, or a `for` where there is none.
pub(super) fn argument(call: &Call, each: Option<&Each>, site: &Site) -> Option<syn::Error> {
    let (items, has_for) = (each.map(Each::names).unwrap_or_default(), each.is_some());
    let (attrs, sig) = called(call, site)?;
    let parameters = of_key(&attrs, &sig)?;
    if parameters.len() != call.arguments().count() {
        return None;
    }
    call.arguments().zip(&parameters).find_map(|(argument, takes)| {
        let named = argument.to_token_stream();
        if items.iter().any(|item| mention_of(&named, item).is_some()) {
            return None;
        }
        let given = type_of(argument, site)?;
        let is = |of: Option<&Type>| {
            of.is_some_and(|of| {
                let [one, other] = [of, takes].map(|ty| without_references(ty).to_token_stream().to_string());
                one == other
            })
        };
        let written = compact(&argument.to_token_stream());
        let call = |argument: &str| with_argument(call, &written, argument);
        let why = if is(inside(given, "Option")) {
            let call = call(&format!("{written}?"));
            format!("`{written}` is an `Option`; write `{call}`: the key is left out where there is none")
        } else if !has_for && is(element(given)) {
            let item = written.strip_suffix('s').filter(|item| syn::parse_str::<Ident>(item).is_ok());
            let item = item.unwrap_or("item");
            format!(
                "`{written}` is a list, and a call names one key; write `{} for {item} in {written}`",
                call(item)
            )
        } else {
            return None;
        };
        Some(syn::Error::new(argument.span(), why))
    })
}

/// The function that is called, if it is beside this one.
fn called(call: &Call, site: &Site) -> Option<(Vec<Attribute>, Signature)> {
    let beside = site.beside.as_ref().filter(|beside| !beside.imports(&call.name()))?;
    let of_self = |name: &Ident| beside.method(&name.to_string()).map(|method| (method.attrs, method.sig));
    match call {
        Call::Path(_, path) => {
            let mut segments = path.path.segments.iter();
            match (segments.next()?, segments.next(), segments.next()) {
                (of, Some(name), None) if of.ident == "Self" && path.qself.is_none() => of_self(&name.ident),
                (name, None, None)
                    if !matches!(site.function.context, Context::Nested | Context::Unknown) =>
                {
                    beside
                        .free_function(&name.ident.to_string())
                        .map(|function| (function.attrs, function.sig))
                }
                _ => None,
            }
        }
        Call::Method(call) if matches!(&*call.receiver, Expr::Path(path) if path.path.is_ident("self")) => {
            of_self(&call.method)
        }
        _ => None,
    }
}

/// The types of the parameters that its key takes, if none is generic.
fn of_key(attrs: &[Attribute], sig: &Signature) -> Option<Vec<Type>> {
    let template = cached(attrs)?;
    let args = attrs.iter().find_map(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.segments.last()?.ident == "cached_aside" => Some(&list.tokens),
        _ => None,
    })?;
    let is_batch =
        matches!(args.clone().into_iter().next(), Some(TokenTree::Ident(first)) if first == "batch");
    let named = match &template {
        Some(template) => Names::Of(template.clone()),
        None if mentions(args, "key") => return None,
        None => Names::AllBut(skipped(args)),
    };
    let is_open = |ty: &Type| {
        let tokens = ty.to_token_stream();
        let is_generic = |generic: &GenericParam| match generic {
            GenericParam::Type(generic) => mentions(&tokens, &generic.ident.to_string()),
            _ => false,
        };
        mentions(&tokens, "impl") || mentions(&tokens, "Self") || sig.generics.params.iter().any(is_generic)
    };
    let mut types = Vec::new();
    for parameter in &sig.inputs {
        let FnArg::Typed(parameter) = parameter else { continue };
        let Pat::Ident(pat) = &*parameter.pat else { return None };
        if named.contain(&pat.ident) {
            types.push((*parameter.ty).clone());
        }
    }
    (!is_batch && !types.iter().any(is_open)).then_some(types)
}

/// Which parameters are in the key.
enum Names {
    Of(LitStr),
    AllBut(Vec<String>),
}

impl Names {
    fn contain(&self, name: &Ident) -> bool {
        match self {
            Names::Of(template) => Template::parse(template.clone())
                .is_ok_and(|template| template.placeholders().any(|placeholder| *name == placeholder.name)),
            Names::AllBut(skipped) => !skipped.iter().any(|skipped| name == skipped),
        }
    }
}

/// The names in `skip(…)`.
fn skipped(args: &TokenStream) -> Vec<String> {
    let tokens: Vec<TokenTree> = args.clone().into_iter().collect();
    let lists = tokens.windows(2).filter_map(|pair| match pair {
        [TokenTree::Ident(name), TokenTree::Group(list)] if name == "skip" => Some(list.stream()),
        _ => None,
    });
    lists.flatten().map(|token| token.to_string()).collect()
}

/// The type of an argument that is a parameter as a whole.
fn type_of<'a>(argument: &Expr, site: &Site<'a>) -> Option<&'a Type> {
    let Expr::Path(path) = argument else { return None };
    let name = path.path.get_ident()?;
    let function = site.function;
    let parameter = function.parameters.iter().find(|parameter| parameter.name.as_ref() == Some(name))?;
    match &parameter.written {
        FnArg::Typed(typed) => Some(without_references(&typed.ty)),
        FnArg::Receiver(_) => None,
    }
}

fn element(list: &Type) -> Option<&Type> {
    match list {
        Type::Slice(slice) => Some(&slice.elem),
        Type::Array(array) => Some(&array.elem),
        list => inside(list, "Vec"),
    }
}

/// The call with another argument in the place of this one.
fn with_argument(call: &Call, written: &str, argument: &str) -> String {
    let arguments: Vec<String> = call
        .arguments()
        .map(|of| compact(&of.to_token_stream()))
        .map(|of| if of == written { argument.to_owned() } else { of })
        .collect();
    let of = match call {
        Call::Method(call) => format!("{}.", compact(&call.receiver.to_token_stream())),
        Call::Path(_, path) if path.path.segments.len() > 1 => "Self::".to_owned(),
        _ => String::new(),
    };
    format!("{of}{}({})", call.name(), arguments.join(", "))
}
