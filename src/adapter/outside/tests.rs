//! A visitor before a real TLS server on loopback.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use camino::Utf8PathBuf;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{
    model::NodeName,
    ports::{HostError, Output, RemoteFile},
    script::Script,
};

/// Carries connections and nothing else; counts them.
#[derive(Clone, Default)]
struct Carrier(Arc<AtomicUsize>);

impl Host for Carrier {
    type Stream = TcpStream;

    fn node(&self) -> &NodeName {
        unreachable!("nobody asks who it is")
    }

    fn address(&self) -> IpAddr {
        unreachable!("nobody asks where it is")
    }

    async fn run(&self, _script: &Script) -> Result<Output, HostError> {
        Err(HostError::Local("it only forwards".into()))
    }

    async fn write(&self, _file: &RemoteFile) -> Result<(), HostError> {
        Err(HostError::Local("it only forwards".into()))
    }

    async fn tunnel(&self, address: IpAddr, port: u16) -> Result<TcpStream, HostError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let to = SocketAddr::new(address, port);
        TcpStream::connect(to).await.map_err(|error| HostError::Local(error.to_string()))
    }

    fn is_open(&self) -> bool {
        true
    }

    async fn close(&self) {}
}

/// Where `app.lan` answers, the authority of its certificate, and what it was last asked.
struct Site {
    address: SocketAddr,
    ca_file: Utf8PathBuf,
    asked: tokio::sync::watch::Receiver<String>,
    _folder: tempfile::TempDir,
}

impl Site {
    async fn answering(answer: &'static str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["app.lan".to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &issuer).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, asked) = tokio::sync::watch::channel(String::new());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut request = vec![0; 4096];
                let Ok(length) = stream.read(&mut request).await else { continue };
                tell.send_replace(String::from_utf8_lossy(&request[..length]).into_owned());
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let ca_file = Utf8PathBuf::from_path_buf(folder.path().join("ca.pem")).unwrap();
        fs_err::write(&ca_file, authority.pem()).unwrap();
        Self { address, ca_file, asked, _folder: folder }
    }

    fn question(&self, host: &str) -> Question {
        Question {
            host: host.into(),
            address: Some(self.address),
            ca_file: Some(self.ca_file.clone()),
        }
    }
}

const REDIRECT: &str =
    "HTTP/1.1 302 Found\r\nlocation: /web/?next=1\r\ncontent-length: 5\r\n\r\nhello";

#[tokio::test]
async fn a_name_is_asked_for_at_an_address_of_our_choice_and_a_redirect_is_not_followed() {
    let site = Site::answering(REDIRECT).await;
    let answer = Visitor.ask(&site.question("app.lan"), None::<&Carrier>).await.unwrap();
    let location = Some("/web/?next=1".to_owned());
    assert_eq!(answer, Answer { status: 302, location, body: "hello".into() });
    let asked = site.asked.borrow().clone();
    assert!(
        asked.starts_with("GET / HTTP/1.1\r\n") && asked.contains("host: app.lan\r\n"),
        "{asked}"
    );
}

#[tokio::test]
async fn a_host_carries_the_connection_when_asked_to() {
    let site = Site::answering(REDIRECT).await;
    let carrier = Carrier::default();
    let answer = Visitor.ask(&site.question("app.lan"), Some(&carrier)).await.unwrap();
    assert_eq!((answer.status, carrier.0.load(Ordering::Relaxed)), (302, 1));
    let nobody = Question {
        // Nobody listens there: it is a port of the discard service.
        address: Some("127.0.0.1:9".parse().unwrap()),
        ..site.question("app.lan")
    };
    let error = Visitor.ask(&nobody, Some(&carrier)).await.unwrap_err();
    assert!(matches!(error, OutsideError::Connect { .. }), "{error}");
}

#[tokio::test]
async fn a_certificate_of_another_name_or_authority_is_told_before_anything_is_asked() {
    let site = Site::answering(REDIRECT).await;
    let other_name = site.question("other.lan");
    let other_authority = Question { ca_file: None, ..site.question("app.lan") };
    for question in [other_name, other_authority] {
        let error = Visitor.ask(&question, None::<&Carrier>).await.unwrap_err();
        assert!(matches!(error, OutsideError::Tls { .. }), "{error}");
        assert_eq!(*site.asked.borrow(), "");
    }
    let missing = Question { ca_file: Some("/nowhere/ca.pem".into()), ..site.question("app.lan") };
    let error = Visitor.ask(&missing, None::<&Carrier>).await.unwrap_err();
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
}

#[tokio::test]
async fn a_name_that_nobody_knows_and_a_server_that_hangs_up_are_told_apart() {
    let unknown = Question { host: "nobody.invalid".into(), address: None, ca_file: None };
    let error = Visitor.ask(&unknown, None::<&Carrier>).await.unwrap_err();
    assert!(matches!(error, OutsideError::Name { .. }), "{error}");
    let site = Site::answering("").await;
    let error = Visitor.ask(&site.question("app.lan"), None::<&Carrier>).await.unwrap_err();
    assert!(matches!(error, OutsideError::Broken { .. }), "{error}");
}
