use std::net::TcpListener;

use sha2::{Digest, Sha256};

use super::*;

/// What a real binary answers, as far as the lab asks.
const BINARY: &str = "#!/bin/sh\necho 'k3s version v1.34.4+k3s1 (0123abcd)'\n";

/// Serves the same files to everyone on a loopback port until the test's process ends.
fn serve(files: Vec<(String, Vec<u8>)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            let found = files.iter().find(|(name, _)| *name == path);
            let (status, body) = match found {
                Some((_, body)) => ("200 OK", body.as_slice()),
                None => ("404 Not Found", b"".as_slice()),
            };
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(body).unwrap();
        }
    });
    format!("http://{address}")
}

fn cache() -> (tempfile::TempDir, Cache) {
    let directory = tempfile::tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(directory.path().to_owned()).unwrap();
    (directory, Cache::at(root))
}

fn sum() -> String {
    hex::encode(Sha256::digest(BINARY))
}

#[test]
fn a_binary_by_url_is_checked_and_then_asked_for_its_version() {
    let base = serve(vec![("/k3s".into(), BINARY.into())]);
    let (_keep, cache) = cache();
    let url = format!("{base}/k3s");
    let artifact = fetch(&cache, Name::K3s, "given", "k3s", &url, &sum()).unwrap();
    assert_eq!((artifact.version.as_str(), artifact.hit), ("v1.34.4+k3s1", false));
    assert_eq!(artifact.sha256, sum());
    // The server is not asked again: a wrong port would fail.
    let again = fetch(&cache, Name::K3s, "given", "k3s", "http://127.0.0.1:1/k3s", &sum()).unwrap();
    assert!(again.hit);
}

#[test]
fn a_binary_with_another_hash_is_refused_and_not_kept() {
    let base = serve(vec![("/k3s".into(), b"something else".to_vec())]);
    let (_keep, cache) = cache();
    let error = fetch(&cache, Name::K3s, "given", "k3s", &format!("{base}/k3s"), &sum())
        .unwrap_err()
        .to_string();
    assert!(error.contains(&sum()) && error.contains("nothing was kept"), "{error}");
    let place = cache.root().join(format!("k3s-given-{}", &sum()[..16]));
    assert_eq!(place.read_dir_utf8().unwrap().count(), 0);
}

#[test]
fn a_release_is_found_by_its_publishers_checksums() {
    let sums = format!("{}  k3s\n{}  k3s-airgap-images-amd64.tar.zst\n", sum(), "0".repeat(64));
    let folder = "/v1.34.4%2Bk3s1";
    let base = serve(vec![(format!("{folder}/k3s"), BINARY.into())]);
    let (_keep, cache) = cache();
    let release = Release { base: format!("{base}{folder}"), sums };
    let artifact = release.fetch(&cache, Name::K3s, "k3s").unwrap();
    assert_eq!(artifact.version, "v1.34.4+k3s1");
}

#[test]
fn a_missing_file_on_the_server_is_an_error_with_its_url() {
    let base = serve(Vec::new());
    let (_keep, cache) = cache();
    let url = format!("{base}/k3s");
    let error = fetch(&cache, Name::K3s, "given", "k3s", &url, &sum()).unwrap_err().to_string();
    assert!(error.contains(&url) && error.contains("404"), "{error}");
}

#[test]
fn the_choice_is_a_word_a_path_or_a_url_with_its_hash() {
    let parse = |value: &str, sha256: Option<&str>| {
        Choice::parse(Some(value.into()), sha256.map(str::to_owned))
    };
    assert_eq!(Choice::parse(None, None).unwrap(), Choice::Automatic);
    assert_eq!(parse("", None).unwrap(), Choice::Automatic);
    assert_eq!(parse("stand-in", None).unwrap(), Choice::StandIn);
    assert_eq!(parse("/opt/k3s", None).unwrap(), Choice::Path("/opt/k3s".into()));
    assert!(
        parse("https://example.org/k3s", None).unwrap_err().to_string().contains("64 hex digits")
    );
    assert!(parse("https://example.org/k3s", Some(&sum())).is_ok());
    assert!(parse("k3s", None).is_err());
}

#[test]
fn a_checksum_line_is_found_by_its_whole_file_name() {
    let sums = format!("{0}  k3s-arm64\n{0} *k3s\n", "a".repeat(64));
    assert!(sum_of(&sums, "k3s").is_some());
    assert!(sum_of(&sums, "k3s-arm").is_none());
}
