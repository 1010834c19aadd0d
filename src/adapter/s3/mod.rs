//! S3 over HTTPS: four questions about a bucket, each signed (Signature Version 4) in its URL.
//!
//! A signed URL is as good as a key for as long as it lives, a minute: it is in no message and no log.

mod answer;
#[cfg(test)]
mod tests;

use std::{error::Error, time::Duration};

use reqwest::{StatusCode, Url};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer, pki_types::pem::PemObject};

use self::answer::{complaint, encryption, first_key, lifecycle, listing};
use super::calls::{Unread, body, cut};
use crate::ports::{BucketAccess, BucketError, Buckets, LifecycleRule};

/// How long a signature is good for, in seconds.
const SIGNED_FOR: u64 = 60;

/// The buckets of any S3 service.
#[derive(Clone, Copy, Debug, Default)]
pub struct S3;

/// A question: what it is called, what it asks for, and the permission that it takes.
struct Question {
    call: &'static str,
    what: &'static str,
    permission: &'static str,
    /// Sorted by name.
    query: Vec<(&'static str, String)>,
}

impl Buckets for S3 {
    async fn reach(&self, bucket: &BucketAccess) -> Result<(), BucketError> {
        let question = first_below(folder(&bucket.prefix));
        let text = ask(bucket, &question).await?.unwrap_or_default();
        listing(&text).map_err(|reason| unread(bucket, &question, &reason))
    }

    /// By the list and not by HeadObject: that one says 403 of what is not there to a key that may not list, and has no
    /// body that tells why. Keys are listed in their order, and each comes before all that begin with it.
    async fn has(&self, bucket: &BucketAccess, key: &str) -> Result<bool, BucketError> {
        let question = first_below(key.to_owned());
        let text = ask(bucket, &question).await?.unwrap_or_default();
        let first = first_key(&text).map_err(|reason| unread(bucket, &question, &reason))?;
        Ok(first.as_deref() == Some(key))
    }

    async fn lifecycle(&self, bucket: &BucketAccess) -> Result<Vec<LifecycleRule>, BucketError> {
        let question = Question {
            call: "tell the life-cycle rules",
            what: "its life-cycle rules",
            permission: "s3:GetLifecycleConfiguration",
            query: vec![("lifecycle", String::new())],
        };
        match ask(bucket, &question).await? {
            None => Ok(Vec::new()),
            Some(text) => lifecycle(&text).map_err(|reason| unread(bucket, &question, &reason)),
        }
    }

    async fn encryption(&self, bucket: &BucketAccess) -> Result<Option<String>, BucketError> {
        let question = Question {
            call: "tell how it encrypts",
            what: "whether it encrypts",
            permission: "s3:GetEncryptionConfiguration",
            query: vec![("encryption", String::new())],
        };
        match ask(bucket, &question).await? {
            None => Ok(None),
            Some(text) => encryption(&text).map_err(|reason| unread(bucket, &question, &reason)),
        }
    }
}

/// Which key is the first of those that begin so.
fn first_below(prefix: String) -> Question {
    Question {
        call: "list the bucket",
        what: "what is in the bucket",
        permission: "s3:ListBucket",
        query: vec![
            ("list-type", "2".to_owned()),
            ("max-keys", "1".to_owned()),
            ("prefix", prefix),
        ],
    }
}

fn unread(bucket: &BucketAccess, question: &Question, reason: &str) -> BucketError {
    let message = format!("its answer cannot be read: {}", cut(reason));
    let (endpoint, call) = (endpoint(bucket), question.call);
    BucketError::Refused { endpoint, call, status: 200, message }
}

/// As it stands in keys.
fn folder(prefix: &str) -> String {
    if prefix.is_empty() { String::new() } else { format!("{prefix}/") }
}

/// For messages, and where requests go to.
fn endpoint(bucket: &BucketAccess) -> String {
    let suffix = if bucket.region.starts_with("cn-") { ".cn" } else { "" };
    let aws = || format!("https://s3.{}.amazonaws.com{suffix}", bucket.region);
    bucket.endpoint.clone().unwrap_or_else(aws)
}

/// Path style everywhere: it needs no name of its own for each bucket.
fn url(bucket: &BucketAccess) -> Result<Url, BucketError> {
    let endpoint = endpoint(bucket);
    let unusable = |reason: &dyn std::fmt::Display| {
        BucketError::Local(format!("`{endpoint}` is no URL of an S3 endpoint: {reason}"))
    };
    let mut url = Url::parse(&endpoint).map_err(|error| unusable(&error))?;
    url.path_segments_mut()
        .map_err(|()| unusable(&"it has no path"))?
        .pop_if_empty()
        .push(&bucket.bucket);
    Ok(url)
}

/// The body of a good answer; `None` where the bucket has nothing of the kind.
async fn ask(bucket: &BucketAccess, question: &Question) -> Result<Option<String>, BucketError> {
    let now = jiff::Timestamp::now();
    let signed = rusty_s3::signing::sign(
        &now,
        rusty_s3::Method::Get,
        url(bucket)?,
        bucket.access_key_id.expose(),
        bucket.secret_access_key.expose(),
        None,
        &bucket.region,
        SIGNED_FOR,
        question.query.iter().map(|(name, value)| (*name, value.as_str())),
        std::iter::empty::<(&str, &str)>(),
    );
    let lost = |error: reqwest::Error| BucketError::Unreachable {
        endpoint: endpoint(bucket),
        reason: causes(&error.without_url()),
    };
    let answer = client(bucket)?.get(signed).send().await.map_err(lost)?;
    let status = answer.status();
    let text = body(answer).await.map_err(|error| match error {
        Unread::Lost(error) => lost(error),
        Unread::TooLong => unread(bucket, question, &error.to_string()),
    })?;
    if status.is_success() {
        return Ok(Some(text));
    }
    refusal(bucket, question, status, &text)
}

/// What an answer that is none means, by its code: services differ in the status.
fn refusal(
    bucket: &BucketAccess,
    question: &Question,
    status: StatusCode,
    text: &str,
) -> Result<Option<String>, BucketError> {
    let complaint = complaint(text);
    let message = match (complaint.message.is_empty(), complaint.code.is_empty()) {
        (false, _) => cut(&complaint.message),
        (true, false) => cut(&complaint.code),
        (true, true) => status.canonical_reason().unwrap_or("no reason given").to_owned(),
    };
    let endpoint = endpoint(bucket);
    let name = bucket.bucket.clone();
    Err(match complaint.code.as_str() {
        "NoSuchLifecycleConfiguration" | "ServerSideEncryptionConfigurationNotFoundError" => {
            return Ok(None);
        }
        "NoSuchBucket" => BucketError::NoBucket { endpoint, bucket: name },
        // The last is versitygw's word for the first.
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "XAdminUserNotFound" => {
            BucketError::Key { endpoint, bucket: name, message }
        }
        "AccessDenied" | "AllAccessDisabled" => {
            BucketError::Forbidden { bucket: name, permission: question.permission }
        }
        "PermanentRedirect" | "TemporaryRedirect" | "IllegalLocationConstraintException" => {
            BucketError::Region { bucket: name, region: bucket.region.clone(), message }
        }
        "AuthorizationHeaderMalformed" | "AuthorizationQueryParametersError"
            if message.contains("region") =>
        {
            BucketError::Region { bucket: name, region: bucket.region.clone(), message }
        }
        "RequestTimeTooSkewed" => BucketError::Clock { endpoint, message },
        "NotImplemented" | "MethodNotAllowed" => {
            BucketError::Unsupported { endpoint, what: question.what }
        }
        // Without a body: a proxy, or a service that says nothing more.
        "" if status == StatusCode::FORBIDDEN => {
            BucketError::Forbidden { bucket: name, permission: question.permission }
        }
        "" if status == StatusCode::NOT_FOUND => BucketError::NoBucket { endpoint, bucket: name },
        "" if status.is_redirection() => {
            BucketError::Region { bucket: name, region: bucket.region.clone(), message }
        }
        "" if matches!(status.as_u16(), 405 | 501) => {
            BucketError::Unsupported { endpoint, what: question.what }
        }
        _ => {
            let status = status.as_u16();
            BucketError::Refused { endpoint, call: question.call, status, message }
        }
    })
}

fn client(bucket: &BucketAccess) -> Result<reqwest::Client, BucketError> {
    let local = |error: &dyn std::fmt::Display| BucketError::Local(error.to_string());
    let mut roots = RootCertStore::empty();
    match &bucket.authority {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|error| local(&error))?;
                roots.add(certificate).map_err(|error| local(&error))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| local(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(Duration::from_secs(10))
        .timeout(Duration::from_secs(30))
        .user_agent(concat!("homelab/", env!("CARGO_PKG_VERSION")))
        // A redirect would carry the signature somewhere else.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| local(&error.without_url()))
}

/// An error with what is behind it.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
