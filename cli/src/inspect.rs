//! `inspect`: the page alone.

use std::net::Ipv4Addr;

use axum::{
    extract::Request,
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use cached_aside_inspector::{Inspector, catalog::Catalog};
use tokio::net::TcpListener;

use crate::{failure::Failure, output, servers::Connected};

/// Serves the page until the program is interrupted.
pub(crate) async fn serve(
    at: &Connected,
    catalog: Option<Catalog>,
    port: u16,
    allow_invalidation: bool,
) -> Result<bool, Failure> {
    let mut inspector = Inspector::new(at.cache.clone()).of_another_program(catalog);
    if allow_invalidation {
        inspector = inspector.allow_invalidation();
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(Failure::NoPort)?;
    let address = listener.local_addr().map_err(Failure::NoPort)?;
    let port = address.port();
    let router =
        inspector.router().layer(middleware::from_fn(move |request, next| of_this_host(port, request, next)));
    output::line(format!("http://{address}/"))?;
    tokio::select! {
        done = axum::serve(listener, router).into_future() => done.map_err(Failure::NoPort).map(|()| true),
        _ = tokio::signal::ctrl_c() => Ok(true),
    }
}

/// Refuses requests that name another host: a page of another site whose name leads to this machine could read everything otherwise
/// (DNS rebinding).
async fn of_this_host(port: u16, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let known = ["127.0.0.1", "localhost"].map(|name| format!("{name}:{port}"));
    if host.is_some_and(|host| known.iter().any(|known| known == host)) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "open the address that the program has printed\n").into_response()
    }
}
