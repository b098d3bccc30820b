//! A broker's options as the broker uses them, and the check of everything that was given before anything starts.

use std::net::IpAddr;

use crate::base::NodeId;
use crate::config::broker_keys::{broker_key, nearest};
use crate::config::error::ConfigError;
use crate::config::key::Effect;
use crate::config::layers::{Layers, Reader};
use crate::config::listener::{self, Listener};
use crate::config::topic::{Overrides, TopicConfig};

/// Something that was given and does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub key: String,
    pub message: String,
}

/// Checks the names and values of the file and the command line. Unknown names are errors that name the nearest known
/// one; all errors are returned, so that one start shows them all.
pub fn accept(given: &Overrides) -> Result<Vec<Warning>, Vec<ConfigError>> {
    let (mut warnings, mut errors) = (Vec::new(), Vec::new());
    for (name, value) in given {
        let plain = without_listener(name);
        let Some(key) = broker_key(plain) else {
            let message = format!("Unknown broker config name: {name}{}", nearest(plain));
            errors.push(ConfigError { key: name.clone(), message });
            continue;
        };
        if let Err(error) = key.check(value) {
            errors.push(error);
            continue;
        }
        let effect = if plain == name { key.effect } else { Effect::Planned };
        let message = match effect {
            Effect::Works => continue,
            Effect::Planned => format!("{name} has no effect in this version. {}", key.doc),
            Effect::Inert => format!("{name} has no effect here. {}", key.doc),
        };
        warnings.push(Warning { key: name.clone(), message });
    }
    if errors.is_empty() { Ok(warnings) } else { Err(errors) }
}

/// `listener.name.<listener>.<key>` and `listener.name.<listener>.<mechanism>.sasl…` name a key for one listener.
fn without_listener(name: &str) -> &str {
    let Some((_, key)) = name.strip_prefix("listener.name.").and_then(|rest| rest.split_once('.')) else {
        return name;
    };
    match key.split_once('.') {
        Some((_, of_mechanism)) if broker_key(key).is_none() && of_mechanism.starts_with("sasl.") => {
            of_mechanism
        }
        _ => key,
    }
}

macro_rules! broker_config {
    ($($(#[$doc:meta])* $field:ident: $kind:ty = $read:ident($name:literal),)*) => {
        /// Read once at start and again when a dynamic option changes. Bytes and milliseconds; `None` is no limit, or unset.
        #[derive(Clone, Debug, PartialEq)]
        pub struct BrokerConfig {
            pub node_id: NodeId,
            pub listeners: Vec<Listener>,
            /// As many as `listeners`; where they were not given, the same.
            pub advertised: Vec<Listener>,
            /// `log.dirs`, else `log.dir`; empty where neither is given.
            pub data_dirs: Vec<String>,
            pub connections_per_ip_overrides: Vec<(IpAddr, u32)>,
            /// What a topic without options of its own gets.
            pub topic: TopicConfig,
            $($(#[$doc])* pub $field: $kind,)*
        }

        impl BrokerConfig {
            /// The values and the relations between them.
            pub fn resolve(layers: &Layers<'_>) -> Result<BrokerConfig, ConfigError> {
                let read = Reader::new(layers);
                let (listeners, advertised) = listeners(&read)?;
                let config = BrokerConfig {
                    node_id: node_id(&read)?,
                    listeners,
                    advertised,
                    data_dirs: data_dirs(&read)?,
                    connections_per_ip_overrides: listener::parse_ip_numbers(
                        "max.connections.per.ip.overrides",
                        &read.required::<String>("max.connections.per.ip.overrides")?,
                    )?,
                    topic: TopicConfig::resolve(layers)?,
                    $($field: read.$read($name)?,)*
                };
                config.check()?;
                Ok(config)
            }
        }
    };
}

broker_config! {
    num_partitions: i32 = required("num.partitions"),
    default_replication_factor: i32 = required("default.replication.factor"),
    auto_create_topics: bool = required("auto.create.topics.enable"),
    delete_topics: bool = required("delete.topic.enable"),
    fetch_bytes_max: usize = required("fetch.max.bytes"),
    request_bytes_max: usize = required("socket.request.max.bytes"),
    fetch_sessions_max: usize = required("max.incremental.fetch.session.cache.slots"),
    connection_idle_ms_max: Option<u64> = required("connections.max.idle.ms"),
    connections_max: usize = required("max.connections"),
    connections_per_ip_max: usize = required("max.connections.per.ip"),
    connections_per_second_max: usize = required("max.connection.creation.rate"),
    telemetry_bytes_max: usize = required("telemetry.max.bytes"),
    described_partitions_max: usize = required("max.request.partition.size.limit"),
    initial_task_delay_ms: u64 = required("log.initial.task.delay.ms"),
    retention_check_interval_ms: u64 = required("log.retention.check.interval.ms"),
    producer_id_expiration_ms: u64 = required("producer.id.expiration.ms"),
    rack: Option<String> = optional("broker.rack"),
    /// `None` is both.
    process_roles: Option<Vec<String>> = optional("process.roles"),
    /// As id@host:port.
    quorum_voters: Vec<String> = required("controller.quorum.voters"),
    quorum_servers: Vec<String> = required("controller.quorum.bootstrap.servers"),
    inter_broker_listener: Option<String> = given("inter.broker.listener.name"),
    replica_lag_ms_max: u64 = required("replica.lag.time.max.ms"),
    broker_session_timeout_ms: u64 = required("broker.session.timeout.ms"),
    broker_heartbeat_interval_ms: u64 = required("broker.heartbeat.interval.ms"),
    group_initial_rebalance_delay_ms: u64 = required("group.initial.rebalance.delay.ms"),
    group_session_timeout_ms_min: u64 = required("group.min.session.timeout.ms"),
    group_session_timeout_ms_max: u64 = required("group.max.session.timeout.ms"),
    group_size_max: usize = required("group.max.size"),
    group_consumer_session_timeout_ms: u64 = required("group.consumer.session.timeout.ms"),
    group_consumer_session_timeout_ms_min: u64 = required("group.consumer.min.session.timeout.ms"),
    group_consumer_session_timeout_ms_max: u64 = required("group.consumer.max.session.timeout.ms"),
    group_consumer_heartbeat_interval_ms: u64 = required("group.consumer.heartbeat.interval.ms"),
    group_consumer_heartbeat_interval_ms_min: u64 = required("group.consumer.min.heartbeat.interval.ms"),
    group_consumer_heartbeat_interval_ms_max: u64 = required("group.consumer.max.heartbeat.interval.ms"),
    group_consumer_assignment_interval_ms: u64 = required("group.consumer.assignment.interval.ms"),
    group_consumer_assignment_interval_ms_min: u64 = required("group.consumer.min.assignment.interval.ms"),
    group_consumer_assignment_interval_ms_max: u64 = required("group.consumer.max.assignment.interval.ms"),
    group_consumer_size_max: usize = required("group.consumer.max.size"),
    /// Separated by commas, the default first.
    group_consumer_assignors: String = required("group.consumer.assignors"),
    group_consumer_migration_policy: String = required("group.consumer.migration.policy"),
    group_consumer_regex_refresh_interval_ms: u64 = required("group.consumer.regex.refresh.interval.ms"),
    offsets_topic_partitions: i32 = required("offsets.topic.num.partitions"),
    /// `None` until it is set: as many as there are brokers, at most 3.
    offsets_topic_replication_factor: Option<i16> = given("offsets.topic.replication.factor"),
    offsets_topic_segment_bytes: u32 = required("offsets.topic.segment.bytes"),
    offsets_commit_timeout_ms: u64 = required("offsets.commit.timeout.ms"),
    offsets_retention_minutes: u64 = required("offsets.retention.minutes"),
    offsets_retention_check_interval_ms: u64 = required("offsets.retention.check.interval.ms"),
    offset_metadata_bytes_max: usize = required("offset.metadata.max.bytes"),
    transaction_topic_partitions: i32 = required("transaction.state.log.num.partitions"),
    /// `None` until it is set: as many as there are brokers, at most 3.
    transaction_topic_replication_factor: Option<i16> = given("transaction.state.log.replication.factor"),
    /// `None` until it is set: one less than the replicas, at least 1.
    transaction_topic_insync_min: Option<i32> = given("transaction.state.log.min.isr"),
    transaction_timeout_ms_max: u64 = required("transaction.max.timeout.ms"),
    transactional_id_expiration_ms: u64 = required("transactional.id.expiration.ms"),
}

impl BrokerConfig {
    /// Name, shortest, value, longest.
    fn consumer_group_ranges(&self) -> [(&'static str, u64, u64, u64); 3] {
        [
            (
                "session.timeout",
                self.group_consumer_session_timeout_ms_min,
                self.group_consumer_session_timeout_ms,
                self.group_consumer_session_timeout_ms_max,
            ),
            (
                "heartbeat.interval",
                self.group_consumer_heartbeat_interval_ms_min,
                self.group_consumer_heartbeat_interval_ms,
                self.group_consumer_heartbeat_interval_ms_max,
            ),
            (
                "assignment.interval",
                self.group_consumer_assignment_interval_ms_min,
                self.group_consumer_assignment_interval_ms,
                self.group_consumer_assignment_interval_ms_max,
            ),
        ]
    }

    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key: &str, message: String| Err(ConfigError { key: key.to_owned(), message });
        if self.data_dirs.len() > 1 {
            return refuse("log.dirs", "log.dirs names several directories; Corelog keeps one".to_owned());
        }
        self.check_alone()?;
        if self.broker_heartbeat_interval_ms > self.broker_session_timeout_ms / 2 {
            let message =
                "broker.heartbeat.interval.ms should be at most half of broker.session.timeout.ms".to_owned();
            return refuse("broker.heartbeat.interval.ms", message);
        }
        if self.group_session_timeout_ms_min > self.group_session_timeout_ms_max {
            let message = "group.min.session.timeout.ms is above group.max.session.timeout.ms".to_owned();
            return refuse("group.min.session.timeout.ms", message);
        }
        for (name, min, value, max) in self.consumer_group_ranges() {
            if value < min || value > max {
                let key = format!("group.consumer.{name}.ms");
                let message = format!(
                    "{key} is {value}, outside of group.consumer.min.{name}.ms ({min}) to group.consumer.max.{name}.ms ({max})"
                );
                return refuse(&key, message);
            }
        }
        if self.group_consumer_heartbeat_interval_ms >= self.group_consumer_session_timeout_ms {
            let message =
                "group.consumer.heartbeat.interval.ms must be less than group.consumer.session.timeout.ms"
                    .to_owned();
            return refuse("group.consumer.heartbeat.interval.ms", message);
        }
        if self.connections_per_ip_max == 0 && self.connections_per_ip_overrides.is_empty() {
            let message =
                "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides \
                           property is set."
                    .to_owned();
            return refuse("max.connections.per.ip", message);
        }
        if self.topic.message_bytes_max > self.request_bytes_max {
            let message =
                "message.max.bytes is above socket.request.max.bytes: such a batch could never arrive"
                    .to_owned();
            return refuse("message.max.bytes", message);
        }
        Ok(())
    }
}

impl BrokerConfig {
    /// One node is a whole cluster here. What asks for more is refused: it would come up as a cluster of its own, beside the
    /// one that was meant.
    fn check_alone(&self) -> Result<(), ConfigError> {
        let refuse = |key: &str, message: String| Err(ConfigError { key: key.to_owned(), message });
        if let Some(roles) = &self.process_roles
            && !["broker", "controller"].iter().all(|role| roles.iter().any(|given| given == role))
        {
            let message = format!(
                "process.roles is {}: a node of this version is broker and controller at once; write broker,controller",
                roles.join(",")
            );
            return refuse("process.roles", message);
        }
        for (key, others) in [
            ("controller.quorum.voters", &self.quorum_voters),
            ("controller.quorum.bootstrap.servers", &self.quorum_servers),
        ] {
            if others.len() > 1 {
                let message = format!(
                    "{key} names {} controllers; this version serves clusters of one node",
                    others.len()
                );
                return refuse(key, message);
            }
        }
        let voter = self.quorum_voters.first().and_then(|voter| voter.split('@').next()?.trim().parse().ok());
        if voter.is_some_and(|voter: i32| voter != self.node_id.0) {
            let message = format!(
                "controller.quorum.voters names node {}, and this is node {}: it is its own controller",
                voter.unwrap_or_default(),
                self.node_id
            );
            return refuse("controller.quorum.voters", message);
        }
        let among = |name: &String| self.listeners.iter().any(|one| one.name.eq_ignore_ascii_case(name));
        if let Some(name) = self.inter_broker_listener.as_ref().filter(|name| !among(name)) {
            let message = format!("inter.broker.listener.name is {name}, which is not among the listeners");
            return refuse("inter.broker.listener.name", message);
        }
        Ok(())
    }
}

fn node_id(read: &Reader<'_, '_>) -> Result<NodeId, ConfigError> {
    let old = read.given::<i32>("broker.id")?.filter(|id| *id >= 0);
    match (read.given::<i32>("node.id")?, old) {
        (Some(new), Some(old)) if new != old => Err(ConfigError {
            key: "node.id".to_owned(),
            message: format!("node.id is {new} and broker.id is {old}; they are the same thing"),
        }),
        (Some(id), _) | (None, Some(id)) => Ok(NodeId(id)),
        (None, None) => Ok(NodeId(1)),
    }
}

/// The listeners and the advertised ones. Those of a controller are not served: Corelog's brokers are their own quorum.
fn listeners(read: &Reader<'_, '_>) -> Result<(Vec<Listener>, Vec<Listener>), ConfigError> {
    let controllers: Vec<String> =
        read.optional("controller.listener.names")?.unwrap_or_else(|| vec!["CONTROLLER".to_owned()]);
    let mut map: String = read.required("listener.security.protocol.map")?;
    for name in &controllers {
        // As in Kafka: a controller's listener needs no entry of its own.
        map.push_str(&format!(",{name}:PLAINTEXT"));
    }
    let serves = |all: Vec<Listener>| -> Vec<Listener> {
        all.into_iter()
            .filter(|one| !controllers.iter().any(|name| name.eq_ignore_ascii_case(&one.name)))
            .collect()
    };
    let listeners = serves(listener::parse("listeners", &read.required::<String>("listeners")?, &map)?);
    if listeners.is_empty() {
        let message = "listeners names no listener for clients".to_owned();
        return Err(ConfigError { key: "listeners".to_owned(), message });
    }
    let Some(value) = read.optional::<String>("advertised.listeners")? else {
        return Ok((listeners.clone(), listeners));
    };
    let key = "advertised.listeners";
    let advertised = serves(listener::parse(key, &value, &map)?);
    for one in &advertised {
        if !listeners.iter().any(|listener| listener.name == one.name) {
            return Err(ConfigError::invalid(
                key,
                &value,
                &format!("{} is not among the listeners", one.name),
            ));
        }
        if one.host.is_empty() || one.host == "0.0.0.0" || one.host == "::" {
            return Err(ConfigError::invalid(
                key,
                &value,
                "clients cannot connect to every address: name a host",
            ));
        }
    }
    Ok((listeners, advertised))
}

fn data_dirs(read: &Reader<'_, '_>) -> Result<Vec<String>, ConfigError> {
    match read.optional("log.dirs")? {
        Some(all) => Ok(all),
        None => Ok(read.given::<String>("log.dir")?.into_iter().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::listener::Protocol;
    use crate::config::properties;

    fn resolve(text: &str) -> Result<BrokerConfig, ConfigError> {
        let given = properties::parse(text).unwrap();
        accept(&given).map_err(|errors| errors[0].clone())?;
        BrokerConfig::resolve(&Layers { static_broker: &given, ..Layers::EMPTY })
    }

    #[test]
    fn a_start_without_options_listens_on_this_host() {
        let config = resolve("").unwrap();
        assert_eq!(config.node_id, NodeId(1));
        let listener = Listener {
            name: "PLAINTEXT".to_owned(),
            protocol: Protocol::Plaintext,
            host: "127.0.0.1".to_owned(),
            port: 9092,
        };
        assert_eq!((config.listeners, config.advertised), (vec![listener.clone()], vec![listener]));
        assert_eq!(config.connection_idle_ms_max, Some(600_000));
        assert_eq!(config.offsets_topic_replication_factor, None);
        assert_eq!(config.topic, TopicConfig::default());
        assert!(config.data_dirs.is_empty());
    }

    /// The keys that Kafka 3.9 and 4.3 ship in their configuration files.
    const SHIPPED: &str = "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@localhost:9093\n\
        controller.quorum.bootstrap.servers=localhost:9093\nlisteners=PLAINTEXT://:9092,CONTROLLER://:9093\n\
        inter.broker.listener.name=PLAINTEXT\nadvertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\n\
        controller.listener.names=CONTROLLER\n\
        listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL\n\
        num.network.threads=3\nnum.io.threads=8\nsocket.send.buffer.bytes=102400\nsocket.receive.buffer.bytes=102400\n\
        socket.request.max.bytes=104857600\nlog.dirs=/tmp/kraft-combined-logs\nnum.partitions=1\n\
        num.recovery.threads.per.data.dir=1\noffsets.topic.replication.factor=1\n\
        share.coordinator.state.topic.replication.factor=1\nshare.coordinator.state.topic.min.isr=1\n\
        transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n#log.flush.interval.ms=1000\n\
        log.retention.hours=168\nlog.segment.bytes=1073741824\nlog.retention.check.interval.ms=300000\n\
        zookeeper.connect=localhost:2181\nzookeeper.connection.timeout.ms=18000\nbroker.id=1\n\
        group.initial.rebalance.delay.ms=0\nlistener.name.plaintext.scram-sha-256.sasl.jaas.config=x\n";

    #[test]
    fn kafkas_own_files_start_with_warnings() {
        let config = resolve(SHIPPED).unwrap();
        assert_eq!(config.listeners.len(), 1);
        assert_eq!(config.advertised[0].host, "localhost");
        assert_eq!(config.data_dirs, ["/tmp/kraft-combined-logs"]);
        assert_eq!(config.offsets_topic_replication_factor, Some(1));
        let warnings = accept(&properties::parse(SHIPPED).unwrap()).unwrap();
        assert!(warnings.iter().any(|warning| warning.key == "num.io.threads"));
        assert!(!warnings.iter().any(|warning| warning.key == "log.retention.hours"));
    }

    #[test]
    fn what_asks_for_more_than_one_node_is_refused_with_a_sentence() {
        for (text, part) in [
            ("process.roles=controller", "broker and controller at once"),
            ("process.roles=broker", "broker and controller at once"),
            ("controller.quorum.voters=1@a:9093,2@b:9093", "names 2 controllers"),
            ("controller.quorum.bootstrap.servers=a:9093,b:9093", "names 2 controllers"),
            ("node.id=2\ncontroller.quorum.voters=1@a:9093", "names node 1, and this is node 2"),
            ("inter.broker.listener.name=INTERNAL", "not among the listeners"),
        ] {
            let error = resolve(text).unwrap_err();
            assert!(error.message.contains(part), "{text}: {error}");
        }
        resolve("node.id=3\ncontroller.quorum.voters=3@localhost:9093").unwrap();
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let given =
            properties::parse("num.partitons=3\nlog.retention.ms=week\nnode.id=-4\nlisteners=x").unwrap();
        let errors: Vec<String> =
            accept(&given).unwrap_err().into_iter().map(|error| error.message).collect();
        assert_eq!(errors.len(), 3);
        assert!(
            errors.contains(
                &"Unknown broker config name: num.partitons; did you mean num.partitions?".to_owned()
            )
        );
    }

    #[test]
    fn what_cannot_be_together_is_refused() {
        for text in [
            "listeners=x",
            "listeners=CONTROLLER://:1",
            "advertised.listeners=OTHER://a:1",
            "advertised.listeners=PLAINTEXT://:1",
            "listeners=PLAINTEXT://0.0.0.0:1\nadvertised.listeners=PLAINTEXT://0.0.0.0:1",
            "node.id=1\nbroker.id=2",
            "log.dirs=/a,/b",
            "broker.heartbeat.interval.ms=4000",
            "group.min.session.timeout.ms=1800001",
            "socket.request.max.bytes=1000",
            "max.connections.per.ip.overrides=localhost",
            "max.connections.per.ip=0",
            "log.cleaner.min.compaction.lag.ms=5\nlog.cleaner.max.compaction.lag.ms=4",
        ] {
            assert!(resolve(text).is_err(), "{text}");
        }
        resolve("max.connections.per.ip=0\nmax.connections.per.ip.overrides=10.0.0.1:5").unwrap();
        assert_eq!(resolve("broker.id=7").unwrap().node_id, NodeId(7));
    }
}
