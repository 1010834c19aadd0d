//! The cgroups that bound a machine, on hosts with cgroup v1, v2, or both.
//!
//! A machine has a group of its own in every hierarchy, below the lab's: systemd-nspawn makes it the
//! root of what the guest sees, its limits are the machine's size, and whatever runs in it is the
//! machine. Groups are the one thing that outlives the lab's namespaces, so they are removed by name.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

/// A mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hierarchy {
    root: Utf8PathBuf,
    unified: bool,
}

/// One group, in every hierarchy at once.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// Below each hierarchy's root: `homelab-lab-NAME/vm102`.
    path: Utf8PathBuf,
    hierarchies: Vec<Hierarchy>,
}

fn hierarchies(mounts: &str) -> Vec<Hierarchy> {
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let (_, root, kind) = (fields.next()?, fields.next()?, fields.next()?);
            let unified = kind == "cgroup2";
            (unified || kind == "cgroup").then(|| Hierarchy { root: root.into(), unified })
        })
        .collect()
}

impl Group {
    /// Makes the group, with the limits that its hierarchies know.
    pub(crate) fn create(path: &Utf8Path) -> std::io::Result<Self> {
        let group = Self::named(path)?;
        for hierarchy in &group.hierarchies {
            let mut folder = hierarchy.root.clone();
            for part in group.path.components() {
                let above = folder.clone();
                folder.push(part);
                if !folder.exists() {
                    fs_err::create_dir(&folder)?;
                    if above == hierarchy.root {
                        weigh(&folder);
                    }
                }
                if hierarchy.unified {
                    for controller in ["cpu", "cpuset", "io", "memory", "pids"] {
                        // Absent where another hierarchy holds the controller.
                        drop(fs_err::write(
                            above.join("cgroup.subtree_control"),
                            format!("+{controller}"),
                        ));
                    }
                } else {
                    // A v1 cpuset admits nobody before it has both, and inherits neither.
                    for file in ["cpuset.cpus", "cpuset.mems"] {
                        if let Ok(inherited) = fs_err::read_to_string(above.join(file)) {
                            fs_err::write(folder.join(file), inherited.trim())?;
                        }
                    }
                    drop(fs_err::write(folder.join("cgroup.clone_children"), "1"));
                }
            }
        }
        Ok(group)
    }

    /// The group as it may stand already.
    pub(crate) fn named(path: &Utf8Path) -> std::io::Result<Self> {
        let mounts = fs_err::read_to_string("/proc/mounts")?;
        Ok(Self { path: path.to_owned(), hierarchies: hierarchies(&mounts) })
    }

    fn folders(&self) -> impl Iterator<Item = Utf8PathBuf> + '_ {
        self.hierarchies.iter().map(|hierarchy| hierarchy.root.join(&self.path))
    }

    /// The files that a process joins the group by, one a hierarchy.
    pub(crate) fn entrances(&self) -> Vec<Utf8PathBuf> {
        self.folders().map(|folder| folder.join("cgroup.procs")).collect()
    }

    /// Bounds the group. More cores than the host has bound nothing.
    pub(crate) fn limit(&self, cores: u32, memory_mib: u64) {
        let bytes = (memory_mib << 20).to_string();
        let host_cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let bounded = usize::try_from(cores).is_ok_and(|cores| cores < host_cores);
        let quota = bounded.then(|| (u64::from(cores) * 100_000).to_string());
        let (quota_v1, quota_v2) =
            (quota.as_deref().unwrap_or("-1"), quota.as_deref().unwrap_or("max"));
        for folder in self.folders() {
            for (file, value) in [
                ("memory.limit_in_bytes", bytes.as_str()),
                ("memory.max", &bytes),
                ("cpu.cfs_quota_us", quota_v1),
                ("cpu.max", &format!("{quota_v2} 100000")),
            ] {
                let file = folder.join(file);
                if file.exists()
                    && let Err(error) = fs_err::write(&file, value)
                {
                    tracing::warn!(%error, "the guest is not bounded as asked");
                }
            }
        }
    }

    /// Every process in the group and below it, as numbered in this PID namespace.
    fn processes(&self) -> Vec<u32> {
        let mut found: Vec<u32> = self
            .folders()
            .flat_map(|folder| below(&folder))
            .filter_map(|folder| fs_err::read_to_string(folder.join("cgroup.procs")).ok())
            .flat_map(|list| {
                list.lines().filter_map(|line| line.parse().ok()).collect::<Vec<u32>>()
            })
            // 0 is a process that this namespace has no number for.
            .filter(|process| *process != 0)
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Kills whatever runs in the group, until nothing does.
    pub(crate) async fn kill(&self) {
        loop {
            let processes = self.processes();
            if processes.is_empty() {
                return;
            }
            for process in processes {
                let Ok(number) = i32::try_from(process) else { continue };
                if let Some(process) = rustix::process::Pid::from_raw(number) {
                    // Gone since it was listed, at worst.
                    let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Removes the group and all below it; they must be empty. Returns what would not go.
    pub(crate) fn remove(&self) -> Vec<Utf8PathBuf> {
        let mut left = Vec::new();
        for folder in self.folders() {
            for group in below(&folder) {
                if fs_err::remove_dir(&group).is_err() && group.exists() {
                    left.push(group);
                }
            }
        }
        left
    }
}

/// A group counts as one process against those of the host that are in none: without more weight a lab
/// of a hundred processes gets what one compiler gets, and its timeouts run out.
fn weigh(lab: &Utf8Path) {
    for (file, weight) in [("cpu.shares", "8192"), ("cpu.weight", "800")] {
        let file = lab.join(file);
        if file.exists()
            && let Err(error) = fs_err::write(&file, weight)
        {
            tracing::warn!(%error, "the lab has the weight of one process");
        }
    }
}

/// A group's folder and all below it, the deepest first.
fn below(folder: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = folder.read_dir_utf8() else { return found };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(below(entry.path()));
        }
    }
    found.push(folder.to_owned());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cgroup_hierarchy_is_found_among_the_mounts() {
        let mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
                      cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(
            hierarchies(mounts),
            [
                Hierarchy { root: "/sys/fs/cgroup/memory".into(), unified: false },
                Hierarchy { root: "/sys/fs/cgroup/unified".into(), unified: true },
            ]
        );
    }

    #[test]
    fn groups_are_listed_from_the_deepest_up() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        fs_err::create_dir_all(root.join("lab/vm101/kubepods")).unwrap();
        let lab = root.join("lab");
        assert_eq!(below(&lab), [lab.join("vm101/kubepods"), lab.join("vm101"), lab]);
    }
}
