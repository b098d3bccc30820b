//! IncrementalAlterConfigs (44), versions 0–1: sets (0), deletes (1), appends to (2) or subtracts from (3) single options
//! (KIP-339).

use crate::wire::Text;

message! {
    pub struct IncrementalAlterConfigsRequest: request(IncrementalAlterConfigs, IncrementalAlterConfigsResponse) {
        [0..] resources: Vec<AlterConfigsResource>,
        [0..] validate_only: bool,
    }

    pub struct AlterConfigsResource {
        [0..] resource_type: i8,
        [0..] resource_name: Text,
        [0..] configs: Vec<AlterableConfig>,
    }

    pub struct AlterableConfig {
        [0..] name: Text,
        [0..] config_operation: i8,
        [0..; null(0..)] value: Option<Text> = Some(Text::default()),
    }

    pub struct IncrementalAlterConfigsResponse: response(IncrementalAlterConfigs) {
        [0..] throttle_time_ms: i32,
        [0..] responses: Vec<AlterConfigsResourceResponse>,
    }

    pub struct AlterConfigsResourceResponse {
        [0..] error_code: i16,
        [0..; null(0..)] error_message: Option<Text> = Some(Text::default()),
        [0..] resource_type: i8,
        [0..] resource_name: Text,
    }
}
