use super::*;
use crate::{
    inventory::{self, LoadOptions, Overrides, Pins},
    model::NodeName,
    stage::check::expect,
};

/// The whole topology of the example, without what would be read from files of this computer.
pub(crate) fn example() -> Desired {
    let folder = tempfile::tempdir().unwrap();
    let path = camino::Utf8PathBuf::try_from(folder.path().join("homelab.yaml")).unwrap();
    let text = include_str!("../../inventory/homelab.yaml")
        .replace("ca_file: pve-root-ca.pem", &format!("fingerprints: ['{}AB']", "AB:".repeat(31)))
        .replace(
            "public_key_files: [~/.ssh/id_ed25519.pub]",
            "public_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJwMHtx3h0bmYIcGQ0aWkVxQ2rRvAQs0c9N3xq6TnQv me]",
        );
    fs_err::write(&path, text).unwrap();
    let overrides = Overrides::default();
    let options = LoadOptions { pins: Pins::Optional, path, lock: None, overrides };
    inventory::load(&options).unwrap().desired
}

fn block<'a>(topology: &'a Topology, diagram: &str, id: &str) -> &'a Block {
    let diagram = topology.diagrams.iter().find(|one| one.id == diagram).unwrap();
    diagram.blocks.iter().find(|block| block.id == id).unwrap()
}

#[test]
fn all_five_diagrams_of_the_example_are_drawn_and_every_arrow_has_two_ends() {
    let drawn = topology(&example(), &[]);
    let ids: Vec<&str> = drawn.diagrams.iter().map(|diagram| diagram.id).collect();
    assert_eq!(ids, ["public", "private", "git", "storage", "zones"]);
    for Diagram { id, blocks, arrows, .. } in &drawn.diagrams {
        let known = |wanted: &str| blocks.iter().filter(|block| block.id == wanted).count();
        assert!(blocks.iter().all(|block| known(&block.id) == 1), "{id}: {blocks:?}");
        for arrow in arrows {
            assert_eq!((known(&arrow.from), known(&arrow.to)), (1, 1), "{id}: {arrow:?}");
        }
        assert!(blocks.iter().all(|block| block.health == Health::Unknown), "{id}");
    }
}

#[test]
fn what_the_inventory_does_not_turn_on_is_not_drawn() {
    let mut desired = example();
    desired.gitops = None;
    desired.flux = None;
    desired.longhorn = None;
    let ids = |desired: &Desired| -> Vec<&str> {
        topology(desired, &[]).diagrams.iter().map(|diagram| diagram.id).collect()
    };
    assert_eq!(ids(&desired), ["storage", "zones"], "the datastore is copied away all the same");
    desired.k3s.datastore_backup = None;
    assert_eq!(ids(&desired), ["zones"]);
}

#[test]
fn what_nobody_could_ask_is_not_well_because_something_beside_it_is() {
    let desired = example();
    let seen = Check::of("network/dns", None, "names are known", expect(true, "", ""));
    let blind = Check::blind("network/tables", None, "tailnet and overlay", "it did not answer");
    let health = |checks: &[Check]| {
        let drawn = topology(&desired, checks);
        block(&drawn, "zones", "pods").health
    };
    assert_eq!(health(std::slice::from_ref(&seen)), Health::Well);
    assert_eq!(health(&[seen, blind]), Health::Unknown);
}

#[test]
fn a_block_is_as_well_as_the_checks_that_look_at_it() {
    let desired = example();
    let node = desired.nodes.keys().next().unwrap();
    let check = |id, of: Option<&NodeName>, title: &str, well| {
        let state = expect(well, "it is not", "see there");
        Check::of(id, of.cloned(), title, state)
    };
    let path = "jellyfin/jellyfin-public leads jellyfin.example.org to pods that are ready";
    let drawn = topology(
        &desired,
        &[
            check("machine/runs", Some(node), "it runs", true),
            check("tailnet/mtu", Some(node), "its MTU", false),
            check("systems/workload", None, "the tunnel is connected", true),
            check("systems/path", None, path, false),
            check("datastore/snapshot", Some(node), "its snapshots are in the bucket", true),
            check("bucket/lifecycle", None, "no rule destroys backups of the datastore", false),
        ],
    );
    assert_eq!(block(&drawn, "zones", node.as_str()).health, Health::Ill);
    assert_eq!(
        block(&drawn, "zones", node.as_str()).causes,
        ["its MTU: it is not; next: see there"]
    );
    assert_eq!(block(&drawn, "storage", "datastore").health, Health::Well);
    assert_eq!(block(&drawn, "storage", "snapshots").health, Health::Ill);
    assert_eq!(block(&drawn, "storage", "bucket").health, Health::Unknown);
    assert_eq!(block(&drawn, "public", "tunnel").health, Health::Well);
    assert_eq!(block(&drawn, "public", "app-jellyfin").health, Health::Ill);
    assert_eq!(block(&drawn, "public", "app-auth").health, Health::Unknown);
}

#[test]
fn what_nobody_looks_after_is_not_well_and_says_so() {
    let title = |name: &str| format!("Kustomization flux-system/{name} is done");
    let well = Check::of("flux/kustomization", None, title("apps"), expect(true, "", ""));
    let suspended =
        Check::unattended("flux/kustomization", None, title("jellyfin"), "a person suspended it");
    for checks in [[well.clone(), suspended.clone()], [suspended, well]] {
        let drawn = topology(&example(), &checks);
        let block = block(&drawn, "git", "kustomizations");
        assert_eq!(block.health, Health::Unknown);
        assert_eq!(
            block.causes,
            ["Kustomization flux-system/jellyfin is done: a person suspended it"]
        );
    }
}

#[test]
fn mail_is_no_secret_of_the_public_path() {
    let mut desired = example();
    let about = |desired: &Desired| topology(desired, &[]).diagrams[0].about.clone();
    let open = about(&desired);
    assert!(open.contains("25, 465, 587, 143, 993, 4190") && open.contains("router"), "{open}");
    let service = include_str!("../../templates/gitops/stalwart/service.yaml");
    for port in ["25", "465", "587", "143", "993", "4190"] {
        assert!(service.contains(&format!("port: {port},")), "{port}");
    }
    desired.gitops.as_mut().unwrap().stalwart = None;
    assert!(about(&desired).starts_with("No port is open towards the internet"));
}

#[test]
fn dns_and_tunnel_are_as_well_as_cloudflare_says() {
    let desired = example();
    let with = |id, well| {
        let state = expect(well, "it points elsewhere", "`homelab up`");
        topology(&desired, &[Check::of(id, None, "auth.example.org leads into the tunnel", state)])
    };
    for (id, block_id) in [
        ("edge/record", "edge"),
        ("edge/tunnel", "tunnel"),
        ("edge/route", "tunnel"),
        ("edge/secret", "tunnel"),
    ] {
        assert_eq!(block(&with(id, true), "public", block_id).health, Health::Well, "{id}");
        assert_eq!(block(&with(id, false), "public", block_id).health, Health::Ill, "{id}");
    }
}
