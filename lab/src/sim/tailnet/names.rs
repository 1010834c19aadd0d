//! What a device is called in the tailnet.

use super::{
    plane::{Plane, Release},
    state::letters,
};

/// The longest label of DNS, in bytes.
const LONGEST_LABEL: usize = 63;

/// A name that nobody has: the host name, or that with an ending.
///
/// Tailscale and Headscale 0.29 number twins from 1; Headscale before appended eight random letters.
pub(super) fn given(plane: Plane, hostname: &str, taken: &[&str]) -> String {
    let base = label(hostname);
    if !taken.contains(&base.as_str()) {
        return base;
    }
    match plane {
        Plane::Headscale(release) if release < Release::V0_29 => {
            let short: String = base.chars().take(LONGEST_LABEL - 10).collect();
            format!("{short}-{}", letters(8))
        }
        _ => numbered(&base, taken),
    }
}

fn numbered(base: &str, taken: &[&str]) -> String {
    let mut number = 1_u64;
    loop {
        let name = format!("{base}-{number}");
        if !taken.contains(&name.as_str()) {
            return name;
        }
        number += 1;
    }
}

/// Whether a name is a label of DNS.
pub(super) fn is_label(name: &str) -> bool {
    !name.is_empty() && name == label(name)
}

/// A host name as a label of DNS; `node` where nothing is left of it, as both control planes say.
fn label(hostname: &str) -> String {
    let first = hostname.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let sound = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    let text: String = first.chars().map(sound).take(LONGEST_LABEL).collect();
    match text.trim_matches('-') {
        "" => "node".to_owned(),
        text => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twin_has_a_number_and_the_next_one_the_next() {
        let now = Plane::Headscale(Release::V0_29);
        assert_eq!(given(now, "K3s_Server.lan", &[]), "k3s-server");
        assert_eq!(given(now, "agent", &["agent"]), "agent-1");
        assert_eq!(given(Plane::Tailscale, "agent", &["agent", "agent-1"]), "agent-2");
        assert_eq!(given(now, "...", &[]), "node");
    }

    #[test]
    fn a_twin_at_an_older_headscale_has_random_letters() {
        let name = given(Plane::Headscale(Release::V0_28), "agent", &["agent"]);
        let ending = name.strip_prefix("agent-").expect("the host name comes first");
        assert_eq!(ending.len(), 8, "{name}");
        assert!(is_label(&name), "{name}");
    }
}
