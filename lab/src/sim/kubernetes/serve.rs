//! One connection: TLS, then HTTP.

use std::{convert::Infallible, sync::Arc};

use futures::StreamExt;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Bytes, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use super::{
    Kubernetes,
    act::{Answer, Outcome, act},
    failure::{Failure, reason},
    request::Request,
    route::Route,
};
use crate::sim::gate::Verdict;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Ends the connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost")]
struct Lost;

impl Kubernetes {
    /// Serves one connection, until either side ends it; dropping this ends it, too.
    pub async fn serve<S>(self: Arc<Self>, stream: S)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let acceptor = TlsAcceptor::from(self.authority.server());
        let stream = match acceptor.accept(stream).await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%error, "a client gave up in the handshake");
                return;
            }
        };
        let known = self.authority.knows(stream.get_ref().1.peer_certificates());
        let service = service_fn(move |request| Arc::clone(&self).answer(known, request));
        // An answer that the gate swallows ends the connection: that is what is wanted.
        http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
    }

    async fn answer(
        self: Arc<Self>,
        known: bool,
        request: http::Request<Incoming>,
    ) -> Result<Response<Body>, Lost> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Lost)?.to_bytes().to_vec();
        let request = Request::new(head.method, &head.uri, &head.headers, body);
        let effect = Route::of(&self.state(), &request.path).effect(&request);
        let passage = match self.gate.before(effect).await {
            Ok(passage) => passage,
            Err(verdict) => return refused(verdict),
        };
        let outcome = if known {
            // Known anew: the gate may have held it while a definition came to be.
            let route = Route::of(&self.state(), &request.path);
            let outcome = act(&self, &route, &request);
            if passage.twice() { act(&self, &route, &request) } else { outcome }
        } else {
            Err(Failure::unauthorized())
        };
        match self.gate.after(passage).await {
            Verdict::Pass => Ok(rendered(outcome)),
            verdict => refused(verdict),
        }
    }
}

fn refused(verdict: Verdict) -> Result<Response<Body>, Lost> {
    match verdict {
        Verdict::Refuse { status, message } => {
            Ok(rendered(Err(Failure::new(status, reason(status), message))))
        }
        Verdict::Pass | Verdict::Twice | Verdict::Drop => Err(Lost),
    }
}

fn rendered(outcome: Outcome) -> Response<Body> {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    let full = |text: String| Full::new(Bytes::from(text)).boxed_unsync();
    let retry = match &outcome {
        Err(failure) => failure.details["retryAfterSeconds"].as_u64(),
        Ok(_) => None,
    };
    let (status, kind, body) = match outcome {
        Ok(Answer::Object(status, object)) => (status, JSON, full(object.to_string())),
        Ok(Answer::Text(status, text)) => {
            (status, HeaderValue::from_static("text/plain; charset=utf-8"), full(text))
        }
        Ok(Answer::Events(watch)) => {
            let frames = watch.stream().map(|line| Ok(Frame::data(line)));
            (StatusCode::OK, JSON, StreamBody::new(frames).boxed_unsync())
        }
        Err(failure) => {
            let status = StatusCode::from_u16(failure.code);
            let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, JSON, full(failure.body().to_string()))
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    if let Some(seconds) = retry {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
