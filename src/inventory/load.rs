//! Reads an inventory and its lock file.

use std::cell::RefCell;

use camino::{Utf8Path, Utf8PathBuf};
use garde::Validate;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    Desired, Fault, Faults, InventoryFile, LockFile, Overrides, check,
    document::{self, Document},
    fault::{Place, Source},
    path::{FieldPath, Segment},
    report::Report,
    resolve, schema,
    shape::{self, Shaped},
};
use crate::{
    environment::Home,
    error::{Failure, Kind},
    named_file,
};

/// What to read, and what wins over it.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The inventory.
    pub path: Utf8PathBuf,
    /// The lock file; `homelab.lock` beside the inventory unless said.
    pub lock: Option<Utf8PathBuf>,
    pub overrides: Overrides,
    pub pins: Pins,
}

/// Whether every artifact has to be pinned to a sha256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pins {
    /// What installs, or compares with what is installed.
    #[default]
    Required,
    /// What is not pinned is a warning.
    Warned,
    /// What only talks to what is there.
    Optional,
}

impl LoadOptions {
    /// An inventory and its lock file, with what this process's environment overrides.
    ///
    /// # Errors
    /// As [`Overrides::from_environment`].
    pub fn new(path: Utf8PathBuf, lock: Option<Utf8PathBuf>) -> Result<Self, Failure> {
        let overrides = Overrides::from_environment()?;
        Ok(Self { path, lock, overrides, pins: Pins::Required })
    }

    /// Where the lock file is.
    pub fn lock_path(&self) -> Utf8PathBuf {
        self.lock.clone().unwrap_or_else(|| self.path.with_file_name("homelab.lock"))
    }
}

/// A sound inventory.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub desired: Desired,
    pub file: InventoryFile,
    pub lock: LockFile,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Fault>,
    pub fingerprints: Fingerprints,
    pub(crate) document: Document,
}

/// SHA-256 of the two files' bytes, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprints {
    pub inventory: String,
    /// `None` where there is no lock file.
    pub lock: Option<String>,
}

/// A sound inventory whose artifacts need not be pinned yet.
#[derive(Clone, Debug)]
pub struct Unpinned {
    pub file: InventoryFile,
    /// The lock file as it is; empty when it is absent or faulty.
    pub lock: LockFile,
    /// What is wrong with it.
    pub lock_faults: Vec<Fault>,
    pub warnings: Vec<Fault>,
}

/// Reads, validates and resolves an inventory.
///
/// # Errors
///
/// [`Kind::Inventory`] with all [`Faults`] as its source; the same kind when a file can't be read.
pub fn load(options: &LoadOptions) -> Result<Loaded, Failure> {
    let texts = Texts::read(options)?;
    let document = document::parse(Source::new(options.path.as_str(), &texts.inventory))
        .map_err(|fault| Failure::from(Faults(vec![*fault])))?;
    let lock_path = options.lock_path();
    let (lock, faults) = texts.lock(&lock_path);
    let lock_is_faulty = !faults.is_empty();
    let (file, mut report) = sound_file(&document, faults);
    let home = Home::default();
    let desired = file.as_ref().and_then(|file| {
        let context = resolve::Context {
            base: folder(&options.path),
            home: &home,
            overrides: &options.overrides,
            lock: &lock,
            lock_is_faulty,
            age_files: RefCell::default(),
            pins: options.pins,
            lock_name: lock_path.file_name().unwrap_or("homelab.lock"),
        };
        resolve::desired(file, &context, &mut report)
    });
    // The faults that follow from it would name paths that nobody wrote.
    if let Some(failure) = home.failure() {
        return Err(failure.at(&options.path).hint("the inventory has paths that begin with `~/`"));
    }
    let (faults, warnings) = report.finish();
    match (desired, file) {
        (Some(desired), Some(file)) if faults.is_empty() => Ok(Loaded {
            desired,
            file,
            lock,
            warnings: Faults::sorted(warnings).0,
            fingerprints: texts.fingerprints(),
            document,
        }),
        _ => Err(Faults::sorted(faults).into()),
    }
}

/// Reads and validates an inventory, for what comes before the lock file.
///
/// # Errors
///
/// As [`load`], but for what the lock file lacks.
pub fn load_unpinned(options: &LoadOptions) -> Result<Unpinned, Failure> {
    let texts = Texts::read(options)?;
    let (lock, lock_faults) = texts.lock(&options.lock_path());
    let (file, warnings) = validate_text(&options.path, &texts.inventory)?;
    Ok(Unpinned { file, lock, lock_faults, warnings })
}

/// The same for a text that need not be in a file yet.
pub(crate) fn validate_text(
    name: &Utf8Path,
    text: &str,
) -> Result<(InventoryFile, Vec<Fault>), Failure> {
    let document = document::parse(Source::new(name.as_str(), text))
        .map_err(|fault| Failure::from(Faults(vec![*fault])))?;
    let (file, report) = sound_file(&document, Vec::new());
    let (faults, warnings) = report.finish();
    match file {
        Some(file) if faults.is_empty() => Ok((file, Faults::sorted(warnings).0)),
        _ => Err(Faults::sorted(faults).into()),
    }
}

/// The two files as they are.
struct Texts {
    inventory: String,
    lock: Option<String>,
}

impl Texts {
    fn read(options: &LoadOptions) -> Result<Self, Failure> {
        let lock_path = options.lock_path();
        let lock = match named_file::text_of_any(&lock_path, named_file::DOCUMENT) {
            Ok(text) => Some(text),
            // `homelab lock` makes it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(Failure::new(Kind::Inventory, "the lock file can't be read")
                    .at(&lock_path)
                    .because(error)
                    .hint("`homelab lock` writes one; --lock names another"));
            }
        };
        Ok(Self { inventory: read(&options.path)?, lock })
    }

    fn lock(&self, path: &Utf8Path) -> (LockFile, Vec<Fault>) {
        let mut faults = Vec::new();
        let lock = match &self.lock {
            Some(text) => parse_lock(path, text, &mut faults),
            None => LockFile::empty(),
        };
        (lock, faults)
    }

    fn fingerprints(&self) -> Fingerprints {
        let fingerprint = |text: &String| hex::encode(Sha256::digest(text));
        Fingerprints {
            inventory: fingerprint(&self.inventory),
            lock: self.lock.as_ref().map(fingerprint),
        }
    }
}

/// Everything but the meaning: shape, the fields' own rules, and whether they agree.
fn sound_file(document: &Document, faults: Vec<Fault>) -> (Option<InventoryFile>, Report<'_>) {
    let shaped = shape::compare(document, &schema::inventory_schema());
    let Shaped { value, faults: found, dropped } = shaped;
    let mut report = Report::new(document, [faults, found].concat(), dropped);
    let file = value.and_then(|value| typed::<InventoryFile>(value, document, &mut report));
    let claims = check::Claims::read(document, &report);
    check::clashes(&claims, file.as_ref(), &mut report);
    if let Some(file) = &file {
        validate(file, &mut report);
        check::all(file, &claims, &mut report);
    }
    (file, report)
}

fn read(path: &Utf8Path) -> Result<String, Failure> {
    named_file::text_of_any(path, named_file::DOCUMENT).map_err(|error| {
        let failure = Failure::new(Kind::Inventory, "the inventory can't be read").at(path);
        let failure = match error.kind() {
            std::io::ErrorKind::NotFound => {
                failure.hint("name it with -c FILE, or make one with `homelab init`")
            }
            _ => failure,
        };
        failure.because(error)
    })
}

/// The folder that relative paths begin in.
pub(crate) fn folder(path: &Utf8Path) -> &Utf8Path {
    path.parent().unwrap_or(Utf8Path::new(""))
}

fn parse_lock(path: &Utf8Path, text: &str, faults: &mut Vec<Fault>) -> LockFile {
    let document = match document::parse(Source::new(path.as_str(), text)) {
        Ok(document) => document,
        Err(fault) => {
            faults.push(*fault);
            return LockFile::empty();
        }
    };
    let shaped = shape::compare(&document, &schema::lock_schema());
    faults.extend(shaped.faults);
    shaped
        .value
        .and_then(|value| serde_json::from_value(value).ok())
        .unwrap_or_else(LockFile::empty)
}

/// The typed file. The shape has been checked, so a failure here is a gap between schema and type.
fn typed<T: serde::de::DeserializeOwned>(
    value: serde_json::Value,
    document: &Document,
    report: &mut Report<'_>,
) -> Option<T> {
    serde_json::from_value(value)
        .map_err(|error| {
            report.add(Fault::new(&document.source, Place::START, error.to_string()));
        })
        .ok()
}

/// The rules that stand at the fields themselves.
pub(crate) fn validate(file: &InventoryFile, report: &mut Report<'_>) {
    if let Err(found) = file.validate() {
        for (path, error) in found.iter() {
            report.fault(&field_path(path), error.message(), None);
        }
    }
    for (name, node) in &file.nodes {
        if let Err(found) = node.validate() {
            let node = FieldPath::root().key("nodes").key(name);
            for (path, error) in found.iter() {
                let path =
                    field_path(path).segments().iter().fold(node.clone(), |path, segment| {
                        match segment {
                            Segment::Key(key) => path.key(key),
                            Segment::Index(index) => path.index(*index),
                        }
                    });
                report.fault(&path, error.message(), None);
            }
        }
    }
}

/// garde's path as ours: what it prints is `a.b[0]`, and its own parts are private.
fn field_path(path: &garde::Path) -> FieldPath {
    let text = path.to_string().replace('[', ".[");
    text.split('.').filter(|part| !part.is_empty()).fold(FieldPath::root(), |path, part| match part
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']')?.parse().ok())
    {
        Some(index) => path.index(index),
        None => path.key(part),
    })
}
