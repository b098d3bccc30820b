//! The options of Kafka 3.9 and 4.3 that have no effect here. They are known so that a `server.properties` written for
//! Kafka starts: each is accepted with a warning that says why it does nothing.

use crate::config::key::Type::{Boolean, Class, Double, Int, List, Long, Password, Short, String as Text};
use crate::config::key::{Check, Effect, Key, Update};

/// What Kafka lets be changed while it runs, without effect here as everything in this file. Of the options of connections'
/// security those of Kerberos alone, which have none in Kafka either where no listener speaks it; the others are not among
/// them until connections have it.
const DYNAMIC: &[&str] = &[
    "background.threads",
    "config.providers",
    "follower.fetch.last.tiered.offset.enable",
    "group.coordinator.cached.buffer.max.bytes",
    "group.share.assignment.interval.ms",
    "group.streams.assignment.interval.ms",
    "log.cleaner.io.buffer.load.factor",
    "log.cleaner.io.buffer.size",
    "log.local.retention.bytes",
    "log.local.retention.ms",
    "metric.reporters",
    "num.io.threads",
    "num.network.threads",
    "num.recovery.threads.per.data.dir",
    "principal.builder.class",
    "remote.fetch.max.wait.ms",
    "remote.list.offsets.request.timeout.ms",
    "remote.log.index.file.cache.total.size.bytes",
    "remote.log.manager.copier.thread.pool.size",
    "remote.log.manager.copy.max.bytes.per.second",
    "remote.log.manager.expiration.thread.pool.size",
    "remote.log.manager.fetch.max.bytes.per.second",
    "remote.log.manager.follower.thread.pool.size",
    "remote.log.reader.threads",
    "share.coordinator.cached.buffer.max.bytes",
];

const DYNAMIC_PER_BROKER: &[&str] = &[
    "cordoned.log.dirs",
    "sasl.kerberos.kinit.cmd",
    "sasl.kerberos.min.time.before.relogin",
    "sasl.kerberos.principal.to.local.rules",
    "sasl.kerberos.service.name",
    "sasl.kerberos.ticket.renew.jitter",
    "sasl.kerberos.ticket.renew.window.factor",
];

/// Where Kafka's numbers begin, of what can be changed while it runs.
const AT_LEAST: &[(&[&str], i64)] = &[
    (&["log.local.retention.bytes", "log.local.retention.ms"], -2),
    (
        &[
            "group.share.assignment.interval.ms",
            "group.streams.assignment.interval.ms",
            "log.cleaner.io.buffer.size",
        ],
        0,
    ),
    (
        &[
            "background.threads",
            "num.io.threads",
            "num.network.threads",
            "num.recovery.threads.per.data.dir",
            "remote.fetch.max.wait.ms",
            "remote.list.offsets.request.timeout.ms",
            "remote.log.index.file.cache.total.size.bytes",
            "remote.log.manager.copier.thread.pool.size",
            "remote.log.manager.copy.max.bytes.per.second",
            "remote.log.manager.expiration.thread.pool.size",
            "remote.log.manager.fetch.max.bytes.per.second",
            "remote.log.manager.follower.thread.pool.size",
            "remote.log.reader.threads",
        ],
        1,
    ),
    (&["group.coordinator.cached.buffer.max.bytes", "share.coordinator.cached.buffer.max.bytes"], 512 << 10),
];

const fn update_of(name: &str) -> Update {
    if is_among(DYNAMIC, name) {
        Update::ClusterWide
    } else if is_among(DYNAMIC_PER_BROKER, name) {
        Update::PerBroker
    } else {
        Update::ReadOnly
    }
}

const fn check_of(name: &str) -> Check {
    let mut index = 0;
    while index < AT_LEAST.len() {
        let (names, least) = AT_LEAST[index];
        if is_among(names, name) {
            return Check::AtLeast(least);
        }
        index += 1;
    }
    Check::Any
}

/// `contains` for constants.
const fn is_among(names: &[&str], name: &str) -> bool {
    let mut index = 0;
    while index < names.len() {
        if is_same(names[index].as_bytes(), name.as_bytes()) {
            return true;
        }
        index += 1;
    }
    false
}

/// `==` for constants.
const fn is_same(left: &[u8], right: &[u8]) -> bool {
    let mut index = 0;
    while index < left.len() && index < right.len() && left[index] == right[index] {
        index += 1;
    }
    index == left.len() && index == right.len()
}

macro_rules! inert_keys {
    ($($effect:ident $doc:literal => [$($name:literal $kind:ident $default:expr,)*];)*) => {
        pub(super) const INERT_KEYS: &[Key] = &[$($(Key {
            name: $name, kind: $kind, default: $default, check: check_of($name), update: update_of($name),
            effect: Effect::$effect, doc: $doc,
        },)*)*];
    };
}

inert_keys! {
    Inert "Steers ZooKeeper or the migration away from it; Corelog keeps its metadata in its own log." => [
        "alter.config.policy.kraft.compatibility.enable" Boolean Some("false"),
        "broker.id.generation.enable" Boolean Some("true"),
        "control.plane.listener.name" Text None,
        "controlled.shutdown.max.retries" Int Some("3"),
        "controlled.shutdown.retry.backoff.ms" Long Some("5000"),
        "controller.socket.timeout.ms" Int Some("30000"),
        "inter.broker.protocol.version" Text Some("3.9-IV0"),
        "password.encoder.cipher.algorithm" Text Some("AES/CBC/PKCS5Padding"),
        "password.encoder.iterations" Int Some("4096"),
        "password.encoder.key.length" Int Some("128"),
        "password.encoder.keyfactory.algorithm" Text None,
        "password.encoder.old.secret" Password None,
        "password.encoder.secret" Password None,
        "reserved.broker.max.id" Int Some("1000"),
        "zookeeper.clientCnxnSocket" Text None,
        "zookeeper.connect" Text None,
        "zookeeper.connection.timeout.ms" Int None,
        "zookeeper.max.in.flight.requests" Int Some("10"),
        "zookeeper.metadata.migration.enable" Boolean Some("false"),
        "zookeeper.metadata.migration.min.batch.size" Int Some("200"),
        "zookeeper.session.timeout.ms" Int Some("18000"),
        "zookeeper.set.acl" Boolean Some("false"),
        "zookeeper.ssl.cipher.suites" List None,
        "zookeeper.ssl.client.enable" Boolean Some("false"),
        "zookeeper.ssl.crl.enable" Boolean Some("false"),
        "zookeeper.ssl.enabled.protocols" List None,
        "zookeeper.ssl.endpoint.identification.algorithm" Text Some("HTTPS"),
        "zookeeper.ssl.keystore.location" Text None,
        "zookeeper.ssl.keystore.password" Password None,
        "zookeeper.ssl.keystore.type" Text None,
        "zookeeper.ssl.ocsp.enable" Boolean Some("false"),
        "zookeeper.ssl.protocol" Text Some("TLSv1.2"),
        "zookeeper.ssl.truststore.location" Text None,
        "zookeeper.ssl.truststore.password" Password None,
        "zookeeper.ssl.truststore.type" Text None,
    ];
    Inert "Steers message formats that Corelog does not store." => [
        "log.message.downconversion.enable" Boolean Some("true"),
        "log.message.format.version" Text Some("3.0-IV1"),
        "log.message.timestamp.difference.max.ms" Long Some("9223372036854775807"),
    ];
    Inert "Steers tiered storage, which Corelog does not have." => [
        "follower.fetch.last.tiered.offset.enable" Boolean Some("false"),
        "log.local.retention.bytes" Long Some("-2"),
        "log.local.retention.ms" Long Some("-2"),
        "remote.fetch.max.wait.ms" Int Some("500"),
        "remote.list.offsets.request.timeout.ms" Long Some("30000"),
        "remote.log.index.file.cache.total.size.bytes" Long Some("1073741824"),
        "remote.log.index.file.cache.ttl.ms" Long Some("900000"),
        "remote.log.manager.copier.thread.pool.size" Int Some("10"),
        "remote.log.manager.copy.max.bytes.per.second" Long Some("9223372036854775807"),
        "remote.log.manager.copy.quota.window.num" Int Some("11"),
        "remote.log.manager.copy.quota.window.size.seconds" Int Some("1"),
        "remote.log.manager.expiration.thread.pool.size" Int Some("10"),
        "remote.log.manager.fetch.max.bytes.per.second" Long Some("9223372036854775807"),
        "remote.log.manager.fetch.quota.window.num" Int Some("11"),
        "remote.log.manager.fetch.quota.window.size.seconds" Int Some("1"),
        "remote.log.manager.follower.thread.pool.size" Int Some("2"),
        "remote.log.manager.task.interval.ms" Long Some("30000"),
        "remote.log.manager.task.retry.backoff.max.ms" Long Some("30000"),
        "remote.log.manager.task.retry.backoff.ms" Long Some("500"),
        "remote.log.manager.task.retry.jitter" Double Some("0.2"),
        "remote.log.manager.thread.pool.size" Int Some("2"),
        "remote.log.metadata.custom.metadata.max.bytes" Int Some("128"),
        "remote.log.metadata.manager.class.name" Text Some("org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager"),
        "remote.log.metadata.manager.class.path" Text None,
        "remote.log.metadata.manager.impl.prefix" Text Some("rlmm.config."),
        "remote.log.metadata.manager.listener.name" Text None,
        "remote.log.reader.max.pending.tasks" Int Some("100"),
        "remote.log.reader.threads" Int Some("10"),
        "remote.log.storage.manager.class.name" Text None,
        "remote.log.storage.manager.class.path" Text None,
        "remote.log.storage.manager.impl.prefix" Text Some("rsm.config."),
        "remote.log.storage.system.enable" Boolean Some("false"),
    ];
    Inert "Sizes threads, queues and buffers of a Java broker; Corelog has one thread per core and --memory." => [
        "background.threads" Int Some("10"),
        "controller.quorum.append.linger.ms" Int Some("25"),
        "delete.records.purgatory.purge.interval.requests" Int Some("1"),
        "fetch.purgatory.purge.interval.requests" Int Some("1000"),
        "group.coordinator.append.linger.ms" Int Some("-1"),
        "group.coordinator.background.threads" Int Some("2"),
        "group.coordinator.cached.buffer.max.bytes" Int Some("1048588"),
        "group.coordinator.threads" Int Some("4"),
        "kafka.metrics.polling.interval.secs" Int Some("10"),
        "log.cleaner.io.buffer.load.factor" Double Some("0.9"),
        "log.cleaner.io.buffer.size" Int Some("524288"),
        "num.io.threads" Int Some("8"),
        "num.network.threads" Int Some("3"),
        "num.recovery.threads.per.data.dir" Int Some("2"),
        "num.replica.alter.log.dirs.threads" Int None,
        "offsets.load.buffer.size" Int Some("5242880"),
        "producer.purgatory.purge.interval.requests" Int Some("1000"),
        "queued.max.request.bytes" Long Some("-1"),
        "queued.max.requests" Int Some("500"),
        "replica.socket.receive.buffer.bytes" Int Some("65536"),
        "replica.socket.timeout.ms" Int Some("30000"),
        "share.coordinator.append.linger.ms" Int Some("-1"),
        "share.coordinator.cached.buffer.max.bytes" Int Some("1048588"),
        "share.coordinator.load.buffer.size" Int Some("5242880"),
        "share.coordinator.threads" Int Some("1"),
        "share.fetch.purgatory.purge.interval.requests" Int Some("1000"),
        "socket.receive.buffer.bytes" Int Some("102400"),
        "socket.send.buffer.bytes" Int Some("102400"),
        "transaction.state.log.load.buffer.size" Int Some("5242880"),
    ];
    Inert "Names classes that a Java broker loads; Corelog loads none." => [
        "alter.config.policy.class.name" Class None,
        "authorizer.class.name" Text Some(""),
        "auto.include.jmx.reporter" Boolean Some("true"),
        "client.quota.callback.class" Class None,
        "config.providers" List Some(""),
        "create.topic.policy.class.name" Class None,
        "early.start.listeners" List None,
        "group.share.persister.class.name" Text Some("org.apache.kafka.server.share.persister.DefaultStatePersister"),
        "kafka.metrics.reporters" List Some(""),
        "metric.reporters" List Some("org.apache.kafka.common.metrics.JmxReporter"),
        "metrics.num.samples" Int Some("2"),
        "metrics.recording.level" Text Some("INFO"),
        "metrics.sample.window.ms" Long Some("30000"),
        "principal.builder.class" Class Some("org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"),
        "sasl.client.callback.handler.class" Class None,
        "sasl.login.callback.handler.class" Class None,
        "sasl.login.class" Class None,
        "sasl.oauthbearer.jwt.retriever.class" Class Some("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever"),
        "sasl.oauthbearer.jwt.validator.class" Class Some("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator"),
        "sasl.server.callback.handler.class" Class None,
        "security.providers" Text None,
        "ssl.engine.factory.class" Class None,
    ];
    Planned "Security of connections: not built yet. A listener that needs it is refused." => [
        "connection.failed.authentication.delay.ms" Int Some("100"),
        "delegation.token.expiry.check.interval.ms" Long Some("3600000"),
        "delegation.token.master.key" Password None,
        "delegation.token.secret.key" Password None,
        "sasl.jaas.config" Password None,
        "sasl.kerberos.kinit.cmd" Text Some("/usr/bin/kinit"),
        "sasl.kerberos.min.time.before.relogin" Long Some("60000"),
        "sasl.kerberos.principal.to.local.rules" List Some("DEFAULT"),
        "sasl.kerberos.service.name" Text None,
        "sasl.kerberos.ticket.renew.jitter" Double Some("0.05"),
        "sasl.kerberos.ticket.renew.window.factor" Double Some("0.8"),
        "sasl.login.connect.timeout.ms" Int None,
        "sasl.login.read.timeout.ms" Int None,
        "sasl.login.refresh.buffer.seconds" Short Some("300"),
        "sasl.login.refresh.min.period.seconds" Short Some("60"),
        "sasl.login.refresh.window.factor" Double Some("0.8"),
        "sasl.login.refresh.window.jitter" Double Some("0.05"),
        "sasl.login.retry.backoff.max.ms" Long Some("10000"),
        "sasl.login.retry.backoff.ms" Long Some("100"),
        "sasl.mechanism.controller.protocol" Text Some("GSSAPI"),
        "sasl.mechanism.inter.broker.protocol" Text Some("GSSAPI"),
        "sasl.oauthbearer.assertion.algorithm" Text Some("RS256"),
        "sasl.oauthbearer.assertion.claim.aud" Text None,
        "sasl.oauthbearer.assertion.claim.exp.seconds" Int Some("300"),
        "sasl.oauthbearer.assertion.claim.iss" Text None,
        "sasl.oauthbearer.assertion.claim.jti.include" Boolean Some("false"),
        "sasl.oauthbearer.assertion.claim.nbf.seconds" Int Some("60"),
        "sasl.oauthbearer.assertion.claim.sub" Text None,
        "sasl.oauthbearer.assertion.file" Text None,
        "sasl.oauthbearer.assertion.private.key.file" Text None,
        "sasl.oauthbearer.assertion.private.key.passphrase" Password None,
        "sasl.oauthbearer.assertion.template.file" Text None,
        "sasl.oauthbearer.client.credentials.client.id" Text None,
        "sasl.oauthbearer.client.credentials.client.secret" Password None,
        "sasl.oauthbearer.clock.skew.seconds" Int Some("30"),
        "sasl.oauthbearer.expected.audience" List Some(""),
        "sasl.oauthbearer.expected.issuer" Text None,
        "sasl.oauthbearer.jwks.endpoint.refresh.ms" Long Some("3600000"),
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms" Long Some("10000"),
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms" Long Some("100"),
        "sasl.oauthbearer.jwks.endpoint.url" Text None,
        "sasl.oauthbearer.scope" Text None,
        "sasl.oauthbearer.scope.claim.name" Text Some("scope"),
        "sasl.oauthbearer.sub.claim.name" Text Some("sub"),
        "sasl.oauthbearer.token.endpoint.url" Text None,
        "ssl.allow.dn.changes" Boolean Some("false"),
        "ssl.allow.san.changes" Boolean Some("false"),
        "ssl.cipher.suites" List Some(""),
        "ssl.enabled.protocols" List Some("TLSv1.2,TLSv1.3"),
        "ssl.endpoint.identification.algorithm" Text Some("https"),
        "ssl.key.password" Password None,
        "ssl.keymanager.algorithm" Text Some("SunX509"),
        "ssl.keystore.certificate.chain" Password None,
        "ssl.keystore.key" Password None,
        "ssl.keystore.location" Text None,
        "ssl.keystore.password" Password None,
        "ssl.protocol" Text Some("TLSv1.3"),
        "ssl.provider" Text None,
        "ssl.secure.random.implementation" Text None,
        "ssl.trustmanager.algorithm" Text Some("PKIX"),
        "ssl.truststore.certificates" Password None,
        "ssl.truststore.location" Text None,
        "ssl.truststore.password" Password None,
        "ssl.truststore.type" Text Some("JKS"),
    ];
    Planned "Group, share and transaction coordinators: not built yet." => [
        "add.partitions.to.txn.retry.backoff.max.ms" Int Some("100"),
        "add.partitions.to.txn.retry.backoff.ms" Int Some("20"),
        "group.coordinator.new.enable" Boolean Some("false"),
        "group.coordinator.rebalance.protocols" List Some("classic,consumer,streams"),
        "group.share.assignment.interval.ms" Int Some("1000"),
        "group.share.assignors" List Some("simple"),
        "group.share.delivery.count.limit" Int Some("5"),
        "group.share.enable" Boolean Some("false"),
        "group.share.heartbeat.interval.ms" Int Some("5000"),
        "group.share.initialize.retry.interval.ms" Int Some("30000"),
        "group.share.max.assignment.interval.ms" Int Some("15000"),
        "group.share.max.delivery.count.limit" Int Some("10"),
        "group.share.max.groups" Short Some("10"),
        "group.share.max.heartbeat.interval.ms" Int Some("15000"),
        "group.share.max.partition.max.record.locks" Int Some("4000"),
        "group.share.max.record.lock.duration.ms" Int Some("60000"),
        "group.share.max.session.timeout.ms" Int Some("60000"),
        "group.share.max.share.sessions" Int Some("2000"),
        "group.share.max.size" Int Some("200"),
        "group.share.min.assignment.interval.ms" Int Some("0"),
        "group.share.min.delivery.count.limit" Int Some("2"),
        "group.share.min.heartbeat.interval.ms" Int Some("5000"),
        "group.share.min.partition.max.record.locks" Int Some("100"),
        "group.share.min.record.lock.duration.ms" Int Some("15000"),
        "group.share.min.session.timeout.ms" Int Some("45000"),
        "group.share.partition.max.record.locks" Int Some("2000"),
        "group.share.record.lock.duration.ms" Int Some("30000"),
        "group.share.session.timeout.ms" Int Some("45000"),
        "group.streams.assignment.interval.ms" Int Some("1000"),
        "group.streams.heartbeat.interval.ms" Int Some("5000"),
        "group.streams.initial.rebalance.delay.ms" Int Some("3000"),
        "group.streams.max.assignment.interval.ms" Int Some("15000"),
        "group.streams.max.heartbeat.interval.ms" Int Some("15000"),
        "group.streams.max.session.timeout.ms" Int Some("60000"),
        "group.streams.max.size" Int Some("2147483647"),
        "group.streams.max.standby.replicas" Int Some("2"),
        "group.streams.min.assignment.interval.ms" Int Some("0"),
        "group.streams.min.heartbeat.interval.ms" Int Some("5000"),
        "group.streams.min.session.timeout.ms" Int Some("45000"),
        "group.streams.num.standby.replicas" Int Some("0"),
        "group.streams.session.timeout.ms" Int Some("45000"),
        "offsets.commit.required.acks" Short Some("-1"),
        "offsets.topic.compression.codec" Int Some("0"),
        "producer.id.expiration.check.interval.ms" Int Some("600000"),
        "share.coordinator.cold.partition.snapshot.interval.ms" Int Some("300000"),
        "share.coordinator.snapshot.update.records.per.snapshot" Int Some("500"),
        "share.coordinator.state.topic.compression.codec" Int Some("0"),
        "share.coordinator.state.topic.min.isr" Short Some("2"),
        "share.coordinator.state.topic.num.partitions" Int Some("50"),
        "share.coordinator.state.topic.prune.interval.ms" Int Some("300000"),
        "share.coordinator.state.topic.replication.factor" Short Some("3"),
        "share.coordinator.state.topic.segment.bytes" Int Some("104857600"),
        "share.coordinator.write.timeout.ms" Int Some("5000"),
        "transaction.remove.expired.transaction.cleanup.interval.ms" Int Some("3600000"),
        "transaction.two.phase.commit.enable" Boolean Some("false"),
    ];
    Planned "The metadata quorum: not built yet; one node is its own quorum." => [
        "controller.performance.always.log.threshold.ms" Long Some("2000"),
        "controller.performance.sample.period.ms" Long Some("60000"),
        "controller.quorum.auto.join.enable" Boolean Some("false"),
        "controller.quorum.election.backoff.max.ms" Int Some("1000"),
        "controller.quorum.fetch.max.bytes" Int Some("1048576"),
        "controller.quorum.fetch.snapshot.max.bytes" Int Some("1048576"),
        "controller.quorum.request.timeout.ms" Int Some("2000"),
        "controller.quorum.retry.backoff.ms" Int Some("20"),
        "initial.broker.registration.timeout.ms" Int Some("60000"),
        "internal.metadata.delete.delay.millis" Long Some("60000"),
        "internal.metadata.log.segment.bytes" Int None,
        "internal.metadata.max.batch.size.in.bytes" Int Some("8388608"),
        "metadata.log.dir" Text None,
        "metadata.log.max.record.bytes.between.snapshots" Long Some("20971520"),
        "metadata.log.max.snapshot.interval.ms" Long Some("3600000"),
        "metadata.log.segment.bytes" Int Some("1073741824"),
        "metadata.log.segment.min.bytes" Int Some("8388608"),
        "metadata.log.segment.ms" Long Some("604800000"),
        "metadata.max.idle.interval.ms" Int Some("500"),
        "metadata.max.retention.bytes" Long Some("104857600"),
        "metadata.max.retention.ms" Long Some("604800000"),
    ];
    Inert "Paces background work that Corelog does otherwise or not at all." => [
        "alter.log.dirs.replication.quota.window.num" Int Some("11"),
        "alter.log.dirs.replication.quota.window.size.seconds" Int Some("1"),
        "cordoned.log.dirs" List Some(""),
        "log.dir.failure.timeout.ms" Long Some("30000"),
        "log.flush.offset.checkpoint.interval.ms" Int Some("60000"),
        "log.flush.start.offset.checkpoint.interval.ms" Int Some("60000"),
        "replica.fetch.backoff.ms" Int Some("1000"),
        "replica.high.watermark.checkpoint.interval.ms" Long Some("5000"),
        "request.timeout.ms" Int Some("30000"),
        "server.max.startup.time.ms" Long Some("9223372036854775807"),
        "socket.connection.setup.timeout.max.ms" Long Some("30000"),
        "socket.connection.setup.timeout.ms" Long Some("10000"),
        "socket.listen.backlog.size" Int Some("50"),
        "unclean.leader.election.interval.ms" Long Some("300000"),
        "unstable.api.versions.enable" Boolean Some("false"),
        "unstable.feature.versions.enable" Boolean Some("false"),
    ];
}

/// What 4.3 no longer has, or keeps to itself: not told of unless somebody gave it.
const UNLISTED: &[&str] = &[
    "alter.config.policy.kraft.compatibility.enable",
    "auto.include.jmx.reporter",
    "broker.id.generation.enable",
    "control.plane.listener.name",
    "controlled.shutdown.max.retries",
    "controlled.shutdown.retry.backoff.ms",
    "controller.performance.always.log.threshold.ms",
    "controller.performance.sample.period.ms",
    "delegation.token.master.key",
    "group.coordinator.new.enable",
    "group.share.enable",
    "group.share.initialize.retry.interval.ms",
    "group.share.max.groups",
    "group.share.persister.class.name",
    "inter.broker.protocol.version",
    "internal.metadata.delete.delay.millis",
    "internal.metadata.log.segment.bytes",
    "internal.metadata.max.batch.size.in.bytes",
    "log.initial.task.delay.ms",
    "log.message.downconversion.enable",
    "log.message.format.version",
    "log.message.timestamp.difference.max.ms",
    "metadata.log.segment.min.bytes",
    "offsets.commit.required.acks",
    "password.encoder.cipher.algorithm",
    "password.encoder.iterations",
    "password.encoder.key.length",
    "password.encoder.keyfactory.algorithm",
    "password.encoder.old.secret",
    "password.encoder.secret",
    "producer.id.expiration.check.interval.ms",
    "remote.log.index.file.cache.ttl.ms",
    "remote.log.manager.task.retry.backoff.max.ms",
    "remote.log.manager.task.retry.backoff.ms",
    "remote.log.manager.task.retry.jitter",
    "reserved.broker.max.id",
    "server.max.startup.time.ms",
    "share.coordinator.cold.partition.snapshot.interval.ms",
    "share.coordinator.state.topic.prune.interval.ms",
    "unclean.leader.election.interval.ms",
    "unstable.api.versions.enable",
    "unstable.feature.versions.enable",
    "zookeeper.clientCnxnSocket",
    "zookeeper.connect",
    "zookeeper.connection.timeout.ms",
    "zookeeper.max.in.flight.requests",
    "zookeeper.metadata.migration.enable",
    "zookeeper.metadata.migration.min.batch.size",
    "zookeeper.session.timeout.ms",
    "zookeeper.set.acl",
    "zookeeper.ssl.cipher.suites",
    "zookeeper.ssl.client.enable",
    "zookeeper.ssl.crl.enable",
    "zookeeper.ssl.enabled.protocols",
    "zookeeper.ssl.endpoint.identification.algorithm",
    "zookeeper.ssl.keystore.location",
    "zookeeper.ssl.keystore.password",
    "zookeeper.ssl.keystore.type",
    "zookeeper.ssl.ocsp.enable",
    "zookeeper.ssl.protocol",
    "zookeeper.ssl.truststore.location",
    "zookeeper.ssl.truststore.password",
    "zookeeper.ssl.truststore.type",
];

/// The others, for DescribeConfigs.
pub(super) fn listed_inert_keys() -> impl Iterator<Item = &'static Key> {
    INERT_KEYS.iter().filter(|key| !UNLISTED.contains(&key.name))
}
