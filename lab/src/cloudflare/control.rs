//! The laboratory's own door, below `/lab`: it asks for no token, and Cloudflare has nothing like it.
//!
//! | Request | What |
//! |---|---|
//! | `GET /lab/site` | account, zones, and where the API is |
//! | `POST /lab/tokens` | `{"permissions": ["tunnel:edit", "dns:edit", "zone:read"]}` makes a token |
//! | `POST /lab/tunnels/{id}/connections` | a JSON list: these are the tunnel's connections now |
//! | `POST /lab/faults` | a [`Fault`]; the next requests that it names come to harm |
//! | `DELETE /lab/faults` | none do any more |
//! | `GET /lab/requests` | what was asked so far, oldest first |

use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    access::Permission,
    answer::{Answer, Error, Outcome, error},
    request::Request,
    state::{Connection, Data},
    tunnels,
};

/// What happens to requests: to the next `times` whose method and path fit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fault {
    /// `POST`; any if it is not said.
    #[serde(default)]
    pub method: Option<String>,
    /// How the path ends, without the API's root: `/cfd_tunnel`.
    pub path: String,
    pub harm: Harm,
    #[serde(default = "once")]
    pub times: u32,
}

/// How a request comes to harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Harm {
    /// It is done, and the connection ends before the answer.
    LoseReply,
    /// It is not done, and the connection ends.
    LoseRequest,
    /// It is done, and no answer comes for as long as the client waits.
    Hold,
    /// Refused with 429 and a Retry-After of one second.
    TooMany,
    /// Refused with 500.
    Broken,
    /// Refused with 502 and a page of HTML, as by a proxy in between.
    BadGateway,
}

fn once() -> u32 {
    1
}

/// The harm that comes to a request, if any; counts it.
pub(crate) fn harm(data: &mut Data, request: &Request) -> Option<Harm> {
    let path = format!("/{}", request.path);
    let fits = |fault: &&mut Fault| {
        let method = fault.method.as_deref().is_none_or(|method| method == request.method.as_str());
        fault.times > 0 && method && path.ends_with(&fault.path)
    };
    let fault = data.faults.iter_mut().find(fits)?;
    fault.times -= 1;
    Some(fault.harm)
}

/// Answers a request to the door; its path without `lab/`.
pub(crate) fn route(data: &mut Data, request: &Request, path: &[&str], endpoint: &str) -> Outcome {
    match (request.method.as_str(), path) {
        ("GET", ["site"]) => Ok(Answer::of(json!({
            "endpoint": endpoint,
            "account": data.account,
            "zones": data
                .zones
                .iter()
                .map(|zone| json!({ "id": zone.id, "name": zone.name }))
                .collect::<Vec<_>>(),
        }))),
        ("POST", ["tokens"]) => {
            #[derive(Deserialize)]
            struct Wanted {
                permissions: Vec<Permission>,
            }
            let wanted: Wanted = request.json()?;
            Ok(Answer::of(json!({ "token": data.issue(&wanted.permissions) })))
        }
        ("POST", ["tunnels", id, "connections"]) => {
            let reported: Vec<Reported> = request.json()?;
            let connections = reported.into_iter().map(Reported::into_connection).collect();
            tunnels::connect(tunnels::living(data, id)?, connections);
            Ok(Answer::of(Value::Null))
        }
        ("POST", ["faults"]) => {
            data.faults.push(request.json()?);
            Ok(Answer::of(Value::Null))
        }
        ("DELETE", ["faults"]) => {
            data.faults.clear();
            Ok(Answer::of(Value::Null))
        }
        ("GET", ["requests"]) => Ok(Answer::of(json!(data.requests))),
        _ => Err(nothing()),
    }
}

fn nothing() -> Error {
    error(StatusCode::NOT_FOUND, 7000, "No route for that URI")
}

/// A connection as an edge reports it; what is left out has a value that fits.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct Reported {
    id: Option<String>,
    client_id: String,
    client_version: String,
    arch: String,
    colo_name: String,
    origin_ip: String,
    opened_at: Option<String>,
    is_pending_reconnect: bool,
    config_version: u64,
}

impl Default for Reported {
    fn default() -> Self {
        Self {
            id: None,
            client_id: "00000000-0000-4000-8000-000000000000".to_owned(),
            client_version: "2026.8.2".to_owned(),
            arch: "linux_amd64".to_owned(),
            colo_name: "lab01".to_owned(),
            origin_ip: "192.0.2.1".to_owned(),
            opened_at: None,
            is_pending_reconnect: false,
            config_version: 0,
        }
    }
}

impl Reported {
    fn into_connection(self) -> Connection {
        Connection {
            id: self.id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
            client: self.client_id,
            client_version: self.client_version,
            architecture: self.arch,
            place: self.colo_name,
            origin: self.origin_ip,
            opened: self.opened_at.unwrap_or_else(|| Timestamp::now().to_string()),
            pending: self.is_pending_reconnect,
            config_version: self.config_version,
        }
    }
}
