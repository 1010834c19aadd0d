//! Each kind from the API's JSON.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    Backend, Claim, Condition, DAEMON_SET, Database, Ingress, Named, Port, Service, Workload,
};
use crate::ports::ObjectKind;

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Addresses or names that a load balancer gave.
fn addresses(status: &Value) -> Vec<String> {
    each(&status["loadBalancer"]["ingress"])
        .filter_map(|given| given["ip"].as_str().or_else(|| given["hostname"].as_str()))
        .map(str::to_owned)
        .collect()
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    each(&object["status"]["conditions"]).find(|condition| condition["type"] == kind)
}

impl Named {
    pub fn of(object: &Value) -> Self {
        let metadata = &object["metadata"];
        Self { namespace: text(&metadata["namespace"]), name: text(&metadata["name"]) }
    }
}

impl Workload {
    /// Of a status that is older than the object nothing counts as available.
    pub fn read(kind: ObjectKind, object: &Value) -> Self {
        let (spec, status) = (&object["spec"], &object["status"]);
        let (wanted, available) = if kind == DAEMON_SET {
            (status["desiredNumberScheduled"].as_u64().unwrap_or(0), &status["numberAvailable"])
        } else {
            (spec["replicas"].as_u64().unwrap_or(1), &status["availableReplicas"])
        };
        let current = status["observedGeneration"] == object["metadata"]["generation"];
        let available = available.as_u64().filter(|_| current).unwrap_or(0);
        Self { kind: kind.kind, named: Named::of(object), wanted, available }
    }
}

impl Service {
    pub fn read(object: &Value) -> Self {
        let spec = &object["spec"];
        let port = |port: &Value| Port {
            number: port["port"].as_u64().unwrap_or(0),
            name: text(&port["name"]),
        };
        Self {
            named: Named::of(object),
            ports: each(&spec["ports"]).map(port).collect(),
            wants_address: spec["type"] == "LoadBalancer",
            addresses: addresses(&object["status"]),
        }
    }
}

/// The Services that an EndpointSlice says are served.
pub fn served(slice: &Value) -> Option<Named> {
    let ready = each(&slice["endpoints"])
        // Where nothing is said, the API says, it is to be taken for ready.
        .any(|endpoint| endpoint["conditions"]["ready"].as_bool().unwrap_or(true));
    let metadata = &slice["metadata"];
    let name = metadata["labels"]["kubernetes.io/service-name"].as_str()?.to_owned();
    ready.then(|| Named { namespace: text(&metadata["namespace"]), name })
}

impl Ingress {
    pub fn read(object: &Value) -> Self {
        let spec = &object["spec"];
        let rules = || each(&spec["rules"]);
        let of_rules = rules().map(|rule| &rule["host"]);
        let of_tls = each(&spec["tls"]).flat_map(|tls| each(&tls["hosts"]));
        let hosts: BTreeSet<String> =
            of_rules.chain(of_tls).filter_map(Value::as_str).map(str::to_owned).collect();
        let paths =
            rules().flat_map(|rule| each(&rule["http"]["paths"])).map(|path| &path["backend"]);
        let backends = paths.chain([&spec["defaultBackend"]]).filter_map(backend).collect();
        let annotation =
            &object["metadata"]["annotations"]["traefik.ingress.kubernetes.io/router.middlewares"];
        Self {
            named: Named::of(object),
            class: text(&spec["ingressClassName"]),
            hosts: hosts.into_iter().collect(),
            backends,
            middlewares: middlewares(annotation.as_str().unwrap_or_default()),
            addresses: addresses(&object["status"]),
        }
    }
}

fn backend(backend: &Value) -> Option<Backend> {
    let service = &backend["service"];
    let port = &service["port"];
    let port = port["number"].as_u64().map(|number| number.to_string());
    let port = port.unwrap_or_else(|| text(&service["port"]["name"]));
    Some(Backend { service: service["name"].as_str()?.to_owned(), port })
}

/// `namespace-name@kubernetescrd`, with commas between; those of other providers are not to be found here.
fn middlewares(annotation: &str) -> Vec<String> {
    let names = annotation.split(',').filter_map(|name| name.trim().strip_suffix("@kubernetescrd"));
    names.map(str::to_owned).collect()
}

impl Claim {
    pub fn read(object: &Value) -> Self {
        Self {
            named: Named::of(object),
            phase: text(&object["status"]["phase"]),
            class: text(&object["spec"]["storageClassName"]),
        }
    }
}

impl Condition {
    pub fn read(object: &Value, kind: &str) -> Self {
        let found = condition(object, kind);
        Self {
            named: Named::of(object),
            holds: found.is_some_and(|found| found["status"] == "True"),
            message: match found {
                Some(found) => text(&found["message"]),
                None => format!("it has no condition {kind} yet"),
            },
        }
    }
}

impl Database {
    /// With the object stores of its namespace, where the plugin writes when a backup ended.
    pub fn read(object: &Value, stores: &[Value]) -> Self {
        let (spec, status, named) = (&object["spec"], &object["status"], Named::of(object));
        let archives = each(&spec["plugins"]).any(|plugin| plugin["isWALArchiver"] == true)
            || !spec["backup"]["barmanObjectStore"].is_null();
        let archive = archives.then(|| match condition(object, "ContinuousArchiving") {
            Some(found) => (found["status"] == "True", text(&found["message"])),
            None => (false, "nothing was archived yet".to_owned()),
        });
        let of_store = stores
            .iter()
            .filter(|store| store["metadata"]["namespace"] == named.namespace.as_str())
            .map(|store| {
                &store["status"]["serverRecoveryWindow"][&named.name]["lastSuccessfulBackupTime"]
            });
        let times = of_store.chain([&status["lastSuccessfulBackup"]]);
        Self {
            wanted: spec["instances"].as_u64().unwrap_or(1),
            ready: status["readyInstances"].as_u64().unwrap_or(0),
            phase: text(&status["phase"]),
            archive,
            created: object["metadata"]["creationTimestamp"]
                .as_str()
                .and_then(|time| time.parse().ok()),
            last_backup: times.filter_map(|time| time.as_str()?.parse().ok()).max(),
            named,
        }
    }
}
