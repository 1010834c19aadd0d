//! `POST .../upload`.

use serde_json::Value;

use super::{
    received::{Checksum, check_image, check_name, normal_name},
    volume::{Content, Volume},
};
use crate::pve::{
    error::ApiError,
    qemu::{begin, blocking},
    request::Request,
    storage::Place,
};

/// What a received file becomes.
pub(super) fn destination(content: Content, name: &str) -> Volume {
    Volume { content, format: String::new(), vmid: None, file: name.to_owned(), base: None }
}

/// # Errors
///
/// 500 where the storage takes no files, or none of this content.
fn check_place(place: &Place, content: Content) -> Result<(), ApiError> {
    if !place.is_directory() {
        let kind = place.type_name();
        return Err(ApiError::failure(format!("can't upload to storage type '{kind}'")));
    }
    if !place.holds(content) {
        let (id, name) = (place.id(), content.name());
        return Err(ApiError::failure(format!("storage '{id}' does not support '{name}' content")));
    }
    Ok(())
}

pub(crate) async fn upload(request: Request) -> Result<Value, ApiError> {
    let id = request.text("storage").unwrap_or_default();
    let node = request.node();
    let place = request.state.storage.on_node(&node, &id).map_err(ApiError::failure)?.clone();
    let content = request.text("content").and_then(|name| Content::parse(&name));
    let content = content.unwrap_or(Content::Iso);
    if !place.is_directory() {
        check_place(&place, content)?;
    }
    let name = normal_name(&request.text("filename").unwrap_or_default());
    check_name(content, &name)?;
    check_place(&place, content)?;
    let Some(upload) = request.upload.clone() else {
        return Err(ApiError::failure("missing temporary file name"));
    };
    let checksum = Checksum::of(&request);
    let volume = destination(content, &name);
    // Taken out of the request's hands now: its file is gone once the call is answered.
    let keep = upload.file.with_extension("taken");
    fs_err::rename(&upload.file, &keep).map_err(|error| ApiError::failure(error.to_string()))?;
    Ok(begin(&request, "imgcopy", "", move |worker| async move {
        let result = blocking({
            let keep = keep.clone();
            let worker = worker.clone();
            move || {
                worker.log(format!("starting file import from: {}", upload.shown));
                if let Some(checksum) = checksum {
                    checksum.verify(&keep, &worker)?;
                }
                check_image(content, &name, &keep, &upload.shown, &worker)?;
                let target = place.file(&volume);
                let shown = place.shown_path(&volume);
                worker.log(format!("target node: {node}"));
                worker.log(format!("target file: {shown}"));
                worker.log(format!("file size is: {}", upload.bytes));
                worker.log(format!("command: cp -- {} {shown}", upload.shown));
                let partial = format!("{target}.{}.partial", worker.upid().pid);
                fs_err::copy(&keep, &partial)
                    .and_then(|_| fs_err::rename(&partial, &target))
                    .map_err(|error| error.to_string())?;
                worker.log("finished file import successfully");
                Ok(())
            }
        })
        .await;
        let _ = fs_err::remove_file(&keep);
        result
    }))
}
