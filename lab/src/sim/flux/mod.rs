//! Flux's controllers, as far as they show: what they read from the world's Git host becomes objects of the world's
//! Kubernetes.
//!
//! Each acts on what changes, in the store or by a push, and not by the clock. What is simplified: intervals do not
//! pass (a push is seen at once, what was changed by hand stays until somebody asks or Git moves), nothing times out,
//! nothing is retried by the clock; of Kustomize there are lists of resources and no patches, of its tree's checks no
//! expressions; charts are those of [`charts`], and bring what homelab looks at; no chart's repository is asked;
//! a Kustomization that is deleted leaves what it applied.
//!
//! * [`manifests`]: what installs them.
//! * [`source`], [`kustomization`], [`release`]: what each controller does with its objects.
//! * [`build`], [`sops`]: from files to objects; [`health`]: when those are done.
//! * [`charts`]: what Helm charts bring.
//! * [`report`]: how a controller tells of itself in an object's status.

mod build;
mod charts;
mod health;
mod kustomization;
pub mod manifests;
mod release;
mod report;
mod sops;
mod source;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tokio::task::JoinSet;

use super::{
    git::{Files, GitHost},
    kubernetes::Kubernetes,
};
use crate::pve::state::lock;

pub(in crate::sim) const NAMESPACE: &str = "flux-system";
/// How long a controller works on one object, at a real cluster's pace.
const WORK: Duration = Duration::from_secs(2);

/// What the controllers share.
struct Shared {
    kubernetes: Arc<Kubernetes>,
    git: Arc<GitHost>,
    /// How long a piece of work takes.
    work: Duration,
    /// What source-controller has fetched, by commit.
    artifacts: Mutex<BTreeMap<String, Arc<Files>>>,
}

/// The controllers of a world; dropping them ends them.
pub struct Controllers {
    _tasks: JoinSet<()>,
}

impl Controllers {
    /// They do nothing before their Deployments are available. `pace` is how much of their delays pass.
    pub fn start(kubernetes: Arc<Kubernetes>, git: Arc<GitHost>, pace: f64) -> Self {
        let work = WORK.mul_f64(pace);
        let shared = Arc::new(Shared { kubernetes, git, work, artifacts: Mutex::default() });
        let mut tasks = JoinSet::new();
        tasks.spawn(source::attend(shared.clone()));
        tasks.spawn(kustomization::attend(shared.clone()));
        tasks.spawn(release::attend(shared));
        Self { _tasks: tasks }
    }
}

impl Shared {
    /// Whether a controller runs.
    fn runs(&self, controller: &str) -> bool {
        let deployment = self.kubernetes.get("deployments.apps", (NAMESPACE, controller));
        deployment.is_some_and(|deployment| health::is_done(&deployment))
    }

    /// What was fetched of the source of an object; the revision and its files.
    fn artifact(&self, source: &Value) -> Option<(String, Arc<Files>)> {
        let revision = source["status"]["artifact"]["revision"].as_str()?;
        let (_, commit) = revision.rsplit_once("sha1:")?;
        let files = lock(&self.artifacts).get(commit).cloned()?;
        Some((revision.to_owned(), files))
    }

    /// A piece of work takes its time.
    async fn labour(&self) {
        if !self.work.is_zero() {
            tokio::time::sleep(self.work).await;
        }
    }
}

/// Where an object stands.
fn place(object: &Value) -> (String, String) {
    let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}

/// Where a reference of an object leads: into its own namespace unless it names another.
fn referred(object: &Value, reference: &Value) -> (String, String) {
    let own = object["metadata"]["namespace"].as_str().unwrap_or_default();
    let namespace = reference["namespace"].as_str().unwrap_or(own);
    (namespace.to_owned(), reference["name"].as_str().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests;
