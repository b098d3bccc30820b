//! Kafka's message encoding as far as the coordinator's records need it: integers big-endian, strings, byte strings and
//! arrays with a fixed-width length, or in flexible versions (KIP-482) with a varint of length + 1 and tagged fields
//! behind each structure. Pure. The reader is safe on any bytes: it never panics and allocates no more than they hold.

use super::error::RecordError;
use crate::base::TopicId;

/// Kafka's limit of every string, in bytes.
const STRING_BYTES_MAX: usize = i16::MAX as usize;

type Read<T> = Result<T, &'static str>;

const CUT: &str = "ends within a field";
const NULL: &str = "null where nothing may be null";

/// Whether a version of a message is flexible: compact lengths, tagged fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Fixed,
    Flexible,
}

/// What is left of a message.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    encoding: Encoding,
}

impl<'a> Reader<'a> {
    /// Reads the version that begins a key or a value.
    pub(super) fn version(bytes: &'a [u8], what: &'static str) -> Result<(i16, &'a [u8]), RecordError> {
        let (version, rest) = bytes
            .split_first_chunk::<2>()
            .ok_or(RecordError::Damaged { kind: what, reason: "shorter than its version" })?;
        Ok((i16::from_be_bytes(*version), rest))
    }

    pub(super) fn new(bytes: &'a [u8], encoding: Encoding) -> Reader<'a> {
        Reader { rest: bytes, encoding }
    }

    fn take(&mut self, length: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(CUT)?;
        self.rest = rest;
        Ok(taken)
    }

    fn chunk<const N: usize>(&mut self) -> Read<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(CUT)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn i8(&mut self) -> Read<i8> {
        Ok(i8::from_be_bytes(self.chunk()?))
    }

    pub(super) fn i32(&mut self) -> Read<i32> {
        Ok(i32::from_be_bytes(self.chunk()?))
    }

    pub(super) fn i64(&mut self) -> Read<i64> {
        Ok(i64::from_be_bytes(self.chunk()?))
    }

    pub(super) fn topic_id(&mut self) -> Read<TopicId> {
        Ok(TopicId(self.chunk()?))
    }

    fn varint(&mut self) -> Read<u32> {
        let mut value = 0u32;
        for (index, &byte) in self.rest.iter().take(5).enumerate() {
            if index == 4 && byte > 0x0f {
                break;
            }
            value |= u32::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        Err("a varint is cut or too long")
    }

    /// A length or a count; none is null.
    fn length(&mut self, fixed: fn(&mut Self) -> Read<i64>) -> Read<Option<usize>> {
        let length = match self.encoding {
            Encoding::Fixed => fixed(self)?,
            Encoding::Flexible => i64::from(self.varint()?) - 1,
        };
        match usize::try_from(length) {
            Ok(length) if length <= self.rest.len() => Ok(Some(length)),
            Ok(_) => Err(CUT),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err("a negative length"),
        }
    }

    pub(super) fn nullable_string(&mut self) -> Read<Option<String>> {
        let Some(length) = self.length(|reader| Ok(i64::from(i16::from_be_bytes(reader.chunk()?))))? else {
            return Ok(None);
        };
        if length > STRING_BYTES_MAX {
            return Err("a string longer than 32767 bytes");
        }
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| "a string that is not UTF-8")?;
        Ok(Some(text.to_owned()))
    }

    pub(super) fn string(&mut self) -> Read<String> {
        self.nullable_string()?.ok_or(NULL)
    }

    pub(super) fn bytes(&mut self) -> Read<Vec<u8>> {
        let length = self.length(|reader| Ok(i64::from(reader.i32()?)))?.ok_or(NULL)?;
        Ok(self.take(length)?.to_vec())
    }

    /// An array whose items take at least a byte each; none is null.
    pub(super) fn nullable_array<T>(&mut self, item: impl Fn(&mut Self) -> Read<T>) -> Read<Option<Vec<T>>> {
        let Some(count) = self.length(|reader| Ok(i64::from(reader.i32()?)))? else { return Ok(None) };
        (0..count).map(|_| item(self)).collect::<Read<Vec<T>>>().map(Some)
    }

    pub(super) fn array<T>(&mut self, item: impl Fn(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        self.nullable_array(item)?.ok_or(NULL)
    }

    /// The tagged fields behind a structure: `field` is handed the fields with a meaning and a reader of exactly their
    /// bytes, and says whether it knows the tag. Unknown ones are passed over.
    pub(super) fn tagged(&mut self, mut field: impl FnMut(u32, &mut Reader<'a>) -> Read<Known>) -> Read<()> {
        if self.encoding == Encoding::Fixed {
            return Ok(());
        }
        for _ in 0..self.varint()? {
            let tag = self.varint()?;
            let length = usize::try_from(self.varint()?).map_err(|_| CUT)?;
            let mut inner = Reader::new(self.take(length)?, self.encoding);
            if field(tag, &mut inner)? == Known::Yes && !inner.rest.is_empty() {
                return Err("bytes behind a tagged field's value");
            }
        }
        Ok(())
    }

    pub(super) fn untagged(&mut self) -> Read<()> {
        self.tagged(|_, _| Ok(Known::No))
    }

    /// A tagged structure is nullable: a byte says whether it is there.
    pub(super) fn present(&mut self) -> Read<bool> {
        Ok(self.varint()? > 0)
    }

    pub(super) fn end(&self) -> Read<()> {
        if self.rest.is_empty() { Ok(()) } else { Err("bytes after the last field") }
    }
}

/// Whether a tag means something to this version of the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Yes,
    No,
}

/// A message being written. Asserts Kafka's limit of strings, which the wire keeps for everything that clients send.
pub(super) struct Writer {
    out: Vec<u8>,
    encoding: Encoding,
}

impl Writer {
    pub(super) fn new(version: i16, encoding: Encoding) -> Writer {
        Writer { out: version.to_be_bytes().to_vec(), encoding }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.out
    }

    pub(super) fn i8(&mut self, value: i8) {
        self.out.extend(value.to_be_bytes());
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.out.extend(value.to_be_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.out.extend(value.to_be_bytes());
    }

    pub(super) fn topic_id(&mut self, id: TopicId) {
        self.out.extend(id.0);
    }

    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    fn count(&mut self, count: Option<usize>) {
        let count = count.map_or(-1, |count| i32::try_from(count).expect("a record holds less than 2 GiB"));
        match self.encoding {
            Encoding::Fixed => self.i32(count),
            Encoding::Flexible => self.varint((count + 1) as u32),
        }
    }

    pub(super) fn nullable_string(&mut self, text: Option<&str>) {
        assert!(text.is_none_or(|text| text.len() <= STRING_BYTES_MAX), "a string beyond Kafka's limit");
        match self.encoding {
            Encoding::Fixed => {
                self.out.extend(text.map_or(-1, |text| text.len() as i16).to_be_bytes());
            }
            Encoding::Flexible => self.varint(text.map_or(0, |text| text.len() as u32 + 1)),
        }
        self.out.extend(text.unwrap_or_default().as_bytes());
    }

    pub(super) fn string(&mut self, text: &str) {
        self.nullable_string(Some(text));
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.count(Some(bytes.len()));
        self.out.extend(bytes);
    }

    pub(super) fn nullable_array<T>(&mut self, items: Option<&[T]>, item: impl Fn(&mut Self, &T)) {
        self.count(items.map(<[T]>::len));
        for one in items.unwrap_or_default() {
            item(self, one);
        }
    }

    pub(super) fn array<T>(&mut self, items: &[T], item: impl Fn(&mut Self, &T)) {
        self.nullable_array(Some(items), item);
    }

    /// The one tagged field that a structure may have, if it differs from its default.
    pub(super) fn tagged(&mut self, field: Option<(u32, impl FnOnce(&mut Writer))>) {
        if self.encoding == Encoding::Fixed {
            return;
        }
        let Some((tag, write)) = field else {
            self.varint(0);
            return;
        };
        let mut inner = Writer { out: Vec::new(), encoding: self.encoding };
        write(&mut inner);
        self.varint(1);
        self.varint(tag);
        self.varint(u32::try_from(inner.out.len()).expect("a record holds less than 2 GiB"));
        self.out.extend(inner.out);
    }

    pub(super) fn untagged(&mut self) {
        self.tagged(None::<(u32, fn(&mut Writer))>);
    }

    pub(super) fn present(&mut self, present: bool) {
        self.varint(u32::from(present));
    }
}
