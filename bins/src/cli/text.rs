//! Bytes as something to look at.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Standard base64, padded (RFC 4648).
pub fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            match digit <= group.len() {
                true => out.push(ALPHABET[(bits >> (18 - 6 * digit) & 63) as usize] as char),
                false => out.push('='),
            }
        }
    }
    out
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        out.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or('?')));
        out
    })
}

/// Pairs of hexadecimal digits; space between them is passed over.
pub fn from_hex(text: &[u8]) -> Result<Vec<u8>, String> {
    let digit = |byte: u8| {
        (byte as char).to_digit(16).ok_or_else(|| format!("{:?} is no hexadecimal digit", byte as char))
    };
    let digits: Vec<u32> = text
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| digit(*byte))
        .collect::<Result<_, _>>()?;
    match digits.as_chunks::<2>() {
        (pairs, []) => Ok(pairs.iter().map(|[high, low]| (high << 4 | low) as u8).collect()),
        _ => Err("an odd number of hexadecimal digits".to_owned()),
    }
}

/// The reverse of `base64`; padding may be absent.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=').as_bytes();
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    for group in text.chunks(4) {
        let digit = |byte: &u8| ALPHABET.iter().position(|letter| letter == byte);
        let digits: Vec<usize> = group.iter().map(digit).collect::<Option<_>>()?;
        if digits.len() == 1 {
            return None;
        }
        let bits = digits.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - digits.len()));
        out.extend((0..digits.len() - 1).map(|byte| (bits >> (16 - 8 * byte)) as u8));
    }
    Some(out)
}

/// Text in quotes with what cannot be printed escaped; `-` for null.
pub fn shown(bytes: Option<&[u8]>) -> String {
    match bytes {
        None => "-".to_owned(),
        Some(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => format!("{text:?}"),
            Err(_) => format!("\"{}\"", bytes.escape_ascii()),
        },
    }
}

/// `\n`, `\t`, `\r`, `\0`, `\\` and `\xHH` in what a person typed.
pub fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let (mut out, mut chars) = (Vec::new(), text.chars());
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.extend(c.encode_utf8(&mut [0; 4]).bytes());
            continue;
        }
        out.push(match chars.next() {
            Some('n') => b'\n',
            Some('t') => b'\t',
            Some('r') => b'\r',
            Some('0') => 0,
            Some('\\') => b'\\',
            Some('x') => {
                let digits: String = chars.by_ref().take(2).collect();
                let byte = u8::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 2);
                byte.ok_or_else(|| format!("\\x{digits} is no byte; write two hexadecimal digits"))?
            }
            other => {
                return Err(format!("\\{} means nothing here", other.map_or(String::new(), String::from)));
            }
        });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads_to_four_digits() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (plain, coded) in cases {
            assert_eq!(base64(plain.as_bytes()), coded);
            assert_eq!(from_base64(coded).as_deref(), Some(plain.as_bytes()));
        }
        assert_eq!(from_base64("Zg"), Some(b"f".to_vec()));
        assert!(from_base64("Z").is_none() && from_base64("Z*==").is_none());
    }

    #[test]
    fn hexadecimal_goes_both_ways() {
        assert_eq!(hex(&[0, 0x7f, 0xff]), "007fff");
        assert_eq!(from_hex(b"00 7F ff"), Ok(vec![0, 0x7f, 0xff]));
        assert!(from_hex(b"0").is_err() && from_hex(b"0g").is_err());
    }

    #[test]
    fn escapes_are_what_a_shell_user_expects() {
        assert_eq!(unescape("a\\t\\x41é\\\\").unwrap(), "a\tAé\\".as_bytes());
        assert!(unescape("\\x4").is_err());
        assert!(unescape("\\q").is_err());
        assert!(unescape("\\").is_err());
    }
}
