//! Gets secrets from where the inventory says they are, at the moment they are used.

use std::{
    io::{BufReader, Read},
    os::unix::fs::{FileTypeExt, PermissionsExt},
    process::Stdio,
    time::Duration,
};

use camino::Utf8Path;
use zeroize::Zeroizing;

use super::desired::SecretSource;
use crate::{
    error::{Failure, Kind},
    named_file,
    secret::Secret,
};

/// A password manager may ask for a finger; it has this long.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// A secret that is larger is something else.
const LARGEST: u64 = 64 * 1024;
/// It is larger once it is encrypted for many.
const LARGEST_ENCRYPTED: u64 = named_file::KEY;

impl SecretSource {
    /// Where the secret is, for messages: never the secret.
    pub fn describe(&self) -> String {
        match self {
            Self::Env(name) => format!("environment variable {name}"),
            Self::File(file) => format!("file {file}"),
            // The arguments may say more than they should.
            Self::Command(command) => {
                format!("command {}", command.first().map_or("", String::as_str))
            }
            Self::Age { file, .. } => format!("age file {file}"),
        }
    }

    /// The secret, without the newline that ends a file or an output.
    ///
    /// # Errors
    ///
    /// [`Kind::Inventory`] when it is not there, is empty, or its file can be read by others; the message
    /// says where it was looked for and what to do.
    pub async fn resolve(&self) -> Result<Secret, Failure> {
        self.resolve_like("SECRET").await
    }

    /// The same for a secret of a certain form; `example` shows it, as one word of a shell.
    ///
    /// # Errors
    ///
    /// As [`SecretSource::resolve`].
    pub async fn resolve_like(&self, example: &str) -> Result<Secret, Failure> {
        let text = match self {
            Self::Env(name) => variable(name, example),
            Self::File(file) => private_text(file).await,
            Self::Command(command) => output(command, COMMAND_TIMEOUT).await,
            Self::Age { file, identity } => decrypted(file, identity).await,
        }
        .map_err(|failure| self.located(failure))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            return Err(self.located(match self {
                Self::Env(name) => unset(&format!("{name} is empty"), name, example),
                Self::File(file) => {
                    failure("it is empty").hint(format!("write the secret into {file}"))
                }
                Self::Command(_) => {
                    failure("it printed nothing").hint("run the command yourself, and see why")
                }
                Self::Age { .. } => {
                    failure("it is empty once decrypted").hint("encrypt the secret anew with `age`")
                }
            }));
        }
        if text.contains('\0') {
            return Err(self.located(failure("it holds a NUL")));
        }
        Ok(Secret::new(text))
    }

    /// What is said of a variable names it already.
    fn located(&self, failure: Failure) -> Failure {
        match self {
            Self::Env(_) => failure,
            _ => failure.at(self.describe()),
        }
    }
}

fn variable(name: &str, example: &str) -> Result<Zeroizing<String>, Failure> {
    use std::env::VarError;
    std::env::var(name).map(Zeroizing::new).map_err(|error| match error {
        VarError::NotPresent => unset(&format!("{name} is not set"), name, example),
        // The error itself would show what is there.
        VarError::NotUnicode(_) => {
            Failure::new(Kind::Inventory, format!("what {name} holds is no UTF-8 text"))
        }
    })
}

fn unset(message: &str, name: &str, example: &str) -> Failure {
    Failure::new(Kind::Inventory, message).hint(format!("export {name}={example}"))
}

fn failure(why: &str) -> Failure {
    Failure::new(Kind::Inventory, format!("a secret can't be had: {why}"))
}

/// A file that nobody else may read.
async fn private_text(file: &Utf8Path) -> Result<Zeroizing<String>, Failure> {
    let bytes = private_bytes(file).await?;
    text(bytes)
}

async fn private_bytes(file: &Utf8Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let unreadable = |error: std::io::Error| failure("the file can't be read").because(error);
    // Opened once: what is checked is what is read. A pipe is as good as a file: `file: /dev/fd/63` of a
    // process substitution.
    let opened = named_file::open_any(file).map_err(unreadable)?;
    let metadata = opened.metadata().map_err(unreadable)?;
    // Another mode would not make a device private, and would break the computer.
    if !metadata.is_file() && !metadata.file_type().is_fifo() {
        return Err(failure("it is a device, not a file"));
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(failure(&format!("others may read the file (mode {mode:04o})"))
            .hint(format!("chmod 600 {file}")));
    }
    // Whoever writes into a pipe may take a while.
    tokio::task::spawn_blocking(move || named_file::bounded(opened, LARGEST).map(Zeroizing::new))
        .await
        .map_err(|error| failure("reading it broke off").because(error))?
        .map_err(unreadable)
}

fn text(bytes: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, Failure> {
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        // The error would quote nothing, but its position says something.
        Err(_) => Err(failure("it is no UTF-8 text")),
    }
}

async fn output(command: &[String], timeout: Duration) -> Result<Zeroizing<String>, Failure> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(failure("the command is empty"));
    };
    let child = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failure("the command can't be started").because(error))?;
    let output = tokio::time::timeout(timeout, child.wait_with_output())
        .await
        .map_err(|_| failure(&format!("the command took longer than {} s", timeout.as_secs())))?
        .map_err(|error| failure("the command broke off").because(error))?;
    let stdout = Zeroizing::new(output.stdout);
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let failure = failure(&format!("the command ended with {}", output.status));
        return Err(match complaint.lines().rfind(|line| !line.trim().is_empty()) {
            Some(line) => failure.because(line.trim().to_owned()),
            None => failure,
        });
    }
    text(stdout)
}

async fn decrypted(file: &Utf8Path, identity: &Utf8Path) -> Result<Zeroizing<String>, Failure> {
    let key = private_bytes(identity)
        .await
        .map_err(|failure| failure.hint(format!("the identity is {identity}")))?;
    let encrypted = named_file::bytes(file, LARGEST_ENCRYPTED)
        .map_err(|error| failure("the encrypted file can't be read").because(error))?;
    let name = identity.to_string();
    // Keys of age are not Send; and decryption computes.
    tokio::task::spawn_blocking(move || decrypt(&encrypted, &key, &name))
        .await
        .map_err(|error| failure("decryption broke off").because(error))?
}

fn decrypt(encrypted: &[u8], key: &[u8], name: &str) -> Result<Zeroizing<String>, Failure> {
    let unusable = |error: std::io::Error| failure("the identity can't be used").because(error);
    let identities: Vec<Box<dyn age::Identity>> = if key.starts_with(b"-----BEGIN") {
        match age::ssh::Identity::from_buffer(BufReader::new(key), Some(name.to_owned()))
            .map_err(unusable)?
        {
            identity @ age::ssh::Identity::Unencrypted(_) => vec![Box::new(identity)],
            age::ssh::Identity::Encrypted(_) => {
                return Err(failure("the SSH identity has a passphrase")
                    .hint("use a key of age-keygen, or `command: [age, --decrypt, ...]`"));
            }
            age::ssh::Identity::Unsupported(_) => {
                return Err(failure("age can't use this kind of SSH key")
                    .hint("use an ed25519 or RSA key, or one of age-keygen"));
            }
        }
    } else {
        age::IdentityFile::from_buffer(BufReader::new(key))
            .map_err(unusable)?
            .into_identities()
            .map_err(|error| failure("the identity can't be used").because(error))?
    };
    let refused = |error: age::DecryptError| {
        failure("the file can't be decrypted with this identity").because(error)
    };
    let decryptor =
        age::Decryptor::new_buffered(age::armor::ArmoredReader::new(encrypted)).map_err(refused)?;
    let reader = decryptor.decrypt(identities.iter().map(|one| &**one)).map_err(refused)?;
    let mut bytes = Zeroizing::new(Vec::new());
    reader
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failure("the file can't be decrypted").because(error))?;
    if bytes.len() as u64 > LARGEST {
        return Err(failure(&format!("it is larger than {LARGEST} bytes")));
    }
    text(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use camino::Utf8PathBuf;

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn file(&self, name: &str, mode: u32, bytes: impl AsRef<[u8]>) -> Utf8PathBuf {
            let path = Utf8PathBuf::from_path_buf(self.0.path().join(name)).unwrap();
            fs_err::write(&path, bytes).unwrap();
            fs_err::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            path
        }
    }

    async fn text_of(source: SecretSource) -> Result<String, String> {
        match source.resolve().await {
            Ok(secret) => Ok(secret.expose().to_owned()),
            Err(failure) => Err(failure.to_string()),
        }
    }

    #[tokio::test]
    async fn a_file_loses_its_last_newline_and_nothing_else() {
        let folder = Folder::new();
        let file = folder.file("token", 0o600, " two\nlines \r\n");
        assert_eq!(text_of(SecretSource::File(file)).await.unwrap(), " two\nlines ");
    }

    #[tokio::test]
    async fn a_file_that_others_may_read_is_refused_with_the_command_that_mends_it() {
        let folder = Folder::new();
        let file = folder.file("token", 0o640, "hunter2");
        let failure = SecretSource::File(file.clone()).resolve().await.unwrap_err();
        assert!(failure.message.contains("mode 0640"), "{failure}");
        assert_eq!(failure.hints, [format!("chmod 600 {file}")]);
        assert!(!format!("{failure:?}").contains("hunter2"));
    }

    #[tokio::test]
    async fn a_device_is_refused_without_a_command_that_would_break_the_computer() {
        let failure = SecretSource::File("/dev/null".into()).resolve().await.unwrap_err();
        assert!(failure.to_string().contains("it is a device"), "{failure}");
        assert!(failure.hints.iter().all(|hint| !hint.contains("chmod")), "{:?}", failure.hints);
    }

    #[tokio::test]
    async fn a_command_runs_without_a_shell() {
        let command = |words: &[&str]| {
            SecretSource::Command(words.iter().map(|word| (*word).to_owned()).collect())
        };
        assert_eq!(text_of(command(&["echo", "$HOME;"])).await.unwrap(), "$HOME;");
        let complaint = command(&["sh", "-c", "echo hunter2; echo locked >&2; exit 3"])
            .resolve()
            .await
            .unwrap_err();
        assert_eq!(complaint.chain().last().unwrap(), "locked");
        assert!(!format!("{complaint:?}").contains("hunter2"));
        assert!(text_of(command(&["true"])).await.unwrap_err().contains("it printed nothing"));
    }

    #[tokio::test]
    async fn a_command_that_hangs_is_given_up() {
        let command = ["sleep".to_owned(), "60".to_owned()];
        let failure = output(&command, Duration::from_millis(50)).await.unwrap_err();
        assert!(failure.message.contains("took longer"), "{failure}");
    }

    #[tokio::test]
    async fn what_age_encrypted_is_opened_by_its_identity_alone() {
        let folder = Folder::new();
        let identity = age::x25519::Identity::generate();
        let recipient = identity.to_public();
        let encryptor =
            age::Encryptor::with_recipients([&recipient as &dyn age::Recipient].into_iter())
                .unwrap();
        let mut encrypted = Vec::new();
        let mut writer = encryptor.wrap_output(&mut encrypted).unwrap();
        writer.write_all(b"root@pam!up=secret\n").unwrap();
        writer.finish().unwrap();
        let file = folder.file("token.age", 0o644, &encrypted);
        let printed = secrecy::ExposeSecret::expose_secret(&identity.to_string()).to_owned();
        let right = folder.file("right", 0o600, &printed);
        let other = age::x25519::Identity::generate().to_string();
        let wrong = folder.file("wrong", 0o600, secrecy::ExposeSecret::expose_secret(&other));
        let opened = SecretSource::Age { file: file.clone(), identity: right };
        assert_eq!(text_of(opened).await.unwrap(), "root@pam!up=secret");
        let refused = SecretSource::Age { file, identity: wrong };
        assert!(text_of(refused).await.unwrap_err().contains("can't be decrypted"));
    }

    #[tokio::test]
    async fn a_variable_that_is_not_set_is_named_with_what_to_type() {
        let source = SecretSource::Env("HOMELAB_NOT_SET_ANYWHERE".into());
        let failure = source.resolve_like("'me@pve!up=SECRET'").await.unwrap_err();
        assert_eq!(failure.to_string(), "HOMELAB_NOT_SET_ANYWHERE is not set");
        assert_eq!(failure.hints, ["export HOMELAB_NOT_SET_ANYWHERE='me@pve!up=SECRET'"]);
    }

    #[tokio::test]
    async fn an_empty_secret_is_told_with_what_to_do() {
        let folder = Folder::new();
        let file = folder.file("token", 0o600, "\n");
        let failure = SecretSource::File(file.clone()).resolve().await.unwrap_err();
        assert_eq!(failure.hints, [format!("write the secret into {file}")]);
    }
}
