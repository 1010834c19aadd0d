//! Disk sizes as Proxmox writes them.
//!
//! `pve-common/src/PVE/JSONSchema.pm` (`parse_size`, `format_size`): a number with an optional unit of
//! 1024 (`K`, `M`, `G`, `T`), printed with the largest unit that divides it.

/// Why a text is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no size: a number and one of K, M, G, T, such as `32G`")]
pub struct InvalidSize(String);

const UNITS: [(char, u64); 4] = [('K', 1 << 10), ('M', 1 << 20), ('G', 1 << 30), ('T', 1 << 40)];

/// Bytes of a size such as `3584M`, `2.5G` or `1073741824`; part bytes are cut off.
pub fn parse(text: &str) -> Result<u64, InvalidSize> {
    bytes(text).ok_or_else(|| InvalidSize(text.to_owned()))
}

fn bytes(text: &str) -> Option<u64> {
    let unit = UNITS.iter().find(|(letter, _)| text.ends_with(*letter));
    let (number, factor) = unit.map_or((text, 1), |(_, factor)| (&text[..text.len() - 1], *factor));
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (digits(whole)?, digits(fraction)?),
        None => (digits(number)?, ""),
    };
    let mut total = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    // Digit by digit, so that `2.5G` is exact; what is below a nanounit is below a byte, too.
    let (mut numerator, mut denominator) = (0_u128, 1_u128);
    for digit in fraction.bytes().take(18) {
        numerator = numerator * 10 + u128::from(digit - b'0');
        denominator *= 10;
    }
    let rest = numerator * u128::from(factor) / denominator;
    total = total.checked_add(u64::try_from(rest).ok()?)?;
    Some(total)
}

fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

/// Prints bytes as Proxmox does: with the largest unit that leaves no rest (`2560M`, not `2.5G`).
pub fn print(bytes: u64) -> String {
    UNITS
        .iter()
        .rev()
        .find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor))
        .map_or_else(|| bytes.to_string(), |(unit, factor)| format!("{}{unit}", bytes / factor))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read_as_proxmox_reads_them() {
        assert_eq!(parse("3584M"), Ok(3_758_096_384));
        assert_eq!(parse("2.5G"), Ok(2_684_354_560));
        assert_eq!(parse("4M"), Ok(4_194_304));
        assert_eq!(parse("1073741824"), Ok(1 << 30));
        for unsound in ["", "G", "1g", "-1G", "1GiB", " 1G", "1.G", ".5G", "+1G", "99999999999T"] {
            assert!(parse(unsound).is_err(), "{unsound}");
        }
    }

    #[test]
    fn sizes_are_printed_with_the_largest_unit_that_leaves_no_rest() {
        let printed = [32 << 30, 2560 << 20, 528 << 10, 1000, 1 << 40, 0].map(print);
        assert_eq!(printed, ["32G", "2560M", "528K", "1000", "1T", "0"]);
    }

    proptest! {
        #[test]
        fn a_printed_size_reads_back(bytes in any::<u64>()) {
            prop_assert_eq!(parse(&print(bytes)), Ok(bytes));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC*") {
            let _ = parse(&text);
        }
    }
}
