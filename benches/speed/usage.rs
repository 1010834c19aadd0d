//! What a process takes: time, processor time, memory.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// `/proc` counts processor time in hundredths of a second, on every architecture.
const TICKS: f64 = 100.0;
/// How often the memory is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Of one process, without those that it waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) success: bool,
    pub(crate) wall: Duration,
    pub(crate) cpu: f64,
    /// The most that lay in memory at once.
    pub(crate) peak_bytes: u64,
}

/// Runs a command. Its memory is read while it runs: what `wait4` tells of a child begins with what its
/// parent had, and this parent is a whole world.
pub(crate) async fn run(mut command: Command) -> Usage {
    let begun = Instant::now();
    let mut child = command.spawn().unwrap();
    let process = Pid::from_child(&child);
    let mut waiting = tokio::task::spawn_blocking(move || {
        // Left as it is: what it took can be read until somebody takes its end.
        waitid(WaitId::Pid(process), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
        begun.elapsed()
    });
    let mut look = tokio::time::interval(LOOK);
    let mut peak_bytes = 0;
    let wall = loop {
        tokio::select! {
            ended = &mut waiting => break ended.unwrap(),
            _ = look.tick() => peak_bytes = peak_bytes.max(high_water(process).unwrap_or(0)),
        }
    };
    let folder = format!("/proc/{}", process.as_raw_nonzero());
    let [own, _] = times(&folder);
    let success = child.wait().unwrap().success();
    Usage { success, wall, cpu: own, peak_bytes }
}

fn high_water(process: Pid) -> Option<u64> {
    let path = format!("/proc/{}/status", process.as_raw_nonzero());
    let status = fs_err::read_to_string(path).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// Processor seconds of a process, and of the children that it waited for.
fn times(folder: &str) -> [f64; 2] {
    let stat = fs_err::read_to_string(format!("{folder}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks: Vec<f64> =
        fields.split(' ').skip(11).take(4).map(|field| field.parse().unwrap()).collect();
    [(ticks[0] + ticks[1]) / TICKS, (ticks[2] + ticks[3]) / TICKS]
}

/// The computer's processors, and our part of them, from a moment on.
pub(crate) struct Machine {
    since: Instant,
    busy: f64,
    ours: f64,
}

impl Machine {
    pub(crate) fn now() -> Self {
        Self { since: Instant::now(), busy: busy(), ours: ours() }
    }

    /// Of all processor time since then, what this process, its world and its children had.
    pub(crate) fn share_of_ours(&self, without: f64) -> f64 {
        (ours() - self.ours - without) / self.whole()
    }

    /// What everything else had.
    pub(crate) fn share_of_others(&self) -> f64 {
        ((busy() - self.busy) - (ours() - self.ours)).max(0.0) / self.whole()
    }

    fn whole(&self) -> f64 {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        self.since.elapsed().as_secs_f64() * processors as f64
    }
}

fn ours() -> f64 {
    times("/proc/self").iter().sum()
}

/// All but idle and waiting for disks.
fn busy() -> f64 {
    let stat = fs_err::read_to_string("/proc/stat").unwrap();
    let fields = stat.lines().next().unwrap().split_whitespace().skip(1);
    let ticks: Vec<f64> = fields.map(|field| field.parse().unwrap()).collect();
    (ticks[..3].iter().sum::<f64>() + ticks[5..8].iter().sum::<f64>()) / TICKS
}
