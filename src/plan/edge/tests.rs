use serde_json::json;

use super::*;
use crate::{ports::TunnelHealth, topology::tests::example};

/// The example, with the tunnel made through the API.
pub(crate) fn made() -> Desired {
    use crate::inventory::desired::{Cloudflare, SecretSource, Tunnel};
    let mut desired = example();
    let gitops = desired.gitops.as_mut().unwrap();
    gitops.cloudflared.as_mut().unwrap().tunnel = Tunnel::Made(Cloudflare {
        account_id: "ab".repeat(16),
        api_token: SecretSource::Env("CLOUDFLARE_API_TOKEN".into()),
        zones: vec!["example.org".into()],
        endpoint: "https://api.cloudflare.com/client/v4".into(),
        ca_file: None,
    });
    desired
}

pub(crate) const ID: &str = "5e3b5d4f-0c5a-4e1b-8a55-2f0c7c1d9a10";

/// A record of ours that is as it should be.
pub(crate) fn record(desired: &Desired, name: &str) -> DnsRecord {
    DnsRecord {
        id: format!("id-of-{name}"),
        name: name.into(),
        form: "CNAME".into(),
        content: target(ID),
        proxied: true,
        comment: comment(desired),
    }
}

/// An edge at which nothing is left to do.
pub(crate) fn whole(desired: &Desired) -> EdgeSight {
    EdgeSight {
        zone: Zone { id: "cd".repeat(16), name: "example.org".into() },
        tunnel: Some(Tunnel {
            id: ID.into(),
            name: tunnel_name(desired),
            health: TunnelHealth::Healthy,
            connections: 8,
            remote: true,
        }),
        rules: rules(desired),
        records: names(desired).iter().map(|name| record(desired, name)).collect(),
        secret: Sight::Seen(Some(ID.into())),
    }
}

#[test]
fn every_public_name_has_a_rule_and_the_last_rule_is_for_what_is_left() {
    let desired = made();
    let names = names(&desired);
    assert_eq!(names, ["auth.example.org", "jellyfin.example.org"]);
    let rules = rules(&desired);
    let (last, first) = rules.split_last().unwrap();
    assert_eq!((last.hostname.as_deref(), last.service.as_str()), (None, "http_status:404"));
    assert!(
        first.iter().all(|rule| rule.service == "http://traefik.kube-system.svc.cluster.local:80")
    );
    assert_eq!(first.len(), names.len());
}

#[test]
fn names_and_comments_carry_the_clusters_id_and_fit() {
    let desired = made();
    let id = desired.id.to_string();
    assert!(tunnel_name(&desired).ends_with(&id) && tunnel_name(&desired).starts_with("homelab-"));
    assert!(comment(&desired).ends_with(&id) && comment(&desired).len() <= 100);
}

#[test]
fn a_record_is_right_ours_and_wrong_or_somebody_elses() {
    let desired = made();
    let name = "auth.example.org";
    let right = record(&desired, name);
    let look = |record: DnsRecord, tunnel: Option<&str>| {
        let records = [record];
        match pointing(&records, &desired, name, tunnel) {
            Pointing::Absent => "absent".to_owned(),
            Pointing::Foreign(_) => "foreign".to_owned(),
            Pointing::Differs(_, why) => why,
            Pointing::Right(_) => "right".to_owned(),
        }
    };
    assert_eq!(look(right.clone(), Some(ID)), "right");
    assert_eq!(look(DnsRecord { proxied: false, ..right.clone() }, Some(ID)), "it is not proxied");
    assert_eq!(look(right.clone(), Some("another")), format!("it points to {}", target(ID)));
    assert_eq!(look(right.clone(), None), format!("it points to {}", target(ID)));
    let a = DnsRecord { form: "A".into(), content: "192.0.2.1".into(), ..right.clone() };
    assert_eq!(look(a, Some(ID)), "it is a record of type A");
    // The right content is not enough: who wrote it does not say so.
    for comment in ["", "homelab of somebody", "homelab 00000000-0000-4000-8000-000000000000"] {
        assert_eq!(
            look(DnsRecord { comment: comment.into(), ..right.clone() }, Some(ID)),
            "foreign"
        );
    }
    let elsewhere = DnsRecord { name: "www.example.org".into(), ..right.clone() };
    assert_eq!(look(elsewhere, Some(ID)), "absent");
    let text = DnsRecord { form: "TXT".into(), comment: String::new(), ..right };
    assert_eq!(look(text, Some(ID)), "absent", "a TXT record stands beside a CNAME");
}

#[test]
fn rules_that_differ_are_told_one_by_one() {
    let desired = made();
    let wanted = rules(&desired);
    assert!(wrong_rules(&wanted, &wanted).is_empty());
    assert_eq!(wrong_rules(&wanted, &[]), ["the tunnel leads nowhere yet"]);
    let mut other = wanted.clone();
    other[0].service = "http://somewhere.else".into();
    other[1].more = true;
    insta::assert_snapshot!(wrong_rules(&wanted, &other).join("\n"), @"
    auth.example.org to http://traefik.kube-system.svc.cluster.local:80 is not routed
    jellyfin.example.org to http://traefik.kube-system.svc.cluster.local:80 is not routed
    auth.example.org to http://somewhere.else is routed and not wanted
    jellyfin.example.org to http://traefik.kube-system.svc.cluster.local:80 with settings of its own is routed and not wanted
    ");
    let mut turned = wanted.clone();
    turned.swap(0, 1);
    assert_eq!(wrong_rules(&wanted, &turned), ["its rules are in another order"]);
}

#[test]
fn a_token_tells_its_tunnel_and_anything_else_none() {
    let token = STANDARD.encode(json!({ "a": "x", "t": ID, "s": "y" }).to_string());
    assert_eq!(tunnel_of_token(&token).as_deref(), Some(ID));
    for other in ["", "eyJh", "not base64 at all", &STANDARD.encode("[]")] {
        assert_eq!(tunnel_of_token(other), None, "{other}");
    }
    assert_eq!(tunnel_of_secret(&json!({ "data": {} })), "");
}
