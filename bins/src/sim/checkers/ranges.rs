//! Ranges: what is sent from a segment's file had been written there whole when it was answered, and does not change until it is sent.

use super::{Promise, Verdict};

/// `was`: what the file held there when the range of `length` bytes was answered; `is`: when it was sent.
pub fn sent(length: u32, was: &[u8], is: &[u8]) -> Verdict {
    let whole = engine::record::headers(was).last().map_or(0, |(at, header)| at + header.size());
    Promise::RangesWhole.holds(whole == length as usize, || {
        format!("of a range of {length} bytes, {whole} are whole batches when it is answered")
    })?;
    Promise::RangesWhole.holds(was == is, || {
        let differs = was.iter().zip(is).position(|(a, b)| a != b);
        format!(
            "a range of {length} bytes is another when it is sent: {} bytes, from {differs:?} on",
            is.len()
        )
    })
}
