//! Cloudflare's own Python client drives the stand-in, so that the two do not only agree with us.

use super::super::{Permission, Site, start};

#[tokio::test(flavor = "multi_thread")]
async fn the_official_client_finds_what_it_expects() {
    let Some(python) = std::env::var_os("HOMELAB_TEST_CLOUDFLARE") else {
        eprintln!(
            "skipped: HOMELAB_TEST_CLOUDFLARE names no Python that has the package `cloudflare`"
        );
        return;
    };
    let server = start(([127, 0, 0, 1], 0).into(), &Site::default()).await.unwrap();
    let driver = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cloudflare/tests/official.py");
    let output = tokio::process::Command::new(python)
        .arg(driver)
        .args([server.endpoint(), server.control(), server.account(), server.zone()])
        .args([server.token(&Permission::ENOUGH), server.token(&[Permission::DnsRead])])
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.ends_with("done\n"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
