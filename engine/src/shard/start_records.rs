//! Which start counts, at a start: the newest valid start record says so. What ran after it and has lost its record is damage, never
//! cut off: a core opens journal extents only under a start record that is durable.

use bytes::Bytes;

use super::{
    recover::{BootError, list, one, read, read_file, taken},
    replay::{all, buffered},
    start::StartRecord,
};
use crate::{
    base::Incarnation,
    io::journal::format::ExtentHeader,
    limits::BLOCK_BYTES,
    op::{FileName, Op, Path, Perform},
};

pub fn write(perform: Perform<'_>, record: StartRecord) -> Result<(), BootError> {
    let file = StartRecord::file(record.incarnation.0 % 2);
    all(perform, vec![buffered(file.clone(), 0, Bytes::from(record.encode()))])?;
    all(perform, vec![Op::SyncFile { file }])
}

/// None: nothing has ever run here.
pub fn newest(perform: Perform<'_>) -> Result<Option<StartRecord>, BootError> {
    let mut records = Vec::new();
    for slot in 0..2 {
        records.extend(StartRecord::decode(&read_file(perform, StartRecord::file(slot))?));
    }
    let newest = records.into_iter().max_by_key(|record| record.incarnation);
    let counts = newest.map_or(Incarnation(0), |record| record.incarnation);
    match newest_journal(perform)?.filter(|ran| *ran > counts) {
        Some(ran) => Err(BootError::StartRecord { ran: ran.0 }),
        None => Ok(newest),
    }
}

/// The newest incarnation that has written a journal, whatever core it was.
fn newest_journal(perform: Perform<'_>) -> Result<Option<Incarnation>, BootError> {
    let mut newest = None;
    for core in list(perform, "journal")?.into_iter().filter(|entry| entry.is_directory) {
        let directory = format!("journal/{}", core.name);
        for extent in list(perform, &directory)?.into_iter().filter(|entry| entry.name.starts_with("extent-"))
        {
            let file = FileName::new(format!("{directory}/{}", extent.name));
            let head = taken(one(perform, read(file, 0, BLOCK_BYTES as u32, Path::Buffered)))?;
            newest = newest.max(ExtentHeader::decode(&head).map(|header| header.incarnation));
        }
    }
    Ok(newest)
}
