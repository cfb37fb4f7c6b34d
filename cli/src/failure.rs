//! Why the program could not do its work.

use std::{io, path::PathBuf};

/// Says what to do instead.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("no server is named; write `--url redis://host:6379`, or set `CACHED_ASIDE_URL` or `REDIS_URL`")]
    NoServer,
    #[error(
        "`in-process` is a cache inside of the application, which no other program can look into; the application can show it by the page \
         of `cached-aside-inspector`"
    )]
    InProcess,
    #[error(transparent)]
    Cache(#[from] cached_aside::Error),
    #[error("`{}` can't be read: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("`{}` is no catalog: {reason}; the application writes one with `cached_aside::catalog().to_json()`", path.display())]
    NoCatalog { path: PathBuf, reason: String },
    #[error(
        "this needs the application's catalog; write `--catalog FILE` or set `CACHED_ASIDE_CATALOG`, with what `cached_aside::catalog().to_json()` gives"
    )]
    CatalogNeeded,
    #[error(transparent)]
    Function(#[from] cached_aside_inspector::catalog::NotOne),
    #[error("`{0}` is the key of a tag; write `--tag '{tag}'`", tag = .0.trim_start_matches('#'))]
    IsTag(String),
    #[error("a tag is named without the `#` that its key begins with; write `--tag '{tag}'`", tag = .0.trim_start_matches('#'))]
    IsKeyOfTag(String),
    #[error("nothing is named; write a key, `--tag TAG` or `--function NAME`")]
    NothingNamed,
    #[error(
        "the server can't tell of changes: {0}; `watch` needs Redis 6 or later, and a connection in RESP3"
    )]
    NoChanges(String),
    #[error("the page can't be served on 127.0.0.1: {0}; choose another `--port`, or none")]
    NoPort(io::Error),
    #[error("nothing can be written: {0}")]
    Output(#[from] io::Error),
}
