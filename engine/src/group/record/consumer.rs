//! A consumer group (KIP-848): its epoch, its members, the assignment that it works towards, and the one that it has.
//! Every value is flexible from version 0.
//!
//! ```text
//!  3 group                 epoch i32 · tag 0: metadata hash i64
//!  4 partition metadata    topics [id [16] · name str · partitions i32 · [partition i32 · racks [str]]]   (read only: 4.1 stopped)
//!  5 group · member        instance id str? · rack id str? · client id str · client host str · topics [str] · regex str? ·
//!                          rebalance timeout ms i32 · assignor str? ·
//!                          tag 0: classic { session timeout ms i32 · protocols [name str · metadata bytes] }?
//!  6 group                 assignment epoch i32 · tag 0: assignment timestamp i64
//!  7 group · member        [topic id [16] · partitions [i32]]
//!  8 group · member        member epoch i32 · previous epoch i32 · state i8 ·
//!                          assigned, pending revocation: [topic id [16] · partitions [i32] · tag 0: epochs [i32]?]
//! 16 group · regex         topics [str] · version i64 · timestamp i64
//! ```
//!
//! The defaults of the tagged fields are Kafka's as generated: an absent `classic` is an empty structure, and a member of
//! the consumer protocol writes null; absent `epochs` are none.

use super::bytes::{Encoding, Known, Reader, Writer};
use crate::base::{Timestamp, TopicId};

type Read<T> = Result<T, &'static str>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerGroupMetadataValue {
    pub epoch: i32,
    /// Of the subscribed topics (KIP-1101); 0: not known.
    pub metadata_hash: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerGroupPartitionMetadataValue {
    pub topics: Vec<TopicMetadata>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicMetadata {
    pub topic_id: TopicId,
    pub topic_name: String,
    pub num_partitions: i32,
    pub partition_metadata: Vec<PartitionRacks>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionRacks {
    pub partition: i32,
    pub racks: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerGroupMemberMetadataValue {
    pub instance_id: Option<String>,
    pub rack_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub subscribed_topic_names: Vec<String>,
    pub subscribed_topic_regex: Option<String>,
    pub rebalance_timeout_ms: i32,
    pub server_assignor: Option<String>,
    /// Of a member that speaks the classic protocol within a consumer group.
    pub classic_member_metadata: Option<ClassicMemberMetadata>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassicMemberMetadata {
    pub session_timeout_ms: i32,
    pub supported_protocols: Vec<ClassicProtocol>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassicProtocol {
    pub name: String,
    pub metadata: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerGroupTargetAssignmentMetadataValue {
    pub assignment_epoch: i32,
    /// When the assignment was made (KIP-1263); 0: not known.
    pub assignment_timestamp: Timestamp,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerGroupTargetAssignmentMemberValue {
    pub topic_partitions: Vec<TopicPartitions>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPartitions {
    pub topic_id: TopicId,
    pub partitions: Vec<i32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerGroupCurrentMemberAssignmentValue {
    pub member_epoch: i32,
    pub previous_member_epoch: i32,
    /// Kafka's number of the member's state.
    pub state: i8,
    pub assigned_partitions: Vec<OwnedPartitions>,
    pub partitions_pending_revocation: Vec<OwnedPartitions>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedPartitions {
    pub topic_id: TopicId,
    pub partitions: Vec<i32>,
    /// The member epoch at which each partition was assigned, as many as partitions; empty or none: not known.
    pub assignment_epochs: Option<Vec<i32>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerGroupRegularExpressionValue {
    /// What the expression matched.
    pub topics: Vec<String>,
    /// Of the metadata image that it was matched against.
    pub version: i64,
    pub timestamp: Timestamp,
}

/// A value with one flexible version, 0.
pub(super) trait Flexible: Sized {
    const VERSION_MAX: i16 = 0;

    fn encoding(_version: i16) -> Encoding {
        Encoding::Flexible
    }

    fn read(reader: &mut Reader<'_>) -> Read<Self>;
    fn write(&self, writer: &mut Writer);
}

impl Flexible for ConsumerGroupMetadataValue {
    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let (epoch, mut metadata_hash) = (reader.i32()?, 0);
        reader.tagged(|tag, field| {
            known(tag, || {
                metadata_hash = field.i64()?;
                Ok(())
            })
        })?;
        Ok(ConsumerGroupMetadataValue { epoch, metadata_hash })
    }

    fn write(&self, writer: &mut Writer) {
        writer.i32(self.epoch);
        let hash = self.metadata_hash;
        writer.tagged((hash != 0).then_some((0, move |field: &mut Writer| field.i64(hash))));
    }
}

impl Flexible for ConsumerGroupPartitionMetadataValue {
    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let topics = reader.array(|reader| {
            let topic = TopicMetadata {
                topic_id: reader.topic_id()?,
                topic_name: reader.string()?,
                num_partitions: reader.i32()?,
                partition_metadata: reader.array(|reader| {
                    let racks =
                        PartitionRacks { partition: reader.i32()?, racks: reader.array(Reader::string)? };
                    reader.untagged()?;
                    Ok(racks)
                })?,
            };
            reader.untagged()?;
            Ok(topic)
        })?;
        reader.untagged()?;
        Ok(ConsumerGroupPartitionMetadataValue { topics })
    }

    fn write(&self, writer: &mut Writer) {
        writer.array(&self.topics, |writer, topic| {
            writer.topic_id(topic.topic_id);
            writer.string(&topic.topic_name);
            writer.i32(topic.num_partitions);
            writer.array(&topic.partition_metadata, |writer, partition| {
                writer.i32(partition.partition);
                writer.array(&partition.racks, |writer, rack| writer.string(rack));
                writer.untagged();
            });
            writer.untagged();
        });
        writer.untagged();
    }
}

impl Flexible for ConsumerGroupMemberMetadataValue {
    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let mut value = ConsumerGroupMemberMetadataValue {
            instance_id: reader.nullable_string()?,
            rack_id: reader.nullable_string()?,
            client_id: reader.string()?,
            client_host: reader.string()?,
            subscribed_topic_names: reader.array(Reader::string)?,
            subscribed_topic_regex: reader.nullable_string()?,
            rebalance_timeout_ms: reader.i32()?,
            server_assignor: reader.nullable_string()?,
            classic_member_metadata: Some(ClassicMemberMetadata::default()),
        };
        let classic = &mut value.classic_member_metadata;
        reader.tagged(|tag, field| {
            known(tag, || {
                *classic = if field.present()? { Some(ClassicMemberMetadata::read(field)?) } else { None };
                Ok(())
            })
        })?;
        Ok(value)
    }

    fn write(&self, writer: &mut Writer) {
        writer.nullable_string(self.instance_id.as_deref());
        writer.nullable_string(self.rack_id.as_deref());
        writer.string(&self.client_id);
        writer.string(&self.client_host);
        writer.array(&self.subscribed_topic_names, |writer, topic| writer.string(topic));
        writer.nullable_string(self.subscribed_topic_regex.as_deref());
        writer.i32(self.rebalance_timeout_ms);
        writer.nullable_string(self.server_assignor.as_deref());
        let classic = self.classic_member_metadata.as_ref();
        let differs = classic.is_none_or(|classic| *classic != ClassicMemberMetadata::default());
        writer.tagged(differs.then_some((0, |field: &mut Writer| {
            field.present(classic.is_some());
            if let Some(classic) = classic {
                classic.write(field);
            }
        })));
    }
}

impl Flexible for ClassicMemberMetadata {
    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let classic = ClassicMemberMetadata {
            session_timeout_ms: reader.i32()?,
            supported_protocols: reader.array(|reader| {
                let protocol = ClassicProtocol { name: reader.string()?, metadata: reader.bytes()? };
                reader.untagged()?;
                Ok(protocol)
            })?,
        };
        reader.untagged()?;
        Ok(classic)
    }

    fn write(&self, writer: &mut Writer) {
        writer.i32(self.session_timeout_ms);
        writer.array(&self.supported_protocols, |writer, protocol| {
            writer.string(&protocol.name);
            writer.bytes(&protocol.metadata);
            writer.untagged();
        });
        writer.untagged();
    }
}

impl Flexible for ConsumerGroupTargetAssignmentMetadataValue {
    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let (assignment_epoch, mut timestamp) = (reader.i32()?, 0);
        reader.tagged(|tag, field| {
            known(tag, || {
                timestamp = field.i64()?;
                Ok(())
            })
        })?;
        let assignment_timestamp = Timestamp(timestamp);
        Ok(ConsumerGroupTargetAssignmentMetadataValue { assignment_epoch, assignment_timestamp })
    }

    fn write(&self, writer: &mut Writer) {
        writer.i32(self.assignment_epoch);
        let timestamp = self.assignment_timestamp.0;
        writer.tagged((timestamp != 0).then_some((0, move |field: &mut Writer| field.i64(timestamp))));
    }
}

impl Flexible for ConsumerGroupTargetAssignmentMemberValue {
    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let topic_partitions = reader.array(|reader| {
            let topic =
                TopicPartitions { topic_id: reader.topic_id()?, partitions: reader.array(Reader::i32)? };
            reader.untagged()?;
            Ok(topic)
        })?;
        reader.untagged()?;
        Ok(ConsumerGroupTargetAssignmentMemberValue { topic_partitions })
    }

    fn write(&self, writer: &mut Writer) {
        writer.array(&self.topic_partitions, |writer, topic| {
            writer.topic_id(topic.topic_id);
            writer.array(&topic.partitions, |writer, partition| writer.i32(*partition));
            writer.untagged();
        });
        writer.untagged();
    }
}

impl Flexible for ConsumerGroupCurrentMemberAssignmentValue {
    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let value = ConsumerGroupCurrentMemberAssignmentValue {
            member_epoch: reader.i32()?,
            previous_member_epoch: reader.i32()?,
            state: reader.i8()?,
            assigned_partitions: reader.array(OwnedPartitions::read)?,
            partitions_pending_revocation: reader.array(OwnedPartitions::read)?,
        };
        reader.untagged()?;
        Ok(value)
    }

    fn write(&self, writer: &mut Writer) {
        writer.i32(self.member_epoch);
        writer.i32(self.previous_member_epoch);
        writer.i8(self.state);
        writer.array(&self.assigned_partitions, |writer, owned| owned.write(writer));
        writer.array(&self.partitions_pending_revocation, |writer, owned| owned.write(writer));
        writer.untagged();
    }
}

impl Flexible for OwnedPartitions {
    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let (topic_id, partitions) = (reader.topic_id()?, reader.array(Reader::i32)?);
        let mut assignment_epochs = Some(Vec::new());
        reader.tagged(|tag, field| {
            known(tag, || {
                assignment_epochs = field.nullable_array(Reader::i32)?;
                Ok(())
            })
        })?;
        Ok(OwnedPartitions { topic_id, partitions, assignment_epochs })
    }

    fn write(&self, writer: &mut Writer) {
        writer.topic_id(self.topic_id);
        writer.array(&self.partitions, |writer, partition| writer.i32(*partition));
        let epochs = self.assignment_epochs.as_deref();
        let differs = epochs.is_none_or(|epochs| !epochs.is_empty());
        writer.tagged(differs.then_some((0, |field: &mut Writer| {
            field.nullable_array(epochs, |field, epoch| field.i32(*epoch));
        })));
    }
}

impl Flexible for ConsumerGroupRegularExpressionValue {
    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let value = ConsumerGroupRegularExpressionValue {
            topics: reader.array(Reader::string)?,
            version: reader.i64()?,
            timestamp: Timestamp(reader.i64()?),
        };
        reader.untagged()?;
        Ok(value)
    }

    fn write(&self, writer: &mut Writer) {
        writer.array(&self.topics, |writer, topic| writer.string(topic));
        writer.i64(self.version);
        writer.i64(self.timestamp.0);
        writer.untagged();
    }
}

/// Reads tag 0, the only one that any of these structures has.
fn known(tag: u32, read: impl FnOnce() -> Read<()>) -> Read<Known> {
    if tag != 0 {
        return Ok(Known::No);
    }
    read()?;
    Ok(Known::Yes)
}
