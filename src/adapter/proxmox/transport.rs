//! Sending requests and receiving answers.
//!
//! What pveproxy is like: HTTP/1 only, idle connections closed after 5 s, a connection closed after each
//! error, after 100 requests and when its worker retires (PVE-06). So reads share idle connections for
//! less than that and are sent again when one breaks; writes are sent once, each on a new connection.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use http::{HeaderValue, Method, header};
use hyper::ext::ReasonPhrase;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Body, Client, Response};
use tokio::sync::Semaphore;
use tracing::Instrument;

use super::{
    answer::Answer,
    failure,
    retry::{Notices, Retry, RetryPolicy},
    trust,
};
use crate::{
    error::Effect, inventory::desired::ProxmoxSite, ports::ProxmoxError, secret::Secret, trace,
};

/// Names and values, in order.
pub(super) type Parameters = Vec<(String, String)>;

pub(super) fn parameters<const N: usize>(pairs: [(&str, String); N]) -> Parameters {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// pveproxy gives up on pvedaemon after 30 s and says 596; a write may wait 10 s for a lock first.
const READ_TIMEOUT: Duration = Duration::from_secs(45);
const WRITE_TIMEOUT: Duration = Duration::from_secs(90);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Reads at once. A run of hundreds of nodes would open as many connections, each with its handshake; these many
/// are kept and used again.
const READS_AT_ONCE: usize = 32;
/// Below the 5 s after which pveproxy closes an idle connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);

/// Requests sent so far, retries included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestCount {
    pub reads: u64,
    pub writes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Put,
    Delete,
}

impl Verb {
    pub(super) fn writes(self) -> bool {
        self != Self::Get
    }

    fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Delete => Method::DELETE,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Transport {
    endpoint: String,
    reader: Client,
    reads: Arc<Semaphore>,
    writer: Client,
    retries: RetryPolicy,
    notices: Notices,
    sent: Arc<Sent>,
}

#[derive(Debug, Default)]
struct Sent {
    reads: AtomicU64,
    writes: AtomicU64,
}

impl Transport {
    pub(super) fn new(
        site: &ProxmoxSite,
        token: &Secret,
        retries: RetryPolicy,
    ) -> Result<Self, ProxmoxError> {
        let endpoint = site.endpoint.trim_end_matches('/').to_owned();
        if !endpoint.starts_with("https://") {
            // The token would travel in clear text, and pveproxy only redirects.
            return Err(ProxmoxError::Local(format!(
                "the Proxmox endpoint `{endpoint}` must begin with https://"
            )));
        }
        let authorization = authorization(token)?;
        let tls = trust::client_config(&site.tls)?;
        let client = |idle_connections| {
            Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .http1_only()
                // Proxmox stands on the operator's own network.
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .connect_timeout(CONNECT_TIMEOUT)
                .pool_idle_timeout(IDLE_TIMEOUT)
                .pool_max_idle_per_host(idle_connections)
                .tcp_nodelay(true)
                .user_agent(concat!("homelab/", env!("CARGO_PKG_VERSION")))
                .default_headers(
                    [(header::AUTHORIZATION, authorization.clone())].into_iter().collect(),
                )
                .build()
                .map_err(|error| ProxmoxError::Local(failure::chain(&error)))
        };
        Ok(Self {
            reader: client(READS_AT_ONCE)?,
            reads: Arc::new(Semaphore::new(READS_AT_ONCE)),
            writer: client(0)?,
            endpoint,
            retries,
            notices: Notices::default(),
            sent: Arc::default(),
        })
    }

    pub(super) fn tell_retries(&mut self, notice: impl Fn(Retry) + Send + Sync + 'static) {
        self.notices = Notices::to(notice);
    }

    pub(super) fn count(&self) -> RequestCount {
        RequestCount {
            reads: self.sent.reads.load(Ordering::Relaxed),
            writes: self.sent.writes.load(Ordering::Relaxed),
        }
    }

    /// Sends a call: a read again and again as the policy allows, a write once.
    pub(super) async fn call(
        &self,
        verb: Verb,
        path: String,
        parameters: Parameters,
    ) -> Result<Answer, ProxmoxError> {
        let form = encode(&parameters);
        let mut tried = 1;
        loop {
            let (query, body) = match verb {
                // pveproxy refuses a body with either of them.
                Verb::Get | Verb::Delete => (form.as_str(), None),
                Verb::Post | Verb::Put => ("", Some(form.clone())),
            };
            let error = match self.attempt(verb, &path, query, body).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let passing = matches!(&error, ProxmoxError::Unreachable { .. })
                || matches!(&error, ProxmoxError::Answer { status, .. } if failure::is_passing(*status));
            if verb.writes() || !passing || tried >= self.retries.attempts {
                return Err(error);
            }
            let delay = self.retries.delay(tried);
            tracing::debug!(path, tried, ?delay, %error, "asking Proxmox again");
            tried += 1;
            self.notices.tell(Retry {
                endpoint: self.endpoint.clone(),
                error: error.to_string(),
                attempt: tried,
                attempts: self.retries.attempts,
                pause: delay,
            });
            tokio::time::sleep(delay).await;
        }
    }

    async fn attempt(
        &self,
        verb: Verb,
        path: &str,
        query: &str,
        body: Option<String>,
    ) -> Result<Answer, ProxmoxError> {
        let mark = if query.is_empty() { "" } else { "?" };
        let url = format!("{}/api2/json{path}{mark}{query}", self.endpoint);
        let (client, timeout) = match verb {
            Verb::Get => (&self.reader, READ_TIMEOUT),
            _ => (&self.writer, WRITE_TIMEOUT),
        };
        let _permit = match verb {
            Verb::Get => Some(self.reads.acquire().await.expect("the semaphore is never closed")),
            _ => None,
        };
        let mut request = client.request(verb.method(), url).timeout(timeout);
        if let Some(body) = body {
            // `Content-Length: 0` has to be there, too: hyper writes it for an empty body.
            request = request
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Body::from(body));
        }
        self.send(verb, path, request).await
    }

    /// Sends one prepared request and reads its answer.
    pub(super) async fn send(
        &self,
        verb: Verb,
        path: &str,
        request: reqwest::RequestBuilder,
    ) -> Result<Answer, ProxmoxError> {
        let counter = if verb.writes() { &self.sent.writes } else { &self.sent.reads };
        counter.fetch_add(1, Ordering::Relaxed);
        let started = Instant::now();
        let span = tracing::trace_span!(
            target: trace::TARGET,
            "proxmox",
            what = %format_args!("{} {}", verb.method(), trace::shape(path)),
            status = tracing::field::Empty,
        );
        // Put away: every look and step carries it around otherwise.
        let exchange = Box::pin(self.exchange(verb, path, request));
        let result = exchange.instrument(span.clone()).await;
        let status = match &result {
            Ok((status, ..)) => *status,
            Err(_) => 0,
        };
        span.record("status", status);
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(method = %verb.method(), path, status, milliseconds, "Proxmox answered");
        let call = format!("{} {path}", verb.method());
        let (status, reason, body, date) = result?;
        if status < 300 {
            return Ok(Answer { date, ..Answer::parse(call, verb.writes(), &body)? });
        }
        Err(failure::of_answer(&call, verb.writes(), status, reason.as_deref(), &body))
    }

    async fn exchange(
        &self,
        verb: Verb,
        path: &str,
        request: reqwest::RequestBuilder,
    ) -> Result<(u16, Option<String>, bytes::Bytes, Option<i64>), ProxmoxError> {
        let broken = |error: reqwest::Error| self.unreachable(verb, path, &error);
        let response = request.send().await.map_err(broken)?;
        let status = response.status().as_u16();
        let reason = reason_phrase(&response);
        let date = date(&response);
        let body = match response.bytes().await {
            Ok(body) => body,
            // An error's reason phrase has said enough.
            Err(_) if status >= 300 && reason.is_some() => bytes::Bytes::new(),
            Err(error) => return Err(broken(error)),
        };
        Ok((status, reason, body, date))
    }

    pub(super) fn writer(&self) -> (&Client, &str) {
        (&self.writer, &self.endpoint)
    }

    fn unreachable(&self, verb: Verb, path: &str, error: &reqwest::Error) -> ProxmoxError {
        if let Some(text) = trust::refusal(error) {
            return ProxmoxError::Certificate(format!("{}: {text}", self.endpoint));
        }
        // Without a connection nothing was sent.
        let lost = verb.writes() && !error.is_connect();
        let effect = if lost { Effect::Unknown } else { Effect::None };
        // The URL's query may hold parameters.
        let reason =
            failure::chain(error).replace(error.url().map_or("", |url| url.as_str()), path);
        ProxmoxError::Unreachable { endpoint: self.endpoint.clone(), reason, effect }
    }
}

/// Only `[A-Za-z0-9]` stays as it is: Proxmox parts pairs at `;` and cuts values at a raw `=`.
fn encode(parameters: &Parameters) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    parameters
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect::<Vec<_>>()
        .join("&")
}

fn authorization(token: &Secret) -> Result<HeaderValue, ProxmoxError> {
    let token = token.expose().trim();
    let sound = token.split_once('=').is_some_and(|(id, secret)| {
        !secret.is_empty() && id.split_once('!').is_some_and(|(user, _)| user.contains('@'))
    });
    let header = HeaderValue::from_str(&format!("PVEAPIToken={token}")).ok().filter(|_| sound);
    let mut header = header.ok_or(ProxmoxError::Token)?;
    header.set_sensitive(true);
    Ok(header)
}

/// The text behind the status code, which hyper keeps only when it is not the usual one.
fn reason_phrase(response: &Response) -> Option<String> {
    let phrase = response.extensions().get::<ReasonPhrase>()?;
    Some(String::from_utf8_lossy(phrase.as_bytes()).into_owned())
}

/// When the server wrote its answer, by its own clock.
fn date(response: &Response) -> Option<i64> {
    let text = response.headers().get(header::DATE)?.to_str().ok()?;
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(date.as_second())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_that_is_none_is_refused_without_being_repeated() {
        for unsound in ["", "hunter2", "root@pam=hunter2", "root@pam!x=", "a@b!c=hunter2\nX: y"] {
            let error = authorization(&Secret::new(unsound)).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        let header = authorization(&Secret::new("homelab@pve!up=1234\n")).unwrap();
        assert_eq!(header.to_str().unwrap(), "PVEAPIToken=homelab@pve!up=1234");
        assert!(header.is_sensitive());
    }

    proptest! {
        #[test]
        fn no_value_can_break_out_of_its_pair(value in "\\PC*") {
            let form = encode(&vec![("description".into(), value.clone())]);
            let (name, encoded) = form.split_once('=').unwrap();
            prop_assert_eq!(name, "description");
            prop_assert!(!encoded.contains(['=', '&', ';', '+', ' ']));
            let decoded = percent_encoding::percent_decode_str(encoded).decode_utf8().unwrap();
            prop_assert_eq!(decoded, value);
        }
    }
}
