//! Inventories after an accident: an error that shows its place, soon, and never a crash.

use std::time::{Duration, Instant};

use proptest::{collection::vec, prelude::*};
use serde_json::Value;

use super::{super::*, *};
use crate::damage::{cases, damaged, nonsense};

/// A reader that is slower than this does not end for a person; a busy computer has this much to spare.
const ENDLESS: Duration = Duration::from_secs(60);

/// Each fault names a line and a column that the text has, or the place behind its end.
fn assert_placed(text: &str, faults: &[Fault]) {
    let text = text.replace("\r\n", "\n");
    let lines: Vec<&str> = text.split(['\n', '\r']).collect();
    for fault in faults {
        let line = fault.line.checked_sub(1).and_then(|index| lines.get(index));
        // Of a text that ends with a newline the last line is empty, and its parser counts one further.
        let longest = match line {
            Some(line) => line.chars().count() + 1,
            None => panic!("line {} of {}: {fault}", fault.line, lines.len()),
        };
        assert!((1..=longest).contains(&fault.column), "column {}: {fault}", fault.column);
        assert!(!fault.message.is_empty());
    }
}

/// Reads a text as a command does, short of the files beside it.
fn read(text: &str) -> Result<(), Vec<Fault>> {
    let begun = Instant::now();
    let read = load::validate_text(camino::Utf8Path::new("fuzzed.yaml"), text);
    assert!(begun.elapsed() < ENDLESS, "it took {:?}", begun.elapsed());
    match read {
        Ok((_, warnings)) => {
            assert_placed(text, &warnings);
            Ok(())
        }
        Err(failure) => {
            let faults = Faults::of(&failure).expect("an error of the inventory lists its faults");
            assert!(!faults.0.is_empty(), "{failure}");
            assert_placed(text, &faults.0);
            assert!(!faults.to_string().is_empty());
            Err(faults.0.clone())
        }
    }
}

fn any_example() -> impl Strategy<Value = String> {
    proptest::sample::select(&EXAMPLES[..]).prop_map(example)
}

/// The keys of every mapping in another order.
fn shuffled(value: Value, order: &mut impl Iterator<Item = u64>) -> Value {
    match value {
        Value::Object(entries) => {
            let mut entries: Vec<(u64, String, Value)> = entries
                .into_iter()
                .map(|(key, value)| (order.next().unwrap(), key, shuffled(value, order)))
                .collect();
            entries.sort_by_key(|(rank, ..)| *rank);
            entries.into_iter().map(|(_, key, value)| (key, value)).collect()
        }
        Value::Array(items) => items.into_iter().map(|item| shuffled(item, order)).collect(),
        other => other,
    }
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn damage_is_told_with_a_place_that_the_file_has(text in any_example().prop_flat_map(damaged)) {
        let _ = read(&text);
    }

    #[test]
    fn nonsense_is_told_with_its_place(pieces in vec(nonsense(), 0..40), joint in "[ \n:,-]{1,2}") {
        read(&pieces.join(&joint)).unwrap_err();
    }

    #[test]
    fn repetition_never_takes_for_ever(piece in "[a-c0-9\\[\\]{}:,&*!|>'\"?%@# \n-]{1,10}", count in 1..400_usize) {
        read(&piece.repeat(count)).unwrap_err();
    }

    #[test]
    fn a_sound_inventory_is_sound_in_any_order_of_its_keys(text in any_example(), seed in any::<u64>()) {
        let value: Value = serde_saphyr::from_str(&text).unwrap();
        let mut state = seed;
        let mut order = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 16
        });
        let text = serde_json::to_string_pretty(&shuffled(value, &mut order)).unwrap();
        prop_assert!(read(&text).is_ok(), "{text}");
    }
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn any_bytes_in_the_file_are_told_with_line_and_column(bytes in vec(any::<u8>(), 0..200)) {
        let folder = lab(&[]);
        fs_err::write(folder.path("homelab.yaml"), &bytes).unwrap();
        let failure = folder.load().unwrap_err();
        match Faults::of(&failure) {
            Some(faults) => assert_placed(&String::from_utf8_lossy(&bytes), &faults.0),
            None => {
                let told = failure.chain().join("; ");
                prop_assert!(std::str::from_utf8(&bytes).is_err(), "{told}");
                prop_assert!(told.contains("line ") && told.contains("column "), "{told}");
            }
        }
    }
}

#[test]
fn a_carriage_return_alone_ends_a_line_as_yaml_has_it() {
    let text = example("one-node").replace("vmid: ", "vmid: x").replace('\n', "\r");
    let faults = read(&text).unwrap_err();
    let line = faults[0].source_line.as_deref().unwrap();
    assert!(line.trim_start().starts_with("vmid: x") && !line.contains('\r'), "{line:?}");
}

#[test]
fn what_is_long_is_read_or_refused_soon() {
    let one_key_each: String = (0..400).map(|index| format!("key{index}: 1\n")).collect();
    let one_node_each: String =
        (0..200).map(|index| format!("  n{index}: {{vmid: x}}\n")).collect();
    let same_key = "nodes: 1\n".repeat(400);
    let anchors: String =
        (0..2_000).map(|index| format!("a{index}: &a{index} [*a{}]\n", index.max(1) - 1)).collect();
    for text in
        [one_key_each, format!("nodes:\n{one_node_each}"), same_key, anchors, "- ".repeat(50_000)]
    {
        read(&text).unwrap_err();
    }
}
