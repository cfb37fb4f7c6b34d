//! Which sequences have an order of chance.

use std::any::type_name;

/// Whether what is gone through has an order of chance, by the name of its type without that of its elements. It is asked for each
/// sequence of each value, and looks at each letter once.
pub(super) fn is_hashed<I>() -> bool {
    let name = type_name::<I>().as_bytes();
    let end = name.iter().position(|byte| matches!(byte, b'<' | b'[' | b'('));
    let container = &name[..end.unwrap_or(name.len())];
    container.iter().enumerate().any(|(at, byte)| {
        let rest = &container[at..];
        match byte {
            b'H' => rest.starts_with(b"Hash"),
            b'D' => rest.starts_with(b"Dash"),
            b':' => rest.starts_with(b"::hash::"),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap, HashSet, hash_map};

    use super::is_hashed;

    struct DashSet;

    #[test]
    fn what_is_hashed_has_an_order_of_chance() {
        assert!(
            is_hashed::<HashSet<u8>>() && is_hashed::<&HashMap<u8, Vec<u8>>>() && is_hashed::<&mut DashSet>()
        );
        assert!(is_hashed::<hash_map::Iter<'_, u8, u8>>());
        assert!(!is_hashed::<BTreeSet<u8>>() && !is_hashed::<&[u8]>());
    }

    #[test]
    fn what_holds_hashed_elements_has_an_order() {
        assert!(!is_hashed::<Vec<HashSet<u8>>>() && !is_hashed::<&[HashSet<u8>]>());
        assert!(!is_hashed::<[HashSet<u8>; 2]>() && !is_hashed::<&(HashSet<u8>, u8)>());
    }
}
