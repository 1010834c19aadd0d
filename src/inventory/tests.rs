//! Whole inventories: the examples, and what a faulty one gets told.

mod capacity;
mod damage;
mod faults;
mod reader;
mod secrets;
mod sources;

use camino::Utf8PathBuf;

use super::*;

/// A folder with an inventory, a lock file that fits it, and a key pair.
pub(crate) struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    pub(crate) fn with(inventory: &str) -> Self {
        let this = Self { folder: tempfile::tempdir().unwrap() };
        fs_err::write(this.path("homelab.yaml"), inventory).unwrap();
        fs_err::write(this.path("key.pub"), "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA me\n").unwrap();
        fs_err::write(this.path("pve-root-ca.pem"), authority()).unwrap();
        this.lock(&LockFile {
            version: 1,
            image: Some(locked("debian-12", "http://10.79.0.1/image.qcow2")),
            tailscale: Some(locked("1.102.5", "http://10.79.0.1/tailscale.tgz")),
            k3s: Some(locked("v1.34.9+k3s1", "http://10.79.0.1/k3s")),
            ..fitting()
        });
        this
    }

    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.folder.path().join(name)).unwrap()
    }

    pub(crate) fn lock(&self, lock: &LockFile) {
        fs_err::write(self.path("homelab.lock"), serde_json::to_string(lock).unwrap()).unwrap();
    }

    pub(crate) fn options(&self) -> LoadOptions {
        LoadOptions {
            path: self.path("homelab.yaml"),
            lock: None,
            overrides: Overrides::default().with_flags(None, Some(self.path("key"))),
            pins: Pins::Required,
        }
    }

    pub(crate) fn load(&self) -> Result<Loaded, crate::error::Failure> {
        load(&self.options())
    }

    /// What a person sees: faults of an unsound inventory, warnings of a sound one.
    fn told(&self) -> String {
        let text = match self.load() {
            Ok(loaded) => Faults(loaded.warnings).to_string(),
            Err(failure) => Faults::of(&failure).expect("faults").to_string(),
        };
        text.replace(self.folder.path().to_str().unwrap(), "")
    }
}

/// A certificate that may be an authority's.
pub(crate) fn authority() -> String {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
}

/// What a GitOps tree is made of, as `homelab lock` leaves it.
fn fitting() -> LockFile {
    LockFile {
        flux: Some(locked("2.9.4", "http://10.79.0.1/install.yaml")),
        charts: versions::defaults(versions::Packaging::Chart),
        containers: versions::defaults(versions::Packaging::Image),
        ..LockFile::empty()
    }
}

/// Hashes in tests are plainly made up.
fn locked(version: &str, url: &str) -> LockedArtifact {
    LockedArtifact { version: version.into(), url: url.into(), sha256: "ab".repeat(32) }
}

pub(crate) fn example(name: &str) -> String {
    fs_err::read_to_string(format!("{}/inventory/{name}.yaml", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The lab's inventory with lines changed.
fn lab(changes: &[(&str, &str)]) -> Folder {
    let mut text = example("lab-bare");
    for (from, to) in changes {
        assert!(text.contains(from), "the lab's inventory has no `{from}`");
        text = text.replacen(from, to, 1);
    }
    Folder::with(&text)
}

const EXAMPLES: [&str; 4] = ["homelab", "one-node", "ha", "lab-bare"];

#[test]
fn every_example_is_sound_by_the_program_and_by_the_schema() {
    let validator = jsonschema::validator_for(&schema::inventory_schema()).unwrap();
    for name in EXAMPLES {
        let mut text = example(name);
        // Nobody's home folder has to hold a key for this.
        text = text.replace("~/.ssh/id_ed25519.pub", "key.pub");
        let folder = Folder::with(&text);
        let url = serde_saphyr::from_str::<serde_json::Value>(&text).unwrap();
        let image = url.pointer("/image/url").and_then(|url| url.as_str());
        let mut lock = LockFile {
            version: 1,
            image: Some(locked("debian-12", image.unwrap_or("http://10.79.0.1/image"))),
            tailscale: Some(locked("1.102.5", "http://10.79.0.1/tailscale.tgz")),
            k3s: Some(locked("v1.34.9+k3s1", "http://10.79.0.1/k3s")),
            ..fitting()
        };
        if url.pointer("/k3s/images").is_some() {
            lock.k3s_images = Some(locked("v1.34.9+k3s1", "http://10.79.0.1/images"));
        }
        folder.lock(&lock);
        assert_eq!(folder.told(), "", "{name}");
        let errors: Vec<String> = validator
            .iter_errors(&url)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn the_committed_schema_is_the_generated_one() {
    let path = format!("{}/inventory/schema.json", env!("CARGO_MANIFEST_DIR"));
    let generated = schema::printed(&schema::inventory_schema());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs_err::write(&path, &generated).unwrap();
    }
    assert_eq!(
        fs_err::read_to_string(&path).unwrap(),
        generated,
        "run `homelab schema > inventory/schema.json`"
    );
}

#[test]
fn the_schema_and_the_program_refuse_the_same_ill_shaped_fields() {
    let validator = jsonschema::validator_for(&schema::inventory_schema()).unwrap();
    for (from, to) in [
        ("vmid: 102", "vmid: 99"),
        ("memory: 3072M", "memory: 3072"),
        ("role: server", "role: master"),
        ("pool: homelab", "pol: homelab"),
        ("tag: tag:k3s", "tag: k3s"),
        ("mtu: auto", "mtu: automatic"),
        ("token: {env: PROXMOX_VE_API_TOKEN}", "token: {env: A, file: b}"),
        ("    vmid: 102\n", ""),
    ] {
        let folder = lab(&[(from, to)]);
        assert!(folder.load().is_err(), "the program takes `{to}`");
        let text = fs_err::read_to_string(folder.path("homelab.yaml")).unwrap();
        let value: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert!(!validator.is_valid(&value), "the schema takes `{to}`");
    }
}
