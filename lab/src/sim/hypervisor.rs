//! The hypervisor of the simulated world: a guest that runs has an SSH server.

use std::{
    collections::BTreeMap,
    io::{Read, Seek, SeekFrom, Write},
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;
use tokio::{
    sync::watch::{self, Receiver},
    task::JoinHandle,
};

use super::{
    guest::{
        Guest,
        seed::Seed,
        state::{Hardware, State},
        surroundings::Surroundings,
    },
    ssh::{Site, Sshd},
};
use crate::{
    hypervisor::{AgentReply, GuestSpec, Hypervisor, Pending, PowerState},
    pve::state::lock,
};

/// Stands at the beginning of a disk that was booted; what follows names the guest's folder.
const TAG: &str = "homelab-lab guest ";
const TAG_LENGTH: usize = TAG.len() + 36;

/// Between two tries to have an address.
const ADDRESS_PAUSE: Duration = Duration::from_millis(20);
/// What lets go of an address has done so by then; another program does not.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(10);

/// A guest that runs.
struct Running {
    guest: Arc<Guest>,
    spec: GuestSpec,
    pid: u32,
    since: Instant,
    /// Whether its boot is over, however that went.
    up: Receiver<bool>,
    /// Brings it up and holds its sshd; ends with the power.
    life: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.life.abort();
    }
}

/// What guests are connected to, once the world is whole.
pub struct Connection {
    pub site: Site,
    pub surroundings: Arc<dyn Surroundings>,
}

/// What the hypervisor remembers of its guests, whose folders are no part of it.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    /// VMID and state of each guest, by its folder's name.
    known: BTreeMap<String, (u32, State)>,
    running: BTreeMap<u32, Life>,
}

/// A guest that ran.
#[derive(Clone, Debug)]
struct Life {
    /// Its folder's name.
    tag: String,
    spec: GuestSpec,
    pid: u32,
    since: Instant,
}

/// Guests as folders with SSH servers.
pub struct SimHypervisor {
    /// Where the guests' folders are.
    folder: Utf8PathBuf,
    /// Each sshd's port.
    port: u16,
    /// From the start of a guest until its sshd answers.
    boot: Duration,
    connection: OnceLock<Connection>,
    /// Every guest whose disk was booted, by its folder's name.
    known: Mutex<BTreeMap<String, Arc<Guest>>>,
    running: Mutex<BTreeMap<u32, Running>>,
}

impl SimHypervisor {
    pub fn new(folder: Utf8PathBuf, port: u16, boot: Duration) -> Self {
        Self {
            folder,
            port,
            boot,
            connection: OnceLock::new(),
            known: Mutex::default(),
            running: Mutex::default(),
        }
    }

    /// Connects guests that start from now on; only the first connection counts.
    pub fn connect(&self, connection: Connection) {
        self.connection.set(connection).ok();
    }

    /// The guests that run.
    pub fn guests(&self) -> Vec<Arc<Guest>> {
        lock(&self.running).values().map(|running| running.guest.clone()).collect()
    }

    /// Where a guest's sshd listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What is remembered now.
    pub(super) fn memory(&self) -> Memory {
        let tag = |guest: &Guest| guest.root().file_name().unwrap_or_default().to_owned();
        let known = lock(&self.known);
        let known = known.iter().map(|(tag, guest)| {
            let state = guest.state().clone();
            (tag.clone(), (guest.vmid, state))
        });
        let running = lock(&self.running);
        let running = running.iter().map(|(vmid, running)| {
            let Running { guest, spec, pid, since, .. } = running;
            let life = Life { tag: tag(guest), spec: spec.clone(), pid: *pid, since: *since };
            (*vmid, life)
        });
        Memory { known: known.collect(), running: running.collect() }
    }

    /// Ends every guest, without a word to anybody.
    pub(super) fn stop_all(&self) {
        lock(&self.running).clear();
        lock(&self.known).clear();
    }

    /// Has these guests and no others, and waits until those that ran have their sshd. Their folders hold already
    /// what they held.
    ///
    /// # Errors
    /// When a guest's folder can't be written or its address can't be had.
    pub(super) async fn remember(&self, memory: &Memory) -> std::io::Result<()> {
        self.stop_all();
        let whole = self.connection.get().ok_or_else(|| std::io::Error::other("no connection"))?;
        for (tag, (vmid, state)) in &memory.known {
            let surroundings = whole.surroundings.clone();
            let root = self.folder.join(tag);
            let guest = Arc::new(Guest::restored(*vmid, root, state.clone(), surroundings));
            whole.site.tools.equip(&guest)?;
            lock(&self.known).insert(tag.clone(), guest);
        }
        for (vmid, Life { tag, spec, pid, since }) in memory.running.clone() {
            let guest = lock(&self.known).get(&tag).cloned();
            let guest = guest.ok_or_else(|| std::io::Error::other("a guest without a disk ran"))?;
            let (site, port, restored) = (whole.site.clone(), self.port, guest.clone());
            let sshd = serve(&restored, port, &site).await?;
            let life = tokio::spawn(async move {
                let _sshd = sshd;
                std::future::pending().await
            });
            let up = watch::channel(true).1;
            lock(&self.running).insert(vmid, Running { guest, spec, pid, since, up, life });
        }
        Ok(())
    }

    /// Waits until no guest boots any more.
    pub(super) async fn settled(&self) {
        let all: Vec<_> = lock(&self.running).values().map(|guest| guest.up.clone()).collect();
        for mut up in all {
            // A guest that lost its power meanwhile boots no more.
            up.wait_for(|up| *up).await.ok();
        }
    }

    fn guest_of(&self, spec: &GuestSpec) -> Result<Arc<Guest>, String> {
        let connection = self.connection.get().ok_or("the world is not whole yet")?;
        let disk = spec.disks.first().ok_or("the guest has no disk to boot from")?;
        let tag = tag(&disk.file).map_err(|error| error.to_string())?;
        if let Some(guest) = lock(&self.known).get(&tag) {
            return Ok(guest.clone());
        }
        let root = self.folder.join(&tag);
        let surroundings = connection.surroundings.clone();
        let guest = Guest::new(spec.vmid, root, hardware(spec), surroundings);
        let guest = Arc::new(guest.map_err(|error| error.to_string())?);
        connection.site.tools.equip(&guest).map_err(|error| error.to_string())?;
        lock(&self.known).insert(tag, guest.clone());
        Ok(guest)
    }

    async fn begin(&self, spec: &GuestSpec) -> Result<(), String> {
        let guest = self.guest_of(spec)?;
        let site = self.connection.get().ok_or("the world is not whole yet")?.site.clone();
        let mut seed = None;
        for file in spec.media.iter().filter_map(|medium| medium.file.as_deref()) {
            seed = seed.or(Seed::read(file).map_err(|error| error.to_string())?);
        }
        let (booted, hardware) = (guest.clone(), hardware(spec));
        let (boot, port) = (self.boot, self.port);
        let (booting, up) = watch::channel(false);
        let life = tokio::spawn(async move {
            tokio::time::sleep(boot).await;
            let sshd = come_up(&booted, hardware, seed, port, &site).await;
            booting.send_replace(true);
            match sshd {
                // It listens as long as the guest has power.
                Ok(_sshd) => std::future::pending().await,
                Err(error) => tracing::error!(%error, "a simulated guest did not come up"),
            }
        });
        let pid = 40_000 + spec.vmid;
        let running = Running { guest, spec: spec.clone(), pid, since: Instant::now(), up, life };
        lock(&self.running).insert(spec.vmid, running);
        Ok(())
    }

    fn end(&self, vmid: u32) -> Option<GuestSpec> {
        let running = lock(&self.running).remove(&vmid)?;
        running.life.abort();
        running.guest.power_off();
        Some(running.spec.clone())
    }
}

/// A guest's boot: its sshd in the end.
async fn come_up(
    guest: &Arc<Guest>,
    hardware: Hardware,
    seed: Option<Seed>,
    port: u16,
    site: &Site,
) -> std::io::Result<Option<Sshd>> {
    let booted = guest.clone();
    let booting = tokio::task::spawn_blocking(move || booted.boot(hardware, seed.as_ref()));
    booting.await.map_err(std::io::Error::other)??;
    serve(guest, port, site).await
}

/// The sshd of a guest that is up; without a seed a cloud image has no address, and nobody reaches it.
async fn serve(guest: &Arc<Guest>, port: u16, site: &Site) -> std::io::Result<Option<Sshd>> {
    let address = guest.state().ethernet.as_ref().map(|ethernet| ethernet.address);
    let Some(address) = address else { return Ok(None) };
    listen(SocketAddr::new(IpAddr::V4(address), port), guest, site).await.map(Some)
}

/// Its sshd, once the address is free: that of a former life, or of a world that stood here before, lets go of it
/// when its task gets to end, which takes its time on a computer that has much to do.
async fn listen(address: SocketAddr, guest: &Arc<Guest>, site: &Site) -> std::io::Result<Sshd> {
    let (since, mut told) = (Instant::now(), false);
    loop {
        match Sshd::start(address, guest.clone(), site.clone()).await {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                if since.elapsed() > ADDRESS_PATIENCE && !std::mem::replace(&mut told, true) {
                    tracing::error!(%address, "another program has a simulated guest's address");
                }
                tokio::time::sleep(ADDRESS_PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

impl Hypervisor for SimHypervisor {
    fn start<'a>(&'a self, guest: &'a GuestSpec) -> Pending<'a, Result<(), String>> {
        Box::pin(self.begin(guest))
    }

    fn shutdown<'a>(&'a self, vmid: u32, _timeout: Duration) -> Pending<'a, bool> {
        Box::pin(async move {
            self.end(vmid);
            true
        })
    }

    fn kill<'a>(&'a self, vmid: u32) -> Pending<'a, ()> {
        Box::pin(async move {
            self.end(vmid);
        })
    }

    fn reset<'a>(&'a self, vmid: u32) -> Pending<'a, Result<(), String>> {
        Box::pin(async move {
            let spec = self.end(vmid).ok_or_else(|| format!("VM {vmid} not running"))?;
            self.begin(&spec).await
        })
    }

    fn reconfigure<'a>(&'a self, guest: &'a GuestSpec) -> Pending<'a, Result<(), String>> {
        Box::pin(async move {
            let mut running = lock(&self.running);
            let Some(running) = running.get_mut(&guest.vmid) else { return Ok(()) };
            running.spec = guest.clone();
            running.guest.resized(hardware(guest).disk_bytes).map_err(|error| error.to_string())
        })
    }

    fn power_state(&self, vmid: u32) -> PowerState {
        lock(&self.running).get(&vmid).map_or(PowerState::Stopped, |running| PowerState::Running {
            pid: running.pid,
            uptime: running.since.elapsed(),
        })
    }

    fn console(&self, vmid: u32) -> Vec<String> {
        let running = lock(&self.running);
        running
            .get(&vmid)
            .map(|running| vec![format!("{} login: ", running.spec.name)])
            .unwrap_or_default()
    }

    fn agent<'a>(
        &'a self,
        _vmid: u32,
        _command: &'a str,
        _arguments: Value,
    ) -> Pending<'a, AgentReply> {
        Box::pin(async { AgentReply::NotRunning })
    }
}

fn hardware(spec: &GuestSpec) -> Hardware {
    Hardware {
        name: spec.name.clone(),
        cores: spec.cores,
        memory_mib: spec.memory_mib,
        disk_bytes: spec.disks.first().map_or(0, |disk| disk.bytes),
        uuid: spec.smbios_uuid.clone(),
        mac: spec.interfaces.first().map(|interface| interface.mac.clone()).unwrap_or_default(),
    }
}

/// What a disk's guest is called; written to it at its first boot, so that a copy of the disk is a copy of
/// the guest, and a fresh clone of an image none.
fn tag(disk: &Utf8Path) -> std::io::Result<String> {
    let mut file = fs_err::OpenOptions::new().read(true).write(true).open(disk)?;
    let mut head = vec![0; TAG_LENGTH];
    let known = file.read_exact(&mut head).is_ok() && head.starts_with(TAG.as_bytes());
    if known {
        return Ok(String::from_utf8_lossy(&head[TAG.len()..]).into_owned());
    }
    let name = uuid::Uuid::new_v4().to_string();
    file.seek(SeekFrom::Start(0))?;
    file.write_all(format!("{TAG}{name}").as_bytes())?;
    Ok(name)
}
