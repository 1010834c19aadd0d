//! A client of `kube`, over streams in this process.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::Uri;
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::{TokioExecutor, TokioIo},
};
use kube::{
    Api, Client, Config,
    api::{ApiResource, DynamicObject},
    client::{Body, ConfigExt},
    config::{KubeConfigOptions, Kubeconfig},
    core::{GroupVersionKind, Status},
};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tower::{BoxError, ServiceBuilder};

use crate::sim::{gate::Gate, kubernetes::Kubernetes};

pub(super) const SERVER: &str = "https://127.0.0.1:6443";

/// A cluster, and its administrator.
pub(super) async fn cluster() -> (Arc<Kubernetes>, Client) {
    let kubernetes = Kubernetes::new(Gate::default(), "v1.34.4+k3s1").unwrap();
    let client = client(&kubernetes, &kubernetes.kubeconfig(SERVER)).await;
    (kubernetes, client)
}

/// Whom a kubeconfig names, at a server.
pub(super) async fn client(kubernetes: &Arc<Kubernetes>, kubeconfig: &str) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    let kubernetes = Arc::clone(kubernetes);
    let connector = tower::service_fn(move |_: Uri| {
        let (near, far) = tokio::io::duplex(64 * 1024);
        tokio::spawn(Arc::clone(&kubernetes).serve(far));
        std::future::ready(Ok::<_, io::Error>(TokioIo::new(Carried(near))))
    });
    let https = config.rustls_https_connector_with_connector(connector).unwrap();
    let http: hyper_util::client::legacy::Client<_, Body> =
        hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(https);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer().unwrap())
        .map_err(BoxError::from)
        .service(http);
    Client::new(service, config.default_namespace)
}

/// Objects of a kind in `default`.
pub(super) fn dynamic(
    client: &Client,
    version: &str,
    kind: &str,
    plural: &str,
) -> Api<DynamicObject> {
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let kind = GroupVersionKind::gvk(group, version, kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, plural);
    Api::namespaced_with(client.clone(), "default", &resource)
}

/// What the server refused with.
pub(super) fn refusal<T: std::fmt::Debug>(outcome: Result<T, kube::Error>) -> Box<Status> {
    match outcome {
        Err(kube::Error::Api(status)) => status,
        other => panic!("it was not refused: {other:?}"),
    }
}

struct Carried(DuplexStream);

impl Connection for Carried {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Carried {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Carried {
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
