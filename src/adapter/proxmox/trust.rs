//! Whom we believe to be Proxmox (PVE-28).

use std::{error::Error, fmt, sync::Arc, time::Duration};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use sha2::{Digest, Sha256};

use super::{failure, tickets::Tickets};
use crate::{
    error::Effect,
    inventory::{authority, desired::TlsTrust},
    ports::ProxmoxError,
};

/// TLS as the inventory wants it, with ring, whatever provider the process has installed.
pub(super) fn client_config(trust: &TlsTrust) -> Result<ClientConfig, ProxmoxError> {
    let provider = Arc::new(ring::default_provider());
    let rule = match trust {
        TlsTrust::System => Rule::authorities("the system's authorities", system()?, &provider)?,
        TlsTrust::CaFile(file) => {
            let roots = authority::read(file).map_err(local)?;
            Rule::authorities(&format!("the authority in {file}"), roots, &provider)?
        }
        TlsTrust::Fingerprints(pinned) => Rule::Pinned(pinned.clone()),
    };
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(local)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { rule, provider }))
        .with_no_client_auth();
    config.resumption = Resumption::store(Arc::new(Tickets::new()));
    Ok(config)
}

fn system() -> Result<RootCertStore, ProxmoxError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A system's store usually has a few oddities in it; the sound ones count.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reasons: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        return Err(ProxmoxError::Local(format!(
            "the system has no certificate authorities ({}); set `proxmox.tls` to a CA file or to fingerprints",
            reasons.join("; ")
        )));
    }
    Ok(roots)
}

fn local(error: impl fmt::Display) -> ProxmoxError {
    ProxmoxError::Local(error.to_string())
}

#[derive(Debug)]
enum Rule {
    Authorities {
        described: String,
        verifier: Arc<WebPkiServerVerifier>,
    },
    /// Exactly these certificates: name, issuer and validity don't matter.
    Pinned(Vec<[u8; 32]>),
}

impl Rule {
    fn authorities(
        described: &str,
        roots: RootCertStore,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, ProxmoxError> {
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .map_err(local)?;
        Ok(Self::Authorities { described: described.to_owned(), verifier })
    }
}

#[derive(Debug)]
struct Verifier {
    rule: Rule,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown: [u8; 32] = Sha256::digest(end_entity.as_ref()).into();
        let why = match &self.rule {
            Rule::Pinned(pinned) if pinned.contains(&shown) => {
                return Ok(ServerCertVerified::assertion());
            }
            Rule::Pinned(pinned) => {
                let pinned: Vec<_> = pinned.iter().map(fingerprint).collect();
                format!("it is not the pinned one ({})", pinned.join(", "))
            }
            Rule::Authorities { described, verifier } => match verifier.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            ) {
                Ok(verified) => return Ok(verified),
                Err(error) => format!("it does not stand up to {described}: {error}"),
            },
        };
        Err(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(
            Refused { shown, why },
        )))))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A certificate that was shown and not believed.
#[derive(Debug)]
struct Refused {
    shown: [u8; 32],
    why: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "the certificate shown has the SHA-256 fingerprint {}; {}. Check on the Proxmox host, not over \
             this connection: `pvenode cert info`, or `openssl x509 -fingerprint -sha256 -noout -in \
             /etc/pve/local/pve-ssl.pem` (pveproxy-ssl.pem where that file exists); if it is the same, put \
             it into `proxmox.tls.fingerprints`",
            fingerprint(&self.shown),
            self.why
        )
    }
}

impl Error for Refused {}

/// `AB:CD:...`, as Proxmox and openssl print it.
fn fingerprint(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

/// The fingerprint of the certificate that an endpoint shows to somebody who believes none.
pub async fn shown_fingerprint(endpoint: &str) -> Result<String, ProxmoxError> {
    let nobody = client_config(&TlsTrust::Fingerprints(Vec::new()))?;
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(nobody)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .timeout(Duration::from_secs(20))
        .build()
        .map_err(|error| local(failure::chain(&error)))?;
    let error = match client.get(endpoint).send().await {
        // Nothing was believed, so nothing can have been answered.
        Ok(_) => return Err(local("the certificate was not asked for (a bug)")),
        Err(error) => error,
    };
    match refused(&error) {
        Some(refused) => Ok(fingerprint(&refused.shown)),
        None => Err(ProxmoxError::Unreachable {
            endpoint: endpoint.to_owned(),
            reason: failure::chain(&error),
            effect: Effect::None,
        }),
    }
}

/// A certificate that was shown and not believed, when that is at the bottom of an error.
fn refused<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Refused> {
    tls_error(error).and_then(|error| match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(refused))) => {
            refused.downcast_ref::<Refused>()
        }
        _ => None,
    })
}

/// What a certificate was refused for, when that is at the bottom of an error.
pub(super) fn refusal(error: &(dyn Error + 'static)) -> Option<String> {
    match tls_error(error)? {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(refused))) => {
            Some(refused.to_string())
        }
        rustls::Error::InvalidCertificate(reason) => Some(reason.to_string()),
        _ => None,
    }
}

fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        // An I/O error's source is its content's source: the content itself has to be asked for.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}
