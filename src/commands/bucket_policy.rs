//! `homelab init bucket-policy`: what the keys of backups must be allowed, as IAM policies, and nothing more.
//!
//! Longhorn looks into its folder alone, and so does `verify`, which lists the newest backups by their keys. k3s and CloudNativePG's plugin ask whether the bucket is there
//! (HeadBucket), which S3 answers by ListBucket without a prefix: theirs is not narrowed to the folder, and tells the
//! names of other objects, never what is in them. Large objects are sent in parts, and an upload that fails is
//! taken back.

use serde_json::{Value, json};

use crate::{
    inventory::{
        Desired,
        desired::{ObjectStore, SecretSource},
    },
    observe::{Purpose, stores},
};

/// What one key must be allowed.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Where the key's id comes from: the key's name as far as it may be told.
    pub key: String,
    pub purposes: Vec<Purpose>,
    pub document: Value,
}

/// One policy for each key of the inventory.
pub fn policies(desired: &Desired) -> Vec<Policy> {
    let mut keys: Vec<(&SecretSource, Vec<(Purpose, &ObjectStore)>)> = Vec::new();
    for (purpose, store) in stores(desired) {
        match keys.iter_mut().find(|(key, _)| **key == store.access_key_id) {
            Some((_, folders)) => folders.push((purpose, store)),
            None => keys.push((&store.access_key_id, vec![(purpose, store)])),
        }
    }
    let policy = |(key, folders): (&SecretSource, Vec<(Purpose, &ObjectStore)>)| {
        let statements: Vec<Value> =
            folders.iter().flat_map(|(purpose, store)| statements(*purpose, store)).collect();
        Policy {
            key: key.describe(),
            purposes: folders.iter().map(|(purpose, _)| *purpose).collect(),
            document: json!({ "Version": "2012-10-17", "Statement": statements }),
        }
    };
    keys.into_iter().map(policy).collect()
}

fn statements(purpose: Purpose, store: &ObjectStore) -> Vec<Value> {
    let name = match purpose {
        Purpose::Volumes => "Volumes",
        Purpose::Databases => "Databases",
        Purpose::Datastore => "Datastore",
    };
    let bucket = format!("arn:{}:s3:::{}", partition(&store.region), store.bucket);
    let folder = match store.prefix.as_str() {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    };
    let mut list = json!({
        "Sid": format!("{name}List"),
        "Effect": "Allow",
        "Action": ["s3:ListBucket"],
        "Resource": [bucket],
    });
    if purpose == Purpose::Volumes && !folder.is_empty() {
        list["Condition"] =
            json!({ "StringLike": { "s3:prefix": [store.prefix, format!("{folder}*")] } });
    }
    vec![
        list,
        json!({
            "Sid": format!("{name}Objects"),
            "Effect": "Allow",
            "Action": ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            "Resource": [format!("{bucket}/{folder}*")],
        }),
        json!({
            "Sid": format!("{name}Checks"),
            "Effect": "Allow",
            "Action": ["s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration"],
            "Resource": [bucket],
        }),
    ]
}

/// China and the government's regions are worlds of their own.
fn partition(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// What to do with the policies, for stderr.
pub fn instructions(policies: &[Policy]) -> String {
    let mut lines = Vec::new();
    for (index, policy) in policies.iter().enumerate() {
        let whose: Vec<&str> = policy.purposes.iter().map(|purpose| purpose.name()).collect();
        let which = match policies.len() {
            1 => "The policy".to_owned(),
            _ => format!("Policy {} of {}", index + 1, policies.len()),
        };
        lines.push(format!("{which} is for the key of {} ({}).", whose.join(" and "), policy.key));
    }
    lines.push(
        "Make the bucket, with a user of its own for each key, without life-cycle rules:".into(),
    );
    lines.push("  aws iam put-user-policy --user-name USER --policy-name homelab --policy-document file://FILE".into());
    lines.push("  aws iam create-access-key --user-name USER".into());
    lines.push(
        "MinIO and others take the same document. `homelab verify` tells what is missing.".into(),
    );
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{inventory::desired::DatastoreBackup, topology::tests::example};

    fn desired() -> Desired {
        let mut desired = example();
        let store = desired.longhorn.as_ref().unwrap().backup.clone().unwrap();
        desired.k3s.datastore_backup = Some(DatastoreBackup {
            store: ObjectStore { prefix: "k3s/homelab".into(), ..store },
            schedule: "0 */6 * * *".into(),
            retain: 20,
        });
        desired
    }

    #[test]
    fn each_folder_has_what_its_writer_needs_and_no_more() {
        let policies = policies(&desired());
        let text: Vec<String> = policies
            .iter()
            .map(|policy| serde_json::to_string_pretty(&policy.document).unwrap())
            .collect();
        insta::assert_snapshot!(format!("{}\n\n{}", instructions(&policies), text.join("\n")));
    }

    /// `verify` lists by the whole key of the newest backup, in the folder of its volume.
    #[test]
    fn what_verify_lists_is_allowed() {
        let desired = desired();
        let policies = policies(&desired);
        let listed = &policies[0].document["Statement"][0];
        assert_eq!(listed["Action"], json!(["s3:ListBucket"]));
        let allowed = listed["Condition"]["StringLike"]["s3:prefix"][1].as_str().unwrap();
        let folder = &desired.longhorn.as_ref().unwrap().backup.as_ref().unwrap().prefix;
        let key = format!("{folder}/backupstore/volumes/7e/ed/pvc-1/backups/backup_a.cfg");
        assert!(key.starts_with(allowed.trim_end_matches('*')), "{allowed}");
    }

    #[test]
    fn a_key_of_its_own_has_a_policy_of_its_own() {
        let mut desired = desired();
        let backup = desired.k3s.datastore_backup.as_mut().unwrap();
        backup.store.access_key_id = SecretSource::Env("OTHER".into());
        backup.store.region = "cn-north-1".into();
        let policies = policies(&desired);
        assert_eq!(policies.len(), 2);
        assert_eq!(policies[1].purposes, [Purpose::Datastore]);
        let resource = &policies[1].document["Statement"][0]["Resource"][0];
        assert_eq!(resource, "arn:aws-cn:s3:::homelab-backups");
    }
}
