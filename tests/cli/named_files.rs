//! Files that a person names and that are none: each is refused at once, none is waited for or read for ever.

use camino::Utf8PathBuf;

use crate::world::World;

/// A pipe that nobody writes into.
fn pipe(world: &World) -> Utf8PathBuf {
    let path = world.path("pipe");
    let made = std::process::Command::new("mkfifo").args(["-m", "600", path.as_str()]).status();
    assert!(made.unwrap().success());
    path
}

#[tokio::test]
async fn keys_and_certificates_are_regular_files() {
    let world = World::new().await;
    let pipe = pipe(&world);
    for (file, told) in [
        (pipe.as_str(), "`/pipe` is a pipe, not a regular file"),
        ("/dev/zero", "`/dev/zero` is a device, not a regular file"),
    ] {
        let mut command = world.command(&["plan", "--until", "image"]);
        command.env("PROXMOX_VE_CA_FILE", file);
        let refused = world.run(command).await.refused(15);
        assert!(refused.contains(told), "{refused}");
        let before = "  user: debian\n";
        let after = format!("{before}  public_key_files: [{file}]\n");
        world.edit(before, &after);
        let refused = world.homelab(&["validate"]).await.refused(15);
        assert!(refused.contains(told), "{refused}");
        world.edit(&after, before);
    }
}

#[tokio::test]
async fn an_inventory_a_lock_file_and_a_secret_may_be_pipes_but_end() {
    let world = World::new().await;
    let pipe = pipe(&world);
    for flag in ["-c", "--lock"] {
        let told = world.homelab(&["validate", flag, pipe.as_str()]).await.refused(15);
        assert!(told.contains("nothing came out of the pipe `/pipe`"), "{told}");
        let told = world.homelab(&["validate", flag, "/dev/zero"]).await.refused(15);
        assert!(told.contains("`/dev/zero` is larger than 16 MiB"), "{told}");
    }
    world.edit("    env: TEST_TOKEN", &format!("    file: {pipe}"));
    let told = world.homelab(&["plan"]).await.refused(15);
    assert!(told.contains("a secret can't be had: it is empty"), "{told}");
}

#[tokio::test]
async fn a_device_is_not_written_over() {
    let world = World::new().await;
    let told = world.homelab(&["lock", "--lock", "/dev/null"]).await.refused(64);
    insta::assert_snapshot!(told, @"
    error: /dev/null: the lock file can't be written there
      because: `/dev/null` is a device, not a regular file
      hint: name another with --lock FILE
    ");
}
