//! Refusals, in the words of `k8s.io/apimachinery/pkg/api/errors`.

use serde_json::{Value, json};

use super::{fields::Conflict, resource::Resource};

/// Why the server did not do what was asked: a `Status` of kind Failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The status code of HTTP.
    pub code: u16,
    /// `NotFound`; empty where the server gives none.
    pub reason: &'static str,
    pub message: String,
    /// `{"kind": "nodes", "name": "k3s-server"}`, or null.
    pub details: Box<Value>,
}

impl Failure {
    pub(super) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Box::default() }
    }

    /// The body of its answer.
    pub(super) fn body(&self) -> Value {
        let mut body = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        });
        if !self.reason.is_empty() {
            body["reason"] = json!(self.reason);
        }
        if !self.details.is_null() {
            body["details"] = Value::clone(&self.details);
        }
        body["code"] = json!(self.code);
        body
    }

    fn about(mut self, group: &str, kind: &str, name: &str) -> Self {
        let mut details = serde_json::Map::new();
        for (key, value) in [("name", name), ("group", group), ("kind", kind)] {
            if !value.is_empty() {
                details.insert(key.into(), json!(value));
            }
        }
        *self.details = Value::Object(details);
        self
    }

    pub(super) fn because(mut self, reason: &str, message: &str, field: &str) -> Self {
        let mut cause = json!({ "reason": reason, "message": message });
        if !field.is_empty() {
            cause["field"] = json!(field);
        }
        if !self.details.is_object() {
            *self.details = json!({});
        }
        match self.details["causes"].as_array_mut() {
            Some(causes) => causes.push(cause),
            None => self.details["causes"] = json!([cause]),
        }
        self
    }

    pub(super) fn after(mut self, seconds: u64) -> Self {
        if !self.details.is_object() {
            *self.details = json!({});
        }
        if seconds > 0 {
            self.details["retryAfterSeconds"] = json!(seconds);
        }
        self
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(super) fn not_found(resource: &Resource, name: &str) -> Self {
        let message = format!("{} {name:?} not found", resource.qualified());
        Self::new(404, "NotFound", message).about(&resource.group, &resource.plural, name)
    }

    pub(super) fn already_exists(resource: &Resource, name: &str, ending: bool) -> Self {
        let ending = if ending { "object is being deleted: " } else { "" };
        let message = format!("{ending}{} {name:?} already exists", resource.qualified());
        Self::new(409, "AlreadyExists", message).about(&resource.group, &resource.plural, name)
    }

    pub(super) fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {} {name:?}: {why}", resource.qualified());
        Self::new(409, "Conflict", message).about(&resource.group, &resource.plural, name)
    }

    /// Somebody wrote since the version that was named.
    pub(super) fn outdated(resource: &Resource, name: &str) -> Self {
        const WHY: &str = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(resource, name, WHY)
    }

    pub(super) fn forbidden(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("{} {name:?} is forbidden: {why}", resource.qualified());
        Self::new(403, "Forbidden", message).about(&resource.group, &resource.plural, name)
    }

    /// One field is not as it must be: `kind` is qualified with its group.
    pub(super) fn invalid(
        (group, kind): (&str, &str),
        name: &str,
        (cause, field, why): (&str, &str, &str),
    ) -> Self {
        let dot = if group.is_empty() { "" } else { "." };
        let message = format!("{kind}{dot}{group} {name:?} is invalid: {field}: {why}");
        Self::new(422, "Invalid", message).about(group, kind, name).because(cause, why, field)
    }

    pub(super) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message)
    }

    pub(super) fn unsupported_media_type(accepted: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {accepted}"
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    pub(super) fn conflicts(conflicts: &[Conflict]) -> Self {
        let message = match conflicts {
            [one] => format!(
                "Apply failed with 1 conflict: conflict with {}: {}",
                one.manager, one.field
            ),
            many => {
                let mut lines = Vec::new();
                let mut last = None;
                for conflict in many {
                    if last != Some(&conflict.manager) {
                        lines.push(format!("conflicts with {}:", conflict.manager));
                        last = Some(&conflict.manager);
                    }
                    lines.push(format!("- {}", conflict.field));
                }
                format!("Apply failed with {} conflicts: {}", many.len(), lines.join("\n"))
            }
        };
        conflicts.iter().fold(Self::new(409, "Conflict", message), |failure, conflict| {
            let why = format!("conflict with {}", conflict.manager);
            failure.because("FieldManagerConflict", &why, &conflict.field)
        })
    }
}

/// What a refusal of the gate has for its reason.
pub(super) fn reason(code: u16) -> &'static str {
    match code {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        422 => "Invalid",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "",
    }
}
