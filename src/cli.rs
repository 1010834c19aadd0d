//! The command line: what can be typed, and nothing of what it does.

mod run;

use std::ffi::OsString;

use camino::{Utf8Path, Utf8PathBuf};
use clap::{
    ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint, error::ErrorKind,
};

use crate::commands::{self, topology::Drawn};
pub use run::{DestroyArgs, PlanArgs, Selection, Traced, UpArgs};

/// Bare metal to cluster: Proxmox VMs, a tailnet, k3s, from one inventory.
#[derive(Debug, Parser)]
#[command(
    name = "homelab",
    version,
    after_help = "Examples:
  homelab init --endpoint https://pve.lan:8006     write a commented inventory
  homelab plan                                     what would be done, why, at what price
  homelab up                                       do it; run it again after anything
  homelab verify                                   is it as it should be?
  homelab ssh k3s-server -- uptime
  homelab kubectl get nodes -o wide"
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "For every command")]
pub struct Global {
    /// The inventory
    #[arg(
        short = 'c',
        long = "config",
        global = true,
        env = "HOMELAB_CONFIG",
        hide_env_values = true,
        default_value = DEFAULT_CONFIG,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        value_parser = config
    )]
    pub config: Utf8PathBuf,
    /// The lock file that pins versions and sha256 (default: homelab.lock beside the inventory)
    #[arg(
        long,
        global = true,
        env = "HOMELAB_LOCK",
        hide_env_values = true,
        value_name = "FILE",
        value_hint = ValueHint::FilePath
    )]
    pub lock: Option<Utf8PathBuf>,
    /// What is printed on stdout
    #[arg(
        short = 'o',
        long = "output",
        global = true,
        value_enum,
        value_name = "FORMAT",
        default_value_t = Form::Text
    )]
    form: Form,
    /// The same, as far as it concerns every command
    #[arg(skip)]
    pub output: OutputFormat,
    /// Colour on the terminal
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// Say more (-v: each request and connection; -vv: everything)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Say only what went wrong
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

pub(crate) const DEFAULT_CONFIG: &str = "homelab.yaml";

/// An empty HOMELAB_CONFIG says nothing.
#[expect(clippy::unnecessary_wraps, reason = "clap wants a result")]
fn config(text: &str) -> Result<Utf8PathBuf, String> {
    Ok(if text.is_empty() { DEFAULT_CONFIG.into() } else { text.into() })
}

/// What may be typed behind `-o`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Text,
    /// Documents; of a run its events, one JSON object a line
    Json,
    /// The checks of `verify` as a JUnit report, for CI
    Junit,
    /// The `topology` as Markdown
    Md,
    /// The `topology` as Mermaid
    Mermaid,
    /// The `topology` as a page
    Html,
}

/// What every command can print. JUnit's form is none of it: it is asked of `verify` in its own arguments,
/// so that no other command can meet it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputFormat {
    #[default]
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "made once a process, from the command line")]
pub enum Command {
    /// Write a commented inventory, or print what Proxmox and the tailnet must allow
    Init(commands::init::Args),
    /// Check the inventory: every fault at once, with its place
    Validate(commands::validate::Args),
    /// Pin versions and sha256 from the publishers' checksum files
    Lock(commands::lock::Args),
    /// Show what `up` would do, why, and at what price
    Plan(PlanArgs),
    /// Make the world as the inventory says
    Up(UpArgs),
    /// Show what is there
    Status(commands::status::Args),
    /// Run every check
    Verify(commands::verify::Args),
    /// Draw the cluster: who reaches what by which way, and how it is
    Topology(commands::topology::Args),
    /// Delete guests, disks, seeds, devices and keys of this cluster
    Destroy(DestroyArgs),
    /// Print the kubeconfig's path, or merge it into your own
    Kubeconfig(commands::kubeconfig::Args),
    /// Run kubectl against the cluster, through SSH: no open port is needed
    ///
    /// Proxmox vouches for the host key, which stands in the guest's marker: so this needs its token, too.
    Kubectl(commands::kubectl::Args),
    /// Open a shell on a node, its host key verified
    ///
    /// Proxmox vouches for the host key, which stands in the guest's marker: so this needs its token, too.
    Ssh(commands::ssh::Args),
    /// Show the scripts that run on the nodes
    Render(commands::render::Args),
    /// Print the JSON schema of the inventory, for your editor
    Schema(commands::schema::Args),
    /// Show the effective configuration, and where each value comes from
    #[command(
        subcommand,
        after_help = "Examples:
  homelab config show                     the inventory as it is meant, defaults and all
  homelab config show --origin            which of flag, environment, file, lock, default won"
    )]
    Config(ConfigCommand),
    /// The repository that Flux reads: render it, compare it, encrypt its Secrets
    #[command(
        subcommand,
        after_help = "Examples:
  homelab gitops init ../homelab-gitops   the whole repository, and the age key of its Secrets
  homelab gitops diff ../homelab-gitops   what a newer inventory or homelab would change
  homelab gitops update ../homelab-gitops changes it; edited files only when you say so"
    )]
    Gitops(commands::gitops::GitopsCommand),
    /// Print the script that completes commands, options and node names in your shell
    Completions(commands::completions::Args),
    /// Write the manual's pages, one a command
    Man(commands::man::Args),
    /// Print the version
    #[command(after_help = "Examples:
  homelab version
  homelab version -o json")]
    Version,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the effective configuration
    Show(commands::config::Args),
}

impl Command {
    /// Where it is to be written what took how long.
    pub fn trace(&self) -> Option<&Utf8Path> {
        let traced = match self {
            Self::Plan(args) => &args.traced,
            Self::Up(args) => &args.traced,
            Self::Verify(args) => &args.traced,
            Self::Destroy(args) => &args.traced,
            _ => return None,
        };
        traced.trace.as_deref()
    }
}

impl Cli {
    /// What was typed.
    ///
    /// # Errors
    /// clap's, for what cannot be understood; and for a form that the command does not print.
    pub fn read<Word>(words: impl IntoIterator<Item = Word>) -> Result<Self, clap::Error>
    where
        Word: Into<OsString> + Clone,
    {
        let mut cli = Self::try_parse_from(words)?;
        match (cli.global.form, &mut cli.command) {
            (Form::Text, _) => {}
            (Form::Json, _) => cli.global.output = OutputFormat::Json,
            (Form::Junit, Command::Verify(args)) => args.junit = true,
            (Form::Md, Command::Topology(args)) => args.drawn = Drawn::Markdown,
            (Form::Mermaid, Command::Topology(args)) => args.drawn = Drawn::Mermaid,
            (Form::Html, Command::Topology(args)) => args.drawn = Drawn::Html,
            (Form::Junit, _) => {
                let message =
                    "`-o junit` is a report of checks, which `homelab verify` alone prints";
                return Err(Self::command().error(ErrorKind::InvalidValue, message));
            }
            (Form::Md | Form::Mermaid | Form::Html, _) => {
                let message =
                    "`-o md|mermaid|html` are drawings, which `homelab topology` alone prints";
                return Err(Self::command().error(ErrorKind::InvalidValue, message));
            }
        }
        Ok(cli)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples() {
        fn check(command: &clap::Command) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:"), "{} has none", command.get_name());
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn junit_is_asked_of_verify_wherever_it_stands_and_of_nothing_else() {
        let read = |line: &str| Cli::read(line.split(' '));
        for line in ["homelab verify -o junit", "homelab -o junit verify"] {
            let cli = read(line).unwrap();
            assert_eq!(cli.global.output, OutputFormat::Text, "failures are told as text");
            assert!(matches!(cli.command, Command::Verify(args) if args.junit), "{line}");
        }
        for command in ["status", "up --yes", "kubectl get nodes"] {
            let error = read(&format!("homelab -o junit {command}")).unwrap_err();
            assert!(error.to_string().contains("`homelab verify` alone"), "{error}");
        }
    }

    #[test]
    fn a_drawing_is_asked_of_topology_alone() {
        let read = |line: &str| Cli::read(line.split(' '));
        for (form, wanted) in
            [("md", Drawn::Markdown), ("mermaid", Drawn::Mermaid), ("html", Drawn::Html)]
        {
            let cli = read(&format!("homelab topology -o {form}")).unwrap();
            assert!(matches!(cli.command, Command::Topology(args) if args.drawn == wanted));
            let error = read(&format!("homelab status -o {form}")).unwrap_err();
            assert!(error.to_string().contains("`homelab topology` alone"), "{error}");
        }
    }

    #[test]
    fn an_empty_path_of_the_inventory_says_nothing() {
        assert_eq!(config("").unwrap(), "homelab.yaml");
        assert_eq!(config("lab.yaml").unwrap(), "lab.yaml");
    }
}
