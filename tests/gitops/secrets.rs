//! The tree's Secrets: encrypted, kept when nothing is new, made once.

use std::collections::BTreeMap;

use homelab::gitops::{
    age_key::AgeKey,
    seal::{Keys, Sealed, seal},
    sops,
};
use jiff::Timestamp;
use serde_json::Value;

use crate::site::Site;

const CANARY: &str = "canary-5f1c";

/// The whole tree, with secrets that can be had from files of this test.
struct Setting {
    site: Site,
    key: AgeKey,
    _folder: tempfile::TempDir,
    folder: std::path::PathBuf,
}

impl Setting {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        for name in ["access", "secret", "api", "oauth", "tunnel"] {
            write(&path, name, &format!("{CANARY}-{name}"));
        }
        let file = |name: &str| serde_json::json!({"file": path.join(name).to_str().unwrap()});
        let site = Site::with(|inventory| {
            let pair = serde_json::json!({"access_key_id": file("access"), "secret_access_key": file("secret")});
            inventory["longhorn"]["backup"]["credentials"] = pair.clone();
            let gitops = &mut inventory["gitops"];
            gitops["cloudnative_pg"]["backup"]["credentials"] = pair;
            gitops["cert_manager"]["cloudflare_api_token"] = file("api");
            gitops["tailscale_operator"]["oauth"]["client_secret"] = file("oauth");
            gitops["cloudflared"]["tunnel_token"] = file("tunnel");
        });
        let key = AgeKey::generate(Timestamp::now());
        Self { site, key, folder: path, _folder: folder }
    }

    async fn seal(&self, found: &BTreeMap<String, String>) -> Sealed {
        let recipients = [self.key.recipient()];
        let keys = Keys { key: Some(&self.key), recipients: &recipients };
        seal(&self.site.tree, found, &|_, _| false, &keys, Timestamp::now()).await.unwrap()
    }

    fn value(&self, files: &BTreeMap<String, String>, path: &str, key: &str) -> String {
        let opened = sops::open(&files[path], self.key.identities()).unwrap();
        let value: &Value = &opened.document["stringData"][key];
        value.as_str().unwrap_or_else(|| panic!("{path} has no {key}")).to_owned()
    }
}

fn write(folder: &std::path::Path, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    fs_err::write(&path, text).unwrap();
    fs_err::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
}

const TUNNEL: &str = "apps/cloudflared/tunnel-token.sops.yaml";

#[tokio::test]
async fn no_secret_stands_in_the_tree_in_the_clear() {
    let setting = Setting::new();
    let sealed = setting.seal(&BTreeMap::new()).await;
    let mut made = vec![CANARY.to_owned(), "kEXAMPLE22CNTRL".to_owned()];
    for (path, key) in [
        ("apps/monitoring/grafana-admin.sops.yaml", "admin-password"),
        ("apps/monitoring/grafana-oidc.sops.yaml", "client-secret"),
        ("apps/authentik/authentik-secrets.sops.yaml", "secret-key"),
    ] {
        let value = setting.value(&sealed.files, path, key);
        assert_eq!(value.len(), 48);
        made.push(value);
    }
    for (path, text) in &sealed.files {
        for secret in &made {
            assert!(!text.contains(secret), "{path} shows a secret");
        }
    }
    assert_eq!(setting.value(&sealed.files, TUNNEL, "token"), format!("{CANARY}-tunnel"));
    let admin =
        setting.value(&sealed.files, "apps/stalwart/stalwart-admin.sops.yaml", "recovery-admin");
    assert!(admin.starts_with("admin:") && admin.len() > 40, "{admin}");
    assert_eq!(
        setting.value(&sealed.files, "apps/monitoring/grafana-oidc.sops.yaml", "client-secret"),
        setting.value(
            &sealed.files,
            "apps/authentik/authentik-secrets.sops.yaml",
            "grafana-client-secret"
        ),
    );
}

#[tokio::test]
async fn a_secret_that_did_not_change_keeps_its_ciphertext() {
    let setting = Setting::new();
    let first = setting.seal(&BTreeMap::new()).await;
    assert_eq!(setting.seal(&first.files).await.files, first.files);
    write(&setting.folder, "tunnel", "another");
    let third = setting.seal(&first.files).await.files;
    let changed: Vec<&String> = third
        .iter()
        .filter(|(path, text)| first.files[*path] != **text)
        .map(|(path, _)| path)
        .collect();
    assert_eq!(changed, [TUNNEL]);
    assert_eq!(setting.value(&third, TUNNEL, "token"), "another");
}

#[tokio::test]
async fn a_secret_whose_source_is_gone_stays_what_it_is_and_is_told() {
    let setting = Setting::new();
    let first = setting.seal(&BTreeMap::new()).await;
    fs_err::remove_file(setting.folder.join("tunnel")).unwrap();
    let again = setting.seal(&first.files).await;
    assert_eq!(again.files, first.files);
    assert!(
        again.warnings.iter().any(|note| note.contains("`token` stays what it is")),
        "{:?}",
        again.warnings
    );
}

#[tokio::test]
async fn secrets_that_cannot_be_had_are_all_named_at_once() {
    let setting = Setting::new();
    for name in ["tunnel", "api"] {
        fs_err::remove_file(setting.folder.join(name)).unwrap();
    }
    let recipients = [setting.key.recipient()];
    let keys = Keys { key: Some(&setting.key), recipients: &recipients };
    let failure =
        seal(&setting.site.tree, &BTreeMap::new(), &|_, _| false, &keys, Timestamp::now()).await;
    let failure = failure.unwrap_err();
    assert_eq!(failure.message, "2 secrets can't be had");
    let told = failure.chain().join("\n");
    assert!(
        told.contains("tunnel-token.sops.yaml") && told.contains("cloudflare-api-token"),
        "{told}"
    );
    assert!(!told.contains(CANARY));
}

#[tokio::test]
async fn without_the_key_what_is_there_stays_and_nothing_new_is_made() {
    let setting = Setting::new();
    let first = setting.seal(&BTreeMap::new()).await;
    let recipients = [setting.key.recipient()];
    let keys = Keys { key: None, recipients: &recipients };
    let now = Timestamp::now();
    let again = seal(&setting.site.tree, &first.files, &|_, _| false, &keys, now).await.unwrap();
    assert_eq!(again.files, first.files);
    let failure = seal(&setting.site.tree, &BTreeMap::new(), &|_, _| false, &keys, now).await;
    assert!(failure.unwrap_err().message.contains("the age key is not here"));
}

#[test]
fn no_plan_prints_what_it_refers_to() {
    let setting = Setting::new();
    let shown = format!("{:?}", setting.site.tree);
    assert!(!shown.contains(CANARY));
}
