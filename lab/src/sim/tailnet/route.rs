//! Which path does what.

use http::StatusCode;
use jiff::Timestamp;
use serde_json::Value;

use super::{
    answer::{Answer, Outcome},
    request::{Request, decoded},
    state::Data,
    world::Settings,
};
use crate::sim::gate::{Effect, System};

/// A path of an API.
pub(super) struct Route {
    pub(super) method: &'static str,
    /// `/api/v1/node/{node}`: what stands in braces is any one part.
    pub(super) path: &'static str,
    /// What who asks must have; empty: it is nobody's secret.
    pub(super) needs: &'static str,
    pub(super) act: fn(&mut Asked<'_>) -> Outcome,
}

/// A request on its path.
pub(super) struct Asked<'a> {
    pub(super) data: &'a mut Data,
    pub(super) settings: &'a Settings,
    pub(super) now: Timestamp,
    pub(super) request: &'a Request,
    /// What stood in the braces.
    pub(super) parameters: &'a [String],
}

/// The way in which an API is spoken to.
pub(super) trait Dialect: Sync {
    fn routes(&self) -> &'static [Route];
    /// Whether who asks has what a path needs.
    fn admit(&self, asked: &Asked<'_>, needs: &str) -> Result<(), Answer>;
    fn refusal(&self, status: StatusCode, message: &str) -> Answer;
    /// No path, or one that is asked otherwise.
    fn unrouted(&self, path: &str, known: bool) -> Answer;
}

/// Where a request leads.
pub(super) enum Found {
    Route(&'static Route, Vec<String>),
    /// Nowhere; whether the path is there for another method.
    Nowhere {
        known: bool,
    },
}

pub(super) fn find(routes: &'static [Route], request: &Request) -> Found {
    let mut known = false;
    for route in routes {
        let Some(parameters) = parameters(route.path, &request.path) else { continue };
        if route.method == request.method.as_str() {
            return Found::Route(route, parameters);
        }
        known = true;
    }
    Found::Nowhere { known }
}

fn parameters(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (pattern, path): (Vec<&str>, Vec<&str>) =
        (pattern.split('/').collect(), path.split('/').collect());
    if pattern.len() != path.len() {
        return None;
    }
    let mut found = Vec::new();
    for (wanted, part) in pattern.iter().zip(path) {
        if wanted.starts_with('{') && !part.is_empty() {
            found.push(decoded(part));
        } else if *wanted != part {
            return None;
        }
    }
    Some(found)
}

/// What the gate is shown of a request.
pub(super) fn effect(request: &Request, found: &Found) -> Effect {
    let (kind, about, mutating) = match found {
        Found::Route(route, parameters) => {
            let changes = route.method != "GET" && !route.needs.is_empty();
            (format!("{} {}", route.method, route.path), about(route, request, parameters), changes)
        }
        Found::Nowhere { .. } => {
            (format!("{} {}", request.method, request.path), String::new(), false)
        }
    };
    Effect { system: System::Tailnet, kind, about, mutating }
}

/// The path's first id, but for the tailnet's, or what the body names.
fn about(route: &Route, request: &Request, parameters: &[String]) -> String {
    let names = route.path.split('/').filter(|part| part.starts_with('{'));
    let mut ids = names.zip(parameters).filter(|(name, _)| *name != "{tailnet}");
    if let Some((_, id)) = ids.next() {
        return id.clone();
    }
    let object = request.object().unwrap_or_default();
    let named = ["id", "description"].iter().find_map(|name| object.get(*name));
    named
        .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        .unwrap_or_default()
}

/// A number that JSON may hold as a number or, as protobuf writes it, as a text.
pub(super) fn number(value: Option<&Value>) -> Option<u64> {
    match value? {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64(),
    }
}
