//! The lab's internet: an HTTP server with what may be downloaded, each file's SHA-256 beside it, and
//! the apt repository for guests.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use camino::{Utf8Path, Utf8PathBuf};
use futures::TryStreamExt;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Bytes, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use indexmap::IndexMap;
use tokio::net::TcpListener;
use tokio_util::io::ReaderStream;

use super::{WorldError, segment::GATEWAY};

pub(crate) const PORT: u16 = 8000;

/// What is served: paths without a leading slash.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) files: IndexMap<String, File>,
    /// The folder below `debian/`.
    pub(crate) packages: Utf8PathBuf,
}

#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: Utf8PathBuf,
    pub(crate) sha256: String,
}

pub(crate) fn url(path: &str) -> String {
    format!("http://{GATEWAY}:{PORT}/{path}")
}

type Body = BoxBody<Bytes, std::io::Error>;

/// Serves until the task is dropped with the world.
pub(crate) async fn start(content: Content) -> Result<SocketAddr, WorldError> {
    let listener = TcpListener::bind((GATEWAY, PORT)).await?;
    let address = listener.local_addr()?;
    let content = Arc::new(content);
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let content = Arc::clone(&content);
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let content = Arc::clone(&content);
                    async move { Ok::<_, Infallible>(answer(&content, &request).await) }
                });
                let served =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                if let Err(error) = served {
                    tracing::debug!(%error, "a download ended early");
                }
            });
        }
    });
    Ok(address)
}

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
enum Target<'a> {
    File(&'a Utf8Path),
    Folder(Utf8PathBuf),
    Text(String),
    Nothing,
}

fn target<'a>(content: &'a Content, path: &str) -> Target<'a> {
    let path = path.trim_start_matches('/');
    // apt asks for an epoch's colon as %3a; the files are named with the percent sign.
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    if let Some(file) = content.files.get(&*decoded) {
        return Target::File(&file.path);
    }
    if let Some(file) = decoded.strip_suffix(".sha256").and_then(|name| content.files.get(name)) {
        let name = decoded.rsplit('/').next().unwrap_or_default().trim_end_matches(".sha256");
        return Target::Text(format!("{}  {name}\n", file.sha256));
    }
    match decoded.strip_prefix("debian/").map(|name| name.trim_start_matches("./")) {
        Some(name) if !name.is_empty() && !name.contains('/') && name != ".." => {
            Target::Folder(content.packages.join(name))
        }
        _ => Target::Nothing,
    }
}

async fn answer(content: &Content, request: &Request<Incoming>) -> Response<Body> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, String::new());
    }
    let head = request.method() == Method::HEAD;
    tracing::info!(method = %request.method(), path = request.uri().path(), "mirror");
    match target(content, request.uri().path()) {
        Target::File(path) => file(path, head).await,
        Target::Folder(path) => file(&path, head).await,
        Target::Text(line) => text(StatusCode::OK, line),
        Target::Nothing => text(StatusCode::NOT_FOUND, "no such file in the lab\n".to_owned()),
    }
}

async fn file(path: &Utf8Path, head: bool) -> Response<Body> {
    let Ok(file) = tokio::fs::File::open(path).await else {
        return text(StatusCode::NOT_FOUND, "no such file in the lab\n".to_owned());
    };
    let length = file.metadata().await.map_or(0, |metadata| metadata.len());
    let body = match head {
        true => Full::new(Bytes::new()).map_err(|never| match never {}).boxed(),
        false => {
            let chunks = ReaderStream::with_capacity(file, 256 * 1024);
            StreamBody::new(chunks.map_ok(Frame::data)).boxed()
        }
    };
    Response::builder()
        .header(header::CONTENT_LENGTH, length)
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .body(body)
        .expect("two headers of plain text make a response")
}

fn text(status: StatusCode, text: String) -> Response<Body> {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content() -> Content {
        let file = File { path: "/cache/k3s".into(), sha256: "ab".repeat(32) };
        Content { files: [("k3s/k3s".to_owned(), file)].into(), packages: "/cache/packages".into() }
    }

    #[test]
    fn every_file_has_its_checksum_beside_it() {
        let content = content();
        assert_eq!(target(&content, "/k3s/k3s"), Target::File("/cache/k3s".into()));
        let line = format!("{}  k3s\n", "ab".repeat(32));
        assert_eq!(target(&content, "/k3s/k3s.sha256"), Target::Text(line));
    }

    #[test]
    fn packages_are_found_as_apt_asks_for_them_and_nothing_above_them_is() {
        let content = content();
        assert_eq!(
            target(&content, "/debian/./Packages"),
            Target::Folder("/cache/packages/Packages".into())
        );
        assert_eq!(
            target(&content, "/debian/a_1%253a2_all.deb"),
            Target::Folder("/cache/packages/a_1%3a2_all.deb".into())
        );
        assert_eq!(target(&content, "/debian/../secret"), Target::Nothing);
        assert_eq!(target(&content, "/debian/%2e%2e%2fsecret"), Target::Nothing);
        assert_eq!(target(&content, "/debian/.."), Target::Nothing);
    }
}
