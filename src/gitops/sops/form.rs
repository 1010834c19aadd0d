//! The forms in which SOPS writes a file, and which of them are encrypted anew here.

use crate::error::{Failure, Kind};

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One document or several.
    Yaml,
    /// Binary files, too: SOPS puts them into JSON.
    Json,
    Variables,
    Ini,
}

impl Form {
    pub(super) fn of(text: &str) -> Self {
        if text.lines().any(|line| line.starts_with("sops_mac=")) {
            Self::Variables
        } else if text.lines().any(|line| line.trim_end() == "[sops]") {
            Self::Ini
        } else if text.trim_start().starts_with('{') {
            Self::Json
        } else {
            Self::Yaml
        }
    }

    /// Why a file of this form is left to SOPS itself.
    pub(super) fn left_to_sops(self) -> Option<Failure> {
        let form = match self {
            Self::Yaml | Self::Json => return None,
            Self::Variables => "variables (`.env`)",
            Self::Ini => "INI",
        };
        let why = format!(
            "it is a file of SOPS in the form of {form}, which homelab does not open or encrypt anew"
        );
        Some(Failure::new(Kind::Refused, why).hint(
            "`sops decrypt FILE` shows it. To rotate: take it out of the tree, run this, put it back, then \
             `sops updatekeys FILE` and `sops rotate --in-place FILE`; `--forget` looks whether that was done",
        ))
    }
}

/// Whether the end or the beginning of a file that is too large to be read shows that SOPS wrote it.
pub fn shows_section(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.contains("ENC[AES256_GCM,")
        && text.lines().any(|line| {
            let line = line.trim_end();
            line == "sops:"
                || line == "[sops]"
                || line.starts_with("sops_mac=")
                || line.trim_start().starts_with("\"sops\":")
        })
}
