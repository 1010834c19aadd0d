//! HTTP/1.1 messages, read and written with the real server's limits.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Header lines that the real server takes, the empty one included.
const MAX_HEADER_LINES: usize = 64;
const MAX_HEADER_BYTES: usize = 8 * 1024;
/// What one read asks for.
const CHUNK: usize = 64 * 1024;

/// The start of a request, up to its body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) method: String,
    /// Path and query, as sent.
    pub(crate) target: String,
    /// `HTTP/1.1`.
    pub(crate) protocol: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    /// The value of a header, its name in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The path, percent-decoded.
    pub(crate) fn path(&self) -> String {
        let raw = self.target.split('?').next().unwrap_or_default();
        percent_encoding::percent_decode_str(raw).decode_utf8_lossy().into_owned()
    }

    pub(crate) fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    pub(crate) fn content_length(&self) -> u64 {
        self.header("Content-Length").and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }
}

/// What came instead of, or as, the start of a request.
#[derive(Debug)]
pub(crate) enum Incoming {
    Head(Head),
    /// Not a request: answer with this status and text, then close.
    Malformed(u16, String),
    /// Too many or too long headers: no answer until the connection idles out.
    Oversized,
    /// The client went away, or was idle for too long.
    Closed,
}

/// A connection with what was read ahead.
pub(crate) struct Wire<S> {
    stream: S,
    buffer: Vec<u8>,
    /// Bytes read since the last [`Wire::mark`].
    pub(crate) received: u64,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new(), received: 0 }
    }

    pub(crate) fn into_inner(self) -> S {
        self.stream
    }

    async fn fill(&mut self, idle: Duration) -> Option<usize> {
        let mut chunk = vec![0; CHUNK];
        let read = tokio::time::timeout(idle, self.stream.read(&mut chunk)).await.ok()?.ok()?;
        if read == 0 {
            return None;
        }
        self.buffer.extend_from_slice(&chunk[..read]);
        Some(read)
    }

    async fn line(&mut self, idle: Duration) -> Option<String> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=searched + at).collect();
                self.received += line.len() as u64;
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Some(String::from_utf8_lossy(&line).into_owned());
            }
            searched = self.buffer.len();
            self.fill(idle).await?;
        }
    }

    /// Reads the start of the next request; `idle` is how long the client may be silent.
    pub(crate) async fn head(&mut self, idle: Duration) -> Incoming {
        self.received = 0;
        let first = loop {
            match self.line(idle).await {
                None => return Incoming::Closed,
                // Browsers send empty lines between requests.
                Some(line) if line.is_empty() => {}
                Some(line) => break line,
            }
        };
        let parts: Vec<&str> = first.split(' ').collect();
        let [.., method, target, protocol] = parts.as_slice() else {
            return Incoming::Malformed(400, "bad request".to_owned());
        };
        let Some(version) = protocol.strip_prefix("HTTP/") else {
            return Incoming::Malformed(400, "bad request".to_owned());
        };
        if !version.starts_with("1.") {
            let text = format!("http protocol version {version} not supported");
            return Incoming::Malformed(506, text);
        }
        if target.split('/').next().is_some_and(|start| start.contains('@')) {
            return Incoming::Malformed(400, "invalid url".to_owned());
        }
        let mut head = Head {
            method: (*method).to_owned(),
            target: (*target).to_owned(),
            protocol: (*protocol).to_owned(),
            headers: Vec::new(),
        };
        let (mut lines, mut bytes) = (0, 0);
        loop {
            let Some(line) = self.line(idle).await else { return Incoming::Closed };
            lines += 1;
            bytes += line.len();
            if lines >= MAX_HEADER_LINES || bytes >= MAX_HEADER_BYTES {
                return Incoming::Oversized;
            }
            if line.is_empty() {
                return Incoming::Head(head);
            }
            if line.starts_with(char::is_whitespace) {
                if let Some((_, value)) = head.headers.last_mut() {
                    value.push(' ');
                    value.push_str(line.trim_start());
                }
            } else if let Some((name, value)) = line.split_once(':')
                && !name.trim_end().contains(char::is_whitespace)
            {
                head.headers.push((name.trim_end().to_owned(), value.trim_start().to_owned()));
            } else {
                return Incoming::Malformed(506, "unable to parse request header".to_owned());
            }
        }
    }

    /// Reads up to `wanted` bytes of a body: what is there, or the next piece. `None` at the end
    /// of the stream or after `idle`.
    pub(crate) async fn piece(&mut self, wanted: u64, idle: Duration) -> Option<Vec<u8>> {
        if self.buffer.is_empty() {
            self.fill(idle).await?;
        }
        let take = usize::try_from(wanted).unwrap_or(usize::MAX).min(self.buffer.len());
        self.received += take as u64;
        Some(self.buffer.drain(..take).collect())
    }

    /// Reads a body that fits in memory.
    pub(crate) async fn body(&mut self, length: u64, idle: Duration) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        while (body.len() as u64) < length {
            body.extend(self.piece(length - body.len() as u64, idle).await?);
        }
        Some(body)
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    pub(crate) async fn shutdown(&mut self) {
        // A client that is gone already needs no farewell.
        self.stream.shutdown().await.ok();
    }

    /// Waits until the client closes or `idle` has passed, discarding what comes.
    pub(crate) async fn linger(&mut self, idle: Duration) {
        let deadline = tokio::time::Instant::now() + idle;
        loop {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            self.buffer.clear();
            if left.is_zero() || self.fill(left).await.is_none() {
                return;
            }
        }
    }
}

/// A reply before it is written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The first line of it becomes the reason phrase.
    pub(crate) message: String,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) location: Option<String>,
    /// The name under which a client is to save the body.
    pub(crate) attachment: Option<String>,
    pub(crate) body: Vec<u8>,
    /// Came from pvedaemon: carries a `Connection: close` of its own.
    pub(crate) proxied: bool,
    /// The real server's delay before it is sent.
    pub(crate) delay: Duration,
}

impl Reply {
    /// An error of the HTTP layer: the text is reason phrase and body.
    pub(crate) fn error(status: u16, text: impl Into<String>) -> Self {
        let message = text.into();
        Self { status, body: message.clone().into_bytes(), message, ..Self::default() }
    }

    /// A status line without a body.
    pub(crate) fn bare(status: u16, text: impl Into<String>) -> Self {
        Self { status, message: text.into(), ..Self::default() }
    }

    /// The reply as bytes. `gzip` says whether the client takes it compressed.
    pub(crate) fn bytes(&self, protocol: &str, keep_alive: bool, gzip: bool, now: i64) -> Vec<u8> {
        let reason = match self.message.lines().next().unwrap_or_default() {
            "" => http::StatusCode::from_u16(self.status)
                .ok()
                .and_then(|status| status.canonical_reason())
                .unwrap_or_default(),
            line => line,
        };
        let date = http_date(now);
        let mut headers = vec![("Cache-Control", "max-age=0".to_owned())];
        if self.proxied || !keep_alive {
            headers.push(("Connection", "close".to_owned()));
        }
        if keep_alive {
            headers.push(("Connection", "Keep-Alive".to_owned()));
        }
        headers.push(("Date", date.clone()));
        headers.push(("Pragma", "no-cache".to_owned()));
        if let Some(location) = &self.location {
            headers.push(("Location", location.clone()));
        }
        headers.push(("Server", "pve-api-daemon/3.0".to_owned()));
        let compressed = (gzip && self.body.len() > 1024).then(|| compress(&self.body));
        if compressed.is_some() {
            headers.push(("Content-Encoding", "gzip".to_owned()));
        }
        let body = compressed.as_ref().unwrap_or(&self.body);
        if !body.is_empty() {
            headers.push(("Content-Length", body.len().to_string()));
        }
        if let Some(content_type) = self.content_type {
            headers.push(("Content-Type", content_type.to_owned()));
        }
        headers.push(("Expires", date));
        if let Some(name) = &self.attachment {
            headers.push(("Content-Disposition", format!("attachment; filename=\"{name}\"")));
        }
        let mut text = format!("{protocol} {} {reason}\r\n", self.status);
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }
}

fn compress(body: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    match encoder.write_all(body).and_then(|()| encoder.finish()) {
        Ok(bytes) => bytes,
        Err(error) => unreachable!("compressing into memory cannot fail: {error}"),
    }
}

/// `Sun, 22 Nov 2026 14:15:20 GMT`.
fn http_date(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .strftime("%a, %d %b %Y %H:%M:%S GMT")
        .to_string()
}
