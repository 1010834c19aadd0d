//! What an inventory gets told whose components do not stand on anything.

use homelab::inventory::Faults;
use serde_json::{Value, json};

use crate::site::{inventory_with, load};

/// The messages of an inventory's faults.
fn told(edit: impl FnOnce(&mut Value)) -> Vec<String> {
    let failure = load(&inventory_with(edit)).expect_err("the inventory is sound");
    let faults = Faults::of(&failure).expect("faults with places");
    faults.0.iter().map(|fault| format!("{}: {}", fault.field, fault.message)).collect()
}

#[track_caller]
fn tells(edit: impl FnOnce(&mut Value), expected: &str) {
    let told = told(edit);
    assert!(told.iter().any(|one| one.contains(expected)), "{told:#?}");
}

fn take(name: &'static str) -> impl FnOnce(&mut Value) {
    move |inventory| drop(inventory["gitops"].as_object_mut().unwrap().shift_remove(name))
}

#[test]
fn a_component_without_what_it_stands_on_is_named() {
    tells(take("cloudnative_pg"), "gitops.authentik: `authentik` needs `cloudnative_pg`");
    tells(take("traefik"), "gitops.cloudflared: `cloudflared` needs `traefik`");
    tells(take("authentik"), "a public `jellyfin` needs `authentik`");
    tells(take("tailscale_operator"), "a private `monitoring` needs `tailscale_operator`");
    tells(take("tailnet_domain"), "there is no `tailnet_domain`");
    tells(take("domain"), "there is no `domain`");
    tells(take("email"), "there is no `email`");
    tells(take("cert_manager"), "the plugin that makes the backups needs `cert_manager`");
    tells(take("metallb"), "gitops.stalwart: mail comes to an address of the LAN");
}

#[test]
fn what_the_rest_of_the_inventory_contradicts_is_named() {
    let drop_section = |name: &'static str| {
        move |inventory: &mut Value| drop(inventory.as_object_mut().unwrap().shift_remove(name))
    };
    tells(drop_section("flux"), "there is no `flux`");
    tells(drop_section("longhorn"), "there is no `longhorn`");
    tells(
        |inventory| inventory["k3s"]["disable"] = json!(["servicelb", "local-storage", "traefik"]),
        "gitops.traefik: this tunes k3s's own Traefik",
    );
    tells(|inventory| inventory["k3s"]["disable"] = json!(["local-storage"]), "two load balancers");
    tells(
        |inventory| inventory["gitops"]["cloudnative_pg"]["backup"]["prefix"] = json!("longhorn"),
        "the same folder of the same bucket",
    );
    let datastore = |prefix: Option<&'static str>| {
        move |inventory: &mut Value| {
            let mut backup = inventory["longhorn"]["backup"].clone();
            match prefix {
                Some(prefix) => backup["prefix"] = json!(prefix),
                None => drop(backup.as_object_mut().unwrap().shift_remove("prefix")),
            }
            inventory["k3s"]["server_config"] = json!({});
            inventory["k3s"]["datastore_backup"] = backup;
        }
    };
    tells(datastore(Some("longhorn/homelab/k3s")), "the backups of the datastore and of volumes");
    tells(datastore(Some("cnpg")), "the backups of the datastore and of databases");
    tells(
        |inventory| {
            datastore(None)(inventory);
            inventory["k3s"]["secrets_encryption"] = json!(false);
        },
        "snapshots would hold the cluster's Secrets in clear text",
    );
    tells(
        |inventory| {
            datastore(None)(inventory);
            inventory["k3s"]["server_config"] = json!({"etcd-s3-bucket": "b"});
        },
        "`etcd-s3-bucket` follows from `k3s.datastore_backup`",
    );
    tells(
        |inventory| {
            datastore(None)(inventory);
            inventory["k3s"]["datastore_backup"]["ca_file"] = json!("ca.pem");
        },
        "an authority is for an endpoint with `https://`",
    );
    tells(
        |inventory| inventory["gitops"]["cloudnative_pg"]["backup"]["retention_days"] = json!(0),
        "a backup that is kept no day is none",
    );
    tells(
        |inventory| {
            inventory["tailnet"]["control"] = json!({"headscale": {
                "login_server": "https://headscale.example.org", "api_key": {"env": "KEY"}, "user": "me",
            }});
        },
        "Tailscale's operator works with Tailscale's own service, or another that speaks its API",
    );
}

#[test]
fn folders_are_clean_paths_and_regions_are_words() {
    let odd = [
        "clusters/x\n  prune: false\n  targetNamespace: kube-system\n  #",
        "a: b",
        "a b",
        " a",
        "\u{1b}[31mred",
        "a/../b",
        "./a",
        "a//b",
        "a/./b",
        "<a>",
        "{{ a }}",
        "-a|b",
    ];
    let places: [(&str, &[&str]); 6] = [
        ("flux.path", &["flux", "path"]),
        ("longhorn.backup.prefix", &["longhorn", "backup", "prefix"]),
        ("gitops.cloudnative_pg.backup.prefix", &["gitops", "cloudnative_pg", "backup", "prefix"]),
        ("k3s.datastore_backup.prefix", &["k3s", "datastore_backup", "prefix"]),
        ("k3s.datastore_backup.region", &["k3s", "datastore_backup", "region"]),
        ("longhorn.backup.region", &["longhorn", "backup", "region"]),
    ];
    for text in odd {
        for (place, keys) in places {
            let told = told(|inventory| {
                let mut backup = inventory["longhorn"]["backup"].clone();
                backup["prefix"] = json!("k3s/x");
                inventory["k3s"]["datastore_backup"] = backup;
                *keys.iter().fold(inventory, |value, key| &mut value[*key]) = json!(text);
            });
            assert!(told.iter().any(|one| one.starts_with(place)), "{place} {text:?}: {told:#?}");
        }
    }
    load(&inventory_with(|inventory| {
        inventory["flux"]["path"] = json!("clusters/home_lab-1.x/");
        inventory["longhorn"]["backup"]["prefix"] = json!("/longhorn/home=1/");
    }))
    .unwrap();
    // However the endpoint is written.
    tells(
        |inventory| {
            inventory["longhorn"]["backup"]["prefix"] = json!("/cnpg/");
            let region = inventory["longhorn"]["backup"]["region"].as_str().unwrap().to_owned();
            inventory["longhorn"]["backup"]["url"] =
                json!(format!("https://S3.{region}.amazonaws.com:443/"));
        },
        "the same folder of the same bucket",
    );
}

#[test]
fn addresses_that_are_somebodys_are_named() {
    let addresses = |range: &'static str| {
        move |inventory: &mut Value| inventory["gitops"]["metallb"]["addresses"] = json!([range])
    };
    tells(addresses("192.168.1.100-192.168.1.110"), "holds 192.168.1.102, which is `k3s-server`'s");
    tells(addresses("192.168.1.0/29"), "which is the gateway's");
    tells(addresses("10.0.0.1-10.0.0.9"), "is not in the LAN");
    tells(addresses("192.168.1.231-192.168.1.250"), "192.168.1.230 is none of MetalLB's addresses");
    tells(addresses("192.168.1.250-192.168.1.231"), "expected a range");
}

#[test]
fn a_tunnel_is_made_by_hand_or_through_the_api_and_one_of_them() {
    let with = |cloudflare: Value, token: bool| {
        move |inventory: &mut Value| {
            let tunnel = inventory["gitops"]["cloudflared"].as_object_mut().unwrap();
            if !token {
                tunnel.shift_remove("tunnel_token");
            }
            if !cloudflare.is_null() {
                tunnel.insert("cloudflare".to_owned(), cloudflare);
            }
        }
    };
    let api = |more: Value| {
        let mut api = json!({"account_id": "ab".repeat(16), "api_token": {"env": "TOKEN"}});
        api.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        api
    };
    load(&inventory_with(with(api(json!({})), false))).unwrap();
    tells(with(Value::Null, false), "gitops.cloudflared: nothing says which tunnel it is");
    tells(
        with(api(json!({})), true),
        "gitops.cloudflared.tunnel_token: a tunnel is made by hand or through the API",
    );
    tells(with(api(json!({"account_id": "me"})), false), "expected an id of Cloudflare's");
    tells(
        with(api(json!({"zone": "example.com"})), false),
        "gitops.cloudflared.cloudflare.zone: `example.org` does not lie in the zone `example.com`",
    );
    tells(
        with(api(json!({"endpoint": "http://api.example.org"})), false),
        "gitops.cloudflared.cloudflare.endpoint: the API token would go to this address in clear text",
    );
    load(&inventory_with(with(api(json!({"endpoint": "http://10.79.0.1:8787/x"})), false)))
        .unwrap();
}

#[test]
fn an_image_or_chart_of_no_certain_version_is_refused() {
    tells(
        |inventory| inventory["gitops"]["jellyfin"]["version"] = json!("latest"),
        "never `latest`",
    );
    tells(
        |inventory| inventory["gitops"]["jellyfin"]["version"] = json!("10.11.9"),
        "homelab.lock pins jellyfin/jellyfin 10.11.10, the inventory asks for 10.11.9",
    );
}

#[test]
fn a_component_without_a_value_is_not_silently_off() {
    tells(
        |inventory| inventory["gitops"]["reloader"] = Value::Null,
        "`gitops.reloader` has no value",
    );
}

#[test]
fn a_secret_itself_in_the_inventory_is_refused_without_being_shown() {
    let told =
        told(|inventory| inventory["gitops"]["cloudflared"]["tunnel_token"] = json!("eyJhIjoi"));
    assert!(told.iter().all(|one| !one.contains("eyJhIjoi")), "{told:?}");
}
