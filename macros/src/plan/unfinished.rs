//! A cached function whose attribute has mistakes: what the calls that name it need of it, so that nothing is said of them.

use quote::ToTokens;
use syn::GenericParam;

use super::{
    form::Form,
    read::{key, name_of_companions},
};
use crate::{item::function::Function, parse::args::ReadArgs, problem::Problems, tokens::mentions};

/// The companions that make its key.
pub(crate) struct Unfinished {
    pub(crate) form: Form,
    /// Whether the key uses `self`.
    pub(crate) of_self: bool,
    /// Number of its other arguments.
    pub(crate) arguments: usize,
}

/// `None` where they would be further mistakes.
pub(crate) fn unfinished(args: &ReadArgs, function: &Function) -> Option<Unfinished> {
    let form = Form::of(function);
    let mut problems = Problems::default();
    name_of_companions(function, form, &mut problems);
    problems.finish().ok()?;
    let is_generic =
        function.sig.generics.params.iter().any(|parameter| !matches!(parameter, GenericParam::Lifetime(_)));
    if form == Form::Alone || is_generic || mentions(&function.output.to_token_stream(), "impl") {
        return None;
    }
    let key = key(args, function, form, &mut Problems::default());
    let skip = args.skip.as_ref().map_or(&[][..], |skip| &skip.value);
    // With a template that can't be understood every parameter has to be in the key that is not skipped.
    let is_used = |number: usize| match &key {
        Some((key, _)) => key.uses(number),
        None => !skip.iter().any(|name| function.parameters[number].binds(&name.to_string())),
    };
    let (of_self, others): (Vec<usize>, Vec<usize>) = (0..function.parameters.len())
        .filter(|number| is_used(*number))
        .partition(|number| function.parameters[*number].is_self());
    Some(Unfinished { form, of_self: !of_self.is_empty(), arguments: others.len() })
}
