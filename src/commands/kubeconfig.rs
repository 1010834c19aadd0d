//! `homelab kubeconfig`: a file of its own, or merged into yours when you ask for it.

use std::{
    ffi::OsString,
    io::Write,
    path::{Path, PathBuf},
};

use camino::Utf8PathBuf;

use super::{
    nodes::proved,
    session::{Purpose, Session, wants_json},
};
use crate::{
    cli::Global,
    error::{Failure, Kind, Result},
    inventory::Pins,
    journal::lock::state_folder,
    named_file,
    render::{self, output},
    secret::Secret,
    stage::cluster,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  export KUBECONFIG=$(homelab kubeconfig)   a file of its own (0600)
  homelab kubeconfig --merge                into $KUBECONFIG or ~/.kube/config")]
pub struct Args {
    /// Merge it into this kubeconfig (default: $KUBECONFIG or ~/.kube/config), atomically
    #[arg(long, num_args = 0..=1, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub merge: Option<Option<Utf8PathBuf>>,
    /// Print the kubeconfig itself: it holds a private key
    #[arg(long, conflicts_with = "merge")]
    pub show: bool,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<()> {
    let session = Session::open(global, Purpose::Look, Pins::Optional).await?;
    let fetched = fetch(&session).await;
    let cluster = session.run.desired.cluster.clone();
    let kubeconfig = session.close(fetched).await?;
    if args.show {
        return match wants_json(global) {
            true => render::document(&serde_json::json!({ "kubeconfig": kubeconfig.expose() })),
            false => output::data(kubeconfig.expose()),
        };
    }
    let path = match args.merge {
        None => {
            let path = state_folder(&cluster)?.join("kubeconfig").into_std_path_buf();
            write_private(&path, kubeconfig.expose())?;
            path
        }
        Some(path) => {
            let path = match path {
                Some(path) => path.into_std_path_buf(),
                None => default_kubeconfig(|name| std::env::var_os(name))?,
            };
            let existing = existing(&path)?;
            write_private(&path, &cluster::merge_kubeconfig(&existing, kubeconfig.expose())?)?;
            path
        }
    };
    match wants_json(global) {
        true => render::document(&serde_json::json!({ "path": path.to_string_lossy() })),
        false => output::line(path.display()),
    }
}

/// The kubeconfig with the server's tailnet address and our names in it.
async fn fetch(session: &Session) -> Result<Secret> {
    let run = &session.run;
    let server = run.desired.first_server().name.clone();
    proved(run, &server).await?;
    let host = run.host(&server).await?;
    let kubeconfig = cluster::read_kubeconfig(&host).await?;
    let probe = run.probe(&server).await?;
    let address = probe
        .tailnet_ipv4()
        .ok_or_else(|| Failure::new(Kind::Tailnet, "it has no tailnet address").at(&server))?;
    cluster::portable_kubeconfig(&kubeconfig, &run.desired.cluster, address)
}

/// Where kubectl writes, whatever bytes are in the path.
fn default_kubeconfig(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf> {
    // A list of files: kubectl writes into the first.
    let listed = variable("KUBECONFIG").unwrap_or_default();
    if let Some(first) = std::env::split_paths(&listed).find(|path| !path.as_os_str().is_empty()) {
        return Ok(first);
    }
    variable("HOME").map(|home| PathBuf::from(home).join(".kube/config")).ok_or_else(|| {
        Failure::new(Kind::Usage, "HOME is not set").hint("name the file: --merge FILE")
    })
}

/// What is there already. It is replaced as a whole, which a device must not be.
fn existing(path: &Path) -> Result<String> {
    match named_file::text(path, named_file::DOCUMENT) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Failure::new(Kind::Usage, "nothing can be merged into the kubeconfig")
            .at(path.display())
            .because(error)
            .hint("name another: --merge FILE")),
    }
}

/// Replaces a file as a whole; readable by its owner alone from its first byte.
fn write_private(path: &Path, text: &str) -> Result<()> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs_err::create_dir_all(folder)?;
    // `tempfile` makes its files 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn a_path_that_is_no_text_is_a_path_all_the_same() {
        let bytes = |text: &[u8]| Some(OsString::from_vec(text.to_vec()));
        let list = |name: &str| (name == "KUBECONFIG").then(|| bytes(b":/k\xff/a:/b")).flatten();
        assert_eq!(default_kubeconfig(list).unwrap().into_os_string(), bytes(b"/k\xff/a").unwrap());
        let home = |name: &str| (name == "HOME").then(|| bytes(b"/h\xff")).flatten();
        let expected = bytes(b"/h\xff/.kube/config").unwrap();
        assert_eq!(default_kubeconfig(home).unwrap().into_os_string(), expected);
    }

    #[test]
    fn a_device_is_not_merged_into() {
        let failure = existing(Path::new("/dev/null")).unwrap_err();
        assert_eq!(failure.place.as_deref(), Some("/dev/null"));
        assert_eq!(failure.hints, ["name another: --merge FILE"]);
        assert_eq!(existing(Path::new("/nowhere")).unwrap(), "");
    }

    #[test]
    fn a_kubeconfig_is_written_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/config");
        write_private(&path, "a").unwrap();
        write_private(&path, "b").unwrap();
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "b");
        assert_eq!(fs_err::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
