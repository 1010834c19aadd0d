//! One call: what is retried, and what is known of its effect afterwards.
//!
//! As with the tailnet's control planes: reads and calls that may be repeated are retried; one that was
//! turned away for haste had no effect and is asked again when the server says; one whose answer was lost
//! may have had one, and its error says so.

use std::{sync::Arc, time::Duration};

use camino::Utf8Path;
use http::{
    Method, StatusCode,
    header::{AUTHORIZATION, HeaderValue},
};
use rustls::{ClientConfig, crypto::ring};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::OnceCell;
use tracing::Instrument;

use super::answer::{Envelope, text};
use crate::{
    adapter::calls::{
        self, Passing, Unread, body, cut, innermost, is_passing_status, patiently, retry_after,
    },
    error::{Effect, Failure, Kind},
    inventory::{
        authority,
        desired::{Cloudflare, SecretSource},
    },
    ports::{EdgeError, Permission},
    secret::Secret,
    trace,
};

/// A limit lasts up to five minutes (1200 requests in 300 s, developers.cloudflare.com/fundamentals/api/reference/limits).
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// How many items of a list are asked for at once.
const PAGE: u64 = 100;
/// A list with more pages is none: a zone may have 3500 records, or some more for money.
const MOST_PAGES: u64 = 500;
/// The token is none (9109: unknown, 1000: invalid, 6003 and 6111: no token at all, 9106: missing).
const NO_TOKEN: [i64; 4] = [1000, 6003, 6111, 9106];
/// Said of a token that is unknown, and of one that may not do this: the text tells.
const UNAUTHORIZED: i64 = 9109;

#[derive(Debug)]
pub(super) struct Api {
    /// Without a slash at its end.
    endpoint: String,
    client: reqwest::Client,
    source: SecretSource,
    token: OnceCell<Secret>,
}

/// What is sent.
#[derive(Clone, Debug)]
pub(super) struct Call {
    method: Method,
    path: String,
    body: Option<Value>,
    /// What the token must be allowed to do for it.
    permission: Permission,
    /// Whether doing it twice is doing it once.
    repeatable: bool,
}

impl Call {
    pub(super) fn get(path: String, permission: Permission) -> Self {
        Self { method: Method::GET, path, body: None, permission, repeatable: true }
    }

    pub(super) fn delete(path: String, permission: Permission) -> Self {
        // Ids are never given twice.
        Self { method: Method::DELETE, ..Self::get(path, permission) }
    }

    pub(super) fn put(path: String, permission: Permission, body: Value) -> Self {
        Self { method: Method::PUT, body: Some(body), ..Self::get(path, permission) }
    }

    pub(super) fn post(path: String, permission: Permission, body: Value) -> Self {
        Self { method: Method::POST, repeatable: false, ..Self::put(path, permission, body) }
    }

    fn name(&self) -> String {
        let path = self.path.split_once('?').map_or(self.path.as_str(), |(path, _)| path);
        format!("{} {path}", self.method)
    }
}

type Setback = calls::Setback<EdgeError>;

impl Passing for EdgeError {
    fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => is_passing_status(*status),
            _ => false,
        }
    }
}

impl Api {
    pub(super) fn new(site: &Cloudflare) -> Result<Self, Failure> {
        let mut builder = calls::client();
        if let Some(file) = &site.ca_file {
            builder = builder.tls_backend_preconfigured(trusting(file)?);
        }
        let client =
            builder.build().map_err(|error| Failure::new(Kind::Runtime, error.to_string()))?;
        let (endpoint, source) = (site.endpoint.clone(), site.api_token.clone());
        Ok(Self { endpoint, client, source, token: OnceCell::new() })
    }

    /// The result of a call.
    pub(super) async fn result<T: DeserializeOwned>(&self, call: Call) -> Result<T, EdgeError> {
        let envelope: Envelope<T> = self.answered(&call).await?;
        envelope.result.ok_or_else(|| malformed(&call, "it has no result".to_owned()))
    }

    /// A call whose result is of no interest.
    pub(super) async fn done(&self, call: Call) -> Result<(), EdgeError> {
        self.answered::<Value>(&call).await.map(drop)
    }

    /// All pages of a list; `path` has a query already.
    pub(super) async fn all<T: DeserializeOwned>(
        &self,
        path: &str,
        permission: Permission,
    ) -> Result<Vec<T>, EdgeError> {
        let mut all = Vec::new();
        let mut before = Vec::new();
        for page in 1..=MOST_PAGES {
            let path = format!("{path}&per_page={PAGE}&page={page}");
            let call = Call::get(path, permission);
            let odd = |reason: &str| malformed(&call, reason.to_owned());
            let envelope: Envelope<Vec<Value>> = self.answered(&call).await?;
            let items = envelope.result.unwrap_or_default();
            // A server that miscounts must not keep us for ever.
            let more = !items.is_empty() && envelope.result_info.is_some_and(|info| info.goes_on());
            if !items.is_empty() && items == before {
                return Err(odd("the list repeats itself"));
            }
            for item in &items {
                all.push(T::deserialize(item).map_err(|error| odd(&error.to_string()))?);
            }
            if !more {
                return Ok(all);
            }
            before = items;
        }
        Err(malformed(&Call::get(path.to_owned(), permission), "the list has no end".to_owned()))
    }

    async fn answered<T: DeserializeOwned>(&self, call: &Call) -> Result<Envelope<T>, EdgeError> {
        let text = self.text(call).await?;
        serde_json::from_str(&text).map_err(|error| malformed(call, error.to_string()))
    }

    /// The body of a successful answer.
    async fn text(&self, call: &Call) -> Result<String, EdgeError> {
        let name = call.name();
        patiently(&name, call.repeatable, LONGEST_PAUSE, || {
            let span = tracing::trace_span!(
                target: trace::TARGET,
                "cloudflare",
                what = %format_args!("{} {}", call.method, trace::shape(&call.path)),
            );
            self.attempt(call).instrument(span)
        })
        .await
    }

    async fn attempt(&self, call: &Call) -> Result<String, Setback> {
        let url = format!("{}{}", self.endpoint, call.path);
        let bearer =
            self.bearer().await.map_err(|error| Setback { error, harmless: true, pause: None })?;
        let mut request = self.client.request(call.method.clone(), url);
        request = request.header(AUTHORIZATION, bearer);
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| self.lost(call, error))?;
        let status = response.status();
        let pause = retry_after(response.headers());
        let body = body(response).await.map_err(|unread| match unread {
            Unread::Lost(error) => self.lost(call, error),
            Unread::TooLong => {
                let error = malformed(call, unread.to_string());
                Setback { error, harmless: false, pause: None }
            }
        })?;
        // The API may say that it did not succeed with status 200.
        let envelope: Option<Envelope<Value>> = serde_json::from_str(&body).ok();
        if status.is_success() && envelope.as_ref().is_none_or(|envelope| envelope.success) {
            return Ok(body);
        }
        Err(refusal(call, status, envelope, &body, pause))
    }

    async fn bearer(&self) -> Result<HeaderValue, EdgeError> {
        let token = self.token.get_or_try_init(|| self.source.resolve()).await;
        let token = token.map_err(|failure| EdgeError::Secret(Box::new(failure)))?;
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose().trim()))
            .map_err(|_| EdgeError::Token {
                message: "it holds characters that no token has".into(),
            })?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn lost(&self, call: &Call, error: reqwest::Error) -> Setback {
        let harmless = error.is_connect() || error.is_builder() || call.method == Method::GET;
        let error = EdgeError::Unreachable {
            endpoint: self.endpoint.clone(),
            reason: innermost(&error.without_url()),
            effect: if harmless { Effect::None } else { Effect::Unknown },
        };
        Setback { error, harmless, pause: None }
    }
}

/// TLS that believes the authorities of a file alone.
fn trusting(file: &Utf8Path) -> Result<ClientConfig, Failure> {
    let place = "gitops.cloudflared.cloudflare.ca_file";
    let roots = authority::read(file)
        .map_err(|problem| Failure::new(Kind::Inventory, problem).at(place))?;
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new(Kind::Runtime, error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn malformed(call: &Call, reason: String) -> EdgeError {
    EdgeError::Malformed { call: call.name(), reason: cut(&reason), effect: done_at_least(call) }
}

/// It was answered with success: only what it gave is not understood.
fn done_at_least(call: &Call) -> Effect {
    if call.method == Method::GET { Effect::None } else { Effect::Partial }
}

fn refusal(
    call: &Call,
    status: StatusCode,
    envelope: Option<Envelope<Value>>,
    body: &str,
    pause: Option<Duration>,
) -> Setback {
    let errors = envelope.map(|envelope| envelope.errors).unwrap_or_default();
    let codes: Vec<i64> = errors.iter().map(|told| told.code).collect();
    let message = match errors.as_slice() {
        // A proxy before it answers with a page.
        [] => cut(body.lines().next().unwrap_or_default()),
        errors => text(errors),
    };
    let says_no_token = codes.contains(&UNAUTHORIZED) && message.contains("access token")
        || codes.iter().any(|code| NO_TOKEN.contains(code)) && status.is_client_error();
    let error = if says_no_token && status != StatusCode::NOT_FOUND {
        EdgeError::Token { message }
    } else if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        EdgeError::Forbidden { call: call.name(), message, permission: call.permission }
    } else {
        let unknown = status.is_server_error() && call.method != Method::GET;
        let effect = if unknown { Effect::Unknown } else { Effect::None };
        EdgeError::Refused { call: call.name(), status: status.as_u16(), codes, message, effect }
    };
    // Being turned away for asking too often is no doing.
    let harmless = status == StatusCode::TOO_MANY_REQUESTS || call.method == Method::GET;
    Setback { error, harmless, pause }
}
