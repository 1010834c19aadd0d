//! `homelab gitops`: the repository that Flux reads, rendered from the inventory.

mod ask;
mod deploy_key;
mod encrypted;
mod folder;
mod forget;
mod hold;
mod key;
mod pushed;
mod rotate;
mod work;

use camino::Utf8PathBuf;
use clap::{Subcommand, ValueHint};

use crate::{adapter::git_host::Dialect, cli::Global, error::Result};

#[derive(Debug, Subcommand)]
pub enum GitopsCommand {
    /// Render the whole repository into a folder, and make the age key where there is none
    #[command(
        after_help = "Examples:\n  homelab gitops init ../homelab-gitops        render everything into a checkout\n  homelab gitops init . --overwrite README.md    take the rendered file where it was edited"
    )]
    Init(ChangeArgs),
    /// Show what a newer inventory or homelab would change
    #[command(
        after_help = "Examples:\n  homelab gitops diff ../homelab-gitops\n  homelab gitops diff . --detailed-exitcode      2 when there is something to change"
    )]
    Diff(DiffArgs),
    /// Render what changed; edited files only when you say so
    #[command(
        after_help = "Examples:\n  homelab gitops update ../homelab-gitops\n  homelab gitops update . --keep apps/jellyfin/deployment.yaml"
    )]
    Update(ChangeArgs),
    /// Make a new age key and encrypt every Secret anew
    #[command(
        after_help = "Examples:\n  homelab gitops rotate ../homelab-gitops      make a new key, encrypt for it\n  homelab gitops rotate . --forget               once Flux has the new one"
    )]
    Rotate(RotateArgs),
    /// Show an encrypted Secret in the clear
    #[command(after_help = "Examples:\n  homelab gitops reveal apps/authentik/secret.sops.yaml")]
    Reveal(RevealArgs),
    /// Make the age key where there is none, and say where it is
    #[command(
        after_help = "Examples:\n  homelab gitops key                             the public half, for others to encrypt to"
    )]
    Key,
    /// Make the SSH key with which Flux reads the repository, and register it at the repository's host
    #[command(
        after_help = "Examples:\n  homelab gitops deploy-key                            makes the key, prints what to register\n  HOMELAB_GIT_TOKEN=... homelab gitops deploy-key      registers it, read-only\n  homelab gitops deploy-key --host forgejo             at a host of your own"
    )]
    DeployKey(DeployKeyArgs),
}

#[derive(Debug, clap::Args)]
pub struct DeployKeyArgs {
    /// Whose API the repository's host speaks; known for github.com, gitlab.com and codeberg.org
    #[arg(long, value_name = "HOST")]
    pub host: Option<Dialect>,
    /// Where that API is (default: where such a host has it)
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, value_parser = https_or_loopback)]
    pub api: Option<String>,
    /// Take an older key of this cluster away, once the new one is registered
    #[arg(long)]
    pub replace: bool,
}

/// A token goes there: in the clear only to this computer itself.
fn https_or_loopback(text: &str) -> Result<String, String> {
    let url: http::Uri = text.parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
    let is_loopback = matches!(url.host(), Some("127.0.0.1" | "[::1]" | "localhost"));
    match url.scheme_str() {
        Some("https") => Ok(text.to_owned()),
        Some("http") if is_loopback => Ok(text.to_owned()),
        _ => Err("expected https://: a token is sent there".into()),
    }
}

#[derive(Debug, clap::Args)]
pub struct ChangeArgs {
    /// The repository's root: a folder, usually a checkout
    #[arg(value_hint = ValueHint::DirPath)]
    pub folder: Utf8PathBuf,
    /// Take the rendered file where this one was edited (may be repeated)
    #[arg(long, value_name = "PATH")]
    pub overwrite: Vec<String>,
    /// Leave this edited file as it is until it is rendered otherwise again (may be repeated)
    #[arg(long, value_name = "PATH")]
    pub keep: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub struct DiffArgs {
    /// The repository's root
    #[arg(value_hint = ValueHint::DirPath)]
    pub folder: Utf8PathBuf,
    /// Exit with 2 when there is something to change
    #[arg(long)]
    pub detailed_exitcode: bool,
}

#[derive(Debug, clap::Args)]
pub struct RotateArgs {
    /// The repository's root
    #[arg(value_hint = ValueHint::DirPath)]
    pub folder: Utf8PathBuf,
    /// Make no key; take the retired ones out of the key's file, once nothing needs them, here or where Flux reads
    #[arg(long)]
    pub forget: bool,
}

#[derive(Debug, clap::Args)]
pub struct RevealArgs {
    /// The encrypted file
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: Utf8PathBuf,
}

pub(crate) async fn run(global: &Global, command: GitopsCommand) -> Result<u8> {
    match command {
        GitopsCommand::Init(args) => work::init(global, args).await.map(|()| 0),
        GitopsCommand::Diff(args) => work::diff(global, args).await,
        GitopsCommand::Update(args) => work::update(global, args).await.map(|()| 0),
        GitopsCommand::Rotate(args) => rotate::run(global, args).await.map(|()| 0),
        GitopsCommand::Reveal(args) => key::reveal(global, args).await.map(|()| 0),
        GitopsCommand::Key => key::run(global).await.map(|()| 0),
        GitopsCommand::DeployKey(args) => deploy_key::run(global, args).await.map(|()| 0),
    }
}
