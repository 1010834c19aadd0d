//! What all steps of a run share.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, OnceLock},
    time::Duration,
};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{
    early::Early,
    lease::{self, Tenure},
    repository::Repository,
    together::Together,
};
use crate::{
    error::{Failure, Kind, Result},
    event::Events,
    inventory::{Desired, desired::Exposure},
    journal::{Journal, Record, RunState},
    model::NodeName,
    plan::{guest::SEED_DRIVE, probe::HostProbe},
    ports::{
        ClusterAccess, Connector, ContentKind, Device, Host, HostOf, HostTarget, Proxmox,
        ProxmoxError, Tailnet, TailnetError, Volume, World,
    },
    secret::Secret,
    stage::{cluster, guest},
};

/// The place of a node's connection: empty until it is made, locked while it is.
type Slot<W> = Arc<tokio::sync::Mutex<Option<HostOf<W>>>>;

/// The cluster handle of a world.
pub type ClusterOf<W> = <<W as World>::ClusterAccess as ClusterAccess>::Cluster;

/// A run: the world, what is wanted of it, and what is remembered.
pub struct Run<W: World> {
    pub world: W,
    pub desired: Desired,
    pub events: Events,
    /// Cancelled by the first Ctrl-C or the run's deadline: steps end where they can be taken up again.
    pub stop: CancellationToken,
    /// What Flux reads.
    pub repository: Repository,
    journal: Mutex<Option<Journal>>,
    /// What the journal folds to. Looks hold on to it for a moment, and a copy for each look of each node would
    /// take its time squared.
    memory: Mutex<Arc<RunState>>,
    hosts: Mutex<HashMap<NodeName, Slot<W>>>,
    pub(super) early: Early<W>,
    host_keys: Mutex<BTreeMap<NodeName, Vec<String>>>,
    found: Mutex<BTreeMap<NodeName, Ipv4Addr>>,
    allocations: Mutex<HashMap<String, Arc<Semaphore>>>,
    cluster: tokio::sync::Mutex<Option<ClusterOf<W>>>,
    devices: Together<Vec<Device>>,
    /// By Proxmox node.
    seeds: Mutex<HashMap<String, Arc<Together<Vec<Volume>>>>>,
    /// Read a moment ago, for the next opening of the cluster's API.
    kubeconfig: Mutex<Option<Secret>>,
    /// What this run holds of the lease; empty in a run that only looks.
    pub(super) tenure: OnceLock<Tenure>,
}

impl<W: World> Run<W> {
    /// A run that only looks has no journal to write to.
    pub fn new(
        world: W,
        desired: Desired,
        events: Events,
        journal: Option<Journal>,
        memory: RunState,
    ) -> Arc<Self> {
        Arc::new(Self {
            world,
            desired,
            events,
            stop: CancellationToken::new(),
            repository: Repository::default(),
            journal: Mutex::new(journal),
            memory: Mutex::new(Arc::new(memory)),
            hosts: Mutex::default(),
            early: Early::default(),
            host_keys: Mutex::default(),
            found: Mutex::default(),
            allocations: Mutex::default(),
            cluster: tokio::sync::Mutex::new(None),
            devices: Together::default(),
            seeds: Mutex::default(),
            kubeconfig: Mutex::default(),
            tenure: OnceLock::new(),
        })
    }

    /// What the journal says now.
    pub fn memory(&self) -> Arc<RunState> {
        lock(&self.memory).clone()
    }

    /// Whether another change may be begun.
    ///
    /// # Errors
    /// [`Kind::Interrupted`] when the run is being stopped; [`Kind::Locked`] when its lease is no longer
    /// safe.
    pub fn may_change(&self) -> Result<()> {
        lease::is_safe(self)?;
        if !self.stop.is_cancelled() {
            return Ok(());
        }
        Err(Failure::new(Kind::Interrupted, super::STOPPED)
            .hint("the same command goes on from here"))
    }

    /// Writes a record and waits until the disk has it.
    pub fn record(&self, record: &Record) -> Result<()> {
        let mut journal = lock(&self.journal);
        let Some(journal) = journal.as_mut() else {
            return Err(Failure::new(
                Kind::Runtime,
                "this command must not change anything (a bug)",
            ));
        };
        journal.append(record)?;
        let mut memory = lock(&self.memory);
        let known = Arc::unwrap_or_clone(std::mem::take(&mut *memory));
        // The journal took it into its own, which is the same; there is no copy of it while nobody looks.
        let state = known.next(record).unwrap_or_else(|_| journal.state().clone());
        *memory = Arc::new(state);
        Ok(())
    }

    /// The host keys that a node may show, as its marker says.
    pub fn trust(&self, node: &NodeName, keys: Vec<String>) {
        lock(&self.host_keys).insert(node.clone(), keys);
    }

    /// A node's tailnet address where the journal does not know it. It may be wrong: whoever answers there
    /// must show the node's host key.
    pub fn found_at(&self, node: &NodeName, address: Ipv4Addr) {
        lock(&self.found).insert(node.clone(), address);
    }

    /// How a node is reached and known.
    ///
    /// # Errors
    /// As [`no_machine`], where no marker of it was seen; [`Kind::Ssh`] where its marker names no host key.
    pub fn target(&self, node: &NodeName) -> Result<HostTarget> {
        let host_keys = lock(&self.host_keys).get(node).cloned().ok_or_else(|| no_machine(node))?;
        if host_keys.is_empty() {
            return Err(Failure::new(Kind::Ssh, "its marker names no host key").at(node));
        }
        self.target_with(node, host_keys).ok_or_else(|| no_machine(node))
    }

    /// The same by these keys; `None` where the inventory has no such node.
    pub(super) fn target_with(
        &self,
        node: &NodeName,
        host_keys: Vec<String>,
    ) -> Option<HostTarget> {
        let wanted = self.desired.nodes.get(node)?;
        let mut addresses = vec![IpAddr::V4(wanted.address)];
        let recorded = lock(&self.memory).devices.get(node).map(|device| device.ipv4);
        if let Some(address) = recorded.or_else(|| lock(&self.found).get(node).copied()) {
            addresses.push(IpAddr::V4(address));
        }
        if self.desired.access.exposure == Exposure::Tailnet {
            // The LAN side, once closed, does not even refuse.
            addresses.reverse();
        }
        Some(HostTarget {
            node: node.clone(),
            addresses,
            port: self.desired.access.port,
            user: self.desired.access.user.clone(),
            host_keys,
        })
    }

    /// The connection to a node: the one that is open, or a new one.
    pub async fn host(&self, node: &NodeName) -> Result<HostOf<W>> {
        let slot = lock(&self.hosts).entry(node.clone()).or_default().clone();
        let mut slot = slot.lock().await;
        if let Some(host) = slot.as_ref().filter(|host| host.is_open()) {
            return Ok(host.clone());
        }
        let target = self.target(node)?;
        let host = match self.early.take(&target).await {
            Some(outcome) => outcome?,
            None => self.world.connector().connect(&target).await?,
        };
        *slot = Some(host.clone());
        Ok(host)
    }

    /// Whether a connection to a node is open, or being made.
    pub(super) fn has_open(&self, node: &NodeName) -> bool {
        let slot = lock(&self.hosts).get(node).cloned();
        slot.is_some_and(|slot| match slot.try_lock() {
            Ok(host) => host.as_ref().is_some_and(Host::is_open),
            Err(_) => true,
        })
    }

    /// Looks at a node: one script over the connection. A connection that broke is not kept, and the look, which
    /// changes nothing, is taken once more over another one.
    pub async fn probe(&self, node: &NodeName) -> Result<HostProbe> {
        match Box::pin(self.probe_once(node)).await {
            Err(failure) if failure.kind == Kind::Ssh => Box::pin(self.probe_once(node)).await,
            outcome => outcome,
        }
    }

    async fn probe_once(&self, node: &NodeName) -> Result<HostProbe> {
        let host = self.host(node).await?;
        self.kept_if_well(node, guest::probe(&host).await).await
    }

    /// The same on a server, and its kubeconfig where it has one.
    pub async fn probe_server(&self, node: &NodeName) -> Result<(HostProbe, Option<Secret>)> {
        let host = self.host(node).await?;
        self.kept_if_well(node, guest::probe_server(&host).await).await
    }

    async fn kept_if_well<T>(&self, node: &NodeName, seen: Result<T>) -> Result<T> {
        if seen.is_err() {
            self.forget_host(node).await;
        }
        seen
    }

    /// Lets go of a connection, so that the next use makes a new one.
    pub async fn forget_host(&self, node: &NodeName) {
        let slot = lock(&self.hosts).entry(node.clone()).or_default().clone();
        let host = slot.lock().await.take();
        if let Some(host) = host {
            host.close().await;
        }
        let first = self.desired.first_server().name.clone();
        if *node == first {
            *self.cluster.lock().await = None;
        }
    }

    /// The devices of the tailnet, by a list that began after this call; see [`Tailnet::devices`].
    pub async fn devices(&self) -> Result<Arc<Vec<Device>>, TailnetError> {
        self.devices.look(self.world.tailnet().devices()).await
    }

    /// What lies where a Proxmox node has its seeds, by a list that began after this call: each guest that is made asks
    /// more than once, and one that lists the seeds of all others for itself takes its part of the time squared.
    pub async fn seeds(&self, proxmox_node: &str) -> Result<Arc<Vec<Volume>>, ProxmoxError> {
        let together = lock(&self.seeds).entry(proxmox_node.to_owned()).or_default().clone();
        let storage = &self.desired.proxmox.seed_storage;
        together.look(self.world.proxmox().volumes(proxmox_node, storage, ContentKind::Iso)).await
    }

    /// The Kubernetes API, through the first server that answers.
    pub async fn cluster(&self) -> Result<ClusterOf<W>> {
        let mut slot = self.cluster.lock().await;
        if let Some(cluster) = slot.as_ref() {
            lock(&self.kubeconfig).take();
            return Ok(cluster.clone());
        }
        let server = &self.desired.first_server().name;
        let host = self.host(server).await?;
        let known = lock(&self.kubeconfig).take();
        let kubeconfig = match known {
            Some(kubeconfig) => kubeconfig,
            None => cluster::read_kubeconfig(&host).await?,
        };
        let cluster = self.world.cluster().open(&host, &kubeconfig).await?;
        *slot = Some(cluster.clone());
        Ok(cluster)
    }

    /// Spares the next opening of the API its reading. Where the API is open this one is not wanted.
    pub fn has_kubeconfig(&self, kubeconfig: Secret) {
        *lock(&self.kubeconfig) = Some(kubeconfig);
    }

    /// Lets go of the handle, so that the next use reads the kubeconfig anew.
    pub async fn forget_cluster(&self) {
        lock(&self.kubeconfig).take();
        *self.cluster.lock().await = None;
    }

    /// How many allocations may run at once on a storage: Proxmox holds a lock for each (PVE-01).
    pub fn allocations(&self, storage: &str) -> Arc<Semaphore> {
        let permits = self.desired.proxmox.parallel_clones.max(1);
        lock(&self.allocations)
            .entry(storage.to_owned())
            .or_insert_with(|| Arc::new(Semaphore::new(permits)))
            .clone()
    }

    /// Ends all connections politely.
    pub async fn close(&self) {
        let nodes: Vec<NodeName> = lock(&self.hosts).keys().cloned().collect();
        for node in nodes {
            self.forget_host(&node).await;
        }
    }

    /// Sets the seed's drive and description under optimistic locking; see [`Proxmox::configure`].
    pub async fn describe(
        &self,
        proxmox_node: &str,
        vmid: crate::model::Vmid,
        set: &[(String, String)],
        digest: &str,
    ) -> Result<()> {
        debug_assert!(set.iter().all(|(key, _)| key == "description" || key == SEED_DRIVE));
        self.may_change()?;
        self.world.proxmox().configure(proxmox_node, vmid, set, &[], Some(digest)).await?;
        Ok(())
    }
}

/// A node is asked for that has no VM of ours: the one way to say so.
pub fn no_machine(node: &NodeName) -> Failure {
    Failure::new(Kind::Unreachable, "there is no VM of ours")
        .at(node)
        .hint("a whole `homelab up` makes it; `homelab status` shows what there is")
}

/// The name of a run: when it began, and something random: in containers all process ids may be 1.
pub fn run_name() -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("{}-{}", jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ"), &random[..8])
}

/// The default limit of a wait for a host that boots.
pub const BOOT_LIMIT: Duration = Duration::from_secs(300);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere must not hide the state from whoever reports it.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
