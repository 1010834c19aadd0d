use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::inventory::load::validate_text;

/// A world of a few URLs.
#[derive(Default)]
struct Web(BTreeMap<String, String>);

impl Web {
    fn with(mut self, url: &str, text: &str) -> Self {
        self.0.insert(url.to_owned(), text.to_owned());
        self
    }
}

impl Fetch for Web {
    async fn text(&self, url: &str) -> Result<Option<String>> {
        Ok(self.0.get(url).cloned())
    }

    async fn hashes(&self, url: &str) -> Result<Hashes> {
        use sha2::{Digest, Sha256, Sha512};
        let bytes = self.0.get(url).ok_or_else(|| Failure::new(Kind::Unreachable, "404"))?;
        Ok(Hashes {
            sha256: hex::encode(Sha256::digest(bytes)),
            sha512: hex::encode(Sha512::digest(bytes)),
        })
    }
}

const IMAGE: &str = "https://cloud.debian.org/images/cloud/bookworm/latest/";
const K3S: &str = "https://github.com/k3s-io/k3s/releases/download/v1.34.9%2Bk3s1/";

fn inventory() -> InventoryFile {
    let path = format!("{}/inventory/ha.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = fs_err::read_to_string(path).unwrap();
    validate_text("ha.yaml".into(), &text).unwrap().0
}

fn web() -> Web {
    use sha2::{Digest, Sha512};
    let image = "an image";
    let sums = format!(
        "{}  debian-12-genericcloud-amd64.raw\n{}  debian-12-genericcloud-amd64.qcow2\n",
        "0".repeat(128),
        hex::encode(Sha512::digest(image))
    );
    let k3s =
        format!("{}  k3s-airgap-images-amd64.tar.zst\n{}  k3s\n", "2".repeat(64), "3".repeat(64));
    Web::default()
        .with(&format!("{IMAGE}SHA512SUMS"), &sums)
        .with(&format!("{IMAGE}debian-12-genericcloud-amd64.qcow2"), image)
        .with(
            "https://pkgs.tailscale.com/stable/tailscale_1.102.5_amd64.tgz.sha256",
            &"1".repeat(64),
        )
        .with(&format!("{K3S}sha256sum-amd64.txt"), &k3s)
}

/// What is pinned, where all of it can be.
async fn all(
    file: &InventoryFile,
    lock: &LockFile,
    policy: Policy,
    web: &Arc<Web>,
) -> Result<(LockFile, Vec<Pinned>)> {
    let Pinning { lock, pinned, failure } = pin(file, lock, policy, web).await?;
    failure.map_or(Ok((lock, pinned)), Err)
}

#[tokio::test]
async fn what_cannot_be_pinned_is_told_at_once_and_keeps_nothing_else_back() {
    let url = "https://pkgs.tailscale.com/stable/tailscale_1.102.5_amd64.tgz.sha256";
    let known = || LockedArtifact {
        version: "1.102.5".into(),
        url: url.trim_end_matches(".sha256").into(),
        sha256: "1".repeat(64),
    };
    let lock = LockFile { tailscale: Some(known()), ..LockFile::empty() };
    let mut web = web().with(url, &"f".repeat(64));
    web.0.remove(&format!("{K3S}sha256sum-amd64.txt"));
    let pinning = pin(&inventory(), &lock, Policy::default(), &Arc::new(web)).await.unwrap();
    assert!(pinning.lock.image.is_some(), "{:?}", pinning.lock);
    assert_eq!(pinning.lock.tailscale, Some(known()), "what was pinned stays");
    let failure = pinning.failure.unwrap();
    assert_eq!(failure.kind, Kind::Refused);
    let message = failure.message.replace(&"1".repeat(64), "OLD").replace(&"f".repeat(64), "NEW");
    insta::assert_snapshot!(message, @r"
    cannot pin tailscale, k3s, k3s_images:
      tailscale: https://pkgs.tailscale.com/stable/tailscale_1.102.5_amd64.tgz: tailscale 1.102.5 was pinned to OLD and is now NEW
      k3s: no publisher's checksum was found for k3s v1.34.9+k3s1 (looked at https://github.com/k3s-io/k3s/releases/download/v1.34.9%2Bk3s1/sha256sum-amd64.txt)
      k3s_images: no publisher's checksum was found for k3s_images v1.34.9+k3s1 (looked at https://github.com/k3s-io/k3s/releases/download/v1.34.9%2Bk3s1/sha256sum-amd64.txt)
    ");
    let once: BTreeSet<&String> = failure.hints.iter().collect();
    assert_eq!(once.len(), failure.hints.len(), "{:?}", failure.hints);
}

#[tokio::test]
async fn each_hash_comes_from_its_publisher() {
    let web = Arc::new(web());
    let (lock, told) =
        all(&inventory(), &LockFile::empty(), Policy::default(), &web).await.unwrap();
    assert_eq!(lock.tailscale.unwrap().sha256, "1".repeat(64));
    assert_eq!(lock.k3s_images.unwrap().sha256, "2".repeat(64));
    let k3s = lock.k3s.unwrap();
    assert_eq!((k3s.sha256, k3s.url), ("3".repeat(64), format!("{K3S}k3s")));
    let image = web.hashes(&format!("{IMAGE}debian-12-genericcloud-amd64.qcow2")).await.unwrap();
    assert_eq!(lock.image.unwrap().sha256, image.sha256);
    assert!(told.iter().all(|one| one.changed));
}

#[tokio::test]
async fn bytes_that_the_publishers_sum_does_not_vouch_for_are_refused() {
    let web = web().with(&format!("{IMAGE}debian-12-genericcloud-amd64.qcow2"), "another image");
    let failure = all(&inventory(), &LockFile::empty(), Policy::default(), &Arc::new(web)).await;
    assert!(failure.unwrap_err().message.contains("is not what"));
}

#[tokio::test]
async fn a_pinned_hash_changes_only_when_asked() {
    let (lock, _) =
        all(&inventory(), &LockFile::empty(), Policy::default(), &Arc::new(web())).await.unwrap();
    let again = all(&inventory(), &lock, Policy::default(), &Arc::new(web())).await.unwrap();
    assert_eq!(again.0, lock);
    assert!(again.1.iter().all(|one| !one.changed));

    let moved = || {
        let url = "https://pkgs.tailscale.com/stable/tailscale_1.102.5_amd64.tgz.sha256";
        Arc::new(web().with(url, &"f".repeat(64)))
    };
    let refused = all(&inventory(), &lock, Policy::default(), &moved()).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Refused);
    let policy = Policy { update: true, ..Policy::default() };
    let (updated, _) = all(&inventory(), &lock, policy, &moved()).await.unwrap();
    assert_eq!(updated.tailscale.unwrap().sha256, "f".repeat(64));
}

#[tokio::test]
async fn without_a_publishers_sum_nothing_is_pinned_unless_the_download_is_trusted() {
    let mut file = inventory();
    file.image.url = Some("https://mirror.lan/debian.qcow2".into());
    let web = Arc::new(web().with("https://mirror.lan/debian.qcow2", "bytes"));
    let failure = all(&file, &LockFile::empty(), Policy::default(), &web).await.unwrap_err();
    assert!(failure.message.contains("https://mirror.lan/SHA256SUMS"), "{failure}");
    let policy = Policy { trust_download: true, ..Policy::default() };
    let (_, told) = all(&file, &LockFile::empty(), policy, &web).await.unwrap();
    assert!(told[0].source.contains("nobody vouches"), "{told:?}");
}

#[test]
fn sums_are_read_as_the_publishers_write_them() {
    let sum = "a".repeat(64);
    for line in ["{} *image.img", "{}  image.img", "{}  ./image.img", "\t{} image.img\r"] {
        assert_eq!(listed(&line.replace("{}", &sum), "image.img", 64), Some(sum.clone()), "{line}");
    }
    assert_eq!(listed(&format!("{sum}  other-image.img"), "image.img", 64), None);
    assert_eq!(listed("<html>not found</html>", "image.img", 64), None);
}
