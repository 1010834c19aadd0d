//! Each component off in turn, with what stands on it: the rest is a sound tree still.

use serde_json::{Value, json};

use crate::{site::Site, soundness};

/// A change of an inventory.
type Edit = Box<dyn FnOnce(&mut Value)>;

/// Takes components out.
fn without(names: &'static [&'static str]) -> impl FnOnce(&mut Value) {
    move |inventory| {
        let gitops = inventory["gitops"].as_object_mut().unwrap();
        for name in names {
            assert!(gitops.shift_remove(*name).is_some(), "{name}");
        }
    }
}

#[test]
fn a_tunnel_made_through_the_api_has_no_secret_in_git_and_says_who_makes_it() {
    let site = Site::with(|inventory| {
        let tunnel = inventory["gitops"]["cloudflared"].as_object_mut().unwrap();
        tunnel.shift_remove("tunnel_token");
        let api = json!({"account_id": "ab".repeat(16), "api_token": {"env": "TOKEN"}});
        tunnel.insert("cloudflare".to_owned(), api);
    });
    soundness::check(&site);
    assert!(site.tree.secrets().all(|(_, plan)| plan.namespace != "cloudflared"));
    let text = |path: &str| match &site.tree.files[path] {
        homelab::gitops::File::Text(text) => text.clone(),
        homelab::gitops::File::Secret(_) => panic!("{path} is a Secret"),
    };
    assert!(!text("apps/cloudflared/kustomization.yaml").contains("sops"));
    assert!(text("README.md").contains("puts the tunnel's token into the cluster"));
    assert!(text("apps/cloudflared/deployment.yaml").contains("`homelab up` makes the tunnel"));
}

fn private_only(inventory: &mut Value) {
    inventory["gitops"]["jellyfin"]["ways"] = json!(["private"]);
}

fn public_only(inventory: &mut Value) {
    inventory["gitops"]["jellyfin"]["ways"] = json!(["public"]);
    inventory["gitops"]["monitoring"]["ways"] = json!(["public"]);
}

#[test]
fn an_app_may_be_public_by_its_own_accounts_alone() {
    let site = Site::with(|inventory| {
        inventory["gitops"]["jellyfin"]["forward_auth"] = json!(false);
        without(&["cloudnative_pg", "authentik"])(inventory);
    });
    soundness::check(&site);
    let way = site.object("Ingress", "jellyfin", "jellyfin-public");
    assert!(!way.value.to_string().contains("middlewares"), "{way:?}");
    let deployment = text(&site, "apps/jellyfin/deployment.yaml");
    assert!(deployment.contains("nobody is asked before Jellyfin"), "{deployment}");
    assert!(!deployment.contains("Authentik asks first"), "{deployment}");
    let guarded = text(&Site::with(|_| ()), "apps/jellyfin/deployment.yaml");
    assert!(guarded.contains("Authentik asks first"), "{guarded}");
}

fn text(site: &Site, path: &str) -> String {
    let homelab::gitops::File::Text(text) = &site.tree.files[path] else { panic!("{path}") };
    text.clone()
}

/// What the repository's own README promises is what its objects ask for.
#[test]
fn the_readme_says_how_often_flux_looks_and_puts_back() {
    let site = Site::with(|inventory| inventory["flux"]["interval"] = json!("2m"));
    let readme = text(&site, "README.md");
    assert!(readme.contains("looks for a new commit every 2m"), "{readme}");
    for (kind, promise) in [
        ("Kustomization", "after at most 10m; what a chart"),
        ("HelmRelease", "what a chart brought, after at most 30m"),
    ] {
        assert!(readme.contains(promise), "{readme}");
        for object in site.of_kind(kind) {
            let interval = object.text("/spec/interval");
            assert!(promise.contains(interval), "{kind}: {interval}");
        }
    }
}

#[test]
fn charts_come_from_a_mirror_and_devices_from_another_control_server_when_asked() {
    let site = Site::with(|inventory| {
        inventory["gitops"]["chart_mirror"] = json!("https://charts.lan");
        inventory["gitops"]["tailscale_operator"]["login_server"] = json!("https://tailnet.lan");
        inventory["tailnet"]["control"] = json!({"headscale": {
            "login_server": "https://tailnet.lan", "api_key": {"env": "KEY"}, "user": "me",
        }});
    });
    soundness::check(&site);
    let urls: Vec<&str> =
        site.of_kind("HelmRepository").map(|source| source.text("/spec/url")).collect();
    assert!(urls.len() > 5 && urls.iter().all(|url| *url == "https://charts.lan"), "{urls:?}");
    let release = site.object("HelmRelease", "tailscale", "tailscale-operator");
    assert_eq!(release.text("/spec/values/loginServer"), "https://tailnet.lan");
}

#[test]
fn each_component_can_be_off() {
    let cases: Vec<(&str, Edit)> = vec![
        (
            "cert_manager",
            Box::new(|inventory| {
                inventory["gitops"]["cloudnative_pg"] = json!({});
                without(&["cert_manager"])(inventory);
            }),
        ),
        ("metallb", Box::new(|inventory| without(&["metallb", "stalwart"])(inventory))),
        (
            "cloudnative_pg",
            Box::new(|inventory| {
                private_only(inventory);
                without(&["cloudnative_pg", "authentik"])(inventory);
            }),
        ),
        (
            "tailscale_operator",
            Box::new(|inventory| {
                public_only(inventory);
                without(&["tailscale_operator", "longhorn_ui"])(inventory);
            }),
        ),
        (
            "traefik",
            Box::new(|inventory| {
                private_only(inventory);
                without(&["traefik", "cloudflared", "authentik"])(inventory);
            }),
        ),
        (
            "cloudflared",
            Box::new(|inventory| {
                private_only(inventory);
                without(&["cloudflared"])(inventory);
            }),
        ),
        (
            "authentik",
            Box::new(|inventory| {
                private_only(inventory);
                without(&["authentik"])(inventory);
            }),
        ),
        ("monitoring", Box::new(|inventory| without(&["monitoring"])(inventory))),
        ("jellyfin", Box::new(|inventory| without(&["jellyfin"])(inventory))),
        ("stalwart", Box::new(|inventory| without(&["stalwart"])(inventory))),
        ("longhorn_ui", Box::new(|inventory| without(&["longhorn_ui"])(inventory))),
        ("reloader", Box::new(|inventory| without(&["reloader"])(inventory))),
        ("all", Box::new(|inventory| inventory["gitops"] = json!({"secrets": "external"}))),
    ];
    for (name, edit) in cases {
        let site = Site::with(edit);
        eprintln!("without {name}: {} objects", site.objects.len());
        soundness::check(&site);
    }
}

#[test]
fn without_longhorns_backup_nothing_points_at_a_bucket() {
    let site = Site::with(|inventory| {
        let longhorn = inventory["longhorn"].as_object_mut().unwrap();
        longhorn.shift_remove("backup");
        longhorn.shift_remove("recurring_jobs");
    });
    soundness::check(&site);
    assert_eq!(site.of_kind("BackupTarget").count(), 0);
    assert!(!site.objects.iter().any(|object| object.name() == "longhorn-config"));
}

#[test]
fn secrets_can_be_left_to_others_and_are_listed_then() {
    let site = Site::with(|inventory| inventory["gitops"]["secrets"] = json!("external"));
    soundness::check(&site);
    assert_eq!(site.tree.secrets().count(), 0);
    assert_eq!(site.tree.external.len(), Site::whole().tree.secrets().count());
    assert!(!site.tree.files.contains_key(".sops.yaml"));
    let homelab::gitops::File::Text(readme) = &site.tree.files["README.md"] else { panic!() };
    for plan in &site.tree.external {
        assert!(readme.contains(&format!("{}/{}", plan.namespace, plan.name)), "{}", plan.name);
    }
}
