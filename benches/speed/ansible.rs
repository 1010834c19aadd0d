//! The same look at the same hosts by what a person would use instead: Ansible, with the tasks of a usual playbook.
//!
//! Alike: the guests and their sshd, whose host keys both know, the user and key, every host at the same time, one
//! connection a host (Ansible keeps it open from run to run, homelab opens it each time), and what is asked of k3s, tailscaled
//! and their files. Not alike: homelab asks for a good deal more of each host, and asks Proxmox, the control plane
//! and Kubernetes, too; Ansible is started with its interpreter warm in the computer's cache, and carries its
//! modules to the host for each task, which is what it is.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use camino::Utf8PathBuf;
use homelab_lab::sim::world::Options;

use crate::{
    operator::Operator,
    report::{Report, Row},
    sample::Samples,
    usage::run,
};

const PLAYBOOK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/speed/ansible/playbook.yml");
const GOAL: f64 = 20.0;

/// Where `ansible-playbook` is: `scripts/bench` makes it available.
pub(crate) fn program() -> Option<PathBuf> {
    std::env::var_os("HOMELAB_BENCH_ANSIBLE").map(PathBuf::from)
}

/// In a world in which nothing is to be done.
pub(crate) async fn measure(
    report: &mut Report,
    operator: &Operator,
    program: &Path,
    nodes: u32,
    samples: usize,
) {
    let inventory = write_files(operator);
    let (mut ratios, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    // The first leaves Ansible's connections open, and its modules compiled.
    for sample in 0..=samples {
        let said = operator.path("ansible-said");
        let file = fs_err::File::create(&said).unwrap().into_file();
        let mut command = Command::new(program);
        command
            .arg("--inventory")
            .arg(inventory.as_std_path())
            .arg(PLAYBOOK)
            .env("ANSIBLE_CONFIG", operator.path("ansible.cfg"))
            .env("HOME", operator.path("home"))
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        let usage = run(command).await;
        let said = fs_err::read_to_string(said).unwrap();
        assert!(usage.success, "{said}");
        assert!(said.contains("changed=0") && !said.contains("changed=1"), "{said}");
        let own = operator.succeed(&["up", "--yes"]).await.wall.as_secs_f64();
        if sample == 0 {
            continue;
        }
        let other = usage.wall.as_secs_f64();
        ratios.push(other / own);
        ours.push(own * 1000.0);
        theirs.push(other * 1000.0);
    }
    let ratio = Samples::new(ratios);
    report.row(Row {
        name: format!("Ansible beside a no-op `up`, {nodes} nodes"),
        measured: format!("{:.0} ms", Samples::new(theirs).median()),
        floor: format!("{:.0} ms (homelab)", Samples::new(ours).median()),
        ratio: ratio.to_string(),
        goal: format!("at least {GOAL}"),
    });
    report.number(&["noop", &nodes.to_string(), "ansible_over_homelab"], ratio.median());
}

/// The hosts with their keys, and settings that do not slow it down.
fn write_files(operator: &Operator) -> Utf8PathBuf {
    let (mut servers, mut agents, mut known) = (String::new(), String::new(), String::new());
    let port = Options::default().ssh_port;
    for guest in operator.world.hypervisor.guests() {
        let read = |path: &str| fs_err::read_to_string(guest.root().join(path)).unwrap();
        let (name, key) = (read("etc/hostname"), read("etc/ssh/ssh_host_ed25519_key.pub"));
        let name = name.trim();
        let address = operator.world.address(guest.vmid - 1000);
        known.push_str(&format!("[{address}]:{port} {}\n", key.trim()));
        let line = format!("{name} ansible_host={address}\n");
        if name == "server" { servers.push_str(&line) } else { agents.push_str(&line) }
    }
    let hosts = format!("[servers]\n{servers}[agents]\n{agents}");
    let known_hosts = operator.path("known_hosts");
    fs_err::write(&known_hosts, known).unwrap();
    fs_err::create_dir_all(operator.path("home")).unwrap();
    let settings = format!(
        "[defaults]\ninterpreter_python = /usr/bin/python3\nforks = 500\nremote_user = debian\n\
         remote_port = {port}\nprivate_key_file = {}\n\
         [ssh_connection]\npipelining = True\n\
         ssh_args = -F none -o ControlMaster=auto -o ControlPersist=20s -o StrictHostKeyChecking=yes \
         -o UserKnownHostsFile={known_hosts}\ncontrol_path_dir = {}\n",
        operator.path("key"),
        operator.path("cp"),
    );
    fs_err::write(operator.path("ansible.cfg"), settings).unwrap();
    let inventory = operator.path("hosts.ini");
    fs_err::write(&inventory, hosts).unwrap();
    inventory
}
