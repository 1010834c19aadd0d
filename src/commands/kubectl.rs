//! `homelab kubectl`: kubectl through SSH; neither the tailnet nor an open port is needed here.

use super::session::{Purpose, Session};
use crate::{
    adapter::kube::forward,
    cli::Global,
    error::{Failure, Kind, Result},
    observe,
    stage::cluster,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// What kubectl is to do
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    pub arguments: Vec<String>,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<u8> {
    let session = Session::open(global, Purpose::Look).await?;
    let code = kubectl(&session, &args).await;
    session.close().await;
    code
}

async fn kubectl(session: &Session, args: &Args) -> Result<u8> {
    let run = &session.run;
    let server = run.desired.first_server().name.clone();
    observe::machine(run, &server).await?;
    let host = run.host(&server).await?;
    let kubeconfig = cluster::read_kubeconfig(&host).await?;
    let forward = forward::Forward::open(host).await?;
    let local = cluster::local_kubeconfig(&kubeconfig, &run.desired.cluster, forward.address())?;
    // 0600, and gone with the command.
    let file = tempfile::NamedTempFile::new()?;
    fs_err::write(file.path(), local.expose())?;
    let status = tokio::process::Command::new("kubectl")
        .args(&args.arguments)
        .env("KUBECONFIG", file.path())
        .status()
        .await
        .map_err(|error| {
            Failure::new(Kind::Runtime, format!("kubectl cannot be started: {error}"))
                .hint("install kubectl, or: homelab ssh SERVER -- sudo k3s kubectl ...")
        })?;
    Ok(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1))
}
