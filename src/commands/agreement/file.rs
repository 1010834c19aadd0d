//! The file of a plan: for its owner alone, whole or not at all, and over nothing but another plan.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use camino::Utf8Path;
use serde::Deserialize;

use super::{Agreement, FORMAT, VERSION};
use crate::{
    error::{Failure, Kind, Result},
    named_file, private_file,
    render::program::word,
};

/// What every version of the form begins with.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

impl Agreement {
    /// Writes it, with mode 0600.
    ///
    /// # Errors
    /// As [`is_replaceable`]; and where the disk does not take it.
    pub(in crate::commands) fn write(&self, path: &Utf8Path) -> Result<()> {
        is_replaceable(path)?;
        let text = serde_json::to_string_pretty(self).map_err(std::io::Error::from)?;
        private_file::replace(path, &format!("{text}\n")).map_err(|error| {
            Failure::new(Kind::Runtime, "the plan can't be written").at(path).because(error)
        })
    }

    /// Reads one back. What is in it is carried out unasked, so that nobody else may have had a hand in it.
    ///
    /// # Errors
    /// [`Kind::Refused`] for what is no plan of ours, or may be somebody else's.
    pub(in crate::commands) fn read(path: &Utf8Path) -> Result<Self> {
        let unreadable = |error: std::io::Error| {
            Failure::new(Kind::Runtime, "the plan can't be read")
                .at(path)
                .because(error)
                .hint(format!("`homelab plan --out {}` makes one", word(path.as_str())))
        };
        let refused = |why: String| Failure::new(Kind::Refused, why).at(path);
        // Opened once: what is checked is what is read.
        let file = named_file::open(path).map_err(unreadable)?;
        let found = file.metadata().map_err(unreadable)?;
        let mode = found.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(refused(format!("others may read or change the plan (mode {mode:04o})"))
                .hint("look at it again: it is carried out unasked")
                .hint(format!("chmod 600 {}", word(path.as_str()))));
        }
        if ![rustix::process::geteuid().as_raw(), 0].contains(&found.uid()) {
            return Err(refused("the plan belongs to somebody else".to_owned())
                .hint("make a plan of your own: it is carried out unasked"));
        }
        let bytes = named_file::bounded(file, named_file::DOCUMENT).map_err(unreadable)?;
        let anew = || format!("`homelab plan --out {}` makes it anew", word(path.as_str()));
        let Head { version, .. } = head(&bytes).map_err(|why| {
            refused(format!("it is no plan of homelab's: {why}"))
                .hint("name the file that `homelab plan --out FILE` wrote")
        })?;
        if version != VERSION {
            return Err(refused(format!(
                "the plan's form has version {version}, this homelab knows version {VERSION}"
            ))
            .hint(anew()));
        }
        serde_json::from_slice(&bytes)
            .map_err(|error| refused(format!("the plan is damaged: {error}")).hint(anew()))
    }
}

/// Whether a plan may be written there: where nothing is, or an empty file, or a plan.
///
/// # Errors
/// [`Kind::Refused`] for anything else.
pub(in crate::commands) fn is_replaceable(path: &Utf8Path) -> Result<()> {
    let refused = |failure: Failure| {
        failure.at(path).hint("name a file that is not there yet, or an older plan")
    };
    let found = match named_file::bytes(path, named_file::DOCUMENT) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            let failure = Failure::new(Kind::Refused, "it is not overwritten by a plan");
            return Err(refused(failure.because(error)));
        }
    };
    if found.is_empty() || head(&found).is_ok() {
        return Ok(());
    }
    Err(refused(Failure::new(Kind::Refused, "it is no plan, and is not overwritten by one")))
}

/// How the file begins, or why it is none of ours.
fn head(bytes: &[u8]) -> Result<Head, String> {
    let head: Head = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if head.format == FORMAT { Ok(head) } else { Err("it says that it is something else".into()) }
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;

    use super::*;
    use crate::{
        cli::Selection,
        commands::agreement::Ground,
        inventory::Fingerprints,
        plan::{Change, Impact, Plan, Step},
    };

    fn agreement() -> Agreement {
        let fingerprints = Fingerprints { inventory: "ab".repeat(32), lock: None };
        let ground = Ground {
            program: env!("CARGO_PKG_VERSION").into(),
            cluster: "test".into(),
            id: "11111111-2222-4333-8444-555555555555".parse().unwrap(),
            endpoint: "https://pve.example:8006".into(),
            fingerprints,
        };
        let mut plan = Plan::default();
        let made = Change::MakeMachine { node: "agent".parse().unwrap() };
        let made = plan.add(Step::new(made, Impact::Create, "there is no such VM"), &[]);
        let seed = Change::SweepSeed { proxmox_node: "pve1".into(), volume: "local:iso/x".into() };
        plan.add(Step::new(seed, Impact::InPlace, "Flux says: password=hunter2"), &[made]);
        Agreement::new(ground, Selection { prune: true, ..Selection::default() }, plan)
    }

    fn file() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().join("change.plan")).unwrap();
        (folder, path)
    }

    fn refused(path: &Utf8Path) -> String {
        let failure = Agreement::read(path).unwrap_err();
        assert_eq!(failure.kind, Kind::Refused, "{failure}");
        assert_eq!(failure.place.as_deref(), Some(path.as_str()));
        failure.message
    }

    #[test]
    fn a_plan_that_was_written_is_read_back_and_holds_no_secret() {
        let (_folder, path) = file();
        let agreement = agreement();
        agreement.write(&path).unwrap();
        assert_eq!(Agreement::read(&path).unwrap(), agreement);
        let text = fs_err::read_to_string(&path).unwrap();
        insta::assert_snapshot!(text.replace(&agreement.made.to_string(), "MADE"));
    }

    #[test]
    fn a_file_that_others_may_touch_is_refused_with_what_to_type() {
        let (_folder, path) = file();
        agreement().write(&path).unwrap();
        for mode in [0o640, 0o602, 0o666] {
            fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let told = format!("others may read or change the plan (mode {mode:04o})");
            assert_eq!(refused(&path), told);
        }
    }

    #[test]
    fn what_is_no_plan_of_this_form_is_refused_and_never_overwritten() {
        let (_folder, path) = file();
        agreement().write(&path).unwrap();
        let text = fs_err::read_to_string(&path).unwrap();
        let put = |text: &str| fs_err::write(&path, text).unwrap();

        put(&text[..text.len() / 2]);
        assert!(refused(&path).starts_with("it is no plan of homelab's: EOF while parsing"));
        is_replaceable(&path).unwrap_err();

        put("{\"format\": \"terraform\", \"version\": 1}");
        assert_eq!(refused(&path), "it is no plan of homelab's: it says that it is something else");
        is_replaceable(&path).unwrap_err();

        put(&text.replace("\"impact\": \"create\"", "\"impact\": \"free\""));
        assert!(refused(&path).starts_with("the plan is damaged: unknown variant `free`"));
        is_replaceable(&path).unwrap();

        put(&text.replace("\"version\": 1", "\"version\": 2"));
        assert_eq!(refused(&path), "the plan's form has version 2, this homelab knows version 1");
        is_replaceable(&path).unwrap();

        put("");
        is_replaceable(&path).unwrap();
    }
}
