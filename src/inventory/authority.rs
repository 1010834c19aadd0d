//! The file of the authority that signed Proxmox's certificate.

use std::fmt;

use camino::Utf8Path;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::named_file;

/// What to do about any of its faults.
pub(crate) const HELP: &str = "copy /etc/pve/pve-root-ca.pem of the Proxmox host, or pin the certificate with \
                               `fingerprints: [...]`, as `homelab init fingerprint` shows it";

/// The authorities of a file, or what is wrong with it.
pub(crate) fn read(file: &Utf8Path) -> Result<RootCertStore, String> {
    let text = named_file::bytes(file, named_file::KEY)
        .map_err(|error| format!("the CA file can't be read: {error}"))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let unfit = |reason: &dyn fmt::Display| {
            format!("{file} holds a certificate that can't be used: {reason}")
        };
        let certificate = certificate.map_err(|error| unfit(&error))?;
        roots.add(certificate).map_err(|error| unfit(&error))?;
    }
    match (roots.is_empty(), text.is_empty()) {
        (false, _) => Ok(roots),
        (true, true) => Err(format!("{file} is empty; expected a CA certificate")),
        (true, false) => Err(format!("{file} holds no PEM certificate")),
    }
}
