//! What a URL says, or why it can never work. No message holds any part of the URL that could be secret.

use redis::{ConnectionInfo, IntoConnectionInfo};

/// Schemes of single servers.
const SCHEMES: [&str; 5] = ["redis", "valkey", "redis+unix", "valkey+unix", "unix"];

/// The server that a URL names.
pub(crate) fn address(url: &str) -> Result<ConnectionInfo, String> {
    let Some((scheme, _)) = url.split_once("://") else {
        return Err(
            "it has no scheme; write `redis://host:6379` or `redis+unix:///path/to/socket`".to_owned()
        );
    };
    match scheme {
        "rediss" | "valkeys" => Err("this version of cached-aside has no TLS; write `redis://…`".to_owned()),
        "redis-cluster" | "redis-sentinel" => Err(format!(
            "this version of cached-aside does not know `{scheme}`; write `redis://…` for a single server"
        )),
        // It is not repeated: somebody may have written a password before the `://`.
        scheme if !SCHEMES.contains(&scheme) => {
            Err("unknown scheme; write `redis://…` or `redis+unix://…`".to_owned())
        }
        _ => url.into_connection_info().map_err(|error| explain(&error)),
    }
}

/// redis-rs says what is wrong in fixed words; a detail, which could quote the URL, is not passed on.
fn explain(error: &redis::RedisError) -> String {
    let text = if error.detail().is_none() { error.to_string() } else { error.category().to_owned() };
    let what = text.split(" - ").next().unwrap_or_default();
    format!("{what}; write `redis://[user:password@]host[:port][/database]`")
}
