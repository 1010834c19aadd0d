//! HTTP around the two APIs: plain, for loopback.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

use super::{
    answer::Answer,
    headscale::Headscale,
    plane::Plane,
    request::Request,
    route::{Asked, Dialect, Found, effect, find},
    tailscale::Tailscale,
    world::Tailnet,
};
use crate::sim::gate::Verdict;

/// A running API; dropping it ends it and every connection to it.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    accept: JoinHandle<()>,
}

impl Running {
    /// `http://127.0.0.1:8080`: Headscale's login server, or what stands in for `https://api.tailscale.com`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

/// Listens for a tailnet, in the dialect of its control plane.
///
/// # Errors
/// When the address is taken.
pub async fn start(tailnet: &Arc<Tailnet>, listen: SocketAddr) -> std::io::Result<Running> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let tailnet = Arc::clone(tailnet);
    let accept = tokio::spawn(async move {
        // They end with this task.
        let mut connections = JoinSet::new();
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let tailnet = Arc::clone(&tailnet);
            while connections.try_join_next().is_some() {}
            connections.spawn(async move {
                let service = service_fn(move |request| serve(Arc::clone(&tailnet), request));
                // An answer that is dropped ends the connection: that is what is wanted.
                http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
            });
        }
    });
    Ok(Running { address, accept })
}

/// Ends the connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer is dropped")]
struct Dropped;

async fn serve(
    tailnet: Arc<Tailnet>,
    request: http::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Dropped> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Dropped)?.to_bytes().to_vec();
    let authorization =
        head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let request = Request::new(
        head.method,
        head.uri.path(),
        head.uri.query().unwrap_or_default(),
        authorization.map(str::to_owned),
        body,
    );
    let dialect: &dyn Dialect = match tailnet.plane() {
        Plane::Headscale(_) => &Headscale,
        Plane::Tailscale => &Tailscale,
    };
    let found = find(dialect.routes(), &request);
    let passage = match tailnet.gate.before(effect(&request, &found)).await {
        Ok(passage) => passage,
        Err(verdict) => return harmed(dialect, verdict).map(Answer::rendered),
    };
    let answer = answer(&tailnet, dialect, &request, &found);
    match tailnet.gate.after(passage).await {
        Verdict::Pass => Ok(answer.rendered()),
        verdict => harmed(dialect, verdict).map(Answer::rendered),
    }
}

fn harmed(dialect: &dyn Dialect, verdict: Verdict) -> Result<Answer, Dropped> {
    match verdict {
        Verdict::Refuse { status, message } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Ok(dialect.refusal(status, &message))
        }
        Verdict::Pass | Verdict::Twice | Verdict::Drop => Err(Dropped),
    }
}

fn answer(tailnet: &Tailnet, dialect: &dyn Dialect, request: &Request, found: &Found) -> Answer {
    let (route, parameters) = match found {
        Found::Route(route, parameters) => (route, parameters),
        Found::Nowhere { known } => return dialect.unrouted(&request.path, *known),
    };
    let mut data = tailnet.lock();
    let now = tailnet.now();
    let settings = &tailnet.settings;
    let mut asked = Asked { data: &mut data, settings, now, request, parameters };
    let outcome = match route.needs {
        "" => (route.act)(&mut asked),
        needs => dialect.admit(&asked, needs).and_then(|()| (route.act)(&mut asked)),
    };
    match outcome {
        Ok(answer) | Err(answer) => answer,
    }
}
