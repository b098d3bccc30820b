//! Zigzag varints, as Protocol Buffers and the record format have them: 7 bits a byte, lowest first, at most 5 bytes
//! for 32 bits and 10 for 64.

use crate::record::error::RecordError;

const BAD: RecordError = RecordError::Invalid("a varint is cut or too long");

/// Reads a 64-bit varint off the front of `bytes`.
pub(super) fn take_i64(bytes: &mut &[u8]) -> Result<i64, RecordError> {
    let mut raw = 0u64;
    for (index, &byte) in bytes.iter().take(10).enumerate() {
        raw |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            // The tenth byte holds one bit: more would be a number that does not fit.
            if index == 9 && byte > 1 {
                return Err(BAD);
            }
            *bytes = &bytes[index + 1..];
            return Ok((raw >> 1) as i64 ^ -((raw & 1) as i64));
        }
    }
    Err(BAD)
}

/// Reads a 32-bit varint off the front of `bytes`.
pub(super) fn take_i32(bytes: &mut &[u8]) -> Result<i32, RecordError> {
    // One byte is by far the common case: lengths and deltas below 64.
    if let Some((&byte, rest)) = bytes.split_first()
        && byte < 0x80
    {
        *bytes = rest;
        return Ok(i32::from(byte >> 1) ^ -i32::from(byte & 1));
    }
    i32::try_from(take_i64(bytes)?).map_err(|_| BAD)
}

pub(super) fn put(out: &mut Vec<u8>, value: i64) {
    let mut raw = ((value << 1) ^ (value >> 63)) as u64;
    while raw >= 0x80 {
        out.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
}

/// How many bytes `put` writes.
pub(super) fn size(value: i64) -> usize {
    let raw = ((value << 1) ^ (value >> 63)) as u64;
    (64 - (raw | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_edge_comes_back() {
        for value in
            [0, 1, -1, 63, 64, -64, -65, i64::from(i32::MAX), i64::from(i32::MIN), i64::MAX, i64::MIN]
        {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            assert_eq!(bytes.len(), size(value), "{value}");
            let mut rest = bytes.as_slice();
            assert_eq!(take_i64(&mut rest), Ok(value));
            assert!(rest.is_empty());
            let mut rest = bytes.as_slice();
            assert_eq!(take_i32(&mut rest).ok(), i32::try_from(value).ok());
            let mut cut = &bytes[..bytes.len() - 1];
            assert!(take_i64(&mut cut).is_err());
        }
        assert!(take_i64(&mut [0xff; 11].as_slice()).is_err());
        assert!(take_i64(&mut [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2].as_slice()).is_err());
    }
}
