//! `multipart/form-data` as the real server takes it apart: with patterns, in a fixed order.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWrite, AsyncWriteExt};

use super::wire::Wire;
use crate::pve::request::Upload;

/// Fields must come within this many bytes, before the file.
const PREAMBLE: usize = 64 * 1024;

/// Where the text of Perl's own `die` points to.
const PLACE: &str = "at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line";

/// Why an upload was not taken in.
#[derive(Debug)]
pub(crate) enum UploadFailure {
    /// The client went away.
    Gone,
    /// Answered with status 500 and this text.
    Refused(String),
}

impl From<std::io::Error> for UploadFailure {
    fn from(error: std::io::Error) -> Self {
        Self::Refused(format!("write to temporary file failed - {error}\n"))
    }
}

/// A new place for an upload below the folder, and the name that the real server would show.
pub(crate) fn place(folder: &Utf8Path) -> (Utf8PathBuf, String) {
    let random: [u8; 16] = rand::random();
    let name = format!("pveupload-{}", hex::encode(random));
    (folder.join(&name), format!("/var/tmp/{name}"))
}

/// Stores a body of `length` bytes in a file.
pub(crate) async fn spool<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    length: u64,
    idle: Duration,
    file: &Utf8Path,
) -> Result<(), UploadFailure> {
    let mut spool = fs_err::tokio::File::create(file).await?;
    let mut left = length;
    while left > 0 {
        let piece = wire.piece(left, idle).await.ok_or(UploadFailure::Gone)?;
        left -= piece.len() as u64;
        spool.write_all(&piece).await?;
    }
    spool.flush().await?;
    Ok(())
}

/// What the parts before the file said, and where the file's bytes begin.
struct Preamble {
    fields: IndexMap<String, Value>,
    file_at: Option<usize>,
}

/// Takes a spooled body apart: the fields `content`, `checksum-algorithm` and `checksum`, then
/// the part `filename`, whose bytes go to `target`.
pub(crate) async fn take_apart(
    body: &Utf8Path,
    length: u64,
    boundary: &str,
    target: Utf8PathBuf,
    shown: String,
) -> Result<(IndexMap<String, Value>, Upload), UploadFailure> {
    let mut file = fs_err::tokio::File::open(body).await?;
    let mut start = vec![0; PREAMBLE.min(usize::try_from(length).unwrap_or(PREAMBLE))];
    file.read_exact(&mut start).await?;
    let preamble = read_preamble(&start, boundary)?;
    let failed = || UploadFailure::Refused(format!("upload failed {PLACE} 1370.\n"));
    let from = preamble.file_at.ok_or_else(failed)? as u64;
    let end = find_end(&mut file, length, from, boundary).await?.ok_or_else(failed)?;
    let bytes = end - from;
    file.seek(std::io::SeekFrom::Start(from)).await?;
    let mut out = fs_err::tokio::File::create(&target).await?;
    tokio::io::copy(&mut file.take(bytes), &mut out).await?;
    out.flush().await?;
    Ok((preamble.fields, Upload { file: target, shown, bytes }))
}

fn read_preamble(start: &[u8], boundary: &str) -> Result<Preamble, UploadFailure> {
    let text: String = start.iter().map(|byte| char::from(*byte)).collect();
    let delimiter = format!("--{boundary}\r\n");
    let mut fields = IndexMap::new();
    let mut rest_at = text.find(&delimiter);
    while let Some(at) = rest_at {
        let head_at = at + delimiter.len();
        let Some(head_length) = text[head_at..].find("\r\n\r\n") else { break };
        let head = &text[head_at..head_at + head_length];
        let data_at = head_at + head_length + 4;
        let name = attribute(head, "name");
        if let Some(filename) = attribute(head, "filename") {
            if name.as_deref() != Some("filename") {
                return Err(UploadFailure::Refused(format!(
                    "wrong field name '{}' for file upload, expected 'filename' {PLACE} 1325.\n",
                    name.unwrap_or_default()
                )));
            }
            let filename: Vec<u8> = filename
                .chars()
                .filter_map(|letter| u8::try_from(u32::from(letter)).ok())
                .collect();
            let filename = String::from_utf8_lossy(&filename).trim().to_owned();
            fields.insert("filename".to_owned(), Value::String(filename));
            // Latin-1 letters take more than a byte in `text`: count them in bytes of the body.
            let file_at = text[..data_at].chars().count();
            return Ok(Preamble { fields, file_at: Some(file_at) });
        }
        let Some(length) = text[data_at..].find(&delimiter) else { break };
        if let Some(name @ ("content" | "checksum-algorithm" | "checksum")) = name.as_deref() {
            let value = text[data_at..data_at + length].trim().to_owned();
            fields.insert(name.to_owned(), Value::String(value));
        }
        rest_at = Some(data_at + length);
    }
    Ok(Preamble { fields, file_at: None })
}

/// `name="value"` in the head of a part.
fn attribute(head: &str, name: &str) -> Option<String> {
    let mark = format!("; {name}=\"");
    let from = head.find(&mark)? + mark.len();
    Some(head[from..].split('"').next()?.to_owned())
}

/// Where the file's bytes end: at the first closing delimiter behind `from`.
async fn find_end(
    file: &mut fs_err::tokio::File,
    length: u64,
    from: u64,
    boundary: &str,
) -> Result<Option<u64>, UploadFailure> {
    let closing = format!("--{boundary}--").into_bytes();
    file.seek(std::io::SeekFrom::Start(from)).await?;
    let mut window: Vec<u8> = Vec::new();
    let mut window_at = from;
    let mut chunk = vec![0; 1 << 20];
    while window_at + (window.len() as u64) < length {
        let read = file.read(&mut chunk).await?;
        if read == 0 {
            break;
        }
        window.extend_from_slice(&chunk[..read]);
        if let Some(at) = find(&window, &closing) {
            let mut end = at;
            for ending in [b'\n', b'\r'] {
                if end > 0 && window[end - 1] == ending {
                    end -= 1;
                }
            }
            return Ok(Some(window_at + end as u64));
        }
        let keep = (closing.len() + 2).min(window.len());
        window_at += (window.len() - keep) as u64;
        window.drain(..window.len() - keep);
    }
    Ok(None)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == needle[0])
        .map(|(at, _)| at)
        .find(|at| haystack[*at..].starts_with(needle))
}
