//! Guests that exist only on paper: they run at once and do what they are told.

mod paper;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use paper::Paper;
use serde_json::Value;
use tokio::sync::watch;

use super::state::lock;
use crate::hypervisor::{AgentReply, GuestSpec, Hypervisor, Pending, PowerState};

/// A hypervisor without guests worth the name. Each starts at once; one with its agent on answers
/// like a Debian that has just booted, unless agents were taken away when it
/// started.
pub struct InstantHypervisor {
    guests: Mutex<BTreeMap<u32, Paper>>,
    next_pid: AtomicU32,
    /// Whether guests started from now on have an agent that answers.
    agents: AtomicBool,
    /// Whether guests heed the power button.
    heed_power_button: AtomicBool,
    /// How often a power button was pressed, heeded or not.
    presses: watch::Sender<usize>,
}

impl Default for InstantHypervisor {
    fn default() -> Self {
        Self {
            guests: Mutex::default(),
            next_pid: AtomicU32::new(40_001),
            agents: AtomicBool::new(true),
            heed_power_button: AtomicBool::new(true),
            presses: watch::Sender::new(0),
        }
    }
}

impl InstantHypervisor {
    /// Whether guests that start from now on have an agent that answers.
    pub fn set_agents(&self, answer: bool) {
        self.agents.store(answer, Ordering::Relaxed);
    }

    /// Whether guests power themselves off when asked; at first they do.
    pub fn set_heed_power_button(&self, heed: bool) {
        self.heed_power_button.store(heed, Ordering::Relaxed);
    }

    /// Waits until a guest's power button was pressed.
    pub async fn pressed(&self) {
        // The sender lives as long as this does.
        self.presses.subscribe().wait_for(|presses| *presses > 0).await.ok();
    }

    /// A guest powers itself off.
    pub fn power_off_from_inside(&self, vmid: u32) {
        lock(&self.guests).remove(&vmid);
    }

    /// What a guest was last started from or reconfigured to.
    pub fn spec(&self, vmid: u32) -> Option<GuestSpec> {
        lock(&self.guests).get(&vmid).map(|paper| paper.spec.clone())
    }

    fn begin(&self, guest: &GuestSpec) {
        let pid = self.next_pid.fetch_add(1, Ordering::Relaxed);
        let answers = guest.agent && self.agents.load(Ordering::Relaxed);
        let paper = Paper::new(guest.clone(), pid, answers);
        lock(&self.guests).insert(guest.vmid, paper);
    }
}

impl Hypervisor for InstantHypervisor {
    fn start<'a>(&'a self, guest: &'a GuestSpec) -> Pending<'a, Result<(), String>> {
        Box::pin(async move {
            self.begin(guest);
            Ok(())
        })
    }

    fn shutdown<'a>(&'a self, vmid: u32, timeout: Duration) -> Pending<'a, bool> {
        Box::pin(async move {
            self.presses.send_modify(|presses| *presses += 1);
            if self.heed_power_button.load(Ordering::Relaxed) {
                lock(&self.guests).remove(&vmid);
                return true;
            }
            tokio::time::sleep(timeout).await;
            !lock(&self.guests).contains_key(&vmid)
        })
    }

    fn kill<'a>(&'a self, vmid: u32) -> Pending<'a, ()> {
        Box::pin(async move {
            lock(&self.guests).remove(&vmid);
        })
    }

    fn reset<'a>(&'a self, vmid: u32) -> Pending<'a, Result<(), String>> {
        Box::pin(async move {
            let mut guests = lock(&self.guests);
            let paper = guests.get_mut(&vmid).ok_or_else(|| format!("VM {vmid} not running"))?;
            paper.reset();
            Ok(())
        })
    }

    fn reconfigure<'a>(&'a self, guest: &'a GuestSpec) -> Pending<'a, Result<(), String>> {
        Box::pin(async move {
            if let Some(paper) = lock(&self.guests).get_mut(&guest.vmid) {
                paper.spec = guest.clone();
            }
            Ok(())
        })
    }

    fn power_state(&self, vmid: u32) -> PowerState {
        lock(&self.guests).get(&vmid).map_or(PowerState::Stopped, |paper| PowerState::Running {
            pid: paper.pid,
            uptime: paper.since.elapsed(),
        })
    }

    fn console(&self, vmid: u32) -> Vec<String> {
        lock(&self.guests)
            .get(&vmid)
            .map(|paper| vec![format!("{} login: ", paper.spec.name)])
            .unwrap_or_default()
    }

    fn agent<'a>(
        &'a self,
        vmid: u32,
        command: &'a str,
        arguments: Value,
    ) -> Pending<'a, AgentReply> {
        Box::pin(async move {
            let mut guests = lock(&self.guests);
            match guests.get_mut(&vmid).filter(|paper| paper.answers) {
                Some(paper) => paper.answer(command, &arguments),
                None => AgentReply::NotRunning,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(agent: bool) -> GuestSpec {
        GuestSpec {
            node: "pve1".to_owned(),
            vmid: 100,
            name: "n".to_owned(),
            cores: 1,
            memory_mib: 64,
            disks: Vec::new(),
            media: Vec::new(),
            interfaces: Vec::new(),
            smbios_uuid: String::new(),
            agent,
        }
    }

    #[tokio::test]
    async fn a_guest_runs_at_once_and_may_power_itself_off() {
        let instant = InstantHypervisor::default();
        instant.start(&spec(true)).await.unwrap();
        assert!(matches!(instant.power_state(100), PowerState::Running { .. }));
        instant.power_off_from_inside(100);
        assert_eq!(instant.power_state(100), PowerState::Stopped);
    }

    #[tokio::test]
    async fn agents_that_were_taken_away_do_not_answer_in_later_guests() {
        let instant = InstantHypervisor::default();
        instant.start(&spec(true)).await.unwrap();
        let ping = || instant.agent(100, "guest-ping", json!({}));
        assert_eq!(ping().await, AgentReply::Return(json!({})));
        instant.set_agents(false);
        assert_eq!(ping().await, AgentReply::Return(json!({})));
        instant.kill(100).await;
        instant.start(&spec(true)).await.unwrap();
        assert_eq!(ping().await, AgentReply::NotRunning);
    }

    #[tokio::test]
    async fn a_guest_without_the_agent_device_does_not_answer() {
        let instant = InstantHypervisor::default();
        instant.start(&spec(false)).await.unwrap();
        assert_eq!(instant.agent(100, "guest-ping", json!({})).await, AgentReply::NotRunning);
    }

    #[tokio::test]
    async fn the_power_button_works_where_guests_heed_it() {
        let instant = InstantHypervisor::default();
        instant.set_heed_power_button(false);
        instant.start(&spec(false)).await.unwrap();
        assert!(!instant.shutdown(100, Duration::from_millis(1)).await);
        instant.set_heed_power_button(true);
        assert!(instant.shutdown(100, Duration::from_millis(1)).await);
        assert_eq!(instant.power_state(100), PowerState::Stopped);
    }

    #[tokio::test]
    async fn a_file_written_through_the_agent_reads_back() {
        let instant = InstantHypervisor::default();
        instant.start(&spec(true)).await.unwrap();
        let call = |command: &'static str, arguments: Value| {
            let instant = &instant;
            async move { instant.agent(100, command, arguments).await }
        };
        let open = call("guest-file-open", json!({ "path": "/tmp/x", "mode": "wb" })).await;
        let AgentReply::Return(handle) = open else { panic!("{open:?}") };
        call("guest-file-write", json!({ "handle": handle, "buf-b64": "aGk=" })).await;
        let open = call("guest-file-open", json!({ "path": "/tmp/x", "mode": "rb" })).await;
        let AgentReply::Return(handle) = open else { panic!("{open:?}") };
        let AgentReply::Return(read) = call("guest-file-read", json!({ "handle": handle })).await
        else {
            panic!("no content")
        };
        assert_eq!(read["buf-b64"], "aGk=");
    }
}
