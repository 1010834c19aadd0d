//! Docker archives, written by us: `manifest.json`, and one layer and one configuration an image.
//!
//! `ctr images import` and k3s's `agent/images` folder take them. An image here is a static binary and
//! a few files, so nothing that builds containers is needed on the host.

use std::io::Write;

use camino::Utf8Path;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::ArtifactError;

/// What lists an archive's images.
pub(crate) const MANIFEST: &str = "manifest.json";

pub(crate) struct Image {
    pub(crate) reference: String,
    /// `Entrypoint`, `Env`, `User`: as the image specification writes them.
    pub(crate) config: Value,
    pub(crate) layer: Vec<u8>,
}

/// An archive that is being written: one image in memory at a time.
pub(crate) struct DockerArchive<W: Write> {
    files: Layer<W>,
    manifest: Vec<Value>,
}

impl<W: Write> DockerArchive<W> {
    pub(crate) fn new(file: W) -> Self {
        Self { files: Layer { tar: tar::Builder::new(file) }, manifest: Vec::new() }
    }

    pub(crate) fn image(mut self, image: &Image) -> Result<Self, ArtifactError> {
        let digest = hex::encode(Sha256::digest(&image.layer));
        let configuration = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": image.config,
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]},
            "history": [{"created_by": "homelab-lab"}],
        });
        let configuration = serde_json::to_vec(&configuration).expect("plain JSON");
        let name = format!("{}.json", hex::encode(Sha256::digest(&configuration)));
        self.files = self.files.bytes(&name, &configuration, 0o644)?;
        self.files = self.files.bytes(&format!("{digest}/layer.tar"), &image.layer, 0o644)?;
        self.manifest.push(json!({
            "Config": name,
            "RepoTags": [image.reference],
            "Layers": [format!("{digest}/layer.tar")],
        }));
        Ok(self)
    }

    pub(crate) fn finish(self) -> Result<(), ArtifactError> {
        let manifest = serde_json::to_vec(&self.manifest).expect("plain JSON");
        self.files.bytes(MANIFEST, &manifest, 0o644)?.tar.into_inner()?.flush()?;
        Ok(())
    }
}

/// A tar whose entries all belong to root and carry no time.
pub(crate) struct Layer<W: Write = Vec<u8>> {
    tar: tar::Builder<W>,
}

impl Layer {
    pub(crate) fn new() -> Self {
        Self { tar: tar::Builder::new(Vec::new()) }
    }

    pub(crate) fn finish(self) -> Result<Vec<u8>, ArtifactError> {
        Ok(self.tar.into_inner()?)
    }
}

impl<W: Write> Layer<W> {
    fn entry(
        mut self,
        kind: tar::EntryType,
        name: &str,
        bytes: &[u8],
        mode: u32,
    ) -> Result<Self, ArtifactError> {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(mode);
        header.set_mtime(0);
        self.tar.append_data(&mut header, name, bytes)?;
        Ok(self)
    }

    pub(crate) fn bytes(self, name: &str, bytes: &[u8], mode: u32) -> Result<Self, ArtifactError> {
        self.entry(tar::EntryType::Regular, name, bytes, mode)
    }

    pub(crate) fn text(self, name: &str, text: &str) -> Result<Self, ArtifactError> {
        self.bytes(name, text.as_bytes(), 0o644)
    }

    pub(crate) fn file(self, name: &str, path: &Utf8Path) -> Result<Self, ArtifactError> {
        let bytes = fs_err::read(path)?;
        self.bytes(name, &bytes, 0o755)
    }

    pub(crate) fn directory(self, name: &str) -> Result<Self, ArtifactError> {
        let mode = if name == "tmp/" { 0o1777 } else { 0o755 };
        self.entry(tar::EntryType::Directory, name, &[], mode)
    }

    pub(crate) fn link(mut self, name: &str, target: &str) -> Result<Self, ArtifactError> {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        header.set_mtime(0);
        self.tar.append_link(&mut header, name, target)?;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn each_image_names_the_layer_that_is_in_the_archive() {
        let layer = Layer::new().text("hello", "world").unwrap().finish().unwrap();
        let digest = hex::encode(Sha256::digest(&layer));
        let image =
            Image { reference: "lab.local/hello:1".into(), config: json!({"User": "1:1"}), layer };
        let mut bytes = Vec::new();
        DockerArchive::new(&mut bytes).image(&image).unwrap().finish().unwrap();

        let mut names = Vec::new();
        let mut manifest = String::new();
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().to_string_lossy().into_owned();
            if name == "manifest.json" {
                entry.read_to_string(&mut manifest).unwrap();
            }
            names.push(name);
        }
        let manifest: Value = serde_json::from_str(&manifest).unwrap();
        assert_eq!(manifest[0]["RepoTags"][0], "lab.local/hello:1");
        assert_eq!(manifest[0]["Layers"][0], format!("{digest}/layer.tar"));
        assert!(names.contains(&format!("{digest}/layer.tar")));
        assert!(names.contains(&manifest[0]["Config"].as_str().unwrap().to_owned()));
    }
}
