//! The publishers' servers: a cloud image that nobody boots for real, k3s, Tailscale, Flux's manifests.
//!
//! What is served as a program is a stand-in of a few lines, which asks the world (see [`super::tools`]).

use std::{collections::BTreeMap, convert::Infallible, io, net::SocketAddr, sync::Arc};

use flate2::{Compression, write::GzEncoder};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, task::JoinHandle};

use super::flux::manifests;

/// Something that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    pub url: String,
    /// Of its bytes, in hexadecimal digits.
    pub sha256: String,
}

/// A server of files; dropping it ends it.
pub struct Files {
    address: SocketAddr,
    artifacts: BTreeMap<String, Bytes>,
    accept: JoinHandle<()>,
}

impl Drop for Files {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

impl Files {
    /// Serves an image, and k3s and Tailscale of these versions.
    ///
    /// # Errors
    /// When no loopback port can be had.
    pub async fn start(k3s: &[String], tailscale: &[String]) -> io::Result<Self> {
        let mut artifacts = BTreeMap::from([
            ("image.raw".to_owned(), image()),
            ("flux.yaml".to_owned(), Bytes::from(manifests::text())),
        ]);
        for version in k3s {
            artifacts.insert(k3s_name(version), Bytes::from(program("k3s", version)));
        }
        for version in tailscale {
            artifacts.insert(tailscale_name(version), archive(version)?);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let served = Arc::new(artifacts.clone());
        let accept = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let served = served.clone();
                let service = service_fn(move |request| {
                    let answer = answer(&served, &request);
                    async move { Ok::<_, Infallible>(answer) }
                });
                tokio::spawn(async move {
                    http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await
                        .ok();
                });
            }
        });
        Ok(Self { address, artifacts, accept })
    }

    /// A release of k3s.
    ///
    /// # Panics
    /// For a version that is not served.
    pub fn k3s(&self, version: &str) -> Artifact {
        self.artifact(&k3s_name(version))
    }

    /// A release of Tailscale.
    ///
    /// # Panics
    /// For a version that is not served.
    pub fn tailscale(&self, version: &str) -> Artifact {
        self.artifact(&tailscale_name(version))
    }

    /// One of them, by its name.
    ///
    /// # Panics
    /// For a name that is not served.
    pub fn artifact(&self, name: &str) -> Artifact {
        let bytes = &self.artifacts[name];
        Artifact {
            url: format!("http://{}/{name}", self.address),
            sha256: hex::encode(Sha256::digest(bytes)),
        }
    }
}

/// A URL's path takes no plus sign as it is.
fn k3s_name(version: &str) -> String {
    format!("k3s-{}", version.replace('+', "-"))
}

fn tailscale_name(version: &str) -> String {
    format!("tailscale_{version}.tgz")
}

fn answer(
    artifacts: &BTreeMap<String, Bytes>,
    request: &Request<Incoming>,
) -> Response<Full<Bytes>> {
    let name = request.uri().path().trim_start_matches('/');
    let (status, body) = match artifacts.get(name) {
        Some(bytes) => (StatusCode::OK, bytes.clone()),
        None => (StatusCode::NOT_FOUND, Bytes::from_static(b"not found\n")),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
}

/// A disk that no machine could boot, which nothing here does: 256 KiB.
fn image() -> Bytes {
    (0..1 << 16_u32).flat_map(u32::to_le_bytes).collect()
}

/// What stands for a program; its second line is what it calls itself.
fn program(name: &str, version: &str) -> String {
    format!(
        "#!/bin/sh\n# {name} {version}\n# A stand-in of homelab-lab's simulated world.\nHOMELAB_SIM_AS={name} exec \"$HOMELAB_SIM_TOOL\" \"$@\"\n"
    )
}

/// Tailscale's release: one folder with both programs.
fn archive(version: &str) -> io::Result<Bytes> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for name in ["tailscale", "tailscaled"] {
        // Both say the version that `tailscale version` prints.
        let text = program(name, version).replace("# tailscaled ", "# tailscale ");
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o755);
        header.set_cksum();
        let path = format!("tailscale_{version}_amd64/{name}");
        archive.append_data(&mut header, path, text.as_bytes())?;
    }
    Ok(Bytes::from(archive.into_inner()?.finish()?))
}
