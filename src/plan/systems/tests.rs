use serde_json::json;

use super::*;

fn object(namespace: &str, name: &str, rest: serde_json::Value) -> serde_json::Value {
    let mut object = json!({
        "metadata": { "namespace": namespace, "name": name, "generation": 3 },
    });
    let rest = rest.as_object().unwrap().clone();
    object.as_object_mut().unwrap().extend(rest);
    object
}

#[test]
fn a_status_older_than_its_object_counts_for_nothing() {
    let deployment = |seen: u64| {
        let status = json!({ "observedGeneration": seen, "availableReplicas": 2 });
        let spec = json!({ "replicas": 2 });
        Workload::read(DEPLOYMENT, &object("a", "b", json!({ "spec": spec, "status": status })))
    };
    assert_eq!((deployment(3).wanted, deployment(3).available), (2, 2));
    assert_eq!(deployment(2).available, 0);
}

#[test]
fn a_daemon_set_is_wanted_on_as_many_nodes_as_fit() {
    let status =
        json!({ "observedGeneration": 3, "desiredNumberScheduled": 3, "numberAvailable": 2 });
    let read = Workload::read(DAEMON_SET, &object("a", "b", json!({ "status": status })));
    assert_eq!((read.kind, read.wanted, read.available), ("DaemonSet", 3, 2));
}

#[test]
fn a_service_is_served_by_a_pod_that_is_ready_or_of_which_nothing_is_said() {
    let slice = |endpoints: serde_json::Value| {
        served(&json!({
            "metadata": {
                "namespace": "a", "name": "b-x1",
                "labels": { "kubernetes.io/service-name": "b" },
            },
            "endpoints": endpoints,
        }))
    };
    let b = Named { namespace: "a".into(), name: "b".into() };
    let not_ready = json!({ "conditions": { "ready": false } });
    assert_eq!(slice(json!([not_ready, { "conditions": { "ready": true } }])), Some(b.clone()));
    assert_eq!(slice(json!([{ "addresses": ["10.42.0.9"] }])), Some(b));
    assert_eq!(slice(json!([not_ready])), None);
    assert_eq!(slice(serde_json::Value::Null), None);
}

#[test]
fn of_an_ingress_every_host_backend_and_middleware_is_read() {
    let backend =
        |name: &str, port: serde_json::Value| json!({ "service": { "name": name, "port": port } });
    let mut ingress = object(
        "media",
        "films",
        json!({
            "spec": {
                "ingressClassName": "traefik",
                "defaultBackend": backend("fallback", json!({ "number": 80 })),
                "tls": [{ "hosts": ["b.example.org"] }],
                "rules": [{
                    "host": "a.example.org",
                    "http": { "paths": [{ "path": "/", "backend": backend("web", json!({ "name": "http" })) }] },
                }],
            },
            "status": { "loadBalancer": { "ingress": [{ "ip": "192.0.2.1" }, { "hostname": "films.ts.net" }] } },
        }),
    );
    ingress["metadata"]["annotations"] = json!({
        "traefik.ingress.kubernetes.io/router.middlewares":
            "authentik-authentik@kubernetescrd, x@file",
    });
    let read = Ingress::read(&ingress);
    assert_eq!(read.hosts, ["a.example.org", "b.example.org"]);
    let backends: Vec<String> =
        read.backends.iter().map(|to| format!("{}:{}", to.service, to.port)).collect();
    assert_eq!(backends, ["web:http", "fallback:80"]);
    assert_eq!(read.middlewares, ["authentik-authentik"]);
    assert_eq!(read.addresses, ["192.0.2.1", "films.ts.net"]);
}

#[test]
fn a_databases_last_backup_is_told_by_it_or_by_its_store() {
    let cluster = |plugins: serde_json::Value| {
        object(
            "authentik",
            "db",
            json!({
                "spec": { "instances": 1, "plugins": plugins },
                "status": {
                    "readyInstances": 1, "phase": "Cluster in healthy state",
                    "lastSuccessfulBackup": "2026-11-01T02:00:00Z",
                    "conditions": [
                        { "type": "ContinuousArchiving", "status": "True", "message": "it works" },
                    ],
                },
            }),
        )
    };
    let window = json!({ "db": { "lastSuccessfulBackupTime": "2026-11-02T02:00:00Z" } });
    let store = object("authentik", "s", json!({ "status": { "serverRecoveryWindow": window } }));
    let plugin = json!([{ "name": "barman-cloud.cloudnative-pg.io", "isWALArchiver": true }]);
    let read = Database::read(&cluster(plugin), &[store]);
    assert_eq!(read.archive, Some((true, "it works".to_owned())));
    assert_eq!(read.last_backup.unwrap().to_string(), "2026-11-02T02:00:00Z");
    let read = Database::read(&cluster(json!([])), &[]);
    assert_eq!(read.archive, None);
    assert_eq!(read.last_backup.unwrap().to_string(), "2026-11-01T02:00:00Z");
}

#[test]
fn what_says_nothing_of_itself_does_not_hold() {
    let read = Condition::read(&json!({ "metadata": { "name": "letsencrypt" } }), "Ready");
    assert_eq!((read.named.to_string(), read.holds), ("letsencrypt".to_owned(), false));
    assert_eq!(read.message, "it has no condition Ready yet");
}
