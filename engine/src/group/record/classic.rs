//! A classic group as of one generation.
//!
//! ```text
//! key    type i16 = 2 · group str
//! value  version i16 · protocol type str · generation i32 · protocol str? · leader str? · state timestamp i64 (v2+) ·
//!        members [id str · instance id str? (v3+) · client id str · client host str · rebalance timeout ms i32 (v1+) ·
//!                 session timeout ms i32 · subscription bytes · assignment bytes]       (v4+ flexible)
//! ```

use super::bytes::{Encoding, Reader, Writer};
use crate::base::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMetadataValue {
    /// Empty: a group without members that never had a protocol.
    pub protocol_type: String,
    pub generation: i32,
    pub protocol: Option<String>,
    pub leader: Option<String>,
    /// When the group came into its state; offsets of an empty group expire from here. -1 before version 2.
    pub current_state_timestamp: Timestamp,
    pub members: Vec<MemberMetadata>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberMetadata {
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    /// -1 before version 1: the session timeout counts.
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    pub subscription: Vec<u8>,
    pub assignment: Vec<u8>,
}

impl GroupMetadataValue {
    pub(super) const VERSION_MAX: i16 = 4;
    /// What Kafka 4.3 writes: 4 would add tagged fields only, and an older broker could not read it.
    pub(super) const VERSION: i16 = 3;

    pub(super) fn encoding(version: i16) -> Encoding {
        if version >= 4 { Encoding::Flexible } else { Encoding::Fixed }
    }

    pub(super) fn read(reader: &mut Reader<'_>, version: i16) -> Result<GroupMetadataValue, &'static str> {
        let value = GroupMetadataValue {
            protocol_type: reader.string()?,
            generation: reader.i32()?,
            protocol: reader.nullable_string()?,
            leader: reader.nullable_string()?,
            current_state_timestamp: Timestamp(if version >= 2 { reader.i64()? } else { -1 }),
            members: reader.array(|reader| MemberMetadata::read(reader, version))?,
        };
        reader.untagged()?;
        Ok(value)
    }

    pub(super) fn write(&self, writer: &mut Writer, version: i16) {
        writer.string(&self.protocol_type);
        writer.i32(self.generation);
        writer.nullable_string(self.protocol.as_deref());
        writer.nullable_string(self.leader.as_deref());
        if version >= 2 {
            writer.i64(self.current_state_timestamp.0);
        }
        writer.array(&self.members, |writer, member| member.write(writer, version));
        writer.untagged();
    }
}

impl MemberMetadata {
    fn read(reader: &mut Reader<'_>, version: i16) -> Result<MemberMetadata, &'static str> {
        let member = MemberMetadata {
            member_id: reader.string()?,
            group_instance_id: if version >= 3 { reader.nullable_string()? } else { None },
            client_id: reader.string()?,
            client_host: reader.string()?,
            rebalance_timeout_ms: if version >= 1 { reader.i32()? } else { -1 },
            session_timeout_ms: reader.i32()?,
            subscription: reader.bytes()?,
            assignment: reader.bytes()?,
        };
        reader.untagged()?;
        Ok(member)
    }

    fn write(&self, writer: &mut Writer, version: i16) {
        writer.string(&self.member_id);
        if version >= 3 {
            writer.nullable_string(self.group_instance_id.as_deref());
        }
        writer.string(&self.client_id);
        writer.string(&self.client_host);
        if version >= 1 {
            writer.i32(self.rebalance_timeout_ms);
        }
        writer.i32(self.session_timeout_ms);
        writer.bytes(&self.subscription);
        writer.bytes(&self.assignment);
        writer.untagged();
    }
}
