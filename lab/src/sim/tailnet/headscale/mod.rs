//! Headscale's REST API: its gRPC service (`proto/headscale/v1`) behind grpc-gateway, which writes each
//! field, numbers of 64 bits as texts, and errors as `{"code", "message", "details"}`.
//!
//! An error without a status of its own is gRPC's `Unknown`, and so HTTP's 500.

mod keys;
mod nodes;
mod users;
mod wire;

use http::StatusCode;
use serde_json::json;

use super::{
    answer::{Answer, Outcome},
    plane::{Plane, Release},
    route::{Asked, Dialect, Route},
};

pub(super) struct Headscale;

/// What a path needs that is for keys of the API.
const KEY: &str = "an API key";

const fn open(path: &'static str, act: fn(&mut Asked<'_>) -> Outcome) -> Route {
    Route { method: "GET", path, needs: "", act }
}

const fn route(
    method: &'static str,
    path: &'static str,
    act: fn(&mut Asked<'_>) -> Outcome,
) -> Route {
    Route { method, path, needs: KEY, act }
}

const ROUTES: &[Route] = &[
    open("/version", version),
    open("/health", |_| Ok(Answer::ok(&json!({ "status": "pass" })))),
    route("GET", "/api/v1/health", health),
    route("GET", "/api/v1/user", users::list),
    route("POST", "/api/v1/user", users::create),
    route("DELETE", "/api/v1/user/{user}", users::delete),
    route("GET", "/api/v1/preauthkey", keys::list),
    route("POST", "/api/v1/preauthkey", keys::create),
    route("DELETE", "/api/v1/preauthkey", keys::delete),
    route("POST", "/api/v1/preauthkey/expire", keys::expire),
    route("GET", "/api/v1/node", nodes::list),
    route("GET", "/api/v1/node/{node}", nodes::one),
    route("DELETE", "/api/v1/node/{node}", nodes::delete),
    route("POST", "/api/v1/node/{node}/expire", nodes::expire),
    route("POST", "/api/v1/node/{node}/rename/{name}", nodes::rename),
    route("POST", "/api/v1/node/{node}/tags", nodes::set_tags),
];

/// gRPC's codes, as far as they are met.
#[derive(Clone, Copy)]
enum Code {
    Unknown = 2,
    InvalidArgument = 3,
    NotFound = 5,
    Unimplemented = 12,
    Internal = 13,
}

impl Dialect for Headscale {
    fn routes(&self) -> &'static [Route] {
        ROUTES
    }

    fn admit(&self, asked: &Asked<'_>, _needs: &str) -> Result<(), Answer> {
        let known = |key: &str| asked.data.api_keys.iter().any(|known| known == key);
        match asked.request.bearer().is_some_and(known) {
            true => Ok(()),
            // Not JSON: the middleware before the gateway says it.
            false => Err(Answer::text(StatusCode::UNAUTHORIZED, "Unauthorized")),
        }
    }

    fn refusal(&self, status: StatusCode, message: &str) -> Answer {
        // The gateway's own table, read backwards.
        let code = match status.as_u16() {
            400 => 3,
            401 => 16,
            403 => 7,
            404 => 5,
            409 => 6,
            429 => 8,
            501 => 12,
            503 => 14,
            504 => 4,
            _ => 2,
        };
        said(status, code, message)
    }

    fn unrouted(&self, path: &str, known: bool) -> Answer {
        match (path.starts_with("/api/"), known) {
            (true, true) => refuse(Code::Unimplemented, "Method Not Allowed"),
            (true, false) => nowhere(),
            (false, _) => Answer::text(StatusCode::NOT_FOUND, "404 page not found\n"),
        }
    }
}

fn said(status: StatusCode, code: u8, message: &str) -> Answer {
    Answer::json(status, &json!({ "code": code, "message": message, "details": [] }))
}

fn refuse(code: Code, message: &str) -> Answer {
    let status = match code {
        Code::Unknown | Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Code::InvalidArgument => StatusCode::BAD_REQUEST,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
    };
    said(status, code as u8, message)
}

/// The gateway's answer for a path that it does not have.
fn nowhere() -> Answer {
    refuse(Code::NotFound, "Not Found")
}

fn nothing() -> Answer {
    Answer::ok(&json!({}))
}

fn release(asked: &Asked<'_>) -> Release {
    match asked.settings.plane {
        Plane::Headscale(release) => release,
        Plane::Tailscale => Release::V0_29,
    }
}

fn version(asked: &mut Asked<'_>) -> Outcome {
    let release = release(asked);
    if release < Release::V0_27 {
        return Err(Answer::text(StatusCode::NOT_FOUND, "404 page not found\n"));
    }
    Ok(Answer::ok(&json!({
        "version": release.text(),
        "commit": "unknown",
        "buildTime": "unknown",
        "go": { "version": "go1.26.5", "os": "linux", "arch": "amd64" },
        "dirty": false,
    })))
}

fn health(asked: &mut Asked<'_>) -> Outcome {
    if release(asked) < Release::V0_27 {
        return Err(nowhere());
    }
    Ok(Answer::ok(&json!({ "databaseConnectivity": true })))
}

/// The path's first parameter as a number.
fn id(asked: &Asked<'_>, name: &str) -> Result<u64, Answer> {
    let text = asked.parameters.first().map(String::as_str).unwrap_or_default();
    text.parse().map_err(|_| {
        let message = format!(
            "type mismatch, parameter: {name}, error: strconv.ParseUint: parsing \"{text}\": invalid syntax"
        );
        refuse(Code::InvalidArgument, &message)
    })
}

/// The body as an object.
fn object(asked: &Asked<'_>) -> Result<serde_json::Map<String, serde_json::Value>, Answer> {
    asked
        .request
        .object()
        .ok_or_else(|| refuse(Code::InvalidArgument, "proto: syntax error: unexpected token"))
}

/// `tag:k3s`, and not `k3s`, `tag:K3s` or `tag:a b`.
fn check_tag(tag: &str) -> Result<(), &'static str> {
    if !tag.starts_with("tag:") {
        return Err("tag must start with the string 'tag:'");
    }
    if tag.to_lowercase() != tag {
        return Err("tag should be lowercase");
    }
    match tag.split_whitespace().count() {
        0 | 1 => Ok(()),
        _ => Err("tags must not contain spaces"),
    }
}
