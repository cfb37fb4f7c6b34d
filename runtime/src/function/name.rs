//! Which function a line of the log is about.

use std::collections::BTreeMap;

/// A function's module and its name. Functions of different modules may have one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FunctionName {
    pub(crate) module: &'static str,
    pub(crate) name: &'static str,
}

impl FunctionName {
    /// A function of this library.
    pub(crate) const fn of_library(name: &'static str) -> FunctionName {
        FunctionName { module: "cached_aside", name }
    }
}

/// Names with numbers: a key of a write needs only the number of the function that named it.
#[derive(Debug, Default)]
pub(crate) struct FunctionNames(Vec<FunctionName>);

impl FunctionNames {
    /// The number of this one. More than there are numbers have the last one together.
    pub(crate) fn number_of(&mut self, function: FunctionName) -> u16 {
        let known = self.0.iter().position(|known| *known == function);
        let number = known.unwrap_or_else(|| {
            self.0.push(function);
            self.0.len() - 1
        });
        u16::try_from(number).unwrap_or(u16::MAX)
    }

    /// These by the functions whose numbers they have. None is left out.
    pub(crate) fn group<T>(
        &self,
        items: impl IntoIterator<Item = T>,
        number: impl Fn(&T) -> Option<u16>,
    ) -> Vec<(FunctionName, Vec<T>)> {
        if let [only] = self.0[..] {
            return vec![(only, items.into_iter().collect())];
        }
        let mut groups: BTreeMap<u16, Vec<T>> = BTreeMap::new();
        for item in items {
            groups.entry(number(&item).unwrap_or_default()).or_default().push(item);
        }
        let name = |number: u16| self.0.get(usize::from(number)).copied();
        let unknown = FunctionName::of_library("invalidate");
        groups.into_iter().map(|(number, items)| (name(number).unwrap_or(unknown), items)).collect()
    }
}
