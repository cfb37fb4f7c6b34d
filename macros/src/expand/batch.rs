//! A batch: the loop that asks which ids are missing, and calls the body with them.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Block, FnArg, PatType, ReceiverKind, Type, spanned::Spanned};

use super::{
    attributes::{allowed_here, attributes_of_every_item, generated_vis, on_outer_function},
    body::plain_name,
    call,
    companions::uncached,
    function::{around, body, cache},
    keys::rebound,
    pieces::{generated, hygienic, imports},
    settings::duration,
};
use crate::{
    item::{
        beside::Site,
        function::{Body, Function},
        shape::has_lifetimes,
    },
    plan::{BatchPlan, Form},
    tokens::mentions,
};

pub(crate) fn batch(plan: &BatchPlan, function: &Function) -> TokenStream {
    match plan.form {
        Form::Free => free(plan, function),
        Form::Method => method(plan, function),
        Form::Alone => around(function, &in_place(plan, function)),
    }
}

/// Beside an enum of its name, which has the body without the cache.
fn free(plan: &BatchPlan, function: &Function) -> TokenStream {
    let (vis, sig) = (generated_vis(function), &function.sig);
    let (mut name, mut defined) = (sig.ident.clone(), sig.ident.clone());
    name.set_span(Span::call_site());
    defined.set_span(name.span().located_at(defined.span()));
    let cfgs: Vec<_> = attributes_of_every_item(function).collect();
    let body = generated("uncached", sig.ident.span());
    let uncached = uncached(&of_call(plan, function), function, &body);
    let no_key = no_key(plan, function, "key", None);
    let in_batch = generated("__in_batch", sig.ident.span());
    let load = outer(plan, function, &quote!(#name::#body));
    let doc = format!(" The companion of [`{name}()`]: its body without the cache.");
    quote! {
        #(#cfgs)*
        #[doc = #doc]
        #vis enum #defined {}
        #(#cfgs)*
        #[doc(hidden)]
        impl ::cached_aside::__private::Companion for #name {
            const SHAPE: u8 = 0;
            fn function() -> &'static ::cached_aside::__private::ReadFunction {
                ::cached_aside::__private::batch::no_function()
            }
        }
        #(#cfgs)*
        impl #name {
            #no_key
            #uncached
            #[doc(hidden)]
            #[cfg(not(miri))]
            #vis fn #in_batch() {}
        }
        #load
    }
}

/// Beside the method.
fn method(plan: &BatchPlan, function: &Function) -> TokenStream {
    let span = function.sig.ident.span();
    let name = syn::ext::IdentExt::unraw(&function.sig.ident);
    let body = generated(&format!("{name}_uncached"), span);
    let uncached = uncached(&of_call(plan, function), function, &body);
    let no_key_of_type = no_key(plan, function, &format!("{name}_key"), None);
    let no_key_of_self =
        function.receiver().map(|_| no_key(plan, function, &format!("__{name}_key"), Some(&quote!(&self,))));
    let load = outer(plan, function, &quote!(Self::#body));
    quote!(#no_key_of_type #no_key_of_self #uncached #load)
}

/// The parameters that the call uses and the body doesn't.
fn of_call(plan: &BatchPlan, function: &Function) -> Vec<usize> {
    plan.used.iter().copied().filter(|number| !function.parameters[*number].is_self()).collect()
}

/// What stands where a single function has its key, so that the compiler says what to write instead.
fn no_key(plan: &BatchPlan, function: &Function, name: &str, of_self: Option<&TokenStream>) -> TokenStream {
    let (vis, cfgs) = (generated_vis(function), attributes_of_every_item(function));
    let name = generated(name, function.sig.ident.span());
    let is_argument = |number: &usize| {
        *number == plan.list || plan.used.contains(number) && !function.parameters[*number].is_self()
    };
    let arguments: Vec<_> = (0..function.parameters.len()).filter(is_argument).collect();
    let more = arguments.iter().skip(1).map(|number| hygienic(&format!("Arg{number}")));
    let more: Vec<_> = more.collect();
    // Of whatever value is asked for: that there is none is said once.
    let (first, value) = (hygienic("Ids"), hygienic("Value"));
    quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #vis fn #name<#first #(, #more)*, #value>(
            #of_self _: #first #(, _: #more)*
        ) -> ::cached_aside::Key<#value>
        where
            Self: ::cached_aside::__private::batch::OneKey<#first>,
        {
            ::cached_aside::__private::batch::no_key()
        }
    }
}

/// The function that the user wrote, which calls its body.
fn outer(plan: &BatchPlan, function: &Function, uncached: &TokenStream) -> TokenStream {
    let mut sig = function.sig.clone();
    let mut arguments = Vec::new();
    for (number, argument) in sig.inputs.iter_mut().enumerate() {
        let (FnArg::Receiver(syn::Receiver { attrs, .. }) | FnArg::Typed(PatType { attrs, .. })) = argument;
        for attribute in attrs.iter_mut() {
            *attribute = on_outer_function(attribute);
        }
        arguments.push(match argument {
            FnArg::Receiver(receiver) => {
                let kind = match &receiver.kind {
                    ReceiverKind::Reference(..) => Kind::Shared,
                    ReceiverKind::Typed(_, ty) => Kind::of(ty),
                    _ => Kind::Taken,
                };
                receiver.mutability = None;
                Argument { name: receiver.self_token.to_token_stream(), kind, number }
            }
            FnArg::Typed(typed) => {
                let kind = Kind::of(&typed.ty);
                Argument { name: plain_name(typed, number).to_token_stream(), kind, number }
            }
        });
    }
    let turbofish = turbofish(plan, function);
    let list = &arguments[plan.list].name;
    let (before, handed_on) = list_for_body(plan, function);
    let handed: Vec<_> = arguments
        .iter()
        .map(|argument| if argument.number == plan.list { handed_on.clone() } else { argument.again() })
        .collect();
    let others = || arguments.iter().filter(|argument| argument.number != plan.list);
    let kept: Vec<_> = others().filter_map(Argument::keep).collect();
    let twice: Vec<_> = others().filter_map(Argument::twice).collect();
    let statements = steps(
        plan,
        function,
        list,
        (&kept, &twice),
        &quote!(#before),
        &quote!(#uncached #turbofish(#(#handed),*)),
    );
    let body = match &function.body {
        Body::Async(block) => Body::Async(Block { brace_token: block.brace_token, stmts: vec![] }),
        Body::Boxed(boxed) => Body::Boxed(boxed.clone()),
    };
    let function = Function {
        attrs: function.attrs.iter().map(on_outer_function).chain(allowed_here(function)).collect(),
        vis: function.vis.clone(),
        sig,
        body,
        context: function.context.clone(),
        parameters: vec![],
        output: function.output.clone(),
    };
    around(&function, &statements)
}

/// The body of a function that can have no companions: the user's statements stand in the loop.
fn in_place(plan: &BatchPlan, function: &Function) -> TokenStream {
    let others = function.parameters.iter().enumerate().filter(|(number, _)| *number != plan.list);
    let (mut kept, mut twice, mut again) = (Vec::new(), Vec::new(), Vec::new());
    for (number, parameter) in others {
        let FnArg::Typed(typed) = &parameter.written else { continue };
        for (at, name) in parameter.bindings.iter().enumerate() {
            let number = number + 100 * at;
            let argument = Argument { name: name.to_token_stream(), kind: Kind::of(&typed.ty), number };
            kept.extend(argument.keep());
            twice.extend(argument.twice());
            if argument.kind != Kind::Shared {
                let value = argument.again();
                again.push(quote!(let #name = #value;));
            }
        }
    }
    let Some(list) = &function.parameters[plan.list].name else { return TokenStream::new() };
    let (before, handed_on) = list_for_body(plan, function);
    let missing = hygienic("missing");
    let of_list = match list_kind(plan, function) {
        ListKind::Slice => quote!(let #list: &[_] = &#missing;),
        ListKind::Generic => quote!(let #list: ::std::vec::Vec<_> = #handed_on;),
        ListKind::Reference(ty) => {
            let ty = crate::item::shape::without_lifetimes(ty);
            let name = hygienic("list");
            quote!(let #name: #ty = #name; let #list = &#name;)
        }
        ListKind::Owned(ty) => {
            let ty = crate::item::shape::without_lifetimes(ty);
            quote!(let #list: #ty = #handed_on;)
        }
    };
    let before = quote!(#(#again)* #before #of_list);
    steps(plan, function, &list.to_token_stream(), (&kept, &twice), &before, &body(function))
}

/// What the function does: it asks for the ids that are missing until there are none.
fn steps(
    plan: &BatchPlan,
    function: &Function,
    list: &TokenStream,
    (kept, twice): (&[TokenStream], &[TokenStream]),
    before: &TokenStream,
    body: &TokenStream,
) -> TokenStream {
    let output = &function.output;
    let at_output = Span::mixed_site().located_at(output.span());
    let site = Site::of(function);
    let names = plan.each.names();
    let key = call::key_of_batch(&plan.call, &site, &names);
    let (ids, item, batch, missing, future) =
        (hygienic("ids"), hygienic("item"), hygienic("batch"), hygienic("missing"), hygienic("body"));
    let at_list = Span::mixed_site().located_at(plan.each.list.span());
    let list_of = hygienic("list_of");
    let (of_list, listed) = match list_kind(plan, function) {
        ListKind::Slice => (quote_spanned!(at_list=> __aside::batch::ids_of_slice), quote!(#ids)),
        ListKind::Generic => (quote_spanned!(at_list=> __aside::batch::ids), quote!(#ids)),
        ListKind::Reference(_) => {
            (quote_spanned!(at_list=> __aside::batch::ids_lent), quote!((#ids, #list_of)))
        }
        ListKind::Owned(_) => (quote_spanned!(at_list=> __aside::batch::ids_of), quote!((#ids, #list_of))),
    };
    let pat = &plan.each.pat;
    let rebound = rebound(&names);
    let (cache, in_cache) = cache(plan.cache.as_ref(), function);
    let keys_of = match in_cache {
        Some(_) => quote_spanned!(key.span()=> __aside::batch::keys_in_cache),
        None => quote_spanned!(key.span()=> __aside::batch::keys_of),
    };
    let in_cache = in_cache.map(|cache| quote!(.in_cache(#cache)));
    let wait = plan.wait.as_ref().map(|wait| {
        let wait = duration(&wait.value);
        quote!(.wait(#wait))
    });
    let twice = (!twice.is_empty()).then(|| quote!(.twice(#(#twice)&&*)));
    let shared = (!has_lifetimes(output)).then(|| quote_spanned!(at_output=> .shared()));
    let errors = quote_spanned!(at_output=> __aside::batch::ErrorOf::<#output>::ERRORS);
    let answered = quote_spanned!(at_output=> answered_by::<#output, _>(#errors #shared.or_given_up()));
    let imports = imports(&["ItemTarget", "ItemCopy", "ItemRef"]);
    let of_errors = (!has_lifetimes(output)).then(|| quote!(NotSharedByBatch as _,));
    let of_arguments = (!kept.is_empty()).then(|| quote!(NotAgain as _,));
    quote! {
        #imports
        use ::cached_aside::__private::batch::{#of_arguments #of_errors NoError as _, NotGivenUp as _};
        #cache
        let #listed = #of_list(#list);
        let #ids = #keys_of(#ids, |#item| {
            let #pat = #item;
            #rebound
            #key
        });
        #(#kept)*
        let mut #batch = #ids.#answered #in_cache #wait #twice;
        while let ::core::option::Option::Some(#missing) = #batch.missing().await {
            #before
            let #future = ::core::pin::pin!(#body);
            #batch.load(&#missing, #future).await;
        }
        #batch.finish()
    }
}

/// How an argument reaches a body that may run twice.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// As it is.
    Shared,
    /// Borrowed again.
    Mutable,
    /// Cloned, or once.
    Taken,
}

impl Kind {
    fn of(ty: &Type) -> Kind {
        match ty {
            Type::Reference(reference) if reference.mutability.is_some() => Kind::Mutable,
            Type::Reference(_) => Kind::Shared,
            Type::Group(group) => Kind::of(&group.elem),
            Type::Paren(paren) => Kind::of(&paren.elem),
            _ => Kind::Taken,
        }
    }
}

struct Argument {
    name: TokenStream,
    kind: Kind,
    number: usize,
}

impl Argument {
    fn kept(&self) -> Ident {
        hygienic(&format!("kept{}", self.number))
    }

    /// What keeps it from one body to the next.
    fn keep(&self) -> Option<TokenStream> {
        let (kept, name) = (self.kept(), &self.name);
        (self.kind == Kind::Taken).then(|| quote!(let mut #kept = ::core::option::Option::Some(#name);))
    }

    /// Whether it can be given twice.
    fn twice(&self) -> Option<TokenStream> {
        let kept = self.kept();
        (self.kind == Kind::Taken).then(|| quote!(__aside::batch::Again(&mut #kept).is_cloned()))
    }

    fn again(&self) -> TokenStream {
        let (kept, name) = (self.kept(), &self.name);
        match self.kind {
            Kind::Shared => name.clone(),
            Kind::Mutable => quote!(&mut *#name),
            Kind::Taken => quote!(__aside::batch::Again(&mut #kept).again()),
        }
    }
}

/// What the list is.
enum ListKind<'a> {
    /// `&[K]`, `&Vec<K>`
    Slice,
    /// A reference to a collection of this type.
    Reference(&'a Type),
    /// A collection of this type.
    Owned(&'a Type),
    /// `impl IntoIterator`, or a generic parameter.
    Generic,
}

fn list_kind<'a>(plan: &BatchPlan, function: &'a Function) -> ListKind<'a> {
    let FnArg::Typed(typed) = &function.parameters[plan.list].written else { return ListKind::Generic };
    let is_generic = |ty: &Type| match ty {
        Type::Path(path) => path.path.get_ident().is_some_and(|name| {
            function.sig.generics.type_params().any(|parameter| parameter.ident == *name)
        }),
        _ => false,
    };
    match &*typed.ty {
        Type::Reference(reference) => match &*reference.elem {
            Type::Slice(_) => ListKind::Slice,
            Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Vec") => {
                ListKind::Slice
            }
            ty => ListKind::Reference(ty),
        },
        Type::ImplTrait(_) => ListKind::Generic,
        ty if is_generic(ty) => ListKind::Generic,
        ty => ListKind::Owned(ty),
    }
}

/// What comes before the body, and the list as its argument.
fn list_for_body(plan: &BatchPlan, function: &Function) -> (Option<TokenStream>, TokenStream) {
    let missing = hygienic("missing");
    let list_of = hygienic("list_of");
    let collected = quote!(#list_of(&#missing));
    match list_kind(plan, function) {
        ListKind::Slice => (None, quote!(&#missing)),
        ListKind::Reference(_) => {
            let list = hygienic("list");
            (Some(quote!(let #list = #collected;)), quote!(&#list))
        }
        ListKind::Generic => (None, quote!(::core::clone::Clone::clone(&#missing))),
        ListKind::Owned(_) => (None, collected),
    }
}

/// `::<_, T>`: the generic arguments of the body, which has another list.
fn turbofish(plan: &BatchPlan, function: &Function) -> TokenStream {
    let written = function.parameters[plan.list].written.to_token_stream();
    let arguments: Vec<_> = function
        .sig
        .generics
        .params
        .iter()
        .filter_map(|parameter| match parameter {
            syn::GenericParam::Type(parameter) => Some(&parameter.ident),
            syn::GenericParam::Const(parameter) => Some(&parameter.ident),
            syn::GenericParam::Lifetime(_) => None,
        })
        .map(|name| if mentions(&written, &name.to_string()) { quote!(_) } else { quote!(#name) })
        .collect();
    if arguments.is_empty() { TokenStream::new() } else { quote!(::<#(#arguments),*>) }
}
