//! The tree's own templates: YAML that a person reads, with comments that say why.
//!
//! A value enters by the filter `yaml`, as one scalar whatever is in it.

use std::{sync::LazyLock, time::Duration};

use minijinja::{
    AutoEscape, Environment, UndefinedBehavior, Value, syntax::SyntaxConfig, value::Serde,
};

use crate::error::{Failure, Kind, Result};

/// What a template is given: a mapping.
pub(crate) type Context = serde_json::Value;

/// `context! { name, size => 3 }`: what has a name already is given by it.
macro_rules! context {
    (@ $key:ident) => { serde_json::json!($key) };
    (@ $key:ident => $value:expr) => { serde_json::json!($value) };
    ($($key:ident $(=> $value:expr)?),* $(,)?) => {
        serde_json::Value::Object(serde_json::Map::from_iter([
            $((stringify!($key).to_owned(), $crate::gitops::template::context!(@ $key $(=> $value)?))),*
        ]))
    };
}
pub(crate) use context;

macro_rules! embedded {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../templates/gitops/", $path)))),*]
    };
}

const TEMPLATES: &[(&str, &str)] = embedded![
    "README.md",
    "sops.yaml",
    "lib/kustomization.yaml",
    "lib/namespace.yaml",
    "lib/release.yaml",
    "lib/source.yaml",
    "lib/public-ingress.yaml",
    "lib/private-ingress.yaml",
    "lib/claim.yaml",
    "clusters/drift-probe.yaml",
    "clusters/gotk-sync.yaml",
    "clusters/kustomizations.yaml",
    "longhorn/release.yaml",
    "longhorn/backup-target.yaml",
    "longhorn/recurring-jobs.yaml",
    "cert-manager/release.yaml",
    "cert-manager/issuer.yaml",
    "metallb/release.yaml",
    "metallb/pool.yaml",
    "cloudnative-pg/release.yaml",
    "cloudnative-pg/barman-cloud.yaml",
    "tailscale/release.yaml",
    "tailscale/proxy-class.yaml",
    "traefik/chart-config.yaml",
    "traefik/edge-https.yaml",
    "cloudflared/deployment.yaml",
    "authentik/database.yaml",
    "authentik/backup.yaml",
    "authentik/release.yaml",
    "authentik/blueprints.yaml",
    "authentik/middleware.yaml",
    "monitoring/release.yaml",
    "jellyfin/deployment.yaml",
    "jellyfin/service.yaml",
    "stalwart/deployment.yaml",
    "stalwart/service.yaml",
    "reloader/release.yaml",
];

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    let mut syntax = SyntaxConfig::builder();
    // As in the nodes' scripts; braces mean something in YAML, too.
    syntax.block_delimiters("<%", "%>").variable_delimiters("<{", "}>");
    syntax.comment_delimiters("<#", "#>");
    syntax.keep_trailing_newline(true).trim_blocks(true).lstrip_blocks(true);
    environment.set_syntax(syntax.build().expect("the delimiters differ from each other"));
    environment.add_filter("yaml", scalar);
    for (path, text) in TEMPLATES {
        environment.add_template(path, text).expect("the tests render every embedded template");
    }
    environment
});

pub(crate) fn text(path: &str, context: Context) -> Result<String> {
    let broken = |error: minijinja::Error| {
        Failure::new(Kind::Runtime, format!("the template {path} cannot be rendered: {error:#}"))
            .hint("this is a fault of homelab: please report it")
    };
    ENVIRONMENT
        .get_template(path)
        .and_then(|template| template.render(Serde(context)))
        .map_err(broken)
}

/// A text as one YAML scalar: plain where that is surely a text, quoted as JSON otherwise.
#[expect(clippy::needless_pass_by_value, reason = "a filter's argument")]
pub(crate) fn scalar(value: Value) -> String {
    let Some(text) = value.as_str() else { return value.to_string() };
    let plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/@:".contains(&byte))
        && !text.ends_with(':')
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
            .contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { quoted(text) }
}

/// In double quotes: as JSON, but for what JSON may hold as it is and YAML may not.
fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    let escaped = |letter: char| match letter {
        letter if is_plain(letter) => letter.to_string(),
        letter => format!("\\u{:04x}", u32::from(letter)),
    };
    json.chars().map(escaped).collect()
}

/// Whether YAML takes a character as it is, and no reader takes it for the end of a line or of a text.
pub(crate) fn is_plain(letter: char) -> bool {
    let is_odd = matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    !letter.is_control() && !is_odd
}

/// A duration as Kubernetes and Go write it.
pub(crate) fn span(duration: Duration) -> String {
    match duration.as_secs() {
        seconds if seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        seconds if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

/// An amount of bytes as a Kubernetes quantity.
pub(crate) fn quantity(bytes: u64) -> String {
    match bytes >> 20 {
        mebibytes if mebibytes.is_multiple_of(1024) => format!("{}Gi", mebibytes / 1024),
        mebibytes => format!("{mebibytes}Mi"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_enters_as_one_scalar_whatever_is_in_it() {
        for plain in ["longhorn", "v1.21.1", "https://charts.longhorn.io", "tag:k8s"] {
            assert_eq!(scalar(plain.into()), plain);
        }
        for (text, quoted) in [
            ("2026.8.2", "\"2026.8.2\""),
            ("true", "\"true\""),
            ("a: b", "\"a: b\""),
            ("x\"\n- y", "\"x\\\"\\n- y\""),
            ("", "\"\""),
        ] {
            assert_eq!(scalar(text.into()), quoted);
        }
        assert_eq!(scalar(3.into()), "3");
    }

    #[test]
    fn sizes_and_times_are_written_as_kubernetes_writes_them() {
        assert_eq!(quantity(20 << 30), "20Gi");
        assert_eq!(quantity(1536 << 20), "1536Mi");
        assert_eq!(span(Duration::from_secs(15 * 24 * 3600)), "360h");
        assert_eq!(span(Duration::from_secs(60)), "1m");
    }
}
