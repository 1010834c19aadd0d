//! A small writer of ISO 9660 media: a few small files in one directory.
//!
//! Three views of the same files, so that every reader finds `user-data` under that very name: plain
//! ECMA-119 with short upper-case names, Rock Ridge on top of it (Linux, libarchive and xorriso take this
//! one), and a Joliet tree (Windows, and readers that know no Rock Ridge). The crates that write ISO 9660
//! are release candidates or bring far more than these 300 lines; this one is tested with libarchive and
//! xorriso. Sources: ECMA-119 (4th edition), SUSP 1.12, RRIP 1.10, the Joliet specification.

const SECTOR: usize = 2048;
/// The system area, which is empty.
const FIRST_DESCRIPTOR: usize = 16;
const PRIMARY_TABLES: u32 = 19;
const JOLIET_TABLES: u32 = 21;
const PRIMARY_ROOT: u32 = 23;
const JOLIET_ROOT: u32 = 24;
const FIRST_FILE: u32 = 25;
/// One record: the root. 8 bytes, its one-byte name and a filling byte.
const PATH_TABLE_BYTES: u32 = 10;
/// 2026-01-01 00:00 UTC: the same parts give the same bytes, so the medium bears no true time.
const DATE: [u8; 7] = [126, 1, 1, 0, 0, 0, 0];
const LONG_DATE: &[u8; 17] = b"2026010100000000\0";
const NO_DATE: &[u8; 17] = b"0000000000000000\0";

/// Why no image could be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum IsoError {
    #[error("`{0}` is no name for a file on the seed: 1 to 64 of a-z, 0-9, `-`, `_` and `.`")]
    Name(String),
    #[error("two files on the seed would have the short name `{0}`")]
    Twins(String),
    #[error("the seed has too many or too large files")]
    Size,
}

/// An image with these files (name, content), whose volume id is `volume`.
pub(super) fn image(volume: &str, files: &[(&str, &[u8])]) -> Result<Vec<u8>, IsoError> {
    let mut entries = Vec::new();
    let mut next = FIRST_FILE;
    for (name, content) in files {
        let bytes = u32::try_from(content.len()).map_err(|_| IsoError::Size)?;
        entries.push(Entry { name, short: short_name(name)?, sector: next, bytes });
        next = next.checked_add(bytes.div_ceil(SECTOR as u32)).ok_or(IsoError::Size)?;
    }
    entries.sort_by(|one, other| one.short.cmp(&other.short));
    if let Some(twins) = entries.windows(2).find(|pair| pair[0].short == pair[1].short) {
        return Err(IsoError::Twins(twins[0].short.clone()));
    }
    let mut image = vec![0; next as usize * SECTOR];
    let mut put = |sector: u32, bytes: &[u8]| {
        let start = sector as usize * SECTOR;
        image[start..start + bytes.len()].copy_from_slice(bytes);
    };
    let first = FIRST_DESCRIPTOR as u32;
    put(first, &descriptor(View::Primary, volume, next));
    put(first + 1, &descriptor(View::Joliet, volume, next));
    put(first + 2, b"\xffCD001\x01");
    for (tables, root) in [(PRIMARY_TABLES, PRIMARY_ROOT), (JOLIET_TABLES, JOLIET_ROOT)] {
        put(tables, &path_table(root.to_le_bytes(), 1_u16.to_le_bytes()));
        put(tables + 1, &path_table(root.to_be_bytes(), 1_u16.to_be_bytes()));
    }
    put(PRIMARY_ROOT, &directory(View::Primary, &entries)?);
    entries.sort_by_key(|entry| ucs2(entry.name));
    put(JOLIET_ROOT, &directory(View::Joliet, &entries)?);
    for entry in &entries {
        let content =
            files.iter().find(|(name, _)| *name == entry.name).map(|(_, content)| content);
        put(entry.sector, content.expect("entries are made from files"));
    }
    Ok(image)
}

/// Which of the two directory trees.
#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    Primary,
    Joliet,
}

struct Entry<'a> {
    name: &'a str,
    /// `USER_DAT.;1`.
    short: String,
    sector: u32,
    bytes: u32,
}

/// A name of ECMA-119's interchange level 1: eight upper-case characters, no extension, version 1.
fn short_name(name: &str) -> Result<String, IsoError> {
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.')
    };
    if name.is_empty() || name.len() > 64 || !name.bytes().all(allowed) || name.starts_with('.') {
        return Err(IsoError::Name(name.to_owned()));
    }
    let upper = name.to_ascii_uppercase().replace(['-', '.'], "_");
    Ok(format!("{}.;1", &upper[..upper.len().min(8)]))
}

/// Big-endian UCS-2, as Joliet writes names.
fn ucs2(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// A number in both byte orders (ECMA-119, 7.3.3).
fn both32(number: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    bytes
}

fn both16(number: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (number.to_le_bytes(), number.to_be_bytes());
    [a, b, c, d]
}

/// A primary or supplementary volume descriptor (ECMA-119, 8.4 and 8.5).
fn descriptor(view: View, volume: &str, sectors: u32) -> Vec<u8> {
    let (kind, tables, root) = match view {
        View::Primary => (1, PRIMARY_TABLES, PRIMARY_ROOT),
        View::Joliet => (2, JOLIET_TABLES, JOLIET_ROOT),
    };
    let text = |text: &str, length: usize| match view {
        View::Primary => {
            let mut bytes = text.as_bytes().to_vec();
            bytes.resize(length, b' ');
            bytes
        }
        View::Joliet => {
            let mut bytes = ucs2(text);
            while bytes.len() + 1 < length {
                bytes.extend([0, b' ']);
            }
            bytes.resize(length, 0);
            bytes
        }
    };
    let mut bytes = vec![kind];
    bytes.extend(b"CD001\x01\0");
    bytes.extend(text("LINUX", 32));
    // Lower case, as every maker of NoCloud seeds writes it, though ECMA-119 would have capitals.
    bytes.extend(text(volume, 32));
    bytes.extend([0; 8]);
    bytes.extend(both32(sectors));
    let mut escapes = [0; 32];
    if view == View::Joliet {
        // UCS-2 level 3.
        escapes[..3].copy_from_slice(b"%/E");
    }
    bytes.extend(escapes);
    // One volume in the set, which is this one.
    bytes.extend(both16(1));
    bytes.extend(both16(1));
    bytes.extend(both16(SECTOR as u16));
    bytes.extend(both32(PATH_TABLE_BYTES));
    bytes.extend(tables.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend((tables + 1).to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(record(&[0], root, SECTOR as u32, true, &[]));
    // Volume set, publisher, preparer, application; copyright, abstract and bibliographic files.
    for (content, length) in
        [("", 128), ("", 128), ("", 128), ("HOMELAB", 128), ("", 37), ("", 37), ("", 37)]
    {
        bytes.extend(text(content, length));
    }
    for date in [LONG_DATE, LONG_DATE, NO_DATE, NO_DATE] {
        bytes.extend(date);
    }
    // File structure version 1.
    bytes.extend([1, 0]);
    bytes.resize(SECTOR, 0);
    bytes
}

/// The root's record, which is the whole path table (ECMA-119, 9.4).
fn path_table(root: [u8; 4], parent: [u8; 2]) -> Vec<u8> {
    [&[1, 0][..], &root, &parent, &[0, 0]].concat()
}

/// The root directory: itself, its parent (itself again), and the files.
fn directory(view: View, entries: &[Entry<'_>]) -> Result<Vec<u8>, IsoError> {
    let rock_ridge = view == View::Primary;
    let root = if rock_ridge { PRIMARY_ROOT } else { JOLIET_ROOT };
    let (mut itself, mut parent) = (Vec::new(), Vec::new());
    if rock_ridge {
        // SP: system use fields begin at once. ER: they are Rock Ridge's.
        itself.extend(b"SP\x07\x01\xbe\xef\0");
        itself.extend(posix(0o040_555, 2));
        itself.extend(b"ER\x12\x01\x0a\0\0\x01RRIP_1991A");
        parent.extend(posix(0o040_555, 2));
    }
    let mut bytes = record(&[0], root, SECTOR as u32, true, &itself);
    bytes.extend(record(&[1], root, SECTOR as u32, true, &parent));
    for entry in entries {
        if rock_ridge {
            let mut fields = posix(0o100_444, 1);
            fields.extend([b'N', b'M', 5 + entry.name.len() as u8, 1, 0]);
            fields.extend(entry.name.as_bytes());
            bytes.extend(record(entry.short.as_bytes(), entry.sector, entry.bytes, false, &fields));
        } else {
            let name = ucs2(&format!("{};1", entry.name));
            bytes.extend(record(&name, entry.sector, entry.bytes, false, &[]));
        }
    }
    // One sector has room for what a seed needs, and no record may cross into the next.
    if bytes.len() > SECTOR { Err(IsoError::Size) } else { Ok(bytes) }
}

/// A directory record (ECMA-119, 9.1) with system use fields behind the name.
fn record(name: &[u8], sector: u32, bytes: u32, directory: bool, fields: &[u8]) -> Vec<u8> {
    let padding = usize::from(name.len().is_multiple_of(2));
    let unpadded = 33 + name.len() + padding + fields.len();
    let length = unpadded + unpadded % 2;
    let mut record = vec![u8::try_from(length).expect("names of 64 bytes fit"), 0];
    record.extend(both32(sector));
    record.extend(both32(bytes));
    record.extend(DATE);
    record.extend([if directory { 2 } else { 0 }, 0, 0]);
    record.extend(both16(1));
    record.push(name.len() as u8);
    record.extend(name);
    record.resize(record.len() + padding, 0);
    record.extend(fields);
    record.resize(length, 0);
    record
}

/// Rock Ridge's PX: mode, links, owner and group root.
fn posix(mode: u32, links: u32) -> Vec<u8> {
    let mut field = b"PX\x24\x01".to_vec();
    for number in [mode, links, 0, 0] {
        field.extend(both32(number));
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(image: &[u8], offset: usize) -> u32 {
        let field: [u8; 8] = image[offset..offset + 8].try_into().unwrap();
        let little = u32::from_le_bytes(field[..4].try_into().unwrap());
        assert_eq!(little, u32::from_be_bytes(field[4..].try_into().unwrap()), "at {offset}");
        little
    }

    #[test]
    fn the_descriptors_stand_where_readers_look_for_them() {
        let image = image("cidata", &[("user-data", b"u"), ("meta-data", b"m")]).unwrap();
        let sector = |number: usize| &image[number * SECTOR..(number + 1) * SECTOR];
        assert!(image[..16 * SECTOR].iter().all(|byte| *byte == 0), "the system area is empty");
        assert_eq!(&sector(16)[..7], b"\x01CD001\x01");
        assert_eq!(&sector(16)[40..47], b"cidata ");
        assert_eq!(&sector(17)[..7], b"\x02CD001\x01");
        assert_eq!(&sector(17)[88..91], b"%/E");
        assert_eq!(&sector(17)[40..52], &ucs2("cidata")[..]);
        assert_eq!(&sector(18)[..7], b"\xffCD001\x01");
        assert_eq!(number(&image, 16 * SECTOR + 80) as usize * SECTOR, image.len());
        assert_eq!(sector(16)[881], 1, "file structure version");
        // The root directory record at 156 leads to the directory, whose first record is itself.
        assert_eq!(number(&image, 16 * SECTOR + 156 + 2), PRIMARY_ROOT);
        assert_eq!(number(&image, PRIMARY_ROOT as usize * SECTOR + 2), PRIMARY_ROOT);
        assert_eq!(number(&image, 17 * SECTOR + 156 + 2), JOLIET_ROOT);
    }

    #[test]
    fn the_root_says_that_it_speaks_rock_ridge() {
        let image = image("cidata", &[("user-data", b"u")]).unwrap();
        let root = &image[PRIMARY_ROOT as usize * SECTOR..];
        let fields = &root[34..root[0] as usize];
        assert_eq!(&fields[..7], b"SP\x07\x01\xbe\xef\0");
        assert_eq!(&fields[43..61], b"ER\x12\x01\x0a\0\0\x01RRIP_1991A");
    }

    #[test]
    fn contents_are_found_at_their_sectors_and_records_are_sorted() {
        let long = vec![b'x'; 3 * SECTOR + 1];
        let files: [(&str, &[u8]); 3] =
            [("user-data", &long), ("meta-data", b""), ("network-config", b"net")];
        let image = image("cidata", &files).unwrap();
        let mut offset = PRIMARY_ROOT as usize * SECTOR;
        let mut names = Vec::new();
        while image[offset] != 0 {
            let record = &image[offset..offset + image[offset] as usize];
            let name = &record[33..33 + record[32] as usize];
            let (sector, bytes) = (number(record, 2) as usize, number(record, 10) as usize);
            if name == b"USER_DAT.;1" {
                assert_eq!(&image[sector * SECTOR..sector * SECTOR + bytes], &long[..]);
            }
            if name.len() > 1 {
                names.push(String::from_utf8(name.to_vec()).unwrap());
            }
            offset += record.len();
        }
        assert_eq!(names, ["META_DAT.;1", "NETWORK_.;1", "USER_DAT.;1"]);
    }

    #[test]
    fn names_that_would_not_be_found_again_are_refused() {
        assert_eq!(image("c", &[("User", b"")]), Err(IsoError::Name("User".into())));
        assert_eq!(image("c", &[("a/b", b"")]), Err(IsoError::Name("a/b".into())));
        let twins = image("c", &[("long-name-1", b""), ("long-name-2", b"")]);
        assert_eq!(twins, Err(IsoError::Twins("LONG_NAM.;1".into())));
        let many: Vec<String> = (10..60).map(|number| format!("f{number}")).collect();
        let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b""[..])).collect();
        assert_eq!(image("c", &many), Err(IsoError::Size));
    }
}
