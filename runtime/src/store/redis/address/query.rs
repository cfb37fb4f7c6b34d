//! What stands behind the `?` of a URL. A parameter that is not understood is refused: the client would ignore it.

/// The parameters of a server that is reached over TCP.
pub(super) const SERVER: [&str; 1] = ["protocol"];
/// The parameters of a unix socket, which has no place for them elsewhere.
pub(super) const SOCKET: [&str; 4] = ["protocol", "db", "user", "pass"];
/// The parameters of sentinels, whose login differs from the server's.
pub(super) const SENTINEL: [&str; 3] = ["protocol", "sentinel_user", "sentinel_pass"];

/// Whether a URL without its scheme has only these parameters, and no fragment. No message repeats a name that is not known:
/// it may be a piece of a password.
pub(super) fn check(rest: &str, known: &[&str]) -> Result<(), String> {
    without_fragment(rest)?;
    let Some((_, query)) = rest.split_once('?') else { return Ok(()) };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let name = pair.split('=').next().unwrap_or_default();
        if !known.contains(&name) {
            let names: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
            let instead = instead(name).unwrap_or("leave it out");
            return Err(format!(
                "a parameter behind its `?` is not known (only {}); {instead}{}",
                names.join(", "),
                if_secret_was_cut(rest)
            ));
        }
    }
    Ok(())
}

fn without_fragment(rest: &str) -> Result<(), String> {
    if rest.contains('#') {
        return Err(format!(
            "leave the `#…` out{}; certificates are always checked, and your own authority is named with \
             `Cache::builder().tls_ca(…)`",
            if_secret_was_cut(rest)
        ));
    }
    Ok(())
}

/// Where other libraries have a parameter, and this one has something else.
fn instead(name: &str) -> Option<&'static str> {
    Some(match name {
        "timeout" | "connect_timeout" | "connection_timeout" | "response_timeout" | "socket_timeout" => {
            "write `Cache::builder().timeout(…)` or `.connect_timeout(…)`"
        }
        "db" | "database" => "write the database behind the host, as in `redis://host/3`",
        "user" | "username" | "pass" | "password" | "auth" => {
            "write the login before the host, as in `redis://user:password@host`"
        }
        "ssl" | "tls" => "write `rediss://host` for TLS",
        _ => return None,
    })
}

/// A password with one of the characters that end a part of a URL is the usual reason for one that reads so strangely.
pub(super) fn if_secret_was_cut(rest: &str) -> &'static str {
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    if rest[authority..].contains('@') {
        "; in a password `/` is written as `%2F`, `?` as `%3F` and `#` as `%23`"
    } else {
        ""
    }
}
