//! Who runs: for those who find the cluster held, and to tell whether a holder is still alive.

use crate::model::lease::word;

/// A process, and where it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// `user@host`.
    pub name: String,
    /// Process id and start, `4711@123456`: an id alone is soon somebody else's.
    pub process: String,
    /// The boot and process namespace in which `process` means anything; empty where that is not known.
    pub place: String,
}

impl Holder {
    /// This process.
    pub fn this_process() -> Self {
        let user = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
        let user = user.filter(|user| !user.is_empty()).unwrap_or_else(|| "somebody".into());
        let host = fs_err::read_to_string("/proc/sys/kernel/hostname")
            .ok()
            .or_else(|| std::env::var("HOSTNAME").ok())
            .unwrap_or_default();
        let pid = std::process::id();
        let start = start_of(pid).unwrap_or_default();
        Self {
            name: format!("{}@{}", word(&user), word(host.trim())),
            process: format!("{pid}@{start}"),
            place: place().unwrap_or_default(),
        }
    }

    /// Whether a process that was named at `place` has provably ended. Elsewhere nobody can tell.
    pub fn sees_ended(&self, process: &str, place: &str) -> bool {
        if self.place.is_empty() || self.place != place {
            return false;
        }
        let Some((pid, start)) = process.split_once('@') else { return false };
        let Ok(pid) = pid.parse() else { return false };
        match start_of(pid) {
            Some(seen) => seen != start,
            // `/proc` may hide the processes of others: no signal reaches only one that has ended.
            None => is_gone(pid),
        }
    }
}

/// Computers and containers can share each of these alone: the namespace's number counts up from the same
/// start on every kernel, a container shares its host's boot.
fn place() -> Option<String> {
    let boot = fs_err::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs_err::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}:{}", word(boot.trim()), word(namespace.to_str()?)))
}

fn is_gone(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_none_or(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}

/// When a process started, in ticks after the boot, or nothing where it has ended; `None` when there is none
/// with this id to be seen.
fn start_of(pid: u32) -> Option<String> {
    let line = fs_err::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name, in parentheses, and may hold anything.
    let mut fields = line.rsplit_once(") ")?.1.split(' ');
    // A zombie has ended: only its parent does not know yet.
    if fields.next()? == "Z" {
        return Some(String::new());
    }
    fields.nth(18).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_of_the_same_place_is_ever_seen_to_have_ended() {
        let me = Holder::this_process();
        assert!(!me.sees_ended(&me.process, &me.place));
        assert!(!me.sees_ended("1@1", "another computer"));
        let pid = std::process::id();
        assert!(me.sees_ended(&format!("{pid}@1"), &me.place), "its id is somebody else's now");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let process = format!("{}@{}", child.id(), start_of(child.id()).unwrap_or_default());
        child.wait().unwrap();
        assert!(me.sees_ended(&process, &me.place));
    }
}
