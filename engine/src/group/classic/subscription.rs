//! What members of the consumer protocol subscribe to: the head of ConsumerProtocolSubscription, which is version i16, then
//! topics [str]. The coordinator looks no further. Pure; any bytes are safe.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

/// The protocol type of consumers.
pub const CONSUMER: &str = "consumer";

/// The topics; none if the bytes are no subscription.
pub fn topics(metadata: &Bytes) -> Option<Vec<&str>> {
    let mut rest: &[u8] = metadata;
    let version = i16::from_be_bytes(take(&mut rest)?);
    let count = i32::from_be_bytes(take(&mut rest)?);
    if version < 0 || count < 0 || count as usize > rest.len() / 2 {
        return None;
    }
    let mut topics = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let length = usize::try_from(i16::from_be_bytes(take(&mut rest)?)).ok()?;
        let (name, behind) = rest.split_at_checked(length)?;
        topics.push(std::str::from_utf8(name).ok()?);
        rest = behind;
    }
    Some(topics)
}

/// All topics of all these subscriptions; none if one is not understood.
pub fn union<'a>(all: impl Iterator<Item = &'a Bytes>) -> Option<BTreeSet<Arc<str>>> {
    let mut union: BTreeSet<Arc<str>> = BTreeSet::new();
    for metadata in all {
        for topic in topics(metadata)? {
            if !union.contains(topic) {
                union.insert(topic.into());
            }
        }
    }
    Some(union)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (chunk, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_read_and_cut_or_forged_bytes_are_not() {
        let whole = b"\x00\x01\x00\x00\x00\x02\x00\x01a\x00\x02bc\x00\x00\x00\x00";
        assert_eq!(topics(&Bytes::from_static(whole)), Some(vec!["a", "bc"]));
        for end in 0..13 {
            assert_eq!(topics(&Bytes::copy_from_slice(&whole[..end])), None, "{end}");
        }
        assert_eq!(topics(&Bytes::from_static(b"\x00\x00\x7f\xff\xff\xff\x00\x00")), None);
        assert_eq!(topics(&Bytes::from_static(b"\x00\x00\xff\xff\xff\xff")), None);
    }
}
