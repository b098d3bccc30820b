//! The records of `__consumer_offsets`, in the formats of Kafka 4.3, so that Kafka's tools read them and a topic brought
//! from Kafka means here what it meant there. The key begins with the record's type, the value with its version; a key
//! without a value is a tombstone. Pure functions over bytes, on the core that owns the partition. Any bytes are safe.

mod bytes;
mod classic;
mod consumer;
mod error;
mod offset;

#[cfg(test)]
mod tests;

use bytes::{Encoding, Reader, Writer};
use consumer::Flexible;

pub use classic::{GroupMetadataValue, MemberMetadata};
pub use consumer::{
    ClassicMemberMetadata, ClassicProtocol, ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataValue, ConsumerGroupPartitionMetadataValue,
    ConsumerGroupRegularExpressionValue, ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataValue, OwnedPartitions, PartitionRacks, TopicMetadata,
    TopicPartitions,
};
pub use error::RecordError;
pub use offset::{OffsetCommitKey, OffsetCommitValue};

/// One member of one group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberKey {
    pub group: String,
    pub member: String,
}

/// A record of a group coordinator. No value is a tombstone: what the key names is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupRecord {
    OffsetCommit(OffsetCommitKey, Option<OffsetCommitValue>),
    GroupMetadata(String, Option<GroupMetadataValue>),
    ConsumerGroupMetadata(String, Option<ConsumerGroupMetadataValue>),
    ConsumerGroupPartitionMetadata(String, Option<ConsumerGroupPartitionMetadataValue>),
    ConsumerGroupMemberMetadata(MemberKey, Option<ConsumerGroupMemberMetadataValue>),
    ConsumerGroupTargetAssignmentMetadata(String, Option<ConsumerGroupTargetAssignmentMetadataValue>),
    ConsumerGroupTargetAssignmentMember(MemberKey, Option<ConsumerGroupTargetAssignmentMemberValue>),
    ConsumerGroupCurrentMemberAssignment(MemberKey, Option<ConsumerGroupCurrentMemberAssignmentValue>),
    ConsumerGroupRegularExpression(RegexKey, Option<ConsumerGroupRegularExpressionValue>),
}

/// One regular expression that members of a group subscribe with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegexKey {
    pub group: String,
    pub regex: String,
}

impl GroupRecord {
    /// The group that the record is about.
    pub fn group(&self) -> &str {
        match self {
            GroupRecord::OffsetCommit(key, _) => &key.group,
            GroupRecord::GroupMetadata(group, _)
            | GroupRecord::ConsumerGroupMetadata(group, _)
            | GroupRecord::ConsumerGroupPartitionMetadata(group, _)
            | GroupRecord::ConsumerGroupTargetAssignmentMetadata(group, _) => group,
            GroupRecord::ConsumerGroupMemberMetadata(key, _)
            | GroupRecord::ConsumerGroupTargetAssignmentMember(key, _)
            | GroupRecord::ConsumerGroupCurrentMemberAssignment(key, _) => &key.group,
            GroupRecord::ConsumerGroupRegularExpression(key, _) => &key.group,
        }
    }

    /// The key's bytes. Asserts Kafka's limit of strings (32767 bytes), which the wire keeps.
    pub fn encode_key(&self) -> Vec<u8> {
        let writer = |kind: i16| Writer::new(kind, Encoding::Fixed);
        match self {
            GroupRecord::OffsetCommit(key, _) => {
                let mut writer = writer(1);
                key.write(&mut writer);
                writer.finish()
            }
            GroupRecord::GroupMetadata(group, _) => strings(writer(2), [group]),
            GroupRecord::ConsumerGroupMetadata(group, _) => strings(writer(3), [group]),
            GroupRecord::ConsumerGroupPartitionMetadata(group, _) => strings(writer(4), [group]),
            GroupRecord::ConsumerGroupMemberMetadata(key, _) => strings(writer(5), [&key.group, &key.member]),
            GroupRecord::ConsumerGroupTargetAssignmentMetadata(group, _) => strings(writer(6), [group]),
            GroupRecord::ConsumerGroupTargetAssignmentMember(key, _) => {
                strings(writer(7), [&key.group, &key.member])
            }
            GroupRecord::ConsumerGroupCurrentMemberAssignment(key, _) => {
                strings(writer(8), [&key.group, &key.member])
            }
            GroupRecord::ConsumerGroupRegularExpression(key, _) => {
                strings(writer(16), [&key.group, &key.regex])
            }
        }
    }

    /// The value's bytes, in the version that Kafka 4.3 writes; none is a tombstone.
    pub fn encode_value(&self) -> Option<Vec<u8>> {
        match self {
            GroupRecord::OffsetCommit(_, value) => {
                value.as_ref().map(|value| encode_offset_commit(value, value.version()))
            }
            GroupRecord::GroupMetadata(_, value) => {
                value.as_ref().map(|value| encode_group_metadata(value, GroupMetadataValue::VERSION))
            }
            GroupRecord::ConsumerGroupMetadata(_, value) => value.as_ref().map(encode_flexible),
            GroupRecord::ConsumerGroupPartitionMetadata(_, value) => value.as_ref().map(encode_flexible),
            GroupRecord::ConsumerGroupMemberMetadata(_, value) => value.as_ref().map(encode_flexible),
            GroupRecord::ConsumerGroupTargetAssignmentMetadata(_, value) => {
                value.as_ref().map(encode_flexible)
            }
            GroupRecord::ConsumerGroupTargetAssignmentMember(_, value) => value.as_ref().map(encode_flexible),
            GroupRecord::ConsumerGroupCurrentMemberAssignment(_, value) => {
                value.as_ref().map(encode_flexible)
            }
            GroupRecord::ConsumerGroupRegularExpression(_, value) => value.as_ref().map(encode_flexible),
        }
    }

    /// Reads exactly one key and its value. Any bytes are safe; allocation is bounded by their number.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<GroupRecord, RecordError> {
        let (kind, key) = Reader::version(key, "the key")?;
        let reader = Reader::new(key, Encoding::Fixed);
        Ok(match kind {
            0 | 1 => GroupRecord::OffsetCommit(
                whole("OffsetCommitKey", reader, OffsetCommitKey::read)?,
                decode_value(
                    "OffsetCommitValue",
                    value,
                    // Type 0 knew the first version only.
                    if kind == 0 { 0 } else { OffsetCommitValue::VERSION_MAX },
                    OffsetCommitValue::encoding,
                    OffsetCommitValue::read,
                )?,
            ),
            2 => GroupRecord::GroupMetadata(
                whole("GroupMetadataKey", reader, Reader::string)?,
                decode_value(
                    "GroupMetadataValue",
                    value,
                    GroupMetadataValue::VERSION_MAX,
                    GroupMetadataValue::encoding,
                    GroupMetadataValue::read,
                )?,
            ),
            3 => GroupRecord::ConsumerGroupMetadata(
                whole("ConsumerGroupMetadataKey", reader, Reader::string)?,
                decode_flexible("ConsumerGroupMetadataValue", value)?,
            ),
            4 => GroupRecord::ConsumerGroupPartitionMetadata(
                whole("ConsumerGroupPartitionMetadataKey", reader, Reader::string)?,
                decode_flexible("ConsumerGroupPartitionMetadataValue", value)?,
            ),
            5 => GroupRecord::ConsumerGroupMemberMetadata(
                whole("ConsumerGroupMemberMetadataKey", reader, member_key)?,
                decode_flexible("ConsumerGroupMemberMetadataValue", value)?,
            ),
            6 => GroupRecord::ConsumerGroupTargetAssignmentMetadata(
                whole("ConsumerGroupTargetAssignmentMetadataKey", reader, Reader::string)?,
                decode_flexible("ConsumerGroupTargetAssignmentMetadataValue", value)?,
            ),
            7 => GroupRecord::ConsumerGroupTargetAssignmentMember(
                whole("ConsumerGroupTargetAssignmentMemberKey", reader, member_key)?,
                decode_flexible("ConsumerGroupTargetAssignmentMemberValue", value)?,
            ),
            8 => GroupRecord::ConsumerGroupCurrentMemberAssignment(
                whole("ConsumerGroupCurrentMemberAssignmentKey", reader, member_key)?,
                decode_flexible("ConsumerGroupCurrentMemberAssignmentValue", value)?,
            ),
            16 => {
                let key = whole("ConsumerGroupRegularExpressionKey", reader, |reader| {
                    Ok(RegexKey { group: reader.string()?, regex: reader.string()? })
                })?;
                let value = decode_flexible("ConsumerGroupRegularExpressionValue", value)?;
                GroupRecord::ConsumerGroupRegularExpression(key, value)
            }
            _ => return Err(RecordError::UnknownType(kind)),
        })
    }
}

fn strings<const N: usize>(mut writer: Writer, parts: [&String; N]) -> Vec<u8> {
    for part in parts {
        writer.string(part);
    }
    writer.finish()
}

fn encode_offset_commit(value: &OffsetCommitValue, version: i16) -> Vec<u8> {
    let mut writer = Writer::new(version, OffsetCommitValue::encoding(version));
    value.write(&mut writer, version);
    writer.finish()
}

fn encode_group_metadata(value: &GroupMetadataValue, version: i16) -> Vec<u8> {
    let mut writer = Writer::new(version, GroupMetadataValue::encoding(version));
    value.write(&mut writer, version);
    writer.finish()
}

fn encode_flexible<V: Flexible>(value: &V) -> Vec<u8> {
    let mut writer = Writer::new(V::VERSION_MAX, V::encoding(V::VERSION_MAX));
    value.write(&mut writer);
    writer.finish()
}

fn member_key(reader: &mut Reader<'_>) -> Result<MemberKey, &'static str> {
    Ok(MemberKey { group: reader.string()?, member: reader.string()? })
}

fn whole<'a, T>(
    kind: &'static str,
    mut reader: Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, &'static str>,
) -> Result<T, RecordError> {
    let message = read(&mut reader).map_err(|reason| RecordError::Damaged { kind, reason })?;
    reader.end().map_err(|reason| RecordError::Damaged { kind, reason })?;
    Ok(message)
}

fn decode_value<V>(
    kind: &'static str,
    bytes: Option<&[u8]>,
    version_max: i16,
    encoding: fn(i16) -> Encoding,
    read: fn(&mut Reader<'_>, i16) -> Result<V, &'static str>,
) -> Result<Option<V>, RecordError> {
    let Some(bytes) = bytes else { return Ok(None) };
    let (version, bytes) = Reader::version(bytes, kind)?;
    if !(0..=version_max).contains(&version) {
        return Err(RecordError::UnknownVersion { kind, version });
    }
    let reader = Reader::new(bytes, encoding(version));
    whole(kind, reader, |reader| read(reader, version)).map(Some)
}

fn decode_flexible<V: Flexible>(kind: &'static str, bytes: Option<&[u8]>) -> Result<Option<V>, RecordError> {
    decode_value(kind, bytes, V::VERSION_MAX, V::encoding, |reader, _| V::read(reader))
}
