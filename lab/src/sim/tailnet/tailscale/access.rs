//! Who asks, and what they may: persons' access tokens, and OAuth clients with scopes and tags.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{refuse, wrong};
use crate::sim::tailnet::{
    answer::{Answer, Outcome},
    route::Asked,
    state::hex,
};

/// The life of an OAuth client's token: an hour.
const LIFE: SignedDuration = SignedDuration::from_secs(3600);

/// An OAuth client.
#[derive(Clone, Debug)]
pub(in crate::sim::tailnet) struct Client {
    id: String,
    secret: String,
    scopes: Vec<String>,
    tags: Vec<String>,
}

impl Client {
    pub(in crate::sim::tailnet) fn new(
        id: &str,
        secret: &str,
        scopes: &[&str],
        tags: &[&str],
    ) -> Self {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
            scopes: owned(scopes),
            tags: owned(tags),
        }
    }
}

/// What is shown with each request.
#[derive(Clone, Debug)]
pub(in crate::sim::tailnet) struct Token {
    secret: String,
    scopes: Vec<String>,
    /// An OAuth client's tags; `None`: it is a person's.
    pub(super) tags: Option<Vec<String>>,
    /// `None`: for longer than a world lasts.
    expires: Option<Timestamp>,
}

impl Token {
    pub(in crate::sim::tailnet) fn of_a_person(secret: &str) -> Self {
        let scopes = vec!["all".to_owned()];
        Self { secret: secret.to_owned(), scopes, tags: None, expires: None }
    }

    /// Whether its scopes include one: writing includes reading, and `devices` is the older name for
    /// `devices:core` and `auth_keys`.
    pub(super) fn may(&self, needed: &str) -> bool {
        let has = |scope: &str| self.scopes.iter().any(|held| held == scope);
        let writing = needed.strip_suffix(":read").unwrap_or(needed);
        let reads = needed.ends_with(":read");
        has("all")
            || has(needed)
            || has(writing)
            || (reads && has("all:read"))
            || (matches!(writing, "devices:core" | "auth_keys") && has("devices"))
            || (needed == "devices:core:read" && has("devices:read"))
    }
}

/// The token of a request, as a bearer's or as the name of HTTP's basic authentication.
pub(super) fn of(asked: &Asked<'_>) -> Result<Token, Answer> {
    let basic = asked.request.basic().map(|(name, _)| name);
    let shown = asked.request.bearer().map(str::to_owned).or(basic).unwrap_or_default();
    let alive = |token: &&Token| token.expires.is_none_or(|expires| expires > asked.now);
    let mut known = asked.data.tokens.iter().filter(|token| token.secret == shown);
    known.find(alive).cloned().ok_or_else(invalid)
}

fn invalid() -> Answer {
    refuse(StatusCode::UNAUTHORIZED, "API token invalid")
}

/// A token for a client, who names itself in the body or by HTTP's basic authentication.
pub(super) fn token(asked: &mut Asked<'_>) -> Outcome {
    let form = |name: &str| asked.request.form(name);
    // The text is made up.
    if form("grant_type").is_some_and(|kind| kind != "client_credentials") {
        return Err(wrong("unsupported grant_type"));
    }
    let (id, secret) = match asked.request.basic() {
        Some(pair) => pair,
        None => (form("client_id").unwrap_or_default(), form("client_secret").unwrap_or_default()),
    };
    let client = asked.data.clients.iter().find(|client| client.secret == secret);
    // The secret names the client, too: the id may be left out.
    let client = client.filter(|client| id.is_empty() || client.id == id).ok_or_else(invalid)?;
    let held = Token {
        secret: format!("tskey-api-{}-{}", client.id, hex(32)),
        scopes: client.scopes.clone(),
        tags: Some(client.tags.clone()),
        expires: asked.now.checked_add(LIFE).ok(),
    };
    let asked_for = form("scope").unwrap_or_default();
    let scopes: Vec<String> =
        asked_for.split([' ', ',']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
    let foreign: Vec<&str> =
        scopes.iter().map(String::as_str).filter(|scope| !held.may(scope)).collect();
    if !foreign.is_empty() {
        let message = format!("OAuth client cannot grant scopes \"{}\"", foreign.join(" "));
        return Err(refuse(StatusCode::FORBIDDEN, &message));
    }
    let token = if scopes.is_empty() { held } else { Token { scopes, ..held } };
    let answer = json!({
        "access_token": token.secret,
        "token_type": "Bearer",
        "expires_in": LIFE.as_secs(),
        "scope": token.scopes.join(" "),
        "tags": client.tags.join(" "),
    });
    asked.data.tokens.push(token);
    Ok(Answer::ok(&answer))
}

/// Whether who asks may give these tags to keys and devices.
///
/// # Errors
/// With the API's refusal, which names them all.
pub(super) fn check_tags(asked: &Asked<'_>, tags: &[String]) -> Result<(), Answer> {
    let owners = &asked.settings.tag_owners;
    let held = of(asked)?.tags;
    let permitted = match &held {
        None => tags.iter().all(|tag| owners.contains_key(tag)),
        Some(held) => {
            let owns = |tag: &String| {
                owners
                    .get(tag)
                    .is_some_and(|owners| owners.iter().any(|owner| held.contains(owner)))
            };
            let same = tags.len() == held.len() && tags.iter().all(|tag| held.contains(tag));
            tags.iter().all(owns) || (same && tags.iter().all(|tag| owners.contains_key(tag)))
        }
    };
    match permitted {
        true => Ok(()),
        false => {
            let message =
                format!("requested tags [{}] are invalid or not permitted", tags.join(" "));
            Err(wrong(&message))
        }
    }
}
