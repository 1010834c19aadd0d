//! The age key that opens the tree's Secrets: made once, kept outside the tree, in a file of mode 0600.

use std::os::unix::fs::PermissionsExt;

use age::{
    secrecy::ExposeSecret,
    x25519::{Identity, Recipient},
};
use camino::Utf8Path;
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::{
    error::{Failure, Kind, Result},
    inventory::{Desired, desired::SecretStore},
    named_file, private_file,
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
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let Some(target) = named_file::led_to(path) else { return Ok(None) };
                let why = format!("the age key is a link to {target}, where nothing is");
                return Err(failure(why).hint(
                    "put the key back there, mount what holds it, or take the link away where no key is to be kept",
                ));
            }
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
        if text.trim().is_empty() {
            return Err(Failure::new(Kind::Inventory, "the age key's file is empty").hint(
                "put the key back from your backup; where nothing was encrypted for it, delete the file, and a new one is made",
            ));
        }
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

    /// The key in use alone, in a file of its own: of the older one only when it was made is kept, whatever its
    /// comments say.
    ///
    /// # Errors
    ///
    /// When that file would not hold this key: a fault of homelab.
    pub fn alone(&self) -> Result<Self> {
        let is_comment = |line: &&str| line.trim().is_empty() || line.starts_with('#');
        let created = self.text.lines().take_while(is_comment);
        let created = created.filter(|line| line.starts_with("# created: ")).last();
        let identity = &self.identities[0];
        let mut text = Zeroizing::new(created.map_or_else(String::new, |line| format!("{line}\n")));
        text.push_str(&format!("# public key: {}\n", identity.to_public()));
        text.push_str(identity.to_string().expose_secret());
        text.push('\n');
        let key = Self::parse(text)?;
        if key.recipients() == [self.recipient().to_string()] { Ok(key) } else { Err(no_key()) }
    }

    /// Whom files are encrypted for.
    pub fn recipient(&self) -> Recipient {
        self.identities[0].to_public()
    }

    /// What opens files, old ones too.
    pub fn identities(&self) -> &[Identity] {
        &self.identities
    }

    /// Whose files they open, the key in use first.
    pub fn recipients(&self) -> Vec<String> {
        self.identities.iter().map(|identity| identity.to_public().to_string()).collect()
    }

    /// The same of an inventory's own key; `None` where it has none, or it is not to be had here: that is told
    /// where it is needed.
    pub fn held(desired: &Desired) -> Option<Vec<String>> {
        match &desired.gitops.as_ref()?.secrets {
            SecretStore::Sops { identity, .. } => Some(Self::read(identity).ok()??.recipients()),
            SecretStore::External => None,
        }
    }

    /// What Flux's Secret `sops-age` holds under `age.agekey`.
    pub fn for_flux(&self) -> Secret {
        Secret::new(self.text.as_str())
    }

    /// Writes the file: whole or not at all, for nobody else to read. A link to it stays one.
    ///
    /// # Errors
    ///
    /// When the folder or the file can't be written.
    pub fn write(&self, path: &Utf8Path) -> Result<()> {
        private_file::replace(path, &self.text).map_err(|error| unwritten(path).because(error))
    }

    /// Writes a new file, and never over another.
    ///
    /// # Errors
    ///
    /// As [`Self::write`]; and when there is a file.
    pub fn write_new(&self, path: &Utf8Path) -> Result<()> {
        private_file::make(path, &self.text).map_err(|error| unwritten(path).because(error))
    }
}

fn unwritten(path: &Utf8Path) -> Failure {
    Failure::new(Kind::Runtime, "the age key can't be written").at(path)
}

fn no_key() -> Failure {
    Failure::new(Kind::Inventory, "the file holds no age key as age-keygen makes one")
        .hint("AGE-SECRET-KEY-1..., each on a line of its own")
}
