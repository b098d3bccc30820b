//! Where each target begins: inputs that its format takes, made by our own encoders and from the test vectors of the codec.

use bytes::Bytes;
use engine::base::{Codec, LeaderEpoch, NodeId, Offset, OwnerEpoch, PartitionIndex, Timestamp, TopicId};
use engine::config::BROKER_KEYS;
use engine::controller::{ConfigResource, MetadataRecord, PartitionRecord};
use engine::group::record::{
    ConsumerGroupCurrentMemberAssignmentValue, ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataValue,
    ConsumerGroupRegularExpressionValue, ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataValue, GroupMetadataValue, GroupRecord, MemberKey, MemberMetadata,
    OffsetCommitKey, OffsetCommitValue, OwnedPartitions, RegexKey, TopicPartitions,
};
use engine::record::{BatchBuilder, RecordData, RecordHeader};
use net::wire::{ApiKey, RequestHeader, Writer};

use crate::corpus::bytes_of;
use crate::targets::{Direction, codec_input};

type Seeds = Vec<Vec<u8>>;

const VECTORS: [&str; 2] = [
    include_str!("../../../net/tests/vectors/kafka-clients-4.3.0.txt"),
    include_str!("../../../net/tests/vectors/kafka-clients-3.9.1.txt"),
];

/// API's name, version, direction, body.
fn vectors() -> impl Iterator<Item = (&'static str, i16, Direction, Vec<u8>)> {
    VECTORS.iter().flat_map(|file| file.lines()).filter_map(|line| {
        let mut words = line.split(' ');
        let (name, version) = (words.next()?, words.next()?.parse().ok()?);
        let direction = match words.next()? {
            "request" => Direction::Request,
            _ => Direction::Response,
        };
        Some((name, version, direction, bytes_of(words.next()?)))
    })
}

pub fn codec() -> Seeds {
    vectors()
        .filter_map(|(name, version, direction, body)| codec_input(name, version, direction, &body))
        .collect()
}

pub fn frame() -> Seeds {
    let mut streams = Vec::new();
    let mut all = Vec::new();
    for api in ApiKey::ALL {
        let of_api = |(name, _, direction, _): &(&str, i16, Direction, Vec<u8>)| {
            *name == api.name() && *direction == Direction::Request
        };
        let Some((_, api_version, _, body)) = vectors().find(of_api) else { continue };
        let client_id = Some("fuzz".into());
        let header = RequestHeader { api_key: api.code(), api_version, correlation_id: 7, client_id };
        let mut writer = Writer::new();
        header.encode(&mut writer).expect("a short client id");
        let head = writer.finish_in_memory().expect("a short header").concat();
        let length = (head.len() + body.len()) as u32;
        let frame = [&length.to_be_bytes()[..], &head, &body].concat();
        streams.push([&[0x10, 0, 50], &frame[..]].concat());
        if frame.len() < 60 {
            all.extend(frame);
        }
    }
    streams.push([&[0x10, 0, 6], &all[..]].concat());
    // A length that no frame may have, behind one that it may.
    streams.push([&[0, 0, 200], &all[..40], &[0x7f, 0xff, 0xff, 0xff]].concat());
    streams
}

fn records(codec: Codec, count: usize) -> Bytes {
    let mut builder = BatchBuilder::new(codec, 1 << 20);
    for number in 0..count {
        let (key, value) = (format!("key-{}", number % 3), format!("value {number} of a batch"));
        let header = [RecordHeader { key: b"header", value: Some(b"of a record") }];
        let record = RecordData {
            timestamp: Timestamp(1_700_000_000_000 + number as i64),
            key: (number % 5 != 4).then_some(key.as_bytes()),
            value: (number % 4 != 3).then_some(value.as_bytes()),
            headers: if number % 2 == 0 { &header } else { &[] },
        };
        assert!(builder.push(record), "a small record");
    }
    builder.build().expect("a small batch")
}

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

pub fn batch() -> Seeds {
    let mut seeds = Vec::new();
    for codec in CODECS {
        let bytes = records(codec, 6);
        // As it is, with its CRC put right, and to each other codec.
        for mode in [0, 1, 1 | 1 << 2, 1 | 2 << 2, 1 | 3 << 2, 1 | 4 << 2] {
            seeds.push([&[mode, 3], &bytes[..]].concat());
        }
        // The records in the clear: what the fuzzer changes there is compressed afterwards.
        let mut plain = records(Codec::None, 3).to_vec();
        plain[22] = codec.id();
        seeds.push([&[3, 3], &plain[..]].concat());
    }
    seeds
}

pub fn compact() -> Seeds {
    let chunk = |mode: u8, base: u16, bytes: &[u8]| {
        [&[mode], &base.to_be_bytes()[..], &(bytes.len() as u16).to_be_bytes(), bytes].concat()
    };
    let mut seeds = Vec::new();
    for codec in CODECS {
        let mut plain = records(Codec::None, 5).to_vec();
        plain[22] = codec.id();
        let batches = [chunk(3, 0, &plain), chunk(1, 5, &records(codec, 4))].concat();
        for (end, keep_empty) in [(100, 0), (100, 1), (3, 0)] {
            seeds.push([&[20, 0, end, keep_empty], &batches[..]].concat());
        }
    }
    seeds
}

pub fn index() -> Seeds {
    let entries: Vec<u8> =
        (1..40u32).flat_map(|n| [(n * 10).to_be_bytes(), (n * 70).to_be_bytes()].concat()).collect();
    let times: Vec<u8> = (1..40i64)
        .flat_map(|n| [&(n * 10).to_be_bytes()[..], &(n as u32 * 10).to_be_bytes()].concat())
        .collect();
    let log: Vec<u8> = (0..40).flat_map(|_| records(Codec::None, 1)).collect();
    let chunk = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat();
    let mut seeds = Vec::new();
    for by_time in [0, 1] {
        for target in [0i64, 205, 1000] {
            let numbers =
                [&[by_time], &0i64.to_be_bytes()[..], &target.to_be_bytes(), &[0, 39, 0, 39]].concat();
            let size = (log.len() as u32).to_be_bytes();
            seeds.push([&numbers[..], &size, &[0, 1], &chunk(&entries), &chunk(&times), &log].concat());
        }
    }
    seeds
}

pub fn journal() -> Seeds {
    let frame = [0, 0, 3, 40, 1];
    let group = |core: u8| [&[0, core, 1][..], &frame, &frame].concat();
    let durable = [1u8, 0];
    let misfit = [0, 0, 0, 2, 0, 1, 9, 0, 0, 0, 0, 5, 0, 5, 0, 9, 200];
    let many: Vec<u8> = (0..40).flat_map(|turn| [group(turn % 2), durable.to_vec()].concat()).collect();
    let overwrite =
        |file: u8, position: u16| [&[2, file][..], &position.to_be_bytes(), &[1, 0, 4, 1, 2, 3, 4]].concat();
    let mut seeds =
        vec![group(0), [group(0), group(1), durable.to_vec(), group(0)].concat(), many, misfit.to_vec()];
    for file in 0..20 {
        seeds.push([group(0), overwrite(file, 30), group(0)].concat());
        seeds.push([group(0), overwrite(file, 4200)].concat());
    }
    seeds
}

pub fn metadata() -> Seeds {
    let topic = TopicId([7; 16]);
    let partition = |index| PartitionRecord {
        topic,
        index: PartitionIndex(index),
        leader: NodeId(1),
        leader_epoch: LeaderEpoch(0),
        partition_epoch: 0,
        core: engine::base::CoreId(0),
        owner_epoch: OwnerEpoch(0),
        replicas: vec![NodeId(1)],
        isr: vec![NodeId(1)],
    };
    let config =
        |resource| MetadataRecord::Config { resource, key: "retention.ms".into(), value: Some("1".into()) };
    let all = [
        MetadataRecord::Topic { id: topic, name: "a.topic".into() },
        MetadataRecord::Partition(partition(0)),
        MetadataRecord::Partition(partition(1)),
        MetadataRecord::PartitionMoved {
            topic,
            index: PartitionIndex(1),
            core: engine::base::CoreId(1),
            owner_epoch: OwnerEpoch(1),
        },
        config(ConfigResource::Topic("a.topic".into())),
        config(ConfigResource::Broker(String::new())),
        config(ConfigResource::Group("g".into())),
        MetadataRecord::BrokerStarted {
            node: NodeId(1),
            incarnation: engine::base::Incarnation(1),
            cores: 2,
        },
        MetadataRecord::ProducerIdBlock { next: engine::base::ProducerId(1000) },
        MetadataRecord::Feature { name: "group.version".into(), level: 1 },
        MetadataRecord::TopicRemoved { id: topic },
    ];
    let chunks = all.iter().map(|record| {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        [&(bytes.len() as u16).to_be_bytes()[..], &bytes].concat()
    });
    let mut seeds: Seeds = chunks.collect();
    seeds.push(seeds.concat());
    seeds
}

pub fn properties() -> Seeds {
    let shipped = include_str!("../../../packaging/server.properties").as_bytes().to_vec();
    let escapes = b"a=1\nb : 2\nc 3\n  d=x\\\n   y\ne\\=f=g\\tg\nu=\\u00e9\n#no\n! no\nnode.id=3".to_vec();
    let listeners = b"listeners=A://:1,B://[::1]:2\nlistener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT\n\
        advertised.listeners=A://h:1,B://h:2\nmax.connections.per.ip.overrides=127.0.0.1:5"
        .to_vec();
    let defaults =
        BROKER_KEYS.iter().map(|key| format!("{}={}\n", key.name, key.default.unwrap_or("x")).into_bytes());
    [vec![shipped, escapes, listeners], defaults.collect()].concat()
}

pub fn groups() -> Seeds {
    let (group, member) = ("g".to_owned(), "m".to_owned());
    let of_member = || MemberKey { group: group.clone(), member: member.clone() };
    let subscription =
        b"\x00\x03\x00\x00\x00\x01\x00\x01t\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff".to_vec();
    let offset = OffsetCommitValue {
        offset: Offset(7),
        leader_epoch: LeaderEpoch(1),
        metadata: "m".into(),
        commit_timestamp: Timestamp(1_700_000_000_000),
        expire_timestamp: None,
        topic_id: TopicId([7; 16]),
    };
    let classic = GroupMetadataValue {
        protocol_type: "consumer".into(),
        generation: 3,
        protocol: Some("range".into()),
        leader: Some(member.clone()),
        current_state_timestamp: Timestamp(1_700_000_000_000),
        members: vec![MemberMetadata {
            member_id: member.clone(),
            group_instance_id: Some("i".into()),
            client_id: "c".into(),
            client_host: "/h".into(),
            rebalance_timeout_ms: 1000,
            session_timeout_ms: 6000,
            subscription: subscription.clone(),
            assignment: vec![0; 4],
        }],
    };
    let metadata = ConsumerGroupMemberMetadataValue {
        instance_id: None,
        rack_id: Some("r".into()),
        client_id: "c".into(),
        client_host: "/h".into(),
        subscribed_topic_names: vec!["t".into()],
        subscribed_topic_regex: Some("t.*".into()),
        rebalance_timeout_ms: 1000,
        server_assignor: Some("uniform".into()),
        classic_member_metadata: None,
    };
    let topics = vec![TopicPartitions { topic_id: TopicId([7; 16]), partitions: vec![0, 1] }];
    let owned =
        OwnedPartitions { topic_id: TopicId([7; 16]), partitions: vec![0], assignment_epochs: Some(vec![2]) };
    let key = OffsetCommitKey { group: group.clone(), topic: "t".into(), partition: PartitionIndex(0) };
    let offsets =
        [GroupRecord::OffsetCommit(key.clone(), Some(offset)), GroupRecord::OffsetCommit(key, None)];
    let one = [
        GroupRecord::GroupMetadata(group.clone(), Some(classic)),
        GroupRecord::GroupMetadata(group.clone(), None),
    ];
    let new = [
        GroupRecord::ConsumerGroupMemberMetadata(of_member(), Some(metadata)),
        GroupRecord::ConsumerGroupMetadata(
            group.clone(),
            Some(ConsumerGroupMetadataValue { epoch: 2, metadata_hash: 5 }),
        ),
        GroupRecord::ConsumerGroupTargetAssignmentMember(
            of_member(),
            Some(ConsumerGroupTargetAssignmentMemberValue { topic_partitions: topics }),
        ),
        GroupRecord::ConsumerGroupTargetAssignmentMetadata(
            group.clone(),
            Some(ConsumerGroupTargetAssignmentMetadataValue {
                assignment_epoch: 2,
                assignment_timestamp: Timestamp(5),
            }),
        ),
        GroupRecord::ConsumerGroupCurrentMemberAssignment(
            of_member(),
            Some(ConsumerGroupCurrentMemberAssignmentValue {
                member_epoch: 2,
                previous_member_epoch: 1,
                state: 0,
                assigned_partitions: vec![owned],
                partitions_pending_revocation: Vec::new(),
            }),
        ),
        GroupRecord::ConsumerGroupRegularExpression(
            RegexKey { group: group.clone(), regex: "t.*".into() },
            Some(ConsumerGroupRegularExpressionValue {
                topics: vec!["t".into()],
                version: 1,
                timestamp: Timestamp(5),
            }),
        ),
    ];
    let questions = [4, 1, b'g'];
    let join = [
        &[1, 1, b'g', 0, 0, 5][..],
        b"range",
        &(subscription.len() as u16).to_be_bytes(),
        &subscription,
        &[3, 4],
    ]
    .concat();
    let mut seeds: Seeds = offsets.iter().chain(&one).chain(&new).map(record).collect();
    seeds.push([all(&one[..1]), all(&offsets[..1]), questions.to_vec(), vec![3, 20]].concat());
    seeds.push([all(&new), questions.to_vec(), join.clone(), vec![3, 100], join.clone()].concat());
    seeds.push([join.clone(), join, questions.to_vec()].concat());
    seeds
}

fn record(record: &GroupRecord) -> Vec<u8> {
    let chunk = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat();
    let value = record.encode_value().map_or(vec![0], |value| [&[1], &chunk(&value)[..]].concat());
    [&[0], &chunk(&record.encode_key())[..], &value].concat()
}

fn all(records: &[GroupRecord]) -> Vec<u8> {
    records.iter().flat_map(record).collect()
}

pub fn canary() -> Seeds {
    vec![b"seed".to_vec()]
}
