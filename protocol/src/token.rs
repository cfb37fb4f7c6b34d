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
