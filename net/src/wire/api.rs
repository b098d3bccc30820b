//! The APIs that the codec knows: number, versions served, versions advertised, first flexible version.
//!
//! Served are the versions from the lower minimum of Kafka 3.9 and 4.3 to the higher maximum; a test holds every one of them, in
//! both directions, against another implementation.

use std::ops::RangeInclusive;

use super::{
    WireError,
    field::{Context, Form},
};

macro_rules! apis {
    ($($(#[$meta:meta])* $name:ident = $key:literal, $versions:expr, flexible $flexible:literal;)*) => {
        /// An API by its key.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum ApiKey { $($(#[$meta])* $name = $key,)* }

        impl ApiKey {
            pub const ALL: &[ApiKey] = &[$(ApiKey::$name,)*];

            pub fn from_code(key: i16) -> Option<ApiKey> {
                match key { $($key => Some(ApiKey::$name),)* _ => None }
            }

            /// The API's name, as Kafka spells it.
            pub fn name(self) -> &'static str {
                match self { $(ApiKey::$name => stringify!($name),)* }
            }

            /// The versions that can be read and written here.
            pub fn versions(self) -> RangeInclusive<i16> {
                match self { $(ApiKey::$name => $versions,)* }
            }

            /// The first version with compact lengths, tagged fields and the header that goes with them.
            pub fn flexible_from(self) -> i16 {
                match self { $(ApiKey::$name => $flexible,)* }
            }
        }
    };
}

apis! {
    Produce = 0, 3..=13, flexible 9;
    Fetch = 1, 4..=18, flexible 12;
    ListOffsets = 2, 0..=11, flexible 6;
    Metadata = 3, 0..=13, flexible 9;
    OffsetCommit = 8, 2..=10, flexible 8;
    OffsetFetch = 9, 1..=10, flexible 6;
    FindCoordinator = 10, 0..=6, flexible 3;
    JoinGroup = 11, 0..=9, flexible 6;
    Heartbeat = 12, 0..=4, flexible 4;
    LeaveGroup = 13, 0..=5, flexible 4;
    SyncGroup = 14, 0..=5, flexible 4;
    DescribeGroups = 15, 0..=6, flexible 5;
    ListGroups = 16, 0..=5, flexible 3;
    ApiVersions = 18, 0..=4, flexible 3;
    CreateTopics = 19, 0..=7, flexible 5;
    DeleteTopics = 20, 0..=6, flexible 4;
    DeleteRecords = 21, 0..=2, flexible 2;
    InitProducerId = 22, 0..=5, flexible 2;
    OffsetForLeaderEpoch = 23, 0..=4, flexible 4;
    DescribeConfigs = 32, 0..=4, flexible 4;
    AlterConfigs = 33, 0..=2, flexible 2;
    DescribeLogDirs = 35, 0..=5, flexible 2;
    CreatePartitions = 37, 0..=3, flexible 2;
    DeleteGroups = 42, 0..=2, flexible 2;
    ElectLeaders = 43, 0..=2, flexible 2;
    IncrementalAlterConfigs = 44, 0..=1, flexible 1;
    ListPartitionReassignments = 46, 0..=0, flexible 0;
    OffsetDelete = 47, 0..=0, flexible 1;
    UpdateFeatures = 57, 0..=2, flexible 0;
    DescribeCluster = 60, 0..=2, flexible 0;
    DescribeProducers = 61, 0..=0, flexible 0;
    ConsumerGroupHeartbeat = 68, 0..=1, flexible 0;
    ConsumerGroupDescribe = 69, 0..=1, flexible 0;
    GetTelemetrySubscriptions = 71, 0..=0, flexible 0;
    PushTelemetry = 72, 0..=0, flexible 0;
    ListConfigResources = 74, 0..=1, flexible 0;
    DescribeTopicPartitions = 75, 0..=0, flexible 0;
}

impl ApiKey {
    pub fn code(self) -> i16 {
        self as i16
    }

    /// The versions that an ApiVersions response names. librdkafka takes a broker without Produce 0 for one without
    /// any compression it knows, so 0–2 are named and refused, as Kafka does.
    pub fn advertised(self) -> RangeInclusive<i16> {
        match self {
            ApiKey::Produce => 0..=*self.versions().end(),
            _ => self.versions(),
        }
    }

    pub fn serves(self, version: i16) -> bool {
        self.versions().contains(&version)
    }

    pub fn is_flexible(self, version: i16) -> bool {
        version >= self.flexible_from()
    }

    /// The form of a body of this version, if it is served.
    pub fn context(self, version: i16) -> Result<Context, WireError> {
        if !self.serves(version) {
            return Err(WireError::UnsupportedVersion { api: self, version });
        }
        let form = if self.is_flexible(version) { Form::Flexible } else { Form::Legacy };
        Ok(Context { version, form })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_leads_back_to_its_api() {
        for api in ApiKey::ALL {
            assert_eq!(ApiKey::from_code(api.code()), Some(*api));
        }
        assert_eq!(ApiKey::from_code(-1), None);
        assert_eq!(ApiKey::from_code(4), None);
    }

    #[test]
    fn produce_names_the_old_versions_and_refuses_them() {
        assert_eq!(ApiKey::Produce.advertised(), 0..=13);
        assert!(ApiKey::Produce.context(2).is_err());
        assert!(ApiKey::Produce.context(14).is_err());
        assert!(!ApiKey::Produce.context(8).unwrap().is_flexible());
        assert!(ApiKey::Produce.context(9).unwrap().is_flexible());
    }
}
