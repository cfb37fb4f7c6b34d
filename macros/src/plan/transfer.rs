//! How arguments become owned by what goes on without its caller.

use quote::ToTokens;
use syn::{FnArg, Ident, ReceiverKind, Type, TypeReference, spanned::Spanned};

use super::form::Form;
use crate::{
    item::{
        function::{Function, Parameter},
        shape::has_lifetimes,
    },
    problem::Problems,
    tokens::compact,
};

/// How an argument becomes owned by what may outlive its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArgTransfer {
    /// Moved.
    Moved,
    /// A reference: its referent is copied.
    Copied,
}

/// How each argument becomes owned by what may outlive its caller: `what`, because of this option.
pub(super) fn transfers(
    what: &str,
    option: &Ident,
    function: &Function,
    form: Form,
    problems: &mut Problems,
) -> Vec<ArgTransfer> {
    if form == Form::Alone {
        problems.push(syn::Error::new(
            option.span(),
            format!(
                "{what} can't be that of a function in a trait or an `impl` of one; let it call a free function or an \
                 inherent method that carries the attribute"
            ),
        ));
        return Vec::new();
    }
    if has_lifetimes(&function.output) {
        problems.push(syn::Error::new(
            function.output.span(),
            format!("{what} goes on when its caller has gone, and so can't return what borrows; return an owned type"),
        ));
    }
    let transfers = function.parameters.iter().map(|parameter| {
        transfer(parameter).unwrap_or_else(|borrows| {
            let (name, ty) = (name(parameter), borrows.text());
            problems.push(syn::Error::new(
                parameter.span(),
                format!(
                    "{what} goes on when its caller has gone, and can't keep {name}, a `{ty}`; take an owned value, or a \
                     plain reference to something that is `Clone`, or leave `{option}` out"
                ),
            ));
            ArgTransfer::Moved
        })
    });
    transfers.collect()
}

fn name(parameter: &Parameter) -> String {
    parameter.name.as_ref().map_or_else(|| "this argument".to_owned(), |name| format!("`{name}`"))
}

/// What can't be kept.
enum Borrowed<'a> {
    Type(&'a Type),
    /// `&mut self`
    Self_,
}

impl Borrowed<'_> {
    fn text(&self) -> String {
        match self {
            Borrowed::Type(ty) => compact(&ty.to_token_stream()),
            Borrowed::Self_ => "&mut Self".to_owned(),
        }
    }
}

/// How the argument becomes owned, or its type if it can't.
fn transfer(parameter: &Parameter) -> Result<ArgTransfer, Borrowed<'_>> {
    match &parameter.written {
        FnArg::Receiver(receiver) => match &receiver.kind {
            ReceiverKind::Reference(_, _, None) => Ok(ArgTransfer::Copied),
            ReceiverKind::Reference(..) => Err(Borrowed::Self_),
            ReceiverKind::Typed(_, ty) => transfer_type(ty).map_err(Borrowed::Type),
            _ => Ok(ArgTransfer::Moved),
        },
        FnArg::Typed(typed) => transfer_type(&typed.ty).map_err(Borrowed::Type),
    }
}

fn transfer_type(ty: &Type) -> Result<ArgTransfer, &Type> {
    match ty {
        Type::Group(group) => transfer_type(&group.elem),
        Type::Paren(paren) => transfer_type(&paren.elem),
        // Its bounds may speak of references that it does not hold; the compiler knows.
        Type::ImplTrait(_) => Ok(ArgTransfer::Moved),
        _ if !has_lifetimes(ty) => Ok(ArgTransfer::Moved),
        Type::Reference(TypeReference { mutability: None, elem, .. }) if !has_lifetimes(elem) => {
            Ok(ArgTransfer::Copied)
        }
        _ => Err(ty),
    }
}
