//! A new age key, and every Secret encrypted anew for it.

use camino::Utf8Path;
use jiff::Timestamp;

use super::{RotateArgs, folder::Folder, key};
use crate::{
    cli::Global,
    commands::session::load,
    error::{Failure, Kind, Result},
    gitops::{
        RULES,
        age_key::AgeKey,
        record::{self, digest},
        rules, sops,
    },
    inventory::Pins,
    render,
};

pub(super) async fn run(global: &Global, args: RotateArgs) -> Result<()> {
    let desired = load(global, Pins::Optional)?;
    let (path, further) = key::place(&desired)?;
    let older = AgeKey::read(path)?.ok_or_else(|| key::missing(path))?;
    let folder = Folder(args.folder.clone());
    let Some(mut record) = folder.record(desired.id)? else {
        return Err(Failure::new(Kind::Usage, "nothing was rendered into this folder yet")
            .at(&args.folder)
            .hint(format!("homelab gitops init {}", args.folder)));
    };
    if args.forget {
        return forget(&folder, path, older);
    }
    // Everything is opened before anything is changed.
    let mut opened = Vec::new();
    for file in folder.encrypted()? {
        let text = folder.read(&file)?.unwrap_or_default();
        let before = sops::open(&text, older.identities()).map_err(|failure| failure.at(&file))?;
        let comment: Vec<&str> = text
            .lines()
            .map_while(|line| line.strip_prefix('#'))
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect();
        let as_rendered = record.holds(&file, &text);
        opened.push((file, comment.join("\n"), before, as_rendered));
    }
    let now = Timestamp::now();
    // The older key stays in the file: until all is pushed, and Flux has the new one, both are needed.
    let newer = AgeKey::generate(now).before(&older);
    newer.write(path)?;
    let mut recipients = vec![newer.recipient()];
    for text in further {
        recipients.push(text.parse().map_err(|why: &str| {
            Failure::new(Kind::Inventory, format!("`{text}` is no age recipient: {why}"))
        })?);
    }
    let count = opened.len();
    for (file, comment, before, as_rendered) in opened {
        let text = sops::seal(&before.document, &comment, &recipients, now)?;
        folder.write(&file, &text)?;
        if as_rendered {
            record.files.insert(file, digest(&text));
        }
    }
    // What else names the recipient.
    if folder.read(RULES)?.is_some_and(|text| record.holds(RULES, &text)) {
        let recipients: Vec<String> = recipients.iter().map(ToString::to_string).collect();
        let text = rules(&recipients)?;
        folder.write(RULES, &text)?;
        record.files.insert(RULES.to_owned(), digest(&text));
    }
    folder.write(record::FILE, &record.text())?;
    if !global.quiet {
        key::tell(path, &newer, true);
        anstream::eprintln!(
            "{count} files were encrypted anew; the older key stays in the file behind the new one.\nNext: \
             commit and push, give Flux the file as Secret flux-system/sops-age, and when it is in sync: \
             homelab gitops rotate --forget {}",
            folder.0
        );
    }
    Ok(())
}

/// Takes retired keys out of the key's file, once no file needs them.
fn forget(folder: &Folder, path: &Utf8Path, key: AgeKey) -> Result<()> {
    let current = key.alone();
    for file in folder.encrypted()? {
        let text = folder.read(&file)?.unwrap_or_default();
        sops::open(&text, current.identities()).map_err(|failure| {
            Failure::new(
                Kind::Refused,
                "a file is not encrypted for the key in use: none was forgotten",
            )
            .at(&file)
            .because(failure)
            .hint(format!("homelab gitops rotate {}", folder.0))
        })?;
    }
    current.write(path)?;
    render::output::line(format_args!(
        "{path} holds the key in use alone: {}",
        current.recipient()
    ))?;
    Ok(())
}
