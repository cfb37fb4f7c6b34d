//! The page: by HTTP, and in a browser.
#![expect(clippy::unused_async, reason = "only async functions are cached")]

mod browser;
mod http;
mod page;
mod support;
