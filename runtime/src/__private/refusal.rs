//! How a write says that it was refused, where its return type allows it.

use std::marker::PhantomData;

use crate::{
    Error,
    outcome::{Refusable, refuse},
};

/// How a write of this return type is refused, if the type can say so: by [`NoRefusal`] it can't.
#[derive(Debug)]
pub struct MayRefuse<R>(PhantomData<R>);

impl<R: Refusable> MayRefuse<R> {
    /// The return value of a write that was not begun.
    pub const REFUSE: Option<fn(Error) -> R> = Some(refuse::<R>);
}

/// The constant of return types that can't say that a write was refused.
pub trait NoRefusal<R> {
    /// There is no such return value.
    const REFUSE: Option<fn(Error) -> R> = None;
}

impl<R> NoRefusal<R> for MayRefuse<R> {}
