//! A program that serves the world for as long as it stands.

use std::{process::Stdio, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep},
};

use super::WorldError;

const PATIENCE: Duration = Duration::from_secs(60);

/// A running service; it ends with this value.
#[derive(Debug)]
pub(crate) struct Service {
    name: &'static str,
    log: Utf8PathBuf,
    process: Child,
}

impl Service {
    pub(crate) fn start(
        name: &'static str,
        program: &Utf8Path,
        arguments: &[&str],
        folder: &Utf8Path,
    ) -> Result<Self, WorldError> {
        let mut command = Command::new(program);
        command.args(arguments);
        Self::spawn(name, command, folder)
    }

    /// Starts a command of the caller's making, in `folder`.
    pub(crate) fn spawn(
        name: &'static str,
        mut command: Command,
        folder: &Utf8Path,
    ) -> Result<Self, WorldError> {
        fs_err::create_dir_all(folder)?;
        let log = folder.join(format!("{name}.log"));
        let output = fs_err::File::create(&log)?.into_parts().0;
        let process = command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { name, log, process })
    }

    /// Waits until the service accepts connections.
    pub(crate) async fn listening(&mut self, address: &str) -> Result<(), WorldError> {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).await.is_err() {
            let ended = self.process.try_wait()?.is_some();
            if ended || Instant::now() >= deadline {
                return Err(WorldError::Silent {
                    service: self.name,
                    seconds: PATIENCE.as_secs(),
                    log: self.log.clone(),
                });
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}
