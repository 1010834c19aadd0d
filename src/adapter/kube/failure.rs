//! What a failed Kubernetes call is known to have done.

use std::{error::Error, time::Duration};

use tracing::Instrument;

use crate::{
    adapter::calls::without_manual,
    error::Effect,
    model::NodeName,
    ports::{ClusterError, HostError},
    trace,
};

/// How long one call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A call's name, and whether it changes anything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) server: &'a NodeName,
    pub(super) name: &'a str,
    pub(super) changes: bool,
}

impl Call<'_> {
    /// Waits for a call within its limit. What kube makes of a call is many kilobytes large: it is put away
    /// before anybody carries it around.
    pub(super) fn run<T>(
        self,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> impl Future<Output = Result<T, ClusterError>> {
        let call = Box::pin(call);
        async move {
            let span = tracing::trace_span!(
                target: trace::TARGET, "kubernetes", what = self.name, server = %self.server
            );
            match tokio::time::timeout(CALL_TIMEOUT, call).instrument(span).await {
                Ok(result) => result.map_err(|error| self.failed(error)),
                Err(_) => {
                    Err(self.unanswered(format!("nothing within {} s", CALL_TIMEOUT.as_secs())))
                }
            }
        }
    }

    /// The same, `None` where there is no such object.
    pub(super) fn run_opt<T>(
        self,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> impl Future<Output = Result<Option<T>, ClusterError>> {
        let call = Box::pin(call);
        self.run(async move {
            match call.await {
                Ok(found) => Ok(Some(found)),
                Err(error) if code(&error) == Some(404) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    fn failed(self, error: kube::Error) -> ClusterError {
        match error {
            kube::Error::Api(status) => ClusterError::Refused {
                call: self.name.to_owned(),
                effect: if self.changes && status.code >= 500 {
                    Effect::Unknown
                } else {
                    Effect::None
                },
                status: status.code,
                message: status.message.clone(),
            },
            error => {
                let (reason, never_sent) = root(&error);
                if never_sent { self.unreachable(reason) } else { self.unanswered(reason) }
            }
        }
    }

    fn unreachable(self, reason: String) -> ClusterError {
        ClusterError::Unreachable { server: self.server.clone(), reason }
    }

    fn unanswered(self, reason: String) -> ClusterError {
        if self.changes {
            ClusterError::NoAnswer { call: self.name.to_owned(), reason }
        } else {
            self.unreachable(reason)
        }
    }
}

/// The status code of an answer.
pub(super) fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// The innermost cause, and whether it shows that nothing was sent: there was no way to the server.
fn root(error: &(dyn Error + 'static)) -> (String, bool) {
    if error.is::<HostError>() || error.is::<rustls::Error>() {
        return (error.to_string(), true);
    }
    match error.source() {
        Some(source) => root(source),
        None => (without_manual(&error.to_string()), false),
    }
}
