//! A small ISO 9660 image with Joliet names: the cloud-init drive (ECMA-119).

const SECTOR: usize = 2048;
/// System area, two descriptors, terminator, four path tables, two directories.
const FIRST_FILE: usize = 25;
const PRIMARY_TABLE: usize = 19;
const JOLIET_TABLE: usize = 21;
const PRIMARY_ROOT: usize = 23;
const JOLIET_ROOT: usize = 24;

/// An image with a volume label and files in its root. Names are those of Joliet (up to 64
/// characters); plain ISO names are made from them. The texts are expected to be small: the root
/// directory is one sector.
pub(crate) fn image(label: &str, files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut sector = FIRST_FILE;
    let mut extents = Vec::new();
    for (name, data) in files {
        extents.push((*name, sector, data.len()));
        sector += data.len().div_ceil(SECTOR).max(1);
    }
    let mut image = vec![0; sector * SECTOR];
    put(&mut image, 16, &descriptor(1, label, sector));
    put(&mut image, 17, &descriptor(2, label, sector));
    let mut end = vec![255];
    end.extend(b"CD001\x01");
    put(&mut image, 18, &end);
    for (table, root) in [(PRIMARY_TABLE, PRIMARY_ROOT), (JOLIET_TABLE, JOLIET_ROOT)] {
        put(&mut image, table, &path_table(root, false));
        put(&mut image, table + 1, &path_table(root, true));
    }
    put(&mut image, PRIMARY_ROOT, &directory(PRIMARY_ROOT, &extents, plain_name));
    put(&mut image, JOLIET_ROOT, &directory(JOLIET_ROOT, &extents, joliet_name));
    for ((_, data), (_, sector, _)) in files.iter().zip(&extents) {
        put(&mut image, *sector, data);
    }
    image
}

fn put(image: &mut [u8], sector: usize, bytes: &[u8]) {
    image[sector * SECTOR..sector * SECTOR + bytes.len()].copy_from_slice(bytes);
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn both32(value: usize) -> Vec<u8> {
    let value = number(value);
    [value.to_le_bytes(), value.to_be_bytes()].concat()
}

fn both16(value: u16) -> Vec<u8> {
    [value.to_le_bytes(), value.to_be_bytes()].concat()
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// `USER_DAT.;1`: eight plain characters.
fn plain_name(name: &str) -> Vec<u8> {
    let mut stem: String = name
        .chars()
        .map(|one| if one.is_ascii_alphanumeric() { one.to_ascii_uppercase() } else { '_' })
        .take(8)
        .collect();
    stem += ".;1";
    stem.into_bytes()
}

fn joliet_name(name: &str) -> Vec<u8> {
    wide(name)
}

fn record(name: &[u8], sector: usize, length: usize, directory: bool) -> Vec<u8> {
    let size = 33 + name.len() + usize::from(name.len().is_multiple_of(2));
    let mut entry = vec![u8::try_from(size).unwrap_or(u8::MAX), 0];
    entry.extend(both32(sector));
    entry.extend(both32(length));
    // No time: the same texts give the same image.
    entry.extend([70, 1, 1, 0, 0, 0, 0]);
    entry.push(if directory { 2 } else { 0 });
    entry.extend([0, 0]);
    entry.extend(both16(1));
    entry.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    entry.extend(name);
    entry.resize(size, 0);
    entry
}

fn directory(root: usize, extents: &[(&str, usize, usize)], print: fn(&str) -> Vec<u8>) -> Vec<u8> {
    let mut bytes = record(&[0], root, SECTOR, true);
    bytes.extend(record(&[1], root, SECTOR, true));
    let mut named: Vec<(Vec<u8>, usize, usize)> =
        extents.iter().map(|(name, sector, length)| (print(name), *sector, *length)).collect();
    named.sort();
    for (name, sector, length) in named {
        bytes.extend(record(&name, sector, length, false));
    }
    bytes.truncate(SECTOR);
    bytes
}

fn path_table(root: usize, big: bool) -> Vec<u8> {
    let root = number(root);
    let mut bytes = vec![1, 0];
    bytes.extend(if big { root.to_be_bytes() } else { root.to_le_bytes() });
    bytes.extend(if big { 1_u16.to_be_bytes() } else { 1_u16.to_le_bytes() });
    bytes.extend([0, 0]);
    bytes
}

/// The primary (1) or the Joliet (2) volume descriptor.
fn descriptor(kind: u8, label: &str, sectors: usize) -> Vec<u8> {
    let joliet = kind == 2;
    let (table, root) =
        if joliet { (JOLIET_TABLE, JOLIET_ROOT) } else { (PRIMARY_TABLE, PRIMARY_ROOT) };
    let field = |text: &str, length: usize| {
        let mut bytes = if joliet { wide(text) } else { text.as_bytes().to_vec() };
        let blank: &[u8] = if joliet { &[0, b' '] } else { b" " };
        while bytes.len() + blank.len() <= length {
            bytes.extend(blank);
        }
        bytes.resize(length, 0);
        bytes
    };
    let mut bytes = vec![kind];
    bytes.extend(b"CD001\x01\x00");
    bytes.extend(field("LINUX", 32));
    bytes.extend(field(label, 32));
    bytes.extend([0; 8]);
    bytes.extend(both32(sectors));
    let mut escape = [0; 32];
    if joliet {
        escape[..3].copy_from_slice(b"%/E");
    }
    bytes.extend(escape);
    bytes.extend(both16(1));
    bytes.extend(both16(1));
    bytes.extend(both16(2048));
    bytes.extend(both32(10));
    bytes.extend(number(table).to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(number(table + 1).to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(record(&[0], root, SECTOR, true));
    for length in [128, 128, 128, 128, 37, 37, 37] {
        bytes.extend(field("", length));
    }
    for _ in 0..4 {
        bytes.extend(b"0000000000000000\0");
    }
    bytes.push(1);
    bytes.resize(SECTOR, 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_carries_label_names_and_texts() {
        let image = image("cidata", &[("user-data", b"#cloud-config\n"), ("meta-data", b"x: 1\n")]);
        assert_eq!(image.len() % SECTOR, 0);
        assert_eq!(&image[16 * SECTOR + 1..16 * SECTOR + 6], b"CD001");
        assert_eq!(&image[16 * SECTOR + 40..16 * SECTOR + 46], b"cidata");
        let name = wide("user-data");
        let joliet = &image[JOLIET_ROOT * SECTOR..(JOLIET_ROOT + 1) * SECTOR];
        assert!(joliet.windows(name.len()).any(|window| window == name));
        assert_eq!(&image[FIRST_FILE * SECTOR..FIRST_FILE * SECTOR + 14], b"#cloud-config\n");
    }

    #[test]
    fn an_outside_reader_finds_the_files() {
        // bsdtar is there on the machines that run guests; elsewhere the layout test must do.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed.iso");
        fs_err::write(&path, image("cidata", &[("user-data", b"#cloud-config\n")])).unwrap();
        let Ok(listing) = std::process::Command::new("bsdtar").arg("-xOf").arg(&path).output()
        else {
            return;
        };
        assert!(listing.status.success(), "{listing:?}");
        assert_eq!(listing.stdout, b"#cloud-config\n");
    }
}
