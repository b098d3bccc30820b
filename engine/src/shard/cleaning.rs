//! The bytes of compaction: a segment read from its first batch to its last (`Source`), and the segment that is written instead, with its index files
//! (`Output`). Pure: Ops come out, bytes go in.

use std::sync::Arc;

use bytes::Bytes;

use super::cold::batch_size;
use crate::{
    base::Offset,
    io::buffer::AlignedBuf,
    limits::{BLOCK_BYTES, CLEAN_IO_BYTES},
    log::{
        names,
        segment::{BatchFacts, Entries, Segment},
    },
    op::{Class, FileName, Op, Path, Sync},
    record::{BatchHeader, HEADER_BYTES},
};

#[derive(Debug)]
pub struct Source {
    file: FileName,
    size: u64,
    path: Path,
    /// Where in the file the next batch begins.
    position: u64,
    /// The file's bytes from there on, as far as they are read.
    chunk: Bytes,
    /// So many bytes must have come with the read under way.
    need: usize,
}

pub enum Found {
    Batch(Bytes),
    /// Needs this first.
    Read(Op),
    End,
    Damaged(String),
}

impl Source {
    pub fn new(directory: &str, segment: Segment, path: Path) -> Source {
        let file = names::log(directory, segment.base);
        Source { file, size: u64::from(segment.size.0), path, position: 0, chunk: Bytes::new(), need: 0 }
    }

    pub fn next(&mut self) -> Found {
        let left = self.size - self.position.min(self.size);
        if left == 0 {
            return Found::End;
        }
        let size = batch_size(&self.chunk);
        let need = size.unwrap_or(HEADER_BYTES);
        if need as u64 > left || (size.is_none() && self.chunk.len() >= HEADER_BYTES) {
            return Found::Damaged(format!("{} has no batch at byte {}", self.file.as_str(), self.position));
        }
        if size.is_some() && self.chunk.len() >= need {
            self.position += need as u64;
            return Found::Batch(self.chunk.split_to(need));
        }
        self.need = need;
        let start = self.position / BLOCK_BYTES as u64 * BLOCK_BYTES as u64;
        let end = self.position + left.min(need.max(CLEAN_IO_BYTES) as u64);
        let length = (end - start).next_multiple_of(BLOCK_BYTES as u64) as u32;
        let (path, class) = (self.path, Class::Background);
        Found::Read(Op::Read { file: self.file.clone(), position: start, length, path, class })
    }

    /// Takes what the read brought.
    pub fn feed(&mut self, bytes: Bytes) -> Result<(), String> {
        let skip = self.position as usize % BLOCK_BYTES;
        let known = bytes.len().min(skip + (self.size - self.position) as usize);
        if known < skip + self.need {
            return Err(format!("{} ends before byte {}", self.file.as_str(), self.size));
        }
        self.chunk = bytes.slice(skip..known);
        Ok(())
    }
}

#[derive(Debug)]
pub struct Output {
    directory: Arc<str>,
    segment: Segment,
    interval: u32,
    path: Path,
    /// Where `buffer` goes.
    position: u64,
    /// Bytes of the log file that are allocated.
    allocated: u64,
    /// Writes that wait until there is room for them.
    waiting: Vec<Op>,
    buffer: AlignedBuf,
    index: Vec<u8>,
    time: Vec<u8>,
}

impl Output {
    /// Begins empty files for a segment at `base` of at most about `bytes`.
    pub fn begin(
        directory: &Arc<str>,
        base: Offset,
        bytes: u64,
        interval: u32,
        path: Path,
    ) -> (Output, Vec<Op>) {
        let [log, index, time] = names::segment_files(directory, base).map(|file| names::cleaned(&file));
        let allocated = bytes.next_multiple_of(BLOCK_BYTES as u64);
        let ops = vec![
            Op::Create { file: log, allocate: allocated },
            Op::Create { file: index, allocate: 0 },
            Op::Create { file: time, allocate: 0 },
        ];
        let output = Output {
            directory: directory.clone(),
            segment: Segment::empty(base),
            interval,
            path,
            position: 0,
            allocated,
            waiting: Vec::new(),
            buffer: AlignedBuf::with_capacity(0),
            index: Vec::new(),
            time: Vec::new(),
        };
        (output, ops)
    }

    /// Adds a whole batch; answers the writes that are full with it, or what makes room for them: then they wait.
    pub fn push(&mut self, mut bytes: &[u8]) -> Vec<Op> {
        let mut ops = Vec::new();
        let Ok(header) = BatchHeader::parse(bytes) else { return ops };
        let facts = BatchFacts {
            base: header.base_offset,
            next: header.next_offset(),
            size: bytes.len() as u32,
            max_timestamp: header.max_timestamp,
        };
        let entries = self.segment.apply(&facts, self.interval);
        self.note(entries);
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CLEAN_IO_BYTES - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() == CLEAN_IO_BYTES {
                ops.push(self.write_buffer());
            }
        }
        match self.room_up_to(self.position) {
            Some(allocate) => {
                self.waiting = ops;
                vec![allocate]
            }
            None => ops,
        }
    }

    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// What waited for room.
    pub fn take_waiting(&mut self) -> Vec<Op> {
        std::mem::take(&mut self.waiting)
    }

    /// What makes room for the rest, if there is none.
    pub fn room(&mut self) -> Option<Op> {
        self.room_up_to(self.position + self.buffer.len().next_multiple_of(BLOCK_BYTES) as u64)
    }

    /// A batch that is rewritten may be larger than it was.
    fn room_up_to(&mut self, end: u64) -> Option<Op> {
        if end <= self.allocated {
            return None;
        }
        self.allocated = end;
        let file = names::cleaned(&names::log(&self.directory, self.segment.base));
        Some(Op::Allocate { file, size: end })
    }

    /// The last writes; the segment as it is then, none if nothing stayed.
    pub fn finish(mut self) -> (Option<Segment>, Vec<Op>) {
        if self.segment.size.0 == 0 {
            return (None, Vec::new());
        }
        let time = self.segment.seal();
        self.note(Entries { index: None, time });
        let mut ops = Vec::new();
        if !self.buffer.is_empty() {
            self.buffer.pad_to_block();
            ops.push(self.write_buffer());
        }
        let base = self.segment.base;
        let [_, index, times] = names::segment_files(&self.directory, base).map(|file| names::cleaned(&file));
        for (file, bytes) in [(index, self.index), (times, self.time)] {
            let (path, sync, class) = (Path::Buffered, Sync::Later, Class::Background);
            ops.push(Op::Write { file, position: 0, data: Bytes::from(bytes), path, sync, class });
        }
        (Some(Segment { unsettled: true, ..self.segment }), ops)
    }

    fn note(&mut self, entries: Entries) {
        let base = self.segment.base;
        if let Some(entry) = entries.index {
            entry.encode(base, &mut self.index);
        }
        if let Some(entry) = entries.time {
            entry.encode(base, &mut self.time);
        }
    }

    fn write_buffer(&mut self) -> Op {
        let data = std::mem::replace(&mut self.buffer, AlignedBuf::with_capacity(0)).freeze();
        let position = self.position;
        self.position += data.len() as u64;
        Op::Write {
            file: names::cleaned(&names::log(&self.directory, self.segment.base)),
            position,
            data,
            path: self.path,
            sync: Sync::Later,
            class: Class::Background,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::Timestamp,
        record::{BatchBuilder, Codec, RecordData},
    };

    /// A delete horizon makes the times in a batch longer: the output outgrew what was allocated for it.
    #[test]
    fn what_is_larger_than_its_sources_gets_room_before_it_is_written() {
        let value = vec![7; CLEAN_IO_BYTES + 5000];
        let mut builder = BatchBuilder::new(Codec::None, 4 << 20);
        let timestamp = Timestamp(1);
        let data = RecordData { timestamp, value: Some(&value), ..RecordData::default() };
        assert!(builder.push(data));
        let batch = builder.build().expect("a batch");
        let (mut output, _) = Output::begin(&"t-0".into(), Offset(0), 4096, 4096, Path::Direct);
        let size = |ops: &[Op]| match ops {
            [Op::Allocate { size, .. }] => *size,
            other => panic!("{other:?}"),
        };
        assert_eq!(size(&output.push(&batch)), CLEAN_IO_BYTES as u64);
        assert!(matches!(&output.take_waiting()[..], [Op::Write { position: 0, .. }]));
        let whole = batch.len().next_multiple_of(BLOCK_BYTES) as u64;
        assert_eq!(output.room().as_slice().len(), 1);
        assert_eq!(output.allocated, whole);
        assert_eq!(output.room().as_slice().len(), 0, "once is enough");
    }
}
