//! Binaries out of Debian packages: downloaded and unpacked, never installed on the host.
//!
//! These are programs that are no plain Go build (runc wants cgo and libseccomp) or that would cost
//! minutes for nothing. Upstream versions are pinned; the Debian revision may move, since a mirror keeps
//! only the newest one and that one carries the security fixes.

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    ArtifactError,
    cache::{Build, sha256_of},
};

/// The release that the guests run, so that the packages' C library is the guests' own.
const RELEASE: &str = "bookworm";

/// Package and upstream version.
pub(crate) const PACKAGES: [(&str, &str); 7] = [
    ("busybox-static", "1:1.35.0"),
    ("containerd", "1.6.20"),
    ("containernetworking-plugins", "1.1.1"),
    ("etcd-client", "3.4.23"),
    ("etcd-server", "3.4.23"),
    ("libseccomp2", "2.5.4"),
    ("runc", "1.1.5"),
];

/// Lists the packages as they were found; its hash stands for all of them.
pub(crate) const INDEX: &str = "packages.txt";

const REMEDY: &str = "the lab runs on Debian or a system with Debian's apt";

pub(crate) fn make(build: &Build<'_>) -> Result<(), ArtifactError> {
    let debs = build.directory.join("debs");
    fs_err::create_dir(&debs)?;
    let options = sources(build)?;
    let wanted = PACKAGES.map(|(package, version)| format!("{package}={version}*"));
    let mut download = Command::new("apt-get");
    download
        .current_dir(&debs)
        .args(&options)
        .arg("-q")
        .arg("-oAPT::Sandbox::User=root")
        .arg("download");
    build.run(download.args(wanted), REMEDY)?;

    let root = build.directory.join("root");
    fs_err::create_dir(&root)?;
    let mut files: Vec<Utf8PathBuf> = Vec::new();
    for entry in debs.read_dir_utf8()? {
        files.push(entry?.into_path());
    }
    files.sort();
    let mut index = String::new();
    for file in &files {
        build.run(Command::new("dpkg-deb").arg("-x").arg(file).arg(&root), REMEDY)?;
        let name = file.file_name().expect("read from a directory");
        index.push_str(&format!("{}  {name}\n", sha256_of(file)?));
    }
    for (package, _) in PACKAGES {
        if !index.contains(&format!("  {package}_")) {
            let reason = format!("apt gave no {package}");
            return Err(ArtifactError::Content { artifact: build.name(), reason });
        }
    }
    fs_err::write(build.directory.join(INDEX), index)?;
    Ok(())
}

/// apt's options that make it look at the wanted release: none where the host runs it, else a private
/// configuration over the host's own mirror, which leaves the host's untouched.
fn sources(build: &Build<'_>) -> Result<Vec<String>, ArtifactError> {
    let os = fs_err::read_to_string("/etc/os-release").unwrap_or_default();
    if os.lines().any(|line| line == format!("VERSION_CODENAME={RELEASE}")) {
        return Ok(Vec::new());
    }
    let listed = Command::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"])
        .output();
    let listed = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let mirror = listed.unwrap_or_default();
    let mirror = mirror
        .lines()
        .map(|line| line.trim_end_matches('/'))
        .find(|line| line.ends_with("/debian"));
    let Some(mirror) = mirror else {
        return Err(ArtifactError::Content {
            artifact: build.name(),
            reason: format!("apt's sources name no Debian mirror to fetch {RELEASE} from"),
        });
    };
    let private = build.directory.join("apt");
    for directory in ["lists/partial", "cache/archives/partial"] {
        fs_err::create_dir_all(private.join(directory))?;
    }
    let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let list = private.join("sources.list");
    fs_err::write(&list, format!("deb [signed-by={keyring}] {mirror} {RELEASE} main\n"))?;
    let options = private_options(&private, &list);
    let mut update = Command::new("apt-get");
    build.run(update.args(&options).args(["-q", "-oAPT::Sandbox::User=root", "update"]), REMEDY)?;
    Ok(options)
}

fn private_options(private: &Utf8Path, list: &Utf8Path) -> Vec<String> {
    vec![
        format!("-oDir::Etc::SourceList={list}"),
        "-oDir::Etc::SourceParts=/dev/null".into(),
        format!("-oDir::State::Lists={}", private.join("lists")),
        format!("-oDir::Cache={}", private.join("cache")),
    ]
}
