//! The mark of ownership in a guest's description.
//!
//! Proxmox keeps `description` verbatim, shows it as notes, and takes it in the clone call itself; so a
//! guest is ours from the moment it has a configuration. The marker is an HTML comment: invisible in the
//! web interface's rendered notes, and left alone by a person who writes beside it.

use std::net::Ipv4Addr;

use super::{ClusterId, NodeName, Nonce};

/// What the marker of a guest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    pub cluster: ClusterId,
    pub role: MarkerRole,
    pub nonce: Nonce,
    /// SSH host public keys that the guest may show (`ssh-ed25519 AAAA...`, no comment): one, or two
    /// while a rotation is under way.
    pub host_keys: Vec<String>,
    /// The LAN address that came with its seed, and only once; `None` on a template, and on guests that were
    /// made before this was noted.
    pub address: Option<Ipv4Addr>,
}

/// What a marked guest is to its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarkerRole {
    Node(NodeName),
    /// A template, and the sha256 of the image that it was made from.
    Template {
        image_sha256: String,
    },
}

const OPENING: &str = "<!-- homelab:v1 ";
const CLOSING: &str = " -->";

impl Marker {
    /// Finds the marker in a description, wherever it stands; `None` when there is none that is whole.
    pub fn find(description: &str) -> Option<Self> {
        let start = description.find(OPENING)? + OPENING.len();
        let end = start + description[start..].find(CLOSING)?;
        Self::parse(&description[start..end])
    }

    /// `description` with its marker replaced by this one, everything else kept.
    pub fn written_into(&self, description: &str) -> String {
        let Some(start) = description.find(OPENING) else {
            let notes = description.trim_end();
            let separator = if notes.is_empty() { "" } else { "\n\n" };
            return format!("{notes}{separator}{self}");
        };
        let end = description[start..]
            .find(CLOSING)
            .map_or(description.len(), |offset| start + offset + CLOSING.len());
        format!("{}{self}{}", &description[..start], &description[end..])
    }

    /// The node that this marker names, if it is one of `cluster`'s.
    pub fn node_of(&self, cluster: &ClusterId) -> Option<&NodeName> {
        match &self.role {
            MarkerRole::Node(node) if self.cluster == *cluster => Some(node),
            _ => None,
        }
    }

    fn parse(fields: &str) -> Option<Self> {
        let (mut cluster, mut role, mut nonce, mut host_keys) = (None, None, None, Vec::new());
        let mut address = None;
        for field in fields.split_ascii_whitespace() {
            let (name, value) = field.split_once('=')?;
            match name {
                "cluster" => cluster = value.parse().ok(),
                "node" => role = value.parse().ok().map(MarkerRole::Node),
                "template" => {
                    role = Some(MarkerRole::Template { image_sha256: value.to_owned() });
                }
                "nonce" => nonce = Nonce::from_text(value),
                "address" => address = value.parse().ok(),
                "hostkey" => host_keys.push(value.replacen(':', " ", 1)),
                // A later version may say more; what this one knows stays readable.
                _ => {}
            }
        }
        Some(Self { cluster: cluster?, role: role?, nonce: nonce?, host_keys, address })
    }
}

impl std::fmt::Display for Marker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{OPENING}cluster={}", self.cluster)?;
        match &self.role {
            MarkerRole::Node(node) => write!(formatter, " node={node}")?,
            MarkerRole::Template { image_sha256 } => write!(formatter, " template={image_sha256}")?,
        }
        write!(formatter, " nonce={}", self.nonce)?;
        if let Some(address) = self.address {
            write!(formatter, " address={address}")?;
        }
        for key in &self.host_keys {
            // `ssh-ed25519 AAAA` has a blank, and fields are parted by blanks.
            write!(formatter, " hostkey={}", key.replacen(' ', ":", 1))?;
        }
        formatter.write_str(CLOSING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker() -> Marker {
        Marker {
            cluster: "2f1b6a52-2f0e-4a35-9b39-3d4f0c1d2e3f".parse().unwrap(),
            role: MarkerRole::Node("k3s-server".parse().unwrap()),
            nonce: Nonce::from_text("0123456789abcdef").unwrap(),
            host_keys: vec!["ssh-ed25519 AAAAC3Nza=".into(), "ssh-ed25519 BBBB".into()],
            address: Some([192, 168, 1, 102].into()),
        }
    }

    #[test]
    fn a_marker_reads_back_as_it_was_written() {
        assert_eq!(Marker::find(&marker().to_string()), Some(marker()));
        let template = Marker {
            role: MarkerRole::Template { image_sha256: "ab".repeat(32) },
            host_keys: vec![],
            address: None,
            ..marker()
        };
        assert_eq!(Marker::find(&template.to_string()), Some(template));
    }

    #[test]
    fn notes_around_a_marker_are_kept_when_it_is_rewritten() {
        let notes = format!("before\n{}\nafter", marker());
        let changed = Marker { host_keys: vec![], ..marker() };
        let rewritten = changed.written_into(&notes);
        assert!(rewritten.starts_with("before\n") && rewritten.ends_with("\nafter"));
        assert_eq!(Marker::find(&rewritten), Some(changed));
    }

    #[test]
    fn a_torn_or_foreign_description_holds_no_marker() {
        for text in ["", "my notes", "<!-- homelab:v1 cluster=nonsense -->", "<!-- homelab:v1 clus"]
        {
            assert_eq!(Marker::find(text), None, "{text}");
        }
    }
}
