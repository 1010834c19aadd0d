//! `homelab kubectl`: kubectl through SSH; neither the tailnet nor an open port is needed here.

use super::{
    nodes::proved,
    session::{Purpose, Session},
};
use crate::{
    adapter::{
        kube::forward,
        ssh::{first_reachable, system::SystemSsh},
    },
    cli::Global,
    error::{Failure, Kind, Result},
    inventory::Pins,
    model::NodeName,
    script::quote,
    stage::cluster,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  homelab kubectl get nodes -o wide
  homelab kubectl -- --namespace kube-system get pods")]
pub struct Args {
    /// What kubectl is to do
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    pub arguments: Vec<String>,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<u8> {
    let session = Session::open(global, Purpose::Look, Pins::Optional).await?;
    let code = kubectl(&session, &args).await;
    session.close(code).await
}

async fn kubectl(session: &Session, args: &Args) -> Result<u8> {
    let run = &session.run;
    let server = run.desired.first_server().name.clone();
    proved(run, &server).await?;
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
        .await;
    let status = match status {
        Ok(status) => status,
        // The server brings one; files named in the arguments are then the server's.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return on_the_server(session, &server, args).await;
        }
        Err(error) => {
            return Err(Failure::new(Kind::Runtime, format!("kubectl cannot be started: {error}")));
        }
    };
    Ok(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1))
}

async fn on_the_server(session: &Session, server: &NodeName, args: &Args) -> Result<u8> {
    tracing::info!("there is no kubectl here; using the one of {server}");
    let run = &session.run;
    let target = run.target(server)?;
    let address = first_reachable(&target).await?;
    let mut command: Vec<String> =
        ["sudo", "-n", "k3s", "kubectl"].into_iter().map(str::to_owned).collect();
    // ssh joins the words by blanks: each must stay one word of the shell there.
    command.extend(args.arguments.iter().map(|word| quote(word)));
    let key = run.desired.access.private_key.as_deref();
    Ok(SystemSsh::prepare(&target, address, key, &command)?.run().await?)
}
