//! A request, taken apart.

use http::{Method, StatusCode};
use serde_json::Value;

use super::answer::{Error, error};

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Without the API's root, without slashes at its ends.
    pub(crate) path: String,
    query: Vec<(String, String)>,
    pub(crate) authorization: Option<String>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(
        method: Method,
        path: &str,
        query: &str,
        authorization: Option<String>,
        body: Vec<u8>,
    ) -> Self {
        let query = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decoded(name), decoded(value))
            })
            .collect();
        let path = path.trim_matches('/').to_owned();
        Self { method, path, query, authorization, body }
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as a JSON object.
    pub(crate) fn object(&self) -> Result<Value, Error> {
        match serde_json::from_slice(&self.body) {
            Ok(value @ Value::Object(_)) => Ok(value),
            _ => Err(error(StatusCode::BAD_REQUEST, 6007, "Malformed JSON in request body")),
        }
    }

    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body)
            .map_err(|problem| error(StatusCode::BAD_REQUEST, 6007, &problem.to_string()))
    }
}

fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}
