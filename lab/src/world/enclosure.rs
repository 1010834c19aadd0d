//! The namespaces of a world: made, entered, taken down.

use std::{
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    time::Duration,
};

use camino::Utf8PathBuf;

use super::{
    WorldError,
    place::{Keeper, Place, read_json, write_json},
    wait::until,
};
use crate::machines::Group;

/// How long a world may take to stop in good order before its power is cut.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts a world's first process. It outlives this program; `Child` lets the caller see it die.
pub(crate) fn begin(place: &Place) -> Result<Child, WorldError> {
    let log = fs_err::File::create(place.log())?.into_parts().0;
    let program = std::env::current_exe()?;
    let keeper = Command::new("unshare")
        .args(["--mount", "--net", "--pid", "--ipc", "--fork", "--mount-proc"])
        // If the keeper is killed, the world goes with it.
        .args(["--kill-child=SIGKILL", "--propagation", "private", "--"])
        .arg(program)
        .args(["first-process", "--folder", place.folder.as_str()])
        // Ctrl-C is for the command that runs in the world, not for the world.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    let process = keeper.id();
    let started = started(process).unwrap_or_default();
    write_json(&place.keeper(), &Keeper { process, started })?;
    Ok(keeper)
}

/// The number of the world's first process on the host, while it lives.
pub(crate) fn first_process(place: &Place) -> Option<u32> {
    let keeper = living_keeper(place)?;
    let children = fs_err::read_to_string(format!("/proc/{keeper}/task/{keeper}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

fn living_keeper(place: &Place) -> Option<u32> {
    let keeper: Keeper = read_json(&place.keeper()).ok()?;
    (started(keeper.process)? == keeper.started).then_some(keeper.process)
}

/// When a process began, in ticks since the host's boot; `None` when it is gone or only a zombie.
fn started(process: u32) -> Option<u64> {
    let stat = fs_err::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is a name in brackets and may hold anything (proc(5)).
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// A command that will run in the world, from the current folder.
pub(crate) fn enter(place: &Place, line: &[String]) -> Result<Command, WorldError> {
    let target =
        first_process(place).ok_or_else(|| WorldError::Down { name: place.name.clone() })?;
    let mut command = Command::new("nsenter");
    command
        .args(["--target", &target.to_string(), "--mount", "--net", "--pid", "--ipc"])
        .arg(format!("--wdns={}", std::env::current_dir()?.display()))
        .arg("--")
        .args(line);
    Ok(command)
}

/// Takes a world down, whatever state it is in, and removes its folder's contents but the log.
///
/// # Errors
/// When something would not go; it is named.
pub(crate) fn take_down(place: &Place) -> Result<(), WorldError> {
    if let Some(first) = first_process(place) {
        signal(first, rustix::process::Signal::TERM);
        until(PATIENCE, || living_keeper(place).is_none());
    }
    if let Some(keeper) = living_keeper(place) {
        signal(keeper, rustix::process::Signal::KILL);
        until(PATIENCE, || living_keeper(place).is_none());
    }
    let left = remove_groups(place)?;
    if !left.is_empty() {
        return Err(WorldError::LeftBehind(left));
    }
    for entry in place.folder.read_dir_utf8()? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => fs_err::remove_dir_all(entry.path())?,
            false if entry.path() != place.log() => fs_err::remove_file(entry.path())?,
            false => {}
        }
    }
    Ok(())
}

/// Groups become removable a moment after their last process died.
fn remove_groups(place: &Place) -> Result<Vec<Utf8PathBuf>, WorldError> {
    let group = Group::named(&place.cgroup())?;
    let mut left = Vec::new();
    until(Duration::from_secs(10), || {
        left = group.remove();
        left.is_empty()
    });
    Ok(left)
}

fn signal(process: u32, signal: rustix::process::Signal) {
    if let Some(process) = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw) {
        // Gone already, at worst.
        let _ = rustix::process::kill_process(process, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_was_given_to_another_process_is_not_the_keeper() {
        let folder = tempfile::tempdir().unwrap();
        let place =
            Place::from_folder(Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap());
        let process = std::process::id();
        let began = started(process).unwrap();
        write_json(&place.keeper(), &Keeper { process, started: began }).unwrap();
        assert_eq!(living_keeper(&place), Some(process));
        write_json(&place.keeper(), &Keeper { process, started: began - 1 }).unwrap();
        assert_eq!(living_keeper(&place), None);
    }
}
