//! One page.

use std::io::{Result, Write};

use clap_mangen::Man;
use roff::{Inline, Roff, bold, roman};

use super::facts;

/// The page of a command, below another one or of the program itself.
pub(super) fn text(command: &clap::Command, above: Option<&str>) -> Result<String> {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    writeln!(page, "{}", title(command))?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut end = Roff::new();
    examples(&mut end, command);
    match above {
        None => {
            section(&mut end, "EXIT STATUS", facts::exit_codes());
            section(&mut end, "ENVIRONMENT", facts::VARIABLES.map(owned));
            section(&mut end, "FILES", facts::FILES.map(owned));
        }
        Some(above) => {
            end.control("SH", ["SEE ALSO"]);
            let program = (above != facts::PROGRAM).then(|| reference(facts::PROGRAM));
            let mut named = reference(above);
            named.extend(
                program.into_iter().flat_map(|program| [vec![roman(", ")], program].concat()),
            );
            end.text(named).control("PP", []);
            end.text([
                roman("Exit codes, environment variables and files are those of all commands: "),
                bold(facts::PROGRAM),
                roman("(1) tells them."),
            ]);
        }
    }
    end.to_writer(&mut page)?;
    // A paragraph's end says it all; readers complain of the breaks around it.
    Ok(String::from_utf8_lossy(&page).replace(".br\n\n.br\n", ".sp\n"))
}

/// Without a date: the same program writes the same pages. clap_mangen leaves what is empty out instead of
/// quoting it, and all that stands behind it moves up.
fn title(command: &clap::Command) -> String {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let version = env!("CARGO_PKG_VERSION");
    format!(r#".TH {name} 1 "" "{program} {version}" "{program}""#, program = facts::PROGRAM)
}

fn reference(name: &str) -> Vec<Inline> {
    vec![bold(name), roman("(1)")]
}

fn owned((term, text): (&str, &str)) -> (String, String) {
    (term.to_owned(), text.to_owned())
}

/// What `--help` ends with, line by line as it stands there.
fn examples(page: &mut Roff, command: &clap::Command) {
    let Some(help) = command.get_after_help().map(ToString::to_string) else { return };
    page.control("SH", ["EXAMPLES"]).control("nf", []);
    for line in help.strip_prefix("Examples:\n").unwrap_or(&help).lines() {
        page.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
    }
    page.control("fi", []);
}

fn section(page: &mut Roff, title: &str, entries: impl IntoIterator<Item = (String, String)>) {
    page.control("SH", [title]);
    for (term, text) in entries {
        page.control("TP", []).text([bold(term)]).text([roman(text)]);
    }
}
