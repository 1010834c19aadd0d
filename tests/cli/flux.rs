//! The repository of Flux: who asks for what opens it.

use crate::world::World;

#[tokio::test]
async fn destroy_asks_for_no_deploy_key() {
    let world = World::new().await;
    let asked = world.path("asked");
    let flux = format!(
        "flux:
  url: ssh://git@github.com/me/homelab
  path: clusters/test
  version: 2.9.5
  components: http://127.0.0.1:1/install.yaml
  sha256: {}
  credentials: {{deploy_key: {{command: [/usr/bin/touch, '{asked}']}}}}
k3s:
",
        "ab".repeat(32)
    );
    world.edit("k3s:\n", &flux);
    world.homelab(&["plan", "--until", "image"]).await.well();
    assert!(asked.exists(), "a plan reads the repository");
    fs_err::remove_file(&asked).unwrap();
    world.homelab(&["up", "--until", "image", "--yes"]).await.well();
    fs_err::remove_file(&asked).unwrap();
    world.homelab(&["destroy", "--all", "--yes"]).await.well();
    assert!(!asked.exists());
}
