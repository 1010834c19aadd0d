//! The age key that opens the tree's Secrets: made once, kept outside the tree, in a file of mode 0600.

use std::{io::Write, os::unix::fs::OpenOptionsExt, os::unix::fs::PermissionsExt};

use age::{
    secrecy::ExposeSecret,
    x25519::{Identity, Recipient},
};
use camino::Utf8Path;
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::{
    error::{Failure, Kind, Result},
    named_file,
    secret::Secret,
};

/// An identity file: the key in use first, then retired ones that open older files.
pub struct AgeKey {
    identities: Vec<Identity>,
    text: Zeroizing<String>,
}

impl AgeKey {
    /// A new key, in no file yet.
    pub fn generate(now: Timestamp) -> Self {
        let identity = Identity::generate();
        let text = Zeroizing::new(format!(
            "# created: {}\n# public key: {}\n{}\n",
            now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            identity.to_public(),
            identity.to_string().expose_secret(),
        ));
        Self { identities: vec![identity], text }
    }

    /// The key in a file; `None` when there is no file.
    ///
    /// # Errors
    ///
    /// When others may read it or it holds no key.
    pub fn read(path: &Utf8Path) -> Result<Option<Self>> {
        let failure = |why: String| Failure::new(Kind::Inventory, why).at(path);
        let unreadable = |error: std::io::Error| {
            failure("the age key can't be read".into())
                .because(error)
                .hint("`gitops.secrets.sops.identity` names it")
        };
        // Opened once: what is checked is what is read.
        let file = match named_file::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(failure(format!("others may read the age key (mode {mode:04o})"))
                .hint(format!("chmod 600 {path}")));
        }
        let bytes = Zeroizing::new(named_file::bounded(file, named_file::KEY).map_err(unreadable)?);
        let text = std::str::from_utf8(&bytes).map_err(|_| no_key().at(path))?;
        Self::parse(Zeroizing::new(text.to_owned())).map(Some).map_err(|failure| failure.at(path))
    }

    /// The keys of an identity file's text.
    ///
    /// # Errors
    ///
    /// When it holds none.
    pub fn parse(text: Zeroizing<String>) -> Result<Self> {
        let lines = text.lines().map(str::trim);
        let keys = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let identities: Option<Vec<Identity>> = keys.map(|line| line.parse().ok()).collect();
        match identities {
            Some(identities) if !identities.is_empty() => Ok(Self { identities, text }),
            _ => Err(no_key()),
        }
    }

    /// This key in use, and an older one retired behind it.
    #[must_use]
    pub fn before(self, older: &Self) -> Self {
        let text = format!("{}\n# retired\n{}", self.text.trim_end(), older.text.trim_start());
        let identities = self.identities.into_iter().chain(older.identities.iter().cloned());
        Self { identities: identities.collect(), text: Zeroizing::new(text + "\n") }
    }

    /// The key in use alone.
    #[must_use]
    pub fn alone(self) -> Self {
        let text = self.text.split("# retired").next().unwrap_or_default().trim_end().to_owned();
        let identities = self.identities.into_iter().take(1).collect();
        Self { identities, text: Zeroizing::new(text + "\n") }
    }

    /// Whom files are encrypted for.
    pub fn recipient(&self) -> Recipient {
        self.identities[0].to_public()
    }

    /// What opens files, old ones too.
    pub fn identities(&self) -> &[Identity] {
        &self.identities
    }

    /// What Flux's Secret `sops-age` holds under `age.agekey`.
    pub fn for_flux(&self) -> Secret {
        Secret::new(self.text.as_str())
    }

    /// Writes the file: whole or not at all, for nobody else to read.
    ///
    /// # Errors
    ///
    /// When the folder or the file can't be written.
    pub fn write(&self, path: &Utf8Path) -> Result<()> {
        let folder = path.parent().filter(|folder| *folder != "").unwrap_or(Utf8Path::new("."));
        fs_err::create_dir_all(folder)?;
        // Made with mode 0600, and renamed when it is on the disk.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(self.text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        fs_err::File::open(folder)?.sync_all()?;
        Ok(())
    }

    /// Writes a new file, and never over another.
    ///
    /// # Errors
    ///
    /// As [`Self::write`]; and when there is a file.
    pub fn write_new(&self, path: &Utf8Path) -> Result<()> {
        let folder = path.parent().filter(|folder| *folder != "").unwrap_or(Utf8Path::new("."));
        fs_err::create_dir_all(folder)?;
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| {
                Failure::new(Kind::Runtime, "the age key can't be written").at(path).because(error)
            })?;
        file.write_all(self.text.as_bytes())?;
        file.sync_all()?;
        Ok(())
    }
}

fn no_key() -> Failure {
    Failure::new(Kind::Inventory, "the file holds no age key as age-keygen makes one")
        .hint("AGE-SECRET-KEY-1..., each on a line of its own")
}
