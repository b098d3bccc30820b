//! CreatePartitions (37), versions 0–3: more partitions for a topic.

use crate::wire::Text;

message! {
    pub struct CreatePartitionsRequest: request(CreatePartitions, CreatePartitionsResponse) {
        [0..] topics: Vec<CreatePartitionsTopic>,
        [0..] timeout_ms: i32,
        [0..] validate_only: bool,
    }

    pub struct CreatePartitionsTopic {
        [0..] name: Text,
        [0..] count: i32,
        [0..; null(0..)] assignments: Option<Vec<CreatePartitionsAssignment>> = Some(Vec::new()),
    }

    pub struct CreatePartitionsAssignment {
        [0..] broker_ids: Vec<i32>,
    }

    pub struct CreatePartitionsResponse: response(CreatePartitions) {
        [0..] throttle_time_ms: i32,
        [0..] results: Vec<CreatePartitionsTopicResult>,
    }

    pub struct CreatePartitionsTopicResult {
        [0..] name: Text,
        [0..] error_code: i16,
        [0..; null(0..)] error_message: Option<Text>,
    }
}
