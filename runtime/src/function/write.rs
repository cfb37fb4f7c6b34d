//! What `#[invalidates]` and `#[updates]` fixed when compiling.

use std::{panic::Location, time::Duration};

use super::{
    name::FunctionName,
    read::{ReadFunction, TagName},
};

/// What a write does when its keys can't be guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Guard {
    /// Go on without.
    #[default]
    BestEffort,
    /// Refuse the write.
    Required,
    /// Never guard; delete afterwards only.
    Off,
}

/// What a write names.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// A cached function.
    Function(fn() -> &'static ReadFunction),
    /// A method, as it is written: `Repo::load`; only its name where the value's type is not written.
    Method(&'static str),
    /// Keys by their template.
    Template(&'static str),
    /// Every entry that carries a tag.
    Tag(TagName),
    /// Any other expression.
    Other(&'static str),
}

/// The settings of one `#[invalidates]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WriteSettings {
    pub(crate) module: &'static str,
    pub(crate) name: &'static str,
    pub(crate) file: &'static str,
    pub(crate) line: u32,
    pub(crate) guard: Guard,
    pub(crate) guard_for: Duration,
    pub(crate) settle: Duration,
    pub(crate) wait_replicas: u8,
    /// How many attributes that write stand around this one, on the same function.
    pub(crate) attributes_around: u8,
    /// Whether somebody else commits what it writes.
    pub(crate) in_transaction_only: bool,
    /// Whether it commits a transaction of its own: what its body reads may never be committed.
    pub(crate) own_transaction: bool,
    /// What it names, for the catalog.
    pub(crate) targets: &'static [Target],
    /// Whether it is a `keys![…]` inside of the function of this name.
    pub(crate) is_by_hand: bool,
}

impl WriteSettings {
    pub(crate) const fn function(&self) -> FunctionName {
        FunctionName { module: self.module, name: self.name }
    }
}

/// How long a guard may go unrenewed, unless the attribute says so.
pub(crate) const GUARD_FOR: Duration = Duration::from_secs(10);

/// One function with `#[invalidates]`.
#[derive(Debug)]
pub struct WriteFunction {
    pub(crate) settings: WriteSettings,
}

impl WriteFunction {
    /// A function with the default settings, declared where this is called.
    #[must_use]
    #[track_caller]
    pub const fn declare(module: &'static str, name: &'static str) -> Self {
        let here = Location::caller();
        WriteFunction {
            settings: WriteSettings {
                module,
                name,
                file: here.file(),
                line: here.line(),
                guard: Guard::BestEffort,
                guard_for: GUARD_FOR,
                settle: Duration::ZERO,
                wait_replicas: 0,
                in_transaction_only: false,
                own_transaction: false,
                attributes_around: 0,
                targets: &[],
                is_by_hand: false,
            },
        }
    }

    /// What it names.
    #[must_use]
    pub const fn targets(mut self, targets: &'static [Target]) -> Self {
        self.settings.targets = targets;
        self
    }

    /// It is a `keys![…]`.
    #[must_use]
    pub const fn by_hand(mut self) -> Self {
        self.settings.is_by_hand = true;
        self
    }

    /// `guard = …`.
    #[must_use]
    pub const fn guard(mut self, guard: Guard) -> Self {
        self.settings.guard = guard;
        self
    }

    /// `guard_for = …`.
    ///
    /// # Panics
    ///
    /// When compiling, if it is shorter than 10 ms (it is renewed each third of it) or longer than an hour.
    #[must_use]
    pub const fn guard_for(mut self, hold: Duration) -> Self {
        assert!(hold.as_millis() >= 10, "`guard_for` must be at least 10ms");
        assert!(hold.as_secs() <= 3600, "`guard_for` must be at most 1h: it is renewed while the write runs");
        self.settings.guard_for = hold;
        self
    }

    /// `settle = …`.
    ///
    /// # Panics
    ///
    /// When compiling, if it is longer than an hour.
    #[must_use]
    pub const fn settle(mut self, settle: Duration) -> Self {
        assert!(settle.as_secs() <= 3600, "`settle` must be at most 1h");
        self.settings.settle = settle;
        self
    }

    /// Below this attribute stand so many others that write: those are around it.
    #[must_use]
    pub const fn attributes_around(mut self, around: u8) -> Self {
        self.settings.attributes_around = around;
        self
    }

    /// `transaction = "required"`.
    #[must_use]
    pub const fn in_transaction_only(mut self) -> Self {
        self.settings.in_transaction_only = true;
        self
    }

    /// `transaction = "own"`.
    #[must_use]
    pub const fn own_transaction(mut self) -> Self {
        self.settings.own_transaction = true;
        self
    }

    /// `wait_replicas = …`.
    #[must_use]
    pub const fn wait_replicas(mut self, replicas: u8) -> Self {
        self.settings.wait_replicas = replicas;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults() {
        static WRITE: WriteFunction = WriteFunction::declare("module", "save");
        let WriteSettings { guard, guard_for, settle, .. } = WRITE.settings;
        assert_eq!((guard, guard_for, settle), (Guard::BestEffort, Duration::from_secs(10), Duration::ZERO));
        assert!(WRITE.settings.file.ends_with("function/write.rs"));
    }
}
