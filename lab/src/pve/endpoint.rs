//! An API call as it is declared: method, path, parameters, permissions, handler.

use std::{future::Future, pin::Pin, sync::Arc};

use serde_json::{Map, Value};

use super::{access::permission::Permission, error::ApiError, request::Request, schema::Parameter};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Method {
    Get,
    Post,
    Put,
    Delete,
}

impl Method {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "GET" => Some(Self::Get),
            "POST" => Some(Self::Post),
            "PUT" => Some(Self::Put),
            "DELETE" => Some(Self::Delete),
            _ => None,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// What a call answers: `data`, and what stands beside it (`total` of a task's log).
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    pub(crate) data: Value,
    pub(crate) attributes: Map<String, Value>,
    /// A file to download instead of an answer in the asked format.
    pub(crate) download: Option<Download>,
}

/// A plain text that the client is to save.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Download {
    pub(crate) name: String,
    pub(crate) text: String,
}

impl From<Value> for Answer {
    fn from(data: Value) -> Self {
        Self { data, ..Self::default() }
    }
}

impl From<Download> for Answer {
    fn from(download: Download) -> Self {
        Self { download: Some(download), ..Self::default() }
    }
}

impl Answer {
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.attributes.insert(name.to_owned(), value.into());
        self
    }
}

pub(crate) type Outcome = Result<Answer, ApiError>;
pub(crate) type Handler =
    Arc<dyn Fn(Request) -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send + Sync>;

/// One API call.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) method: Method,
    /// With placeholders: `/nodes/{node}/qemu/{vmid}/config`. A last placeholder named
    /// `{volume}` takes the rest of the path, slashes included.
    pub(crate) path: &'static str,
    /// Those of the path included: they are checked like all others.
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) permission: Permission,
    /// Runs in pvedaemon (as root): replies of such calls differ on the wire, and they fail with
    /// 595 or 596 while pvedaemon is down or hangs.
    pub(crate) protected: bool,
    /// The call goes to the node of the path (`proxyto => 'node'`).
    pub(crate) proxied: bool,
    /// Whether API tokens may call it; all but a few.
    pub(crate) token_allowed: bool,
    pub(crate) handler: Handler,
}

impl Endpoint {
    /// A call that any authenticated user may make, not protected, without a handler so far.
    pub(crate) fn new(method: Method, path: &'static str) -> Self {
        Self {
            method,
            path,
            parameters: Vec::new(),
            permission: Permission::All,
            protected: false,
            proxied: false,
            token_allowed: true,
            handler: Arc::new(|_| {
                Box::pin(async { Err(ApiError::with_status(501, "not implemented\n")) })
            }),
        }
    }

    pub(crate) fn get(path: &'static str) -> Self {
        Self::new(Method::Get, path)
    }

    pub(crate) fn post(path: &'static str) -> Self {
        Self::new(Method::Post, path)
    }

    pub(crate) fn put(path: &'static str) -> Self {
        Self::new(Method::Put, path)
    }

    pub(crate) fn delete(path: &'static str) -> Self {
        Self::new(Method::Delete, path)
    }

    pub(crate) fn protected(mut self) -> Self {
        self.protected = true;
        self
    }

    pub(crate) fn proxied(mut self) -> Self {
        self.proxied = true;
        self
    }

    pub(crate) fn without_tokens(mut self) -> Self {
        self.token_allowed = false;
        self
    }

    pub(crate) fn permission(mut self, permission: Permission) -> Self {
        self.permission = permission;
        self
    }

    pub(crate) fn parameters(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// The handler: an `async fn(Request) -> Result<Value or Answer, ApiError>`.
    pub(crate) fn handler<F, R, A>(mut self, handler: F) -> Self
    where
        F: Fn(Request) -> R + Send + Sync + 'static,
        R: Future<Output = Result<A, ApiError>> + Send + 'static,
        A: Into<Answer>,
    {
        self.handler = Arc::new(move |request| {
            let pending = handler(request);
            Box::pin(async move { pending.await.map(Into::into) })
        });
        self
    }

    /// Matches a path without its leading slash, split at slashes; gives the path's parameters.
    pub(crate) fn matches(&self, segments: &[&str]) -> Option<Vec<(&'static str, String)>> {
        let template: Vec<&'static str> =
            self.path.split('/').filter(|part| !part.is_empty()).collect();
        let mut found = Vec::new();
        for (index, part) in template.iter().enumerate() {
            let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
            match name {
                Some("volume") if index + 1 == template.len() && segments.len() > index => {
                    found.push(("volume", segments[index..].join("/")));
                    return Some(found);
                }
                Some(name) => found.push((name, (*segments.get(index)?).to_owned())),
                None if segments.get(index) == Some(part) => {}
                None => return None,
            }
        }
        (template.len() == segments.len()).then_some(found)
    }
}
