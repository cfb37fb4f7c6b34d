//! Several of something, where most often there is one: the tags of an entry.

use std::ops::Deref;

/// Several of something. One by itself takes no allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Few<T> {
    One(T),
    Several(Vec<T>),
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Few::Several(Vec::new())
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Few::One(one) => std::slice::from_ref(one),
            Few::Several(several) => several,
        }
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Self {
        let mut all = all.into_iter();
        match (all.next(), all.next()) {
            (Some(one), None) => Few::One(one),
            (first, second) => Few::Several(first.into_iter().chain(second).chain(all).collect()),
        }
    }
}

impl<T> Few<T> {
    pub(crate) fn push(&mut self, next: T) {
        *self = match std::mem::take(self) {
            Few::One(one) => Few::Several(vec![one, next]),
            Few::Several(several) if several.is_empty() => Few::One(next),
            Few::Several(mut several) => {
                several.push(next);
                Few::Several(several)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_it_was_given_in_that_order() {
        for count in 0..5 {
            let collected: Few<usize> = (0..count).collect();
            let mut pushed = Few::default();
            (0..count).for_each(|next| pushed.push(next));
            assert!(collected.iter().copied().eq(0..count) && collected == pushed, "{count}");
            assert_eq!(matches!(collected, Few::One(_)), count == 1);
        }
    }
}
