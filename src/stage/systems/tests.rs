use super::*;
use crate::{
    inventory::desired::{Cloudflared, Gitops, Metallb, SecretSource, SecretStore},
    plan::{
        diff::tests::bare,
        flux::{FluxSight, Managed},
        systems::{Backend, Claim, Ingress, Named, Port, Service, Workload},
    },
    stage::{check::CheckState, scripts::tests::desired as plain},
};

fn named(namespace: &str, name: &str) -> Named {
    Named { namespace: namespace.into(), name: name.into() }
}

fn desired() -> Desired {
    let mut desired = plain();
    desired.flux = Some(crate::gitops::repository::tests::flux("00"));
    let tunnel = crate::inventory::desired::Tunnel::Given(SecretSource::Env("TUNNEL".into()));
    desired.gitops = Some(Gitops {
        domain: None,
        tailnet_domain: None,
        email: None,
        secrets: SecretStore::External,
        chart_mirror: None,
        outside: Default::default(),
        versions: Default::default(),
        cert_manager: None,
        metallb: Some(Metallb { addresses: vec!["192.168.1.240-192.168.1.250".into()] }),
        cloudnative_pg: None,
        tailscale_operator: None,
        traefik: None,
        cloudflared: Some(Cloudflared { tunnel, replicas: 2 }),
        authentik: None,
        monitoring: None,
        jellyfin: None,
        stalwart: None,
        longhorn_ui: None,
        reloader: false,
    });
    desired
}

fn workload(kind: &'static str, namespace: &str, name: &str, wanted: u64) -> Workload {
    Workload { kind, named: named(namespace, name), wanted, available: wanted }
}

/// An app with both ways in, a database and an address of the LAN: all of it as it should be.
fn healthy() -> SystemsSight {
    let way = |name: &str, class: &str, host: &str| Ingress {
        named: named("jellyfin", name),
        class: class.into(),
        hosts: vec![host.into()],
        backends: vec![Backend { service: "jellyfin".into(), port: "8096".into() }],
        middlewares: Vec::new(),
        addresses: vec![host.into()],
    };
    let service = |namespace: &str, name: &str, number, addresses: &[&str]| Service {
        named: named(namespace, name),
        ports: vec![Port { number, name: "http".into() }],
        wants_address: !addresses.is_empty(),
        addresses: addresses.iter().map(|&address| address.to_owned()).collect(),
    };
    let condition = |name: &str| Condition {
        named: named("", name),
        holds: true,
        message: "as it should be".into(),
    };
    SystemsSight {
        workloads: vec![
            workload("Deployment", "cloudflared", "cloudflared", 2),
            workload("Deployment", "metallb-system", "metallb-controller", 1),
            workload("DaemonSet", "metallb-system", "metallb-speaker", 3),
        ],
        services: vec![
            service("jellyfin", "jellyfin", 8096, &[]),
            service("stalwart", "stalwart-mail", 25, &["192.168.1.240"]),
        ],
        served: [named("jellyfin", "jellyfin"), named("stalwart", "stalwart-mail")].into(),
        ingresses: vec![
            Ingress {
                middlewares: vec!["authentik-authentik".into()],
                ..way("jellyfin-public", "traefik", "films.example.org")
            },
            way("jellyfin-private", "tailscale", "films.tail.ts.net"),
        ],
        middlewares: [named("authentik", "authentik")].into(),
        claims: vec![Claim {
            named: named("jellyfin", "library"),
            phase: "Bound".into(),
            class: "longhorn".into(),
        }],
        issuers: vec![condition("letsencrypt-production")],
        proxy_classes: vec![condition("tailnet")],
        databases: vec![Database {
            named: named("authentik", "authentik-db"),
            wanted: 1,
            ready: 1,
            phase: "Cluster in healthy state".into(),
            archive: Some((true, "Continuous archiving is working".into())),
            last_backup: Some("2026-11-28T02:00:00Z".parse().unwrap()),
            created: Some("2026-11-01T02:00:00Z".parse().unwrap()),
        }],
    }
}

fn now() -> Timestamp {
    "2026-11-28T12:00:00Z".parse().unwrap()
}

fn judged(brought: &[&str], change: impl Fn(&mut SystemsSight)) -> Vec<Check> {
    let desired = desired();
    let mut observed = bare(&desired);
    let kustomization = |name: &&str| {
        Managed::read(&serde_json::json!({
            "kind": "Kustomization", "metadata": { "name": name, "namespace": "flux-system" },
        }))
    };
    observed.flux = Sight::Seen(FluxSight {
        kustomizations: brought.iter().map(kustomization).collect(),
        ..FluxSight::default()
    });
    let mut seen = healthy();
    change(&mut seen);
    checks(&desired, &observed, &Sight::Seen(seen), now())
}

#[test]
fn a_cluster_that_is_well_passes_every_check_of_its_systems() {
    let told: Vec<String> = judged(&[], |_| ())
        .into_iter()
        .map(|check| match check.state {
            CheckState::Passed { seen } => format!("{}: {}: {seen}", check.id, check.title),
            other => panic!("{} {other:?}", check.title),
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn each_break_turns_one_check_red_with_its_cause_and_what_to_type() {
    type Break = fn(&mut SystemsSight);
    let breaks: &[Break] = &[
        |seen| seen.workloads[0].available = 1,
        |seen| seen.workloads[2].available = 2,
        |seen| seen.ingresses[0].middlewares = vec!["authentik-authentic".into()],
        |seen| seen.ingresses[0].backends[0].service = "films".into(),
        |seen| seen.ingresses[0].backends[0].port = "80".into(),
        |seen| seen.ingresses[0].backends.clear(),
        |seen| seen.ingresses[1].addresses.clear(),
        |seen| seen.services[1].addresses.clear(),
        |seen| seen.services[1].addresses = vec!["192.168.1.9".into()],
        |seen| drop(seen.served.pop_last()),
        |seen| seen.claims[0].phase = "Pending".into(),
        |seen| {
            seen.issuers[0].holds = false;
            seen.issuers[0].message = "Failed to register ACME account".into();
        },
        |seen| seen.proxy_classes[0].holds = false,
        |seen| seen.databases[0].ready = 0,
        |seen| seen.databases[0].archive = Some((false, "exit status 4".into())),
        |seen| seen.databases[0].last_backup = Some("2026-11-27T02:00:00Z".parse().unwrap()),
        |seen| seen.databases[0].last_backup = None,
    ];
    let mut told = Vec::new();
    for change in breaks {
        let red: Vec<Check> = judged(&[], change).into_iter().filter(Check::has_failed).collect();
        let [Check { id, title, state: CheckState::Failed { cause, next }, .. }] = red.as_slice()
        else {
            panic!("one should be red: {red:?}")
        };
        told.push(format!("{id}: {title}\n  {cause}\n  {next}"));
    }
    insta::assert_snapshot!(told.join("\n"));
}

/// The tunnel's workload without any pod, where Flux brought it in some way.
fn scaled_to_nothing(kind: &'static str, flux: &[serde_json::Value]) -> (String, String) {
    let desired = desired();
    let mut observed = bare(&desired);
    let (releases, kustomizations) =
        flux.iter().map(Managed::read).partition(|managed| managed.kind == "HelmRelease");
    observed.flux = Sight::Seen(FluxSight { kustomizations, releases, ..FluxSight::default() });
    let mut seen = healthy();
    seen.workloads[0] = workload(kind, "cloudflared", "cloudflared", 0);
    let checks = checks(&desired, &observed, &Sight::Seen(seen), now());
    let mut red = checks.into_iter().filter(Check::has_failed);
    match (red.next().map(|check| check.state), red.next()) {
        (Some(CheckState::Failed { cause, next }), None) => (cause, next),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_workload_that_is_scaled_to_0_does_not_run_and_the_next_step_is_who_puts_it_back() {
    let managed = |kind: &str, namespace: &str, suspended: bool| {
        serde_json::json!({
            "kind": kind, "metadata": { "name": "cloudflared", "namespace": namespace },
            "spec": { "suspend": suspended },
        })
    };
    let kustomization = |suspended| managed("Kustomization", "flux-system", suspended);
    let release = managed("HelmRelease", "cloudflared", false);
    let told = [
        scaled_to_nothing("Deployment", &[kustomization(false)]),
        scaled_to_nothing("StatefulSet", &[kustomization(false), release]),
        scaled_to_nothing("Deployment", &[kustomization(true)]),
        scaled_to_nothing("Deployment", &[]),
        scaled_to_nothing("DaemonSet", &[kustomization(false)]),
    ];
    let told: Vec<String> = told.iter().map(|(cause, next)| format!("{cause}\n  {next}")).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn pods_that_serve_both_ways_in_are_missed_on_both() {
    let red = judged(&[], |seen| drop(seen.served.pop_first()));
    let red: Vec<&str> =
        red.iter().filter(|check| check.has_failed()).map(|check| check.id).collect();
    assert_eq!(red, ["systems/path", "systems/path"]);
}

#[test]
fn what_the_repository_has_not_brought_is_its_owners_choice_and_what_it_brought_must_run() {
    let without = |seen: &mut SystemsSight| {
        seen.workloads.retain(|workload| workload.named.namespace != "cloudflared");
    };
    let of_the_tunnel = |brought: &[&str]| {
        let checks = judged(brought, without);
        checks.into_iter().find(|check| check.title == "the tunnel is connected").unwrap().state
    };
    assert!(matches!(of_the_tunnel(&[]), CheckState::Skipped { .. }));
    let CheckState::Failed { cause, next } = of_the_tunnel(&["cloudflared"]) else { panic!() };
    assert_eq!(cause, "nothing runs in namespace cloudflared");
    assert_eq!(next, "see the check of Kustomization cloudflared");
}

#[test]
fn a_database_that_is_younger_than_its_schedule_is_not_blamed() {
    let checks = judged(&[], |seen| {
        seen.databases[0].last_backup = None;
        seen.databases[0].created = Some("2026-11-28T11:00:00Z".parse().unwrap());
    });
    assert!(!checks.iter().any(Check::has_failed), "{checks:?}");
}
