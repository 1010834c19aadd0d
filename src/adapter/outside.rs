//! HTTPS with a name of our choice at an address of our choice, over a connection of our own or of a host's.

#[cfg(test)]
mod tests;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use camino::Utf8Path;
use http::{Request, header};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::{
    inventory::authority,
    ports::{Answer, Host, Outside, OutsideError, Question},
};

const PORT: u16 = 443;
/// For each of: to connect, to agree on TLS, to be answered.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a body that are looked at: Cloudflare's pages tell the number of their error some way down.
const READ: usize = 16 * 1024;

/// Asks from this computer, or from a host that carries the connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Visitor;

impl Outside for Visitor {
    async fn ask<H: Host>(
        &self,
        question: &Question,
        through: Option<&H>,
    ) -> Result<Answer, OutsideError> {
        let addresses = addresses(question).await?;
        let tls = trust(question.ca_file.as_deref())?;
        let Some(host) = through else {
            let connect = TcpStream::connect(addresses.as_slice());
            let stream = in_time(connect)
                .await
                .map_err(|reason| OutsideError::Connect { address: told(&addresses), reason })?;
            return Box::pin(exchange(question, tls, stream)).await;
        };
        let mut last = String::new();
        for address in &addresses {
            match in_time(host.tunnel(address.ip(), address.port())).await {
                Ok(stream) => return Box::pin(exchange(question, tls, stream)).await,
                Err(reason) => last = reason,
            }
        }
        Err(OutsideError::Connect { address: told(&addresses), reason: last })
    }
}

fn told(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(", ")
}

async fn addresses(question: &Question) -> Result<Vec<SocketAddr>, OutsideError> {
    if let Some(address) = question.address {
        return Ok(vec![address]);
    }
    let unknown = |reason: String| OutsideError::Name { host: question.host.clone(), reason };
    let found: Vec<SocketAddr> =
        in_time(lookup_host((question.host.as_str(), PORT))).await.map_err(unknown)?.collect();
    if found.is_empty() { Err(unknown("it has no address".into())) } else { Ok(found) }
}

fn trust(ca_file: Option<&Utf8Path>) -> Result<Arc<ClientConfig>, OutsideError> {
    // One provider for the process; whoever comes first installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let roots = match ca_file {
        Some(file) => authority::read(file).map_err(OutsideError::Local)?,
        None => {
            let mut roots = RootCertStore::empty();
            // What can't be used is of no use to a browser either.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        }
    };
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

async fn exchange(
    question: &Question,
    tls: Arc<ClientConfig>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<Answer, OutsideError> {
    let host = question.host.as_str();
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| OutsideError::Local(format!("{host}: {error}")))?;
    let stream = in_time(TlsConnector::from(tls).connect(name, stream))
        .await
        .map_err(|reason| OutsideError::Tls { host: host.into(), reason })?;
    let broken = |reason: String| OutsideError::Broken { host: host.into(), reason };
    let (mut sender, connection) =
        in_time(http1::handshake(TokioIo::new(stream))).await.map_err(broken)?;
    // It ends with the answer, or when nobody waits for one any longer.
    let carried = tokio::spawn(connection);
    let request = Request::get("/")
        .header(header::HOST, host)
        .header(header::USER_AGENT, concat!("homelab/", env!("CARGO_PKG_VERSION")))
        .header(header::ACCEPT, "text/html, application/json;q=0.9, */*;q=0.8")
        .body(Empty::<Bytes>::new())
        .map_err(|error| OutsideError::Local(error.to_string()))?;
    let answer = in_time(sender.send_request(request)).await.map_err(broken);
    let read = async {
        let answer = answer?;
        let (head, body) = answer.into_parts();
        let location = head.headers.get(header::LOCATION);
        let location = location.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = timeout(PATIENCE, beginning(body)).await.unwrap_or_default();
        Ok(Answer { status: head.status.as_u16(), location, body })
    };
    let read = read.await;
    carried.abort();
    read
}

/// What comes first of a body; one that breaks off is judged by what came.
async fn beginning(mut body: hyper::body::Incoming) -> String {
    let mut bytes = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Some(data) = frame.data_ref() {
            bytes.extend_from_slice(data);
        }
        if bytes.len() >= READ {
            break;
        }
    }
    bytes.truncate(READ);
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn in_time<T, E: std::fmt::Display>(
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match timeout(PATIENCE, future).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}
