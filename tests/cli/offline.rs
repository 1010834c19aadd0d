//! A world without its Proxmox.

use tokio::process::Command;

use crate::ended::Ended;

/// A world whose Proxmox is gone.
pub(crate) struct Offline {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) token: String,
}

impl Offline {
    pub(crate) async fn homelab(&self, arguments: &[&str]) -> Ended {
        let output = Command::new(env!("CARGO_BIN_EXE_homelab"))
            .args(arguments)
            .env_clear()
            .env("HOME", self.folder.path())
            .env("TEST_TOKEN", &self.token)
            .current_dir(self.folder.path())
            .output()
            .await
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}
