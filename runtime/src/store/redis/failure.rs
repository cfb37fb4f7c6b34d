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

/// The error of a command that a script has called, by its text, as if the server had answered with it.
pub(super) fn error_in_script(text: &str) -> RedisError {
    let is_code = |code: &str| !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_uppercase());
    let (code, detail) = text.split_once(' ').filter(|(code, _)| is_code(code)).unwrap_or(("ERR", text));
    redis::make_extension_error(code.to_owned(), Some(detail.to_owned()))
}

/// Whether the server is a replica and takes no writes.
pub(super) fn is_read_only(error: &RedisError) -> bool {
    let wrapped = || error.detail().is_some_and(|detail| detail.contains("-READONLY "));
    // Servers before 7.0 wrap it as well.
    error.code() == Some("READONLY") || error.code() == Some("ERR") && wrapped()
}

/// Whether the node refuses all keys because its cluster as a whole is down, rather than those of one slot.
pub(super) fn is_cluster_down(error: &RedisError) -> bool {
    error.code() == Some("CLUSTERDOWN")
        && error.detail().is_some_and(|detail| detail.starts_with("The cluster is down"))
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
        // The arguments of a command that the server does not know: those of `HELLO` are the login.
        (Some(code), Some(detail)) => {
            format!("{code} {}", detail.split(", with args beginning with").next().unwrap_or_default())
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const READ_ONLY: [&str; 4] = [
        "READONLY You can't write against a read only replica.",
        "-READONLY You can't write against a read only replica.",
        "@user_script: 4: -READONLY You can't write against a read only replica.",
        "ERR Error running script (call to f_5b): @user_script:4: @user_script: 4: -READONLY You can't write \
         against a read only replica.",
    ];

    #[test]
    fn a_replica_is_known_by_what_it_says_to_a_script() {
        for text in READ_ONLY {
            assert!(is_read_only(&error_in_script(text)), "{text}");
        }
        for text in ["ERR syntax error", "OOM command not allowed", "WRONGTYPE -READONLY ", ""] {
            assert!(!is_read_only(&error_in_script(text)), "{text}");
        }
    }

    #[test]
    fn a_command_that_is_not_known_is_not_repeated_with_the_login_in_it() {
        let said = "ERR Unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'me' 'secret' ";
        assert_eq!(explained(&error_in_script(said)), "ERR Unknown command 'HELLO'");
    }
}
