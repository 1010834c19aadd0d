//! Every file at the head of a branch, each as it comes: no more of them is held than one.

use std::collections::BTreeMap;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use super::{GitProgram, call, child, fetched};
use crate::{
    ports::{GitError, GitSource},
    sample::Sample,
};

/// The longest line before an object: its name, its kind and its size.
const LINE: u64 = 256;

impl GitProgram {
    /// Shows every file at the head of the branch, in no order. Links and other repositories are none.
    ///
    /// # Errors
    /// As [`Git::read`](crate::ports::Git::read).
    pub async fn each_file(
        &self,
        source: &GitSource,
        seen: &mut dyn FnMut(&str, &Sample),
    ) -> Result<(), GitError> {
        let fetched = fetched(source).await?;
        let (login, folder) = (&fetched.login, Some(fetched.folder.path()));
        let words = ["ls-tree", "-r", "-z", "--full-tree", "FETCH_HEAD"];
        let listed = call::run(source, login, folder, &words).await?;
        let mut names = names(&listed);
        // Of a fetch of one commit all objects are its own; and no attribute of the repository hides any.
        let words = ["cat-file", "--batch", "--batch-all-objects", "--unordered", "--buffer"];
        let command = child::command(login, folder, &words);
        call::with(source, command, async |stdout| {
            let mut reader = BufReader::new(stdout);
            loop {
                let mut line = String::new();
                if (&mut reader).take(LINE).read_line(&mut line).await? == 0 {
                    return Ok(());
                }
                let mut fields = line.split_ascii_whitespace();
                let object = fields.next().unwrap_or_default();
                let size = fields.nth(1).and_then(|size| size.parse().ok());
                let size: u64 = size
                    .ok_or_else(|| std::io::Error::other("git lists an object without its size"))?;
                let sample = sampled(&mut reader, size).await?;
                // The end of its line.
                reader.read_u8().await?;
                for name in names.remove(object).unwrap_or_default() {
                    seen(&name, &sample);
                }
            }
        })
        .await?;
        match names.into_values().flatten().next() {
            None => Ok(()),
            Some(name) => Err(GitError::Refused {
                url: source.url.clone(),
                reason: format!("it gives no content of `{name}`"),
            }),
        }
    }
}

async fn sampled(reader: &mut (impl AsyncReadExt + Unpin), size: u64) -> std::io::Result<Sample> {
    let mut sample = Sample::new(size);
    let (mut left, mut part) = (size, vec![0; 64 << 10]);
    while left > 0 {
        let length = part.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = reader.read(&mut part[..length]).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        sample.push(&part[..read]);
        left -= read as u64;
    }
    Ok(sample)
}

/// The paths by their contents: `MODE blob OBJECT<tab>PATH`, a NUL behind each.
fn names(listed: &str) -> BTreeMap<String, Vec<String>> {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (about, path) in listed.split('\0').filter_map(|line| line.split_once('\t')) {
        let mut fields = about.split(' ');
        let is_file = fields.next().is_some_and(|mode| mode.starts_with("100"));
        if let (true, Some("blob"), Some(object)) = (is_file, fields.next(), fields.next()) {
            names.entry(object.to_owned()).or_default().push(path.to_owned());
        }
    }
    names
}
