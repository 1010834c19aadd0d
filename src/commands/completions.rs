//! `homelab completions`: the script that makes a shell complete commands, options and names.

use clap_complete::Shell;

use super::session::wants_json;
use crate::{
    cli::Global,
    completion,
    error::Result,
    render::{self, output},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  source <(homelab completions bash)      in ~/.bashrc
  source <(homelab completions zsh)       in ~/.zshrc, behind compinit
  homelab completions fish | source       in ~/.config/fish/config.fish
  eval (homelab completions elvish | slurp)
                                          in ~/.config/elvish/rc.elv
  homelab completions powershell | Out-String | Invoke-Expression
                                          in $PROFILE

Node names come from the inventory that the line's -c, HOMELAB_CONFIG or the default
names, as it is when you press Tab. Read the script anew in each shell, as above: one
that was saved may not fit a newer homelab.")]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<()> {
    let script = completion::script(args.shell)?;
    match wants_json(global) {
        true => {
            let shell = args.shell.to_string();
            render::document(&serde_json::json!({ "shell": shell, "script": script }))
        }
        false => output::data(script),
    }
}
