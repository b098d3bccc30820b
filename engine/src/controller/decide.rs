//! What can be asked of the metadata (`Instruction`), what is answered (`Outcome`), and the one entry that turns the
//! first into records and the second. Runs on core 0; cannot mutate; the same image, instruction and context always give the
//! same decision. The outcome may be told only after the records are committed.

use std::collections::BTreeMap;

use super::image::Image;
use super::limits::PRODUCER_IDS_PER_BLOCK;
use super::record::{ConfigResource, MetadataRecord};
use super::{configs, features, placement, topics};
use crate::base::{Incarnation, NodeId, PartitionIndex, ProducerId, TopicId};
use crate::error::{ErrorCode, Refusal};

/// What a decision rests on besides the image.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// This broker.
    pub node: NodeId,
    /// How many cores it runs on; at least 1.
    pub cores: u16,
    /// `num.partitions`
    pub partitions_default: i32,
    /// `default.replication.factor`
    pub replication_factor_default: i16,
    pub options: Options<'a>,
}

pub type CheckOverrides<'a> = dyn Fn(&ConfigResource, &BTreeMap<String, String>) -> Result<(), Refusal> + 'a;
pub type ListDefault<'a> = dyn Fn(&ConfigResource, &str) -> Option<String> + 'a;

/// What the registry of options says; the machine itself knows no option by name.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Checks a resource's overrides as a whole: names, values, relations.
    pub check: &'a CheckOverrides<'a>,
    /// For an option whose type is a list its effective value without an override; None for other types and unknown names.
    pub list_default: &'a ListDefault<'a>,
}

/// Whether a decision is to have effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Apply,
    /// The same checks and the same outcome, but no records.
    ValidateOnly,
}

impl Mode {
    /// From a request's `validate_only`.
    pub fn of(validate_only: bool) -> Mode {
        if validate_only { Mode::ValidateOnly } else { Mode::Apply }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instruction {
    CreateTopics {
        topics: Vec<NewTopic>,
        mode: Mode,
    },
    DeleteTopics(Vec<DoomedTopic>),
    CreatePartitions {
        topics: Vec<GrownTopic>,
        mode: Mode,
    },
    AlterConfigs {
        resources: Vec<ConfigChange>,
        mode: Mode,
    },
    UpdateFeatures {
        changes: Vec<FeatureChange>,
        mode: Mode,
    },
    AllocateProducerIds,
    /// This broker starts: once, before anything else is decided.
    StartBroker {
        incarnation: Incarnation,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    pub name: String,
    /// Chosen at random by the shell (`topic_id_from_random`); used if the topic comes into being.
    pub id: TopicId,
    /// -1: the broker's default, and with a manual assignment.
    pub partitions: i32,
    /// -1: the broker's default, and with a manual assignment.
    pub replication_factor: i16,
    /// Empty: the broker places the replicas.
    pub assignments: Vec<(PartitionIndex, Vec<NodeId>)>,
    pub configs: Vec<(String, Option<String>)>,
}

/// By name or by id, not both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoomedTopic {
    pub name: Option<String>,
    pub id: TopicId,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrownTopic {
    pub name: String,
    /// Partitions in all, old and new.
    pub count: i32,
    /// The replicas of each new partition; None: the broker places them.
    pub assignments: Option<Vec<Vec<NodeId>>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigChange {
    pub resource: ConfigResource,
    pub edit: ConfigEdit,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigEdit {
    /// AlterConfigs: these and no others are set from here on.
    Replace(Vec<(String, Option<String>)>),
    /// IncrementalAlterConfigs.
    Increment(Vec<ConfigStep>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigStep {
    pub key: String,
    pub operation: ConfigOperation,
    pub value: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigOperation {
    Set,
    Delete,
    Append,
    Subtract,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureChange {
    pub name: String,
    pub level: i16,
    pub upgrade: Upgrade,
}

/// Which way a feature's level may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    Upgrade,
    SafeDowngrade,
    UnsafeDowngrade,
    Unknown,
}

impl Upgrade {
    /// Kafka's number (org.apache.kafka.clients.admin.FeatureUpdate.UpgradeType).
    pub fn from_code(code: i8) -> Upgrade {
        match code {
            1 => Upgrade::Upgrade,
            2 => Upgrade::SafeDowngrade,
            3 => Upgrade::UnsafeDowngrade,
            _ => Upgrade::Unknown,
        }
    }
}

impl ConfigOperation {
    /// Kafka's number (org.apache.kafka.clients.admin.AlterConfigOp.OpType).
    pub fn from_code(code: i8) -> Option<ConfigOperation> {
        Some(match code {
            0 => ConfigOperation::Set,
            1 => ConfigOperation::Delete,
            2 => ConfigOperation::Append,
            3 => ConfigOperation::Subtract,
            _ => return None,
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// One answer per name, the duplicated names last.
    TopicsCreated(Vec<TopicCreated>),
    /// One answer per topic asked, in the order asked.
    TopicsDeleted(Vec<TopicDeleted>),
    /// One answer per name, the duplicated names last.
    PartitionsCreated(Vec<TopicGrown>),
    /// One answer per resource, in the order asked.
    ConfigsAltered(Vec<ConfigAltered>),
    FeaturesUpdated,
    ProducerIds(ProducerIdBlock),
    BrokerStarted,
    /// The instruction as a whole is not possible.
    Refused(Refusal),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicCreated {
    pub name: String,
    pub result: Result<CreatedTopic, Refusal>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTopic {
    pub id: TopicId,
    pub partitions: i32,
    pub replication_factor: i16,
    /// What was set on it; with the broker's own options this gives the effective ones.
    pub overrides: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDeleted {
    /// As asked, completed by what is known of the other.
    pub name: Option<String>,
    pub id: TopicId,
    pub result: Result<(), Refusal>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicGrown {
    pub name: String,
    pub result: Result<(), Refusal>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigAltered {
    pub resource: ConfigResource,
    pub result: Result<(), Refusal>,
}

/// Producer ids `first .. first + count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdBlock {
    pub first: ProducerId,
    pub count: i64,
}

/// Records to commit as one, and what to answer when they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub records: Vec<MetadataRecord>,
    pub outcome: Outcome,
}

impl Decision {
    fn refused(code: ErrorCode, message: impl Into<String>) -> Decision {
        Decision { records: Vec::new(), outcome: Outcome::Refused(Refusal::new(code, message)) }
    }
}

pub fn decide(image: &Image, instruction: Instruction, context: &Context) -> Decision {
    let (records, outcome, mode) = match instruction {
        Instruction::CreateTopics { topics, mode } => {
            let (records, created) = topics::create(image, topics, context);
            (records, Outcome::TopicsCreated(created), mode)
        }
        Instruction::DeleteTopics(topics) => {
            let (records, deleted) = topics::delete(image, topics);
            (records, Outcome::TopicsDeleted(deleted), Mode::Apply)
        }
        Instruction::CreatePartitions { topics, mode } => {
            let (records, grown) = topics::grow(image, topics, context);
            (records, Outcome::PartitionsCreated(grown), mode)
        }
        Instruction::AlterConfigs { resources, mode } => {
            let (records, altered) = configs::alter(image, resources, context);
            (records, Outcome::ConfigsAltered(altered), mode)
        }
        Instruction::UpdateFeatures { changes, mode } => {
            match features::update(image, &changes, context.node) {
                Ok(records) => (records, Outcome::FeaturesUpdated, mode),
                Err(refusal) => return Decision { records: Vec::new(), outcome: Outcome::Refused(refusal) },
            }
        }
        Instruction::AllocateProducerIds => return allocate_producer_ids(image),
        Instruction::StartBroker { incarnation } => return start_broker(image, incarnation, context),
    };
    match mode {
        Mode::Apply => Decision { records, outcome },
        Mode::ValidateOnly => Decision { records: Vec::new(), outcome },
    }
}

fn allocate_producer_ids(image: &Image) -> Decision {
    let first = image.next_producer_id();
    let Some(next) = first.0.checked_add(PRODUCER_IDS_PER_BLOCK) else {
        return Decision::refused(ErrorCode::UnknownServerError, "Exhausted all producerIds");
    };
    let block = ProducerIdBlock { first, count: PRODUCER_IDS_PER_BLOCK };
    let record = MetadataRecord::ProducerIdBlock { next: ProducerId(next) };
    Decision { records: vec![record], outcome: Outcome::ProducerIds(block) }
}

fn start_broker(image: &Image, incarnation: Incarnation, context: &Context) -> Decision {
    let before = image.broker(context.node);
    if before.is_some_and(|before| incarnation <= before.incarnation) {
        return Decision::refused(
            ErrorCode::UnknownServerError,
            format!("broker {} has seen a start later than start {incarnation}", context.node),
        );
    }
    let cores = context.cores.max(1);
    let mut records = vec![MetadataRecord::BrokerStarted { node: context.node, incarnation, cores }];
    // Without a start before this one nothing is placed yet, and there is nothing to move.
    let cores_before = before.map_or(cores, |before| before.cores);
    records.extend(placement::reassign(image, cores_before, cores));
    Decision { records, outcome: Outcome::BrokerStarted }
}
