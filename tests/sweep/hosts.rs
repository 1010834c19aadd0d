//! What a person, or an earlier life, left on a host.

use std::io::ErrorKind;

use camino::Utf8PathBuf;
use homelab_lab::sim::{answers::Guests, claim::Claim, world::Options};
use tokio::net::TcpListener;

use crate::{operator::Operator, story::first_up};

const CONFIG: &str = "etc/rancher/k3s/config.yaml";

/// A cluster; a file of its first agent.
async fn agent(path: &str) -> (Operator, Utf8PathBuf) {
    let story = first_up();
    let operator = story.begin().await;
    operator.succeed(story.run).await;
    let file = file(&operator, path);
    (operator, file)
}

fn file(operator: &Operator, path: &str) -> Utf8PathBuf {
    let guests = operator.world.hypervisor.guests();
    let named = |file: String| file.trim() == "agent-1";
    let agent = guests
        .iter()
        .find(|guest| fs_err::read_to_string(guest.root().join("etc/hostname")).is_ok_and(named));
    agent.expect("it runs").root().join(path)
}

#[tokio::test(flavor = "multi_thread")]
async fn somebodys_configuration_of_k3s_beside_ours_is_named_and_stays() {
    let (operator, theirs) = agent("etc/rancher/k3s/config.yaml.d/50-theirs.yaml").await;
    fs_err::create_dir_all(theirs.parent().unwrap()).unwrap();
    fs_err::write(&theirs, "node-label: [theirs=1]\n").unwrap();
    fs_err::remove_file(file(&operator, CONFIG)).unwrap();
    let ended = operator.run(&["up", "--yes"]).await;
    assert_eq!(ended.code, Some(16), "{}", ended.err);
    let told =
        "50-theirs.yaml would override our configuration: move its settings into the inventory";
    assert!(ended.err.contains(told), "{}", ended.err);
    assert_eq!(fs_err::read_to_string(&theirs).unwrap(), "node-label: [theirs=1]\n");
    fs_err::remove_file(&theirs).unwrap();
    operator.succeed(&["up", "--yes"]).await;
    assert!(file(&operator, CONFIG).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authority_of_an_earlier_cluster_is_put_aside_before_an_agent_joins() {
    let (operator, authority) = agent("var/lib/rancher/k3s/agent/server-ca.crt").await;
    let ours = fs_err::read_to_string(&authority).unwrap();
    fs_err::write(&authority, "of an earlier cluster\n").unwrap();
    fs_err::remove_file(file(&operator, CONFIG)).unwrap();
    operator.succeed(&["up", "--yes"]).await;
    assert_eq!(fs_err::read_to_string(&authority).unwrap(), ours);
    let folder = authority.parent().unwrap().read_dir_utf8().unwrap();
    let aside = folder
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.file_name().is_some_and(|name| name.starts_with("homelab-former-")));
    let kept: Vec<String> =
        aside.map(|path| fs_err::read_to_string(path.join("server-ca.crt")).unwrap()).collect();
    assert_eq!(kept, ["of an earlier cluster\n"]);
}

/// Has `tailscale status` fail on all guests, until the tool is put back.
fn tailscaled_falls_silent(operator: &Operator) -> (Utf8PathBuf, Utf8PathBuf) {
    let tool = operator.world.folder().join("programs/homelab-sim-tool");
    let real = tool.with_extension("real");
    fs_err::rename(&tool, &real).unwrap();
    let silent = format!(
        "#!/bin/sh\nHOMELAB_SIM_AS=${{HOMELAB_SIM_AS:-${{0##*/}}}}\nexport HOMELAB_SIM_AS\n\
         [ \"$HOMELAB_SIM_AS $1\" != 'tailscale status' ] || exit 1\nexec {real} \"$@\"\n"
    );
    fs_err::write(&tool, silent).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(&tool, executable).unwrap();
    (real, tool)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "waits half a minute for an answer"]
async fn the_device_of_a_node_that_does_not_say_which_one_it_is_stays() {
    // Guests that answer in process have no such program.
    let operator = Operator::new(Options { guests: Guests::Real, ..Options::default() }).await;
    operator.succeed(&["up", "--yes"]).await;
    let devices = operator.world.picture().await.unwrap().devices;
    let (real, tool) = tailscaled_falls_silent(&operator);
    let ended = operator.run(&["up", "--yes"]).await;
    assert_eq!(ended.code, Some(18), "{}", ended.err);
    assert!(ended.err.contains("tailscaled does not say which device it is"), "{}", ended.err);
    assert_eq!(operator.world.picture().await.unwrap().devices, devices);
    fs_err::rename(real, tool).unwrap();
    operator.succeed(&["up", "--yes"]).await;
    assert_eq!(operator.world.picture().await.unwrap().devices, devices);
}

/// The sweeps' own promise: two worlds on one network would take each other's addresses.
#[tokio::test(flavor = "multi_thread")]
async fn a_world_keeps_its_network_when_nobody_tells_its_story_any_more() {
    let operator = first_up().begin().await;
    let network = operator.world.address(0).octets()[1] - 64;
    let told = Claim::take(network).unwrap_err().to_string();
    assert!(told.contains("another world stands on network"), "{told}");
}

/// The simulation's own promise, without which a sweep's next world may find the one before it.
#[tokio::test(flavor = "multi_thread")]
async fn a_guest_waits_for_an_address_that_is_let_go_of_late() {
    let operator = first_up().begin().await;
    let place = (operator.world.address(1), Options::default().ssh_port);
    // That of the world which had this network before may not have let go yet, either.
    let former = loop {
        match TcpListener::bind(place).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse => tokio::task::yield_now().await,
            bound => break bound.unwrap(),
        }
    };
    let lets_go = async {
        // Somebody who comes so often has seen the guest started a while ago.
        for _ in 0..4 {
            former.accept().await.unwrap();
        }
        drop(former);
    };
    let (ended, ()) = tokio::join!(operator.run(&["up", "--yes"]), lets_go);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
}
