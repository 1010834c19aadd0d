use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{
    client::{SERVER, client, refusal},
    config_map,
};
use crate::sim::{
    gate::{Effect, Gate, Moment, Ruling, Verdict, Warden},
    kubernetes::Kubernetes,
};

/// Harms writes at one of their moments.
struct Harms(Moment, Verdict);

impl Warden for Harms {
    fn rule<'a>(&'a self, _: u64, moment: Moment, effect: &'a Effect) -> Ruling<'a> {
        let harmed = effect.mutating && moment == self.0;
        let verdict = if harmed { self.1.clone() } else { Verdict::Pass };
        Box::pin(std::future::ready(verdict))
    }
}

/// Whether a write that is harmed so was done, and what its client saw.
async fn write(moment: Moment, verdict: Verdict) -> (bool, Result<ConfigMap, kube::Error>) {
    let gate = Gate::default();
    gate.set_warden(Some(Arc::new(Harms(moment, verdict))));
    let kubernetes = Kubernetes::new(gate.clone(), "v1.34.4+k3s1").unwrap();
    let client = client(&kubernetes, &kubernetes.kubeconfig(SERVER)).await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let patch = Patch::Apply(config_map("one", json!({ "a": "1" })));
    let seen = maps.patch("one", &PatchParams::apply("homelab"), &patch).await;
    let log = gate.log();
    assert_eq!(log[0].kind, "PATCH /api/v1/namespaces/{namespace}/configmaps/{name}");
    assert_eq!(log[0].about, "configmaps/default/one");
    (kubernetes.get("configmaps", ("default", "one")).is_some(), seen)
}

#[tokio::test]
async fn a_write_is_lost_before_it_is_done_or_after() {
    let (done, seen) = write(Moment::Before, Verdict::Drop).await;
    assert!(!done && !matches!(seen, Ok(_) | Err(kube::Error::Api(_))));
    let (done, seen) = write(Moment::After, Verdict::Drop).await;
    assert!(done && !matches!(seen, Ok(_) | Err(kube::Error::Api(_))));
}

#[tokio::test]
async fn a_refused_write_is_answered_with_a_status() {
    let refuse = Verdict::Refuse { status: 503, message: "etcdserver: leader changed".into() };
    let (done, seen) = write(Moment::Before, refuse).await;
    let status = refusal(seen);
    assert!(!done);
    assert_eq!((status.code, status.reason.as_str()), (503, "ServiceUnavailable"));
    assert_eq!(status.message, "etcdserver: leader changed");
}
