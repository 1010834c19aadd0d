//! The recording, and the files that the replay uploads and serves.

use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};

/// The folder with the recording: `$HOMELAB_SHARED`, or `shared` beside the working copy.
pub(super) fn find() -> Option<Utf8PathBuf> {
    let named = std::env::var("HOMELAB_SHARED").ok().map(Utf8PathBuf::from);
    let beside = Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .map(|folder| folder.join("shared"));
    named.into_iter().chain(beside).find(|folder| folder.join("pve/conformance/rec.py").exists())
}

const CLUSTER_BITS: u32 = 16;
const CLUSTER: usize = 1 << CLUSTER_BITS;
const IMAGE_BYTES: u64 = 200 << 20;

/// Makes the files: random bytes as ISO and raw image, an empty qcow2 image, one with a backing
/// file, and a compressed one. The images' disks are so many times as large as the recording's.
pub(super) fn make_served_files(folder: &Utf8Path, times: u64) -> std::io::Result<()> {
    fs_err::create_dir_all(folder)?;
    fs_err::write(folder.join("t.iso"), random(2_000_000))?;
    fs_err::write(folder.join("raw.img"), random(3_145_728))?;
    let image = folder.join("img.qcow2");
    fs_err::write(&image, qcow2(None, times))?;
    fs_err::write(folder.join("backed.qcow2"), qcow2(Some(image.as_str()), times))?;
    let file = fs_err::File::create(folder.join("img.qcow2.gz"))?;
    let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    encoder.write_all(&qcow2(None, times))?;
    encoder.finish()?;
    Ok(())
}

fn random(length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 32);
    while bytes.len() < length {
        bytes.extend(rand::random::<[u8; 32]>());
    }
    bytes.truncate(length);
    bytes
}

/// An empty qcow2 image (version 3): header, refcount table, refcount block, L1 table.
fn qcow2(backing: Option<&str>, times: u64) -> Vec<u8> {
    let backing_name = backing.unwrap_or_default().as_bytes();
    let backing_at: u64 = if backing.is_some() { 0x200 } else { 0 };
    let bytes = IMAGE_BYTES * times;
    let l1_entries = bytes.div_ceil((CLUSTER as u64) * (CLUSTER as u64 / 8));
    let mut image = Vec::new();
    image.extend(b"QFI\xfb");
    image.extend(3_u32.to_be_bytes());
    image.extend(backing_at.to_be_bytes());
    image.extend(u32::try_from(backing_name.len()).unwrap_or(0).to_be_bytes());
    image.extend(CLUSTER_BITS.to_be_bytes());
    image.extend(bytes.to_be_bytes());
    image.extend(0_u32.to_be_bytes());
    image.extend(u32::try_from(l1_entries).unwrap_or(1).to_be_bytes());
    image.extend((3 * CLUSTER as u64).to_be_bytes());
    image.extend((CLUSTER as u64).to_be_bytes());
    image.extend(1_u32.to_be_bytes());
    // No snapshots, no features, 16-bit refcounts, a header of 104 bytes.
    image.extend(0_u32.to_be_bytes());
    image.extend(0_u64.to_be_bytes());
    image.extend([0; 24]);
    image.extend(4_u32.to_be_bytes());
    image.extend(104_u32.to_be_bytes());
    image.resize(0x200, 0);
    image.extend(backing_name);
    image.resize(CLUSTER, 0);
    image.extend((2 * CLUSTER as u64).to_be_bytes());
    image.resize(2 * CLUSTER, 0);
    for _ in 0..4 {
        image.extend(1_u16.to_be_bytes());
    }
    image.resize(4 * CLUSTER, 0);
    image
}
