//! Where the publishers keep their releases and checksums (amd64).

/// k3s's binary of a version; `+` is `%2B` in a URL's path on GitHub.
pub(crate) fn k3s(version: &str) -> String {
    format!("{}/k3s", k3s_release(version))
}

/// k3s's container images of a version.
pub(crate) fn k3s_images(version: &str) -> String {
    format!("{}/k3s-airgap-images-amd64.tar.zst", k3s_release(version))
}

/// Tailscale's static binaries of a version.
pub(crate) fn tailscale(version: &str) -> String {
    format!("https://pkgs.tailscale.com/stable/tailscale_{version}_amd64.tgz")
}

/// The manifests of Flux's controllers, as `flux install --export` of that version prints them.
pub(crate) fn flux(version: &str) -> String {
    format!("{}/install.yaml", flux_release(version))
}

/// The SHA-256 sums of a Flux release.
pub(crate) fn flux_sums(version: &str) -> String {
    format!("{}/flux_{version}_checksums.txt", flux_release(version))
}

fn flux_release(version: &str) -> String {
    format!("https://github.com/fluxcd/flux2/releases/download/v{version}")
}

/// The last part of a URL's path.
pub(crate) fn file_name(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default().rsplit('/').next().unwrap_or_default()
}

fn k3s_release(version: &str) -> String {
    let version = version.replace('+', "%2B");
    format!("https://github.com/k3s-io/k3s/releases/download/{version}")
}

/// The SHA-256 sums of a k3s release.
pub(crate) fn k3s_sums(version: &str) -> String {
    format!("{}/sha256sum-amd64.txt", k3s_release(version))
}
