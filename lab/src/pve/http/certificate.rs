//! The cluster's certificate authority and the node's certificate, kept in the data directory.
//!
//! The shape is that of Proxmox VE: `pve-root-ca.pem` for the cluster, and a node certificate that
//! names the node, its addresses and `localhost`. The server sends the leaf alone.

use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

/// Why a certificate could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("cannot keep the certificate in the data directory: {0}")]
    File(#[from] std::io::Error),
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    #[error("{path} holds no usable certificate or key ({reason}): delete it to have it made anew")]
    Unusable { path: Utf8PathBuf, reason: String },
}

/// A server's TLS identity.
pub(crate) struct Identity {
    /// The authority's certificate, for clients to trust.
    pub(crate) authority: Utf8PathBuf,
    /// SHA-256 of the node certificate: upper-case hex pairs joined by colons.
    pub(crate) fingerprint: String,
    pub(crate) server: Arc<rustls::ServerConfig>,
}

/// Loads the identity from the folder, or makes what is missing; a node certificate that lacks
/// one of the names is made anew by the same authority.
///
/// # Errors
/// When files cannot be read or written, or hold no certificate.
pub(crate) fn load(
    folder: &Utf8Path,
    node: &str,
    names: &[String],
) -> Result<Identity, CertificateError> {
    let authority = folder.join("pve-root-ca.pem");
    let authority_key = folder.join("priv/pve-root-ca.key");
    let node_folder = folder.join("nodes").join(node);
    fs_err::create_dir_all(folder.join("priv"))?;
    fs_err::create_dir_all(&node_folder)?;
    if !authority.exists() || !authority_key.exists() {
        make_authority(&authority, &authority_key)?;
    }
    let certificate = node_folder.join("pve-ssl.pem");
    let key = node_folder.join("pve-ssl.key");
    let names_file = node_folder.join("pve-ssl.names");
    let wanted = names.join("\n");
    let current = fs_err::read_to_string(&names_file).unwrap_or_default();
    if !certificate.exists() || !key.exists() || current != wanted {
        make_node(&authority, &authority_key, &certificate, &key, node, names)?;
        fs_err::write(&names_file, wanted)?;
    }
    read(authority, &certificate, &key)
}

/// Makes a new node certificate, by a new authority if asked.
///
/// # Errors
/// As [`load`].
pub(crate) fn renew(
    folder: &Utf8Path,
    node: &str,
    names: &[String],
    authority_too: bool,
) -> Result<Identity, CertificateError> {
    let node_folder = folder.join("nodes").join(node);
    fs_err::remove_file(node_folder.join("pve-ssl.pem"))?;
    if authority_too {
        fs_err::remove_file(folder.join("pve-root-ca.pem"))?;
    }
    load(folder, node, names)
}

fn make_authority(certificate: &Utf8Path, key: &Utf8Path) -> Result<(), CertificateError> {
    let pair = KeyPair::generate()?;
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters.distinguished_name = name(&[
        (DnType::CommonName, "Proxmox Virtual Environment"),
        (DnType::OrganizationalUnitName, &uuid::Uuid::new_v4().to_string()),
        (DnType::OrganizationName, "PVE Cluster Manager CA"),
    ]);
    validity(&mut parameters, 3650);
    let made = parameters.self_signed(&pair)?;
    fs_err::write(certificate, made.pem())?;
    write_key(key, &pair)
}

fn make_node(
    authority: &Utf8Path,
    authority_key: &Utf8Path,
    certificate: &Utf8Path,
    key: &Utf8Path,
    node: &str,
    names: &[String],
) -> Result<(), CertificateError> {
    let issuer_key = KeyPair::from_pem(&fs_err::read_to_string(authority_key)?)?;
    let issuer = Issuer::from_ca_cert_pem(&fs_err::read_to_string(authority)?, issuer_key)?;
    let pair = KeyPair::generate()?;
    let mut parameters = CertificateParams::new(names.to_vec())?;
    parameters.distinguished_name = name(&[
        (DnType::OrganizationalUnitName, "PVE Cluster Node"),
        (DnType::OrganizationName, "Proxmox Virtual Environment"),
        (DnType::CommonName, &format!("{node}.localdomain")),
    ]);
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.use_authority_key_identifier_extension = true;
    validity(&mut parameters, 730);
    let made = parameters.signed_by(&pair, &issuer)?;
    fs_err::write(certificate, made.pem())?;
    write_key(key, &pair)
}

fn name(parts: &[(DnType, &str)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for (kind, value) in parts {
        name.push(kind.clone(), *value);
    }
    name
}

/// Valid from yesterday on: the clocks of client and server need not agree to the second.
fn validity(parameters: &mut CertificateParams, days: i64) {
    let today = jiff::Zoned::now().date();
    let from = today.yesterday().unwrap_or(today);
    let until = from.checked_add(jiff::Span::new().days(days)).unwrap_or(from);
    let date = |date: jiff::civil::Date| {
        rcgen::date_time_ymd(
            i32::from(date.year()),
            date.month().unsigned_abs(),
            date.day().unsigned_abs(),
        )
    };
    parameters.not_before = date(from);
    parameters.not_after = date(until);
}

fn write_key(path: &Utf8Path, pair: &KeyPair) -> Result<(), CertificateError> {
    use fs_err::os::unix::fs::OpenOptionsExt as _;
    use std::io::Write as _;
    let mut file = fs_err::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(pair.serialize_pem().as_bytes())?;
    Ok(())
}

fn read(
    authority: Utf8PathBuf,
    certificate: &Utf8Path,
    key: &Utf8Path,
) -> Result<Identity, CertificateError> {
    let unusable = |path: &Utf8Path, reason: String| CertificateError::Unusable {
        path: path.to_owned(),
        reason,
    };
    let leaf = CertificateDer::from_pem_slice(&fs_err::read(certificate)?)
        .map_err(|error| unusable(certificate, error.to_string()))?;
    let private = PrivateKeyDer::from_pem_slice(&fs_err::read(key)?)
        .map_err(|error| unusable(key, error.to_string()))?;
    let fingerprint = fingerprint(&leaf);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(certificate, error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(vec![leaf], private)
        .map_err(|error| unusable(certificate, error.to_string()))?;
    server.alpn_protocols = Vec::new();
    Ok(Identity { authority, fingerprint, server: Arc::new(server) })
}

fn fingerprint(leaf: &CertificateDer<'_>) -> String {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(leaf.as_ref());
    let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}
