//! The lab's S3: a gateway over a folder, with one bucket and one key that may do everything.

use camino::Utf8Path;
use tokio::process::Command;

use super::{WorldError, segment::GATEWAY, service::Service};

const PORT: u16 = 9000;
/// In the gateway a folder is a bucket.
pub(crate) const BUCKET: &str = "homelab";
pub(crate) const REGION: &str = "us-east-1";
pub(crate) const ACCESS_KEY: &str = "homelab";

#[derive(Debug)]
pub(crate) struct ObjectStore {
    pub(crate) secret_key: String,
    _service: Service,
}

impl ObjectStore {
    pub(crate) fn url() -> String {
        format!("http://{GATEWAY}:{PORT}")
    }

    pub(crate) async fn start(program: &Utf8Path, folder: &Utf8Path) -> Result<Self, WorldError> {
        let root = folder.join("buckets");
        fs_err::create_dir_all(root.join(BUCKET))?;
        let secret_key = uuid::Uuid::new_v4().simple().to_string();
        let mut command = Command::new(program);
        command
            // Not as arguments: everyone on the host may read those.
            .env("ROOT_ACCESS_KEY_ID", ACCESS_KEY)
            .env("ROOT_SECRET_ACCESS_KEY", &secret_key)
            .args(["--region", REGION, "--port", &format!("{GATEWAY}:{PORT}"), "--quiet"])
            .args(["posix", root.as_str()]);
        let mut service = Service::spawn("versitygw", command, folder)?;
        service.listening(&format!("{GATEWAY}:{PORT}")).await?;
        Ok(Self { secret_key, _service: service })
    }
}
