//! The options of a broker that steer something here, now or once it is built: Kafka's names, with 4.3's defaults where
//! 3.9's differ. Those that never will are in `inert`.

use crate::config::inert::{INERT_KEYS, listed_inert_keys};
use crate::config::key::Check::{Any, AtLeast, Between, BetweenOr, ListOf, OneOf, Ratio};
use crate::config::key::Type::{Boolean, Double, Int, List, Long, Short, String as Text};
use crate::config::key::Update::{ClusterWide, PerBroker, ReadOnly};
use crate::config::key::{Effect, Key};
use crate::config::suggest::suggestion;
use crate::limits::BATCH_BYTES_MAX;

/// By name, or by Kafka's class.
const ASSIGNORS: &[&str] = &[
    "uniform",
    "range",
    "org.apache.kafka.coordinator.group.assignor.UniformAssignor",
    "org.apache.kafka.coordinator.group.assignor.RangeAssignor",
];

const MIGRATION_POLICIES: &[&str] = &["disabled", "upgrade", "downgrade", "bidirectional"];

macro_rules! broker_keys {
    ($($effect:ident $name:literal $kind:ident $default:expr, $check:expr, $update:ident, $doc:literal;)*) => {
        pub const BROKER_KEYS: &[Key] = &[$(Key {
            name: $name, kind: $kind, default: $default, check: $check, update: $update, effect: Effect::$effect, doc: $doc,
        },)*];
    };
}

/// Where data goes if nobody says, relative to where the broker was started.
pub const DATA_DIR_DEFAULT: &str = "data";

/// What Kafka keeps to itself, and what this broker tells nobody who did not give it.
const UNLISTED: &[&str] = &["group.consumer.regex.refresh.interval.ms", "log.initial.task.delay.ms"];

/// Those that DescribeConfigs tells of.
pub fn listed_keys() -> impl Iterator<Item = &'static Key> {
    BROKER_KEYS.iter().filter(|key| !UNLISTED.contains(&key.name)).chain(listed_inert_keys())
}

/// An option that steers something or nothing; `None` for a name that no version knows.
pub fn broker_key(name: &str) -> Option<&'static Key> {
    BROKER_KEYS.iter().chain(INERT_KEYS).find(|key| key.name == name)
}

/// The known name nearest to an unknown one, as the end of a sentence.
pub(super) fn nearest(name: &str) -> String {
    suggestion(name, BROKER_KEYS.iter().chain(INERT_KEYS).map(|key| key.name))
}

broker_keys! {
    Works "advertised.listeners" List None, Any, ReadOnly,
        "Where clients are told to connect; the listeners where it is not given.";
    Planned "allow.everyone.if.no.acl.found" Boolean Some("false"), Any, ReadOnly,
        "Whether a resource without ACLs is open.";
    Works "auto.create.topics.enable" Boolean Some("true"), Any, ReadOnly,
        "Whether a topic that a client asks for is created.";
    Planned "auto.leader.rebalance.enable" Boolean Some("true"), Any, ReadOnly,
        "Whether leadership returns to preferred leaders by itself.";
    Planned "broker.heartbeat.interval.ms" Int Some("1000"), Any, ReadOnly,
        "How often a broker reports to the controller.";
    Works "broker.id" Int Some("-1"), Any, ReadOnly,
        "As node.id, where that is not given.";
    Works "broker.rack" Text None, Any, ReadOnly,
        "The rack of this broker, as clients and placement see it.";
    Planned "broker.session.timeout.ms" Int Some("3000"), Any, ReadOnly,
        "A broker that is silent for so long is fenced.";
    Works "compression.gzip.level" Int Some("-1"), BetweenOr(1, 9, -1), ClusterWide,
        "Level of gzip, where the topic does not say.";
    Works "compression.lz4.level" Int Some("9"), Between(1, 17), ClusterWide,
        "Accepted for lz4; Corelog's lz4 has one level, the fast one.";
    Works "compression.type" Text Some("producer"), OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), ClusterWide,
        "How batches are stored, where the topic does not say.";
    Works "compression.zstd.level" Int Some("3"), Between(-131072, 22), ClusterWide,
        "Level of zstd, where the topic does not say.";
    Works "connections.max.idle.ms" Long Some("600000"), Any, ReadOnly,
        "A connection that sends nothing for so long is closed.";
    Planned "connections.max.reauth.ms" Long Some("0"), Any, ReadOnly,
        "How long an authentication holds.";
    Planned "controlled.shutdown.enable" Boolean Some("true"), Any, ReadOnly,
        "Whether leadership is handed over before a stop.";
    Planned "controller.listener.names" List None, Any, ReadOnly,
        "Listeners of the controller.";
    Planned "controller.quorum.bootstrap.servers" List Some(""), Any, ReadOnly,
        "Where the metadata quorum is found.";
    Planned "controller.quorum.election.timeout.ms" Int Some("1000"), AtLeast(0), ReadOnly,
        "How long a controller waits for its leader before it stands itself.";
    Planned "controller.quorum.fetch.timeout.ms" Int Some("2000"), AtLeast(0), ReadOnly,
        "How long a voter may fetch nothing before an election.";
    Planned "controller.quorum.voters" List Some(""), Any, ReadOnly,
        "The voters of the metadata quorum, as id@host:port.";
    Planned "controller.quota.window.num" Int Some("11"), AtLeast(1), ReadOnly,
        "Samples that a quota of metadata changes is measured over.";
    Planned "controller.quota.window.size.seconds" Int Some("1"), AtLeast(1), ReadOnly,
        "Length of one sample of such a quota.";
    Works "default.replication.factor" Int Some("1"), Any, ReadOnly,
        "Replicas of a topic that is created without a number of them.";
    Planned "delegation.token.expiry.time.ms" Long Some("86400000"), AtLeast(1), ReadOnly,
        "How long a delegation token holds before it is renewed.";
    Planned "delegation.token.max.lifetime.ms" Long Some("604800000"), AtLeast(1), ReadOnly,
        "The longest life of a delegation token.";
    Works "delete.topic.enable" Boolean Some("true"), Any, ReadOnly,
        "Whether topics may be deleted.";
    Planned "eligible.leader.replicas.enable" Boolean Some("false"), Any, ReadOnly,
        "Whether replicas beside the in-sync ones stay eligible (KIP-966).";
    Works "fetch.max.bytes" Int Some("57671680"), AtLeast(1024), ReadOnly,
        "The most that one Fetch returns, whatever the client asks for.";
    Works "group.consumer.assignment.interval.ms" Int Some("1000"), AtLeast(0), ReadOnly,
        "The time between two assignments of one consumer group.";
    Works "group.consumer.assignors" List Some("uniform,range"), ListOf(ASSIGNORS), ReadOnly,
        "Assignors of consumer groups, the default first.";
    Works "group.consumer.heartbeat.interval.ms" Int Some("5000"), AtLeast(1), ReadOnly,
        "How often a member reports (KIP-848).";
    Works "group.consumer.max.assignment.interval.ms" Int Some("15000"), AtLeast(0), ReadOnly,
        "The longest interval between assignments.";
    Works "group.consumer.max.heartbeat.interval.ms" Int Some("15000"), AtLeast(1), ReadOnly,
        "The longest interval between heartbeats.";
    Works "group.consumer.max.session.timeout.ms" Int Some("60000"), AtLeast(1), ReadOnly,
        "The longest session of a consumer group's members.";
    Works "group.consumer.max.size" Int Some("2147483647"), AtLeast(1), ReadOnly,
        "Members of a consumer group.";
    Works "group.consumer.migration.policy" Text Some("bidirectional"), OneOf(MIGRATION_POLICIES), ReadOnly,
        "Whether groups with members turn from classic to consumer groups and back.";
    Works "group.consumer.min.assignment.interval.ms" Int Some("0"), AtLeast(0), ReadOnly,
        "The shortest interval between assignments.";
    Works "group.consumer.min.heartbeat.interval.ms" Int Some("5000"), AtLeast(1), ReadOnly,
        "The shortest interval between heartbeats.";
    Works "group.consumer.min.session.timeout.ms" Int Some("45000"), AtLeast(1), ReadOnly,
        "The shortest session of a consumer group's members.";
    Works "group.consumer.regex.refresh.interval.ms" Int Some("600000"), AtLeast(10000), ReadOnly,
        "How often regular expressions are matched again, whether topics came or not.";
    Works "group.consumer.session.timeout.ms" Int Some("45000"), AtLeast(1), ReadOnly,
        "A member that is silent for so long leaves (KIP-848).";
    Works "group.initial.rebalance.delay.ms" Int Some("3000"), Any, ReadOnly,
        "How long the first rebalance of a group waits for more members.";
    Works "group.max.session.timeout.ms" Int Some("1800000"), Any, ReadOnly,
        "The longest session that a member may ask for.";
    Works "group.max.size" Int Some("2147483647"), AtLeast(1), ReadOnly,
        "Members of a classic group.";
    Works "group.min.session.timeout.ms" Int Some("6000"), Any, ReadOnly,
        "The shortest session that a member may ask for.";
    Planned "inter.broker.listener.name" Text None, Any, ReadOnly,
        "The listener that brokers use among themselves.";
    Planned "leader.imbalance.check.interval.seconds" Long Some("300"), AtLeast(1), ReadOnly,
        "How often the balance of leaders is looked at.";
    Planned "leader.imbalance.per.broker.percentage" Int Some("10"), Any, ReadOnly,
        "Imbalance of leaders that is left alone.";
    Works "listener.security.protocol.map" Text Some("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"), Any, ReadOnly,
        "Which protocol each listener name speaks.";
    Works "listeners" List Some("PLAINTEXT://127.0.0.1:9092"), Any, ReadOnly,
        "Where the broker listens, as NAME://host:port,…";
    Works "log.cleaner.backoff.ms" Long Some("15000"), AtLeast(0), ClusterWide,
        "How long the cleaner rests when there is nothing to do.";
    Works "log.cleaner.dedupe.buffer.size" Long Some("134217728"), Any, ClusterWide,
        "Memory for the keys of a compaction, shared by the cores; of a core's memory at most an eighth.";
    Works "log.cleaner.delete.retention.ms" Long Some("86400000"), AtLeast(0), ClusterWide,
        "How long the mark of a deleted key stays, where the topic does not say.";
    Works "log.cleaner.enable" Boolean Some("true"), Any, ReadOnly,
        "Whether compacted topics are compacted.";
    Works "log.cleaner.io.max.bytes.per.second" Double Some("1.7976931348623157E308"), Any, ClusterWide,
        "What all cores' cleaners together may read and write.";
    Works "log.cleaner.max.compaction.lag.ms" Long Some("9223372036854775807"), AtLeast(1), ClusterWide,
        "After this time a record is due for compaction, where the topic does not say.";
    Works "log.cleaner.min.cleanable.ratio" Double Some("0.5"), Ratio, ClusterWide,
        "Share of uncompacted bytes from which on a log is compacted, where the topic does not say.";
    Works "log.cleaner.min.compaction.lag.ms" Long Some("0"), AtLeast(0), ClusterWide,
        "Before this time a record is not compacted, where the topic does not say.";
    Planned "log.cleaner.threads" Int Some("1"), AtLeast(0), ClusterWide,
        "Cores that compact at once.";
    Works "log.cleanup.policy" List Some("delete"), ListOf(&["compact", "delete"]), ClusterWide,
        "What happens to old records, where the topic does not say.";
    Works "log.dir" Text Some(DATA_DIR_DEFAULT), Any, ReadOnly,
        "The data directory, where log.dirs is not given.";
    Works "log.dirs" List None, Any, ReadOnly,
        "The data directory; Corelog keeps one.";
    Works "log.durability" Text Some("sync"), OneOf(&["sync", "async"]), ClusterWide,
        "When a record is acknowledged, where the topic does not say: sync in stable storage, async in memory.";
    Works "log.flush.interval.messages" Long Some("9223372036854775807"), AtLeast(1), ClusterWide,
        "With durability=async: records after which stable storage is waited for.";
    Works "log.flush.interval.ms" Long None, Any, ClusterWide,
        "With durability=async: milliseconds after which stable storage is waited for.";
    Works "log.flush.scheduler.interval.ms" Long Some("9223372036854775807"), Any, ReadOnly,
        "Stands for log.flush.interval.ms where that is not given.";
    Works "log.index.interval.bytes" Int Some("4096"), AtLeast(0), ClusterWide,
        "Bytes of log between two entries of the offset index, where the topic does not say.";
    Works "log.index.size.max.bytes" Int Some("10485760"), AtLeast(4), ClusterWide,
        "Size of an index at which its segment ends, where the topic does not say.";
    Works "log.initial.task.delay.ms" Long Some("30000"), AtLeast(0), ReadOnly,
        "How long after the start segments are looked at for deletion first.";
    Works "log.message.timestamp.after.max.ms" Long Some("3600000"), AtLeast(0), ClusterWide,
        "How far timestamps may lie ahead, where the topic does not say.";
    Works "log.message.timestamp.before.max.ms" Long Some("9223372036854775807"), AtLeast(0), ClusterWide,
        "How far timestamps may lie behind, where the topic does not say.";
    Works "log.message.timestamp.type" Text Some("CreateTime"), OneOf(&["CreateTime", "LogAppendTime"]), ClusterWide,
        "Whose clock timestamps are from, where the topic does not say.";
    Works "log.preallocate" Boolean Some("false"), Any, ClusterWide,
        "Whether segments are allocated in full, where the topic does not say.";
    Works "log.retention.bytes" Long Some("-1"), Any, ClusterWide,
        "Bytes of a partition beyond which segments go, where the topic does not say; -1 is no limit.";
    Works "log.retention.check.interval.ms" Long Some("300000"), AtLeast(1), ReadOnly,
        "How often segments are looked at for deletion.";
    Works "log.retention.hours" Int Some("168"), Any, ReadOnly,
        "As log.retention.ms, in hours.";
    Works "log.retention.minutes" Int None, Any, ReadOnly,
        "As log.retention.ms, in minutes; before hours.";
    Works "log.retention.ms" Long None, Any, ClusterWide,
        "Age after which segments go, where the topic does not say; before minutes and hours.";
    Works "log.roll.hours" Int Some("168"), AtLeast(1), ReadOnly,
        "As log.roll.ms, in hours.";
    Works "log.roll.jitter.hours" Int Some("0"), AtLeast(0), ReadOnly,
        "As log.roll.jitter.ms, in hours.";
    Works "log.roll.jitter.ms" Long None, Any, ClusterWide,
        "Most that is taken off a segment's age at random, where the topic does not say.";
    Works "log.roll.ms" Long None, Any, ClusterWide,
        "Age at which a segment ends, where the topic does not say; before log.roll.hours.";
    Works "log.segment.bytes" Int Some("1073741824"), AtLeast(14), ClusterWide,
        "Size at which a segment ends, where the topic does not say.";
    Works "log.segment.delete.delay.ms" Long Some("60000"), AtLeast(0), ClusterWide,
        "How long files of a dropped segment stay, where the topic does not say.";
    Works "max.connection.creation.rate" Int Some("2147483647"), AtLeast(0), ClusterWide,
        "New connections a second, over all listeners; those beyond it wait.";
    Works "max.connections" Int Some("2147483647"), AtLeast(0), ClusterWide,
        "Connections of this broker at once; those beyond it wait.";
    Works "max.connections.per.ip" Int Some("2147483647"), AtLeast(0), ClusterWide,
        "Connections from one address at once; those beyond it are closed.";
    Works "max.connections.per.ip.overrides" Text Some(""), Any, ClusterWide,
        "Connections at once of single IP addresses, as address:number,address:number.";
    Works "max.incremental.fetch.session.cache.slots" Int Some("1000"), AtLeast(0), ReadOnly,
        "Incremental fetch sessions that are kept.";
    Works "max.request.partition.size.limit" Int Some("2000"), AtLeast(1), ReadOnly,
        "Partitions that one DescribeTopicPartitions answers with.";
    Works "message.max.bytes" Int Some("1048588"), Between(0, BATCH_BYTES_MAX as i64), ClusterWide,
        "The largest batch that is accepted, where the topic has no max.message.bytes.";
    Works "min.insync.replicas" Int Some("1"), AtLeast(1), ClusterWide,
        "Replicas that acks=all waits for at least, where the topic does not say.";
    Works "node.id" Int None, AtLeast(0), ReadOnly,
        "This broker's number in its cluster.";
    Works "num.partitions" Int Some("1"), AtLeast(1), ReadOnly,
        "Partitions of a topic that is created without a number of them.";
    Planned "num.replica.fetchers" Int Some("1"), AtLeast(1), ClusterWide,
        "Connections to each leader; Corelog has one per core.";
    Works "offset.metadata.max.bytes" Int Some("4096"), Any, ReadOnly,
        "The longest metadata of a committed offset.";
    Works "offsets.commit.timeout.ms" Int Some("5000"), AtLeast(1), ReadOnly,
        "How long a commit, or another change of a group, waits until it is stored.";
    Works "offsets.retention.check.interval.ms" Long Some("600000"), AtLeast(1), ReadOnly,
        "How often old offsets are looked for.";
    Works "offsets.retention.minutes" Int Some("10080"), AtLeast(1), ReadOnly,
        "How long offsets of an empty group stay.";
    Works "offsets.topic.num.partitions" Int Some("50"), AtLeast(1), ReadOnly,
        "Partitions of __consumer_offsets.";
    Works "offsets.topic.replication.factor" Short Some("3"), AtLeast(1), ReadOnly,
        "Replicas of __consumer_offsets; as many as there are brokers until it is set.";
    Works "offsets.topic.segment.bytes" Int Some("104857600"), AtLeast(1), ReadOnly,
        "Segment size of __consumer_offsets.";
    Works "process.roles" List None, ListOf(&["broker", "controller"]), ReadOnly,
        "Every Corelog node is a broker and may vote: broker,controller.";
    Works "producer.id.expiration.ms" Int Some("86400000"), AtLeast(1), ClusterWide,
        "How long the state of a silent producer stays.";
    Planned "quota.window.num" Int Some("11"), AtLeast(1), ReadOnly,
        "Samples that a quota is measured over.";
    Planned "quota.window.size.seconds" Int Some("1"), AtLeast(1), ReadOnly,
        "Length of one sample of a quota.";
    Planned "replica.fetch.max.bytes" Int Some("1048576"), AtLeast(0), ReadOnly,
        "What a follower asks for per partition.";
    Planned "replica.fetch.min.bytes" Int Some("1"), Any, ReadOnly,
        "What a follower's fetch waits for.";
    Planned "replica.fetch.response.max.bytes" Int Some("10485760"), AtLeast(0), ReadOnly,
        "What a follower asks for in one fetch.";
    Planned "replica.fetch.wait.max.ms" Int Some("500"), Any, ReadOnly,
        "How long a follower's fetch waits at the leader.";
    Planned "replica.lag.time.max.ms" Long Some("30000"), Any, ReadOnly,
        "A follower that is behind for so long leaves the in-sync replicas.";
    Planned "replica.selector.class" Text None, Any, ReadOnly,
        "How a consumer is sent to a near replica.";
    Planned "replication.quota.window.num" Int Some("11"), AtLeast(1), ReadOnly,
        "Samples that a replication throttle is measured over.";
    Planned "replication.quota.window.size.seconds" Int Some("1"), AtLeast(1), ReadOnly,
        "Length of one sample of such a throttle.";
    Planned "sasl.enabled.mechanisms" List Some("GSSAPI"), Any, PerBroker,
        "SASL mechanisms that clients may use.";
    Planned "sasl.server.max.receive.size" Int Some("524288"), Any, ReadOnly,
        "The largest SASL message.";
    Planned "security.inter.broker.protocol" Text Some("PLAINTEXT"), OneOf(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]), ReadOnly,
        "The protocol that brokers use among themselves.";
    Works "socket.request.max.bytes" Int Some("104857600"), AtLeast(1), ReadOnly,
        "The largest request; a larger one closes the connection.";
    Planned "ssl.client.auth" Text Some("none"), OneOf(&["required", "requested", "none"]), PerBroker,
        "Whether clients show a certificate.";
    Planned "ssl.keystore.type" Text Some("JKS"), Any, PerBroker,
        "Format of the key store.";
    Planned "ssl.principal.mapping.rules" Text Some("DEFAULT"), Any, ReadOnly,
        "How a certificate's name becomes a principal.";
    Planned "super.users" Text Some(""), Any, ReadOnly,
        "Principals that may do everything, separated by semicolons.";
    Works "telemetry.max.bytes" Int Some("1048576"), AtLeast(1), ReadOnly,
        "The largest push of client metrics.";
    Planned "transaction.abort.timed.out.transaction.cleanup.interval.ms" Int Some("10000"), AtLeast(1), ReadOnly,
        "How often timed-out transactions are looked for.";
    Planned "transaction.max.timeout.ms" Int Some("900000"), AtLeast(1), ReadOnly,
        "The longest transaction timeout that a producer may ask for.";
    Planned "transaction.partition.verification.enable" Boolean Some("true"), Any, ClusterWide,
        "Whether a transactional write is checked with its coordinator.";
    Planned "transaction.state.log.min.isr" Int Some("2"), AtLeast(1), ReadOnly,
        "min.insync.replicas of __transaction_state.";
    Planned "transaction.state.log.num.partitions" Int Some("50"), AtLeast(1), ReadOnly,
        "Partitions of __transaction_state.";
    Planned "transaction.state.log.replication.factor" Short Some("3"), AtLeast(1), ReadOnly,
        "Replicas of __transaction_state; as many as there are brokers until it is set.";
    Planned "transaction.state.log.segment.bytes" Int Some("104857600"), AtLeast(1), ReadOnly,
        "Segment size of __transaction_state.";
    Planned "transactional.id.expiration.ms" Int Some("604800000"), AtLeast(1), ReadOnly,
        "How long an unused transactional id stays.";
    Planned "unclean.leader.election.enable" Boolean Some("false"), Any, ClusterWide,
        "Whether a replica that misses committed records may lead.";
}
