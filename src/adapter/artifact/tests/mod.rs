pub(crate) mod dropping;

use std::sync::Mutex;

use camino::{Utf8Path, Utf8PathBuf};
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

use self::dropping::Dropping;
use super::{Cache, Progress};
use crate::{
    adapter::tailnet::scripted::{Answer, Scripted},
    error::Kind,
    inventory::desired::Artifact,
};

const QUIET: Progress<'static> = &|_, _| ();

fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn artifact(url: String, sha256: String) -> Artifact {
    Artifact { version: "1".into(), url, sha256 }
}

fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(folder.path().join("cache")).unwrap();
    (folder, path)
}

fn names(folder: &Utf8Path) -> Vec<String> {
    let entries = folder.read_dir_utf8().unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_owned()).collect()
}

#[tokio::test]
async fn a_file_is_fetched_once_and_found_again() {
    let (_keep, folder) = folder();
    let server = Scripted::start(vec![Answer::ok("the binary")]).await;
    let wanted = artifact(format!("{}/k3s", server.endpoint), sha256("the binary"));
    let seen = Mutex::new(Vec::new());
    let progress = |done: u64, total: Option<u64>| seen.lock().unwrap().push((done, total));
    let cache = Cache::at(folder.clone());
    let path = cache.file(&wanted, &progress).await.unwrap();
    assert_eq!(cache.file(&wanted, QUIET).await.unwrap(), path);
    assert_eq!(fs_err::read_to_string(&path).unwrap(), "the binary");
    assert_eq!(seen.lock().unwrap().last(), Some(&(10, Some(10))));
    assert_eq!(server.lines(), ["GET /k3s"]);
    assert_eq!(names(&folder), [wanted.sha256]);
}

#[tokio::test]
async fn an_altered_byte_is_refused_and_nothing_of_it_is_kept() {
    let (_keep, folder) = folder();
    let server = Scripted::start(vec![Answer::ok("the bInary")]).await;
    let wanted = artifact(format!("{}/k3s", server.endpoint), sha256("the binary"));
    let failure = Cache::at(folder.clone()).file(&wanted, QUIET).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Refused);
    assert!(failure.message.contains(&wanted.sha256), "{failure}");
    assert!(failure.message.contains(&sha256("the bInary")), "{failure}");
    assert_eq!(names(&folder), Vec::<String>::new());
}

#[tokio::test]
async fn a_cached_file_that_was_altered_is_fetched_again() {
    let (_keep, folder) = folder();
    let server = Scripted::start(vec![Answer::ok("the binary")]).await;
    let wanted = artifact(format!("{}/k3s", server.endpoint), sha256("the binary"));
    std::fs::create_dir(&folder).unwrap();
    fs_err::write(folder.join(&wanted.sha256), "something else").unwrap();
    let path = Cache::at(folder).file(&wanted, QUIET).await.unwrap();
    assert_eq!(fs_err::read_to_string(path).unwrap(), "the binary");
}

#[tokio::test]
async fn a_download_that_breaks_is_begun_again_and_a_missing_one_is_not() {
    let (_keep, folder) = folder();
    let whole = Answer::ok("the binary");
    let server = Scripted::start(vec![Answer::HangUp, Answer::status("503 Busy"), whole]).await;
    let wanted = artifact(format!("{}/k3s", server.endpoint), sha256("the binary"));
    Cache::at(folder.clone()).file(&wanted, QUIET).await.unwrap();
    assert_eq!(server.lines().len(), 3);
    let server = Scripted::start(vec![Answer::status("404 Not Found")]).await;
    let wanted = artifact(format!("{}/k3s", server.endpoint), sha256("another"));
    let failure = Cache::at(folder).file(&wanted, QUIET).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Unreachable);
    assert!(failure.to_string().contains("404"), "{failure}");
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|number| (number * 7 % 251) as u8).collect()
}

#[tokio::test]
async fn a_download_goes_on_where_the_connection_broke() {
    let (_keep, folder) = folder();
    let content = bytes(300_000);
    let server = Dropping::start(content.clone(), &[100_000, 100_000], "\"one\"").await;
    let wanted = artifact(server.url(), sha256(&content));
    let path = Cache::at(folder.clone()).file(&wanted, QUIET).await.unwrap();
    assert!(fs_err::read(path).unwrap() == content);
    let ranges = server.ranges();
    assert_eq!(ranges[0], None);
    // How much of what was sent arrived before the connection broke is the system's business.
    let begins: Vec<u64> = ranges[1..].iter().map(|range| range.expect("a part")).collect();
    assert!(begins.len() == 2 && begins[0] > 0 && begins[1] > begins[0], "{ranges:?}");
    assert_eq!(names(&folder), [wanted.sha256]);
}

#[tokio::test]
async fn a_download_of_a_killed_run_goes_on_and_one_of_another_version_does_not() {
    let (_keep, folder) = folder();
    std::fs::create_dir(&folder).unwrap();
    let content = bytes(300_000);
    let wanted = |server: &Dropping| artifact(server.url(), sha256(&content));
    let left = |note: &str, part: &[u8]| {
        let part_path = folder.join(format!("{}.part", sha256(&content)));
        fs_err::write(&part_path, part).unwrap();
        fs_err::write(format!("{part_path}.version"), note).unwrap();
    };
    let server = Dropping::start(content.clone(), &[], "\"one\"").await;
    left("\"one\"", &content[..200_000]);
    let path = Cache::at(folder.clone()).file(&wanted(&server), QUIET).await.unwrap();
    assert!(fs_err::read(&path).unwrap() == content);
    assert_eq!(server.ranges(), [Some(200_000)]);
    // Another version: the server sends the whole, and the old bytes are gone.
    fs_err::remove_file(&path).unwrap();
    left("\"another\"", &[0; 200_000]);
    let path = Cache::at(folder.clone()).file(&wanted(&server), QUIET).await.unwrap();
    assert!(fs_err::read(&path).unwrap() == content);
    // The same version said, and other bytes all the same: fetched once more, in one piece.
    fs_err::remove_file(&path).unwrap();
    left("\"one\"", &[0; 200_000]);
    let path = Cache::at(folder.clone()).file(&wanted(&server), QUIET).await.unwrap();
    assert!(fs_err::read(&path).unwrap() == content);
    // Whole but for its name, and longer than what the server has.
    fs_err::rename(&path, path.with_extension("part")).unwrap();
    let asked = server.ranges().len();
    let path = Cache::at(folder.clone()).file(&wanted(&server), QUIET).await.unwrap();
    assert_eq!(server.ranges().len(), asked);
    fs_err::remove_file(&path).unwrap();
    left("\"one\"", &[0; 400_000]);
    let path = Cache::at(folder.clone()).file(&wanted(&server), QUIET).await.unwrap();
    assert!(fs_err::read(&path).unwrap() == content);
    assert_eq!(names(&folder), [sha256(&content)]);
}

#[tokio::test]
async fn a_local_file_is_used_where_it_is_and_checked_all_the_same() {
    let (keep, folder) = folder();
    let local = keep.path().join("k3s with blank");
    fs_err::write(&local, "the binary").unwrap();
    let url = format!("file://{}", local.to_str().unwrap().replace(' ', "%20"));
    let cache = Cache::at(folder);
    let path = cache.file(&artifact(url.clone(), sha256("the binary")), QUIET).await.unwrap();
    assert_eq!(path.as_str(), local.to_str().unwrap());
    let failure = cache.file(&artifact(url, sha256("other")), QUIET).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Refused);
    let nowhere = artifact("file:///nowhere/k3s".into(), sha256("other"));
    let failure = cache.file(&nowhere, QUIET).await.unwrap_err();
    assert!(failure.to_string().contains("/nowhere/k3s"), "{failure}");
}

fn release(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        tar.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

#[tokio::test]
async fn both_programs_of_a_release_are_unpacked_with_their_hashes() {
    let (keep, folder) = folder();
    let archive = release(&[
        ("tailscale_1.102.5_amd64/tailscaled", "daemon"),
        ("tailscale_1.102.5_amd64/tailscale", "client"),
        ("tailscale_1.102.5_amd64/systemd/tailscaled.service", "unit"),
    ]);
    let local = keep.path().join("tailscale.tgz");
    fs_err::write(&local, &archive).unwrap();
    let wanted = artifact(format!("file://{}", local.to_str().unwrap()), sha256(&archive));
    let cache = Cache::at(folder.clone());
    let binaries = cache.tailscale(&wanted, QUIET).await.unwrap();
    assert_eq!(fs_err::read_to_string(&binaries.tailscaled).unwrap(), "daemon");
    assert_eq!(binaries.tailscale_sha256, sha256("client"));
    assert_eq!(names(&folder).len(), 1);
    // Again without the archive; and from it where what was unpacked is no longer what it was.
    fs_err::rename(&local, local.with_extension("away")).unwrap();
    assert_eq!(cache.tailscale(&wanted, QUIET).await.unwrap(), binaries);
    fs_err::rename(local.with_extension("away"), &local).unwrap();
    fs_err::write(&binaries.tailscaled, "tampered").unwrap();
    assert_eq!(cache.tailscale(&wanted, QUIET).await.unwrap(), binaries);
    assert_eq!(fs_err::read_to_string(&binaries.tailscaled).unwrap(), "daemon");
}

#[tokio::test]
async fn an_archive_without_both_programs_is_refused() {
    let (keep, folder) = folder();
    for (name, archive) in
        [("a", release(&[("x/tailscale", "client")])), ("b", b"no gzip".to_vec())]
    {
        let local = keep.path().join(name);
        fs_err::write(&local, &archive).unwrap();
        let wanted = artifact(format!("file://{}", local.to_str().unwrap()), sha256(&archive));
        let failure = Cache::at(folder.clone()).tailscale(&wanted, QUIET).await.unwrap_err();
        assert_eq!(failure.kind, Kind::Inventory, "{failure}");
    }
}
