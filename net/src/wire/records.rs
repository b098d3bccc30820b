//! Record batches as the codec sees them: opaque bytes in one or more pieces, shared, never copied.
//!
//! A request's records are one slice of its frame. A Fetch response's are what the log holds: as many slices as the
//! cache or the reads gave, joined only by the gathering write, or a range of a segment's file, whose bytes never come here.

use std::{fmt, iter};

use bytes::{Bytes, BytesMut};
use engine::op::FileRange;

#[derive(Clone, Default)]
pub struct Records {
    // The usual case is one piece; it needs no vector.
    first: Bytes,
    rest: Vec<Bytes>,
    /// Behind the pieces.
    range: Option<FileRange>,
    bytes: usize,
}

impl Records {
    pub fn new() -> Records {
        Records::default()
    }

    /// Adds a piece at the end; an empty one leaves no trace.
    pub fn push(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        self.bytes += piece.len();
        if self.first.is_empty() {
            self.first = piece;
        } else {
            self.rest.push(piece);
        }
    }

    /// What a file holds.
    pub fn in_file(range: FileRange) -> Records {
        Records { bytes: range.length as usize, range: Some(range), ..Records::default() }
    }

    pub fn range(&self) -> Option<&FileRange> {
        self.range.as_ref()
    }

    /// The length in bytes of all pieces, and of the range.
    pub fn len(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The pieces in order; none of them is empty.
    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        iter::once(&self.first).filter(|first| !first.is_empty()).chain(&self.rest)
    }

    /// All of it as one slice: as it is if it came in one piece, otherwise copied together.
    pub fn into_bytes(self) -> Bytes {
        if self.rest.is_empty() {
            return self.first;
        }
        let mut whole = BytesMut::with_capacity(self.bytes);
        self.pieces().for_each(|piece| whole.extend_from_slice(piece));
        whole.freeze()
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Records {
        Records { bytes: bytes.len(), first: bytes, ..Records::default() }
    }
}

impl FromIterator<Bytes> for Records {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Records {
        let mut records = Records::new();
        pieces.into_iter().for_each(|piece| records.push(piece));
        records
    }
}

/// Equal bytes are equal records, however they are cut; those in a file are known to it alone.
impl PartialEq for Records {
    fn eq(&self, other: &Records) -> bool {
        self.range.is_none()
            && other.range.is_none()
            && self.bytes == other.bytes
            && self.pieces().flatten().eq(other.pieces().flatten())
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Records({} bytes)", self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_equal_however_they_are_cut() {
        let whole = Records::from(Bytes::from_static(b"abcdef"));
        let cut: Records = [&b"ab"[..], b"", b"cdef"].into_iter().map(Bytes::from_static).collect();
        assert_eq!(whole, cut);
        assert_eq!(cut.pieces().count(), 2);
        assert_eq!(cut.into_bytes(), whole.clone().into_bytes());
        assert_ne!(whole, Records::from(Bytes::from_static(b"abcdeg")));
    }

    #[test]
    fn one_piece_comes_out_as_it_went_in() {
        let piece = Bytes::from(vec![7; 100]);
        let out = Records::from(piece.clone()).into_bytes();
        assert_eq!(out.as_ptr(), piece.as_ptr());
        assert_eq!(Records::new().pieces().count(), 0);
    }
}
