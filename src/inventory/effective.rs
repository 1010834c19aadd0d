//! The effective configuration: what is written, what is filled in, and who said each value.

use serde::Serialize;
use serde_json::Value;

use super::{
    class::{Class, TABLE, class_of},
    discretion::{without_secrets, without_secrets_in},
    file::{ImagesFile, InventoryFile, MtuFile, SecretReference, TlsFile},
    load::Loaded,
    overrides::{Origin, Overrides},
    path::FieldPath,
    versions,
};

/// One field with its value and where that came from. A secret is its reference; one that stands where
/// none belongs is redacted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// `nodes.k3s-server.cores`.
    pub field: String,
    pub value: Value,
    pub origin: Origin,
    /// What a change of it costs.
    pub class: Class,
}

/// The inventory with everything filled in: overrides, defaults, the lock's artifacts. It is an inventory
/// again, which needs neither.
pub fn effective_file(loaded: &Loaded, overrides: &Overrides) -> InventoryFile {
    let Loaded { desired, file, .. } = loaded;
    let mut file = file.clone();
    file.proxmox.endpoint = Some(desired.proxmox.endpoint.clone());
    if let Some(variable) = &overrides.token_variable {
        file.proxmox.token = Some(SecretReference::Env(variable.value.to_owned()));
    }
    if let Some(found) = &overrides.ca_file {
        file.proxmox.tls = TlsFile::CaFile(found.value.to_string());
    }
    if let Some(found) = &overrides.fingerprint {
        let fingerprints = found.value.split(',').map(|one| one.trim().to_owned());
        file.proxmox.tls = TlsFile::Fingerprints(fingerprints.collect());
    }
    let image = &desired.image.artifact;
    file.image.version = known(&image.version);
    file.image.url = known(&image.url);
    file.image.sha256 = known(&image.sha256);
    let tailscale = &desired.tailnet.tailscale;
    file.tailnet.tailscale.version = known(&tailscale.version);
    file.tailnet.tailscale.url = known(&tailscale.url);
    file.tailnet.tailscale.sha256 = known(&tailscale.sha256);
    file.k3s.version = known(&desired.k3s.binary.version);
    file.k3s.url = known(&desired.k3s.binary.url);
    file.k3s.sha256 = known(&desired.k3s.binary.sha256);
    file.k3s.images = desired
        .k3s
        .images
        .as_ref()
        .map(|images| ImagesFile { url: known(&images.url), sha256: known(&images.sha256) });
    if let (Some(flux), Some(meant)) = (&mut file.flux, &desired.flux) {
        flux.version = known(&meant.components.version);
        flux.components = known(&meant.components.url);
        flux.sha256 = known(&meant.components.sha256);
    }
    if let Some(gitops) = &desired.gitops {
        versions::fill_in(&mut file, &gitops.versions);
    }
    file.tailnet.mtu = MtuFile::Bytes(desired.tailnet.mtu);
    file.access.private_key = desired.access.private_key.as_ref().map(ToString::to_string);
    file.access.public_keys.clone_from(&desired.access.public_keys);
    file.access.public_key_files.clear();
    if file.network.nameservers.is_empty() {
        file.network.nameservers = vec![file.network.gateway.into()];
    }
    let defaults = file.defaults.clone();
    for node in file.nodes.values_mut() {
        *node = defaults.complete(node);
    }
    file
}

/// The same as it may be shown: a signed address holds a secret, and a token may have been pasted
/// anywhere.
pub fn shown_file(loaded: &Loaded, overrides: &Overrides) -> Value {
    without_secrets_in(plain(&effective_file(loaded, overrides)))
}

fn plain(file: &InventoryFile) -> Value {
    serde_json::to_value(file).expect("an inventory is plain data")
}

/// What is not pinned yet is left out.
fn known(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Every field with its origin, in the order of the schema.
pub fn effective(loaded: &Loaded, overrides: &Overrides) -> Vec<Setting> {
    let value = plain(&effective_file(loaded, overrides));
    let mut settings = Vec::new();
    let origins = Origins { loaded, overrides };
    flatten(&value, &FieldPath::root(), "", &mut |path, pattern, value| {
        let Some(class) = class_of(pattern) else { return };
        settings.push(Setting {
            field: without_secrets(&path.to_string()),
            value: without_secrets_in(value.clone()),
            // Of the value as it is.
            origin: origins.of(path, pattern, value),
            class,
        });
    });
    settings
}

/// Walks down to the fields of the class table: below them everything belongs to the field.
fn flatten(
    value: &Value,
    path: &FieldPath,
    pattern: &str,
    tell: &mut impl FnMut(&FieldPath, &str, &Value),
) {
    let below = format!("{pattern}.");
    let deeper = pattern.is_empty() || TABLE.iter().any(|(name, _)| name.starts_with(&below));
    match value {
        Value::Object(object) if deeper => {
            let free = TABLE.iter().any(|(name, _)| name.starts_with(&format!("{below}*.")));
            for (key, value) in object {
                let name = if free { "*" } else { key.as_str() };
                let pattern =
                    if pattern.is_empty() { name.to_owned() } else { format!("{below}{name}") };
                flatten(value, &path.key(key), &pattern, tell);
            }
        }
        _ => tell(path, pattern, value),
    }
}

struct Origins<'a> {
    loaded: &'a Loaded,
    overrides: &'a Overrides,
}

impl Origins<'_> {
    fn of(&self, path: &FieldPath, pattern: &str, value: &Value) -> Origin {
        if let Some(origin) = self.overrides.origin(pattern) {
            return origin;
        }
        let written = |path: &FieldPath| self.loaded.document.root.find(path);
        if let Some(tree) = written(path) {
            // `auto` is the program's to fill in.
            let filled_in = pattern == "tailnet.mtu" && &tree.to_json() != value;
            return if filled_in { Origin::Default } else { Origin::File };
        }
        if let Some(field) = pattern.strip_prefix("nodes.*.")
            && written(&FieldPath::dotted("defaults").key(field)).is_some()
        {
            return Origin::Defaults;
        }
        // The keys were read from the files, or from beside the private key.
        if pattern == "access.public_keys" {
            return match written(&FieldPath::dotted("access.public_key_files")) {
                Some(_) => Origin::File,
                None => self.overrides.origin("access.private_key").unwrap_or(Origin::File),
            };
        }
        if self.is_locked(pattern, value) { Origin::Lock } else { Origin::Default }
    }

    /// Whether an artifact's field has its value from the lock file.
    fn is_locked(&self, pattern: &str, value: &Value) -> bool {
        let lock = &self.loaded.lock;
        if let Some(version) = versions::locked_at(pattern, lock) {
            return value == version;
        }
        let (section, field) = pattern.rsplit_once('.').unwrap_or_default();
        let locked = match section {
            "image" => &lock.image,
            "tailnet.tailscale" => &lock.tailscale,
            "k3s" => &lock.k3s,
            "k3s.images" => &lock.k3s_images,
            "flux" => &lock.flux,
            _ => return false,
        };
        locked.as_ref().is_some_and(|locked| match field {
            "version" => value == &locked.version,
            "url" | "components" => value == &locked.url,
            "sha256" => value == &locked.sha256,
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::tests::{self, Folder, example};

    #[test]
    fn the_effective_configuration_is_an_inventory_of_the_same_meaning() {
        let authority = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(authority.path(), tests::authority()).unwrap();
        let ca_file = format!("ca_file: {}", authority.path().display());
        for name in ["lab", "homelab"] {
            // Nobody's home folder has to hold a key for this, and both folders mean the same files.
            let text = example(name).replace("~/.ssh/id_ed25519.pub", "key.pub");
            let text = text
                .replace("ca_file: pve-root-ca.pem", &ca_file)
                .replace("secrets/longhorn", "/secrets/longhorn");
            let text = text.replace(
                "  url: https://cloud-images",
                "  sha256: IMAGE\n  url: https://cloud-images",
            );
            let folder = Folder::with(&text.replace("IMAGE", &"ab".repeat(32)));
            let loaded = folder.load().unwrap();
            let file = effective_file(&loaded, &folder.options().overrides);
            let text = serde_saphyr::to_string(&file).unwrap();
            let again = Folder::with(&text);
            fs_err::remove_file(again.path("homelab.lock")).unwrap();
            let options = crate::inventory::LoadOptions {
                overrides: Overrides::default(),
                ..again.options()
            };
            let again = crate::inventory::load(&options)
                .unwrap_or_else(|failure| panic!("{}\n{text}", failure.chain().join("\n")));
            assert_eq!(again.desired, loaded.desired);
        }
    }

    #[test]
    fn what_is_shown_of_a_configuration_holds_no_secret_and_is_yaml() {
        let text = example("lab-bare");
        let image = "image:\n  url: https://mirror/image?signature=hunter2\n";
        let image = format!("{image}  sha256: {}\n", "ab".repeat(32));
        let folder = Folder::with(&text.replacen("image:\n", &image, 1));
        let mut options = folder.options();
        let loaded = crate::inventory::load(&options).unwrap();
        options.overrides.ca_file = Some(crate::inventory::Override {
            value: "/root@pam!up=hunter2".into(),
            origin: Origin::Environment("PROXMOX_VE_CA_FILE"),
        });
        let shown = shown_file(&loaded, &options.overrides);
        let text = serde_saphyr::to_string(&shown).unwrap();
        assert_eq!(serde_saphyr::from_str::<Value>(&text).unwrap(), shown);
        let settings = effective(&loaded, &options.overrides);
        for told in [text, serde_json::to_string(&settings).unwrap()] {
            assert!(!told.contains("hunter2"), "{told}");
            assert!(told.contains("signature=[redacted]"), "{told}");
            assert!(told.contains("root@pam!up=[redacted]"), "{told}");
        }
    }

    #[test]
    fn each_value_has_the_origin_that_won() {
        let folder = Folder::with(&example("lab-bare"));
        let mut options = folder.options();
        options.overrides.endpoint = Some(crate::inventory::Override {
            value: "https://elsewhere:8006".into(),
            origin: Origin::Environment("PROXMOX_VE_ENDPOINT"),
        });
        let loaded = crate::inventory::load(&options).unwrap();
        let settings = effective(&loaded, &options.overrides);
        let of = |field: &str| {
            let found = settings.iter().find(|setting| setting.field == field);
            let found = found.unwrap_or_else(|| panic!("no {field}"));
            (found.value.to_string(), found.origin.to_string())
        };
        let pair = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
        assert_eq!(
            of("proxmox.endpoint"),
            pair("\"https://elsewhere:8006\"", "environment PROXMOX_VE_ENDPOINT")
        );
        assert_eq!(of("proxmox.token"), pair("{\"env\":\"PROXMOX_VE_API_TOKEN\"}", "file"));
        assert_eq!(of("proxmox.parallel_clones"), pair("2", "default"));
        assert_eq!(of("nodes.k3s-server.vmid"), pair("102", "file"));
        assert_eq!(of("nodes.k3s-server.cores"), pair("2", "file (defaults)"));
        assert_eq!(of("nodes.k3s-server.cpu_type"), pair("\"x86-64-v2-AES\"", "default"));
        assert_eq!(of("k3s.version"), pair("\"v1.34.9+k3s1\"", "lock"));
        assert_eq!(of("tailnet.mtu"), pair("1420", "default"));
        assert_eq!(of("access.private_key").1, "flag --ssh-key");
    }
}
