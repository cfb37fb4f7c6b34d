//! Why a command failed.

use redis::RedisError;

use crate::store::answer::StoreError;

/// Why a command failed.
#[derive(Debug)]
pub(super) enum Failure {
    Redis(RedisError),
    /// The connection is down, for this reason.
    Down(String),
    /// Too many commands are in flight.
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
    server_error(&format!("{code} {}", error.detail().unwrap_or_default()))
}

/// An error by its text, which begins with its code.
pub(super) fn server_error(text: &str) -> StoreError {
    // Servers before 7.0 wrap the error of a script's command in an error of the script.
    if text.starts_with("WRONGTYPE ") || text.contains(": WRONGTYPE ") {
        return StoreError::Foreign;
    }
    StoreError::Server(text.to_owned())
}

/// Why the replicas were not waited for, and what is to be done about it.
pub(super) fn not_waited(error: &RedisError) -> StoreError {
    match store_error(error) {
        StoreError::Server(text) if error.code() == Some("NOPERM") => {
            StoreError::Server(format!("{text}; grant the user `+wait`, or leave `wait_replicas` out"))
        }
        other => other,
    }
}

/// Why a server was not reached, and what is to be done about it.
pub(super) fn explained(error: &RedisError) -> String {
    let text = match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    };
    match error.code() {
        Some("NOAUTH") => format!("it wants a login; write `redis://:password@host` ({text})"),
        Some("WRONGPASS") => format!("it does not take the login that the URL has ({text})"),
        // Servers and redis-rs have several ways of saying so.
        _ if text.contains("permission")
            && (text.contains("'select'") || text.contains("switch database")) =>
        {
            format!("{text}; grant the user `+select`, or name no database")
        }
        _ => text,
    }
}
