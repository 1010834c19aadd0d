//! What all calls to somebody's API over HTTPS have in common: the client, what is tried again, and the cause of a
//! failure.

mod body;

use std::{error::Error, fmt::Display, time::Duration};

pub(super) use body::{Unread, body, cut};
use http::{HeaderMap, header::RETRY_AFTER};

/// Attempts in all.
const ATTEMPTS: u32 = 4;
/// Before the second attempt; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// How an attempt ended short of an answer that counts.
pub(super) struct Setback<E> {
    pub(super) error: E,
    /// Whether it is known to have had no effect.
    pub(super) harmless: bool,
    /// How long the server asks to be left alone.
    pub(super) pause: Option<Duration>,
}

/// Whether the same call may well succeed later.
pub(super) trait Passing {
    fn is_passing(&self) -> bool;
}

/// Tries a call again while that may help: one that is known to have had no effect, or that is `repeatable`, so that
/// doing it twice is doing it once. A server that asks for more patience than `longest` is not waited for.
pub(super) async fn patiently<T, E, F>(
    call: &str,
    repeatable: bool,
    longest: Duration,
    mut attempt: impl FnMut() -> F,
) -> Result<T, E>
where
    E: Passing + Display,
    F: Future<Output = Result<T, Setback<E>>>,
{
    let mut pause = FIRST_PAUSE;
    let mut attempts = 1;
    loop {
        let setback = match attempt().await {
            Ok(done) => return Ok(done),
            Err(setback) => setback,
        };
        let wait = setback.pause.unwrap_or(pause);
        let again = (setback.harmless || repeatable) && setback.error.is_passing();
        if !again || attempts == ATTEMPTS || wait > longest {
            return Err(setback.error);
        }
        tracing::debug!(call, attempt = attempts, error = %setback.error, "trying again");
        tokio::time::sleep(wait).await;
        pause *= 2;
        attempts += 1;
    }
}

/// Statuses that say nothing of the call itself: too often, or the server is unwell.
pub(super) const fn is_passing_status(status: u16) -> bool {
    matches!(status, 429 | 500 | 502..=504)
}

/// For how many seconds a server asks to be left alone.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// A client that gives up after a while and carries credentials nowhere else.
pub(super) fn client() -> reqwest::ClientBuilder {
    // One provider for the process; whoever comes first installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(10))
        .timeout(Duration::from_secs(30))
        .user_agent(concat!("homelab/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
}

/// The cause at the bottom: `reqwest` itself says no more than that a request failed.
pub(super) fn innermost(error: &dyn Error) -> String {
    error.source().map_or_else(|| without_manual(&error.to_string()), innermost)
}

/// Without where rustls has its programmers read on about a connection that ended too early.
pub(super) fn without_manual(text: &str) -> String {
    match text.split_once(": https://docs.rs/rustls/") {
        Some((cause, _)) => cause.to_owned(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_manual;

    #[test]
    fn a_connection_that_ended_too_early_is_told_without_where_programmers_read_on() {
        let told = "connection error: peer closed connection without sending TLS close_notify: https://docs.rs/rustls/latest/rustls/manual/_03_howto/index.html#unexpected-eof";
        let plain = "connection error: peer closed connection without sending TLS close_notify";
        assert_eq!(without_manual(told), plain);
        assert_eq!(without_manual("Connection refused"), "Connection refused");
    }
}
