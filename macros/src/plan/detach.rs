//! `detach`: a write that goes on when its caller has gone.

use syn::{FnArg, Pat, PatIdent};

use super::{
    form::Form,
    transfer::{ArgTransfer, transfers},
};
use crate::{
    item::function::{Function, Parameter},
    parse::args::WriteArgs,
    problem::Problems,
};

/// How each argument becomes owned by the write, if it is detached.
pub(super) fn detach(
    args: &WriteArgs,
    function: &Function,
    around: Option<u8>,
    problems: &mut Problems,
) -> Option<Vec<ArgTransfer>> {
    let option = &args.detach.as_ref()?.name;
    let form = Form::of(function);
    if around.is_some() && form != Form::Alone {
        problems.push(syn::Error::new(
            option.span(),
            "of several attributes the last one is around the others; write `detach` there, so that all of them go on when the \
             caller has gone",
        ));
    }
    if form != Form::Alone {
        for parameter in function.parameters.iter().filter(|parameter| is_taken_apart(parameter)) {
            problems.push(syn::Error::new(
                parameter.span(),
                "a detached write is given its arguments whole; give this one a name, and take it apart in the body",
            ));
        }
    }
    Some(transfers("a detached write", option, function, form, problems))
}

fn is_taken_apart(parameter: &Parameter) -> bool {
    match &parameter.written {
        FnArg::Receiver(_) => false,
        FnArg::Typed(typed) => {
            !matches!(&*typed.pat, Pat::Ident(PatIdent { subpat: None, .. }) | Pat::Wild(_))
        }
    }
}
