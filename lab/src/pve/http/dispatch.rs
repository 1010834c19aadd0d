//! From a request to the handler of its endpoint, in the real server's order of checks.

use std::{sync::Arc, time::Duration};

use indexmap::IndexMap;
use serde_json::Value;

use super::{
    authenticate::Authenticated,
    render::{Format, render},
    wire::Reply,
};
use crate::pve::{
    access::{permission, ticket},
    endpoint::{Endpoint, Method, Outcome},
    error::ApiError,
    request::{Caller, ForcedExit, Request, Upload},
    schema::check,
    server::Server,
    state::State,
};

/// pveproxy waits this long for pvedaemon.
const DAEMON_TIMEOUT: Duration = Duration::from_secs(30);

/// The endpoints by path.
pub(crate) struct Router {
    endpoints: Vec<Endpoint>,
}

/// An endpoint and what stood in the place of its placeholders.
pub(crate) type Route<'a> = (&'a Endpoint, Vec<(&'static str, String)>);

impl Router {
    pub(crate) fn new(endpoints: Vec<Endpoint>) -> Self {
        Self { endpoints }
    }

    /// The endpoint of a path relative to the API's root; the one with the most literal parts
    /// where several match.
    pub(crate) fn find(&self, method: Method, path: &str) -> Option<Route<'_>> {
        let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        if segments.iter().any(|part| part.contains(char::is_whitespace)) {
            return None;
        }
        self.endpoints
            .iter()
            .filter(|endpoint| endpoint.method == method)
            .filter_map(|endpoint| endpoint.matches(&segments).map(|found| (endpoint, found)))
            .min_by_key(|(_, placeholders)| placeholders.len())
    }
}

/// A call as the wire gave it.
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Relative to the API's root: `/nodes/pve1/qemu`.
    pub(crate) path: String,
    pub(crate) format: Format,
    pub(crate) authenticated: Authenticated,
    pub(crate) parameters: IndexMap<String, Value>,
    pub(crate) upload: Option<Upload>,
    pub(crate) forced_exit: Option<ForcedExit>,
    pub(crate) hold: Option<Duration>,
}

/// Makes a call and renders what came of it.
pub(crate) async fn dispatch(server: &Arc<Server>, call: Call) -> Reply {
    let format = call.format;
    let upload = call.upload.clone();
    let csrf = match (&call.authenticated.caller, format) {
        (Some(caller), Format::Html) => Some(ticket::issue_csrf(&server.state, &caller.user)),
        _ => None,
    };
    let (outcome, proxied) = match prepare(server, call) {
        Err(error) => (Err(error), false),
        Ok((endpoint, request)) => {
            let elsewhere = endpoint.proxied && request.node() != server.state.local_node();
            let proxied = endpoint.protected || elsewhere;
            match run(server, endpoint, request).await {
                Ok(outcome) => (outcome, proxied),
                Err(reply) => return reply,
            }
        }
    };
    if let (Err(_), Some(upload)) = (&outcome, upload) {
        // Whoever took the file over has moved it; after a refusal it is nobody's.
        fs_err::tokio::remove_file(upload.file).await.ok();
    }
    let mut reply = render(format, &outcome, csrf.as_deref());
    reply.proxied = proxied;
    if let Err(error) = &outcome
        && error.status == 401
    {
        reply.delay = Duration::from_secs(3);
    }
    reply
}

/// Makes a call as `root@pam`, without the wire: what a person would type on the host.
///
/// # Errors
/// What the API would answer.
pub(crate) async fn call_as_root(
    server: &Arc<Server>,
    method: Method,
    path: &str,
    parameters: Value,
) -> Result<Value, ApiError> {
    let parameters = match parameters {
        Value::Object(fields) => fields.into_iter().collect(),
        _ => IndexMap::new(),
    };
    let call = Call {
        method,
        path: path.to_owned(),
        format: Format::Json,
        authenticated: Authenticated {
            caller: Some(Caller::user("root@pam")),
            by_token: false,
            upload: false,
        },
        parameters,
        upload: None,
        forced_exit: None,
        hold: None,
    };
    let (endpoint, request) = prepare(server, call)?;
    match run(server, endpoint, request).await {
        Ok(outcome) => outcome.map(|answer| answer.data),
        Err(reply) => Err(ApiError::with_status(reply.status, reply.message)),
    }
}

fn prepare(server: &Arc<Server>, call: Call) -> Result<(Endpoint, Request), ApiError> {
    let not_implemented = || {
        let line = format!("Method '{} {}' not implemented", call.method.as_str(), call.path);
        ApiError::with_status(501, line)
    };
    let (endpoint, placeholders) =
        server.router.find(call.method, &call.path).ok_or_else(not_implemented)?;
    let mut parameters: IndexMap<String, Value> = placeholders
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::String(value)))
        .collect();
    for (name, value) in call.parameters.into_iter().filter(|(name, _)| name != "_dc") {
        if let Some(known) = parameters.get(&name)
            && crate::pve::request::scalar(known) != crate::pve::request::scalar(&value)
        {
            return Err(ApiError::parameter(
                name,
                "duplicate parameter (already defined in URI) with conflicting values!",
            ));
        }
        parameters.insert(name, value);
    }
    if call.authenticated.by_token && !endpoint.token_allowed {
        return Err(ApiError::forbidden(format!(
            "URI '{}' not available with API token, need proper ticket.\n",
            call.path
        )));
    }
    let nobody = Caller { user: String::new(), token: None };
    let mut request = Request {
        state: Arc::clone(&server.state),
        caller: call.authenticated.caller.unwrap_or(nobody),
        parameters,
        upload: call.upload,
        forced_exit: call.forced_exit,
        hold: call.hold,
    };
    if request.caller.user.is_empty()
        && !matches!(endpoint.permission, permission::Permission::World)
    {
        return Err(ApiError::forbidden("user != null"));
    }
    permission::check(&endpoint.permission, &request)?;
    resolve_node(&server.state, endpoint, &mut request)?;
    check::check_parameters(&endpoint.parameters, &mut request.parameters)?;
    Ok((endpoint.clone(), request))
}

/// `localhost` is the answering node; a node that nobody knows fails as its name's resolution.
fn resolve_node(state: &State, endpoint: &Endpoint, request: &mut Request) -> Result<(), ApiError> {
    let Some(node) = request.text("node") else { return Ok(()) };
    if !endpoint.path.starts_with("/nodes/{node}") {
        return Ok(());
    }
    if node == "localhost" {
        request.parameters.insert("node".to_owned(), state.local_node().into());
    } else if endpoint.proxied && state.node(&node).is_none() {
        return Err(ApiError::failure(format!(
            "hostname lookup '{node}' failed - failed to get address info for: {node}: \
             Temporary failure in name resolution"
        )));
    }
    Ok(())
}

/// Runs the handler in a task of its own, so that a client that goes away cancels nothing.
async fn run(server: &Arc<Server>, endpoint: Endpoint, request: Request) -> Result<Outcome, Reply> {
    if !endpoint.protected {
        return Ok(joined(tokio::spawn((endpoint.handler)(request)).await));
    }
    if server.daemon_is_down() {
        return Err(Reply { proxied: true, ..Reply::bare(595, "Connection refused") });
    }
    let workers = Arc::clone(&server.workers);
    let worker = tokio::spawn(async move {
        let _worker = workers.acquire_owned().await;
        (endpoint.handler)(request).await
    });
    let patience = server.state.clock.patience(DAEMON_TIMEOUT);
    match tokio::time::timeout(patience, worker).await {
        Ok(result) => Ok(joined(result)),
        Err(_) => Err(Reply { proxied: true, ..Reply::bare(596, "Connection timed out") }),
    }
}

fn joined(result: Result<Outcome, tokio::task::JoinError>) -> Outcome {
    result.unwrap_or_else(|error| {
        tracing::error!(%error, "a handler of the emulator panicked");
        Err(ApiError::failure("internal error of the emulator: a handler panicked"))
    })
}
