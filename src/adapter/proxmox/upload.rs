//! Uploads: multipart, as pveproxy's own parser wants it (PVE-07).
//!
//! `content` and the checksum stand before the file, the file's field is named `filename`, the length is
//! known beforehand. The file is spooled on the node, checked, and put in its place by a task.

use std::time::Duration;

use reqwest::{
    Body,
    multipart::{Form, Part},
};
use tokio_util::io::ReaderStream;

use super::{
    answer::Answer,
    transport::{Transport, Verb},
};
use crate::ports::{ProxmoxError, Upload};

/// Slower than this nobody wants to wait for an image.
const SLOWEST_BYTES_PER_SECOND: u64 = 512 << 10;
const CHUNK: usize = 256 << 10;

impl Transport {
    pub(super) async fn upload(
        &self,
        path: String,
        upload: &Upload,
    ) -> Result<Answer, ProxmoxError> {
        let local = |error: std::io::Error| ProxmoxError::Local(error.to_string());
        let file = fs_err::tokio::File::open(&upload.file).await.map_err(local)?;
        let length = file.metadata().await.map_err(local)?.len();
        let bytes = ReaderStream::with_capacity(file, CHUNK);
        let form = Form::new()
            .text("content", upload.content.name())
            .text("checksum-algorithm", "sha256")
            .text("checksum", upload.sha256.clone())
            .part(
                "filename",
                Part::stream_with_length(Body::wrap_stream(bytes), length)
                    .file_name(upload.file_name.clone()),
            );
        let (client, endpoint) = self.writer();
        let request = client
            .post(format!("{endpoint}/api2/json{path}"))
            .timeout(Duration::from_secs(90 + length / SLOWEST_BYTES_PER_SECOND))
            .multipart(form);
        self.send(Verb::Post, &path, request).await
    }
}
