//! What Kubernetes answers, through whatever handle there is.

use crate::{engine::Run, error::Result, plan::observed::Sight, ports::World};

/// What a look at the cluster gave; a handle that cannot answer is not kept.
pub(super) async fn answered<W: World, T>(
    run: &Run<W>,
    look: impl Future<Output = Result<T>>,
) -> Sight<T> {
    match look.await {
        Ok(seen) => Sight::Seen(seen),
        Err(failure) => {
            run.forget_cluster().await;
            Sight::Silent(failure.to_string())
        }
    }
}
