//! The manual's pages, as the programs that show them see them.

use std::process::Command;

use crate::world::World;

/// Programs that complain of what is wrong in a page; they say nothing of a page that is well.
const READERS: [(&str, &[&str]); 3] = [
    ("groff", &["-man", "-ww", "-z", "-Tutf8"]),
    ("man", &["--warnings=w", "--local-file"]),
    ("mandoc", &["-Tlint", "-Wwarning"]),
];

#[tokio::test]
async fn no_reader_of_pages_has_anything_to_say() {
    let world = World::new().await;
    let written = world.homelab(&["man", "share/man/man1"]).await.well().out;
    let pages: Vec<&str> = written.lines().collect();
    assert!(pages.contains(&"share/man/man1/homelab.1"), "{written}");
    assert!(pages.contains(&"share/man/man1/homelab-gitops-rotate.1"), "{written}");
    for (reader, options) in READERS {
        for page in &pages {
            let mut command = Command::new(reader);
            command.args(options).arg(page).current_dir(world.path("")).env("MANWIDTH", "100");
            match command.output() {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    eprintln!("skipped: {reader} is not installed");
                    break;
                }
                ended => {
                    let ended = ended.unwrap();
                    let said = String::from_utf8_lossy(&ended.stderr);
                    let linted = if reader == "mandoc" { &ended.stdout[..] } else { &[] };
                    let linted = String::from_utf8_lossy(linted);
                    // They have none on purpose.
                    let linted: Vec<&str> =
                        linted.lines().filter(|line| !line.contains("missing date")).collect();
                    assert_eq!((said.as_ref(), linted), ("", Vec::new()), "{reader} {page}");
                    let fine = ended.status.success() || reader == "mandoc";
                    assert!(fine, "{reader} {page}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let world = World::new().await;
    let told = world.homelab(&["man", "homelab.yaml/man1"]).await.refused(10);
    assert!(told.contains("homelab.yaml/man1: the pages cannot be written"), "{told}");
}
