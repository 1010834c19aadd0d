//! Envelopes, errors, pages.

use http::StatusCode;
use serde_json::{Value, json};

use super::request::Request;

/// What a path answers: a result, with where its page stands if it is a list.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) result: Value,
    pub(crate) page: Option<Value>,
}

impl Answer {
    pub(crate) fn of(result: Value) -> Self {
        Self { result, page: None }
    }
}

/// A refusal, in the API's own words.
#[derive(Debug)]
pub(crate) struct Error {
    pub(crate) status: StatusCode,
    code: u32,
    message: String,
    chain: Option<(u32, String)>,
    /// Seconds until the next attempt, of a refusal for haste.
    pub(crate) retry_after: Option<u64>,
}

pub(crate) fn error(status: StatusCode, code: u32, message: &str) -> Error {
    Error { status, code, message: message.to_owned(), chain: None, retry_after: None }
}

impl Error {
    pub(crate) fn because(mut self, code: u32, message: &str) -> Self {
        self.chain = Some((code, message.to_owned()));
        self
    }

    pub(crate) fn after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

pub(crate) type Outcome = Result<Answer, Error>;

/// The body of an answer, and its status.
pub(crate) fn envelope(outcome: &Outcome) -> (StatusCode, Value) {
    match outcome {
        Ok(answer) => {
            let mut body = json!({
                "result": answer.result,
                "success": true,
                "errors": [],
                "messages": [],
            });
            if let Some(page) = &answer.page {
                body["result_info"] = page.clone();
            }
            (StatusCode::OK, body)
        }
        Err(error) => {
            let mut told = json!({ "code": error.code, "message": error.message });
            if let Some((code, message)) = &error.chain {
                told["error_chain"] = json!([{ "code": code, "message": message }]);
            }
            let body = json!({
                "result": null,
                "success": false,
                "errors": [told],
                "messages": [],
            });
            (error.status, body)
        }
    }
}

/// Cuts the page out of a list that was asked for; `default` and `most` are this path's sizes.
pub(crate) fn page(request: &Request, all: Vec<Value>, default: usize, most: usize) -> Outcome {
    let number = |name: &str, otherwise: usize| match request.query(name) {
        None => Ok(otherwise),
        Some(text) => text
            .parse::<f64>()
            .ok()
            .filter(|number| *number >= 1.0)
            .map(|number| number as usize)
            .ok_or_else(|| {
                error(StatusCode::BAD_REQUEST, 6003, &format!("Invalid value for {name}"))
            }),
    };
    let size = number("per_page", default)?.min(most);
    let at = number("page", 1)?;
    let total = all.len();
    let result: Vec<Value> = all.into_iter().skip((at - 1) * size).take(size).collect();
    let page = json!({
        "page": at,
        "per_page": size,
        "count": result.len(),
        "total_count": total,
        "total_pages": total.div_ceil(size),
    });
    Ok(Answer { result: Value::Array(result), page: Some(page) })
}
