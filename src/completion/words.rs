//! The inventory that a command line names while it is being typed.

use std::ffi::OsString;

use camino::{Utf8Path, Utf8PathBuf};

use crate::{cli::DEFAULT_CONFIG, environment::Home};

/// The inventory of the line that this process is asked about: `homelab -- homelab -c lab.yaml ssh`.
pub(super) fn inventory() -> Utf8PathBuf {
    let line = std::env::args_os().skip_while(|word| word != "--").skip(2);
    let variable = std::env::var("HOMELAB_CONFIG").ok();
    of(line, variable.as_deref(), &Home::default())
}

fn of(line: impl Iterator<Item = OsString>, variable: Option<&str>, home: &Home) -> Utf8PathBuf {
    let typed = typed(line).map(|word| expanded(&word, home));
    let variable = || variable.map(Utf8PathBuf::from).filter(|path| path != "");
    typed.filter(|path| path != "").or_else(variable).unwrap_or_else(|| DEFAULT_CONFIG.into())
}

/// What stands behind the last `-c`. clap cannot be asked: the line is not finished.
fn typed(line: impl Iterator<Item = OsString>) -> Option<String> {
    let mut found = None;
    let mut before = OsString::new();
    // What follows two dashes is another program's.
    for word in line.take_while(|word| word != "--") {
        let named = match word.to_str() {
            _ if before == "-c" || before == "--config" => word.to_str(),
            Some(text) => text.strip_prefix("--config=").or_else(|| {
                let value = text.strip_prefix("-c")?;
                Some(value.strip_prefix('=').unwrap_or(value)).filter(|value| !value.is_empty())
            }),
            None => None,
        };
        found = named.map(str::to_owned).or(found);
        before = word;
    }
    found
}

/// Shells give the words as they were typed: with quotes, and with `~/` for the home folder.
fn expanded(word: &str, home: &Home) -> Utf8PathBuf {
    let plain = shlex::split(word).map_or_else(|| word.to_owned(), |parts| parts.join(" "));
    match (word.strip_prefix("~/").and(plain.strip_prefix("~/")), home.folder()) {
        (Some(below), Some(home)) => home.join(below),
        _ => Utf8Path::new(&plain).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_line(line: &[&str], variable: Option<&str>) -> String {
        let words = line.iter().map(OsString::from);
        of(words, variable, &Home::default()).into_string()
    }

    #[test]
    fn the_inventory_is_named_in_each_of_the_usual_ways() {
        for line in [
            &["-c", "a.yaml", "ssh", ""][..],
            &["ssh", "-ca.yaml", ""],
            &["ssh", "-c=a.yaml"],
            &["--config", "a.yaml"],
            &["up", "--config=a.yaml", "--node", ""],
        ] {
            assert_eq!(of_line(line, Some("b.yaml")), "a.yaml", "{line:?}");
        }
        assert_eq!(of_line(&["ssh", "x", "--", "-c", "a.yaml"], None), "homelab.yaml");
        assert_eq!(of_line(&["ssh", ""], Some("b.yaml")), "b.yaml");
        assert_eq!(of_line(&["ssh", "-c"], Some("")), "homelab.yaml");
    }

    #[test]
    fn a_path_is_what_the_shell_will_make_of_it() {
        assert_eq!(of_line(&["-c", "'my lab.yaml'", "ssh"], None), "my lab.yaml");
        assert_eq!(of_line(&["-c", r"my\ lab.yaml", "ssh"], None), "my lab.yaml");
        let home = Home::default();
        let home = home.folder().map(|home| home.join("lab.yaml").into_string());
        assert_eq!(Some(of_line(&["-c", "~/lab.yaml"], None)), home);
        assert_eq!(of_line(&["-c", "'~/lab.yaml'"], None), "~/lab.yaml");
    }
}
