//! Why a command came to nothing.

use redis::RedisError;

use crate::store::answer::StoreError;

/// Why a command came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    Redis(RedisError),
    /// There is no connection.
    Down(String),
    /// Too many commands are on their way.
    Full,
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> StoreError {
        match failure {
            Failure::Redis(error) => store_error(&error),
            Failure::Down(reason) => StoreError::Unreachable(reason),
            Failure::Full => StoreError::Full,
        }
    }
}

pub(super) fn store_error(error: &RedisError) -> StoreError {
    let Some(code) = error.code() else { return StoreError::Unreachable(error.to_string()) };
    let detail = error.detail().unwrap_or_default();
    // Servers before 7.0 wrap what a script's command said in an error of the script's.
    if code == "WRONGTYPE" || detail.contains(": WRONGTYPE ") {
        return StoreError::Foreign;
    }
    StoreError::Server(format!("{code} {detail}"))
}
