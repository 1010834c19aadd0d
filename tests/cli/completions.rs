//! Completions, asked of real shells as far as they are there.

use std::process::Stdio;

use crate::world::World;

/// What bash does on Tab: it calls the function that was registered, and takes what that leaves.
const BASH: &str = r#"
source <(homelab completions bash)
[[ $(complete -p homelab) =~ -F\ ([^ ]+) ]] && function=${BASH_REMATCH[1]}
COMP_WORDS=(homelab "$@") COMP_CWORD=$# COMP_TYPE=9
"$function" homelab "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
"#;

/// The same of zsh, whose own functions need a terminal: a stand-in prints what it would show.
const ZSH: &str = r#"
compdef() { function=$1 }
_describe() { print -rl -- ${(P)${@[-1]}} }
source <(homelab completions zsh)
words=(homelab "$@") CURRENT=$#words
$function
"#;

const FISH: &str = r#"
homelab completions fish | source
complete --do-complete="homelab $argv"
"#;

/// What a shell would put in for the last of these words; `None` where it is not installed.
async fn asked(world: &World, shell: &str, words: &[&str]) -> Option<Vec<String>> {
    let (options, script): (&[&str], _) = match shell {
        "bash" => (&["--norc"], BASH),
        "zsh" => (&["-f"], ZSH),
        _ => (&["--no-config"], FISH),
    };
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_homelab")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = tokio::process::Command::new(shell);
    command
        .args(options)
        .args(["-c", script])
        // fish gives its script all words behind it, the others begin with a name.
        .args((shell != "fish").then_some(shell))
        .args(words)
        .env_clear()
        .env("HOME", world.path("home"))
        .env("PATH", format!("{}:{path}", program.display()))
        .current_dir(world.path(""))
        .stdin(Stdio::null());
    match command.output().await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: {shell} is not installed");
            None
        }
        Err(error) => panic!("{shell}: {error}"),
        Ok(ended) => {
            let said = String::from_utf8(ended.stderr).unwrap();
            assert_eq!(said, "", "{shell} {words:?}");
            let text = String::from_utf8(ended.stdout).unwrap();
            // What follows a name is its description.
            let names = text.lines().filter_map(|line| line.split(['\t', ':']).next());
            Some(names.map(str::to_owned).filter(|name| !name.is_empty()).collect())
        }
    }
}

#[tokio::test]
async fn node_and_stage_names_come_from_the_inventory_in_each_shell() {
    let world = World::new().await;
    world.edit("  server:\n", "  k3s-server:\n");
    world.edit("  agent:\n", "  k3s-agent:\n");
    for shell in ["bash", "zsh", "fish"] {
        for (words, expected) in [
            (&["ssh", "k3s-"][..], &["k3s-server", "k3s-agent"][..]),
            (&["ssh", "k3s-a"], &["k3s-agent"]),
            (&["up", "--node", "k3s-s"], &["k3s-server"]),
            (&["destroy", "--node", "k3s-s"], &["k3s-server"]),
            (&["up", "--until", "ma"], &["machines"]),
            (&["render", "pro"], &["probe"]),
            (&["vali"], &["validate"]),
        ] {
            let Some(mut names) = asked(&world, shell, words).await else { break };
            // Each shell sorts in its own way.
            let mut expected = expected.to_vec();
            expected.sort_unstable();
            names.sort_unstable();
            assert_eq!(names, expected, "{shell} {words:?}");
        }
    }
}

#[tokio::test]
async fn the_inventory_is_the_one_that_the_line_names() {
    let world = World::new().await;
    fs_err::write(world.path("my lab.yaml"), "nodes: {of-another: {}}").unwrap();
    let bash = async |words: &[&str]| asked(&world, "bash", words).await.unwrap_or_default();
    assert_eq!(bash(&["-c", "'my lab.yaml'", "ssh", "o"]).await, ["of-another"]);
    assert_eq!(bash(&["ssh", "-c", r"my\ lab.yaml", "of"]).await, ["of-another"]);
    assert!(bash(&["ssh", ""]).await.contains(&"server".to_owned()));
}

#[tokio::test]
async fn where_there_is_no_inventory_nothing_is_put_in_and_nothing_said() {
    let world = World::new().await;
    for text in [Some("nodes: {a: ["), Some("\u{0}"), None] {
        match text {
            Some(text) => fs_err::write(world.path("homelab.yaml"), text).unwrap(),
            None => fs_err::remove_file(world.path("homelab.yaml")).unwrap(),
        }
        for words in [&["ssh", "k3s-"][..], &["up", "--node", "k"], &["render", "pro"]] {
            let names = asked(&world, "bash", words).await.unwrap_or_default();
            assert_eq!(names, [""; 0], "{text:?} {words:?}");
        }
    }
}

#[tokio::test]
async fn a_foreign_variable_does_not_keep_the_program_from_its_work() {
    let world = World::new().await;
    let mut command = world.command(&["version"]);
    command.env("COMPLETE", "bash").env("HOMELAB_COMPLETE", "no-shell");
    assert!(world.run(command).await.well().out.starts_with("homelab "));
}
