//! Bytes that are no inventory.

use super::{super::*, *};
use proptest::prelude::*;

#[test]
fn yaml_that_is_none_is_told_with_its_place() {
    let folder = lab(&[("cluster:", "cluster: [")]);
    insta::assert_snapshot!(folder.told(), @"
    error: this is no valid YAML: while parsing a flow mapping, did not find expected ',' or '}'
     --> /homelab.yaml:9:5
      |
    9 |   id: 6d1f0f1e-6a0c-4c55-9d0e-0d6f5f3f1a10
      |     ^
    ");
    insta::assert_snapshot!(Folder::with("").told(), @"
    error: the file is empty
     --> /homelab.yaml:1:1
      = help: `homelab init` writes an inventory, `homelab lock` a lock file
    ");
    insta::assert_snapshot!(Folder::with("version: 1\n").told(), @"
    error: the file lacks the fields `cluster`, `proxmox`, `image`, `network`, `nodes`, `tailnet`, `k3s`
     --> /homelab.yaml:1:1
      |
    1 | version: 1
      | ^
    ");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_crash_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read_all(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_damage_to_a_sound_inventory_crashes_the_reader(
        example_index in 0..EXAMPLES.len(),
        at in 0.0..1.0_f64,
        length in 0..40_usize,
        inserted in "[\\PC\n \\[\\]{}:,&*!|>'\"%@#-]{0,8}",
    ) {
        let mut characters: Vec<char> = example(EXAMPLES[example_index]).chars().collect();
        let start = (at * characters.len() as f64) as usize;
        let end = (start + length).min(characters.len());
        characters.splice(start..end, inserted.chars());
        read_all(&characters.into_iter().collect::<String>());
    }
}

/// Everything that a text goes through but the reading of other files.
fn read_all(text: &str) {
    let source = fault::Source::new("fuzzed.yaml", text);
    match document::parse(source) {
        Err(fault) => drop(fault.to_string()),
        Ok(document) => {
            let shaped = shape::compare(&document, &schema::inventory_schema());
            let faults = Faults::sorted(shaped.faults.clone());
            drop(faults.to_string());
            let Some(value) = shaped.value else {
                assert!(!faults.0.is_empty(), "nothing is usable and nothing was told");
                return;
            };
            // What the shape check lets through, the types take: no gap between schema and types.
            let file: InventoryFile =
                serde_json::from_value(value).expect("schema and types agree");
            let mut report = report::Report::new(&document, shaped.faults, shaped.dropped);
            load::validate(&file, &mut report);
            let claims = check::Claims::read(&document, &report);
            check::clashes(&claims, Some(&file), &mut report);
            check::all(&file, &claims, &mut report);
            for fault in report.finish().0 {
                drop(fault.to_string());
            }
        }
    }
}
