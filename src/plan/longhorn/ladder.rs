//! Which version of Longhorn may follow which (LH-10). Pure.
//!
//! Longhorn supports upgrades from one minor version to the next alone, and none back. Its manager refuses others,
//! but only after the definitions of its objects are new already (Longhorn's documentation, "Upgrade").

/// Why a version cannot follow the one that runs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("Longhorn {from} runs, and {to} is older: Longhorn does not go back")]
    Back { from: String, to: String },
    #[error(
        "Longhorn {from} runs, and {to} leaves out {next}: Longhorn goes up one minor version at a time"
    )]
    LeavesOut { from: String, to: String, next: String },
}

/// Whether `to` may follow `from`, as `v1.10.1` or `1.10.1`. What is not a version in this form says nothing, and
/// may follow.
///
/// # Errors
/// When it may not.
pub fn may_follow(from: &str, to: &str) -> Result<(), Refused> {
    let (Some(running), Some(wanted)) = (Version::parse(from), Version::parse(to)) else {
        return Ok(());
    };
    let (from, to) = (from.trim_start_matches('v'), to.trim_start_matches('v'));
    if wanted < running {
        return Err(Refused::Back { from: from.into(), to: to.into() });
    }
    let [major, minor, _] = running.numbers;
    if wanted.numbers[0] != major || wanted.numbers[1] > minor.saturating_add(1) {
        let next = format!("{major}.{}", minor.saturating_add(1));
        return Err(Refused::LeavesOut { from: from.into(), to: to.into(), next });
    }
    Ok(())
}

/// In the order of SemVer, as Longhorn's manager compares them: a pre-release is older than its release.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version<'a> {
    /// Major, minor and patch.
    numbers: [u32; 3],
    stage: Stage<'a>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage<'a> {
    /// By the parts of its name, as `rc1`.
    PreRelease(Vec<Part<'a>>),
    Release,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    Number(u64),
    Word(&'a str),
}

impl<'a> Version<'a> {
    /// What follows a `+` says nothing of the order, and is left out.
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim_start_matches('v').split('+').next()?;
        let (plain, stage) = match text.split_once('-') {
            Some((plain, name)) => (plain, Stage::PreRelease(name.split('.').map(part).collect())),
            None => (text, Stage::Release),
        };
        let mut parts = plain.split('.').map(|part| part.parse().ok());
        let numbers = [parts.next()??, parts.next()??, parts.next()??];
        Some(Self { numbers, stage })
    }
}

fn part(text: &str) -> Part<'_> {
    text.parse().map_or(Part::Word(text), Part::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_and_the_next_minor_version_may_follow() {
        for to in ["1.9.0", "v1.9.2", "1.10.0", "v1.10.3"] {
            assert_eq!(may_follow("v1.9.0", to), Ok(()), "{to}");
        }
    }

    #[test]
    fn a_minor_version_that_is_left_out_is_named() {
        let refused = may_follow("v1.9.2", "1.11.0").unwrap_err().to_string();
        assert_eq!(
            refused,
            "Longhorn 1.9.2 runs, and 1.11.0 leaves out 1.10: Longhorn goes up one minor version at a time"
        );
        assert!(may_follow("1.9.2", "2.0.0").is_err());
    }

    #[test]
    fn nothing_older_may_follow() {
        for to in ["1.9.1", "1.8.9", "0.9.9"] {
            assert!(matches!(may_follow("v1.9.2", to), Err(Refused::Back { .. })), "{to}");
        }
    }

    #[test]
    fn a_pre_release_is_another_version_and_older_than_its_release() {
        for to in ["1.12.1", "1.12.1-rc2", "v1.12.1-rc1+build", "1.12.1-rc1.1", "1.13.0-dev"] {
            assert_eq!(may_follow("v1.12.1-rc1", to), Ok(()), "{to}");
        }
        for (from, to) in [
            ("v1.12.1", "1.12.1-rc1"),
            ("v1.12.1-rc2", "1.12.1-rc1"),
            ("v1.12.1-rc.10", "1.12.1-rc.9"),
            ("v1.12.1-rc1", "1.12.1-dev"),
            ("v1.12.1-rc1", "1.12.0"),
        ] {
            assert!(matches!(may_follow(from, to), Err(Refused::Back { .. })), "{from} {to}");
        }
        assert!(matches!(may_follow("1.11.0", "1.13.0-rc1"), Err(Refused::LeavesOut { .. })));
    }

    #[test]
    fn what_is_no_version_forbids_nothing() {
        for from in ["", "master-head", "v1.9", "1.x.0"] {
            assert_eq!(may_follow(from, "1.11.0"), Ok(()), "{from}");
        }
    }
}
