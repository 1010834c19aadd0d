//! One call to a host: what is tried again, and what is known of its effect afterwards.

use std::{fmt, time::Duration};

use http::{Method, StatusCode, header};
use serde_json::Value;

use super::GitHost;
use crate::{
    adapter::calls::{
        Passing, Setback, Unread, body, cut, innermost, is_passing_status, patiently, retry_after,
    },
    error::{Effect, Failure, Kind, Result},
};

/// How long a host that asks for patience is waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

/// A call that came to nothing.
struct Missed {
    failure: Failure,
    /// The same call may well succeed later.
    passing: bool,
}

impl fmt::Display for Missed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(formatter)
    }
}

impl Passing for Missed {
    fn is_passing(&self) -> bool {
        self.passing
    }
}

/// Without the query, in which nothing stands that a person would miss.
pub(super) fn path_alone(path: &str) -> &str {
    path.split_once('?').map_or(path, |(path, _)| path)
}

pub(super) fn misread(call: &str, why: &str, effect: Effect) -> Failure {
    let why = format!("{call}: its answer is not understood: {why}");
    Failure::new(Kind::Git, why).effect(effect)
}

/// As for a repository that was renamed. The token goes nowhere else.
fn moved(call: &str, status: StatusCode, location: &str) -> Failure {
    let why = format!("{call}: {status}: it leads to {location}; nothing was registered");
    Failure::new(Kind::Git, why).hint(
        "write `flux.url` with the name that the repository has now, or `--api` where the host's API is elsewhere",
    )
}

impl GitHost {
    /// What it answers; null where it says nothing.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        sent: Option<Value>,
    ) -> Result<Value> {
        let name = self.named(&method, path);
        let repeatable = method != Method::POST;
        let attempt = || self.attempt(&name, &method, path, sent.as_ref());
        let answer = patiently(&name, repeatable, LONGEST_PAUSE, attempt).await;
        let text = answer.map_err(|missed| missed.failure)?;
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|error| {
            let effect = if method == Method::GET { Effect::None } else { Effect::Unknown };
            misread(&name, &error.to_string(), effect)
        })
    }

    async fn attempt(
        &self,
        name: &str,
        method: &Method,
        path: &str,
        sent: Option<&Value>,
    ) -> Result<String, Setback<Missed>> {
        let (header, value) = self.dialect.credentials(&self.token);
        let url = format!("{}{path}", self.repository.api);
        let request = self.client.request(method.clone(), url).header(header, value);
        let request = request.header(header::ACCEPT, self.dialect.accepts());
        let request = match sent {
            Some(sent) => request.json(sent),
            None => request,
        };
        let reads = *method == Method::GET;
        let lost = |why: &str, harmless: bool, passing: bool| {
            let effect = if harmless { Effect::None } else { Effect::Unknown };
            let failure = Failure::new(Kind::Git, format!("{name}: {why}"))
                .effect(effect)
                .hint("run it again: it looks at the keys before it adds one");
            Setback { error: Missed { failure, passing }, harmless, pause: None }
        };
        let answer = request.send().await.map_err(|error| {
            let harmless = reads || error.is_connect();
            lost(&innermost(&error.without_url()), harmless, true)
        })?;
        let status = answer.status();
        let pause = retry_after(answer.headers());
        let location = answer.headers().get(header::LOCATION);
        let location = location.and_then(|value| value.to_str().ok()).map(cut);
        let text = body(answer).await.map_err(|unread| {
            lost(&unread.to_string(), reads, matches!(unread, Unread::Lost(_)))
        })?;
        if status.is_success() {
            return Ok(text);
        }
        // GitHub says 403 to haste, and for how long.
        let hasty = status == StatusCode::TOO_MANY_REQUESTS
            || status == StatusCode::FORBIDDEN && pause.is_some();
        if let Some(location) = location.filter(|_| status.is_redirection()) {
            let failure = moved(name, status, &location);
            return Err(Setback {
                error: Missed { failure, passing: false },
                harmless: true,
                pause,
            });
        }
        let mut failure = self.refused(name, status, &text);
        if status.is_server_error() && !reads {
            failure = failure.effect(Effect::Unknown);
        }
        let passing = hasty || is_passing_status(status.as_u16());
        Err(Setback { error: Missed { failure, passing }, harmless: hasty || reads, pause })
    }

    fn refused(&self, call: &str, status: StatusCode, text: &str) -> Failure {
        let said: Value = serde_json::from_str(text).unwrap_or_default();
        let message = match &said["message"] {
            Value::Null => cut(text),
            Value::String(message) => cut(message),
            other => cut(&other.to_string()),
        };
        let failure = Failure::new(Kind::Git, format!("{call}: {status}: {message}"));
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                failure.hint(self.dialect.rights())
            }
            _ => failure,
        }
    }
}
