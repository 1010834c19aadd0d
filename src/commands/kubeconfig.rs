//! `homelab kubeconfig`: a file of its own, or merged into yours when you ask for it.

use std::io::Write;

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    nodes::proved,
    session::{Purpose, Session, wants_json},
};
use crate::{
    cli::Global,
    error::{Failure, Kind, Result},
    inventory::Pins,
    journal::lock::state_folder,
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
    #[arg(long, num_args = 0..=1, value_name = "FILE")]
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
            let path = state_folder(&cluster)?.join("kubeconfig");
            write_private(&path, kubeconfig.expose())?;
            path
        }
        Some(path) => {
            let path = path.map_or_else(default_kubeconfig, Ok)?;
            let existing = match fs_err::read_to_string(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
                Err(error) => return Err(error.into()),
            };
            write_private(&path, &cluster::merge_kubeconfig(&existing, kubeconfig.expose())?)?;
            path
        }
    };
    match wants_json(global) {
        true => render::document(&serde_json::json!({ "path": path })),
        false => output::line(path),
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

fn default_kubeconfig() -> Result<Utf8PathBuf> {
    if let Ok(path) = std::env::var("KUBECONFIG") {
        // A list of files: kubectl writes into the first.
        if let Some(first) = path.split(':').find(|path| !path.is_empty()) {
            return Ok(Utf8PathBuf::from(first));
        }
    }
    std::env::var("HOME").map(|home| Utf8PathBuf::from(home).join(".kube/config")).map_err(|_| {
        Failure::new(Kind::Usage, "HOME is not set").hint("name the file: --merge FILE")
    })
}

/// Replaces a file as a whole; readable by its owner alone from its first byte.
fn write_private(path: &Utf8Path, text: &str) -> Result<()> {
    let folder = path.parent().filter(|folder| *folder != "").unwrap_or(Utf8Path::new("."));
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
    use super::*;

    #[test]
    fn a_kubeconfig_is_written_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("deep/config");
        write_private(&path, "a").unwrap();
        write_private(&path, "b").unwrap();
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "b");
        assert_eq!(fs_err::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
