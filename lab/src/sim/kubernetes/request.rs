//! What was asked for, over HTTP.

use http::{HeaderMap, Method, Uri, header};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{failure::Failure, patch::Patch, write::Write};

/// A request that was read to its end.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    query: Vec<(String, String)>,
    content_type: String,
    user_agent: String,
    body: Vec<u8>,
}

/// What a PATCH brings.
#[derive(Debug)]
pub(super) enum Patching {
    Apply { configuration: Value, force: bool },
    Other(Patch),
}

const APPLY: &str = "application/apply-patch+yaml";

impl Request {
    pub(super) fn new(method: Method, uri: &Uri, headers: &HeaderMap, body: Vec<u8>) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let content_type = text(header::CONTENT_TYPE).unwrap_or_default();
        Self {
            method,
            path: uri.path().to_owned(),
            query: pairs(uri.query().unwrap_or_default()),
            content_type: content_type.split(';').next().unwrap_or_default().trim().to_owned(),
            user_agent: text(header::USER_AGENT).unwrap_or_default().to_owned(),
            body,
        }
    }

    /// A parameter of the query; empty where it is not there.
    pub(super) fn query(&self, name: &str) -> &str {
        let found = self.query.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        matches!(self.query(name), "true" | "1")
    }

    pub(super) fn dry_run(&self) -> bool {
        self.query("dryRun") == "All"
    }

    /// Whether it can change anything.
    pub(super) fn mutates(&self) -> bool {
        !matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS) && !self.dry_run()
    }

    /// Who writes: its `fieldManager`, or the first word of its agent.
    pub(super) fn write<'a>(&'a self, subresource: &'a str) -> Write<'a> {
        let agent = self.user_agent.split('/').next().filter(|name| !name.is_empty());
        let manager = match self.query("fieldManager") {
            "" => agent.unwrap_or("unknown"),
            manager => manager,
        };
        Write { manager, subresource, dry_run: self.dry_run() }
    }

    /// Its body, JSON or YAML.
    pub(super) fn object(&self) -> Result<Value, Failure> {
        if self.content_type.contains("protobuf") {
            return Err(Failure::unsupported_media_type("application/json, application/yaml"));
        }
        parsed(&self.body)
    }

    /// The options of a deletion, which may be left out.
    pub(super) fn options(&self) -> Result<Value, Failure> {
        if self.body.is_empty() { Ok(Value::Null) } else { self.object() }
    }

    /// # Errors
    /// 415 for an unknown form, 422 for options that do not go with it.
    pub(super) fn patch(&self) -> Result<Patching, Failure> {
        let applies = self.content_type == APPLY;
        if applies && self.query("fieldManager").is_empty() {
            return Err(misused(
                "FieldValueRequired",
                "fieldManager",
                "Required value: is required for apply patch",
            ));
        }
        if !applies && !self.query("force").is_empty() {
            return Err(misused(
                "FieldValueForbidden",
                "force",
                "Forbidden: may not be specified for non-apply patch",
            ));
        }
        let body = parsed(&self.body)?;
        match self.content_type.as_str() {
            APPLY => Ok(Patching::Apply { configuration: body, force: self.is_set("force") }),
            "application/merge-patch+json" => Ok(Patching::Other(Patch::Merge(body))),
            "application/strategic-merge-patch+json" => Ok(Patching::Other(Patch::Strategic(body))),
            "application/json-patch+json" => {
                let patch = serde_json::from_value(body);
                patch.map(|patch| Patching::Other(Patch::Json(patch))).map_err(unreadable)
            }
            _ => Err(Failure::unsupported_media_type(
                "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml",
            )),
        }
    }
}

fn misused(cause: &str, field: &str, why: &str) -> Failure {
    Failure::invalid(("meta.k8s.io", "PatchOptions"), "", (cause, field, why))
}

fn parsed(body: &[u8]) -> Result<Value, Failure> {
    if let Ok(value) = serde_json::from_slice(body) {
        return Ok(value);
    }
    let text = std::str::from_utf8(body).map_err(unreadable)?;
    serde_saphyr::from_str(text).map_err(unreadable)
}

fn unreadable(error: impl std::fmt::Display) -> Failure {
    Failure::bad_request(format!("couldn't get version/kind; json parse error: {error}"))
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let decoded =
        |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}
