//! AlterConfigs (33), versions 0–2: replaces all of a resource's configuration. IncrementalAlterConfigs replaced it.

use crate::wire::Text;

message! {
    pub struct AlterConfigsRequest: request(AlterConfigs, AlterConfigsResponse) {
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
        [0..; null(0..)] value: Option<Text> = Some(Text::default()),
    }

    pub struct AlterConfigsResponse: response(AlterConfigs) {
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
