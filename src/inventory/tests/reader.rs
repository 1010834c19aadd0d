//! Bytes that are no inventory, and texts that are nearly one.

use super::{super::*, *};
use proptest::prelude::*;

use crate::damage::cases;

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

#[test]
fn what_yaml_allows_and_an_inventory_does_not_is_told_in_our_words() {
    let with = |from: &str, to: &str| lab(&[(from, to)]).told();
    insta::assert_snapshot!(with("vmid: 102", "vmid: 0102"), @"
    error: `vmid` is `0102`, which is a text to YAML; expected a whole number from 100 to 999999999
      --> /homelab.yaml:46:11
       |
    46 |     vmid: 0102
       |           ^^^^
       = help: write `102`: what begins with a zero is octal to other readers of YAML
    ");
    insta::assert_snapshot!(with("vmid: 102", "vmid: '0102'"), @"
    error: `vmid` is a text; expected a whole number from 100 to 999999999
      --> /homelab.yaml:46:11
       |
    46 |     vmid: '0102'
       |           ^^^^^^
       = help: write `102`
    ");
    insta::assert_snapshot!(with("vmid: 102", "vmid: 1_02"), @"
    error: `vmid` is `1_02`, which is a text to YAML; expected a whole number from 100 to 999999999
      --> /homelab.yaml:46:11
       |
    46 |     vmid: 1_02
       |           ^^^^
       = help: write `102`
    ");
    insta::assert_snapshot!(with("vmid: 102", "vmid: .inf"), @"
    error: this number is not finite, or not a number at all
      --> /homelab.yaml:46:11
       |
    46 |     vmid: .inf
       |           ^^^^
       = help: write a finite one; if a text is meant, put it in quotes
    ");
    insta::assert_snapshot!(with("vmid: 102", "vmid: *one"), @"
    error: a text that begins with `*` refers to an anchor, and there is none of this name above it
      --> /homelab.yaml:46:11
       |
    46 |     vmid: *one
       |           ^
       = help: put the text in quotes, or write the anchor: `&NAME VALUE`
    ");
    insta::assert_snapshot!(with("cluster:", "~: 1\ncluster:"), @"
    error: this key is nothing to YAML: it is empty, `~` or `null`
     --> /homelab.yaml:7:1
      |
    7 | ~: 1
      | ^
      = help: write the name of a field before the `:`
    ");
    insta::assert_snapshot!(with("cluster:", "[a, b]: 1\ncluster:"), @"
    error: this key is a list or a mapping; expected the name of a field
     --> /homelab.yaml:7:1
      |
    7 | [a, b]: 1
      | ^
      = help: put a text that begins with `[` or `{` in quotes
    ");
    insta::assert_snapshot!(with("\ntailnet:", "---\n# Another.\ntailnet:"), @"
    error: a second YAML document begins here; the file is one
      --> /homelab.yaml:56:1
       |
    56 | ---
       | ^^^
       = help: take the `---` out, or move what follows it into a file of its own
    ");
}

#[test]
fn what_stands_under_a_name_that_is_none_is_told_with_the_name() {
    let folder = lab(&[
        ("  k3s-agent-1:", "  K3s Agent 1:"),
        ("address: 10.79.0.101", "address: 10.79.0.101/33"),
        ("  nameservers: [10.79.0.1]", "  nameserver: [10.79.0.1/33]"),
    ]);
    insta::assert_snapshot!(folder.told(), @"
    error: unknown field `nameserver` in `network`
      --> /homelab.yaml:33:3
       |
    33 |   nameserver: [10.79.0.1/33]
       |   ^^^^^^^^^^
       = help: did you mean `nameservers`?

    error: `network.nameserver[0]` is `10.79.0.1/33`; expected an IP address
      --> /homelab.yaml:33:16
       |
    33 |   nameserver: [10.79.0.1/33]
       |                ^^^^^^^^^^^^

    error: `K3s Agent 1` is no name for `nodes`; expected a DNS label: 1 to 63 of a-z, 0-9 and `-`, beginning and ending with a letter or digit
      --> /homelab.yaml:48:3
       |
    48 |   K3s Agent 1:
       |   ^^^^^^^^^^^
       = help: write `k3s-agent-1`

    error: `address` is `10.79.0.101/33`; expected an IPv4 address, such as `10.79.0.102`
      --> /homelab.yaml:51:14
       |
    51 |     address: 10.79.0.101/33
       |              ^^^^^^^^^^^^^^
    ");
}

proptest! {
    #![proptest_config(cases(64))]

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
