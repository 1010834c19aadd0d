//! The cluster's certificate authority: the server's certificate, and the administrator's.
//!
//! A client certificate of nobody's does not end the handshake: the real server asks for one, takes what it is
//! shown, and answers 401.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

/// Why there can be no authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    #[error("cannot serve with a certificate: {0}")]
    Serve(#[from] rustls::Error),
    #[error("cannot verify with an authority: {0}")]
    Verify(#[from] rustls::server::VerifierBuilderError),
}

/// The authority with the two certificates that it gave.
#[derive(Debug)]
pub(super) struct Authority {
    certificate: String,
    administrator: String,
    administrator_key: String,
    verifier: Arc<dyn ClientCertVerifier>,
    server: Arc<ServerConfig>,
}

impl Authority {
    pub(super) fn new() -> Result<Self, AuthorityError> {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
            KeyUsagePurpose::KeyCertSign,
        ];
        let id = uuid::Uuid::new_v4().simple().to_string();
        parameters.distinguished_name.push(DnType::CommonName, format!("k3s-ca@{}", &id[..10]));
        let key = KeyPair::generate()?;
        let authority = parameters.self_signed(&key)?;
        let (certificate, root) = (authority.pem(), authority.der().clone());
        let issuer = Issuer::new(parameters, key);

        let names = ["127.0.0.1", "localhost", "kubernetes", "kubernetes.default.svc"];
        let mut parameters = CertificateParams::new(names.map(str::to_owned))?;
        parameters.distinguished_name.push(DnType::CommonName, "k3s");
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let server_key = KeyPair::generate()?;
        let server = parameters.signed_by(&server_key, &issuer)?;

        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::OrganizationName, "system:masters");
        parameters.distinguished_name.push(DnType::CommonName, "system:admin");
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let administrator_key = KeyPair::generate()?;
        let administrator = parameters.signed_by(&administrator_key, &issuer)?;

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(root)?;
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::new(AsksOnly(Arc::clone(&verifier))))
            .with_single_cert(
                vec![server.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der())),
            )?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            certificate,
            administrator: administrator.pem(),
            administrator_key: administrator_key.serialize_pem(),
            verifier,
            server: Arc::new(config),
        })
    }

    pub(super) fn certificate(&self) -> &str {
        &self.certificate
    }

    pub(super) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    /// Whether this is somebody whom the authority knows.
    pub(super) fn knows(&self, shown: Option<&[CertificateDer<'_>]>) -> bool {
        let Some([leaf, intermediates @ ..]) = shown else { return false };
        self.verifier.verify_client_cert(leaf, intermediates, UnixTime::now()).is_ok()
    }

    /// As k3s writes it, with everything inline.
    pub(super) fn kubeconfig(&self, server: &str) -> String {
        format!(
            "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {}\n    server: {server}\n  \
             name: default\ncontexts:\n- context:\n    cluster: default\n    user: default\n  name: default\n\
             current-context: default\nkind: Config\nusers:\n- name: default\n  user:\n    \
             client-certificate-data: {}\n    client-key-data: {}\n",
            STANDARD.encode(&self.certificate),
            STANDARD.encode(&self.administrator),
            STANDARD.encode(&self.administrator_key),
        )
    }
}

/// Asks for a certificate, and leaves to others whose it is.
#[derive(Debug)]
struct AsksOnly(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for AsksOnly {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
