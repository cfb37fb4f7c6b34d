//! The cached functions that have been called, by number.

use crate::{
    function::{read::ReadFunction, templates},
    lock::RwLock,
};

/// Every cached function that has been called, by its number.
pub(crate) static FUNCTIONS: RwLock<Vec<&'static ReadFunction>> = RwLock::new(Vec::new());

/// The module of what stands for a [`Cached`](crate::Cached), which is no function of any.
pub(crate) const FAMILIES: &str = "Cached";

/// Whether a [`Cached`](crate::Cached) is behind it.
pub(crate) fn is_family(function: &ReadFunction) -> bool {
    function.settings.module == FAMILIES
}

/// Every `Cached` that has been used.
pub(crate) fn families() -> Vec<&'static ReadFunction> {
    let functions = FUNCTIONS.read();
    functions.iter().copied().filter(|function| is_family(function)).collect()
}

/// Gives a function its number, and reports one whose template another has already.
fn register(function: &'static ReadFunction) -> usize {
    templates::register(function);
    let mut functions = FUNCTIONS.write();
    functions.push(function);
    functions.len() - 1
}

impl ReadFunction {
    /// The function's number in this program, given at its first call.
    pub(crate) fn number(&'static self) -> usize {
        *self.number.get_or_init(|| register(self))
    }
}
