//! What the command finds in its world: a key of its own, and inventories.

use std::error::Error;

use camino::{Utf8Path, Utf8PathBuf};

use super::{git::GitHost, own::Own, world::World};
use crate::print;

/// What the inventories are called below the world's folder: as it is, and as it is to be.
const NAMES: [&str; 2] = ["homelab.yaml", "changed.yaml"];

/// What wins over the inventory, leads elsewhere or belongs to another world: with it as it is in the operator's
/// shell a command would leave this one.
pub(super) const OUTER: [&str; 15] = [
    "HOMELAB_CHANGED",
    "HOMELAB_LAB_GIT_URL",
    "HOMELAB_LOCK",
    "HOMELAB_SSH_KEY",
    "PROXMOX_VE_CA_FILE",
    "PROXMOX_VE_ENDPOINT",
    "PROXMOX_VE_FINGERPRINT",
    "SSH_AUTH_SOCK",
    "ALL_PROXY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "GIT_SSH_COMMAND",
];

/// Makes a key of the operator's and writes the world's inventory, or what this world makes of somebody's own ones;
/// gives the first one's place.
pub(super) async fn furnish(
    world: &World,
    folder: &Utf8Path,
    owns: &[Own],
) -> Result<Utf8PathBuf, Box<dyn Error>> {
    let key = folder.join("key");
    let made = tokio::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key.as_str()])
        .status()
        .await?;
    if !made.success() {
        return Err("ssh-keygen made no key".into());
    }
    let public = fs_err::read_to_string(key.with_extension("pub"))?;
    let inventory = folder.join(NAMES[0]);
    if owns.is_empty() {
        fs_err::write(&inventory, world.inventory(public.trim(), &key))?;
    }
    for (own, name) in owns.iter().zip(NAMES) {
        let translation = world.translate(own, public.trim(), &key)?;
        fs_err::write(folder.join(name), translation.text)?;
        if !translation.left_out.is_empty() {
            let left_out = translation.left_out.join(", ");
            print::say(format_args!("{name}: this world has nothing for {left_out}"));
        }
    }
    if !owns.is_empty() && world.git().is_some() {
        print::say(
            "its repository is empty: push a tree to $HOMELAB_LAB_GIT_URL before `homelab up` (docs/rehearsal.md)",
        );
    }
    Ok(inventory)
}

/// By which variables the command finds its world.
pub(super) fn surroundings(world: &World, folder: &Utf8Path) -> Vec<(&'static str, String)> {
    let secrets = world.secrets().into_iter().map(|(name, value)| (name, value.to_owned()));
    let mut variables: Vec<(&'static str, String)> = secrets.collect();
    variables.extend(world.git().map(pushing).into_iter().flatten());
    let places = [
        ("HOMELAB_CONFIG", NAMES[0]),
        ("XDG_STATE_HOME", "state"),
        ("XDG_CACHE_HOME", "cache"),
        // What `homelab kubeconfig --merge` writes into.
        ("KUBECONFIG", "kubeconfig"),
    ];
    variables.extend(places.map(|(name, place)| (name, folder.join(place).into_string())));
    let changed = folder.join(NAMES[1]);
    if changed.exists() {
        variables.push(("HOMELAB_CHANGED", changed.into_string()));
    }
    variables
}

/// How the command's own `git` pushes.
fn pushing(git: &GitHost) -> [(&'static str, String); 2] {
    let ssh = format!(
        "ssh -F none -o IdentitiesOnly=yes -o UserKnownHostsFile={} -i {}",
        git.known_hosts(),
        git.writer_key()
    );
    [("HOMELAB_LAB_GIT_URL", git.url()), ("GIT_SSH_COMMAND", ssh)]
}
