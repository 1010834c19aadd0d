//! Answers in the formats `json`, `extjs` and `html`.

use serde_json::{Map, Value, json};

use super::wire::Reply;
use crate::pve::{
    endpoint::{Answer, Outcome},
    error::ApiError,
};

const JSON: &str = "application/json;charset=UTF-8";
const HTML: &str = "text/html;charset=UTF-8";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    ExtJs,
    Html,
}

impl Format {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "json" => Some(Self::Json),
            "extjs" => Some(Self::ExtJs),
            "html" => Some(Self::Html),
            _ => None,
        }
    }
}

/// Turns what a handler answered into a reply; HTML pages carry the caller's CSRF token.
pub(crate) fn render(format: Format, outcome: &Outcome, csrf: Option<&str>) -> Reply {
    if let Ok(Answer { download: Some(download), .. }) = outcome {
        return Reply {
            attachment: Some(download.name.clone()),
            ..reply(200, String::new(), "text/plain", download.text.clone())
        };
    }
    match format {
        Format::Json => {
            let (status, message) = match outcome {
                Ok(_) => (200, String::new()),
                Err(error) => (error.status, error.message.clone()),
            };
            reply(status, message, JSON, json_body(outcome).to_string())
        }
        Format::ExtJs => reply(200, String::new(), JSON, extjs_body(outcome).to_string()),
        Format::Html => {
            let (status, message) = match outcome {
                Ok(_) => (200, String::new()),
                Err(error) => (error.status, error.message.clone()),
            };
            reply(status, message, HTML, html_body(outcome, csrf))
        }
    }
}

fn reply(status: u16, message: String, content_type: &'static str, body: String) -> Reply {
    Reply {
        status,
        message,
        content_type: Some(content_type),
        body: body.into_bytes(),
        ..Reply::default()
    }
}

fn shared(outcome: &Outcome) -> Map<String, Value> {
    let mut body = Map::new();
    match outcome {
        Ok(answer) => {
            body.insert("data".to_owned(), answer.data.clone());
            body.extend(answer.attributes.clone());
        }
        Err(error) => {
            body.insert("data".to_owned(), Value::Null);
            if !error.errors.is_empty() {
                body.insert("errors".to_owned(), json!(error.errors));
            }
            body.insert("message".to_owned(), text_of(error).into());
        }
    }
    body
}

fn text_of(error: &ApiError) -> String {
    if error.message.is_empty() { error.reason() } else { error.message.clone() }
}

fn json_body(outcome: &Outcome) -> Value {
    Value::Object(shared(outcome))
}

fn extjs_body(outcome: &Outcome) -> Value {
    let mut body = shared(outcome);
    match outcome {
        Ok(_) => {
            body.insert("success".to_owned(), 1.into());
        }
        Err(error) => {
            body.insert("success".to_owned(), 0.into());
            // Perl keeps the code of a parameter error as a string.
            let status = if error.errors.is_empty() {
                json!(error.status)
            } else {
                json!(error.status.to_string())
            };
            body.insert("status".to_owned(), status);
        }
    }
    Value::Object(body)
}

fn html_body(outcome: &Outcome, csrf: Option<&str>) -> String {
    let shown = match outcome {
        Ok(answer) => serde_json::to_string_pretty(&answer.data).unwrap_or_default(),
        Err(error) => text_of(error),
    };
    let escaped = shown.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let token =
        csrf.map(|token| format!("PVE.CSRFPreventionToken = '{token}';\n")).unwrap_or_default();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n  <head>\n    <meta charset=\"utf-8\">\n    \
         <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\">\n    \
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n    \
         <title>Proxmox VE API</title>\n\n    <!-- Bootstrap -->\n    \
         <link href=\"/bootstrap5/css/bootstrap.min.css\" rel=\"stylesheet\">\n\n\
         <script type=\"text/javascript\">\nPVE = {{}};\n\n{token}</script>\n\n  </head>\n  <body>\n\
         <pre>{escaped}</pre>\n  </body>\n</html>\n"
    )
}
