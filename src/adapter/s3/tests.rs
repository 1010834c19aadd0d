//! Against S3's recorded answers, and against a real gateway (`HOMELAB_TEST_VERSITYGW` names the binary).

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::*;
use crate::{
    adapter::tailnet::scripted::{Answer, Scripted},
    secret::Secret,
};

fn bucket(endpoint: &str) -> BucketAccess {
    BucketAccess {
        endpoint: Some(endpoint.to_owned()),
        authority: None,
        region: "eu-central-1".into(),
        bucket: "homelab-backups".into(),
        prefix: "longhorn/home".into(),
        access_key_id: Secret::new("who-is-it"),
        secret_access_key: Secret::new("not-to-be-told"),
    }
}

fn refused(status: &'static str, code: &str, message: &str) -> Answer {
    let xml = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
    Answer::Say(
        status,
        "content-type: application/xml\r\n",
        format!(
            "{xml}\n<Error><Code>{code}</Code><Message>{message}</Message><RequestId>R</RequestId></Error>"
        ),
    )
}

/// What S3 answers of a bucket that moves all to GLACIER after 30 days and deletes after 90.
const COLD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule><ID>archive</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status><Transition><Days>30</Days><StorageClass>STANDARD_IA</StorageClass></Transition><Expiration><Days>90</Days></Expiration><Transition><Days>60</Days><StorageClass>GLACIER</StorageClass></Transition><NoncurrentVersionExpiration><NoncurrentDays>7</NoncurrentDays></NoncurrentVersionExpiration><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule><Rule><ID>logs</ID><Status>Disabled</Status><Filter><And><Prefix>logs/</Prefix><Tag><Key>a</Key><Value>b</Value></Tag></And></Filter><Expiration><Date>2027-01-01T00:00:00.000Z</Date></Expiration></Rule><Rule><ID>markers</ID><Filter/><Status>Enabled</Status><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration></Rule><Rule><ID>old</ID><Prefix>old/</Prefix><Status>Enabled</Status></Rule></LifecycleConfiguration>"#;

#[tokio::test]
async fn life_cycle_rules_are_read_as_s3_writes_them() {
    let server = Scripted::start(vec![Answer::ok(COLD)]).await;
    let rules = S3.lifecycle(&bucket(&server.endpoint)).await.unwrap();
    let [archive, logs, markers, old] = rules.as_slice() else { panic!("{rules:?}") };
    assert_eq!(
        (archive.id.as_str(), archive.enabled, archive.prefix.as_str()),
        ("archive", true, "")
    );
    assert_eq!(archive.expires.as_deref(), Some("after 90 days"));
    assert_eq!(
        archive.moves,
        [
            ("after 30 days".to_owned(), "STANDARD_IA".to_owned()),
            ("after 60 days".to_owned(), "GLACIER".to_owned())
        ]
    );
    assert_eq!(archive.forgets_versions.as_deref(), Some("after 7 days"));
    assert_eq!((logs.enabled, logs.tagged, logs.prefix.as_str()), (false, true, "logs/"));
    assert_eq!(logs.expires.as_deref(), Some("on 2027-01-01"));
    assert_eq!((markers.expires.as_deref(), markers.tagged), (None, false));
    assert_eq!(old.prefix, "old/");
    let line = &server.lines()[0];
    assert!(line.starts_with("GET /homelab-backups?"), "{line}");
    for part in ["lifecycle=&", "X-Amz-Signature=", "%2Feu-central-1%2Fs3%2Faws4_request"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!line.contains("not-to-be-told"), "{line}");
}

#[tokio::test]
async fn no_configuration_is_no_rule_and_no_encryption() {
    let server = Scripted::start(vec![
        refused("404 Not Found", "NoSuchLifecycleConfiguration", "none"),
        refused("404 Not Found", "ServerSideEncryptionConfigurationNotFoundError", "none"),
        Answer::ok(
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256\
             </SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled></Rule>\
             </ServerSideEncryptionConfiguration>",
        ),
    ])
    .await;
    let bucket = bucket(&server.endpoint);
    assert_eq!(S3.lifecycle(&bucket).await.unwrap(), []);
    assert_eq!(S3.encryption(&bucket).await.unwrap(), None);
    assert_eq!(S3.encryption(&bucket).await.unwrap().as_deref(), Some("AES256"));
}

#[tokio::test]
async fn each_refusal_is_told_by_its_code_with_what_to_do() {
    let told = [
        ("403 Forbidden", "AccessDenied", "s3:ListBucket is missing"),
        ("403 Forbidden", "SignatureDoesNotMatch", "does not take the key"),
        ("403 Forbidden", "RequestTimeTooSkewed", "this computer's clock"),
        ("404 Not Found", "NoSuchBucket", "there is no bucket `homelab-backups`"),
        ("301 Moved Permanently", "PermanentRedirect", "in another region than eu-central-1"),
        ("501 Not Implemented", "NotImplemented", "cannot tell what is in the bucket"),
        ("500 Internal Server Error", "InternalError", "refused to list the bucket: 500"),
    ];
    let answers = told.iter().map(|(status, code, _)| refused(status, code, "as the script says"));
    let server = Scripted::start(answers.collect()).await;
    for (_, code, wanted) in told {
        let error = S3.reach(&bucket(&server.endpoint)).await.unwrap_err();
        assert!(error.to_string().contains(wanted), "{code}: {error}");
        assert!(!error.next().is_empty());
    }
    let line = &server.lines()[0];
    assert!(line.contains("list-type=2&max-keys=1&prefix=longhorn%2Fhome%2F&"), "{line}");
}

#[tokio::test]
async fn an_object_is_there_when_its_whole_key_is_the_first_that_is_listed() {
    let listed = |key: &str| {
        Answer::ok(format!(
            "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>homelab-backups</Name>\
             <KeyCount>1</KeyCount><IsTruncated>true</IsTruncated><Contents><Key>{key}</Key><Size>4096</Size>\
             </Contents></ListBucketResult>"
        ))
    };
    let server = Scripted::start(vec![
        listed("k3s/lab/a&amp;b"),
        listed("k3s/lab/a&amp;b.zip"),
        Answer::ok("<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>"),
        refused("403 Forbidden", "AccessDenied", "no"),
    ])
    .await;
    let bucket = bucket(&server.endpoint);
    assert!(S3.has(&bucket, "k3s/lab/a&b").await.unwrap());
    assert!(!S3.has(&bucket, "k3s/lab/a&b").await.unwrap(), "another one begins so");
    assert!(!S3.has(&bucket, "k3s/lab/a&b").await.unwrap());
    let error = S3.has(&bucket, "k3s/lab/a&b").await.unwrap_err();
    assert!(matches!(error, BucketError::Forbidden { permission: "s3:ListBucket", .. }), "{error}");
    let line = &server.lines()[0];
    assert!(line.contains("list-type=2&max-keys=1&prefix=k3s%2Flab%2Fa%26b&"), "{line}");
}

#[tokio::test]
async fn an_answer_that_is_none_of_s3s_is_no_good_news() {
    let rule = |status: &str| {
        format!(
            "<LifecycleConfiguration><Rule><ID>a</ID>{status}<Filter/></Rule></LifecycleConfiguration>"
        )
    };
    for text in [
        "<!DOCTYPE html><html><body>Please log in</body></html>",
        "<Error><Code>InternalError</Code><Message>try again</Message></Error>",
        "<Foo><IsTruncated>false</IsTruncated></Foo>",
        "<ListBucketResult><Name>x</Na",
        "{}",
        "",
    ] {
        let answers = (0..4).map(|_| Answer::ok(text)).collect();
        let server = Scripted::start(answers).await;
        let bucket = bucket(&server.endpoint);
        let told = [
            S3.reach(&bucket).await.unwrap_err(),
            S3.has(&bucket, "k3s/lab/a").await.map(drop).unwrap_err(),
            S3.lifecycle(&bucket).await.map(drop).unwrap_err(),
            S3.encryption(&bucket).await.map(drop).unwrap_err(),
        ];
        for error in told {
            assert!(matches!(error, BucketError::Refused { .. }), "{text}: {error}");
        }
    }
    for status in ["", "<Status>enabled</Status>", "<Status>Paused</Status>"] {
        let server = Scripted::start(vec![Answer::ok(rule(status))]).await;
        let error = S3.lifecycle(&bucket(&server.endpoint)).await.unwrap_err();
        assert!(error.to_string().contains("cannot be read"), "{status}: {error}");
    }
    let server = Scripted::start(vec![
        Answer::ok("<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>"),
        Answer::ok(rule("<Status>\n Enabled \n</Status>")),
    ])
    .await;
    let bucket = bucket(&server.endpoint);
    S3.reach(&bucket).await.unwrap();
    assert!(S3.lifecycle(&bucket).await.unwrap()[0].enabled);
}

#[tokio::test]
async fn a_long_complaint_is_cut() {
    let long = "x".repeat(100_000);
    let server = Scripted::start(vec![refused("403 Forbidden", "InternalError", &long)]).await;
    let error = S3.reach(&bucket(&server.endpoint)).await.unwrap_err().to_string();
    assert!(error.len() < 400, "{}", error.len());
}

#[tokio::test]
async fn a_service_that_is_not_there_is_told_without_the_signature() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = S3.reach(&bucket(&format!("http://{address}"))).await.unwrap_err().to_string();
    assert!(error.contains(&format!("cannot reach http://{address}: ")), "{error}");
    assert!(!error.contains("Signature"), "{error}");
}

/// A process of ours, gone when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_real_gateway_takes_our_signatures_and_refuses_others() {
    let Some(program) = std::env::var_os("HOMELAB_TEST_VERSITYGW") else {
        eprintln!("SKIPPED: HOMELAB_TEST_VERSITYGW is not set");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir(folder.path().join("homelab-backups")).unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = Command::new(program);
    command
        .env("ROOT_ACCESS_KEY_ID", "who-is-it")
        .env("ROOT_SECRET_ACCESS_KEY", "not-to-be-told")
        .args(["--region", "eu-central-1", "--port", &address.to_string(), "--quiet", "posix"])
        .arg(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let _gateway = Running(command.spawn().unwrap());
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "waited in vain until the gateway listens");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let sound = bucket(&format!("http://{address}"));
    S3.reach(&sound).await.unwrap();
    let key = "longhorn/home/backupstore/volumes/7e/ed/pvc-1/backups/backup_one.cfg";
    assert!(!S3.has(&sound, key).await.unwrap());
    let object = folder.path().join("homelab-backups").join(key);
    fs_err::create_dir_all(object.parent().unwrap()).unwrap();
    fs_err::write(object, "{}").unwrap();
    assert!(S3.has(&sound, key).await.unwrap());
    let answered = S3.lifecycle(&sound).await;
    assert!(
        matches!(answered, Ok(ref rules) if rules.is_empty())
            || matches!(answered, Err(BucketError::Unsupported { .. })),
        "{answered:?}"
    );
    let wrong = BucketAccess { secret_access_key: Secret::new("another-one"), ..sound.clone() };
    let refused = S3.reach(&wrong).await.unwrap_err();
    assert!(matches!(refused, BucketError::Key { .. }), "{refused:?}");
    let stranger = BucketAccess { access_key_id: Secret::new("somebody-else"), ..sound.clone() };
    let refused = S3.reach(&stranger).await.unwrap_err();
    assert!(matches!(refused, BucketError::Key { .. }), "{refused:?}");
    let missing = BucketAccess { bucket: "not-there".into(), ..sound.clone() };
    let refused = S3.reach(&missing).await.unwrap_err();
    assert!(matches!(refused, BucketError::NoBucket { .. }), "{refused:?}");
    let elsewhere = BucketAccess { region: "us-east-1".into(), ..sound };
    let refused = S3.reach(&elsewhere).await.unwrap_err();
    assert!(matches!(refused, BucketError::Region { .. }), "{refused:?}");
}
