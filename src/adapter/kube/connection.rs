//! From a server's kubeconfig and its SSH connection to a Kubernetes client.

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::Uri;
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::{TokioExecutor, TokioIo},
};
use kube::{
    Client, Config,
    client::{Body, ConfigExt},
    config::{AuthInfo, Kubeconfig},
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower::{BoxError, ServiceBuilder};

use crate::{
    ports::{ClusterError, Host, HostError},
    secret::Secret,
};

/// The API server listens on every server's loopback address.
pub(super) const API_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Its port where the kubeconfig names none.
pub(super) const API_PORT: u16 = 6443;

/// A client whose connections are carried by `server`. One is opened at once, so that a server that
/// does not forward, or an API that does not listen, is told here and by its name.
pub(super) async fn open<H: Host>(server: &H, kubeconfig: &Secret) -> Result<Client, ClusterError> {
    let config = configuration(kubeconfig.expose())
        .map_err(|reason| ClusterError::Kubeconfig { server: server.node().clone(), reason })?;
    let port = config.cluster_url.port_u16().unwrap_or(API_PORT);
    let first = server.tunnel(API_ADDRESS, port).await.map_err(ClusterError::Host)?;
    let first = Arc::new(Mutex::new(Some(first)));
    let host = server.clone();
    let connector = tower::service_fn(move |_: Uri| {
        let ready = first.lock().ok().and_then(|mut first| first.take());
        let host = host.clone();
        async move {
            let stream = match ready {
                Some(stream) => stream,
                None => host.tunnel(API_ADDRESS, port).await?,
            };
            Ok::<_, HostError>(TokioIo::new(Carried(stream)))
        }
    });
    client(&config, connector).map_err(|error| ClusterError::Kubeconfig {
        server: server.node().clone(),
        reason: error.to_string(),
    })
}

fn client<C, S>(config: &Config, connector: C) -> Result<Client, kube::Error>
where
    C: tower::Service<Uri, Response = TokioIo<Carried<S>>, Error = HostError>
        + Clone
        + Send
        + Sync
        + 'static,
    C::Future: Send + 'static,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // One provider for the process; whoever comes first installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let https = config.rustls_https_connector_with_connector(connector)?;
    let http: hyper_util::client::legacy::Client<_, Body> =
        hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            // Each idle connection is a channel that sshd keeps open.
            .pool_max_idle_per_host(1)
            .build(https);
    // Kube's own stack would repeat evictions that a disruption budget refuses.
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(Client::new(service, config.default_namespace.clone()))
}

/// What we take from a kubeconfig: address, authority and identity, all of them inline. It comes from
/// another machine, so what would run a program, read a file or go elsewhere is not followed.
fn configuration(text: &str) -> Result<Config, String> {
    let file = Kubeconfig::from_yaml(text).map_err(|error| error.to_string())?;
    let current = file.current_context.ok_or("it names no current context")?;
    let context = file
        .contexts
        .into_iter()
        .find(|context| context.name == current)
        .and_then(|context| context.context)
        .ok_or_else(|| format!("it has no context `{current}`"))?;
    let cluster = file
        .clusters
        .into_iter()
        .find(|cluster| cluster.name == context.cluster)
        .and_then(|cluster| cluster.cluster)
        .ok_or_else(|| format!("it has no cluster `{}`", context.cluster))?;
    let user = file
        .auth_infos
        .into_iter()
        .find(|user| Some(&user.name) == context.user.as_ref())
        .and_then(|user| user.auth_info)
        .ok_or("it has no user for its current context")?;
    let server = cluster.server.ok_or("its cluster has no `server`")?;
    let url: Uri = server.parse().map_err(|error| format!("its server {server}: {error}"))?;
    if url.scheme_str() != Some("https") {
        return Err(format!("its server {server} is not https"));
    }
    let authority = cluster
        .certificate_authority_data
        .ok_or("its cluster has no `certificate-authority-data`")?;
    let identified = user.client_certificate_data.is_some() && user.client_key_data.is_some();
    if !identified && user.token.is_none() {
        return Err("its user has neither client certificate and key nor token".into());
    }
    // Verified as what we connect to, whatever name the file has for it.
    let port = url.port_u16().unwrap_or(API_PORT);
    let url: Uri = format!("https://{API_ADDRESS}:{port}")
        .parse()
        .map_err(|error: http::uri::InvalidUri| error.to_string())?;
    let mut config = Config::new(url);
    config.root_cert = Some(authorities(&authority)?);
    config.auth_info = AuthInfo {
        client_certificate_data: user.client_certificate_data,
        client_key_data: user.client_key_data,
        token: user.token,
        ..AuthInfo::default()
    };
    Ok(config)
}

fn authorities(data: &str) -> Result<Vec<Vec<u8>>, String> {
    let pem = STANDARD
        .decode(data.trim())
        .map_err(|error| format!("its certificate authority: {error}"))?;
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .map(|certificate| certificate.map(|der| der.to_vec()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("its certificate authority: {error}"))?;
    if certificates.is_empty() {
        return Err("its certificate authority holds no certificate".into());
    }
    Ok(certificates)
}

/// A stream that a host carries, in the shape that the HTTP client wants.
struct Carried<S>(S);

impl<S> Connection for Carried<S> {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Carried<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Carried<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod damage;
