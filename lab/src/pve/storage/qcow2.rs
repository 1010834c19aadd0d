//! QCOW2 images: what they are (checks of an upload) and what they hold (imports).
//!
//! The emulator keeps guests' disks as raw files, so an import unpacks the image. Format:
//! QEMU's docs/interop/qcow2.txt.

use std::{fs::File, io::Read, os::unix::fs::FileExt as _};

use camino::Utf8Path;

use super::copy::CopyError;

const MAGIC: [u8; 4] = *b"QFI\xfb";
/// Incompatible features that the reader can live with: dirty, corrupt-free, compression type.
const DIRTY: u64 = 1;
const COMPRESSION_TYPE: u64 = 1 << 3;

/// The header's parts that matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The disk's size in bytes.
    pub(crate) bytes: u64,
    pub(crate) backing_file: bool,
    cluster_bits: u32,
    l1_entries: u64,
    l1_offset: u64,
    encrypted: bool,
    incompatible: u64,
    zstd: bool,
}

/// Why an image can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Qcow2Error {
    #[error("Image is not in qcow2 format")]
    NotQcow2,
    #[error("qcow2 image uses {0}, which the emulator does not read: convert it with qemu-img")]
    Unsupported(&'static str),
    #[error("qcow2 image is damaged: {0}")]
    Damaged(&'static str),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Copy(#[from] CopyError),
}

fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    bytes[at..at + length].iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

impl Header {
    /// Reads a file's header.
    ///
    /// # Errors
    ///
    /// When the file is no QCOW2 image or can't be read.
    pub(crate) fn read(path: &Utf8Path) -> Result<Self, Qcow2Error> {
        let mut start = Vec::new();
        File::open(path)?.take(112).read_to_end(&mut start)?;
        Self::parse(&start)
    }

    fn parse(start: &[u8]) -> Result<Self, Qcow2Error> {
        if start.len() < 72 || start[..4] != MAGIC {
            return Err(Qcow2Error::NotQcow2);
        }
        let version = number(start, 4, 4);
        if !(2..=3).contains(&version) {
            return Err(Qcow2Error::NotQcow2);
        }
        let extended = version == 3 && start.len() >= 104;
        let header_length = if extended { number(start, 100, 4) } else { 72 };
        let cluster_bits = u32::try_from(number(start, 20, 4)).unwrap_or(0);
        if !(9..=21).contains(&cluster_bits) {
            return Err(Qcow2Error::Damaged("impossible cluster size"));
        }
        Ok(Self {
            bytes: number(start, 24, 8),
            backing_file: number(start, 8, 8) != 0,
            cluster_bits,
            l1_entries: number(start, 36, 4),
            l1_offset: number(start, 40, 8),
            encrypted: number(start, 32, 4) != 0,
            incompatible: if extended { number(start, 72, 8) } else { 0 },
            zstd: header_length > 104 && start.len() > 104 && start[104] == 1,
        })
    }

    fn readable(&self) -> Result<(), Qcow2Error> {
        let refused = if self.backing_file {
            "a backing file"
        } else if self.encrypted {
            "encryption"
        } else if self.zstd {
            "zstd compression"
        } else if self.incompatible & !(DIRTY | COMPRESSION_TYPE) != 0 {
            "features newer than version 3's"
        } else {
            return Ok(());
        };
        Err(Qcow2Error::Unsupported(refused))
    }
}

/// Unpacks an image into a raw file, which gets at least the image's size; holes stay holes.
/// `proceed` is called between clusters and may end it. Blocks.
///
/// # Errors
///
/// When the image can't be read, or `proceed` fails.
fn unpack_with(
    source: &Utf8Path,
    target: &Utf8Path,
    mut proceed: impl FnMut(u64) -> Result<(), CopyError>,
) -> Result<(), Qcow2Error> {
    let header = Header::read(source)?;
    header.readable()?;
    let from = File::open(source)?;
    let to = File::options().write(true).create(true).truncate(false).open(target)?;
    let size = to.metadata()?.len().max(header.bytes);
    to.set_len(0)?;
    to.set_len(size)?;
    let cluster = 1_u64 << header.cluster_bits;
    let l2_entries = cluster / 8;
    let l1 = table(&from, header.l1_offset, header.l1_entries)?;
    for (l1_index, l1_entry) in (0_u64..).zip(l1) {
        let first = l1_index * l2_entries * cluster;
        if first >= header.bytes {
            break;
        }
        proceed(first)?;
        let l2_offset = l1_entry & OFFSET;
        if l2_offset == 0 {
            continue;
        }
        for (index, entry) in (0_u64..).zip(table(&from, l2_offset, l2_entries)?) {
            let at = first + index * cluster;
            if at >= header.bytes {
                break;
            }
            if index % 256 == 0 {
                proceed(at)?;
            }
            if let Some(mut data) = cluster_data(&from, entry, &header)? {
                data.truncate(usize::try_from(header.bytes - at).unwrap_or(usize::MAX));
                if data.iter().any(|byte| *byte != 0) {
                    to.write_all_at(&data, at)?;
                }
            }
        }
    }
    proceed(header.bytes)?;
    Ok(())
}

/// Unpacks with a task's progress lines and interrupt. See [`unpack_with`].
pub(crate) fn unpack(
    source: &Utf8Path,
    target: &Utf8Path,
    worker: &Option<crate::pve::task::Worker>,
) -> Result<(), Qcow2Error> {
    let options = super::CopyOptions { worker: worker.clone(), bytes_per_second: None };
    let size = Header::read(source)?.bytes;
    let mut progress = super::copy::Progress::new(size, &options);
    unpack_with(source, target, |done| progress.report(done))
}

/// Bits 9 to 55 of a table's entry.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
const COMPRESSED: u64 = 1 << 62;
const ZERO: u64 = 1;

fn table(file: &File, offset: u64, entries: u64) -> Result<Vec<u64>, Qcow2Error> {
    let bytes = entries.checked_mul(8).filter(|bytes| *bytes <= 64 << 20);
    let bytes = bytes.ok_or(Qcow2Error::Damaged("a table larger than 64 MiB"))?;
    let mut raw = vec![0; usize::try_from(bytes).unwrap_or(0)];
    file.read_exact_at(&mut raw, offset)
        .map_err(|_| Qcow2Error::Damaged("a table beyond the end of the file"))?;
    Ok(raw.chunks_exact(8).map(|entry| number(entry, 0, 8)).collect())
}

/// A cluster's bytes; `None` where nothing was written.
fn cluster_data(file: &File, entry: u64, header: &Header) -> Result<Option<Vec<u8>>, Qcow2Error> {
    let cluster = usize::try_from(1_u64 << header.cluster_bits).unwrap_or(0);
    if entry & COMPRESSED != 0 {
        let offset_bits = 62 - (header.cluster_bits - 8);
        let offset = entry & ((1 << offset_bits) - 1);
        let sectors = (entry & (COMPRESSED - 1)) >> offset_bits;
        let length = (sectors + 1) * 512 - offset % 512;
        let mut packed = vec![0; usize::try_from(length).unwrap_or(0)];
        let read = read_up_to(file, &mut packed, offset)?;
        let mut data = Vec::with_capacity(cluster);
        flate2::read::DeflateDecoder::new(&packed[..read])
            .take(cluster as u64)
            .read_to_end(&mut data)
            .map_err(|_| Qcow2Error::Damaged("a compressed cluster does not unpack"))?;
        if data.len() != cluster {
            return Err(Qcow2Error::Damaged("a compressed cluster is short"));
        }
        return Ok(Some(data));
    }
    let offset = entry & OFFSET;
    if offset == 0 || entry & ZERO != 0 {
        return Ok(None);
    }
    let mut data = vec![0; cluster];
    read_up_to(file, &mut data, offset)?;
    Ok(Some(data))
}

/// Reads until the buffer is full or the file ends; the last cluster may be cut.
fn read_up_to(file: &File, buffer: &mut [u8], offset: u64) -> Result<usize, std::io::Error> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64)? {
            0 => break,
            read => done += read,
        }
    }
    Ok(done)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write as _;

    use super::*;

    /// A version 2 image with 64 KiB clusters: each part is a cluster's number, its bytes and
    /// whether they are compressed.
    pub(crate) fn image(bytes: u64, parts: &[(u64, &[u8], bool)], backing: bool) -> Vec<u8> {
        const CLUSTER: usize = 1 << 16;
        let mut file = vec![0; 3 * CLUSTER];
        let put = |file: &mut Vec<u8>, at: usize, value: u64, length: usize| {
            file[at..at + length].copy_from_slice(&value.to_be_bytes()[8 - length..]);
        };
        file[..4].copy_from_slice(&MAGIC);
        put(&mut file, 4, 2, 4);
        put(&mut file, 8, u64::from(backing) * 512, 8);
        put(&mut file, 20, 16, 4);
        put(&mut file, 24, bytes, 8);
        put(&mut file, 36, 1, 4);
        put(&mut file, 40, CLUSTER as u64, 8);
        put(&mut file, CLUSTER, (2 * CLUSTER as u64) | (1 << 63), 8);
        for (index, data, compressed) in parts {
            let offset = file.len() as u64;
            let mut whole = data.to_vec();
            whole.resize(CLUSTER, 0);
            let entry = if *compressed {
                let mut encoder =
                    flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(&whole).unwrap();
                let mut packed = encoder.finish().unwrap();
                let sectors = packed.len().div_ceil(512) as u64;
                packed.resize(CLUSTER, 0);
                file.extend(packed);
                COMPRESSED | ((sectors - 1) << (62 - 8)) | offset
            } else {
                file.extend(whole);
                offset | (1 << 63)
            };
            put(&mut file, 2 * CLUSTER + usize::try_from(*index).unwrap() * 8, entry, 8);
        }
        file
    }

    fn written(bytes: &[u8]) -> (tempfile::TempDir, camino::Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = camino::Utf8PathBuf::from_path_buf(folder.path().join("image")).unwrap();
        fs_err::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn an_image_unpacks_to_the_bytes_that_were_packed() {
        let size = 1 << 20;
        let (_keep, path) = written(&image(
            size,
            &[(0, b"plain", false), (3, b"compressed", true), (15, b"last", false)],
            false,
        ));
        let target = path.with_extension("raw");
        unpack(&path, &target, &None).unwrap();
        let raw = fs_err::read(&target).unwrap();
        assert_eq!(raw.len() as u64, size);
        assert_eq!(&raw[..5], b"plain");
        assert_eq!(&raw[3 << 16..(3 << 16) + 10], b"compressed");
        assert_eq!(&raw[15 << 16..(15 << 16) + 4], b"last");
        assert!(raw[1 << 16..3 << 16].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let (_keep, path) = written(b"an ISO, say");
        assert_eq!(Header::read(&path).unwrap_err().to_string(), "Image is not in qcow2 format");
    }

    #[test]
    fn an_image_on_top_of_another_is_known_as_such() {
        let (_keep, path) = written(&image(1 << 20, &[], true));
        assert!(Header::read(&path).unwrap().backing_file);
        let target = path.with_extension("raw");
        let error = unpack(&path, &target, &None).unwrap_err().to_string();
        assert!(error.contains("a backing file"), "{error}");
    }
}
