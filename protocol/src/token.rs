//! The identity of one acquisition.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    time::Instant,
};

/// A random number that identifies one acquisition: a lease, a guard, a refresh. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token([u8; Token::LEN]);

/// Numbers below this are no tokens: in the place of the token of a refresh they count failures.
const FIRST: u64 = 256;

impl Token {
    /// Length in an entry (bytes).
    pub const LEN: usize = 8;

    /// A fresh token from the operating system's generator.
    pub fn fresh() -> Token {
        // If the system has no randomness, the keys of the standard library's hasher differ too.
        let number = getrandom::u64().unwrap_or_else(|_| RandomState::new().hash_one(Instant::now()));
        Token::numbered(number.max(FIRST))
    }

    /// So many fresh tokens, for one call of the system.
    pub fn several(count: usize) -> impl Iterator<Item = Token> {
        let mut numbers = vec![0; Token::LEN * count];
        let filled = getrandom::fill(&mut numbers).is_ok();
        (0..count).map(move |place| match numbers[Token::LEN * place..].first_chunk() {
            Some(number) if filled => Token::numbered(u64::from_ne_bytes(*number).max(FIRST)),
            _ => Token::fresh(),
        })
    }

    /// The token with this number, for tests and tools. One that a program acquires with has to be [`fresh`](Token::fresh).
    pub const fn numbered(number: u64) -> Token {
        Token(number.to_be_bytes())
    }

    /// The token in an entry.
    pub const fn from_bytes(bytes: [u8; Token::LEN]) -> Token {
        Token(bytes)
    }

    /// The bytes in an entry.
    pub const fn as_bytes(&self) -> &[u8; Token::LEN] {
        &self.0
    }
}

/// A token tells who may store; it is never printed.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn several_tokens_are_as_fresh_as_one() {
        let tokens: HashSet<Token> = Token::several(1_000).chain(Token::several(1_000)).collect();
        assert_eq!(tokens.len(), 2_000);
        assert_eq!(Token::several(0).count(), 0);
        assert!(tokens.iter().all(|token| u64::from_be_bytes(token.0) >= FIRST));
    }
}
