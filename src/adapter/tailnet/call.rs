//! One HTTP call to a control plane: what is retried, and what is known of its effect afterwards.
//!
//! Reads and calls that may be repeated are retried. A call that was turned away with 429, or that
//! never reached the server, had no effect. One whose answer was lost may have had: it is not repeated
//! here, and its error says [`Effect::Unknown`].

use std::time::Duration;

use http::{
    Method, StatusCode,
    header::{AUTHORIZATION, HeaderValue},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::Instrument;

use crate::{
    adapter::calls::{self, Passing, innermost, is_passing_status, patiently, retry_after},
    error::{Effect, Failure, Kind},
    ports::TailnetError,
    secret::Secret,
    trace,
};

/// A server that asks for more patience than this is not waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A control plane's HTTP API.
#[derive(Debug)]
pub(super) struct Api {
    /// For messages: `Tailscale`, `Headscale`.
    pub(super) service: &'static str,
    /// Without a slash at its end.
    endpoint: String,
    client: reqwest::Client,
}

/// What is sent.
#[derive(Clone, Debug)]
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) bearer: Option<&'a Secret>,
    pub(super) body: Body<'a>,
    /// Whether doing it twice is doing it once.
    pub(super) repeatable: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Body<'a> {
    None,
    Json(Value),
    /// `application/x-www-form-urlencoded`; the second value is a secret.
    ClientCredentials {
        id: &'a str,
        secret: &'a Secret,
    },
}

type Setback = calls::Setback<TailnetError>;

impl Api {
    pub(super) fn new(service: &'static str, endpoint: &str) -> Result<Self, Failure> {
        let client = calls::client()
            .build()
            .map_err(|error| Failure::new(Kind::Runtime, error.to_string()))?;
        Ok(Self { service, endpoint: endpoint.trim_end_matches('/').to_owned(), client })
    }

    /// The JSON of a successful answer.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        call: Call<'_>,
    ) -> Result<T, TailnetError> {
        let name = call.name();
        // It was done, only what it gave is not understood.
        let effect = if call.method == Method::GET { Effect::None } else { Effect::Partial };
        let text = self.text(call).await?;
        serde_json::from_str(&text).map_err(|error| TailnetError::Malformed {
            service: self.service.into(),
            call: name,
            reason: error.to_string(),
            effect,
        })
    }

    /// The body of a successful answer.
    pub(super) async fn text(&self, call: Call<'_>) -> Result<String, TailnetError> {
        let name = call.name();
        patiently(&name, call.repeatable, LONGEST_PAUSE, || {
            let span = tracing::trace_span!(
                target: trace::TARGET,
                "tailnet",
                what = %format_args!("{} {}", call.method, trace::shape(&call.path)),
            );
            self.attempt(&call).instrument(span)
        })
        .await
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<String, Setback> {
        let url = format!("{}{}", self.endpoint, call.path);
        let mut request = self.client.request(call.method.clone(), url);
        if let Some(bearer) = call.bearer {
            request = request.header(AUTHORIZATION, self.bearer(bearer)?);
        }
        request = match &call.body {
            Body::None => request,
            Body::Json(value) => request.json(value),
            Body::ClientCredentials { id, secret } => request.form(&[
                ("grant_type", "client_credentials"),
                ("client_id", id),
                ("client_secret", secret.expose()),
            ]),
        };
        let response = request.send().await.map_err(|error| self.lost(call, error))?;
        let status = response.status();
        let pause = retry_after(response.headers());
        let text = response.text().await.map_err(|error| self.lost(call, error))?;
        if status.is_success() {
            return Ok(text);
        }
        Err(self.refusal(call, status, &text, pause))
    }

    fn bearer(&self, token: &Secret) -> Result<HeaderValue, Setback> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose().trim()))
            .map_err(|_| Setback {
                error: TailnetError::Unauthorized {
                    service: self.service.into(),
                    message: "the key holds characters that no key has".into(),
                },
                harmless: true,
                pause: None,
            })?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn lost(&self, call: &Call<'_>, error: reqwest::Error) -> Setback {
        let harmless = error.is_connect() || error.is_builder() || call.method == Method::GET;
        let error = TailnetError::Unreachable {
            service: self.service.into(),
            endpoint: self.endpoint.clone(),
            reason: innermost(&error.without_url()),
            effect: if harmless { Effect::None } else { Effect::Unknown },
        };
        Setback { error, harmless, pause: None }
    }

    fn refusal(
        &self,
        call: &Call<'_>,
        status: StatusCode,
        text: &str,
        pause: Option<Duration>,
    ) -> Setback {
        let service = self.service.to_owned();
        let message = said(text);
        let error = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                TailnetError::Unauthorized { service, message: format!("{status}: {message}") }
            }
            _ => TailnetError::Refused {
                service,
                call: call.name(),
                status: status.as_u16(),
                message,
                effect: if status.is_server_error() && call.method != Method::GET {
                    Effect::Unknown
                } else {
                    Effect::None
                },
            },
        };
        // Being turned away for asking too often is no doing.
        let harmless = status == StatusCode::TOO_MANY_REQUESTS || call.method == Method::GET;
        Setback { error, harmless, pause }
    }
}

impl Passing for TailnetError {
    fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, message, .. } => {
                is_passing_status(*status) && !says_gone(*status, message)
            }
            _ => false,
        }
    }
}

impl<'a> Call<'a> {
    pub(super) fn get(path: impl Into<String>, bearer: Option<&'a Secret>) -> Self {
        Self { method: Method::GET, path: path.into(), bearer, body: Body::None, repeatable: true }
    }

    pub(super) fn delete(path: impl Into<String>, bearer: &'a Secret) -> Self {
        // Ids are never given twice.
        Self { method: Method::DELETE, ..Self::get(path, Some(bearer)) }
    }

    pub(super) fn post(path: impl Into<String>, bearer: &'a Secret, body: Value) -> Self {
        Self {
            method: Method::POST,
            path: path.into(),
            bearer: Some(bearer),
            body: Body::Json(body),
            repeatable: false,
        }
    }

    fn name(&self) -> String {
        let path = self.path.split_once('?').map_or(self.path.as_str(), |(path, _)| path);
        format!("{} {path}", self.method)
    }
}

/// A call that takes something away: that it is gone already is fine.
pub(super) fn gone_is_fine(result: Result<String, TailnetError>) -> Result<(), TailnetError> {
    match result {
        Ok(_) | Err(TailnetError::Refused { status: 404, .. }) => Ok(()),
        Err(TailnetError::Refused { status, message, .. }) if says_gone(status, &message) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Headscale 0.26 has no better words for a node that it does not have.
fn says_gone(status: u16, message: &str) -> bool {
    status == 500 && message.contains("record not found")
}

/// What a refusal says: both services answer with a JSON `message`, proxies before them with a page.
fn said(text: &str) -> String {
    let message = serde_json::from_str::<Value>(text)
        .ok()
        .and_then(|body| body.get("message")?.as_str().map(str::to_owned));
    message.unwrap_or_else(|| text.lines().next().unwrap_or_default().chars().take(200).collect())
}
