//! The laboratory's own door: plain HTTP on the API's port, paths below `/lab/`.
//!
//! | call | what it does |
//! |---|---|
//! | `GET /lab/requests?since=N` | the request log, entries numbered above N |
//! | `DELETE /lab/requests` | clears it |
//! | `GET`, `POST`, `DELETE /lab/faults` | lists, asks for (a JSON [`faults::Fault`]), forgets faults |
//! | `POST /lab/outside` | a JSON array: a command line as if run on the host |
//! | `POST /lab/clock` | `{"advance": seconds}` |
//! | `POST /lab/certificate` | `{"authority": bool}`: a new node certificate, by a new authority |
//! | `POST /lab/daemon` | `{"up": bool}`: pvedaemon |
//! | `GET /lab/server` | endpoint, certificate authority, fingerprint |

pub(crate) mod actions;
pub mod client;
pub(crate) mod faults;
pub(crate) mod log;
pub(crate) mod outside;

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    http::wire::{Head, Reply},
    server::Server,
};

/// Answers a request to the laboratory's door.
pub(crate) async fn answer(server: &Arc<Server>, head: &Head, body: &[u8]) -> Reply {
    let given: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let result = match (head.method.as_str(), head.path().as_str()) {
        ("GET", "/lab/requests") => {
            let since = head.query().strip_prefix("since=").and_then(|text| text.parse().ok());
            Ok(json!(server.log.since(since.unwrap_or(0))))
        }
        ("DELETE", "/lab/requests") => {
            server.log.clear();
            Ok(Value::Null)
        }
        ("GET", "/lab/faults") => Ok(json!(server.faults.list())),
        ("DELETE", "/lab/faults") => {
            server.faults.clear();
            server.set_idle(None);
            Ok(Value::Null)
        }
        ("POST", "/lab/faults") => match faults::Fault::parse(body) {
            Ok(fault) => server.faults.add(server, fault).await.map(|number| json!(number)),
            Err(error) => Err(error),
        },
        ("POST", "/lab/outside") => match serde_json::from_slice::<Vec<String>>(body) {
            Ok(command) => outside::run(server, &command).await.map(|()| Value::Null),
            Err(error) => Err(format!("not a command line: {error}")),
        },
        ("POST", "/lab/clock") => match given["advance"].as_i64() {
            Some(seconds) => {
                server.state.clock.advance(seconds);
                Ok(json!(server.state.clock.now()))
            }
            None => Err("wanted: {\"advance\": seconds}".to_owned()),
        },
        ("POST", "/lab/certificate") => server
            .renew_certificate(given["authority"].as_bool().unwrap_or(false))
            .map(|()| server.describe())
            .map_err(|error| error.to_string()),
        ("POST", "/lab/daemon") => match given["up"].as_bool() {
            Some(up) => {
                server.set_daemon(up);
                Ok(Value::Null)
            }
            None => Err("wanted: {\"up\": true or false}".to_owned()),
        },
        ("GET", "/lab/server") => Ok(server.describe()),
        (method, path) => Err(format!("the laboratory has no {method} {path}")),
    };
    let (status, body) = match result {
        Ok(data) => (200, json!({ "data": data })),
        Err(text) => (400, json!({ "error": text })),
    };
    Reply {
        status,
        content_type: Some("application/json"),
        body: body.to_string().into_bytes(),
        ..Reply::default()
    }
}
