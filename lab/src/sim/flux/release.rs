//! helm-controller: what a chart brings.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Shared, charts, health, place, referred,
    report::{Report, is_ready, is_settled, tell},
    source::CHARTS,
};

const CONTROLLER: &str = "helm-controller";
const KIND: &str = "helmreleases.helm.toolkit.fluxcd.io";

/// Looks after each change in the store.
pub(super) async fn attend(shared: Arc<Shared>) {
    let mut changes = shared.kubernetes.changes();
    loop {
        changes.borrow_and_update();
        if shared.runs(CONTROLLER) {
            for release in shared.kubernetes.list(KIND, None) {
                let suspended = release["spec"]["suspend"] == true;
                let over = !release["metadata"]["deletionTimestamp"].is_null();
                if suspended || over || is_settled(&release) {
                    continue;
                }
                let report = installed(&shared, &release).await.unwrap_or_else(|failed| failed);
                tell(&shared.kubernetes, CONTROLLER, KIND, &release, report);
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

async fn installed(shared: &Shared, release: &Value) -> Result<Report, Report> {
    let chart = &release["spec"]["chart"]["spec"];
    let [name, version] =
        ["chart", "version"].map(|field| chart[field].as_str().unwrap_or_default());
    let (namespace, source) = referred(release, &chart["sourceRef"]);
    let found = shared.kubernetes.get(CHARTS, (&namespace, &source));
    if !found.is_some_and(|source| is_ready(&source)) {
        let message = format!("HelmChart '{namespace}/{source}-{name}' is not ready: no source");
        return Err(Report::failed("SourceNotReady", message));
    }
    let Some(objects) = charts::objects(name, release) else {
        let message =
            format!("chart '{name}' version '{version}' is not one of the simulated ones");
        return Err(Report::failed("ArtifactFailed", message));
    };
    shared.labour().await;
    let mut made = Vec::new();
    for object in objects {
        let applied = shared.kubernetes.apply(CONTROLLER, &object);
        made.push(applied.map_err(|failure| {
            Report::failed("InstallFailed", format!("Helm install failed: {}", failure.message))
        })?);
    }
    // As `helm install --wait`.
    if let Some(open) = made.iter().find(|object| !health::is_done(object)) {
        let (namespace, open) = place(open);
        return Ok(Report::under_way(format!("Running 'install': waits for {namespace}/{open}")));
    }
    let (namespace, own) = place(release);
    let message = format!(
        "Helm install succeeded for release {namespace}/{own}.v1 with chart {name}@{version}"
    );
    let history = json!([{ "name": own, "namespace": namespace, "version": 1, "status": "deployed",
        "chartName": name, "chartVersion": version }]);
    Ok(Report::done("InstallSucceeded", message)
        .with("history", history)
        .with("lastAttemptedRevision", json!(version)))
}
