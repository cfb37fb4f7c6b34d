//! Arguments of a derived key: only types whose text is known to tell their values apart.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, LinkedList, VecDeque},
    fmt::{self, Debug, Display, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZero,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

/// An argument that a derived key (an attribute without `key = …`) can contain.
///
/// A derived key takes only types of which it is known that **equal values have equal texts, and different values different
/// ones**. These implement it: integers, `bool`, `char`, strings, floats, [`Duration`], IP addresses, and `Option`, tuples,
/// references, `Box`, `Rc`, `Arc`, `Cow`, arrays, slices, `Vec`, `VecDeque`, `LinkedList`, `BTreeMap` and `BTreeSet` of these.
///
/// Other types do not, and an attribute with such a parameter needs a `key` or a `skip`: a `HashMap` comes in an order of
/// chance, a secret prints as `[REDACTED]`, a number of bytes as `1.4 MiB`. Implement it for a type of yours whose text does
/// tell its values apart:
///
/// ```
/// # use cached_aside::{KeyPart, cached_aside};
/// use std::fmt::{self, Display};
///
/// struct UserId(u64);
///
/// impl KeyPart for UserId {
///     fn write_key_part(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         Display::fmt(&self.0, f)
///     }
/// }
///
/// #[cached_aside(ttl = "5m")]
/// async fn user_name(id: UserId) -> String {
///     format!("user {}", id.0)
/// }
///
/// assert!(user_name::key(UserId(7)).as_str().ends_with("user_name:7"));
/// ```
///
/// ```compile_fail
/// # use cached_aside::cached_aside;
/// # use std::collections::HashMap;
/// #[cached_aside(ttl = "5m")] // two equal maps would give two keys
/// async fn search(filter: HashMap<String, u64>) -> Vec<u64> {
/// #   let _ = filter;
///     // …
/// #   vec![]
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "a derived key can't contain `{Self}`: nothing says that equal values print alike, and different ones differently",
    label = "write a `key` for this parameter, or `skip` it",
    note = "name what tells two values apart, such as `key = \"search:{{filter.text}}\"`, or leave the parameter out: `skip(filter)`",
    note = "for a type of yours whose text tells its values apart: `impl cached_aside::KeyPart for …`"
)]
pub trait KeyPart {
    /// Writes the text that stands in the key. The key encodes whatever could separate, so it may contain any character.
    ///
    /// # Errors
    ///
    /// Those of the formatter. A call whose key can't be written runs uncached, and an error in the log says so.
    fn write_key_part(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// The same inside of a list, a tuple or an `Option`: in quotes where it could be taken for more than one element.
    #[doc(hidden)]
    fn write_element(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        write!(text, "{}", Part(self))?;
        let is_word = |byte| matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'.');
        if !text.is_empty() && text.bytes().all(is_word) { f.write_str(&text) } else { Debug::fmt(&text, f) }
    }
}

/// An argument as a derived key writes it.
pub(super) struct Part<'a, T: ?Sized>(pub(super) &'a T);

impl<T: KeyPart + ?Sized> Display for Part<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write_key_part(f)
    }
}

/// An argument inside of another, for the helpers that write collections.
struct Element<'a, T: ?Sized>(&'a T);

impl<T: KeyPart + ?Sized> Debug for Element<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write_element(f)
    }
}

/// Types whose `Display` tells all, and inside of others their `Debug`.
macro_rules! printed {
    ($($printed:ty)*) => {$(
        #[diagnostic::do_not_recommend]
        impl KeyPart for $printed {
            fn write_key_part(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Display::fmt(self, f)
            }

            fn write_element(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Debug::fmt(self, f)
            }
        }
    )*};
}

printed! { u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize bool char f32 f64 str String }
printed! { NonZero<u8> NonZero<u16> NonZero<u32> NonZero<u64> NonZero<u128> NonZero<usize> }
printed! { NonZero<i8> NonZero<i16> NonZero<i32> NonZero<i64> NonZero<i128> NonZero<isize> }
printed! { IpAddr Ipv4Addr Ipv6Addr }

#[diagnostic::do_not_recommend]
impl KeyPart for Duration {
    fn write_key_part(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Debug::fmt(self, f)
    }
}

/// What only points to an argument.
macro_rules! pointers {
    ($([$($generics:tt)*] $pointer:ty)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<$($generics)*> KeyPart for $pointer {
            fn write_key_part(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).write_key_part(f)
            }

            fn write_element(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).write_element(f)
            }
        }
    )*};
}

pointers! {
    [T: KeyPart + ?Sized] &T
    [T: KeyPart + ?Sized] &mut T
    [T: KeyPart + ?Sized] Box<T>
    [T: KeyPart + ?Sized] Rc<T>
    [T: KeyPart + ?Sized] Arc<T>
    [T: KeyPart + ToOwned + ?Sized] Cow<'_, T>
}

/// What holds several arguments, in an order of its own. Inside of others the brackets keep it apart.
macro_rules! collections {
    ($([$($generics:tt)*] $collection:ty, $self:ident, $f:ident => $written:expr;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<$($generics)*> KeyPart for $collection {
            fn write_key_part(&$self, $f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $written
            }

            fn write_element(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.write_key_part(f)
            }
        }
    )*};
}

collections! {
    [T: KeyPart] Option<T>, self, f => match self {
        Some(value) => f.debug_tuple("Some").field(&Element(value)).finish(),
        None => f.write_str("None"),
    };
    [T: KeyPart] [T], self, f => f.debug_list().entries(self.iter().map(Element)).finish();
    [T: KeyPart, const N: usize] [T; N], self, f => self.as_slice().write_key_part(f);
    [T: KeyPart] Vec<T>, self, f => self.as_slice().write_key_part(f);
    [T: KeyPart] VecDeque<T>, self, f => f.debug_list().entries(self.iter().map(Element)).finish();
    [T: KeyPart] LinkedList<T>, self, f => f.debug_list().entries(self.iter().map(Element)).finish();
    [T: KeyPart] BTreeSet<T>, self, f => f.debug_set().entries(self.iter().map(Element)).finish();
    [K: KeyPart, V: KeyPart] BTreeMap<K, V>, self, f => {
        f.debug_map().entries(self.iter().map(|(key, value)| (Element(key), Element(value)))).finish()
    };
}

macro_rules! tuples {
    ($(($($name:ident)*))*) => {$(
        #[diagnostic::do_not_recommend]
        impl<$($name: KeyPart),*> KeyPart for ($($name,)*) {
            #[allow(non_snake_case, reason = "each variable has the name of its type")]
            fn write_key_part(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let ($($name,)*) = self;
                f.debug_tuple("")$(.field(&Element($name)))*.finish()
            }

            fn write_element(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.write_key_part(f)
            }
        }
    )*};
}

#[diagnostic::do_not_recommend]
impl KeyPart for () {
    fn write_key_part(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("()")
    }
}

tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::KeyWriter;

    fn text(argument: &(impl KeyPart + ?Sized)) -> String {
        Part(argument).to_string()
    }

    /// A type of a user, whose text may hold anything.
    #[derive(Debug, Clone, PartialEq)]
    struct Own(String);

    impl KeyPart for Own {
        fn write_key_part(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&self.0)
        }
    }

    #[test]
    fn arguments_are_written_as_people_would() {
        assert_eq!(text("a, b"), "a, b");
        assert_eq!(text(&7_u8), "7");
        assert_eq!(text(&Some("a, b")), "Some(\"a, b\")");
        assert_eq!(text(&None::<u8>), "None");
        assert_eq!(text(&vec![Some(1), None]), "[Some(1), None]");
        assert_eq!(text(&(1, "a", ['b'], ())), "(1, \"a\", ['b'], \"()\")");
        assert_eq!(text(&BTreeMap::from([(2, "b"), (1, "a")])), "{1: \"a\", 2: \"b\"}");
        assert_eq!(text(&BTreeSet::from([2, 1])), "{1, 2}");
        assert_eq!(text(&Arc::new(Cow::Borrowed("x"))), "x");
        assert_eq!(text(&Duration::from_millis(1500)), "1.5s");
        assert_eq!(text(&Own("a b".into())), "a b");
        assert_eq!(text(&[Own("a-b".into()), Own("a b".into())]), "[a-b, \"a b\"]");
    }

    #[test]
    fn what_fails_inside_of_another_fails_as_a_whole() {
        struct Fails;
        impl KeyPart for Fails {
            fn write_key_part(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                Err(fmt::Error)
            }
        }
        let key = KeyWriter::new("x:").part(&vec![Some(Fails)]).finish();
        assert!(!key.is_whole());
        assert!(KeyWriter::new("x:").part(&vec![Some(1)]).finish().is_whole());
    }

    proptest! {
        #[test]
        fn no_two_arguments_are_written_alike(
            one: (Vec<String>, Option<String>, Vec<Vec<u8>>),
            other: (Vec<String>, Option<String>, Vec<Vec<u8>>),
        ) {
            prop_assert_eq!(one == other, text(&one) == text(&other));
        }

        /// Texts that are near each other, in lists of a type that says nothing about them.
        #[test]
        fn no_two_lists_of_texts_are_written_alike(
            one in prop::collection::vec("[a,\\\\ \"\\[\\]()]{0,4}", 0..4),
            other in prop::collection::vec("[a,\\\\ \"\\[\\]()]{0,4}", 0..4),
        ) {
            let own = |texts: &[String]| texts.iter().cloned().map(Own).collect::<Vec<_>>();
            prop_assert_eq!(one == other, text(&own(&one)) == text(&own(&other)));
            prop_assert_eq!(one == other, text(&one) == text(&other));
        }
    }
}
