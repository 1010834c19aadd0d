//! Copying a file to a node, so that it is there whole or not at all.

use std::time::Duration;

use tokio::io::AsyncRead;

use super::execute::Command;
use crate::{
    model::NodeName,
    ports::{HostError, Output, RemoteFile},
    script::quote,
};

/// The slowest link that we wait for, in bytes a second.
const SLOWEST: u64 = 128 << 10;
/// What checking, syncing and renaming may take on top.
const MARGIN: Duration = Duration::from_secs(120);
/// The status with which the receiving script says that the bytes differ.
const ALTERED: i32 = 65;

/// The command that takes the file on its standard input.
pub(super) fn command<'a, R: AsyncRead>(
    file: &'a RemoteFile,
    size: u64,
    shell: &str,
    input: R,
) -> Command<'a, R> {
    Command {
        doing: &file.remote,
        line: format!("{shell} -c {}", quote(&receiver(file))),
        input,
        keep_open: false,
        limit: MARGIN + Duration::from_secs(size / SLOWEST),
    }
}

/// What the receiver said.
pub(super) fn verdict(
    output: &Output,
    file: &RemoteFile,
    node: &NodeName,
) -> Result<(), HostError> {
    let RemoteFile { local, remote, sha256, .. } = file;
    let reason = match output.status {
        0 => return Ok(()),
        ALTERED => format!(
            "{remote} did not arrive as it is here ({local}): expected sha256 {sha256}, seen {}",
            output.stdout.trim()
        ),
        status => {
            format!("writing {remote} ended with status {status}: {}", output.stderr.trim())
        }
    };
    Err(HostError::Transfer { node: node.clone(), reason })
}

fn receiver(file: &RemoteFile) -> String {
    let RemoteFile { remote, mode, sha256, .. } = file;
    // The temporary file stands beside its target: a rename is atomic only within a file system.
    format!(
        r#"set -eu
target="${{HOMELAB_ROOT:-}}"{remote}
(umask 022; mkdir -p -- "$(dirname -- "$target")")
umask 077
part="$target.homelab-$$"
trap 'rm -f -- "$part"' EXIT
trap 'exit 130' HUP INT TERM
cat >"$part"
seen=$(sha256sum <"$part")
seen=${{seen%% *}}
if [ "$seen" != {sha256} ]; then echo "$seen"; exit {ALTERED}; fi
chmod {mode:o} "$part"
sync "$part"
mv -f -- "$part" "$target""#,
        remote = quote(remote),
        sha256 = quote(sha256),
    )
}
