//! Runs in this process whose clock goes fast, against the emulator as it is: what takes minutes of
//! waiting is seen in seconds.
//!
//! Only the run's own clock is hurried. Proxmox's goes on as it does, and is moved by hand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use homelab::{
    adapter::{RealWorld, proxmox::ProxmoxClient},
    engine::{Run, lease},
    error::{Failure, Result},
    event::{Event, Events},
    inventory::{self, LoadOptions, Overrides, Pins},
    journal::Journal,
    observe::{Depth, observe},
    ports::{Clock, World as _},
    secret::Secret,
};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::world::World;

/// How many seconds pass for a run in one.
const SPEED: u32 = 50;

/// The real ports, but for time.
type Hurried = RealWorld<HurriedClock>;

pub(crate) struct HurriedClock {
    begun: Instant,
    /// Seconds that the computer slept.
    slept: AtomicU64,
}

impl Clock for HurriedClock {
    fn now(&self) -> Duration {
        self.begun.elapsed() * SPEED + Duration::from_secs(self.slept.load(Ordering::Relaxed))
    }

    fn wall(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration / SPEED).await;
    }
}

/// An operator with a state folder of his own, who takes the lease and does nothing under it.
pub(crate) struct Operator {
    pub(crate) run: Arc<Run<Hurried>>,
    name: String,
    events: UnboundedReceiver<Event>,
}

impl Operator {
    /// With the world's inventory as it is now.
    pub(crate) fn new(world: &World, name: &str) -> Self {
        let path = world.path("homelab.yaml");
        let options =
            LoadOptions { pins: Pins::Required, path, lock: None, overrides: Overrides::default() };
        let desired = inventory::load(&options).unwrap().desired;
        let proxmox = ProxmoxClient::new(&desired.proxmox, Secret::new(world.token())).unwrap();
        let clock = HurriedClock { begun: Instant::now(), slept: AtomicU64::new(0) };
        let hurried = Hurried::with_clock(&desired, proxmox, clock).unwrap();
        let folder = world.path(name);
        fs_err::create_dir_all(&folder).unwrap();
        let (journal, _) = Journal::open(&folder).unwrap();
        let memory = journal.state().clone();
        let (sender, events) = Events::channel();
        let run = Run::new(hurried, desired, sender, Some(journal), memory);
        Self { run, name: name.to_owned(), events }
    }

    /// Looks, takes the lease, and works under it until the run is stopped or `work` ends.
    pub(crate) async fn works<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        let observed = observe(&self.run, Depth::Proxmox).await?;
        let stop = self.run.stop.clone();
        let until_stopped = async {
            tokio::select! {
                done = work => Ok(done),
                () = stop.cancelled() => {
                    Err(Failure::new(homelab::error::Kind::Interrupted, "stopped on request"))
                }
            }
        };
        lease::holding(&self.run, &observed, &self.name, until_stopped).await
    }

    /// Seconds of this run's clock since it began.
    pub(crate) fn seconds(&self) -> u64 {
        self.run.world.clock().now().as_secs()
    }

    /// Its computer sleeps, and wakes up.
    pub(crate) fn sleeps(&self, seconds: u64) {
        self.run.world.clock().slept.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Waits until so many seconds have passed by this run's clock.
    pub(crate) async fn until(&self, seconds: u64) {
        let left = seconds.saturating_sub(self.seconds());
        self.run.world.clock().sleep(Duration::from_secs(left)).await;
    }

    /// What a person was warned of.
    pub(crate) fn warnings(mut self) -> String {
        let mut texts = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            if let Event::Warning { text, .. } = event {
                texts.push(text);
            }
        }
        texts.join("\n")
    }
}
