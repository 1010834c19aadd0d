//! What is left to do after `homelab init`, for somebody who does it for the first time.

use camino::Utf8Path;

use crate::{
    commands::role::DEFAULT_TOKEN,
    inventory::new::{NewInventory, NewTls},
    render::program::{self, word},
};

/// One thing to do.
pub(super) struct Step {
    pub(super) command: String,
    pub(super) why: &'static str,
}

/// Everything from the new inventory to the cluster, in order; `has_key`: there is the SSH key that the
/// inventory names.
pub(super) fn steps(new: &NewInventory, path: &Utf8Path, has_key: bool) -> Vec<Step> {
    let program = program::name();
    let step = |command: String, why| Step { command, why };
    let file = word(path.as_str());
    let mut steps =
        vec![step(format!("$EDITOR {file}"), "look through it; each field is commented")];
    // The commands below want a sound inventory.
    if !has_key {
        steps.push(step(
            "ssh-keygen -t ed25519".into(),
            "the key that logs in; if you have another, name it in `access.public_key_files`",
        ));
    }
    if matches!(new.tls, NewTls::System) {
        steps.push(step(
            format!("{program} init fingerprint"),
            "Proxmox signs its own certificate: pin it as `proxmox.tls`",
        ));
    }
    steps.extend([
        step(format!("{program} validate"), "every fault of the inventory at once, with its place"),
        step(
            format!("{program} init proxmox-role"),
            "pool, role and token: paste them into a root shell on Proxmox, once",
        ),
        step(
            format!("export PROXMOX_VE_API_TOKEN='{DEFAULT_TOKEN}=SECRET'"),
            "SECRET is what the command `pveum user token add` printed",
        ),
        step(
            format!("{program} init tailnet-policy"),
            "what the tailnet must allow: merge it into its policy",
        ),
    ]);
    let (variable, why) = match (&new.headscale, &new.oauth_client) {
        (Some(_), _) => ("HEADSCALE_API_KEY", "from `headscale apikeys create`"),
        (None, Some(_)) => ("TAILSCALE_OAUTH_SECRET", "the OAuth client's secret"),
        (None, None) => {
            ("TAILSCALE_API_KEY", "from https://login.tailscale.com/admin/settings/keys")
        }
    };
    steps.extend([
        step(format!("export {variable}=SECRET"), why),
        step(format!("{program} lock"), "pin versions and sha256 of what is downloaded"),
        step(format!("{program} plan"), "what would be done, and at what price"),
        step(format!("{program} up"), "do it; run it again after anything"),
    ]);
    steps
}

/// The steps as a numbered list.
pub(super) fn text(steps: &[Step]) -> String {
    let lines = steps
        .iter()
        .enumerate()
        .map(|(index, Step { command, why })| format!("{:2}. {command}\n      {why}", index + 1));
    format!("Next:\n{}", lines.collect::<Vec<_>>().join("\n"))
}
