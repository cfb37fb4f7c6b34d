//! Functions that return a boxed future: what `#[async_trait]` makes of an `async fn` before our attribute sees it.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Block, Expr, Ident, Pat, ReturnType, Stmt, Type, parse_quote};

use crate::item::types::{future_output, inside};

/// `{ …; Box::pin(async move { … }) }`
#[derive(Clone)]
pub(crate) struct BoxedFuture {
    /// As it was written.
    pub(crate) block: Block,
    /// The output of the future.
    pub(crate) output: Type,
    /// The statements inside of the future.
    pub(crate) statements: Vec<Stmt>,
    before: Vec<Stmt>,
    pin: Expr,
}

impl BoxedFuture {
    /// `Pin<Box<dyn Future<Output = T>>>` made by a `Box::pin(async move { … })` at the end; nothing else.
    pub(crate) fn recognise(output: &ReturnType, block: &Block) -> Option<BoxedFuture> {
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
        Some(BoxedFuture {
            block: block.clone(),
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

    /// The pattern that a parameter is taken apart by, inside: `let (a, b) = __arg0;`, or
    /// `let (a, b) = { let __arg0 = __arg0; __arg0 };`. One that is only bound again was a `_`.
    pub(crate) fn destructured(&self, parameter: &Ident) -> Option<Pat> {
        if !parameter.to_string().starts_with("__arg") {
            return None;
        }
        self.statements.iter().find_map(|statement| {
            let Stmt::Local(local) = statement else { return None };
            let is_parameter =
                |expr: &Expr| matches!(expr, Expr::Path(path) if path.path.is_ident(parameter));
            let is_given = match &*local.init.as_ref()?.expr {
                Expr::Block(block) => {
                    matches!(block.block.stmts.last()?, Stmt::Expr(last, None) if is_parameter(last))
                }
                expr => is_parameter(expr),
            };
            let is_itself = matches!(&local.pat, Pat::Ident(pat) if pat.ident == *parameter);
            is_given.then(|| if is_itself { parse_quote!(_) } else { local.pat.clone() })
        })
    }
}
