//! A secret that is resolved when it is first needed, and once.

use tokio::sync::OnceCell;

use crate::{inventory::desired::SecretSource, ports::TailnetError, secret::Secret};

/// Where a secret comes from, and the secret as soon as it was needed.
#[derive(Debug)]
pub struct Credential {
    source: SecretSource,
    resolved: OnceCell<Secret>,
}

impl Credential {
    pub(super) fn new(source: &SecretSource) -> Self {
        Self { source: source.clone(), resolved: OnceCell::new() }
    }

    #[cfg(test)]
    pub(super) fn given(secret: &str) -> Self {
        let source = SecretSource::Env("HOMELAB_UNUSED".into());
        Self { source, resolved: OnceCell::new_with(Some(Secret::new(secret))) }
    }

    pub(super) async fn get(&self) -> Result<&Secret, TailnetError> {
        self.resolved
            .get_or_try_init(|| self.source.resolve())
            .await
            .map_err(|failure| TailnetError::Secret(Box::new(failure)))
    }
}
