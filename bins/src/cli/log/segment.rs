//! A `.log` file, batch by batch. Reads one batch into memory at a time, never the file.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use engine::base::Offset;
use engine::limits::BATCH_BYTES_MAX;
use engine::record::{BatchHeader, HEADER_BYTES, RecordError};

use crate::cli::failure::Failure;

/// The base offset that a segment's file name says.
pub fn base_offset(path: &Path) -> Option<Offset> {
    let digits = path.file_stem()?.to_str()?;
    let is_number = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten().map(Offset)
}

/// A batch and where it begins in its file.
pub struct Located {
    pub position: u64,
    pub header: BatchHeader,
    pub bytes: Vec<u8>,
}

pub enum Step {
    Batch(Located),
    End(Tail),
}

/// What follows the last batch.
#[derive(Debug, PartialEq, Eq)]
pub enum Tail {
    Nothing,
    /// Space that was allocated and not yet written.
    Zeros {
        position: u64,
        bytes: u64,
    },
    /// A batch that ends after the file does.
    Cut {
        position: u64,
        have: u64,
        need: u64,
    },
    /// Bytes that are no batch.
    Rubbish {
        position: u64,
        bytes: u64,
        reason: RecordError,
    },
}

pub struct Segment {
    path: PathBuf,
    file: BufReader<File>,
    position: u64,
    size: u64,
}

impl Segment {
    pub fn open(path: &Path) -> Result<Segment, Failure> {
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (size, file) = opened.map_err(|error| Failure::file("read", path, &error))?;
        let file = BufReader::with_capacity(1 << 20, file);
        Ok(Segment { path: path.to_owned(), file, position: 0, size })
    }

    pub fn step(&mut self) -> Result<Step, Failure> {
        let path = self.path.clone();
        self.read().map_err(|error| Failure::file("read", &path, &error))
    }

    fn read(&mut self) -> io::Result<Step> {
        let (position, left) = (self.position, self.size - self.position);
        if left == 0 {
            return Ok(Step::End(Tail::Nothing));
        }
        let mut bytes = vec![0; HEADER_BYTES.min(usize::try_from(left).unwrap_or(usize::MAX))];
        self.file.read_exact(&mut bytes)?;
        if bytes.iter().all(|byte| *byte == 0) && self.rest_is_zero()? {
            return Ok(Step::End(Tail::Zeros { position, bytes: left }));
        }
        let header = match BatchHeader::parse(&bytes) {
            Ok(header) if header.size() <= BATCH_BYTES_MAX => header,
            Ok(_) => {
                let reason = RecordError::TooLarge { bytes_max: BATCH_BYTES_MAX };
                return Ok(Step::End(Tail::Rubbish { position, bytes: left, reason }));
            }
            Err(RecordError::Cut { need, .. }) => {
                return Ok(Step::End(Tail::Cut { position, have: left, need: need as u64 }));
            }
            Err(reason) => return Ok(Step::End(Tail::Rubbish { position, bytes: left, reason })),
        };
        let need = header.size() as u64;
        if need > left {
            return Ok(Step::End(Tail::Cut { position, have: left, need }));
        }
        bytes.resize(header.size(), 0);
        self.file.read_exact(&mut bytes[HEADER_BYTES..])?;
        self.position += need;
        Ok(Step::Batch(Located { position, header, bytes }))
    }

    /// Whether nothing but zeros follows; leaves the file there, since only a tail follows either way.
    fn rest_is_zero(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 64 << 10];
        loop {
            match self.file.read(&mut buffer) {
                Ok(0) => return Ok(true),
                Ok(count) if buffer[..count].iter().any(|byte| *byte != 0) => {
                    self.file.seek(SeekFrom::End(0))?;
                    return Ok(false);
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl std::fmt::Display for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Tail::Nothing => write!(f, "nothing follows"),
            Tail::Zeros { position, bytes } => {
                write!(f, "{bytes} zero bytes from position {position}: allocated, not yet written")
            }
            Tail::Cut { position, have, need } => {
                write!(f, "the batch at position {position} is cut: {have} bytes of {need}")
            }
            Tail::Rubbish { position, bytes, reason } => {
                write!(f, "{bytes} bytes from position {position} are no batch: {reason}")
            }
        }
    }
}
