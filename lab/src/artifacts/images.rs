//! The air-gap archive: container images made here, since no registry can be reached.
//!
//! One docker archive (`manifest.json`, one layer and one configuration an image) with every image in
//! it, as `ctr images import` and k3s's `agent/images` folder take it. Their names belong to no registry
//! on the internet, so nothing is ever pulled by mistake.

use std::io::Write;

use camino::Utf8PathBuf;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Artifact, ArtifactError, Name, cache::Build};

pub(crate) const FILE: &str = "k3s-airgap-images-amd64.tar";
/// Rises when what is in an image changes without its parts changing.
pub(crate) const LAYOUT: &str = "layout 1";

struct Image {
    reference: String,
    entrypoint: Value,
    layer: Vec<u8>,
}

pub(crate) fn make(build: &Build<'_>) -> Result<(), ArtifactError> {
    let part = |name: Name| -> Result<Artifact, ArtifactError> { build.cache.ensure(name) };
    let pause = part(Name::Pause)?;
    let coredns = part(Name::Coredns)?;
    let debian = part(Name::Debian)?;
    let busybox = debian.path.with_file_name("root").join("bin/busybox");
    let images = [
        Image {
            reference: "lab.local/pause:1".into(),
            entrypoint: json!(["/pause"]),
            layer: Layer::new().file("pause", &pause.path)?.finish()?,
        },
        Image {
            reference: "lab.local/busybox:1".into(),
            entrypoint: json!(["/bin/sh"]),
            layer: busybox_layer(&busybox)?,
        },
        Image {
            reference: format!("lab.local/coredns:{}", coredns.version),
            entrypoint: json!(["/coredns"]),
            layer: Layer::new().file("coredns", &coredns.path)?.finish()?,
        },
    ];
    write_archive(fs_err::File::create(build.directory.join(FILE))?, &images)
}

fn busybox_layer(busybox: &Utf8PathBuf) -> Result<Vec<u8>, ArtifactError> {
    // A static binary lists its own applets, so the links can't name one that it lacks.
    let output = std::process::Command::new(busybox).arg("--list").output()?;
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut layer = Layer::new();
    for directory in ["bin/", "tmp/", "etc/", "proc/", "sys/", "dev/", "www/"] {
        layer = layer.directory(directory)?;
    }
    layer =
        layer.file("bin/busybox", busybox)?.text("etc/passwd", "root:x:0:0:root:/:/bin/sh\n")?;
    for applet in listed.lines().filter(|applet| *applet != "busybox") {
        layer = layer.link(&format!("bin/{applet}"), "busybox")?;
    }
    layer.finish()
}

fn write_archive<W: Write>(file: W, images: &[Image]) -> Result<(), ArtifactError> {
    let mut archive = Layer { tar: tar::Builder::new(file) };
    let mut manifest = Vec::new();
    for image in images {
        let digest = hex::encode(Sha256::digest(&image.layer));
        let configuration = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": image.entrypoint, "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]},
            "history": [{"created_by": "homelab-lab"}],
        });
        let configuration = serde_json::to_vec(&configuration).expect("plain JSON");
        let name = format!("{}.json", hex::encode(Sha256::digest(&configuration)));
        archive = archive.bytes(&name, &configuration, 0o644)?;
        archive = archive.bytes(&format!("{digest}/layer.tar"), &image.layer, 0o644)?;
        manifest.push(json!({
            "Config": name,
            "RepoTags": [image.reference],
            "Layers": [format!("{digest}/layer.tar")],
        }));
    }
    let manifest = serde_json::to_vec(&manifest).expect("plain JSON");
    archive.bytes("manifest.json", &manifest, 0o644)?.tar.into_inner()?.flush()?;
    Ok(())
}

/// A tar whose entries all belong to root and carry no time.
struct Layer<W: Write = Vec<u8>> {
    tar: tar::Builder<W>,
}

impl Layer {
    fn new() -> Self {
        Self { tar: tar::Builder::new(Vec::new()) }
    }

    fn finish(self) -> Result<Vec<u8>, ArtifactError> {
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

    fn bytes(self, name: &str, bytes: &[u8], mode: u32) -> Result<Self, ArtifactError> {
        self.entry(tar::EntryType::Regular, name, bytes, mode)
    }

    fn text(self, name: &str, text: &str) -> Result<Self, ArtifactError> {
        self.bytes(name, text.as_bytes(), 0o644)
    }

    fn file(self, name: &str, path: &Utf8PathBuf) -> Result<Self, ArtifactError> {
        let bytes = fs_err::read(path)?;
        self.bytes(name, &bytes, 0o755)
    }

    fn directory(self, name: &str) -> Result<Self, ArtifactError> {
        let mode = if name == "tmp/" { 0o1777 } else { 0o755 };
        self.entry(tar::EntryType::Directory, name, &[], mode)
    }

    fn link(mut self, name: &str, target: &str) -> Result<Self, ArtifactError> {
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
            Image { reference: "lab.local/hello:1".into(), entrypoint: json!(["/hello"]), layer };
        let mut bytes = Vec::new();
        write_archive(&mut bytes, &[image]).unwrap();

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
