//! A run that nobody disturbs.

use base64::{Engine, engine::general_purpose::STANDARD};
use homelab_lab::sim::world::Options;

use crate::{operator::Operator, story::one_node_less};

#[tokio::test(flavor = "multi_thread")]
async fn a_first_run_makes_a_cluster_and_a_second_one_has_nothing_to_do() {
    settles(Options::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_does_one_that_ends_with_what_flux_brings() {
    let operator = settles(Options { gitops: true, ..Options::default() }).await;
    let picture = operator.world.picture().await.unwrap();
    let shown = |name: &str, field: &str| {
        let found = picture.objects.iter().find(|(title, _)| title.contains(name));
        found.map(|(_, object)| object[field].clone()).unwrap_or_default()
    };
    for name in [
        "GitRepository flux-system/flux-system",
        "Kustomization flux-system/flux-system",
        "Kustomization flux-system/cert-manager-config",
        "Kustomization flux-system/longhorn",
        "Kustomization flux-system/reloader",
    ] {
        assert_eq!(shown(name, "ready"), "True", "{name}");
        assert_eq!(shown(name, "at_head"), true, "{name}");
        assert_eq!(shown(name, "suspended"), false, "{name}");
    }
    for name in ["cert-manager/cert-manager", "longhorn-system/longhorn", "reloader/reloader"] {
        assert_eq!(shown(&format!("HelmRelease {name}"), "ready"), "True", "{name}");
    }
    let target =
        operator.world.kubernetes.get("backuptargets.longhorn.io", ("longhorn-system", "default"));
    assert_eq!(target.unwrap()["status"]["available"], true, "its Secret opens the bucket");
    // What was encrypted in Git is a Secret in the cluster, opened by the key that homelab gave it.
    let place = ("cert-manager", "cloudflare-api-token");
    let secret = operator.world.kubernetes.get("secrets", place).unwrap();
    let token =
        operator.world.secrets().into_iter().find(|(name, _)| *name == "CLOUDFLARE_API_TOKEN");
    let token = token.map(|(_, token)| STANDARD.encode(token));
    assert_eq!(secret["data"]["api-token"].as_str(), token.as_deref());
    let git = picture.git.unwrap();
    assert_eq!((git.commits, git.references), (1, vec!["refs/heads/main".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_left_the_inventory_leaves_proxmox_tailnet_and_cluster() {
    let story = one_node_less();
    let operator = story.begin().await;
    let ended = operator.succeed(story.run).await;
    assert!(ended.err.contains("its Node object"), "{}", ended.err);
    let picture = operator.world.picture().await.unwrap();
    let left = serde_json::to_string(&picture).unwrap();
    assert!(!left.contains("agent-2") && !left.contains("vm-1002"), "{left}");
    assert_eq!(picture.nodes.keys().collect::<Vec<_>>(), ["agent-1", "server"]);
    let again = operator.succeed(story.run).await;
    assert!(again.err.contains("nothing to do"), "{}", again.err);
}

/// A first run that goes well, and a second that changes nothing.
async fn settles(options: Options) -> Operator {
    let operator = Operator::new(options).await;
    operator.succeed(&["up", "--yes"]).await;
    operator.world.gate.forget();
    let second = operator.succeed(&["up", "--yes"]).await;
    assert!(second.err.contains("nothing to do"), "{}", second.err);
    let changed: Vec<_> =
        operator.world.gate.log().into_iter().filter(|effect| effect.mutating).collect();
    assert!(changed.is_empty(), "{changed:#?}");
    operator
}
