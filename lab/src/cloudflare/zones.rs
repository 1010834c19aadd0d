//! `zones`: what the token sees of them, and the token itself.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    access::{Permission, Token},
    answer::{Answer, Error, Outcome, error, page},
    request::Request,
    state::{Data, Zone},
};

pub(crate) fn list(data: &Data, token: &Token, request: &Request) -> Outcome {
    if !token.may(Permission::ZoneRead) {
        let actor = format!(
            "Actor 'com.cloudflare.api.token.{}' requires permission \
             'com.cloudflare.api.account.zone.list' to list zones",
            token.id
        );
        return Err(error(StatusCode::FORBIDDEN, 0, &actor));
    }
    let account = request.query("account.id");
    let name = request.query("name");
    let seen = data
        .zones
        .iter()
        .filter(|zone| name.is_none_or(|name| zone.name == name))
        .filter(|_| account.is_none_or(|account| account == data.account))
        .map(|zone| shown(data, zone))
        .collect();
    page(request, seen, 20, 50)
}

pub(crate) fn one(data: &Data, token: &Token, id: &str) -> Outcome {
    let refused =
        || error(StatusCode::FORBIDDEN, 9109, "Unauthorized to access requested resource");
    let zone = data.zones.iter().find(|zone| zone.id == id);
    match zone.filter(|_| token.may(Permission::ZoneRead)) {
        Some(zone) => Ok(Answer::of(shown(data, zone))),
        None => Err(refused()),
    }
}

/// Where a zone stands in the list; what does not look like an id never gets that far.
pub(crate) fn place(data: &Data, id: &str) -> Result<usize, Error> {
    let hex = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !hex {
        let refused = error(StatusCode::BAD_REQUEST, 7003, "Could not route to the zone");
        return Err(refused.because(7000, "No route for that URI"));
    }
    let found = data.zones.iter().position(|zone| zone.id == id);
    found.ok_or_else(|| error(StatusCode::FORBIDDEN, 10000, "Authentication error"))
}

/// `user/tokens/verify` and its twin below an account.
pub(crate) fn verify(token: &Token, method: &Method) -> Outcome {
    if method != Method::GET {
        return Err(error(StatusCode::METHOD_NOT_ALLOWED, 10405, "Method not allowed"));
    }
    Ok(Answer::of(json!({ "id": token.id, "status": "active" })))
}

fn shown(data: &Data, zone: &Zone) -> Value {
    let since = "2026-01-01T00:00:00.000000Z";
    json!({
        "id": zone.id,
        "name": zone.name,
        "status": "active",
        "paused": false,
        "type": "full",
        "development_mode": 0,
        "name_servers": ["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"],
        "original_name_servers": null,
        "original_registrar": null,
        "original_dnshost": null,
        "modified_on": since,
        "created_on": since,
        "activated_on": since,
        "meta": { "step": 2, "page_rule_quota": 3, "phishing_detected": false },
        "owner": { "id": null, "type": "user", "email": null },
        "account": { "id": data.account, "name": "lab" },
        "permissions": ["#zone:read"],
        "plan": { "id": "0feeeeeeeeeeeeeeeeeeeeeeeeeeeeee", "name": "Free Website" },
    })
}
