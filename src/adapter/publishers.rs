//! What `homelab lock` asks of the publishers of what it pins.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use sha2::{Digest, Sha256, Sha512};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::io::StreamReader;

use crate::{
    adapter::calls::innermost,
    error::{Failure, Kind, Result},
    inventory::pin::{Fetch, Hashes},
    named_file,
};

/// Publishers over HTTPS, with the operating system's certificate authorities.
#[derive(Clone, Copy, Debug, Default)]
pub struct Publishers;

impl Fetch for Publishers {
    async fn text(&self, url: &str) -> Result<Option<String>> {
        let answer = client()?.get(url).send().await.map_err(|error| broken(url, error))?;
        if answer.status() == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = answer.error_for_status().map_err(|error| broken(url, error))?;
        answer.text().await.map(Some).map_err(|error| broken(url, error))
    }

    async fn hashes(&self, url: &str) -> Result<Hashes> {
        let mut source = open(url).await?;
        let (mut sha256, mut sha512) = (Sha256::new(), Sha512::new());
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = source.read(&mut buffer).await.map_err(|error| broken(url, error))?;
            if read == 0 {
                break;
            }
            sha256.update(&buffer[..read]);
            sha512.update(&buffer[..read]);
        }
        Ok(Hashes {
            sha256: hex::encode(sha256.finalize()),
            sha512: hex::encode(sha512.finalize()),
        })
    }
}

/// A stream of what a URL names: `https`, `http` or `file`.
async fn open(url: &str) -> Result<Box<dyn AsyncRead + Send + Unpin>> {
    if let Some(path) = url.strip_prefix("file://") {
        let file = named_file::open(path).map_err(|error| {
            Failure::new(Kind::Inventory, "the artifact can't be read").at(path).because(error)
        })?;
        return Ok(Box::new(tokio::fs::File::from_std(file.into_parts().0)));
    }
    let answer = client()?
        .get(url)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(|error| broken(url, error))?;
    let stream = answer.bytes_stream().map_err(std::io::Error::other).boxed();
    Ok(Box::new(StreamReader::new(stream)))
}

fn client() -> Result<reqwest::Client> {
    let unfit = |error: &dyn std::fmt::Display| Failure::new(Kind::Runtime, error.to_string());
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unfit(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(Duration::from_secs(20))
        // Silence, not length, is what ends a download.
        .read_timeout(Duration::from_secs(60))
        .build()
        .map_err(|error| unfit(&error))
}

fn broken(url: &str, error: impl std::error::Error) -> Failure {
    Failure::new(Kind::Unreachable, format!("cannot fetch {url}: {}", innermost(&error)))
        .hint("this machine must reach the publishers: check its network, DNS and proxy")
        .hint("or write `url` and `sha256` of each into the inventory")
}
