//! `load_user(id) for id in ids`: the items of a list, and what their names stand for.

use std::{iter, ops::Deref};

/// A list that is lent: `users`, `order.lines`, `result`.
#[derive(Debug)]
pub struct Lent<'a, T: ?Sized>(pub &'a T);

impl<T: ?Sized> Clone for Lent<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Lent<'_, T> {}

impl<'a, T: ?Sized> Lent<'a, T>
where
    &'a T: IntoIterator,
{
    /// Its items.
    pub fn items(&self) -> <&'a T as IntoIterator>::IntoIter {
        self.0.into_iter()
    }
}

/// The items of a list behind a reference or a pointer.
pub trait LentTarget {
    /// Goes through them.
    type Items: Iterator;

    /// Its items.
    fn items(&self) -> Self::Items;
}

impl<'a, P: Deref> LentTarget for &Lent<'a, P>
where
    &'a P::Target: IntoIterator,
{
    type Items = <&'a P::Target as IntoIterator>::IntoIter;

    fn items(&self) -> Self::Items {
        self.0.deref().into_iter()
    }
}

/// What can be gone through by reference.
#[diagnostic::on_unimplemented(
    message = "the list after `for … in` is lent, and `{Self}` can't be gone through by reference",
    label = "this is a `{Self}`",
    note = "take a slice, a `Vec`, a set, a map or an `Option`, or write an iterator, such as `ids.iter()` or `ids.clone()`"
)]
pub trait List {
    /// The items' type.
    type Item;
}

/// The method of every other type, whose bound has the message.
pub trait NotLent<T: ?Sized> {
    /// Never called.
    fn items(self) -> iter::Empty<T::Item>
    where
        T: List;
}

impl<T: ?Sized> NotLent<T> for Lent<'_, T> {
    fn items(self) -> iter::Empty<T::Item>
    where
        T: List,
    {
        iter::empty()
    }
}

/// What the name of an item is bound to. It stands for a copy, if that is or refers to a type that is `Copy`, else for a reference.
#[derive(Debug)]
pub struct Item<'a, T>(pub &'a T);

impl<T> Clone for Item<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Item<'_, T> {}

/// A copy of what a reference refers to.
pub trait ItemTarget {
    /// Its type.
    type Of;

    /// The copy.
    fn item(&self) -> Self::Of;
}

impl<T: Copy> ItemTarget for &Item<'_, &T> {
    type Of = T;

    fn item(&self) -> T {
        **self.0
    }
}

/// A copy.
pub trait ItemCopy {
    /// Its type.
    type Of;

    /// The copy.
    fn item(&self) -> Self::Of;
}

impl<T: Copy> ItemCopy for Item<'_, T> {
    type Of = T;

    fn item(&self) -> T {
        *self.0
    }
}

/// A reference.
pub trait ItemRef {
    /// Its type.
    type Of;

    /// The reference.
    fn item(self) -> Self::Of;
}

impl<'a, T> ItemRef for Item<'a, T> {
    type Of = &'a T;

    fn item(self) -> &'a T {
        self.0
    }
}

impl<'b, T: ?Sized> Item<'_, &'b T> {
    /// What `*id` is, where the name stands for a reference: it lives as long as that says.
    pub fn behind(self) -> &'b T {
        self.0
    }
}

/// What `*id` is, where the name stands for a pointer.
pub trait ItemBehind {
    /// A reference to it.
    type Of;

    /// The reference, which is dereferenced.
    fn behind(self) -> Self::Of;
}

impl<'a, T: Deref> ItemBehind for Item<'a, T> {
    type Of = &'a T::Target;

    fn behind(self) -> &'a T::Target {
        self.0
    }
}

/// What `*id` is where the name stands for a copy: that. It is what one writes who thinks of the list, which may hold or lend references.
pub trait ItemItself {
    /// A reference to it.
    type Of;

    /// The reference, which is dereferenced.
    fn behind(self) -> Self::Of;
}

impl<'a, T: Copy> ItemItself for &Item<'a, T> {
    type Of = &'a T;

    fn behind(self) -> &'a T {
        self.0
    }
}

/// The keys of a list's items, without those that there are not.
pub fn keys_of_list<I: Iterator, K>(items: I, key: impl FnMut(I::Item) -> Option<K>) -> Vec<K> {
    items.filter_map(key).collect()
}
