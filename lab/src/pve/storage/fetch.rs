//! Fetching a URL as the host's wget does: redirects followed, certificates checked or not.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, Uri, header};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::net::TcpStream;

/// More redirects than wget follows.
const REDIRECTS: usize = 20;

/// Why nothing came.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("unable to resolve host address '{0}'")]
    Unresolvable(String),
    #[error("failed: {0}")]
    Unreachable(std::io::Error),
    #[error("cannot verify the server's certificate: {0}")]
    Tls(std::io::Error),
    #[error("{0}")]
    Protocol(String),
}

/// What is told of a connection: where it went.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) response: Response<Incoming>,
    /// `127.0.0.1:8088`, of the last hop.
    pub(super) peer: String,
}

/// Sends a request, following redirects; any last status is an answer.
pub(super) async fn fetch(method: Method, url: &str, verify: bool) -> Result<Fetched, FetchError> {
    let mut uri: Uri = url.parse().map_err(|_| FetchError::Protocol("bad URL".to_owned()))?;
    for _ in 0..REDIRECTS {
        let fetched = once(&method, &uri, verify).await?;
        let location = fetched.response.headers().get(header::LOCATION);
        match location.and_then(|location| location.to_str().ok()) {
            Some(location) if fetched.response.status().is_redirection() => {
                uri = resolve(&uri, location)?;
            }
            _ => return Ok(fetched),
        }
    }
    Err(FetchError::Protocol(format!("{REDIRECTS} redirections exceeded.")))
}

fn resolve(base: &Uri, location: &str) -> Result<Uri, FetchError> {
    let text = if location.starts_with('/') {
        let scheme = base.scheme_str().unwrap_or("http");
        let authority = base.authority().map_or("", |authority| authority.as_str());
        format!("{scheme}://{authority}{location}")
    } else {
        location.to_owned()
    };
    text.parse().map_err(|_| FetchError::Protocol(format!("bad redirection to {location}")))
}

async fn once(method: &Method, uri: &Uri, verify: bool) -> Result<Fetched, FetchError> {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let secure = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let found =
        tokio::net::lookup_host((host.as_str(), port)).await.map(|mut addresses| addresses.next());
    let address = found.ok().flatten().ok_or_else(|| FetchError::Unresolvable(host.clone()))?;
    let stream = TcpStream::connect(address).await.map_err(FetchError::Unreachable)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, uri.authority().map_or(host.as_str(), |name| name.as_str()))
        .header(header::USER_AGENT, "Wget/1.25.0")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| FetchError::Protocol(error.to_string()))?;
    let response = if secure {
        let name = ServerName::try_from(host.clone())
            .map_err(|error| FetchError::Protocol(error.to_string()))?;
        let connector = tokio_rustls::TlsConnector::from(tls(verify)?);
        let stream = connector.connect(name, stream).await.map_err(FetchError::Tls)?;
        exchange(TokioIo::new(stream), request).await?
    } else {
        exchange(TokioIo::new(stream), request).await?
    };
    Ok(Fetched { response, peer: address.to_string() })
}

async fn exchange<T>(
    stream: T,
    request: Request<Empty<Bytes>>,
) -> Result<Response<Incoming>, FetchError>
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let failed = |error: hyper::Error| FetchError::Protocol(error.to_string());
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(stream).await.map_err(failed)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a download's connection ended");
        }
    });
    sender.send_request(request).await.map_err(failed)
}

fn tls(verify: bool) -> Result<Arc<ClientConfig>, FetchError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| FetchError::Protocol(error.to_string()))?;
    let config = if verify {
        let mut roots = RootCertStore::empty();
        for certificate in rustls_native_certs::load_native_certs().certs {
            // One root that can't be read takes nothing from the others.
            let _ = roots.add(certificate);
        }
        builder.with_root_certificates(roots).with_no_client_auth()
    } else {
        let any = Arc::new(AnyCertificate(provider));
        builder.dangerous().with_custom_certificate_verifier(any).with_no_client_auth()
    };
    Ok(Arc::new(config))
}

/// `verify-certificates=0`.
#[derive(Debug)]
struct AnyCertificate(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
