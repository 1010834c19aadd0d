//! Names of volumes: `local:iso/debian.iso`, `local-lvm:vm-100-disk-0`,
//! `dirstore:330/base-330-disk-0.qcow2/331/vm-331-disk-0.qcow2`.

use std::fmt;

use crate::pve::config::StorageKind;

/// A volume's full name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct VolumeId {
    pub(crate) storage: String,
    pub(crate) name: String,
}

impl fmt::Display for VolumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.storage, self.name)
    }
}

impl VolumeId {
    pub(crate) fn new(storage: &str, name: &str) -> Self {
        Self { storage: storage.to_owned(), name: name.to_owned() }
    }

    /// `None` when the text is no volume's name (a path, `none`, `cdrom`).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (storage, name) = text.split_once(':')?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let good = storage.len() >= 2
            && storage.bytes().all(plain)
            && storage.starts_with(|first: char| first.is_ascii_alphabetic())
            && storage.ends_with(|last: char| last.is_ascii_alphanumeric());
        (good && !name.is_empty() && !name.contains('\n')).then(|| Self::new(storage, name))
    }
}

/// What a storage may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Content {
    Images,
    Rootdir,
    Iso,
    Vztmpl,
    Import,
    Snippets,
    Backup,
}

impl Content {
    pub(crate) const ALL: [Self; 7] = [
        Self::Images,
        Self::Rootdir,
        Self::Iso,
        Self::Vztmpl,
        Self::Import,
        Self::Snippets,
        Self::Backup,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Rootdir => "rootdir",
            Self::Iso => "iso",
            Self::Vztmpl => "vztmpl",
            Self::Import => "import",
            Self::Snippets => "snippets",
            Self::Backup => "backup",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|content| content.name() == name)
    }

    /// The folder of a directory storage that holds it.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Rootdir => "private",
            Self::Iso => "template/iso",
            Self::Vztmpl => "template/cache",
            Self::Import => "import",
            Self::Snippets => "snippets",
            Self::Backup => "dump",
        }
    }
}

/// What a volume's name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Volume {
    pub(crate) content: Content,
    /// `raw`, `qcow2`, `iso`, ...
    pub(crate) format: String,
    /// The owner, of images.
    pub(crate) vmid: Option<u32>,
    /// The file's own name.
    pub(crate) file: String,
    /// What a linked clone in a directory was cloned from, `330/base-330-disk-0.qcow2`.
    pub(crate) base: Option<String>,
}

impl Volume {
    /// Whether clones may be linked to it.
    pub(crate) fn is_base(&self) -> bool {
        self.content == Content::Images && self.file.starts_with("base-")
    }

    /// Reads the part of a name behind the storage.
    ///
    /// # Errors
    ///
    /// The text of the real plugin.
    pub(crate) fn parse(kind: StorageKind, name: &str) -> Result<Self, String> {
        match kind {
            StorageKind::LvmThin => logical_volume(name)
                .ok_or_else(|| format!("unable to parse lvm volume name '{name}'")),
            StorageKind::Directory => in_directory(name),
        }
    }
}

fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `vm-100-anything` or `base-100-anything`.
fn logical_volume(name: &str) -> Option<Volume> {
    let rest = name.strip_prefix("vm-").or_else(|| name.strip_prefix("base-"))?;
    let (vmid, tail) = rest.split_once('-')?;
    let vmid = digits(vmid).filter(|_| !vmid.is_empty())?;
    (!tail.is_empty() && !tail.contains(char::is_whitespace) && !tail.contains('/')).then(|| {
        Volume {
            content: Content::Images,
            format: "raw".to_owned(),
            vmid: Some(vmid),
            file: name.to_owned(),
            base: None,
        }
    })
}

fn in_directory(name: &str) -> Result<Volume, String> {
    let parts: Vec<&str> = name.split('/').collect();
    let file = |content: Content, format: &str| Volume {
        content,
        format: format.to_owned(),
        vmid: None,
        file: parts[1].to_owned(),
        base: None,
    };
    let lower = name.to_ascii_lowercase();
    let ends = |endings: &[&'static str]| {
        endings.iter().copied().find(|ending| lower.ends_with(&format!(".{ending}")))
    };
    match parts[..] {
        [_, ""] => {}
        ["iso", _] if ends(&["iso", "img"]).is_some() => return Ok(file(Content::Iso, "iso")),
        ["vztmpl", _] => {
            if let Some(ending) = ends(&["tar.gz", "tar.xz", "tar.zst", "tar.bz2"]) {
                return Ok(file(Content::Vztmpl, &format!("t{}", &ending[4..])));
            }
        }
        ["import", _] => {
            if let Some(ending) = ends(&["ova", "qcow2", "raw", "vmdk"]) {
                return Ok(file(Content::Import, ending));
            }
        }
        ["snippets", _] => return Ok(file(Content::Snippets, "snippet")),
        ["backup", _] => return Ok(file(Content::Backup, "vma")),
        [vmid, image] if digits(vmid).is_some() => return image_file(vmid, image, None),
        [base_vmid, base, vmid, image] if digits(base_vmid).is_some() && digits(vmid).is_some() => {
            image_file(base_vmid, base, None)?;
            return image_file(vmid, image, Some(format!("{base_vmid}/{base}")));
        }
        _ => {}
    }
    Err(format!("unable to parse directory volume name '{name}'"))
}

fn image_file(vmid: &str, image: &str, base: Option<String>) -> Result<Volume, String> {
    let format = ["raw", "qcow2", "vmdk", "subvol"]
        .into_iter()
        .find(|format| image.len() > format.len() + 1 && image.ends_with(&format!(".{format}")));
    match format {
        Some(format) if !image.contains(char::is_whitespace) => Ok(Volume {
            content: Content::Images,
            format: format.to_owned(),
            vmid: digits(vmid),
            file: image.to_owned(),
            base,
        }),
        _ => Err(format!("unable to parse volume filename '{image}'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_id_is_told_from_a_path() {
        assert_eq!(VolumeId::parse("local:iso/a.iso"), Some(VolumeId::new("local", "iso/a.iso")));
        for text in ["none", "cdrom", "/dev/vda", "x:1", "local:"] {
            assert_eq!(VolumeId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn names_in_a_thin_pool_say_whose_they_are() {
        let volume = Volume::parse(StorageKind::LvmThin, "base-300-disk-0").unwrap();
        assert_eq!((volume.vmid, volume.is_base()), (Some(300), true));
        assert_eq!(
            Volume::parse(StorageKind::LvmThin, "1G"),
            Err("unable to parse lvm volume name '1G'".to_owned())
        );
    }

    #[test]
    fn a_linked_clone_in_a_directory_names_its_base() {
        let volume = Volume::parse(
            StorageKind::Directory,
            "330/base-330-disk-0.qcow2/331/vm-331-disk-0.qcow2",
        )
        .unwrap();
        assert_eq!(volume.vmid, Some(331));
        assert_eq!(volume.base.as_deref(), Some("330/base-330-disk-0.qcow2"));
        assert_eq!(volume.format, "qcow2");
    }

    #[test]
    fn files_are_known_by_folder_and_ending() {
        let content = |name: &str| Volume::parse(StorageKind::Directory, name).map(|v| v.content);
        assert_eq!(content("iso/a.iso"), Ok(Content::Iso));
        assert_eq!(content("import/a.qcow2"), Ok(Content::Import));
        assert_eq!(
            content("import/a.img"),
            Err("unable to parse directory volume name 'import/a.img'".to_owned())
        );
        assert_eq!(content("100/x.foo"), Err("unable to parse volume filename 'x.foo'".to_owned()));
    }
}
