//! Builds a message as a list of chunks for one gathering write: small fields gather in one buffer, long records are
//! chunks of their own that share the memory of whoever holds them, or stay in their file.

use bytes::{BufMut, Bytes, BytesMut};
use engine::op::FileRange;

use super::{Records, WireError, limits};

/// A part of a message.
#[derive(Clone, Debug)]
pub enum Chunk {
    Memory(Bytes),
    /// Sent from the file.
    File(FileRange),
}

impl Chunk {
    pub fn len(&self) -> usize {
        match self {
            Chunk::Memory(bytes) => bytes.len(),
            Chunk::File(range) => range.length as usize,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn memory_bytes(&self) -> usize {
        match self {
            Chunk::Memory(bytes) => bytes.len(),
            Chunk::File(_) => 0,
        }
    }
}

impl From<Bytes> for Chunk {
    fn from(bytes: Bytes) -> Chunk {
        Chunk::Memory(bytes)
    }
}

pub struct Writer {
    /// Where the next field goes.
    open: BytesMut,
    /// What came before the first long records; kept writable because the frame's length goes into it last.
    head: Option<BytesMut>,
    chunks: Vec<Chunk>,
    /// Bytes in `head` and `chunks`.
    closed_bytes: usize,
    form: Form,
    errors: Errors,
}

/// Error codes in a message and how often each, without 0.
pub type Errors = Vec<(i16, u32)>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Bare,
    Framed,
}

const LENGTH_BYTES: usize = 4;

impl Writer {
    /// Writes a message without a length before it.
    pub fn new() -> Writer {
        Writer {
            open: BytesMut::with_capacity(limits::WRITER_BYTES_INITIAL),
            head: None,
            chunks: Vec::new(),
            closed_bytes: 0,
            form: Form::Bare,
            errors: Errors::new(),
        }
    }

    /// Writes a frame: `finish` fills in the length before everything else.
    pub fn framed() -> Writer {
        let mut writer = Writer { form: Form::Framed, ..Writer::new() };
        writer.open.put_u32(0);
        writer
    }

    /// Bytes written so far, the frame's length field included.
    pub fn len(&self) -> usize {
        self.closed_bytes + self.open.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub fn i8(&mut self, value: i8) {
        self.open.put_i8(value);
    }

    #[inline]
    pub fn i16(&mut self, value: i16) {
        self.open.put_i16(value);
    }

    #[inline]
    pub fn i32(&mut self, value: i32) {
        self.open.put_i32(value);
    }

    #[inline]
    pub fn i64(&mut self, value: i64) {
        self.open.put_i64(value);
    }

    #[inline]
    pub fn slice(&mut self, bytes: &[u8]) {
        self.open.put_slice(bytes);
    }

    pub fn unsigned_varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.open.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.open.put_u8(value as u8);
    }

    /// Records without their length: copied if short, otherwise shared.
    pub fn records(&mut self, records: &Records) {
        records.pieces().for_each(|piece| self.shared(piece));
        if let Some(range) = records.range() {
            self.apart(Chunk::File(range.clone()));
        }
    }

    fn shared(&mut self, piece: &Bytes) {
        if piece.len() <= limits::RECORDS_COPIED_BYTES_MAX {
            return self.open.put_slice(piece);
        }
        self.apart(Chunk::Memory(piece.clone()));
    }

    fn apart(&mut self, chunk: Chunk) {
        let before = self.open.split();
        self.closed_bytes += before.len() + chunk.len();
        if self.head.is_none() {
            self.head = Some(before);
        } else if !before.is_empty() {
            self.chunks.push(before.freeze().into());
        }
        self.chunks.push(chunk);
    }

    /// One tagged field: the tag, the size of what `value` writes, and that. Tagged fields never hold records.
    pub fn tagged_field(
        &mut self,
        tag: u32,
        value: impl FnOnce(&mut Writer) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        self.unsigned_varint(tag);
        let start = self.open.len();
        // One byte holds the size of nearly every tagged value; a longer one moves the value along.
        self.open.put_u8(0);
        let chunk_count = self.chunks.len();
        value(self)?;
        assert_eq!(chunk_count, self.chunks.len(), "records inside a tagged field");
        let size = self.open.len() - start - 1;
        if size < 0x80 {
            self.open[start] = size as u8;
        } else {
            let moved = self.open.split_off(start + 1);
            self.open.truncate(start);
            self.unsigned_varint(u32::try_from(size).map_err(|_| WireError::BadLength(size as i64))?);
            self.open.unsplit(moved);
        }
        Ok(())
    }

    /// An error code was written.
    #[inline]
    pub fn note_error(&mut self, code: i16) {
        if code != 0 {
            match self.errors.iter_mut().find(|(known, _)| *known == code) {
                Some((_, count)) => *count += 1,
                None => self.errors.push((code, 1)),
            }
        }
    }

    pub fn take_errors(&mut self) -> Errors {
        std::mem::take(&mut self.errors)
    }

    /// The chunks in order, none of them empty; of a frame, with its length filled in.
    pub fn finish(mut self) -> Result<Vec<Chunk>, WireError> {
        let total = self.len();
        if self.form == Form::Framed {
            let size = total - LENGTH_BYTES;
            if size > limits::FRAME_BYTES_MAX {
                return Err(WireError::FrameSize { size: size as i64, bytes_max: limits::FRAME_BYTES_MAX });
            }
            let head = self.head.as_mut().unwrap_or(&mut self.open);
            head[..LENGTH_BYTES].copy_from_slice(&(size as u32).to_be_bytes());
        }
        let mut chunks = Vec::with_capacity(self.chunks.len() + 2);
        chunks.extend(self.head.map(|head| head.freeze().into()));
        chunks.append(&mut self.chunks);
        chunks.push(self.open.freeze().into());
        chunks.retain(|chunk| !chunk.is_empty());
        Ok(chunks)
    }

    /// As `finish`, of a message whose records are all in memory.
    pub fn finish_in_memory(self) -> Result<Vec<Bytes>, WireError> {
        let chunks = self.finish()?.into_iter().map(|chunk| match chunk {
            Chunk::Memory(bytes) => bytes,
            Chunk::File(_) => unreachable!("a server alone has records in files"),
        });
        Ok(chunks.collect())
    }
}

impl Default for Writer {
    fn default() -> Writer {
        Writer::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_records_are_shared_and_short_ones_copied() {
        let long = Bytes::from(vec![7; 10_000]);
        let short = Bytes::from(vec![8; 100]);
        let mut writer = Writer::framed();
        writer.i32(1);
        writer.records(&[long.clone(), short.clone(), long.clone()].into_iter().collect());
        writer.i8(2);
        let chunks = writer.finish_in_memory().unwrap();
        let lengths: Vec<usize> = chunks.iter().map(Bytes::len).collect();
        assert_eq!(lengths, [8, 10_000, 100, 10_000, 1]);
        assert_eq!(chunks[1].as_ptr(), long.as_ptr());
        assert_eq!(chunks[3].as_ptr(), long.as_ptr());
        assert_eq!(chunks[0][..4], (20_105u32).to_be_bytes());
    }

    #[test]
    fn a_tagged_value_carries_its_size_short_or_long() {
        for size in [0, 1, 127, 128, 20_000] {
            let mut writer = Writer::new();
            writer
                .tagged_field(3, |w| {
                    w.slice(&vec![9; size]);
                    Ok(())
                })
                .unwrap();
            let bytes: Vec<u8> = writer.finish_in_memory().unwrap().concat();
            let mut reader = crate::wire::Reader::new(Bytes::from([&[1][..], &bytes].concat()));
            let mut seen = None;
            let note = |tag, value: &mut crate::wire::Reader| {
                seen = Some((tag, value.rest().len()));
                Ok(true)
            };
            reader.tagged_fields(note).unwrap();
            assert_eq!(seen, Some((3, size)));
            assert_eq!(reader.finish(), Ok(()));
        }
    }
}
