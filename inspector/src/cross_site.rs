//! Whether a request to invalidate comes from the page itself.
//!
//! A page of another site can make a browser send requests to this one, with the cookies or the network address by which the application
//! knows its user. What it can't do without this router's permission (CORS), which nobody has, is send a header of its own; and it can't
//! choose what the browser says about where a request comes from.

use axum::http::{HeaderMap, header};

/// The header that has to be there, and what it has to be.
const HEADER: (&str, &str) = ("x-cached-aside", "invalidate");

/// Why a request is refused.
pub(crate) fn refusal(headers: &HeaderMap) -> Option<&'static str> {
    let is = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if is(HEADER.0) != Some(HEADER.1) {
        return Some("the header `x-cached-aside: invalidate` is missing");
    }
    if let Some(site) = is("sec-fetch-site") {
        return (site != "same-origin").then_some("the request comes from another site");
    }
    // An older browser; or no browser, which says neither.
    let origin = headers.get(header::ORIGIN)?;
    let of = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    (of.is_none() || of != is("host")).then_some("the request comes from another site")
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn only_requests_of_the_page_itself_are_let_through() {
        let own = ("x-cached-aside", "invalidate");
        let host = ("host", "shop:3000");
        for (headers, is_refused) in [
            (&[][..], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("x-cached-aside", "yes")], true),
            (&[own], false),
            (&[own, ("sec-fetch-site", "same-origin")], false),
            (&[own, ("sec-fetch-site", "same-site")], true),
            (&[own, ("sec-fetch-site", "cross-site")], true),
            (&[own, ("sec-fetch-site", "none")], true),
            (&[own, host, ("origin", "http://shop:3000")], false),
            (&[own, host, ("origin", "http://shop:3001")], true),
            (&[own, host, ("origin", "https://evil.example")], true),
            (&[own, host, ("origin", "null")], true),
            (&[own, ("origin", "http://shop:3000")], true),
            (&[own, host, ("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")], true),
        ] {
            let map = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            assert_eq!(refusal(&map.collect()).is_some(), is_refused, "{headers:?}");
        }
    }
}
