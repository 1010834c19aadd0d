//! A bucket of an S3 service, as far as homelab asks about it: what is in it, its life-cycle rules, how it encrypts.
//!
//! Simplified: nothing can be put into it, and of a signature the key's id alone is looked at.

use std::{io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

use super::gate::{Effect, Gate, System, Verdict};

pub(super) const NAME: &str = "homelab";
pub(super) const REGION: &str = "us-east-1";

/// What opens a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) secret: String,
}

/// A service with one bucket; dropping it ends it and all of its connections.
pub(super) struct Bucket {
    address: SocketAddr,
    key: Key,
    accept: JoinHandle<()>,
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

impl Bucket {
    /// # Errors
    /// When the address is taken.
    pub(super) async fn start(gate: Gate, address: SocketAddr) -> io::Result<Self> {
        let new = || uuid::Uuid::new_v4().simple().to_string();
        let key = Key { id: new().to_uppercase()[..20].to_owned(), secret: new() };
        let listener = TcpListener::bind(address).await?;
        let (address, id) = (listener.local_addr()?, Arc::<str>::from(key.id.as_str()));
        let accept = tokio::spawn(async move {
            // They end with this task.
            let mut connections = JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                while connections.try_join_next().is_some() {}
                let (gate, id) = (gate.clone(), id.clone());
                connections.spawn(async move {
                    let service =
                        service_fn(move |request| serve(gate.clone(), id.clone(), request));
                    // An answer that is dropped ends the connection: that is what is wanted.
                    http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await
                        .ok();
                });
            }
        });
        Ok(Self { address, key, accept })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }
}

/// Ends the connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer is dropped")]
struct Dropped;

async fn serve(
    gate: Gate,
    id: Arc<str>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Dropped> {
    let query = request.uri().query().unwrap_or_default();
    let asked = ["lifecycle", "encryption", "list-type"]
        .into_iter()
        .find(|asked| query.split('&').any(|word| word.split('=').next() == Some(asked)));
    let effect = Effect {
        system: System::Bucket,
        kind: format!("{} /{{bucket}}?{}", request.method(), asked.unwrap_or_default()),
        about: request.uri().path().trim_matches('/').to_owned(),
        mutating: false,
    };
    let passage = match gate.before(effect).await {
        Ok(passage) => passage,
        Err(verdict) => return harmed(verdict),
    };
    let answer = answer(&id, request.uri().path(), query, asked);
    match gate.after(passage).await {
        Verdict::Pass => Ok(answer),
        verdict => harmed(verdict),
    }
}

fn harmed(verdict: Verdict) -> Result<Response<Full<Bytes>>, Dropped> {
    match verdict {
        Verdict::Refuse { status, message } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Ok(complaint(status, "ServiceUnavailable", &message))
        }
        Verdict::Pass | Verdict::Twice | Verdict::Drop => Err(Dropped),
    }
}

fn answer(id: &str, path: &str, query: &str, asked: Option<&str>) -> Response<Full<Bytes>> {
    let mine = format!("X-Amz-Credential={id}%2F");
    if !query.split('&').any(|word| word.starts_with(&mine)) {
        return complaint(StatusCode::FORBIDDEN, "InvalidAccessKeyId", "this key is not known");
    }
    if path.trim_matches('/') != NAME {
        return complaint(StatusCode::NOT_FOUND, "NoSuchBucket", "there is no such bucket");
    }
    match asked {
        Some("list-type") => xml(
            StatusCode::OK,
            &format!(
                "<ListBucketResult><Name>{NAME}</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated>\
                 </ListBucketResult>"
            ),
        ),
        Some("lifecycle") => {
            complaint(StatusCode::NOT_FOUND, "NoSuchLifecycleConfiguration", "it has no rules")
        }
        Some("encryption") => xml(
            StatusCode::OK,
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256\
             </SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
        ),
        _ => complaint(StatusCode::NOT_IMPLEMENTED, "NotImplemented", "it is not simulated"),
    }
}

fn complaint(status: StatusCode, code: &str, message: &str) -> Response<Full<Bytes>> {
    xml(status, &format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"))
}

fn xml(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}");
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
}
