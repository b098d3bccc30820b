//! Sizes on the command line: `65536`, `64K`, `512M`, `4G`, with or without `B` or `iB`; all are powers of 1024.

pub fn parse(text: &str) -> Result<u64, String> {
    let unreadable = || format!("{text} is no size; write bytes, or a number with K, M or G, as in 512M");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| unreadable())?;
    let shift = match text[digits..].to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        "T" | "TB" | "TIB" => 40,
        _ => return Err(unreadable()),
    };
    number.checked_mul(1 << shift).ok_or_else(unreadable)
}

/// For a person: the largest unit that needs no fraction.
pub fn show(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.into_iter().find(|(shift, _)| bytes >= 1 << shift && bytes.is_multiple_of(1 << shift));
    unit.map_or(format!("{bytes} bytes"), |(shift, name)| format!("{} {name}", bytes >> shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_of_1024() {
        let cases = [
            ("0", 0),
            ("65536", 65536),
            ("64k", 65536),
            ("512M", 512 << 20),
            ("4GiB", 4 << 30),
            ("1T", 1 << 40),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "M", "-1", "1.5G", "4X", "99999999999999999999", "18446744073709551615K", "1 G"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_size_is_shown_in_whole_units() {
        assert_eq!(show(512 << 20), "512 MiB");
        assert_eq!(show((1 << 20) + 1), "1048577 bytes");
    }
}
