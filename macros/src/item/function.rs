//! The annotated function: its kind, its parameters, and what of it a key can name.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::{
    Attribute, Block, FnArg, GenericParam, Ident, ItemFn, ItemImpl, Pat, Receiver, ReceiverKind, ReturnType,
    Safety, Signature, Type, TypePath, Visibility,
    parse::{Parse, ParseStream},
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::{
    item::{
        async_trait::BoxedFuture,
        context::Context,
        types::{future_output, impl_trait, inside},
    },
    problem::Problems,
    tokens::{compact, mentions, same},
};

/// An annotated function.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) body: Body,
    pub(crate) context: Context,
    pub(crate) parameters: Vec<Parameter>,
    /// What the function returns when it is awaited.
    pub(crate) output: Type,
}

/// Where the user's statements are.
pub(crate) enum Body {
    /// In the block of an `async fn`.
    Async(Block),
    /// In the boxed future that a function returns: what `#[async_trait]` makes of an `async fn`.
    Boxed(Box<BoxedFuture>),
}

/// A parameter.
#[derive(Clone)]
pub(crate) struct Parameter {
    /// Its name, if it is bound as a whole.
    pub(crate) name: Option<Ident>,
    /// Everything that its pattern binds.
    pub(crate) bindings: Vec<Ident>,
    /// Its pattern binds nothing (`_`), so that nothing can depend on it.
    pub(crate) unused: bool,
    /// As written, `self` included.
    pub(crate) written: FnArg,
}

impl Parameter {
    pub(crate) fn is_self(&self) -> bool {
        matches!(self.written, FnArg::Receiver(_))
    }

    pub(crate) fn span(&self) -> Span {
        match &self.written {
            FnArg::Receiver(receiver) => receiver.self_token.span,
            FnArg::Typed(typed) => typed.pat.span(),
        }
    }

    /// Whether it is a shared reference, which others can have as well.
    pub(crate) fn is_borrowed(&self) -> bool {
        self.is_reference_that(|is_mutable| !is_mutable)
    }

    /// Whether it is a reference that nobody else has.
    pub(crate) fn is_mutable_reference(&self) -> bool {
        self.is_reference_that(|is_mutable| is_mutable)
    }

    fn is_reference_that(&self, is: impl Fn(bool) -> bool) -> bool {
        let of = |ty: &Type| matches!(ty, Type::Reference(ty) if is(ty.mutability.is_some()));
        match &self.written {
            FnArg::Receiver(receiver) => match &receiver.kind {
                ReceiverKind::Reference(_, _, mutable) => is(mutable.is_some()),
                ReceiverKind::Typed(_, ty) => of(ty),
                _ => false,
            },
            FnArg::Typed(typed) => of(&typed.ty),
        }
    }

    /// Whether its type is an integer, as far as its name tells.
    pub(crate) fn is_integer(&self) -> bool {
        const INTEGERS: [&str; 12] =
            ["u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize"];
        let FnArg::Typed(typed) = &self.written else { return false };
        let Type::Path(TypePath { qself: None, path, .. }) = &*typed.ty else { return false };
        path.get_ident().is_some_and(|name| INTEGERS.iter().any(|integer| name == integer))
    }

    /// Whether a `skip` or a placeholder with this name means this parameter.
    pub(crate) fn binds(&self, name: &str) -> bool {
        self.bindings.iter().any(|binding| same(binding, name))
    }

    fn new(argument: &FnArg, destructured: impl Fn(&Ident) -> Option<Pat>) -> Parameter {
        let typed = match argument {
            FnArg::Receiver(receiver) => {
                let name = Ident::new("self", receiver.self_token.span);
                return Parameter {
                    bindings: vec![name.clone()],
                    name: Some(name),
                    unused: false,
                    written: argument.clone(),
                };
            }
            FnArg::Typed(typed) => typed,
        };
        let mut name = match &*typed.pat {
            Pat::Ident(pat) => Some(pat.ident.clone()),
            _ => None,
        };
        let inside = name.as_ref().and_then(destructured);
        if inside.is_some() {
            name = None;
        }
        let pat = inside.as_ref().unwrap_or(&typed.pat);
        let mut bindings = Bindings::default();
        bindings.visit_pat(pat);
        Parameter {
            name,
            unused: bindings.names.is_empty() && !bindings.unknown,
            bindings: bindings.names,
            written: argument.clone(),
        }
    }
}

#[derive(Default)]
struct Bindings {
    names: Vec<Ident>,
    /// There is a macro in the pattern.
    unknown: bool,
}

impl<'ast> Visit<'ast> for Bindings {
    fn visit_pat_ident(&mut self, pat: &'ast syn::PatIdent) {
        self.names.push(pat.ident.clone());
        visit::visit_pat_ident(self, pat);
    }

    fn visit_macro(&mut self, _: &'ast syn::Macro) {
        self.unknown = true;
    }
}

impl Parse for Function {
    fn parse(input: ParseStream) -> syn::Result<Function> {
        let item = input.fork();
        let function = match input.parse::<ItemFn>() {
            Ok(function) => function,
            Err(error) => return Err(improve_error(&item, error)),
        };
        Ok(Function::new(function))
    }
}

impl Function {
    /// The types of its parameters, as written.
    pub(crate) fn parameter_types(&self) -> impl Iterator<Item = &Type> {
        self.parameters.iter().filter_map(|parameter| match &parameter.written {
            FnArg::Receiver(_) => None,
            FnArg::Typed(typed) => Some(&*typed.ty),
        })
    }

    fn new(item: ItemFn) -> Function {
        let context = Context::of(item.sig.fn_token.span);
        Function::at(item, context)
    }

    /// A function whose context is known.
    /// In the place of the function around an expression, which is not known.
    pub(crate) fn nowhere() -> Function {
        let item = syn::parse_quote!(
            async fn nowhere() {}
        );
        Function::at(item, Context::Unknown)
    }

    pub(crate) fn at(item: ItemFn, context: Context) -> Function {
        let ItemFn { attrs, vis, sig, block, .. } = item;
        let boxed = if sig.asyncness.is_none() { BoxedFuture::recognise(&sig.output, &block) } else { None };
        let parameters = sig
            .inputs
            .iter()
            .map(|argument| {
                Parameter::new(argument, |name| boxed.as_ref().and_then(|boxed| boxed.destructured(name)))
            })
            .collect();
        let output = match (&boxed, &sig.output) {
            (Some(boxed), _) => boxed.output.clone(),
            (None, ReturnType::Type(_, output)) => (**output).clone(),
            (None, ReturnType::Default) => Type::Tuple(syn::TypeTuple {
                attrs: vec![],
                paren_token: syn::token::Paren(sig.ident.span()),
                elems: syn::punctuated::Punctuated::new(),
            }),
        };
        let body = boxed.map_or(Body::Async(*block), |boxed| Body::Boxed(Box::new(boxed)));
        let context = match context {
            Context::Unknown => guess(&vis, &sig),
            // In the arguments of a macro, which puts it into an `impl`.
            Context::Free | Context::Nested if sig.receiver().is_some() => guess(&vis, &sig),
            known => known,
        };
        Function { attrs, vis, sig, body, context, parameters, output }
    }

    /// The attribute of this name that is still to be expanded.
    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attrs
            .iter()
            .find(|attribute| attribute.path().segments.last().is_some_and(|last| last.ident == name))
    }

    pub(crate) fn receiver(&self) -> Option<&Receiver> {
        self.sig.receiver()
    }

    /// The `impl` around the function, if there is one that can be read.
    pub(crate) fn implementation(&self) -> Option<&ItemImpl> {
        match &self.context {
            Context::Inherent(item) | Context::TraitImpl(item) => item.as_deref(),
            _ => None,
        }
    }

    /// The generic parameters in scope: the function's, then those of the `impl` or `trait` around it.
    pub(crate) fn generic_parameters(&self) -> impl Iterator<Item = &GenericParam> {
        self.sig.generics.params.iter().chain(self.parameters_around())
    }

    /// The generic parameters of the `impl` or `trait` around the function.
    pub(crate) fn parameters_around(&self) -> impl Iterator<Item = &GenericParam> {
        self.context.generics().into_iter().flat_map(|generics| &generics.params)
    }

    /// What every attribute requires of a function.
    pub(crate) fn check(&self, attribute: &str, problems: &mut Problems) {
        let sig = &self.sig;
        self.check_end(attribute, problems);
        if sig.asyncness.is_none() && matches!(self.body, Body::Async(_)) {
            problems.push(match made_by_hand(&self.output) {
                Some(output) => syn::Error::new(
                    self.output.span(),
                    format!(
                        "`#[{attribute}]` needs an `async fn`, and not a future that is made by hand; write `async fn {}(…) -> {}`",
                        sig.ident,
                        compact(&output.to_token_stream())
                    ),
                ),
                None if self.blocks_on() => syn::Error::new(
                    sig.fn_token.span,
                    format!(
                        "`#[{attribute}]` needs an `async fn`: it waits for Redis; if an attribute above it, such as `#[tokio::test]`, has taken \
                         the `async`, write `#[{attribute}(…)]` above that one"
                    ),
                ),
                None => syn::Error::new(
                    sig.fn_token.span,
                    format!("`#[{attribute}]` needs an `async fn`: it waits for Redis"),
                ),
            });
        }
        if let Some(token) = &sig.constness {
            problems.push(syn::Error::new(
                token.span,
                format!("`#[{attribute}]` can't stand on a `const fn`; remove `const`"),
            ));
        }
        if let Safety::Unsafe(token) = &sig.safety {
            problems.push(syn::Error::new(
                token.span,
                format!("`#[{attribute}]` can't stand on an `unsafe fn`; put the unsafe part into a function that this one calls"),
            ));
        }
        if let Some(abi) = &sig.abi {
            problems.push(syn::Error::new(
                abi.span(),
                format!("`#[{attribute}]` can't stand on an `extern fn`; remove `extern`"),
            ));
        }
        if let Some(variadic) = &sig.variadic {
            problems.push(syn::Error::new(
                variadic.span(),
                format!("`#[{attribute}]` can't stand on a variadic function"),
            ));
        }
    }

    /// What never returns has no value that could be stored, and a write that never ends keeps its guards.
    fn check_end(&self, attribute: &str, problems: &mut Problems) {
        if let Type::Never(never) = &self.output {
            problems.push(syn::Error::new(
                never.span(),
                format!("`#[{attribute}]` needs a function that returns; put it on one that this one calls"),
            ));
        }
    }

    /// What the body is written with.
    pub(crate) fn body_tokens(&self) -> TokenStream {
        match &self.body {
            Body::Async(block) => block.to_token_stream(),
            Body::Boxed(boxed) => boxed.block.to_token_stream(),
        }
    }

    /// Whether its body blocks on a future, as that which an attribute such as `#[tokio::main]` writes does.
    fn blocks_on(&self) -> bool {
        matches!(&self.body, Body::Async(block) if mentions(&block.to_token_stream(), "block_on"))
    }

    /// What an attribute requires of a function whose result it uses.
    pub(crate) fn check_output(&self, attribute: &str, problems: &mut Problems) {
        self.check_output_for("", attribute, problems);
    }

    /// The same where an option makes it so: `with …, `.
    pub(crate) fn check_output_for(&self, because: &str, attribute: &str, problems: &mut Problems) {
        if self.sig.asyncness.is_some()
            && let Some(span) = impl_trait(&self.output)
        {
            problems.push(syn::Error::new(
                span,
                format!(
                    "{because}`#[{attribute}]` needs to know the return type; write its name instead of `impl …`"
                ),
            ));
        }
    }

    /// `&mut self`, in whatever form.
    pub(crate) fn mutable_self(&self) -> Option<Span> {
        match &self.receiver()?.kind {
            ReceiverKind::Reference(and, _, Some(_)) => Some(and.span),
            ReceiverKind::Typed(_, ty) => {
                let mut found = MutableReference::default();
                found.visit_type(ty);
                found.0
            }
            _ => None,
        }
    }
}

/// The output of the future that a function returns: `impl Future<Output = T>`, `Pin<Box<dyn Future<Output = T>>>`,
/// `BoxFuture<'_, T>`.
fn made_by_hand(output: &Type) -> Option<&Type> {
    match output {
        Type::ImplTrait(future) => future_output(&future.bounds),
        Type::TraitObject(future) => future_output(&future.bounds),
        other => match inside(other, "Pin").or_else(|| inside(other, "Box")) {
            Some(boxed) => made_by_hand(boxed),
            None => inside(other, "BoxFuture").or_else(|| inside(other, "LocalBoxFuture")),
        },
    }
}

/// Says what the attribute was put on, when that isn't a function with a body.
fn improve_error(item: ParseStream, error: syn::Error) -> syn::Error {
    let (start, around) = (item.span(), item.fork());
    let without_body = || {
        item.call(Attribute::parse_outer)?;
        item.parse::<Visibility>()?;
        item.parse::<Signature>()?;
        item.parse::<syn::Token![;]>()
    };
    if let Ok(semicolon) = without_body() {
        return syn::Error::new(
            semicolon.span,
            "there is no body here; put the attribute on the function in the `impl` of the trait",
        );
    }
    let of_functions = || {
        around.call(Attribute::parse_outer)?;
        around.parse::<Visibility>()?;
        around.parse::<Option<syn::Token![unsafe]>>()?;
        let is = around.peek(syn::Token![impl])
            || around.peek(syn::Token![trait])
            || around.peek(syn::Token![mod]);
        syn::Result::Ok(is)
    };
    if of_functions().is_ok_and(|is| is) {
        return syn::Error::new(
            start,
            "this attribute stands on an `async fn`; put it on each one inside, with its own key",
        );
    }
    let text = error.to_string();
    if text.starts_with("expected `fn`")
        || text.starts_with("expected one of")
        || text.starts_with("expected `async`")
    {
        return syn::Error::new(start, "this attribute stands on an `async fn`, and nothing else");
    }
    error
}

/// The context, where the source can't be read: only a method has `self` or `Self`, only an inherent one is
/// `pub`.
fn guess(vis: &Visibility, sig: &Signature) -> Context {
    let of_type = sig.receiver().is_some() || mentions(&quote::ToTokens::to_token_stream(sig), "Self");
    match (of_type, vis) {
        (false, _) => Context::Free,
        (true, Visibility::Inherited) => Context::TraitImpl(None),
        (true, _) => Context::Inherent(None),
    }
}

#[derive(Default)]
struct MutableReference(Option<Span>);

impl<'ast> Visit<'ast> for MutableReference {
    fn visit_type_reference(&mut self, ty: &'ast syn::TypeReference) {
        if ty.mutability.is_some() {
            self.0.get_or_insert(ty.span());
        }
        visit::visit_type_reference(self, ty);
    }
}
