//! The embedded templates, and the one environment that renders them.
//!
//! Scripts are plain POSIX `sh`; values enter them by the filter `quote` alone. A value that a template
//! asks for and nobody gave is an error, never an empty text.

use std::sync::LazyLock;

use minijinja::{AutoEscape, Environment, UndefinedBehavior, syntax::SyntaxConfig, value::Serde};
use serde::Serialize;

use crate::{
    error::{Failure, Kind, Result},
    script::{Script, quote},
};

/// The first line of each file that we install on a node.
pub const HEADER: &str = "# Written by homelab; changes are overwritten.";

macro_rules! embedded {
    ($($path:literal),* $(,)?) => { &[$(($path, include_str!(concat!("../templates/", $path)))),*] };
}

/// Path below `templates/` and text.
const TEMPLATES: &[(&str, &str)] = embedded![
    "lib/head.sh",
    "lib/json.sh",
    "lib/files.sh",
    "lib/root-disk.sh",
    "lib/cloud-init.sh",
    "lib/hashes.sh",
    "probe.sh",
    "guest/await-cloud-init.sh",
    "guest/finish-cloud-init.sh",
    "guest/rotate-host-key.sh",
    "guest/install-host-key.sh",
    "guest/grow-root.sh",
    "fetch-artifact.sh",
    "lib/tailscale.sh",
    "tailnet/install-tailscale.sh",
    "tailnet/join-tailnet.sh",
    "tailnet/set-tailnet-prefs.sh",
    "tailnet/await-tailnet-address.sh",
    "access/close-lan.sh",
    "access/confirm-lan-closed.sh",
    "access/open-lan.sh",
    "files/tun",
    "files/homelab-tun.service",
    "files/tailscaled.service",
    "files/tailscaled.env",
    "files/overlay.nft",
    "files/homelab-filter.service",
    "files/exposure.nft",
    "files/homelab-exposure.service",
    "files/k3s.service",
    "files/await-address",
    "files/resolv.conf",
    "files/guard",
    "files/homelab-guard.service",
    "k3s/install-k3s.sh",
    "k3s/await-k3s.sh",
    "k3s/read-kubeconfig.sh",
    "k3s/read-join-tokens.sh",
    "k3s/install-guard.sh",
    "network/send-packets.sh",
    "files/initiatorname.iscsi",
    "files/longhorn-modules.conf",
    "files/longhorn-multipath.conf",
    "files/storage",
    "files/homelab-storage.service",
    "longhorn/prepare-host.sh",
];

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    let mut syntax = SyntaxConfig::builder();
    // The usual delimiters, `{{`, `{%` and `{#`, mean something in shell and awk.
    syntax.block_delimiters("<%", "%>").variable_delimiters("<{", "}>");
    syntax.comment_delimiters("<#", "#>");
    syntax.keep_trailing_newline(true).trim_blocks(true).lstrip_blocks(true);
    environment.set_syntax(syntax.build().expect("the delimiters differ from each other"));
    environment.add_filter("quote", |text: String| quote(&text));
    environment.add_global("header", HEADER);
    for (path, text) in TEMPLATES {
        environment.add_template(path, text).expect("the tests render every embedded template");
    }
    environment
});

/// Pages for a browser, with the usual delimiters: each value is escaped.
static PAGES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment
        .add_template("topology/page.html", include_str!("../templates/topology/page.html"))
        .expect("a test renders it");
    environment
});

/// Renders a page for a browser.
pub(crate) fn page(path: &str, context: impl Serialize) -> Result<String> {
    render(&PAGES, path, context)
}

/// Renders a file: a unit, a configuration, a program that stays on the node.
pub(crate) fn text(path: &str, context: impl Serialize) -> Result<String> {
    render(&ENVIRONMENT, path, context)
}

fn render(environment: &Environment<'_>, path: &str, context: impl Serialize) -> Result<String> {
    let broken = |error: minijinja::Error| {
        Failure::new(Kind::Runtime, format!("the template {path} cannot be rendered: {error:#}"))
            .hint("this is a fault of homelab: please report it")
    };
    environment
        .get_template(path)
        .and_then(|template| template.render(Serde(context)))
        .map_err(broken)
}

/// Renders a script; it is called what its file is called, without folder and `.sh`.
pub(crate) fn script(path: &'static str, context: impl Serialize) -> Result<Script> {
    let file = path.rsplit('/').next().unwrap_or(path);
    Ok(Script::new(file.trim_end_matches(".sh"), text(path, context)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_that_nobody_gave_is_an_error() {
        let error =
            script("guest/install-host-key.sh", json!({})).expect_err("public_key is missing");
        assert!(error.message.contains("install-host-key"), "{error}");
    }

    #[test]
    fn a_value_enters_a_script_as_one_word() {
        let script =
            script("guest/install-host-key.sh", json!({ "public_key": "a'; reboot #" })).unwrap();
        assert_eq!(script.name, "install-host-key");
        assert!(script.text.contains(r"expected='a'\''; reboot #'"));
    }
}
