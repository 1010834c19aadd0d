//! A simulated guest: a folder for its files, and what its programs do.
//!
//! What a script does with files it does for real, below the guest's folder; what it asks of a program
//! (`systemctl`, `tailscale`, `ip`, ...) is answered from the state that stands here. A disk is a guest's
//! identity: the folder belongs to it, and a disk that was never booted has none.
//!
//! * [`folder`]: the files of a cloud image, and what the kernel shows below `/proc` and `/sys`.
//! * [`seed`]: the NoCloud disc, as cloud-init reads it.
//! * [`units`]: systemd's units, as far as scripts see them.
//! * [`programs`]: what each program prints and does.
//! * [`surroundings`]: what a guest reaches outside of itself.

pub mod folder;
pub mod programs;
pub mod seed;
pub mod state;
pub mod surroundings;
pub mod units;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};

use self::{
    seed::Seed,
    state::{Hardware, State},
    surroundings::Surroundings,
};

/// What a program left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub status: u8,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    pub fn said(stdout: impl Into<String>) -> Self {
        Self { stdout: stdout.into(), ..Self::default() }
    }

    pub fn failed(status: u8, stderr: impl Into<String>) -> Self {
        Self { status, stderr: stderr.into(), ..Self::default() }
    }

    /// Success without a word, or status 1.
    pub fn whether(holds: bool) -> Self {
        Self { status: u8::from(!holds), ..Self::default() }
    }
}

/// A guest, as long as its disk exists.
pub struct Guest {
    pub vmid: u32,
    /// `HOMELAB_ROOT` of its scripts.
    root: Utf8PathBuf,
    surroundings: Arc<dyn Surroundings>,
    state: Mutex<State>,
}

impl Guest {
    /// A guest whose disk holds a cloud image that was never booted.
    ///
    /// # Errors
    /// When its folder can't be written.
    pub fn new(
        vmid: u32,
        root: Utf8PathBuf,
        hardware: Hardware,
        surroundings: Arc<dyn Surroundings>,
    ) -> std::io::Result<Self> {
        folder::install(&root)?;
        let state = Mutex::new(State::new(hardware));
        Ok(Self { vmid, root, surroundings, state })
    }

    /// A guest that was there before, whose folder holds what it held.
    pub(super) fn restored(
        vmid: u32,
        root: Utf8PathBuf,
        state: State,
        surroundings: Arc<dyn Surroundings>,
    ) -> Self {
        Self { vmid, root, surroundings, state: Mutex::new(state) }
    }

    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    pub(crate) fn surroundings(&self) -> &dyn Surroundings {
        &*self.surroundings
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Power comes: the kernel starts, cloud-init runs where it may, enabled units start.
    ///
    /// # Errors
    /// When its folder can't be written.
    pub fn boot(&self, hardware: Hardware, seed: Option<&Seed>) -> std::io::Result<()> {
        {
            let mut state = self.state();
            state.boot(hardware);
            folder::boot(&self.root, &state)?;
            if !self.root.join("etc/cloud/cloud-init.disabled").exists() {
                seed::run(&self.root, &mut state, seed)?;
            }
            folder::links(&self.root, &state)?;
        }
        let enabled: Vec<String> = self.state().units.enabled();
        for unit in enabled {
            programs::systemctl::start(self, &unit);
        }
        Ok(())
    }

    /// What becomes different under a running guest: cores and memory are seen after a reboot, disks at once.
    ///
    /// # Errors
    /// When its folder can't be written.
    pub fn resized(&self, disk_bytes: u64) -> std::io::Result<()> {
        let mut state = self.state();
        state.hardware.disk_bytes = disk_bytes;
        folder::disks(&self.root, &state)
    }

    /// Power goes.
    pub fn power_off(&self) {
        let (device, node) = {
            let mut state = self.state();
            state.power_off();
            (state.tailscale.device.clone(), state.node_name.clone())
        };
        if let Some(device) = device {
            self.surroundings.set_online(&device, false);
        }
        self.surroundings.node_is_silent(&node);
    }

    /// One call of a program by a script.
    pub fn call(&self, program: &str, arguments: &[String]) -> Answer {
        programs::call(self, program, arguments)
    }
}
