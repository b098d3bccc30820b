//! A committed offset.
//!
//! ```text
//! key    type i16 = 1 (0 before Kafka 0.9) · group str · topic str · partition i32
//! value  version i16 · offset i64 · leader epoch i32 (v3+) · metadata str · commit timestamp i64 ·
//!        expire timestamp i64 (v1 only) · tag 0: topic id [16] (v4+, flexible)
//! ```

use super::bytes::{Encoding, Known, Reader, Writer};
use crate::base::{LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicId};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OffsetCommitKey {
    pub group: String,
    pub topic: String,
    pub partition: PartitionIndex,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommitValue {
    pub offset: Offset,
    /// -1: the consumer did not say.
    pub leader_epoch: LeaderEpoch,
    pub metadata: String,
    pub commit_timestamp: Timestamp,
    /// Set by the retention time that OffsetCommit v2 to v4 could carry.
    pub expire_timestamp: Option<Timestamp>,
    /// Zero: unknown.
    pub topic_id: TopicId,
}

impl OffsetCommitKey {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<OffsetCommitKey, &'static str> {
        Ok(OffsetCommitKey {
            group: reader.string()?,
            topic: reader.string()?,
            partition: PartitionIndex(reader.i32()?),
        })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.string(&self.group);
        writer.string(&self.topic);
        writer.i32(self.partition.0);
    }
}

impl OffsetCommitValue {
    pub(super) const VERSION_MAX: i16 = 4;

    pub(super) fn encoding(version: i16) -> Encoding {
        if version >= 4 { Encoding::Flexible } else { Encoding::Fixed }
    }

    /// The version that Kafka writes: only the first can hold an expiry.
    pub(super) fn version(&self) -> i16 {
        if self.expire_timestamp.is_some() { 1 } else { 4 }
    }

    pub(super) fn read(reader: &mut Reader<'_>, version: i16) -> Result<OffsetCommitValue, &'static str> {
        let mut value = OffsetCommitValue {
            offset: Offset(reader.i64()?),
            leader_epoch: LeaderEpoch(if version >= 3 { reader.i32()? } else { -1 }),
            metadata: reader.string()?,
            commit_timestamp: Timestamp(reader.i64()?),
            expire_timestamp: None,
            topic_id: TopicId::ZERO,
        };
        if version == 1 {
            value.expire_timestamp =
                Some(Timestamp(reader.i64()?)).filter(|expiry| *expiry != Timestamp::NONE);
        }
        reader.tagged(|tag, field| match tag {
            0 => {
                value.topic_id = field.topic_id()?;
                Ok(Known::Yes)
            }
            _ => Ok(Known::No),
        })?;
        Ok(value)
    }

    pub(super) fn write(&self, writer: &mut Writer, version: i16) {
        writer.i64(self.offset.0);
        if version >= 3 {
            writer.i32(self.leader_epoch.0);
        }
        writer.string(&self.metadata);
        writer.i64(self.commit_timestamp.0);
        if version == 1 {
            writer.i64(self.expire_timestamp.unwrap_or(Timestamp::NONE).0);
        }
        let id = self.topic_id;
        writer.tagged((!id.is_zero()).then_some((0, move |field: &mut Writer| field.topic_id(id))));
    }
}
