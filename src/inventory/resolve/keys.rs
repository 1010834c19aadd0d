//! The public keys that may log in.

use camino::{Utf8Path, Utf8PathBuf};

use super::Context;
use crate::{
    inventory::{file::AccessFile, path::FieldPath, report::Report, scalar},
    named_file,
};

/// All public keys: those written, those of the files, or else the one beside the private key. `None` when
/// there is none, or a file can't be read; the report says why.
pub(super) fn public_keys(
    access: &AccessFile,
    private_key: Option<&Utf8Path>,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<Vec<String>> {
    let section = FieldPath::dotted("access");
    let mut keys = access.public_keys.clone();
    let mut whole = true;
    for (index, file) in access.public_key_files.iter().enumerate() {
        let path = section.key("public_key_files").index(index);
        match read(&context.path(file)) {
            Ok(found) => keys.extend(found),
            Err(message) => {
                let suggestion =
                    "make a key pair with `ssh-keygen -t ed25519`, or name another file here";
                report.fault(&path, message, suggestion.to_owned());
                whole = false;
            }
        }
    }
    if access.public_keys.is_empty() && access.public_key_files.is_empty() {
        let Some(private_key) = private_key else {
            report.fault(
                &section,
                "no SSH key may log in",
                "write `public_key_files: [~/.ssh/id_ed25519.pub]`, or name the private key with \
                 `private_key` or HOMELAB_SSH_KEY"
                    .to_owned(),
            );
            return None;
        };
        match read(&Utf8PathBuf::from(format!("{private_key}.pub"))) {
            Ok(found) => keys.extend(found),
            Err(message) => {
                let suggestion = format!(
                    "make it with `ssh-keygen -y -f {private_key} > {private_key}.pub`, or write \
                     `public_keys`"
                );
                let path = section.key("private_key");
                let path = if report.is_written(&path) { path } else { section };
                report.fault(&path, message, suggestion);
                whole = false;
            }
        }
    }
    keys.dedup();
    whole.then_some(keys)
}

/// The keys of a file, or what is wrong with it.
fn read(file: &Utf8Path) -> Result<Vec<String>, String> {
    let text = named_file::text(file, named_file::KEY)
        .map_err(|error| format!("the public key can't be read: {error}"))?;
    if text.contains("PRIVATE KEY") {
        return Err(format!("{file} holds a private key, not a public one"));
    }
    let keys: Vec<String> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    match keys.iter().find(|key| !scalar::is_ssh_public_key(key)) {
        Some(_) => Err(format!("{file} holds a line that is no public key")),
        None if keys.is_empty() => Err(format!("{file} holds no public key")),
        None => Ok(keys),
    }
}
