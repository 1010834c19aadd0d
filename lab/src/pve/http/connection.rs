//! One client's connection: TLS or not, keep-alive, limits, faults.

use std::{sync::Arc, time::Duration};

use indexmap::IndexMap;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::{
    authenticate::{Authenticated, authenticate},
    dispatch::{Call, dispatch},
    form,
    render::Format,
    upload::{self, UploadFailure},
    wire::{Head, Incoming, Reply, Wire},
};
use crate::{
    pve::{
        control::{self, faults::Effects, log::Entry},
        endpoint::Method,
        request::Upload,
        server::Server,
    },
    sim::gate::Verdict,
};

/// Requests that one connection serves.
const KEEP_ALIVE_REQUESTS: u32 = 100;
/// The largest body that is not an upload.
const MAX_BODY: u64 = 512 * 1024;
/// A TLS handshake starts with this byte.
const TLS_HANDSHAKE: u8 = 0x16;

/// Serves a connection until it ends.
pub(crate) async fn serve(server: Arc<Server>, stream: TcpStream) {
    let mut first = [0_u8; 1];
    let peeked = tokio::time::timeout(server.idle(), stream.peek(&mut first)).await;
    match peeked {
        Ok(Ok(1)) if first[0] == TLS_HANDSHAKE => {
            let acceptor = tokio_rustls::TlsAcceptor::from(server.tls());
            if let Ok(Ok(stream)) =
                tokio::time::timeout(server.idle(), acceptor.accept(stream)).await
            {
                requests(&server, Wire::new(stream)).await;
            }
        }
        Ok(Ok(1)) => plain(&server, Wire::new(stream)).await,
        _ => {}
    }
}

/// Plain HTTP on the TLS port: the laboratory's control, or a redirection.
async fn plain(server: &Arc<Server>, mut wire: Wire<TcpStream>) {
    let Incoming::Head(head) = wire.head(server.idle()).await else { return };
    if head.path().starts_with("/lab/") {
        let body = wire.body(head.content_length(), server.idle()).await.unwrap_or_default();
        let reply = control::answer(server, &head, &body).await;
        let bytes = reply.bytes(&head.protocol, false, false, server.state.clock.now());
        wire.write(&bytes).await.ok();
        wire.shutdown().await;
        return;
    }
    let Some(host) = head.header("Host") else {
        wire.linger(server.idle()).await;
        return;
    };
    let host = host.trim_start_matches("http://").trim_start_matches("https://");
    let (status, text) = match head.method.as_str() {
        "GET" | "HEAD" => (301, "Moved Permanently"),
        _ => (308, "Permanent Redirect"),
    };
    let mut reply = Reply::error(status, text);
    reply.location = Some(format!("https://{host}{}", head.target));
    let bytes = reply.bytes(&head.protocol, true, false, server.state.clock.now());
    wire.write(&bytes).await.ok();
    wire.shutdown().await;
}

/// What to do with the connection after a request.
enum Next {
    Continue,
    Close,
    /// Let it idle out without a reply.
    Linger,
    /// Cut it without a farewell.
    Reset,
}

async fn requests<S: AsyncRead + AsyncWrite + Unpin>(server: &Arc<Server>, mut wire: Wire<S>) {
    for left in (0..KEEP_ALIVE_REQUESTS).rev() {
        let next = match wire.head(server.idle()).await {
            Incoming::Head(head) => request(server, &mut wire, head, left > 0).await,
            Incoming::Malformed(status, text) => {
                let reply = Reply::error(status, text);
                let bytes = reply.bytes("HTTP/1.0", false, false, server.state.clock.now());
                wire.write(&bytes).await.ok();
                Next::Close
            }
            Incoming::Oversized => Next::Linger,
            Incoming::Closed => Next::Close,
        };
        match next {
            Next::Continue => {}
            Next::Close => break,
            Next::Linger => {
                wire.linger(server.idle()).await;
                return;
            }
            Next::Reset => {
                drop(wire.into_inner());
                return;
            }
        }
    }
    // What the client still sends is read: closing with unread bytes would cost it the reply.
    wire.shutdown().await;
    wire.linger(server.idle()).await;
}

async fn request<S: AsyncRead + AsyncWrite + Unpin>(
    server: &Arc<Server>,
    wire: &mut Wire<S>,
    head: Head,
    more: bool,
) -> Next {
    let mut entry = Entry::begin(server, &head);
    let effects = server.faults.take(server, &head).await;
    entry.fault = effects.names();
    let passage = match server.state.config.gate.before(entry.effect()).await {
        Ok(passage) => passage,
        Err(verdict) => {
            let Verdict::Refuse { status, message } = verdict else {
                server.log.push(entry.end(server, None));
                return Next::Reset;
            };
            let reply = Reply::error(status, message);
            server.log.push(entry.end(server, Some(&reply)));
            let bytes = reply.bytes(&head.protocol, false, false, server.state.clock.now());
            wire.write(&bytes).await.ok();
            return Next::Close;
        }
    };
    let reply = match take(server, wire, &head, &effects, &mut entry).await {
        Taken::Reply(reply) => reply,
        Taken::Next(next) => {
            server.log.push(entry.end(server, None));
            return next;
        }
    };
    if !reply.delay.is_zero() {
        server.state.clock.delay(reply.delay).await;
    }
    if let Some(delay) = effects.delay {
        tokio::time::sleep(delay).await;
    }
    server.log.push(entry.end(server, Some(&reply)));
    let passed = server.state.config.gate.after(passage).await == Verdict::Pass;
    if effects.drop_reply || !passed {
        return Next::Reset;
    }
    let keep_alive = more && reply.status < 400 && wants_keep_alive(&head);
    let gzip = head.header("Accept-Encoding").is_some_and(|accepted| accepted.contains("gzip"));
    let bytes = reply.bytes(&head.protocol, keep_alive, gzip, server.state.clock.now());
    match wire.write(&bytes).await {
        Ok(()) if keep_alive => Next::Continue,
        _ => Next::Close,
    }
}

fn wants_keep_alive(head: &Head) -> bool {
    match head.header("Connection") {
        Some(value) => !value.to_ascii_lowercase().contains("close"),
        None => head.protocol != "HTTP/1.0",
    }
}

enum Taken {
    Reply(Reply),
    Next(Next),
}

impl From<Reply> for Taken {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

/// Reads the rest of a request and makes its call.
async fn take<S: AsyncRead + AsyncWrite + Unpin>(
    server: &Arc<Server>,
    wire: &mut Wire<S>,
    head: &Head,
    effects: &Effects,
    entry: &mut Entry,
) -> Taken {
    let Some(method) = Method::parse(&head.method) else {
        return Reply::bare(501, format!("method '{}' not available", head.method)).into();
    };
    match head.header("Transfer-Encoding") {
        Some(encoding) if encoding.eq_ignore_ascii_case("chunked") => {
            return Reply::error(501, "chunked transfer encoding not supported").into();
        }
        Some(encoding) => {
            return Reply::error(501, format!("Unknown transfer encoding '{encoding}'")).into();
        }
        None => {}
    }
    let path = head.path();
    if !path.starts_with("/api2") {
        return outside_api(&path, method).into();
    }
    let Some((format_name, relative)) = split_path(&path) else {
        return Reply::error(501, "no such uri").into();
    };
    let authenticated = match authenticate(&server.state, head, method, &relative) {
        Ok(authenticated) => authenticated,
        Err(refused) => {
            let mut reply = Reply::bare(refused.status, refused.message);
            reply.delay = Duration::from_secs(3);
            return reply.into();
        }
    };
    entry.caller = authenticated.caller.as_ref().map(crate::pve::request::Caller::identity);
    if let Some(bytes) = effects.reset_after(head.content_length()) {
        wire.body(bytes.min(head.content_length()), server.idle()).await;
        return Taken::Next(Next::Reset);
    }
    let length = head.content_length();
    let content = match read_content(server, wire, head, method, &authenticated, length).await {
        Ok(content) => content,
        Err(taken) => return taken,
    };
    let Some(format) = Format::parse(&format_name) else {
        let line = format!("no formatter for uri {relative}, {format_name}");
        return Reply::error(501, line).into();
    };
    let (mut parameters, upload) = match content {
        Content::Parameters(parameters) => (parameters, None),
        Content::Upload(parameters, upload) => (parameters, Some(upload)),
        Content::Broken(message) => return Reply::error(500, message).into(),
    };
    for (name, value) in form::decode(head.query()) {
        parameters.insert(name, value);
    }
    entry.parameters(&parameters);
    if let Some(reply) = effects.instead() {
        return reply.into();
    }
    let call = Call {
        method,
        path: relative,
        format,
        authenticated,
        parameters,
        upload,
        forced_exit: effects.forced_exit.clone(),
        hold: effects.hold,
    };
    let mut reply = dispatch(server, call).await;
    effects.change(&mut reply);
    reply.into()
}

fn outside_api(path: &str, method: Method) -> Reply {
    if path == "/" && method == Method::Get {
        let text = "file error - /usr/share/pve-manager/index.html.tpl: not found\n";
        return Reply::error(500, text);
    }
    Reply::error(500, format!("no such file '{path}'\n"))
}

/// `/api2/json/version` is the format `json` and the path `/version`.
fn split_path(path: &str) -> Option<(String, String)> {
    let rest = path.strip_prefix("/api2")?;
    let trimmed = rest.trim_start_matches('/');
    if trimmed.len() == rest.len() {
        return None;
    }
    let (format, relative) = match trimmed.find('/') {
        Some(at) => (&trimmed[..at], &trimmed[at..]),
        None => (trimmed, "/"),
    };
    let plain = format.len() > 1
        && format.starts_with(|letter: char| letter.is_ascii_lowercase())
        && format.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit());
    plain.then(|| (format.to_owned(), relative.to_owned()))
}

enum Content {
    Parameters(IndexMap<String, Value>),
    Upload(IndexMap<String, Value>, Upload),
    Broken(String),
}

async fn read_content<S: AsyncRead + AsyncWrite + Unpin>(
    server: &Arc<Server>,
    wire: &mut Wire<S>,
    head: &Head,
    method: Method,
    authenticated: &Authenticated,
    length: u64,
) -> Result<Content, Taken> {
    if length == 0 {
        return Ok(Content::Parameters(IndexMap::new()));
    }
    if !matches!(method, Method::Post | Method::Put) {
        let line = format!("Unexpected content for method '{}'", method.as_str());
        return Err(Reply::error(501, line).into());
    }
    let header = head.header("Content-Type").unwrap_or_default();
    let (content_type, boundary) = parse_content_type(header);
    if authenticated.upload {
        let Some(boundary) = boundary.filter(|_| content_type == "multipart/form-data") else {
            // The real server only notes this in its log; the client hears nothing.
            return Err(Taken::Next(Next::Linger));
        };
        return read_upload(server, wire, length, &boundary).await;
    }
    if length > MAX_BODY {
        return Err(Reply::error(501, "for data too large").into());
    }
    if !matches!(
        content_type.as_str(),
        "" | "application/x-www-form-urlencoded" | "application/json"
    ) {
        let line = format!("upload 'Content-Type '{header}' not implemented");
        return Err(Reply::error(506, line).into());
    }
    if head.header("Expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        tracing::debug!("a client waits for 100 Continue, which the real server never sends");
    }
    let Some(body) = wire.body(length, server.idle()).await else {
        return Err(Taken::Next(Next::Close));
    };
    if content_type != "application/json" {
        return Ok(Content::Parameters(form::decode(&String::from_utf8_lossy(&body))));
    }
    Ok(match form::decode_json(&body) {
        Ok(parameters) => Content::Parameters(parameters),
        Err(message) => Content::Broken(message),
    })
}

async fn read_upload<S: AsyncRead + AsyncWrite + Unpin>(
    server: &Arc<Server>,
    wire: &mut Wire<S>,
    length: u64,
    boundary: &str,
) -> Result<Content, Taken> {
    let folder = server.state.folder("uploads");
    let (target, shown) = upload::place(&folder);
    let body = target.with_extension("body");
    let taken = async {
        fs_err::tokio::create_dir_all(&folder).await?;
        upload::spool(wire, length, server.idle(), &body).await?;
        upload::take_apart(&body, length, boundary, target, shown).await
    }
    .await;
    fs_err::tokio::remove_file(&body).await.ok();
    match taken {
        Ok((fields, upload)) => Ok(Content::Upload(fields, upload)),
        Err(UploadFailure::Gone) => Err(Taken::Next(Next::Close)),
        Err(UploadFailure::Refused(text)) => Err(Reply::error(500, text).into()),
    }
}

fn parse_content_type(header: &str) -> (String, Option<String>) {
    let mut parts = header.split([';', ',']).map(str::trim);
    let content_type = parts.next().unwrap_or_default().to_owned();
    let boundary = parts
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| name.trim() == "boundary")
        .map(|(_, value)| value.trim().to_owned());
    (content_type, boundary)
}
