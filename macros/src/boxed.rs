//! Functions that give back a boxed future: what `#[async_trait]` makes of an `async fn` before our attribute sees it.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Block, Expr, Ident, Pat, ReturnType, Stmt, Type};

use crate::signature::{future_output, inside};

/// `{ …; Box::pin(async move { … }) }`
pub(crate) struct Boxed {
    /// What the future gives.
    pub(crate) output: Type,
    /// The statements inside of the future.
    pub(crate) statements: Vec<Stmt>,
    before: Vec<Stmt>,
    pin: Expr,
}

impl Boxed {
    /// `Pin<Box<dyn Future<Output = T>>>` made by a `Box::pin(async move { … })` at the end; nothing else.
    pub(crate) fn recognise(output: &ReturnType, block: &Block) -> Option<Boxed> {
        let ReturnType::Type(_, output) = output else { return None };
        let Type::TraitObject(object) = inside(inside(output, "Pin")?, "Box")? else { return None };
        let output = future_output(&object.bounds)?.clone();
        let (Stmt::Expr(Expr::Call(call), None), before) = block.stmts.split_last()? else { return None };
        let Expr::Path(pin) = &*call.func else { return None };
        if pin.path.segments.last()?.ident != "pin" || call.args.len() != 1 {
            return None;
        }
        let Expr::Async(future) = call.args.first()? else { return None };
        future.capture?;
        Some(Boxed {
            output,
            statements: future.block.stmts.clone(),
            before: before.to_vec(),
            pin: (*call.func).clone(),
        })
    }

    /// The body of the function with other statements inside of its future.
    pub(crate) fn with(&self, statements: &TokenStream) -> TokenStream {
        let (before, pin) = (&self.before, &self.pin);
        quote!({ #(#before)* #pin(async move { #statements }) })
    }

    /// The pattern that a parameter is taken apart by, inside: `let (a, b) = __arg0;`.
    pub(crate) fn destructured(&self, parameter: &Ident) -> Option<Pat> {
        if !parameter.to_string().starts_with("__arg") {
            return None;
        }
        self.statements.iter().find_map(|statement| {
            let Stmt::Local(local) = statement else { return None };
            let Expr::Path(path) = &*local.init.as_ref()?.expr else { return None };
            path.path.is_ident(parameter).then(|| local.pat.clone())
        })
    }
}
