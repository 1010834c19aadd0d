//! Disk sizes as configurations write them.

/// Reads `32G`, `4194304K`, `1073741824` or `2.5G`; bytes, fractions cut.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let (number, unit) = match text.char_indices().last()? {
        (at, 'K') => (&text[..at], 1 << 10),
        (at, 'M') => (&text[..at], 1 << 20),
        (at, 'G') => (&text[..at], 1 << 30),
        (at, 'T') => (&text[..at], 1_u64 << 40),
        _ => (text, 1),
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    match number.parse::<u64>() {
        Ok(whole) => whole.checked_mul(unit),
        Err(_) => {
            let value: f64 = number.parse().ok()?;
            // Sizes stay far below 2^53; the fraction of a byte is cut.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            #[allow(clippy::cast_precision_loss)]
            Some((value * unit as f64) as u64)
        }
    }
}

/// Prints with the largest unit that divides the size: `2560M`, not `2.5G`.
pub(crate) fn print(bytes: u64) -> String {
    let mut value = bytes;
    for unit in ["", "K", "M", "G"] {
        if value == 0 || !value.is_multiple_of(1024) {
            return format!("{value}{unit}");
        }
        value /= 1024;
    }
    format!("{value}T")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_print_in_the_largest_exact_unit() {
        for (bytes, text) in [
            (1 << 30, "1G"),
            (2560 << 20, "2560M"),
            (4_194_304, "4M"),
            (540_672, "528K"),
            (2_000_000, "2000000"),
            (943_722_700_u64 << 20, "943722700M"),
            (1 << 40, "1T"),
        ] {
            assert_eq!(print(bytes), text);
            assert_eq!(parse(text), Some(bytes));
        }
    }

    #[test]
    fn fractions_and_bytes_are_read() {
        assert_eq!(parse("0.5G"), Some(512 << 20));
        assert_eq!(parse("1073741824"), Some(1 << 30));
        assert_eq!(parse("foo"), None);
        assert_eq!(parse("1X"), None);
    }
}
