//! Each path of the topology, object by object.

use homelab::gitops::routes;
use serde_json::Value;

use crate::site::{Object, Site};

/// Services that a chart makes, and the release that does: namespace, name, port, release.
const CHART_SERVICES: &[(&str, &str, u64, &str)] = &[
    ("authentik", "authentik-server", 80, "authentik"),
    ("monitoring", "monitoring-grafana", 80, "monitoring"),
    ("longhorn-system", "longhorn-frontend", 80, "longhorn"),
];

/// A Service's port leads to a port of a pod.
#[track_caller]
fn reaches_a_pod(site: &Site, namespace: &str, service: &str, port: u64) {
    if let Some((_, _, known, release)) = CHART_SERVICES
        .iter()
        .find(|(known_namespace, name, ..)| *known_namespace == namespace && *name == service)
    {
        assert_eq!(*known, port, "{namespace}/{service}");
        site.object("HelmRelease", namespace, release);
        return;
    }
    let service = site.object("Service", namespace, service);
    let ports = service.value["spec"]["ports"].as_array().unwrap();
    let found = ports.iter().find(|one| one["port"] == port);
    let target =
        &found.unwrap_or_else(|| panic!("{} has no port {port}", service.path))["targetPort"];
    let pods: Vec<&Object> = site
        .of_kind("Deployment")
        .filter(|one| one.namespace() == namespace)
        .filter(|one| {
            one.value["spec"]["template"]["metadata"]["labels"] == service.value["spec"]["selector"]
        })
        .collect();
    assert_eq!(pods.len(), 1, "{} selects one Deployment", service.path);
    let containers = &pods[0].value["spec"]["template"]["spec"]["containers"];
    let open = containers[0]["ports"].as_array().unwrap();
    assert!(
        open.iter().any(|one| &one["name"] == target || &one["containerPort"] == target),
        "{}: no pod has port {target}",
        service.path
    );
}

fn backend(ingress: &Value) -> (String, u64) {
    let backend = ingress
        .pointer("/spec/rules/0/http/paths/0/backend/service")
        .or(ingress.pointer("/spec/defaultBackend/service"))
        .expect("an Ingress has a backend");
    (backend["name"].as_str().unwrap().to_owned(), backend["port"]["number"].as_u64().unwrap())
}

/// The Middleware that a reference of Traefik's means.
fn middleware<'a>(site: &'a Site, reference: &str) -> &'a Object {
    let name = reference.strip_suffix("@kubernetescrd").unwrap();
    let mut found = site
        .of_kind("Middleware")
        .filter(|one| format!("{}-{}", one.namespace(), one.name()) == name);
    found.next().unwrap_or_else(|| panic!("no Middleware is meant by {reference}"))
}

#[test]
fn the_public_path_leads_from_a_name_to_a_pod() {
    let site = Site::whole();
    let tunnel = site.object("Deployment", "cloudflared", "cloudflared");
    assert_eq!(tunnel.value["spec"]["replicas"], 2);
    let container = &tunnel.value["spec"]["template"]["spec"]["containers"][0];
    let words: Vec<&str> =
        container["args"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(words, ["tunnel", "--metrics", "0.0.0.0:2000", "--protocol", "http2", "run"]);

    let config = site.object("HelmChartConfig", "kube-system", "traefik");
    let values: Value = serde_saphyr::from_str(config.text("/spec/valuesContent")).unwrap();
    let trusted = &values["ports"]["web"]["forwardedHeaders"]["trustedIPs"];
    assert_eq!(trusted[0], site.desired.k3s.cluster_cidr.to_string());
    let reference = values["ports"]["web"]["http"]["middlewares"][0].as_str().unwrap();
    let edge = middleware(&site, reference);
    assert_eq!(edge.text("/spec/headers/customRequestHeaders/X-Forwarded-Proto"), "https");

    let routes = routes(&site.desired);
    let names: Vec<&str> = routes.iter().map(|route| route.hostname.as_str()).collect();
    assert_eq!(names, ["auth.example.org", "jellyfin.example.org"]);
    for route in &routes {
        assert_eq!(route.service, "http://traefik.kube-system.svc.cluster.local:80");
        let mut ingresses =
            site.of_kind("Ingress").filter(|one| one.text("/spec/rules/0/host") == route.hostname);
        let ingress =
            ingresses.next().unwrap_or_else(|| panic!("no Ingress for {}", route.hostname));
        assert_eq!(ingress.text("/spec/ingressClassName"), "traefik");
        let annotation = |name: &str| {
            let annotations = &ingress.value["metadata"]["annotations"];
            annotations[format!("traefik.ingress.kubernetes.io/{name}")].as_str()
        };
        assert_eq!(annotation("router.entrypoints"), Some("web"));
        match annotation("router.middlewares") {
            Some(reference) => asks_authentik(&site, middleware(&site, reference)),
            // Nobody could sign in if Authentik asked itself first.
            None => assert_eq!(route.hostname, "auth.example.org"),
        }
        let (service, port) = backend(&ingress.value);
        reaches_a_pod(&site, ingress.namespace(), &service, port);
    }
    let public =
        site.of_kind("Ingress").filter(|one| one.text("/spec/ingressClassName") == "traefik");
    assert_eq!(public.count(), routes.len(), "an Ingress that no name leads to");
}

fn asks_authentik(site: &Site, middleware: &Object) {
    let address = middleware.text("/spec/forwardAuth/address");
    let rest = address.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    assert_eq!(path, "outpost.goauthentik.io/auth/traefik");
    let mut labels = host.split('.');
    let (service, namespace) = (labels.next().unwrap(), labels.next().unwrap());
    reaches_a_pod(site, namespace, service, 80);
    assert_eq!(middleware.value["spec"]["forwardAuth"]["trustForwardHeader"], true);
    // The outpost must know the domain that it is asked about.
    let blueprints = site.object("ConfigMap", "authentik", "authentik-blueprints");
    let blueprint = blueprints.value["data"]["forward-auth.yaml"].as_str().unwrap();
    assert!(blueprint.contains("mode: forward_domain"));
    assert!(blueprint.contains("cookie_domain: example.org"));
    let release = site.object("HelmRelease", "authentik", "authentik");
    assert_eq!(release.value["spec"]["values"]["blueprints"]["configMaps"][0], blueprints.name());
}

#[test]
fn the_private_path_leads_from_a_device_to_a_pod() {
    let site = Site::whole();
    site.object("HelmRelease", "tailscale", "tailscale-operator");
    let private: Vec<&Object> = site
        .of_kind("Ingress")
        .filter(|one| one.text("/spec/ingressClassName") == "tailscale")
        .collect();
    let hosts: Vec<&str> = private.iter().map(|one| one.text("/spec/tls/0/hosts/0")).collect();
    assert_eq!(hosts, ["jellyfin", "longhorn", "grafana", "mail"]);
    for ingress in private {
        let class = ingress.value["metadata"]["annotations"]["tailscale.com/proxy-class"].as_str();
        site.object("ProxyClass", "", class.unwrap());
        let (service, port) = backend(&ingress.value);
        reaches_a_pod(&site, ingress.namespace(), &service, port);
    }
}

#[test]
fn the_proxies_packets_fit_the_pods_network() {
    let mtu = |site: &Site| {
        let class = site.object("ProxyClass", "", "tailnet");
        let env = class.value.pointer("/spec/statefulSet/pod/tailscaleContainer/env/0").unwrap();
        assert_eq!(env["name"], "TS_DEBUG_MTU");
        env["value"].as_str().unwrap().parse::<u16>().unwrap()
    };
    // LAN 1500 -> tailscale0 1420 -> pods 1370 -> 1290 is more than a tailnet's own 1280.
    assert_eq!(mtu(&Site::whole()), 1280);
    // The original's trap: tailscale0 1280 -> pods 1230 -> 1150.
    let small = Site::with(|inventory| inventory["tailnet"]["mtu"] = 1280.into());
    assert_eq!(mtu(&small), 1150);
}

#[test]
fn grafana_and_authentik_know_each_other() {
    let site = Site::whole();
    let grafana =
        &site.object("HelmRelease", "monitoring", "monitoring").value["spec"]["values"]["grafana"];
    let ini = &grafana["grafana.ini"];
    assert_eq!(ini["server"]["root_url"], "https://grafana.tail1234.ts.net/");
    assert_eq!(
        ini["auth.generic_oauth"]["auth_url"],
        "https://auth.example.org/application/o/authorize/"
    );
    let blueprints = site.object("ConfigMap", "authentik", "authentik-blueprints");
    let blueprint = blueprints.value["data"]["grafana.yaml"].as_str().unwrap();
    assert!(
        blueprint.contains("https://grafana.tail1234.ts.net/login/generic_oauth"),
        "{blueprint}"
    );
    // Both sides are given the same made value.
    let plans = site.plans();
    let value = |namespace: &str, name: &str, key: &str| {
        let plan = &plans[&(namespace.to_owned(), name.to_owned())];
        plan.values.iter().find(|(known, _)| *known == key).unwrap().1.clone()
    };
    assert_eq!(
        value("monitoring", "grafana-oidc", "client-secret"),
        value("authentik", "authentik-secrets", "grafana-client-secret")
    );
}

#[test]
fn volumes_and_databases_are_backed_up_to_folders_of_their_own() {
    let site = Site::whole();
    let target = site.object("BackupTarget", "longhorn-system", "default");
    let url = target.text("/spec/backupTargetURL");
    assert_eq!(url, "s3://homelab-backups@eu-central-1/longhorn/homelab/");
    let store = site.object("ObjectStore", "authentik", "authentik-store");
    let folder = store.text("/spec/configuration/destinationPath");
    assert_eq!(folder, "s3://homelab-backups/cnpg/homelab/");
    let cluster = site.object("Cluster", "authentik", "authentik-db");
    assert_eq!(cluster.text("/spec/plugins/0/parameters/barmanObjectName"), store.name());
    let backup = site.object("ScheduledBackup", "authentik", "authentik-db-daily");
    assert_eq!(backup.text("/spec/cluster/name"), cluster.name());
    assert_eq!(backup.text("/spec/method"), "plugin");
    for job in site.of_kind("RecurringJob") {
        for field in
            ["name", "task", "cron", "groups", "retain", "concurrency", "labels", "parameters"]
        {
            assert!(job.value["spec"].get(field).is_some(), "{} lacks {field}", job.name());
        }
    }
    let longhorn = &site.object("HelmRelease", "longhorn-system", "longhorn").value["spec"];
    assert!(longhorn["values"].get("csi").is_none(), "the kubelet's root is found, not told");
    assert!(longhorn["values"].get("defaultBackupStore").is_none(), "the target has one owner");
    assert_eq!(longhorn["values"]["persistence"]["defaultClassReplicaCount"], 2);
}

#[test]
fn mail_comes_to_its_own_address_and_reaches_the_pod() {
    let site = Site::whole();
    let service = site.object("Service", "stalwart", "stalwart-mail");
    assert_eq!(
        service.value["metadata"]["annotations"]["metallb.io/loadBalancerIPs"],
        "192.168.1.230"
    );
    let pool = site.object("IPAddressPool", "metallb-system", "lan");
    assert_eq!(pool.text("/spec/addresses/0"), "192.168.1.230-192.168.1.250");
    for port in [25, 465, 587, 143, 993, 4190] {
        reaches_a_pod(&site, "stalwart", "stalwart-mail", port);
    }
}

#[test]
fn a_public_grafana_asks_authentik_first() {
    let site = Site::with(|inventory| {
        inventory["gitops"]["monitoring"]["ways"] = serde_json::json!(["public"]);
    });
    let ingress = site.object("Ingress", "monitoring", "grafana-public");
    let annotations = &ingress.value["metadata"]["annotations"];
    let reference =
        annotations["traefik.ingress.kubernetes.io/router.middlewares"].as_str().unwrap();
    asks_authentik(&site, middleware(&site, reference));
    assert!(routes(&site.desired).iter().any(|route| route.hostname == "grafana.example.org"));
}
