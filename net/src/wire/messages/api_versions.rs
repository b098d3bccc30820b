//! ApiVersions (18), versions 0–4: what a broker speaks, asked before anything else.
//!
//! Version 3 adds the client's software and the features (KIP-511, KIP-584); version 4 allows features whose minimum is 0.
//! The response's header is v0 in every version.

use crate::wire::Text;

message! {
    pub struct ApiVersionsRequest: request(ApiVersions, ApiVersionsResponse) {
        [3..; ignorable] client_software_name: Text,
        [3..; ignorable] client_software_version: Text,
    }

    pub struct ApiVersionsResponse: response(ApiVersions) {
        [0..] error_code: i16,
        [0..] api_keys: Vec<ApiVersion>,
        [1..; ignorable] throttle_time_ms: i32,
        [3..; tag(0) ignorable] supported_features: Vec<SupportedFeatureKey>,
        [3..; tag(1) ignorable] finalized_features_epoch: i64 = -1,
        [3..; tag(2) ignorable] finalized_features: Vec<FinalizedFeatureKey>,
        [3..; tag(3) ignorable] zk_migration_ready: bool,
    }

    pub struct ApiVersion {
        [0..] api_key: i16,
        [0..] min_version: i16,
        [0..] max_version: i16,
    }

    pub struct SupportedFeatureKey {
        [3..] name: Text,
        [3..] min_version: i16,
        [3..] max_version: i16,
    }

    pub struct FinalizedFeatureKey {
        [3..] name: Text,
        [3..] max_version_level: i16,
        [3..] min_version_level: i16,
    }
}
