//! The records of the metadata log and their bytes. Written and read on core 0. Never changes the meaning of a
//! version that was written once: a new field is a new version.
//!
//! One record, integers big-endian, strings as u16 length + UTF-8, lists as u16 count + items:
//!
//! ```text
//! type u8 · version u8 · fields
//!  1 Topic            v0  id [16] · name str
//!  2 Partition        v0  topic [16] · index i32 · leader i32 · leader epoch i32 · partition epoch i32 · core u16 ·
//!                         owner epoch u32 · replicas [i32] · isr [i32]
//!  3 PartitionMoved   v0  topic [16] · index i32 · core u16 · owner epoch u32
//!  4 Config           v0  resource type u8 (Kafka's number) · resource name str · key str · 0 | 1 value str
//!  5 TopicRemoved     v0  id [16]
//!  6 BrokerStarted    v0  node i32 · incarnation u64 · cores u16
//!  7 ProducerIdBlock  v0  next i64
//!  8 Feature          v0  name str · level i16
//! ```

use super::error::RecordError;
use super::limits::{
    CONFIG_NAME_BYTES_MAX, CONFIG_VALUE_BYTES_MAX, REPLICAS_PER_PARTITION_MAX, TOPIC_NAME_BYTES_MAX,
};
use crate::base::{
    CoreId, Incarnation, LeaderEpoch, NodeId, OwnerEpoch, PartitionIndex, ProducerId, TopicId,
};

/// Whose dynamic options a `Config` record changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConfigResource {
    Topic(String),
    /// One broker's; the empty name is the default of the whole cluster.
    Broker(String),
    ClientMetrics(String),
    Group(String),
}

impl ConfigResource {
    /// Kafka's number of the type (org.apache.kafka.common.config.ConfigResource.Type).
    pub fn type_code(&self) -> u8 {
        match self {
            ConfigResource::Topic(_) => 2,
            ConfigResource::Broker(_) => 4,
            ConfigResource::ClientMetrics(_) => 16,
            ConfigResource::Group(_) => 32,
        }
    }

    pub fn name(&self) -> &str {
        match self {
            ConfigResource::Topic(name)
            | ConfigResource::Broker(name)
            | ConfigResource::ClientMetrics(name)
            | ConfigResource::Group(name) => name,
        }
    }

    /// None for a type that carries no dynamic options here.
    pub fn new(type_code: u8, name: String) -> Option<ConfigResource> {
        match type_code {
            2 => Some(ConfigResource::Topic(name)),
            4 => Some(ConfigResource::Broker(name)),
            16 => Some(ConfigResource::ClientMetrics(name)),
            32 => Some(ConfigResource::Group(name)),
            _ => None,
        }
    }
}

/// A partition as a whole: a new one (its index is the topic's next), or an existing one's new state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionRecord {
    pub topic: TopicId,
    pub index: PartitionIndex,
    /// -1: no leader.
    pub leader: NodeId,
    pub leader_epoch: LeaderEpoch,
    /// Raised by every change of the partition, as Kafka's.
    pub partition_epoch: i32,
    pub core: CoreId,
    pub owner_epoch: OwnerEpoch,
    pub replicas: Vec<NodeId>,
    pub isr: Vec<NodeId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataRecord {
    Topic {
        id: TopicId,
        name: String,
    },
    Partition(PartitionRecord),
    /// A partition's data belongs to another core from here on.
    PartitionMoved {
        topic: TopicId,
        index: PartitionIndex,
        core: CoreId,
        owner_epoch: OwnerEpoch,
    },
    /// `None` removes the override.
    Config {
        resource: ConfigResource,
        key: String,
        value: Option<String>,
    },
    TopicRemoved {
        id: TopicId,
    },
    /// Raises the leader epoch of every partition that the node leads: what it wrote before is of an older term.
    BrokerStarted {
        node: NodeId,
        incarnation: Incarnation,
        cores: u16,
    },
    /// Producer ids below `next` are taken, used or not.
    ProducerIdBlock {
        next: ProducerId,
    },
    /// The level at which a feature is finalized; 0: not at all.
    Feature {
        name: String,
        level: i16,
    },
}

const VERSION: u8 = 0;

impl MetadataRecord {
    pub fn kind(&self) -> &'static str {
        kind_name(self.kind_code()).expect("every record has a name")
    }

    fn kind_code(&self) -> u8 {
        match self {
            MetadataRecord::Topic { .. } => 1,
            MetadataRecord::Partition(_) => 2,
            MetadataRecord::PartitionMoved { .. } => 3,
            MetadataRecord::Config { .. } => 4,
            MetadataRecord::TopicRemoved { .. } => 5,
            MetadataRecord::BrokerStarted { .. } => 6,
            MetadataRecord::ProducerIdBlock { .. } => 7,
            MetadataRecord::Feature { .. } => 8,
        }
    }

    /// Appends the record's bytes. Asserts the limits of `controller::limits`, which `decide` keeps.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend([self.kind_code(), VERSION]);
        match self {
            MetadataRecord::Topic { id, name } => {
                out.extend(id.0);
                put_string(out, name);
            }
            MetadataRecord::Partition(partition) => {
                out.extend(partition.topic.0);
                out.extend(partition.index.0.to_be_bytes());
                out.extend(partition.leader.0.to_be_bytes());
                out.extend(partition.leader_epoch.0.to_be_bytes());
                out.extend(partition.partition_epoch.to_be_bytes());
                out.extend(partition.core.0.to_be_bytes());
                out.extend(partition.owner_epoch.0.to_be_bytes());
                put_nodes(out, &partition.replicas);
                put_nodes(out, &partition.isr);
            }
            MetadataRecord::PartitionMoved { topic, index, core, owner_epoch } => {
                out.extend(topic.0);
                out.extend(index.0.to_be_bytes());
                out.extend(core.0.to_be_bytes());
                out.extend(owner_epoch.0.to_be_bytes());
            }
            MetadataRecord::Config { resource, key, value } => {
                out.push(resource.type_code());
                put_string(out, resource.name());
                put_string(out, key);
                match value {
                    None => out.push(0),
                    Some(value) => {
                        out.push(1);
                        put_string(out, value);
                    }
                }
            }
            MetadataRecord::TopicRemoved { id } => out.extend(id.0),
            MetadataRecord::BrokerStarted { node, incarnation, cores } => {
                out.extend(node.0.to_be_bytes());
                out.extend(incarnation.0.to_be_bytes());
                out.extend(cores.to_be_bytes());
            }
            MetadataRecord::ProducerIdBlock { next } => out.extend(next.0.to_be_bytes()),
            MetadataRecord::Feature { name, level } => {
                put_string(out, name);
                out.extend(level.to_be_bytes());
            }
        }
    }

    /// Reads exactly one record. Any bytes are safe; allocation is bounded by their number.
    pub fn decode(bytes: &[u8]) -> Result<MetadataRecord, RecordError> {
        let &[code, version, ref fields @ ..] = bytes else {
            return Err(RecordError::Damaged { kind: "header", reason: "shorter than two bytes" });
        };
        let kind = kind_name(code).ok_or(RecordError::UnknownType { kind: code, version })?;
        if version > VERSION {
            return Err(RecordError::UnknownVersion { kind, version });
        }
        let mut fields = Fields(fields);
        let record = fields.record(code).map_err(|reason| RecordError::Damaged { kind, reason })?;
        if !fields.0.is_empty() {
            return Err(RecordError::Damaged { kind, reason: "bytes after the last field" });
        }
        Ok(record)
    }
}

fn kind_name(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "Topic",
        2 => "Partition",
        3 => "PartitionMoved",
        4 => "Config",
        5 => "TopicRemoved",
        6 => "BrokerStarted",
        7 => "ProducerIdBlock",
        8 => "Feature",
        _ => return None,
    })
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("decide bounds every string of a record");
    out.extend(length.to_be_bytes());
    out.extend(text.as_bytes());
}

fn put_nodes(out: &mut Vec<u8>, nodes: &[NodeId]) {
    let count = u16::try_from(nodes.len()).expect("decide bounds every list of a record");
    out.extend(count.to_be_bytes());
    for node in nodes {
        out.extend(node.0.to_be_bytes());
    }
}

/// What is left of a record's bytes.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn record(&mut self, code: u8) -> Result<MetadataRecord, &'static str> {
        Ok(match code {
            1 => MetadataRecord::Topic { id: self.topic_id()?, name: self.string(TOPIC_NAME_BYTES_MAX)? },
            2 => MetadataRecord::Partition(PartitionRecord {
                topic: self.topic_id()?,
                index: self.partition_index()?,
                leader: NodeId(self.i32()?),
                leader_epoch: LeaderEpoch(self.i32()?),
                partition_epoch: self.i32()?,
                core: CoreId(self.u16()?),
                owner_epoch: OwnerEpoch(u32::from_be_bytes(self.array()?)),
                replicas: self.nodes()?,
                isr: self.nodes()?,
            }),
            3 => MetadataRecord::PartitionMoved {
                topic: self.topic_id()?,
                index: self.partition_index()?,
                core: CoreId(self.u16()?),
                owner_epoch: OwnerEpoch(u32::from_be_bytes(self.array()?)),
            },
            4 => MetadataRecord::Config {
                resource: self.resource()?,
                key: self.string(CONFIG_NAME_BYTES_MAX)?,
                value: match self.array::<1>()? {
                    [0] => None,
                    [1] => Some(self.string(CONFIG_VALUE_BYTES_MAX)?),
                    _ => return Err("neither a value nor none"),
                },
            },
            5 => MetadataRecord::TopicRemoved { id: self.topic_id()? },
            6 => MetadataRecord::BrokerStarted {
                node: NodeId(self.i32()?),
                incarnation: Incarnation(u64::from_be_bytes(self.array()?)),
                cores: self.u16()?,
            },
            7 => MetadataRecord::ProducerIdBlock { next: ProducerId(i64::from_be_bytes(self.array()?)) },
            8 => MetadataRecord::Feature {
                name: self.string(CONFIG_NAME_BYTES_MAX)?,
                level: i16::from_be_bytes(self.array()?),
            },
            _ => return Err("unknown type"),
        })
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or("ends within a field")?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or("ends within a field")?;
        self.0 = rest;
        Ok(*taken)
    }

    fn i32(&mut self) -> Result<i32, &'static str> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    fn u16(&mut self) -> Result<u16, &'static str> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    fn topic_id(&mut self) -> Result<TopicId, &'static str> {
        Ok(TopicId(self.array()?))
    }

    fn partition_index(&mut self) -> Result<PartitionIndex, &'static str> {
        let index = self.i32()?;
        if index < 0 { Err("negative partition number") } else { Ok(PartitionIndex(index)) }
    }

    fn resource(&mut self) -> Result<ConfigResource, &'static str> {
        let [type_code] = self.array()?;
        let name = self.string(CONFIG_NAME_BYTES_MAX)?;
        ConfigResource::new(type_code, name).ok_or("unknown resource type")
    }

    fn string(&mut self, bytes_max: usize) -> Result<String, &'static str> {
        let length = usize::from(self.u16()?);
        if length > bytes_max {
            return Err("a string longer than its limit");
        }
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| "a string that is not UTF-8")?;
        Ok(text.to_owned())
    }

    fn nodes(&mut self) -> Result<Vec<NodeId>, &'static str> {
        let count = usize::from(self.u16()?);
        if count > REPLICAS_PER_PARTITION_MAX {
            return Err("more replicas than the limit");
        }
        let bytes = self.take(count * 4)?;
        Ok(bytes
            .chunks_exact(4)
            .map(|four| NodeId(i32::from_be_bytes([four[0], four[1], four[2], four[3]])))
            .collect())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn any_record() -> impl Strategy<Value = MetadataRecord> {
        let nodes = || prop::collection::vec(any::<i32>().prop_map(NodeId), 0..4);
        let id = || any::<[u8; 16]>().prop_map(TopicId);
        let index = || (0..i32::MAX).prop_map(PartitionIndex);
        let name = || "[a-zé.]{0,20}";
        prop_oneof![
            (id(), name()).prop_map(|(id, name)| MetadataRecord::Topic { id, name }),
            ((id(), index(), any::<(i32, i32, i32)>()), any::<(u16, u32)>(), nodes(), nodes()).prop_map(
                |((topic, index, numbers), owner, replicas, isr)| {
                    MetadataRecord::Partition(PartitionRecord {
                        topic,
                        index,
                        leader: NodeId(numbers.0),
                        leader_epoch: LeaderEpoch(numbers.1),
                        partition_epoch: numbers.2,
                        core: CoreId(owner.0),
                        owner_epoch: OwnerEpoch(owner.1),
                        replicas,
                        isr,
                    })
                }
            ),
            (id(), index(), any::<(u16, u32)>()).prop_map(|(topic, index, (core, owner))| {
                MetadataRecord::PartitionMoved {
                    topic,
                    index,
                    core: CoreId(core),
                    owner_epoch: OwnerEpoch(owner),
                }
            }),
            (prop::sample::select(vec![2u8, 4, 16, 32]), name(), name(), prop::option::of(name())).prop_map(
                |(code, resource, key, value)| MetadataRecord::Config {
                    resource: ConfigResource::new(code, resource).unwrap(),
                    key,
                    value
                }
            ),
            id().prop_map(|id| MetadataRecord::TopicRemoved { id }),
            any::<(i32, u64, u16)>().prop_map(|(node, incarnation, cores)| MetadataRecord::BrokerStarted {
                node: NodeId(node),
                incarnation: Incarnation(incarnation),
                cores
            }),
            any::<i64>().prop_map(|next| MetadataRecord::ProducerIdBlock { next: ProducerId(next) }),
            (name(), any::<i16>()).prop_map(|(name, level)| MetadataRecord::Feature { name, level }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(record in any_record()) {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            prop_assert_eq!(MetadataRecord::decode(&bytes), Ok(record));
        }

        #[test]
        fn hostile_bytes_are_an_error_or_a_record(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(record) = MetadataRecord::decode(&bytes) {
                let mut again = Vec::new();
                record.encode(&mut again);
                prop_assert_eq!(again, bytes);
            }
        }

        #[test]
        fn every_cut_and_every_flipped_byte_is_survived(record in any_record(), at: prop::sample::Index, flip in 1u8..) {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            prop_assert!(MetadataRecord::decode(&bytes[..at.index(bytes.len())]).is_err());
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            let _ = MetadataRecord::decode(&bytes);
        }
    }

    #[test]
    fn a_newer_record_is_named() {
        let error = MetadataRecord::decode(&[9, 2, 0]).unwrap_err();
        assert_eq!(error, RecordError::UnknownType { kind: 9, version: 2 });
        assert!(error.to_string().contains("type 9 (version 2)"));
        let error = MetadataRecord::decode(&[7, 1, 0]).unwrap_err();
        assert_eq!(error, RecordError::UnknownVersion { kind: "ProducerIdBlock", version: 1 });
    }
}
