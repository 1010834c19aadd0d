//! Who calls: cookie, ticket in the `Authorization` header, or API token.

use super::wire::Head;
use crate::pve::{
    access::ticket, endpoint::Method, error::ApiError, request::Caller, state::State,
};

/// What a request proved about its sender.
#[derive(Clone, Debug)]
pub(crate) struct Authenticated {
    /// `None` for the few calls that need nobody.
    pub(crate) caller: Option<Caller>,
    pub(crate) by_token: bool,
    pub(crate) upload: bool,
}

/// A refusal of the authentication layer: a status line without a body, sent after 3 s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) message: String,
}

fn refused(text: &str) -> Refused {
    Refused { status: 401, message: text.to_owned() }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self { status: error.status, message: error.message }
    }
}

const OPEN: &[(Method, &str)] = &[
    (Method::Get, "/access/domains"),
    (Method::Get, "/access/ticket"),
    (Method::Post, "/access/ticket"),
    (Method::Post, "/access/vncticket"),
    (Method::Post, "/access/openid/login"),
    (Method::Post, "/access/openid/auth-url"),
];

/// Finds the caller of a request for this path (relative to the API's root).
///
/// A cookie wins over a token, even a stale one over a good one.
pub(crate) fn authenticate(
    state: &State,
    head: &Head,
    method: Method,
    path: &str,
) -> Result<Authenticated, Refused> {
    if OPEN.contains(&(method, path)) {
        return Ok(Authenticated { caller: None, by_token: false, upload: false });
    }
    let authorization = head.header("Authorization");
    let ticket = value_of(head.header("Cookie"), "PVEAuthCookie")
        .or_else(|| value_of(authorization, "PVEAuthCookie"));
    let token = match ticket {
        Some(_) => None,
        None => value_of(authorization, "PVEAPIToken"),
    };
    let caller = match (&ticket, &token) {
        (_, Some(token)) => ticket::verify_token(state, token),
        (Some(ticket), None) => ticket::verify(state, ticket),
        (None, None) => return Err(refused("No ticket")),
    }
    .ok_or_else(|| refused("Authentication failed!"))?;
    let upload = method == Method::Post && is_upload(path);
    if upload && let Some(storage) = path.split('/').nth(4) {
        let path = format!("/storage/{storage}");
        state.access.require(&caller, &path, &["Datastore.AllocateTemplate"], false)?;
    }
    let by_token = token.is_some();
    if method != Method::Get && !by_token && !upload {
        let given = head.header("CSRFPreventionToken").unwrap_or_default();
        if !ticket::verify_csrf(state, &caller, given) {
            return Err(refused("Permission denied - invalid csrf token"));
        }
    }
    Ok(Authenticated { caller: Some(caller), by_token, upload })
}

fn is_upload(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    matches!(parts.as_slice(), ["", "nodes", _, "storage", _, "upload"])
}

/// `key=value` or `key value` within a header; the value ends at a semicolon and may be
/// percent-encoded.
fn value_of(header: Option<&str>, key: &str) -> Option<String> {
    let header = header?;
    let mut from = 0;
    while let Some(at) = header[from..].find(key) {
        let start = from + at;
        let starts_word = start == 0 || header[..start].ends_with(char::is_whitespace);
        let rest = &header[start + key.len()..];
        if starts_word && let Some(value) = rest.strip_prefix(['=', ' ']) {
            let value = value.split(';').next().unwrap_or_default();
            let decoded = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
            return (!decoded.is_empty()).then(|| decoded.into_owned());
        }
        from = start + key.len();
    }
    None
}
