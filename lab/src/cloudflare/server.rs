//! HTTP around the stand-in: plain, for loopback and the lab's own network.

use std::{net::SocketAddr, sync::Arc};

use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};

use super::{
    access::{self, Permission},
    answer::{Outcome, envelope, error},
    control::{self, Fault, Harm},
    records,
    request::Request,
    state::{Site, State},
    tunnels, zones,
};

/// Where the API begins.
const ROOT: &str = "client/v4";

/// A running stand-in; dropping it ends it.
#[derive(Debug)]
pub struct Running {
    state: Arc<State>,
    address: SocketAddr,
    accept: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

/// Listens, with everything of `site` and nothing else.
///
/// # Errors
/// When the address is taken.
pub async fn start(listen: SocketAddr, site: &Site) -> std::io::Result<Running> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let state = Arc::new(State::new(site));
    let shared = Arc::clone(&state);
    let accept = tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let state = Arc::clone(&shared);
            tokio::spawn(async move {
                let service =
                    service_fn(move |request| serve(Arc::clone(&state), address, request));
                // An answer that a fault swallows ends the connection: that is what is wanted.
                http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
            });
        }
    });
    Ok(Running { state, address, accept })
}

impl Running {
    /// `http://127.0.0.1:8787/client/v4`: what a client takes for its base.
    pub fn endpoint(&self) -> String {
        endpoint(self.address)
    }

    /// `http://127.0.0.1:8787/lab`.
    pub fn control(&self) -> String {
        format!("http://{}/lab", self.address)
    }

    pub fn account(&self) -> String {
        self.state.lock().account.clone()
    }

    /// The id of the site's zone.
    pub fn zone(&self) -> String {
        self.state.lock().zones.first().map(|zone| zone.id.clone()).unwrap_or_default()
    }

    /// A new token that may do what is named.
    pub fn token(&self, permissions: &[Permission]) -> String {
        self.state.lock().issue(permissions)
    }

    /// The next requests that the fault names come to harm.
    pub fn break_with(&self, fault: Fault) {
        self.state.lock().faults.push(fault);
    }

    /// What was asked so far: `POST /zones/x/dns_records`.
    pub fn requests(&self) -> Vec<String> {
        self.state.lock().requests.clone()
    }
}

fn endpoint(address: SocketAddr) -> String {
    format!("http://{address}/{ROOT}")
}

/// Ends the connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("a fault swallows the answer")]
struct Swallowed;

async fn serve(
    state: Arc<State>,
    address: SocketAddr,
    request: http::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Swallowed> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Swallowed)?.to_bytes().to_vec();
    let authorization =
        head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let path = head.uri.path().trim_matches('/');
    let query = head.uri.query().unwrap_or_default();
    let of = |path: &str| {
        Request::new(head.method.clone(), path, query, authorization.map(str::to_owned), body)
    };
    if let Some(path) = path.strip_prefix("lab/") {
        let request = of(path);
        let parts: Vec<&str> = path.split('/').collect();
        let mut data = state.lock();
        let outcome = control::route(&mut data, &request, &parts, &endpoint(address));
        return Ok(rendered(&outcome));
    }
    let Some(path) = path.strip_prefix(ROOT) else {
        return Ok(rendered(&Err(error(StatusCode::NOT_FOUND, 7000, "No route for that URI"))));
    };
    let request = of(path);
    let harm = {
        let mut data = state.lock();
        let line = format!("{} /{}", request.method, request.path);
        data.requests.push(line);
        control::harm(&mut data, &request)
    };
    match harm {
        None => Ok(rendered(&answer(&state, &request))),
        Some(Harm::LoseReply) => {
            let lost = answer(&state, &request);
            tracing::debug!(?lost, "the answer is lost");
            Err(Swallowed)
        }
        Some(Harm::LoseRequest) => Err(Swallowed),
        Some(Harm::Hold) => {
            let held = answer(&state, &request);
            tracing::debug!(?held, "the answer is held back");
            std::future::pending().await
        }
        Some(Harm::TooMany) => {
            let text = "Please wait and consider throttling your request speed";
            let refused = error(StatusCode::TOO_MANY_REQUESTS, 971, text);
            Ok(rendered(&Err(refused.after(1))))
        }
        Some(Harm::Broken) => {
            let text = "Internal server error";
            Ok(rendered(&Err(error(StatusCode::INTERNAL_SERVER_ERROR, 10001, text))))
        }
        Some(Harm::BadGateway) => {
            let page = Full::new(Bytes::from_static(b"<html><h1>502 Bad Gateway</h1></html>"));
            let mut response = Response::new(page);
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            Ok(response)
        }
    }
}

fn answer(state: &State, request: &Request) -> Outcome {
    let mut data = state.lock();
    let token = access::token(&data, request)?;
    let parts: Vec<&str> = request.path.split('/').collect();
    match parts.as_slice() {
        ["user", "tokens", "verify"] | ["accounts", _, "tokens", "verify"] => {
            zones::verify(&token, &request.method)
        }
        ["zones"] => zones::list(&data, &token, request),
        ["zones", id] => zones::one(&data, &token, id),
        ["zones", zone, "dns_records"] => records::route(&mut data, &token, request, zone, None),
        ["zones", zone, "dns_records", id] => {
            records::route(&mut data, &token, request, zone, Some(id))
        }
        ["accounts", account, "cfd_tunnel", rest @ ..] => {
            tunnels::route(&mut data, &token, request, account, rest)
        }
        _ => Err(error(StatusCode::NOT_FOUND, 7000, "No route for that URI")),
    }
}

fn rendered(outcome: &Outcome) -> Response<Full<Bytes>> {
    let (status, body) = envelope(outcome);
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Err(error) = outcome
        && let Some(seconds) = error.retry_after
    {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
