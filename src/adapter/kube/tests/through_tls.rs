//! The way to the API: a host that carries streams, TLS with the kubeconfig's own authority.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    adapter::kube::{KubeAccess, forward::Forward},
    model::NodeName,
    ports::{Cluster, ClusterAccess, ClusterError, Host, HostError, Output, RemoteFile},
    script::Script,
    secret::Secret,
};

/// A host whose every tunnel leads to one address here.
#[derive(Clone)]
struct Lead {
    node: NodeName,
    to: SocketAddr,
}

impl Lead {
    fn to(to: SocketAddr) -> Self {
        Self { node: "k3s-server".parse().unwrap(), to }
    }
}

impl Host for Lead {
    type Stream = TcpStream;

    fn node(&self) -> &NodeName {
        &self.node
    }

    fn address(&self) -> IpAddr {
        Ipv4Addr::LOCALHOST.into()
    }

    async fn run(&self, _script: &Script) -> Result<Output, HostError> {
        Err(HostError::Local("it only forwards".into()))
    }

    async fn write(&self, _file: &RemoteFile) -> Result<(), HostError> {
        Err(HostError::Local("it only forwards".into()))
    }

    async fn tunnel(&self, address: IpAddr, port: u16) -> Result<TcpStream, HostError> {
        assert_eq!((address, port), (IpAddr::V4(Ipv4Addr::LOCALHOST), 6443));
        TcpStream::connect(self.to).await.map_err(|error| HostError::Tunnel {
            node: self.node.clone(),
            to: self.to,
            reason: error.to_string(),
        })
    }

    fn is_open(&self) -> bool {
        true
    }

    async fn close(&self) {}
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        Self { issuer: Issuer::new(params, key), pem, der }
    }

    /// Certificate and key, as PEM.
    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn kubeconfig(&self) -> String {
        let (certificate, key) = self.issue("admin");
        let base64 = |text: String| STANDARD.encode(text);
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: default\n\
             clusters: [{{ name: default, cluster: {{ server: 'https://127.0.0.1:6443', \
             certificate-authority-data: {} }} }}]\n\
             contexts: [{{ name: default, context: {{ cluster: default, user: default }} }}]\n\
             users: [{{ name: default, user: {{ client-certificate-data: {}, client-key-data: {} }} }}]\n",
            base64(self.pem.clone()),
            base64(certificate.pem()),
            base64(key.serialize_pem()),
        )
    }
}

/// An API server that asks for a client certificate and knows its version.
async fn serve(authority: &Authority) -> SocketAddr {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (certificate, key) = authority.issue("127.0.0.1");
    let mut roots = RootCertStore::empty();
    roots.add(authority.der.clone()).unwrap();
    let config = ServerConfig::builder()
        .with_client_cert_verifier(WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap())
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            while stream.read(&mut request).await.is_ok_and(|length| length > 0) {
                let body = r#"{"major":"1","minor":"34","gitVersion":"v1.34.4+k3s1","gitCommit":"","gitTreeState":"","buildDate":"","goVersion":"","compiler":"","platform":""}"#;
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
            }
        }
    });
    address
}

#[tokio::test]
async fn the_api_is_reached_through_a_host_by_the_kubeconfigs_own_authority() {
    let authority = Authority::new();
    let host = Lead::to(serve(&authority).await);
    let kubeconfig = Secret::new(authority.kubeconfig());
    let cluster = KubeAccess::default().open(&host, &kubeconfig).await.unwrap();
    assert_eq!(cluster.version().await.unwrap(), "v1.34.4+k3s1");
    assert_eq!(cluster.version().await.unwrap(), "v1.34.4+k3s1");
}

#[tokio::test]
async fn a_server_of_another_authority_is_not_believed() {
    let host = Lead::to(serve(&Authority::new()).await);
    let kubeconfig = Secret::new(Authority::new().kubeconfig());
    let cluster = KubeAccess::default().open(&host, &kubeconfig).await.unwrap();
    let error = cluster.version().await.unwrap_err();
    assert!(matches!(&error, ClusterError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_kubeconfig_that_runs_programs_or_trusts_anybody_is_refused() {
    let host = Lead::to(serve(&Authority::new()).await);
    let good = Authority::new().kubeconfig();
    let program = good.replace(
        "client-certificate-data",
        "exec: { command: touch, args: [x], apiVersion: v1 }, tokenFile",
    );
    let anybody = good.replace("certificate-authority-data", "insecure-skip-tls-verify: true, x");
    let plain = good.replace("https://127", "http://127");
    for text in ["", "nonsense: [", &program, &anybody, &plain] {
        let error = KubeAccess::default().open(&host, &Secret::new(text)).await.unwrap_err();
        assert!(matches!(&error, ClusterError::Kubeconfig { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_port_of_our_own_leads_to_the_api_until_it_is_dropped() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = Lead::to(listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (mut read, mut write) = stream.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut read, &mut write).await });
        }
    });
    let forward = Forward::open(host).await.unwrap();
    let mut client = TcpStream::connect(forward.address()).await.unwrap();
    client.write_all(b"there and back").await.unwrap();
    client.shutdown().await.unwrap();
    let mut echoed = String::new();
    client.read_to_string(&mut echoed).await.unwrap();
    assert_eq!((echoed.as_str(), forward.trouble()), ("there and back", None));
    let address = forward.address();
    drop(forward);
    // The task ends at its next turn.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_port_is_not_opened_where_the_host_finds_nobody() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert!(Forward::open(Lead::to(nobody)).await.is_err());
}
