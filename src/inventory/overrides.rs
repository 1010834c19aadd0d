//! What wins over the file: flags, then the environment.

use std::fmt;

use camino::Utf8PathBuf;
use serde::Serialize;

use crate::{environment, error::Result};

/// Where a value came from; the first that says something wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "from", content = "name")]
pub enum Origin {
    /// A flag of the command line.
    Flag(&'static str),
    /// An environment variable.
    Environment(&'static str),
    File,
    /// The section `defaults` of the file.
    Defaults,
    /// `homelab.lock`.
    Lock,
    /// The program.
    Default,
}

impl Origin {
    /// What it is called where it is set.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Flag(name) | Self::Environment(name) => (*name).to_owned(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(formatter, "flag {name}"),
            Self::Environment(name) => write!(formatter, "environment {name}"),
            Self::File => formatter.write_str("file"),
            Self::Defaults => formatter.write_str("file (defaults)"),
            Self::Lock => formatter.write_str("lock"),
            Self::Default => formatter.write_str("default"),
        }
    }
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override<T> {
    pub value: T,
    pub origin: Origin,
}

/// What wins over the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `https://host:8006`.
    pub endpoint: Option<Override<String>>,
    /// The variable that holds the API token; its value is read when it is used.
    pub token_variable: Option<Override<&'static str>>,
    pub ca_file: Option<Override<Utf8PathBuf>>,
    /// SHA-256 fingerprints, parted by commas.
    pub fingerprint: Option<Override<String>>,
    /// The private SSH key's file.
    pub ssh_key: Option<Override<Utf8PathBuf>>,
}

/// The environment variables that are honoured.
pub(crate) mod variable {
    pub(crate) const ENDPOINT: &str = "PROXMOX_VE_ENDPOINT";
    pub(crate) const TOKEN: &str = "PROXMOX_VE_API_TOKEN";
    pub(crate) const CA_FILE: &str = "PROXMOX_VE_CA_FILE";
    pub(crate) const FINGERPRINT: &str = "PROXMOX_VE_FINGERPRINT";
    pub(crate) const SSH_KEY: &str = "HOMELAB_SSH_KEY";
    pub(super) const ALL: [&str; 5] = [ENDPOINT, TOKEN, CA_FILE, FINGERPRINT, SSH_KEY];
}

impl Overrides {
    /// What this process's environment says; an empty variable says nothing.
    ///
    /// # Errors
    /// When one of the variables is no text.
    pub fn from_environment() -> Result<Self> {
        for name in variable::ALL {
            environment::variable(name)?;
        }
        Ok(Self::from_variables(|name| std::env::var(name).ok()))
    }

    pub(crate) fn from_variables(get: impl Fn(&str) -> Option<String>) -> Self {
        let read = |name: &'static str| {
            let value = get(name).filter(|value| !value.trim().is_empty())?;
            Some(Override { value, origin: Origin::Environment(name) })
        };
        let path = |name| {
            read(name).map(|found| Override { value: found.value.into(), origin: found.origin })
        };
        Self {
            endpoint: read(variable::ENDPOINT),
            token_variable: read(variable::TOKEN)
                .map(|found| Override { value: variable::TOKEN, origin: found.origin }),
            ca_file: path(variable::CA_FILE),
            fingerprint: read(variable::FINGERPRINT),
            ssh_key: path(variable::SSH_KEY),
        }
    }

    /// The same, where flags that were given win over the environment.
    pub fn with_flags(mut self, endpoint: Option<String>, ssh_key: Option<Utf8PathBuf>) -> Self {
        if let Some(value) = endpoint {
            self.endpoint = Some(Override { value, origin: Origin::Flag("--endpoint") });
        }
        if let Some(value) = ssh_key {
            self.ssh_key = Some(Override { value, origin: Origin::Flag("--ssh-key") });
        }
        self
    }

    /// The origin of a field that is overridden.
    pub(crate) fn origin(&self, field: &str) -> Option<Origin> {
        let origin = match field {
            "proxmox.endpoint" => self.endpoint.as_ref().map(|one| &one.origin),
            "proxmox.token" => self.token_variable.as_ref().map(|one| &one.origin),
            "access.private_key" => self.ssh_key.as_ref().map(|one| &one.origin),
            "proxmox.tls.ca_file" => self.ca_file.as_ref().map(|one| &one.origin),
            "proxmox.tls.fingerprints" => self.fingerprint.as_ref().map(|one| &one.origin),
            _ => None,
        };
        origin.cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_wins_over_the_environment_and_an_empty_variable_says_nothing() {
        let environment = |name: &str| match name {
            "PROXMOX_VE_ENDPOINT" => Some("https://from-environment:8006".to_owned()),
            "HOMELAB_SSH_KEY" => Some(" ".to_owned()),
            _ => None,
        };
        let overrides = Overrides::from_variables(environment);
        assert_eq!(overrides.ssh_key, None);
        let overrides = overrides.with_flags(Some("https://from-flag:8006".into()), None);
        let endpoint = overrides.endpoint.unwrap();
        assert_eq!(endpoint.value, "https://from-flag:8006");
        assert_eq!(endpoint.origin, Origin::Flag("--endpoint"));
    }

    #[test]
    fn the_token_itself_is_not_read_here() {
        let overrides = Overrides::from_variables(|name| {
            (name == "PROXMOX_VE_API_TOKEN").then(|| "root@pam!a=secret".to_owned())
        });
        assert!(!format!("{overrides:?}").contains("secret"));
    }
}
