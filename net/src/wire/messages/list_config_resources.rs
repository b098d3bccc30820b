//! ListConfigResources (74), versions 0–1: the resources on which something can be set (KIP-1142). Version 0 was
//! ListClientMetricsResources (KIP-714) and knows these alone.

use crate::wire::Text;

message! {
    /// No types mean all.
    pub struct ListConfigResourcesRequest: request(ListConfigResources, ListConfigResourcesResponse) {
        [1..] resource_types: Vec<i8>,
    }

    pub struct ListConfigResourcesResponse: response(ListConfigResources) {
        [0..] throttle_time_ms: i32,
        [0..] error_code: i16,
        [0..] config_resources: Vec<ConfigResource>,
    }

    pub struct ConfigResource {
        [0..] resource_name: Text,
        [1..; ignorable] resource_type: i8 = 16,
    }
}
