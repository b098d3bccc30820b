//! DeleteTopics (20), versions 0–6.
//!
//! 5 adds messages; 6 names topics by name or by id, in another field.

use engine::base::TopicId;

use crate::wire::Text;

message! {
    pub struct DeleteTopicsRequest: request(DeleteTopics, DeleteTopicsResponse) {
        [6..] topics: Vec<DeleteTopicState>,
        [0..=5; ignorable] topic_names: Vec<Text>,
        [0..] timeout_ms: i32,
    }

    /// By name, or by id if the name is null.
    pub struct DeleteTopicState {
        [6..; null(6..)] name: Option<Text>,
        [6..] topic_id: TopicId,
    }

    pub struct DeleteTopicsResponse: response(DeleteTopics) {
        [1..; ignorable] throttle_time_ms: i32,
        [0..] responses: Vec<DeletableTopicResult>,
    }

    pub struct DeletableTopicResult {
        [0..; null(6..)] name: Option<Text> = Some(Text::default()),
        [6..; ignorable] topic_id: TopicId,
        [0..] error_code: i16,
        [5..; null(5..) ignorable] error_message: Option<Text>,
    }
}
