//! A TLS server that answers each request as a test says, and keeps what it was sent.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// One request as it came in.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// Which one it was, over all connections; `usize::MAX` while its body is still to come.
    pub(super) number: usize,
    /// Request line and headers.
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn header(&self, wanted: &str) -> Option<&str> {
        let mut headers = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// These bytes; the connection stays open when they say its length.
    Bytes(Vec<u8>),
    /// The connection is closed without a word.
    Hangup,
    /// Sent before the body is read, which is then read to its end all the same.
    Early(Box<Reply>),
    /// A reply that promises to keep the connection, which is closed all the same.
    ThenClose(Box<Reply>),
}

impl Reply {
    pub(super) fn raw(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }

    pub(super) fn json(status: &str, body: &str) -> Self {
        Self::raw(&format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json;charset=UTF-8\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }
}

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

pub(super) struct Server {
    port: u16,
    certificate: CertificateDer<'static>,
    authority: String,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

struct State {
    handler: Box<Handler>,
    requests: Mutex<Vec<Request>>,
    connections: AtomicUsize,
    resumed: AtomicUsize,
}

impl Server {
    pub(super) async fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let (certificate, key, authority) = certificate();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            handler: Box::new(handler),
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            resumed: AtomicUsize::new(0),
        });
        let accepting = tokio::spawn({
            let state = state.clone();
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    state.connections.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(serve(stream, acceptor.clone(), state.clone()));
                }
            }
        });
        Self { port, certificate, authority, state, accepting }
    }

    pub(super) fn endpoint(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    pub(super) fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(&self.certificate).into()
    }

    /// The authority's certificate in PEM.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Of the connections those that took up a session.
    pub(super) fn resumed(&self) -> usize {
        self.state.resumed.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn certificate() -> (CertificateDer<'static>, PrivateKeyDer<'static>, String) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    (certificate.der().clone(), key, authority_pem)
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, state: Arc<State>) {
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    if stream.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Resumed) {
        state.resumed.fetch_add(1, Ordering::SeqCst);
    }
    while let Some((head, begun)) = receive_head(&mut stream).await {
        let early = Request { number: usize::MAX, head: head.clone(), body: Vec::new() };
        if let Reply::Early(reply) = (state.handler)(&early) {
            let Reply::Bytes(bytes) = *reply else { return };
            let sent = stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok();
            let _ = sent && receive_body(&mut stream, &head, begun).await.is_some();
            return;
        }
        let Some(body) = receive_body(&mut stream, &head, begun).await else { return };
        let request = {
            let mut requests = state.requests.lock().unwrap();
            let request = Request { number: requests.len(), head, body };
            requests.push(request.clone());
            request
        };
        let (reply, closes) = match (state.handler)(&request) {
            Reply::ThenClose(reply) => (*reply, true),
            reply => (reply, false),
        };
        let Reply::Bytes(bytes) = reply else { return };
        let torn = !bytes.ends_with(b"}") && !bytes.ends_with(b"\r\n\r\n");
        if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        if closes || torn || String::from_utf8_lossy(&bytes).contains("Connection: close") {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

/// The head, and what of the body came with it.
async fn receive_head(stream: &mut TlsStream<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let body = bytes.split_off(end);
    Some((String::from_utf8(bytes).unwrap(), body))
}

async fn receive_body(
    stream: &mut TlsStream<TcpStream>,
    head: &str,
    mut body: Vec<u8>,
) -> Option<Vec<u8>> {
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok())
        .unwrap_or(0_usize);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(body)
}
