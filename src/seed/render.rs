//! The three documents of a seed, from `templates/`.

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};

use super::HostKey;
use crate::{
    error::{Failure, Kind, Result},
    inventory::desired::{Access, Node},
    model::{Mac, Nonce},
    secret::Secret,
};

pub(super) fn user_data(node: &Node, access: &Access, host_key: &HostKey) -> Result<Secret> {
    let text = render(
        "user-data",
        include_str!("../../templates/user-data.yaml"),
        context! {
            hostname => node.name.as_str(),
            user => &access.user,
            public_keys => &access.public_keys,
            host_private_key => host_key.private.expose(),
            host_public_key => &host_key.public,
        },
    )?;
    Ok(Secret::document(text))
}

pub(super) fn network_config(node: &Node, mac: Mac) -> Result<String> {
    let nameservers: Vec<_> = node.nameservers.iter().map(ToString::to_string).collect();
    render(
        "network-config",
        include_str!("../../templates/network-config.yaml"),
        context! {
            mac => mac.linux(),
            // 1500 is what a link has anyway.
            mtu => Some(node.link_mtu).filter(|mtu| *mtu != 1500),
            address => format!("{}/{}", node.address, node.prefix),
            gateway => node.gateway.to_string(),
            nameservers,
            search => &node.search_domain,
        },
    )
}

pub(super) fn meta_data(node: &Node, nonce: &Nonce) -> Result<String> {
    render(
        "meta-data",
        include_str!("../../templates/meta-data.yaml"),
        context! {
            instance_id => format!("homelab-{}-{nonce}", node.name),
            hostname => node.name.as_str(),
        },
    )
}

fn render(name: &'static str, template: &'static str, context: Value) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.add_filter("yaml", yaml);
    let rendered = environment.render_named_str(name, template, context);
    rendered.map(|text| text + "\n").map_err(|error| {
        // The error alone: its source would quote the context, and a secret is in it.
        Failure::new(Kind::Runtime, format!("template `{name}` does not render: {}", error.kind()))
    })
}

/// Any text as one double-quoted YAML scalar (YAML 1.1 and 1.2, 5.7: escaped characters).
fn yaml(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            ' '..='~' => quoted.push(character),
            _ => quoted.push_str(&format!("\\U{:08X}", u32::from(character))),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_quoted_text_reads_back_whatever_is_in_it(text in any::<String>()) {
            let document = format!("key: {}\n", yaml(&text));
            let read: std::collections::BTreeMap<String, String> =
                serde_saphyr::from_str(&document).unwrap();
            prop_assert_eq!(&read["key"], &text);
        }
    }
}
