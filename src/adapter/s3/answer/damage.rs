//! XML that no S3 should give.

use proptest::prelude::*;

use super::*;
use crate::damage::{cases, damaged, nonsense};

const LIFECYCLE: &str = "<?xml version=\"1.0\"?>
<LifecycleConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">
<Rule>
<ID>old</ID>
<Status>Enabled</Status>
<Filter><And><Prefix>a/</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter>
<Expiration><Days>30</Days></Expiration>
<Transition><Date>2026-11-22T00:00:00Z</Date><StorageClass>GLACIER</StorageClass></Transition>
<NoncurrentVersionExpiration><NoncurrentDays>7</NoncurrentDays></NoncurrentVersionExpiration>
</Rule>
</LifecycleConfiguration>
";
const ENCRYPTION: &str = "<ServerSideEncryptionConfiguration>
<Rule><ApplyServerSideEncryptionByDefault>
<SSEAlgorithm>AES256</SSEAlgorithm>
</ApplyServerSideEncryptionByDefault></Rule>
</ServerSideEncryptionConfiguration>
";
const LISTING: &str = "<ListBucketResult>
<Name>x</Name>
<KeyCount>1</KeyCount>
<Contents><Key>a</Key><Size>1</Size></Contents>
</ListBucketResult>
";
const COMPLAINT: &str = "<Error>
<Code>AccessDenied</Code>
<Message>no</Message>
</Error>
";

#[test]
fn the_recorded_answers_are_read() {
    assert_eq!(lifecycle(LIFECYCLE).unwrap()[0].expires.as_deref(), Some("after 30 days"));
    assert_eq!(encryption(ENCRYPTION).unwrap().as_deref(), Some("AES256"));
    listing(LISTING).unwrap();
    assert_eq!(complaint(COMPLAINT).code, "AccessDenied");
}

#[test]
fn a_rule_behind_the_end_of_the_list_is_not_passed_over() {
    let astray = LIFECYCLE.replace("</LifecycleConfiguration>", "").replacen(
        "<Rule>",
        "</LifecycleConfiguration><Rule>",
        1,
    );
    assert_eq!(lifecycle(&astray).unwrap_err(), "it goes on behind its end");
}

#[test]
fn bottomless_xml_is_refused_without_a_crash() {
    let inside = "<a>".repeat(50_000);
    for root in ["ListBucketResult", "LifecycleConfiguration", "Error", "a"] {
        let text = format!("<{root}>{inside}");
        listing(&text).unwrap_err();
        lifecycle(&text).unwrap_err();
        encryption(&text).unwrap_err();
        assert_eq!(complaint(&text).message, "");
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn xml_of_any_kind_is_read_or_refused(text in prop_oneof![
        1 => "\\PC{0,60}",
        1 => nonsense(),
        1 => "(<|>|/|a|Rule|Error|&|;|!|\\[|CDATA|\\?|\"|=| ){0,20}",
        4 => proptest::sample::select(vec![LIFECYCLE, ENCRYPTION, LISTING, COMPLAINT]).prop_flat_map(damaged),
    ]) {
        let told = [listing(&text).err(), lifecycle(&text).err(), encryption(&text).err()];
        // No answer is of two kinds.
        prop_assert!(told.iter().flatten().count() >= 2, "{told:?}");
        prop_assert!(told.iter().flatten().all(|told| !told.is_empty()), "{told:?}");
        let _ = complaint(&text);
    }

    #[test]
    fn a_rule_that_is_there_is_never_taken_for_none(text in damaged(LIFECYCLE)) {
        if let Ok(rules) = lifecycle(&text) {
            // What has a whole answer in it twice over is no answer of the kind.
            let is_one = text.matches("<LifecycleConfiguration").count() == 1;
            prop_assert!(!is_one || !text.contains("<Rule>") || !rules.is_empty(), "{text}");
        }
    }
}
