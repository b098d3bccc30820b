//! Lines of one or more inputs, read ahead on a thread of their own and handed over in chunks: whoever takes them never waits for
//! more while there is something, and what is read ahead is bounded.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use engine::limits::BATCH_BYTES_MAX;

use super::failure::Failure;

const READ_BYTES: usize = 256 << 10;
/// Chunks that wait to be taken: with the one above, the bound of what is read ahead.
const CHUNKS_MAX: usize = 16;

type Chunk = io::Result<Vec<u8>>;

pub struct Lines {
    chunks: Receiver<Chunk>,
    delimiter: u8,
    /// Of all inputs, if they are files.
    pub bytes: Option<u64>,
}

/// What waiting for lines gave.
pub enum Next {
    /// Whole lines, each with its delimiter; at the end of an input the last may lack it.
    Chunk(Vec<u8>),
    /// Nothing came in time.
    Nothing,
    End,
}

impl Lines {
    /// Of files, one after the other; of standard input without any, or for `-`.
    pub fn open(files: &[PathBuf], delimiter: u8) -> Result<Lines, Failure> {
        let (mut inputs, mut bytes): (Vec<Box<dyn Read + Send>>, _) = (Vec::new(), Some(0));
        for path in files {
            if path.as_os_str() == "-" {
                inputs.push(Box::new(io::stdin()));
                bytes = None;
                continue;
            }
            let file = File::open(path).map_err(|error| Failure::file("read", path, &error))?;
            let size = file.metadata().ok().filter(fs::Metadata::is_file).map(|data| data.len());
            bytes = bytes.zip(size).map(|(bytes, size)| bytes + size);
            inputs.push(Box::new(file));
        }
        if files.is_empty() {
            inputs.push(Box::new(io::stdin()));
            bytes = None;
        }
        Ok(Lines { bytes, ..Lines::of(inputs, delimiter) })
    }

    fn of(inputs: Vec<Box<dyn Read + Send>>, delimiter: u8) -> Lines {
        let (sender, chunks) = sync_channel(CHUNKS_MAX);
        // Not joined: when the taker is gone it may still be waiting for a line that never comes.
        thread::spawn(move || {
            for mut input in inputs {
                if let Err(error) = read_all(input.as_mut(), delimiter, &sender) {
                    let _ = sender.send(Err(error));
                    return;
                }
            }
        });
        Lines { chunks, delimiter, bytes: None }
    }

    pub fn next(&self, wait: Duration) -> Result<Next, Failure> {
        match self.chunks.recv_timeout(wait) {
            Ok(Ok(chunk)) => Ok(Next::Chunk(chunk)),
            Ok(Err(error)) => Err(Failure::Failed(format!("cannot read the input: {error}"))),
            Err(RecvTimeoutError::Timeout) => Ok(Next::Nothing),
            Err(RecvTimeoutError::Disconnected) => Ok(Next::End),
        }
    }

    /// The lines of a chunk, without their delimiters.
    pub fn split<'a>(&self, chunk: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let delimiter = self.delimiter;
        let lines = chunk.split_inclusive(move |byte| *byte == delimiter);
        lines.map(move |line| line.strip_suffix(&[delimiter]).unwrap_or(line))
    }
}

fn read_all(input: &mut dyn Read, delimiter: u8, chunks: &SyncSender<Chunk>) -> io::Result<()> {
    let mut read = vec![0; READ_BYTES];
    let mut begun = Vec::new();
    loop {
        let bytes = match input.read(&mut read) {
            Ok(0) => break,
            Ok(count) => &read[..count],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        match bytes.iter().rposition(|byte| *byte == delimiter) {
            None => begun.extend_from_slice(bytes),
            Some(last) => {
                let (whole, rest) = bytes.split_at(last + 1);
                begun.extend_from_slice(whole);
                let chunk = std::mem::replace(&mut begun, rest.to_vec());
                if chunks.send(Ok(chunk)).is_err() {
                    return Ok(());
                }
            }
        }
        if begun.len() > BATCH_BYTES_MAX {
            let text = format!("a line is longer than the {BATCH_BYTES_MAX} bytes that a record may have");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
    }
    if !begun.is_empty() {
        let _ = chunks.send(Ok(begun));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one piece per read, as a pipe does.
    struct Pieces(Vec<&'static [u8]>);

    impl Read for Pieces {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let piece = self.0.remove(0);
            out[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    fn lines(inputs: &[&[&'static [u8]]], delimiter: u8) -> Vec<Vec<u8>> {
        let boxed = |pieces: &&[&'static [u8]]| -> Box<dyn Read + Send> { Box::new(Pieces(pieces.to_vec())) };
        let lines = Lines::of(inputs.iter().map(boxed).collect(), delimiter);
        let mut all = Vec::new();
        while let Next::Chunk(chunk) = lines.next(Duration::from_secs(10)).unwrap() {
            all.extend(lines.split(&chunk).map(<[u8]>::to_vec));
        }
        all
    }

    #[test]
    fn lines_are_whole_however_they_arrive() {
        assert_eq!(lines(&[&[b"a", b"b\nc\n\nd", b"e"]], b'\n'), [&b"ab"[..], b"c", b"", b"de"]);
        assert_eq!(lines(&[&[b"one\n"]], b'\n'), [b"one"]);
        assert!(lines(&[&[]], b'\n').is_empty());
    }

    #[test]
    fn a_line_ends_where_its_input_does() {
        assert_eq!(lines(&[&[b"a\nb"], &[b"c\n"]], b'\n'), [b"a", b"b", b"c"]);
        assert_eq!(lines(&[&[b"a\nb", b"\0c\0"]], 0), [&b"a\nb"[..], b"c"]);
    }
}
