//! Tailscale's API, version 2 (`tailscale.com/api`): errors are `{"message"}`.
//!
//! Paths, bodies and names of fields are those of Tailscale's Go client. The texts of refusals are as
//! users of the API quote them; where none was found, the text is made up and the status is the likely one.

pub(super) mod access;
mod devices;
mod keys;
mod policy;

use http::StatusCode;
use serde_json::json;

use super::{
    answer::{Answer, Outcome},
    route::{Asked, Dialect, Route},
};

pub(super) struct Tailscale;

const fn route(
    method: &'static str,
    path: &'static str,
    needs: &'static str,
    act: fn(&mut Asked<'_>) -> Outcome,
) -> Route {
    Route { method, path, needs, act }
}

/// Each with the scope that it needs.
const ROUTES: &[Route] = &[
    route("POST", "/api/v2/oauth/token", "", access::token),
    route("GET", "/api/v2/tailnet/{tailnet}/keys", "auth_keys:read", keys::list),
    route("POST", "/api/v2/tailnet/{tailnet}/keys", "auth_keys", keys::create),
    route("GET", "/api/v2/tailnet/{tailnet}/keys/{key}", "auth_keys:read", keys::one),
    route("DELETE", "/api/v2/tailnet/{tailnet}/keys/{key}", "auth_keys", keys::delete),
    route("GET", "/api/v2/tailnet/{tailnet}/devices", "devices:core:read", devices::list),
    route("GET", "/api/v2/tailnet/{tailnet}/acl", "policy_file:read", policy::one),
    route("GET", "/api/v2/device/{device}", "devices:core:read", devices::one),
    route("DELETE", "/api/v2/device/{device}", "devices:core", devices::delete),
    route("POST", "/api/v2/device/{device}/ip", "devices:core", devices::set_address),
    route("POST", "/api/v2/device/{device}/authorized", "devices:core", devices::authorize),
    route("POST", "/api/v2/device/{device}/tags", "devices:core", devices::set_tags),
    route("POST", "/api/v2/device/{device}/key", "devices:core", devices::set_key),
    route("POST", "/api/v2/device/{device}/name", "devices:core", devices::set_name),
    route("POST", "/api/v2/device/{device}/expire", "devices:core", devices::expire),
];

impl Dialect for Tailscale {
    fn routes(&self) -> &'static [Route] {
        ROUTES
    }

    fn admit(&self, asked: &Asked<'_>, needs: &str) -> Result<(), Answer> {
        if !access::of(asked)?.may(needs) {
            let message = "calling actor does not have enough permissions to perform this function";
            return Err(refuse(StatusCode::FORBIDDEN, message));
        }
        let tailnet = asked.request.path.strip_prefix("/api/v2/tailnet/");
        let named = asked.parameters.first().filter(|_| tailnet.is_some());
        match named.is_none_or(|name| name == "-" || *name == asked.settings.domain) {
            true => Ok(()),
            // The text is made up.
            false => Err(refuse(StatusCode::NOT_FOUND, "tailnet not found")),
        }
    }

    fn refusal(&self, status: StatusCode, message: &str) -> Answer {
        refuse(status, message)
    }

    fn unrouted(&self, _path: &str, known: bool) -> Answer {
        match known {
            true => refuse(StatusCode::METHOD_NOT_ALLOWED, "method not allowed"),
            false => refuse(StatusCode::NOT_FOUND, "404 page not found"),
        }
    }
}

fn refuse(status: StatusCode, message: &str) -> Answer {
    Answer::json(status, &json!({ "message": message }))
}

fn wrong(message: &str) -> Answer {
    refuse(StatusCode::BAD_REQUEST, message)
}

fn nothing() -> Answer {
    Answer::ok(&json!({}))
}

/// The body as an object. The refusal's text is made up.
fn object(asked: &Asked<'_>) -> Result<serde_json::Map<String, serde_json::Value>, Answer> {
    asked.request.object().ok_or_else(|| wrong("invalid JSON"))
}
