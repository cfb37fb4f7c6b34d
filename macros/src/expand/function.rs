//! The annotated function with another body, and what that body does for a cached one.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Block, Expr, Local, Pat, Stmt, Type, spanned::Spanned};

use super::{
    attributes::as_outer,
    coding::{coding, error_coding},
    key::tagged_key,
    pieces::{hygienic, imports, optional, returned},
    shape::shape_of,
};
use crate::{
    item::{
        function::{Body, Function},
        shape::{has_lifetimes, is_opaque},
        types::is_nameable,
    },
    parse::{args::OptionValue, duration::DurationArg},
    plan::ReadPlan,
    tokens::{located, names, variables},
};

/// The body of the annotated function.
pub(super) fn load(
    plan: &ReadPlan,
    function: &Function,
    shape: &TokenStream,
    read: &TokenStream,
    body: &TokenStream,
) -> TokenStream {
    let output = &function.output;
    let text = tagged_key(plan);
    let key = hygienic("key");
    let at_output = Span::mixed_site().located_at(output.span());
    let has_none = assert_outcome("assert_none", plan.options.none_ttl.as_ref(), shape);
    let has_error = assert_outcome("assert_error", plan.options.stale_if_error.as_ref(), shape);
    let fails = assert_outcome("assert_fails", plan.options.error_ttl.as_ref(), shape);
    let named = plan.cache.as_ref().map(|cache| &cache.expr);
    let (pinned, name) = (pinned(body), hygienic("body"));
    let (pinned, body) = match &plan.transfers {
        Some(_) => (None, body),
        None => (Some(&pinned), &name.to_token_stream()),
    };
    let (cache, load, cache_argument) = if plan.transfers.is_some() {
        let cloned = named.map(cloned_cache);
        let argument = optional(cloned.as_ref().map(|(_, cache)| cache));
        (
            cloned.map(|(statement, _)| statement),
            quote_spanned!(at_output=> __aside::load_owned),
            Some(quote!(#argument,)),
        )
    } else {
        match cache(named, function) {
            (cache, None) => (cache, quote_spanned!(at_output=> __aside::load), None),
            (cache, Some(argument)) => {
                (cache, quote_spanned!(at_output=> __aside::load_in), Some(quote!(#argument,)))
            }
        }
    };
    let coding = coding(plan, function, output, shape);
    let imports = imports(if has_lifetimes(output) { &["NoAbsent"] } else { &["NotShared", "NoAbsent"] });
    let returns = returns(plan, output, shape);
    // Where the shape of the type could not be determined without its parameters, it is checked once they are known.
    let checked = is_opaque(output, function).then(|| {
        let known = shape_of(output, function);
        quote_spanned!(at_output=> const { __aside::assert_shape(#known, #shape) };)
    });
    let returned =
        returned(&quote!(#load(#cache_argument #read, #key, #coding, #returns, #body).await), output);
    quote! {
        #imports
        #checked
        #has_none
        #has_error
        #fails
        let #key = #text;
        #cache
        #pinned
        #returned
    }
}

/// `__aside::assert_…::<SHAPE>();` where an option was written that says something about one kind of outcome: compiles only if the
/// return type has it.
fn assert_outcome(
    assertion: &str,
    option: Option<&OptionValue<DurationArg>>,
    shape: &TokenStream,
) -> Option<TokenStream> {
    option.map(|option| {
        let span = option.name.span();
        let (assertion, shape) = (Ident::new(assertion, span), located(shape, span));
        quote_spanned!(span=> __aside::#assertion::<#shape>();)
    })
}

/// The return type with its shape, and how its errors are shared.
fn returns(plan: &ReadPlan, output: &Type, shape: &TokenStream) -> TokenStream {
    let at_output = Span::mixed_site().located_at(output.span());
    let returns = quote_spanned!(at_output=> __aside::ReturnAdapter::<#output, #shape>);
    let given_up = plan.options.limits().1.map(|hard| {
        let span = hard.name.span();
        let returned = located(&quote!(#output), span);
        let given_up = quote_spanned!(span=> __aside::given_up::<#returned>);
        quote!(.or_given_up(#given_up))
    });
    let storing = plan.options.error_if.as_ref().map(|error_if| {
        let (coding, error_if) = (error_coding(plan, output, shape), &error_if.value);
        quote!(.storing(|| __aside::stored_errors(#coding, #error_if)))
    });
    let sharing = if has_lifetimes(output) { quote!(unshared()) } else { quote!(SHARED) };
    quote!(#returns::#sharing #storing #given_up .or_absent())
}

/// The user's body as a future that hasn't begun, beside what uses its arguments as well.
pub(super) fn body(function: &Function, beside: &TokenStream) -> TokenStream {
    let output = &function.output;
    let statements: Vec<TokenStream> = match &function.body {
        Body::Async(block) => block.stmts.iter().map(ToTokens::to_token_stream).collect(),
        Body::Boxed(boxed) => bound_again(&boxed.statements, beside),
    };
    let never = hygienic("never");
    let at_output = Span::mixed_site().located_at(output.span());
    // This never runs. It tells the compiler the type of the block, so that a wrong body is reported where it is wrong. Only the
    // body itself knows what an `impl …` is.
    let edge = is_nameable(output).then(|| {
        quote_spanned! {at_output=>
            if let ::core::option::Option::Some(#never) = ::core::option::Option::None::<#output> {
                return #never;
            }
        }
    });
    quote!(async move { #edge #(#statements)* })
}

/// The statements of a boxed future, which binds each parameter again: one that is used beside it is no unused one inside.
fn bound_again(statements: &[Stmt], beside: &TokenStream) -> Vec<TokenStream> {
    let used = names(beside);
    let again = |statement: &Stmt| {
        let Stmt::Local(Local { pat: Pat::Ident(pat), init: Some(init), .. }) = statement else {
            return None;
        };
        let is_it = matches!(&*init.expr, Expr::Path(path) if path.path.is_ident(&pat.ident));
        (is_it && used.iter().any(|name| pat.ident == name)).then(|| pat.ident.clone())
    };
    let statement = |(number, statement): (usize, &Stmt)| {
        let name = again(statement).filter(|name| {
            let rest = statements[number + 1..].iter().map(ToTokens::to_token_stream).collect();
            !variables(&rest).iter().any(|used| name == used)
        });
        let used = name.map(|name| quote!(let _ = &#name;));
        quote!(#statement #used)
    };
    statements.iter().enumerate().map(statement).collect()
}

/// The future, pinned where it is: a call that took it by value would hold it a second time.
pub(super) fn pinned(future: &TokenStream) -> TokenStream {
    let name = hygienic("body");
    quote!(let #name = ::core::pin::pin!(#future);)
}

/// The function with other statements in its body; the signature stays as it is.
pub(super) fn around(function: &Function, statements: &TokenStream) -> TokenStream {
    let Function { vis, sig, .. } = function;
    let attrs = function.attrs.iter().map(as_outer);
    let block = match &function.body {
        Body::Async(block) => {
            // With the user's own braces it remains the user's function for the compiler's lints (`dead_code`).
            let mut tokens = TokenStream::new();
            block.brace_token.surround(&mut tokens, |tokens| statements.to_tokens(tokens));
            tokens
        }
        Body::Boxed(boxed) => boxed.with(statements),
    };
    quote!(#(#attrs)* #vis #sig #block)
}

/// The cache that the attribute names, as a statement and as the argument of type `&Cache`.
pub(super) fn cache(
    written: Option<&Expr>,
    function: &Function,
) -> (Option<TokenStream>, Option<TokenStream>) {
    let Some(expr) = written else { return (None, None) };
    if is_taken(expr, function) {
        let (statement, cache) = cloned_cache(expr);
        return (Some(statement), Some(cache));
    }
    let cache = hygienic("cache");
    (Some(lent(&cache, expr)), Some(cache.to_token_stream()))
}

/// `let cache: &Cache = &expr;`
pub(super) fn lent(cache: &Ident, expr: &Expr) -> TokenStream {
    let reference = reference(expr);
    if ends(expr).is_none() {
        return quote!(let #cache: &::cached_aside::Cache = #reference;);
    }
    // Where a `&Cache` is expected, the compiler asks each end for the `Cache` itself. So what they give is found first.
    let given = hygienic("given");
    let at_expr = Ident::new(&given.to_string(), Span::mixed_site().located_at(expr.span()));
    quote!(let #given = #reference; let #cache: &::cached_aside::Cache = #at_expr;)
}

/// What an `if`, a `match` or a block may end with; `None` of any other expression.
pub(super) fn ends(expr: &Expr) -> Option<Vec<&Expr>> {
    fn last(block: &Block) -> Vec<&Expr> {
        match block.stmts.last() {
            Some(Stmt::Expr(expr, None)) => vec![expr],
            _ => vec![],
        }
    }
    match expr {
        Expr::Paren(paren) => ends(&paren.expr),
        Expr::Group(group) => ends(&group.expr),
        Expr::Block(block) => Some(last(&block.block)),
        Expr::Unsafe(block) => Some(last(&block.block)),
        Expr::If(branches) => {
            let otherwise = branches.else_branch.iter().map(|(_, otherwise)| &**otherwise);
            Some(last(&branches.then_branch).into_iter().chain(otherwise).collect())
        }
        Expr::Match(arms) => Some(arms.arms.iter().map(|arm| &*arm.body).collect()),
        _ => None,
    }
}

/// `&expr`
pub(super) fn reference(expr: &Expr) -> syn::ExprReference {
    syn::ExprReference {
        attrs: vec![],
        and_token: syn::Token![&](expr.span()),
        mutability: None,
        expr: Box::new(expr.clone()),
    }
}

/// A clone of the cache, for a body that takes what holds it or outlives its caller.
pub(super) fn cloned_cache(expr: &Expr) -> (TokenStream, TokenStream) {
    let cache = hygienic("cache");
    if ends(expr).is_some() {
        let (given, lent) = (hygienic("given"), lent(&hygienic("given"), expr));
        let clone = quote!(::core::clone::Clone::clone(#given));
        return (quote!(let #cache: ::cached_aside::Cache = { #lent #clone };), quote!(&#cache));
    }
    let borrowed = quote_spanned!(expr.span()=> &#expr);
    (quote!(let #cache: ::cached_aside::Cache = ::core::clone::Clone::clone(#borrowed);), quote!(&#cache))
}

/// Whether the expression begins with a parameter that the body takes, or borrows for itself alone.
fn is_taken(expr: &Expr, function: &Function) -> bool {
    match expr {
        Expr::Field(field) => is_taken(&field.base, function),
        Expr::MethodCall(call) => is_taken(&call.receiver, function),
        Expr::Index(index) => is_taken(&index.expr, function),
        Expr::Paren(paren) => is_taken(&paren.expr, function),
        Expr::Group(group) => is_taken(&group.expr, function),
        Expr::Reference(reference) => is_taken(&reference.expr, function),
        Expr::Unary(unary) => is_taken(&unary.expr, function),
        Expr::Path(path) => path.path.get_ident().is_some_and(|name| {
            let parameter = function.parameters.iter().find(|parameter| parameter.binds(&name.to_string()));
            parameter.is_some_and(|parameter| !parameter.is_borrowed())
        }),
        expr => ends(expr).is_some_and(|ends| ends.into_iter().any(|end| is_taken(end, function))),
    }
}
