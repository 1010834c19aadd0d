//! Whether Flux takes back what is changed by hand: a probe object of the repository is changed, and Flux is
//! asked to look. Unasked it looks at the Kustomization's interval, not at each poll of Git.

use std::time::Duration;

use super::check::{Check, Finding};
use crate::{
    engine::Run,
    error::Result,
    plan::flux::{CONFIG_MAP, KUSTOMIZATION, NAMESPACE, ROOT},
    ports::{Clock, Objects, World},
    stage::flux::REQUESTED,
};

/// The probe, which the rendered tree has in the cluster's own folder.
const PROBE: &str = "homelab-drift-probe";
/// What is changed of it.
const ANNOTATION: &str = "homelab/drift";
/// The entry point is applied within seconds, but other Kustomizations may be before it.
const LIMIT: Duration = Duration::from_secs(180);
/// Between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// Changes the probe and waits until it is as Git has it. Where Flux does not do so in time the probe is put
/// back as it was.
pub async fn check<W: World>(run: &Run<W>) -> Check {
    let title = "Flux takes back what is changed by hand";
    let finding = match look(run).await {
        Ok(Some(finding)) => finding,
        Ok(None) => {
            let why = format!(
                "the cluster has no ConfigMap {NAMESPACE}/{PROBE}: `homelab gitops diff DIR` shows the file that makes it"
            );
            return Check::skipped("flux/drift", None, title, why);
        }
        Err(failure) => Err((failure.to_string(), "see the checks of the server".to_owned())),
    };
    Check::of("flux/drift", None, title, finding)
}

async fn look<W: World>(run: &Run<W>) -> Result<Option<Finding>> {
    let cluster = run.cluster().await?;
    let Some(before) = annotation(run).await? else { return Ok(None) };
    let clock = run.world.clock();
    let changed = format!("changed by hand at {}", clock.wall());
    cluster.annotate(CONFIG_MAP, NAMESPACE, PROBE, &[(ANNOTATION, &changed)]).await?;
    let begun = clock.now();
    let now = clock.wall().to_string();
    cluster.annotate(KUSTOMIZATION, NAMESPACE, ROOT, &[(REQUESTED, &now)]).await?;
    loop {
        let passed = clock.now().saturating_sub(begun);
        if annotation(run).await?.as_deref() != Some(&changed) {
            return Ok(Some(Ok(format!("reverted after {} s", passed.as_secs()))));
        }
        if passed >= LIMIT || run.stop.is_cancelled() {
            cluster.annotate(CONFIG_MAP, NAMESPACE, PROBE, &[(ANNOTATION, &before)]).await?;
            let cause = format!("a change of {NAMESPACE}/{PROBE} stood for {} s", passed.as_secs());
            let next = "the checks of Flux's Kustomizations say whether they are done; a suspended one reverts nothing";
            return Ok(Some(Err((cause, next.to_owned()))));
        }
        clock.sleep(PAUSE).await;
    }
}

/// What the probe says; `None` where it is not there.
async fn annotation<W: World>(run: &Run<W>) -> Result<Option<String>> {
    let probe = run.cluster().await?.get(CONFIG_MAP, NAMESPACE, PROBE).await?;
    Ok(probe.map(|probe| {
        probe["metadata"]["annotations"][ANNOTATION].as_str().unwrap_or_default().to_owned()
    }))
}
