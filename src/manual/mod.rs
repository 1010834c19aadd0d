//! The manual: a page for the program and one for each of its commands, from what `--help` says.

mod facts;
mod page;

use clap::CommandFactory;

use crate::cli::Cli;

/// A page in its file's form, roff.
pub(crate) struct Page {
    /// `homelab-up.1`.
    pub(crate) file: String,
    pub(crate) text: String,
}

/// All pages, that of the program first.
///
/// # Errors
/// Those of a buffer in memory, which has none.
pub(crate) fn pages() -> std::io::Result<Vec<Page>> {
    // `homelab help up` is no command of its own.
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let mut pages = Vec::new();
    add(&program, None, &mut pages)?;
    Ok(pages)
}

fn add(command: &clap::Command, above: Option<&str>, pages: &mut Vec<Page>) -> std::io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    pages.push(Page { file: format!("{name}.1"), text: page::text(command, above)? });
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    shown.into_iter().try_for_each(|command| add(command, Some(name), pages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        fn names(command: &clap::Command, prefix: &str, found: &mut Vec<String>) {
            let name = format!("{prefix}{}", command.get_name());
            found.push(format!("{name}.1"));
            for command in command.get_subcommands() {
                names(command, &format!("{name}-"), found);
            }
        }
        let mut expected = Vec::new();
        names(&Cli::command(), "", &mut expected);
        let files: Vec<String> = pages().unwrap().into_iter().map(|page| page.file).collect();
        assert_eq!(files, expected);
        assert!(files.contains(&"homelab-init-proxmox-role.1".to_owned()));
    }

    #[test]
    fn the_page_of_a_command_has_its_examples() {
        let pages = pages().unwrap();
        let page = pages.iter().find(|page| page.file == "homelab-verify.1").unwrap();
        insta::assert_snapshot!(page.text);
    }

    #[test]
    fn the_page_of_the_program_has_exit_codes_variables_and_files() {
        let pages = pages().unwrap();
        // What every command takes is shown above already.
        let (_, end) = pages[0].text.split_once(".SH EXAMPLES").unwrap();
        insta::assert_snapshot!(end);
    }
}
