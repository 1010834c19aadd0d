//! What holds for all commands and stands in no argument.

use crate::{error::Kind, inventory::overrides::variable};

pub(super) const PROGRAM: &str = "homelab";

/// What a number means that a command ends with.
pub(super) fn exit_codes() -> Vec<(String, String)> {
    let well = [
        (0, "What was asked for is done, or was so already."),
        (2, "There is something to do: plan and gitops diff with --detailed-exitcode."),
    ];
    let well = well.into_iter().map(|(code, text)| (code, text.to_owned()));
    let failed =
        Kind::ALL.into_iter().map(|kind| (kind.exit_code(), format!("{}.", kind.meaning())));
    let mut all: Vec<(u8, String)> = well.chain(failed).collect();
    all.sort_unstable();
    let numbered = all.into_iter().map(|(code, text)| (code.to_string(), text));
    let other = "ssh and kubectl end with the code of what they ran.".to_owned();
    numbered.chain([("others".to_owned(), other)]).collect()
}

pub(super) const VARIABLES: [(&str, &str); 13] = [
    ("HOMELAB_CONFIG", "The inventory, unless -c names one."),
    ("HOMELAB_LOCK", "The lock file, unless --lock names one."),
    ("HOMELAB_LOG", "What is logged on stderr, as a filter: homelab=debug. It wins over -v."),
    (variable::ENDPOINT, "The Proxmox API; wins over the inventory, as the next four do."),
    (variable::TOKEN, "The API token: user@realm!name=SECRET."),
    (variable::CA_FILE, "The PEM file of the CA that signed Proxmox's certificate."),
    (variable::FINGERPRINT, "SHA-256 fingerprints of Proxmox's certificate, parted by commas."),
    (variable::SSH_KEY, "The private SSH key's file."),
    ("KUBECONFIG", "What kubeconfig --merge writes into, unless a file is named."),
    ("XDG_STATE_HOME", "Where the journal is; ~/.local/state unless set."),
    ("XDG_CACHE_HOME", "Where downloads are kept; ~/.cache unless set."),
    ("NO_COLOR", "No colours, unless --color asks for them."),
    ("others", "Secrets, in the variables that the inventory names: {env: NAME}."),
];

pub(super) const FILES: [(&str, &str); 5] = [
    ("homelab.yaml", "The inventory. homelab schema prints its schema."),
    (
        "homelab.lock",
        "Versions and sha256 as homelab lock pinned them; belongs in version control.",
    ),
    (
        "$XDG_STATE_HOME/homelab/CLUSTER/journal.jsonl",
        "What was begun and what was made. Without it all commands work on what they see.",
    ),
    ("$XDG_STATE_HOME/homelab/CLUSTER/kubeconfig", "What homelab kubeconfig writes; mode 0600."),
    ("$XDG_CACHE_HOME/homelab", "Downloads, each checked by its sha256."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_has_the_same_exit_codes() {
        let readme = include_str!("../../README.md");
        let (_, section) = readme.split_once("### Exit codes\n\n").unwrap();
        let told = section.lines().next().unwrap().split(" · ");
        let told: Vec<&str> = told.filter_map(|one| one.split(' ').next()).collect();
        let codes = exit_codes();
        let codes: Vec<&str> = codes.iter().map(|(code, _)| code.as_str()).collect();
        assert_eq!(codes, [told, vec!["others"]].concat());
    }
}
