//! Inventories to render, and the objects of what is rendered.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use homelab::{
    error::Failure,
    gitops::{File, Given, Tree, secret::SecretPlan, tree},
    inventory::{self, Desired, LoadOptions, Overrides},
};
use serde_json::{Value, json};

pub(crate) const RECIPIENT: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
/// Stands for the manifests of Flux's controllers.
pub(crate) const COMPONENTS: &str =
    "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: flux-system\n";

/// `inventory/homelab.yaml`, changed.
pub(crate) fn inventory_with(edit: impl FnOnce(&mut Value)) -> Value {
    let path = format!("{}/inventory/homelab.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = fs_err::read_to_string(path).unwrap();
    let mut inventory: Value = serde_saphyr::from_str(&text).unwrap();
    inventory["access"]["public_key_files"] = json!(["key.pub"]);
    inventory["proxmox"]["tls"] = json!("system");
    edit(&mut inventory);
    inventory
}

/// A folder with an inventory, a key, and a lock file as `homelab lock` would leave it.
pub(crate) fn folder_with(inventory: &Value) -> (tempfile::TempDir, Utf8PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
    fs_err::write(path.join("key.pub"), "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA me\n").unwrap();
    fs_err::write(path.join("homelab.yaml"), inventory.to_string()).unwrap();
    let sha256 = "ab".repeat(32);
    let artifact =
        |version: &str, url: &str| json!({"version": version, "url": url, "sha256": sha256});
    let lock = json!({
        "version": 1,
        "image": artifact("noble", inventory["image"]["url"].as_str().unwrap()),
        "tailscale": artifact("1.102.5", "http://192.0.2.1/tailscale.tgz"),
        "k3s": artifact("v1.34.9+k3s1", "http://192.0.2.1/k3s"),
        "flux": artifact("2.9.4", "http://192.0.2.1/install.yaml"),
        "charts": {
            "longhorn": "1.12.1", "cert-manager": "v1.21.1", "metallb": "0.16.1",
            "cloudnative-pg": "0.29.0", "plugin-barman-cloud": "0.7.0",
            "tailscale-operator": "1.102.3", "authentik": "2026.8.0",
            "kube-prometheus-stack": "88.5.3", "reloader": "2.2.16",
        },
        "containers": {
            "cloudflare/cloudflared": "2026.8.2", "jellyfin/jellyfin": "10.11.10",
            "stalwartlabs/stalwart": "v0.16.18",
        },
    });
    fs_err::write(path.join("homelab.lock"), lock.to_string()).unwrap();
    (folder, path)
}

pub(crate) fn load(inventory: &Value) -> Result<Desired, Failure> {
    let (_folder, path) = folder_with(inventory);
    let options = LoadOptions {
        pins: inventory::Pins::Required,
        path: path.join("homelab.yaml"),
        lock: None,
        overrides: Overrides::default(),
    };
    inventory::load(&options).map(|loaded| loaded.desired)
}

/// A rendered tree with its objects.
pub(crate) struct Site {
    pub(crate) desired: Desired,
    pub(crate) tree: Tree,
    pub(crate) objects: Vec<Object>,
}

/// One object of the tree, with the file that it stands in.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) path: String,
    pub(crate) value: Value,
}

impl Object {
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn kind(&self) -> &str {
        self.text("/kind")
    }

    pub(crate) fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    pub(crate) fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }
}

impl Site {
    pub(crate) fn whole() -> Self {
        Self::with(|_| ())
    }

    /// The whole tree, and trees that take the other branches of its templates.
    pub(crate) fn variants() -> Vec<Self> {
        let elsewhere = Self::with(|inventory| {
            let url = json!("https://s3.example.org");
            inventory["longhorn"]["backup"]["url"] = url.clone();
            let gitops = &mut inventory["gitops"];
            gitops["cloudnative_pg"]["backup"]["url"] = url;
            gitops["stalwart"] = json!({});
            gitops["cloudflared"]["replicas"] = json!(1);
            gitops["traefik"]["trusted_networks"] = json!(["192.168.1.0/24"]);
            gitops["monitoring"]["ways"] = json!(["public"]);
            gitops["secrets"] = json!("external");
            gitops.as_object_mut().unwrap().shift_remove("reloader");
            inventory["k3s"]["overlay"] = json!("lan");
        });
        let bare = Self::with(|inventory| {
            inventory["flux"] =
                json!({"url": "https://git.example.org/me/home", "path": "clusters/homelab"});
            inventory["longhorn"] = json!({});
            inventory["gitops"] = json!({
                "secrets": "external",
                "domain": "example.org",
                "traefik": {},
                "cloudnative_pg": {},
                "cert_manager": {},
                "authentik": {"host": "id"},
                "monitoring": {"ways": []},
                "jellyfin": {"ways": []},
            });
        });
        vec![Self::whole(), elsewhere, bare]
    }

    pub(crate) fn with(edit: impl FnOnce(&mut Value)) -> Self {
        let desired = load(&inventory_with(edit)).unwrap_or_else(|failure| {
            panic!("{}", failure.chain().join("\n"));
        });
        let given = Given { components: COMPONENTS.into(), recipients: vec![RECIPIENT.into()] };
        let tree = tree(&desired, &given).unwrap();
        let objects = tree.files.iter().flat_map(|(path, file)| objects(path, file)).collect();
        Self { desired, tree, objects }
    }

    pub(crate) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Object> {
        self.objects.iter().filter(move |object| object.kind() == kind)
    }

    /// The one object of that kind, namespace and name.
    #[track_caller]
    pub(crate) fn object(&self, kind: &str, namespace: &str, name: &str) -> &Object {
        let mut found = self.objects.iter().filter(|object| {
            object.kind() == kind && object.namespace() == namespace && object.name() == name
        });
        let first = found.next();
        assert!(found.next().is_none(), "two of {kind} {namespace}/{name}");
        first.unwrap_or_else(|| panic!("no {kind} {namespace}/{name} in the tree"))
    }

    /// Every Secret, encrypted here or left to others, by namespace and name.
    pub(crate) fn plans(&self) -> BTreeMap<(String, String), SecretPlan> {
        let here = self.tree.secrets().map(|(_, plan)| plan);
        here.chain(&self.tree.external)
            .map(|plan| ((plan.namespace.clone(), plan.name.clone()), plan.clone()))
            .collect()
    }
}

/// The objects of a file; a Secret is as it will be when it is encrypted, without its values.
fn objects(path: &str, file: &File) -> Vec<Object> {
    let text = match file {
        File::Secret(plan) => {
            let keys: serde_json::Map<String, Value> =
                plan.values.iter().map(|(key, _)| ((*key).to_owned(), json!("x"))).collect();
            let value = json!({
                "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
                "metadata": {"name": plan.name, "namespace": plan.namespace}, "stringData": keys,
            });
            return vec![Object { path: path.into(), value }];
        }
        File::Text(text) if path.ends_with(".yaml") && path != ".sops.yaml" => text,
        File::Text(_) => return Vec::new(),
    };
    let values: Vec<Value> = serde_saphyr::from_multiple(text)
        .unwrap_or_else(|error| panic!("{path} is no YAML: {error}\n{text}"));
    let objects = values.into_iter().filter(|value| !value.is_null());
    objects.map(|value| Object { path: path.to_owned(), value }).collect()
}
