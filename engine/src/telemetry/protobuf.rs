//! The wire format of protocol buffers, as far as it is needed: fields one after the other, none copied. Any bytes are safe.
//!
//! ```text
//! field  key varint (number << 3 | type) · type 0: varint · 1: 8 bytes · 2: length varint, bytes · 5: 4 bytes
//! ```

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Varint(u64),
    /// Of eight bytes, or of four.
    Fixed(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Text; what is not UTF-8 in it is replaced.
    pub fn text(self) -> Option<String> {
        self.bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }
}

/// Hands each field's number and value to `each`; none if the bytes are no message, or `each` says so.
pub fn fields<'a>(mut bytes: &'a [u8], mut each: impl FnMut(u64, Value<'a>) -> Option<()>) -> Option<()> {
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let value = match key & 7 {
            0 => Value::Varint(varint(&mut bytes)?),
            1 => {
                let (fixed, rest) = bytes.split_first_chunk()?;
                bytes = rest;
                Value::Fixed(u64::from_le_bytes(*fixed))
            }
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (value, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Value::Bytes(value)
            }
            5 => {
                let (fixed, rest) = bytes.split_first_chunk()?;
                bytes = rest;
                Value::Fixed(u64::from(u32::from_le_bytes(*fixed)))
            }
            _ => return None,
        };
        each(key >> 3, value)?;
    }
    Some(())
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
        let mut found = Vec::new();
        fields(bytes, |number, value| {
            found.push((number, value));
            Some(())
        })?;
        Some(found)
    }

    #[test]
    fn each_type_is_read_and_what_is_cut_is_none() {
        let bytes = b"\x08\x96\x01\x12\x02hi\x19\x01\0\0\0\0\0\0\0\x25\x02\0\0\0";
        let expected =
            [(1, Value::Varint(150)), (2, Value::Bytes(b"hi")), (3, Value::Fixed(1)), (4, Value::Fixed(2))];
        assert_eq!(all(bytes).unwrap(), expected);
        for end in [1, 2, 4, 5, 6, 10, 17, 20] {
            assert_eq!(all(&bytes[..end]), None, "{end}");
        }
        assert_eq!(all(b"\x0b"), None, "a group");
        assert_eq!(all(&[0xff; 11]), None, "a varint without an end");
        assert_eq!(all(b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), None, "a length beyond all");
    }
}
