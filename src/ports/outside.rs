//! Somebody outside the cluster: what a person's browser would be answered.

use std::{future::Future, net::SocketAddr};

use camino::Utf8PathBuf;

use super::Host;

/// Asks for names over HTTPS, as a stranger would. Nothing is changed by it.
pub trait Outside: Send + Sync {
    /// `GET https://host/`, redirects not followed. With `through`, the connection is made by that host.
    fn ask<H: Host>(
        &self,
        question: &Question,
        through: Option<&H>,
    ) -> impl Future<Output = Result<Answer, OutsideError>> + Send;
}

/// What is asked, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name, which the certificate must be for, too.
    pub host: String,
    /// Where to connect; `None`: where DNS says, port 443.
    pub address: Option<SocketAddr>,
    /// Whose certificates count; `None`: those that this computer trusts.
    pub ca_file: Option<Utf8PathBuf>,
}

/// As much of an answer as is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Where a redirect leads.
    pub location: Option<String>,
    /// The first 16 KiB of the body, as far as it is text.
    pub body: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutsideError {
    /// DNS knows no address of it.
    #[error("the name {host} is not known: {reason}")]
    Name { host: String, reason: String },
    #[error("nobody answers at {address}: {reason}")]
    Connect { address: String, reason: String },
    /// Somebody answered, and is not who he should be.
    #[error("{host} does not show a certificate that counts: {reason}")]
    Tls { host: String, reason: String },
    #[error("{host} hung up: {reason}")]
    Broken { host: String, reason: String },
    /// Our own computer: a file that can't be read.
    #[error("{0}")]
    Local(String),
}
