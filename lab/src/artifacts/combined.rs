//! Several air-gap archives as one: the product fetches one.
//!
//! It is named by the bytes of its parts and not by a recipe, because one of them may be a real k3s's
//! own archive, which comes out of no recipe.

use std::{
    collections::HashSet,
    io::{BufWriter, Read, Write},
    process::{Child, Command, Stdio},
};

use camino::Utf8Path;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Artifact, ArtifactError, Cache, archive::MANIFEST, cache::sha256_of, images::FILE};

/// Other ways to list an archive's images. An importer that saw one would pass over ours.
const OTHER_LISTS: [&str; 3] = ["index.json", "oci-layout", "repositories"];

/// The archive with every image of `parts`, in the cache; named and versioned as the first of them.
///
/// # Errors
/// When a part can't be read as a docker archive, or there is no place for the whole.
pub fn combine(cache: &Cache, parts: &[Artifact]) -> Result<Artifact, ArtifactError> {
    let first = parts.first().expect("at least one archive is combined");
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(&part.sha256);
    }
    let folder = format!("combined-images-{}", &hex::encode(hash.finalize())[..16]);
    let path = cache.root().join(folder).join(FILE);
    let hit = path.exists();
    if !hit {
        let folder = path.parent().expect("made of two parts above");
        fs_err::create_dir_all(folder)?;
        // A name of its own: two labs may start at the same time.
        let partial = folder.join(format!("{FILE}.{}.part", std::process::id()));
        let paths: Vec<&Utf8Path> = parts.iter().map(|part| part.path.as_path()).collect();
        merge(&paths, BufWriter::new(fs_err::File::create(&partial)?))?;
        fs_err::rename(&partial, &path)?;
    }
    Ok(Artifact { sha256: sha256_of(&path)?, path, hit, ..first.clone() })
}

fn merge<W: Write>(parts: &[&Utf8Path], file: W) -> Result<(), ArtifactError> {
    let mut whole = tar::Builder::new(file);
    let mut written = HashSet::new();
    let mut manifest = Vec::new();
    for part in parts {
        let wrong = |reason: String| ArtifactError::Content { artifact: part.to_string(), reason };
        let mut opened = Opened::new(part)?;
        let mut listed = false;
        for entry in tar::Archive::new(&mut opened.bytes).entries()? {
            let mut entry = entry?;
            let name = entry.path()?.to_string_lossy().into_owned();
            if name == MANIFEST {
                let mut text = String::new();
                entry.read_to_string(&mut text)?;
                let images: Vec<Value> = serde_json::from_str(&text).map_err(|error| {
                    wrong(format!("its {MANIFEST} is not what it should be: {error}"))
                })?;
                manifest.extend(images);
                listed = true;
            } else if !OTHER_LISTS.contains(&name.as_str()) && written.insert(name.clone()) {
                let mut header = entry.header().clone();
                match entry.link_name()?.map(std::borrow::Cow::into_owned) {
                    Some(target) => whole.append_link(&mut header, &name, target)?,
                    None => whole.append_data(&mut header, &name, entry)?,
                }
            }
        }
        if !listed {
            return Err(wrong(format!("it has no {MANIFEST}: is it a docker archive?")));
        }
        opened.close().map_err(wrong)?;
    }
    let manifest = serde_json::to_vec(&manifest).expect("plain JSON");
    let mut header = tar::Header::new_gnu();
    header.set_size(manifest.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    whole.append_data(&mut header, MANIFEST, manifest.as_slice())?;
    whole.into_inner()?.flush()?;
    Ok(())
}

/// An archive's bytes, unpacked by `zstd` where its publisher packed it.
struct Opened {
    bytes: Box<dyn Read>,
    unpacker: Option<Child>,
}

impl Opened {
    fn new(path: &Utf8Path) -> Result<Self, ArtifactError> {
        if path.extension() != Some("zst") {
            return Ok(Self { bytes: Box::new(fs_err::File::open(path)?), unpacker: None });
        }
        let started = Command::new("zstd")
            .args(["-dcq", path.as_str()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = match started {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ArtifactError::MissingProgram {
                    program: "zstd".into(),
                    artifact: format!("one archive out of {path} and Flux's images"),
                    remedy: "install the package zstd".into(),
                });
            }
            other => other?,
        };
        let bytes = Box::new(child.stdout.take().expect("asked for above"));
        Ok(Self { bytes, unpacker: Some(child) })
    }

    /// A tar ends before its file does: the rest is read, so that the unpacker can end in good order.
    fn close(mut self) -> Result<(), String> {
        std::io::copy(&mut self.bytes, &mut std::io::sink()).map_err(|error| error.to_string())?;
        let Some(mut unpacker) = self.unpacker else { return Ok(()) };
        match unpacker.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("zstd ended with {status}")),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;
    use serde_json::json;

    use super::*;
    use crate::artifacts::{
        Name,
        archive::{DockerArchive, Image, Layer},
    };

    fn part(folder: &Utf8Path, names: &[&str]) -> Artifact {
        let path = folder.join(format!("{}.tar", names.concat()));
        let mut archive = DockerArchive::new(fs_err::File::create(&path).unwrap());
        for name in names {
            let layer = Layer::new().text("hello", name).unwrap().finish().unwrap();
            let reference = format!("lab.local/{name}:1");
            archive = archive.image(&Image { reference, config: json!({}), layer }).unwrap();
        }
        archive.finish().unwrap();
        let sha256 = sha256_of(&path).unwrap();
        Artifact { name: Name::Images, version: "1".into(), path, sha256, hit: true }
    }

    fn names_in(path: &Utf8Path) -> (Vec<String>, Vec<String>) {
        let mut entries = Vec::new();
        let mut images = Vec::new();
        let file = fs_err::File::open(path).unwrap();
        for entry in tar::Archive::new(file).entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().to_string_lossy().into_owned();
            if name == MANIFEST {
                let mut text = String::new();
                entry.read_to_string(&mut text).unwrap();
                let manifest: Vec<Value> = serde_json::from_str(&text).unwrap();
                for image in manifest {
                    images.push(image["RepoTags"][0].as_str().unwrap().to_owned());
                }
            }
            entries.push(name);
        }
        (entries, images)
    }

    #[test]
    fn the_whole_lists_every_image_once_and_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        fs_err::create_dir_all(&folder).unwrap();
        let cache = Cache::at(folder.join("cache"));
        let parts = [part(&folder, &["a", "b"]), part(&folder, &["b", "c"])];
        let whole = combine(&cache, &parts).unwrap();
        assert!(!whole.hit);
        let (entries, images) = names_in(&whole.path);
        assert_eq!(images, ["lab.local/a:1", "lab.local/b:1", "lab.local/b:1", "lab.local/c:1"]);
        // Three images of two files each, and the list.
        assert_eq!(entries.len(), 7, "{entries:?}");
        assert!(combine(&cache, &parts).unwrap().hit);
    }

    #[test]
    fn what_its_publisher_packed_is_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        let plain = part(&folder, &["a"]).path;
        let packed = Command::new("zstd").args(["-q", plain.as_str()]).status();
        if !packed.is_ok_and(|status| status.success()) {
            eprintln!("skipped: zstd is not installed");
            return;
        }
        let whole = folder.join("whole.tar");
        let packed = folder.join("a.tar.zst");
        merge(&[&packed, &plain], fs_err::File::create(&whole).unwrap()).unwrap();
        assert_eq!(names_in(&whole).1, ["lab.local/a:1", "lab.local/a:1"]);
        fs_err::write(&packed, "no archive").unwrap();
        assert!(merge(&[&packed], Vec::new()).is_err());
    }

    #[test]
    fn what_lists_no_images_is_refused_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().join("other.tar")).unwrap();
        fs_err::write(&path, Layer::new().text("hello", "x").unwrap().finish().unwrap()).unwrap();
        let error = merge(&[&path], Vec::new()).unwrap_err().to_string();
        assert!(error.contains("other.tar") && error.contains(MANIFEST), "{error}");
    }
}
