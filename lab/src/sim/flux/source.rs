//! source-controller: what Git has at the head of a branch; chart repositories, of which none is asked.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Shared, place, referred,
    report::{Report, is_settled, tell},
};
use crate::pve::state::lock;

const CONTROLLER: &str = "source-controller";
const GIT: &str = "gitrepositories.source.toolkit.fluxcd.io";
pub(super) const CHARTS: &str = "helmrepositories.source.toolkit.fluxcd.io";

/// Looks after each change in the store and after each push.
pub(super) async fn attend(shared: Arc<Shared>) {
    let (mut changes, mut pushes) = (shared.kubernetes.changes(), shared.git.pushes());
    loop {
        // Noted before looking: a change in between wakes at once.
        changes.borrow_and_update();
        pushes.borrow_and_update();
        if shared.runs(CONTROLLER) {
            look(&shared).await;
        }
        let alive = tokio::select! {
            changed = changes.changed() => changed.is_ok(),
            pushed = pushes.changed() => pushed.is_ok(),
        };
        if !alive {
            return;
        }
    }
}

async fn look(shared: &Shared) {
    for repository in shared.kubernetes.list(GIT, None) {
        if repository["spec"]["suspend"] == true {
            continue;
        }
        let report = match wanted(shared, &repository) {
            Ok(revision) if is_settled(&repository) && has(&repository, &revision) => continue,
            Ok(revision) => fetched(shared, &repository, &revision).await,
            Err(failed) => failed,
        };
        tell(&shared.kubernetes, CONTROLLER, GIT, &repository, report);
    }
    for charts in shared.kubernetes.list(CHARTS, None) {
        if charts["spec"]["suspend"] != true && !is_settled(&charts) {
            let report = Report::done("Succeeded", "stored artifact: simulated".to_owned());
            tell(&shared.kubernetes, CONTROLLER, CHARTS, &charts, report);
        }
    }
}

/// Whether it has a revision already.
fn has(repository: &Value, revision: &str) -> bool {
    repository["status"]["artifact"]["revision"] == revision
}

/// The revision that a repository should be at.
fn wanted(shared: &Shared, repository: &Value) -> Result<String, Report> {
    let url = repository["spec"]["url"].as_str().unwrap_or_default();
    let secret = match &repository["spec"]["secretRef"] {
        Value::Null => Value::Null,
        reference => {
            let (namespace, name) = referred(repository, reference);
            let found = shared.kubernetes.get("secrets", (&namespace, &name));
            found.ok_or_else(|| {
                let why = format!(
                    "failed to get secret '{namespace}/{name}': secrets \"{name}\" not found"
                );
                Report::failed("AuthenticationFailed", why)
            })?
        }
    };
    let [identity, known_hosts] = ["identity", "known_hosts"].map(|name| value(&secret, name));
    let refused = |why: String| {
        let why = format!("failed to checkout and determine revision: {why}");
        Report::failed("GitOperationFailed", why)
    };
    shared.git.opens(url, &identity, &known_hosts).map_err(refused)?;
    let branch = repository["spec"]["ref"]["branch"].as_str().unwrap_or("master");
    let head = shared.git.repository().head(branch);
    match head.map_err(|error| refused(error.to_string()))? {
        Some(commit) => Ok(format!("{branch}@sha1:{commit}")),
        None => Err(refused(format!(
            "unable to clone '{url}': couldn't find remote ref \"refs/heads/{branch}\""
        ))),
    }
}

/// A text of a Secret; empty where it has none.
fn value(secret: &Value, name: &str) -> String {
    let bytes = secret["data"][name].as_str().and_then(|text| STANDARD.decode(text).ok());
    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
}

async fn fetched(shared: &Shared, repository: &Value, revision: &str) -> Report {
    shared.labour().await;
    let commit = revision.rsplit_once("sha1:").map_or("", |(_, commit)| commit);
    let files = match shared.git.repository().files(commit).await {
        Ok(files) => files,
        Err(error) => return Report::failed("GitOperationFailed", error.to_string()),
    };
    lock(&shared.artifacts).insert(commit.to_owned(), Arc::new(files));
    let (namespace, name) = place(repository);
    let file = format!("gitrepository/{namespace}/{name}/{commit}.tar.gz");
    let artifact = json!({
        "revision": revision,
        "path": file,
        "url": format!("http://source-controller.flux-system.svc.cluster.local./{file}"),
        "lastUpdateTime": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    });
    let message = format!("stored artifact for revision '{revision}'");
    Report::done("Succeeded", message).with("artifact", artifact)
}
