//! `fetch-artifact`: an artifact into the node's own cache, by HTTP.

use camino::Utf8PathBuf;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{
    desk::{Desk, fail},
    files::{sha256, sha256_of, write},
    sent::Sent,
};
use crate::sim::guest::{Answer, Guest};

pub(super) const BEGINS: &str = "Fetches an artifact into the node's own cache";

/// What is in the way of a file.
enum Trouble {
    /// The node cannot reach it: somebody else may.
    Absent,
    Failed(Answer),
}

pub(super) async fn fetch(guest: &Guest, script: &Sent) -> Answer {
    let desk = Desk::new(guest, script);
    match bring(&desk).await {
        Ok(said) => Answer::said(format!("{said}\n")),
        Err(Trouble::Absent) => Answer::said("absent\n"),
        Err(Trouble::Failed(answer)) => answer,
    }
}

async fn bring(desk: &Desk<'_>) -> Result<&'static str, Trouble> {
    let wanted = desk.known(desk.script.value("sha256"), "sha256").map_err(Trouble::Failed)?;
    let url = desk.known(desk.script.value("url"), "url").map_err(Trouble::Failed)?;
    let cached: Utf8PathBuf = desk.place("var/cache/homelab").join(wanted);
    if sha256_of(&cached).as_deref() == Some(wanted) {
        return Ok("present");
    }
    let bytes = get(url).await.ok_or(Trouble::Absent)?;
    let found = sha256(&bytes);
    if found != wanted {
        let why = fail(format_args!("{url} has sha256 {found}, not {wanted} as pinned"));
        return Err(Trouble::Failed(why));
    }
    write(&cached, 0o600, &bytes).map_err(|error| Trouble::Failed(error.into()))?;
    Ok("fetched")
}

/// The world's publishers speak plain HTTP; others are nobody that a guest reaches.
async fn get(url: &str) -> Option<Bytes> {
    let (host, path) = url.strip_prefix("http://")?.split_once('/')?;
    let stream = TcpStream::connect(host).await.ok()?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.ok()?;
    let request = http::Request::get(format!("/{path}"))
        .header(http::header::HOST, host)
        .body(Empty::<Bytes>::new())
        .ok()?;
    let answer = async {
        let answer = sender.send_request(request).await.ok()?;
        let answer = Some(answer).filter(|answer| answer.status().is_success())?;
        Some(answer.into_body().collect().await.ok()?.to_bytes())
    };
    tokio::select! {
        answer = answer => answer,
        // It ends before its answer only when it breaks.
        _ = connection => None,
    }
}
