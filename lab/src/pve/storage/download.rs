//! `POST .../download-url` and `GET .../query-url-metadata`.

use camino::{Utf8Path, Utf8PathBuf};
use http::{Method, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::{
    fetch::{FetchError, Fetched, fetch},
    received::{Checksum, check_image, check_name, normal_name},
    upload::destination,
    volume::Content,
};
use crate::pve::{
    error::ApiError,
    qemu::{begin, blocking},
    request::Request,
    task::Worker,
};

/// `404 File not found`, in the server's own words.
fn status_of(fetched: &Fetched) -> String {
    let status = fetched.response.status();
    let reason = fetched
        .response
        .extensions()
        .get::<hyper::ext::ReasonPhrase>()
        .map(|reason| String::from_utf8_lossy(reason.as_bytes()).into_owned())
        .or_else(|| status.canonical_reason().map(str::to_owned))
        .unwrap_or_default();
    format!("{} {reason}", status.as_u16())
}

fn header_of(fetched: &Fetched, name: header::HeaderName) -> Option<String> {
    fetched.response.headers().get(name)?.to_str().ok().map(str::to_owned)
}

pub(crate) async fn metadata(request: Request) -> Result<Value, ApiError> {
    let url = request.text("url").unwrap_or_default();
    let verify = request.boolean("verify-certificates").unwrap_or(true);
    let fetched = fetch(Method::HEAD, &url, verify)
        .await
        .map_err(|error| ApiError::failure(format!("invalid server response: '500 {error}'")))?;
    if !fetched.response.status().is_success() {
        let text = format!("invalid server response: '{}'", status_of(&fetched));
        return Err(ApiError::failure(text));
    }
    let mut answer = serde_json::Map::new();
    let size =
        header_of(&fetched, header::CONTENT_LENGTH).and_then(|size| size.parse::<u64>().ok());
    if let Some(size) = size {
        answer.insert("size".to_owned(), json!(size));
    }
    if let Some(kind) = header_of(&fetched, header::CONTENT_TYPE) {
        let kind = kind.split(';').next().unwrap_or_default().to_owned();
        answer.insert("mimetype".to_owned(), json!(kind));
    }
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let name = header_of(&fetched, header::CONTENT_DISPOSITION)
        .and_then(|text| Some(text.split("filename=").nth(1)?.trim_matches('"').to_owned()))
        .unwrap_or_else(|| path.rsplit('/').next().unwrap_or_default().to_owned());
    if !name.is_empty() {
        answer.insert("filename".to_owned(), json!(name));
    }
    Ok(Value::Object(answer))
}

pub(crate) async fn download(request: Request) -> Result<Value, ApiError> {
    let id = request.text("storage").unwrap_or_default();
    let place = request.state.storage.on_node(&request.node(), &id).map_err(ApiError::failure)?;
    let place = place.clone();
    if !place.is_directory() {
        let kind = place.type_name();
        let text = format!("can't upload to storage type '{kind}', not a file based storage!");
        return Err(ApiError::failure(text));
    }
    let content = request.text("content").and_then(|name| Content::parse(&name));
    let content = content.unwrap_or(Content::Iso);
    if !place.holds(content) {
        let name = content.name();
        let text = format!("storage '{id}' is not configured for content-type '{name}'");
        return Err(ApiError::failure(text));
    }
    let name = normal_name(&request.text("filename").unwrap_or_default());
    check_name(content, &name)?;
    let volume = destination(content, &name);
    let wish = Wish {
        url: request.text("url").unwrap_or_default(),
        verify: request.boolean("verify-certificates").unwrap_or(true),
        checksum: Checksum::of(&request),
        compressed: request.has("compression"),
        content,
        target: place.file(&volume),
        shown: place.shown_path(&volume),
        name: name.clone(),
    };
    Ok(begin(&request, "download", &name, move |worker| async move { wish.run(&worker).await }))
}

struct Wish {
    url: String,
    verify: bool,
    checksum: Option<Checksum>,
    compressed: bool,
    content: Content,
    target: Utf8PathBuf,
    shown: String,
    name: String,
}

impl Wish {
    async fn run(self, worker: &Worker) -> Result<(), String> {
        if self.compressed {
            return Err(if self.content == Content::Iso {
                "the emulator does not decompress downloads".to_owned()
            } else {
                format!("decompression not supported for {}", self.content.name())
            });
        }
        worker.log(format!("downloading {} to {}", self.url, self.shown));
        if self.target.exists() {
            return self.keep(worker).await;
        }
        let temporary = format!("{}.tmp_dwnl.{}", self.target, worker.upid().pid);
        let temporary = Utf8PathBuf::from(temporary);
        let result = self.fill(worker, &temporary).await;
        if result.is_err() {
            let _ = fs_err::remove_file(&temporary);
        }
        result?;
        worker.log(format!("download of '{}' to '{}' finished", self.url, self.shown));
        Ok(())
    }

    /// A file that is there already stays, and is good only if the checksum says so.
    async fn keep(self, worker: &Worker) -> Result<(), String> {
        let refused = format!("refusing to override existing file '{}'", self.shown);
        let Some(checksum) = self.checksum else { return Err(refused) };
        let got = blocking({
            let (checksum, target) = (checksum.clone(), self.target.clone());
            move || checksum.calculate(&target)
        })
        .await?;
        if got == checksum.expected {
            worker.log(
                "calculating checksum of existing file...OK, got correct file already, no need \
                 to download",
            );
            return Ok(());
        }
        worker.log("calculating checksum of existing file...");
        Err(format!("checksum mismatch: got '{got}' != expect '{}', aborting", checksum.expected))
    }

    async fn fill(&self, worker: &Worker, temporary: &Utf8Path) -> Result<(), String> {
        worker.wait_for(self.transfer(worker, temporary)).await??;
        let checksum = self.checksum.clone();
        let (content, name, shown) = (self.content, self.name.clone(), self.shown.clone());
        let (temporary, target) = (temporary.to_owned(), self.target.clone());
        let worker = worker.clone();
        blocking(move || {
            if let Some(checksum) = checksum {
                checksum.verify(&temporary, &worker)?;
            }
            check_image(content, &name, &temporary, &shown, &worker)
                .map_err(|error| format!("failed to verify file: {error}"))?;
            fs_err::rename(&temporary, &target)
                .map_err(|error| format!("unable to rename temporary file: {error}"))
        })
        .await
    }

    async fn transfer(&self, worker: &Worker, temporary: &Utf8Path) -> Result<(), String> {
        let stamp = || jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S").to_string();
        worker.log(format!("--{}--  {}", stamp(), self.url));
        let fetched = match fetch(Method::GET, &self.url, self.verify).await {
            Ok(fetched) => fetched,
            Err(error) => return Err(tell(worker, &error)),
        };
        let status = status_of(&fetched);
        worker.log(format!("Connecting to {}... connected.", fetched.peer));
        worker.log(format!("HTTP request sent, awaiting response... {status}"));
        if !fetched.response.status().is_success() {
            let (code, reason) = status.split_once(' ').unwrap_or((&status, ""));
            worker.log(format!("{} ERROR {code}: {reason}.", stamp()));
            return Err("download failed: exit code 8".to_owned());
        }
        let length = header_of(&fetched, header::CONTENT_LENGTH);
        let kind = header_of(&fetched, header::CONTENT_TYPE).unwrap_or_default();
        worker.log(format!(
            "Length: {} [{kind}]",
            length.clone().unwrap_or_else(|| "unspecified".to_owned())
        ));
        let told = format!("{}.tmp_dwnl.{}", self.shown, worker.upid().pid);
        worker.log(format!("Saving to: '{told}'"));
        let mut file =
            fs_err::tokio::File::create(temporary).await.map_err(|error| error.to_string())?;
        let mut body = fetched.response.into_body();
        let mut received = 0_u64;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| "download failed: exit code 4".to_owned())?;
            if let Ok(data) = frame.into_data() {
                received += data.len() as u64;
                file.write_all(&data).await.map_err(|error| error.to_string())?;
            }
        }
        file.flush().await.map_err(|error| error.to_string())?;
        worker.log(format!(
            "{} - '{told}' saved [{received}/{}]",
            stamp(),
            length.unwrap_or_else(|| received.to_string())
        ));
        Ok(())
    }
}

/// The log line of a failed connection, and the exit status.
fn tell(worker: &Worker, error: &FetchError) -> String {
    match error {
        FetchError::Unresolvable(host) => {
            worker.log(format!(
                "Resolving {host} ({host})... failed: Temporary failure in name resolution."
            ));
            format!("download failed: wget: {error}")
        }
        FetchError::Unreachable(_) => {
            worker.log(format!("Connecting... {error}."));
            "download failed: exit code 4".to_owned()
        }
        FetchError::Tls(_) => {
            worker.log(format!("ERROR: {error}"));
            "download failed: exit code 5".to_owned()
        }
        FetchError::Protocol(_) => {
            worker.log(error.to_string());
            "download failed: exit code 8".to_owned()
        }
    }
}
