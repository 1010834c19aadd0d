use std::net::Ipv4Addr;

use camino::Utf8Path;

use super::*;
use crate::sim::guest::{
    state::Hardware,
    surroundings::{ClusterSecrets, Device, JoinRequest, NodeReport, Peer, Surroundings},
};

/// A guest that reaches nobody.
struct Nowhere;

impl Surroundings for Nowhere {
    fn join(&self, _: &JoinRequest) -> Result<Device, String> {
        Err("nobody answers".to_owned())
    }
    fn device(&self, _: &str) -> Option<Device> {
        None
    }
    fn log_out(&self, _: &str) {}
    fn set_online(&self, _: &str, _: bool) {}
    fn cluster(&self, _: &str) -> ClusterSecrets {
        let nothing = String::new;
        ClusterSecrets { authority: nothing(), kubeconfig: nothing(), server_token: nothing() }
    }
    fn node_reports(&self, _: &NodeReport) -> Result<ipnet::Ipv4Net, String> {
        Err("nobody answers".to_owned())
    }
    fn node_is_silent(&self, _: &str) {}
    fn peers(&self, _: &str) -> Vec<Peer> {
        Vec::new()
    }
    fn answers(&self, _: Ipv4Addr) -> bool {
        false
    }
}

fn guest(folder: &tempfile::TempDir) -> Arc<Guest> {
    let root = Utf8Path::from_path(folder.path()).unwrap().join("guest");
    let guest = Guest::new(1000, root, Hardware::default(), Arc::new(Nowhere)).unwrap();
    guest.boot(Hardware::default(), None).unwrap();
    Arc::new(guest)
}

fn script(text: &str) -> String {
    format!("homelab_main() {{\n{text}\n}}\nhomelab_main </dev/null\n")
}

#[tokio::test]
async fn a_script_that_is_not_known_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let text = script("# Removes everything.\nrm -rf /");
    let guest = guest(&folder);
    let answer = answer(&guest, &text).await;
    assert_eq!(answer.status, UNKNOWN);
    assert!(answer.stderr.contains("do not know this: `Removes everything.`"), "{answer:?}");
    let answer = receive(&guest, "uname -a", Vec::new()).await;
    assert_eq!(answer.status, UNKNOWN);
    assert!(answer.stderr.contains("`uname -a`"), "{answer:?}");
}

#[tokio::test]
async fn a_known_script_that_became_another_is_refused_and_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        script("# Fetches an artifact into the node's own cache and checks it.\nurl='http://x/y'");
    let answer = answer(&guest(&folder), &text).await;
    assert_eq!((answer.status, answer.stdout.as_str()), (UNKNOWN, ""));
    assert!(answer.stderr.ends_with("it has no sha256\n"), "{answer:?}");
}

/// As the program sends a file.
fn receiver(sha256: &str) -> String {
    format!(
        "sudo -n /bin/sh -c 'set -eu\ntarget=\"${{HOMELAB_ROOT:-}}\"'\\''/usr/local/bin/k3s'\\''\n\
         part=\"$target.homelab-$$\"\ncat >\"$part\"\nseen=$(sha256sum <\"$part\")\n\
         if [ \"$seen\" != '\\''{sha256}'\\'' ]; then echo \"$seen\"; exit 65; fi\n\
         chmod 755 \"$part\"\nmv -f -- \"$part\" \"$target\"'"
    )
}

#[tokio::test]
async fn a_file_is_there_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let guest = guest(&folder);
    let place = guest.root().join("usr/local/bin/k3s");
    let right = files::sha256("k3s");
    let altered = receive(&guest, &receiver(&right), b"k4s".to_vec()).await;
    assert_eq!((altered.status, altered.stdout), (65, format!("{}\n", files::sha256("k4s"))));
    assert!(!place.exists());
    let whole = receive(&guest, &receiver(&right), b"k3s".to_vec()).await;
    assert_eq!(whole, Answer::default());
    assert_eq!(fs_err::read(place).unwrap(), b"k3s");
}
