//! A bounded cursor over one frame. Every read checks the end first; nothing is reserved for a count before the rest of
//! the frame and the message's memory budget are seen to hold it.

use bytes::Bytes;

use super::{WireError, limits};

pub struct Reader {
    frame: Bytes,
    position: usize,
    /// Reads stop here: the frame's end, or inside a tagged field the field's end.
    end: usize,
    /// What the arrays may occupy, and what is left of it.
    bytes_max: usize,
    budget_bytes: usize,
}

impl Reader {
    pub fn new(frame: Bytes) -> Reader {
        Reader::bounded(frame, limits::DECODED_BYTES_MAX)
    }

    /// What is decoded may occupy `bytes_max`.
    pub fn bounded(frame: Bytes, bytes_max: usize) -> Reader {
        let bytes_max = bytes_max.min(limits::DECODED_BYTES_MAX);
        Reader { position: 0, end: frame.len(), frame, bytes_max, budget_bytes: bytes_max }
    }

    /// What the arrays that were decoded occupy.
    pub fn decoded_bytes(&self) -> usize {
        self.bytes_max - self.budget_bytes
    }

    pub fn remaining(&self) -> usize {
        self.end - self.position
    }

    /// The next `count` bytes, by reference.
    fn take(&mut self, count: usize) -> Result<&[u8], WireError> {
        let start = self.advance(count)?;
        Ok(&self.frame[start..self.position])
    }

    /// Steps over `count` bytes and returns where they began.
    fn advance(&mut self, count: usize) -> Result<usize, WireError> {
        let remaining = self.remaining();
        if count > remaining {
            return Err(WireError::Truncated { missing: count - remaining });
        }
        let start = self.position;
        self.position += count;
        Ok(start)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    #[inline]
    pub fn i8(&mut self) -> Result<i8, WireError> {
        Ok(i8::from_be_bytes(self.array()?))
    }

    #[inline]
    pub fn i16(&mut self) -> Result<i16, WireError> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    #[inline]
    pub fn i32(&mut self) -> Result<i32, WireError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    #[inline]
    pub fn i64(&mut self) -> Result<i64, WireError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    #[inline]
    pub fn uuid(&mut self) -> Result<[u8; 16], WireError> {
        self.array()
    }

    /// Seven bits a byte, low ones first; at most five bytes.
    pub fn unsigned_varint(&mut self) -> Result<u32, WireError> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.array::<1>()?[0];
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && bits > 0x0f {
                return Err(WireError::BadVarint);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(WireError::BadVarint)
    }

    /// The next `count` bytes as a slice that shares the frame's memory.
    pub fn bytes(&mut self, count: usize) -> Result<Bytes, WireError> {
        let start = self.advance(count)?;
        Ok(self.frame.slice(start..self.position))
    }

    /// Everything that is left, sharing the frame's memory.
    pub fn rest(&mut self) -> Bytes {
        let rest = self.frame.slice(self.position..self.end);
        self.position = self.end;
        rest
    }

    /// Room for `count` elements of which each takes at least `wire_bytes_min` here and `memory_bytes` when decoded.
    pub fn admit(
        &mut self,
        count: usize,
        wire_bytes_min: usize,
        memory_bytes: usize,
    ) -> Result<(), WireError> {
        let remaining = self.remaining();
        if count > remaining / wire_bytes_min.max(1) {
            return Err(WireError::CountBeyondFrame { count, remaining });
        }
        let wanted = count.saturating_mul(memory_bytes);
        match self.budget_bytes.checked_sub(wanted) {
            Some(left) => self.budget_bytes = left,
            None => return Err(WireError::BudgetExceeded(self.bytes_max)),
        }
        Ok(())
    }

    /// The tagged fields that end a flexible structure: `known` reads a tag's value and says true, or leaves it alone
    /// and says false; what it does not know is skipped.
    pub fn tagged_fields(
        &mut self,
        mut known: impl FnMut(u32, &mut Reader) -> Result<bool, WireError>,
    ) -> Result<(), WireError> {
        for _ in 0..self.unsigned_varint()? {
            let tag = self.unsigned_varint()?;
            let size = self.unsigned_varint()? as usize;
            let remaining = self.remaining();
            if size > remaining {
                return Err(WireError::Truncated { missing: size - remaining });
            }
            let outer_end = self.end;
            self.end = self.position + size;
            let understood = known(tag, self)?;
            if !understood {
                self.position = self.end;
            } else if self.position != self.end {
                return Err(WireError::TagSize { tag, size });
            }
            self.end = outer_end;
        }
        Ok(())
    }

    /// Checks that the message has been read to its last byte.
    pub fn finish(&self) -> Result<(), WireError> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(WireError::TrailingBytes(left)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &'static [u8]) -> Reader {
        Reader::new(Bytes::from_static(bytes))
    }

    #[test]
    fn varints_end_within_five_bytes_and_32_bits() {
        assert_eq!(reader(&[0x00]).unsigned_varint(), Ok(0));
        assert_eq!(reader(&[0xac, 0x02]).unsigned_varint(), Ok(300));
        assert_eq!(reader(&[0xff, 0xff, 0xff, 0xff, 0x0f]).unsigned_varint(), Ok(u32::MAX));
        assert_eq!(reader(&[0xff, 0xff, 0xff, 0xff, 0x1f]).unsigned_varint(), Err(WireError::BadVarint));
        assert_eq!(
            reader(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00]).unsigned_varint(),
            Err(WireError::BadVarint)
        );
        assert_eq!(reader(&[0x80]).unsigned_varint(), Err(WireError::Truncated { missing: 1 }));
    }

    #[test]
    fn unknown_tags_are_skipped_and_lying_sizes_are_refused() {
        let mut unknown = reader(&[1, 9, 2, 0xaa, 0xbb]);
        unknown.tagged_fields(|_, _| Ok(false)).unwrap();
        assert_eq!(unknown.finish(), Ok(()));
        let mut short = reader(&[1, 0, 3, 0, 0, 0]);
        let outcome = short.tagged_fields(|_, value| value.i16().map(|_| true));
        assert_eq!(outcome, Err(WireError::TagSize { tag: 0, size: 3 }));
        let mut beyond = reader(&[1, 0, 1, 0, 0, 0]);
        let outcome = beyond.tagged_fields(|_, value| value.i16().map(|_| true));
        assert_eq!(outcome, Err(WireError::Truncated { missing: 1 }));
    }

    #[test]
    fn a_count_beyond_frame_or_budget_is_refused() {
        let mut frame = reader(&[0; 10]);
        assert!(matches!(frame.admit(6, 2, 8), Err(WireError::CountBeyondFrame { .. })));
        assert!(matches!(frame.admit(5, 2, usize::MAX / 2), Err(WireError::BudgetExceeded(_))));
        assert_eq!(frame.admit(5, 2, 8), Ok(()));
    }

    #[test]
    fn what_is_decoded_is_counted_and_bounded() {
        let mut frame = Reader::bounded(Bytes::from_static(&[0; 100]), 100);
        frame.admit(10, 1, 8).unwrap();
        assert_eq!(frame.decoded_bytes(), 80);
        assert_eq!(frame.admit(3, 1, 8), Err(WireError::BudgetExceeded(100)));
        assert_eq!(frame.admit(2, 1, 8), Ok(()));
    }

    #[test]
    fn slices_share_the_frames_memory() {
        let frame = Bytes::from(vec![1, 2, 3, 4]);
        let mut cursor = Reader::new(frame.clone());
        cursor.i8().unwrap();
        assert_eq!(cursor.bytes(2).unwrap().as_ptr(), frame[1..].as_ptr());
        assert_eq!(cursor.rest(), &frame[3..]);
    }
}
