//! UpdateFeatures (57), versions 0–2: levels of features (KIP-584); the way they go and a trial from 1 (KIP-778), one error for all from
//! 2 (KIP-1022).

use crate::wire::Text;

message! {
    pub struct UpdateFeaturesRequest: request(UpdateFeatures, UpdateFeaturesResponse) {
        [0..] timeout_ms: i32 = 60000,
        [0..] feature_updates: Vec<FeatureUpdateKey>,
        [1..] validate_only: bool,
    }

    pub struct FeatureUpdateKey {
        [0..] feature: Text,
        [0..] max_version_level: i16,
        [0..=0] allow_downgrade: bool,
        [1..] upgrade_type: i8 = 1,
    }

    pub struct UpdateFeaturesResponse: response(UpdateFeatures) {
        [0..] throttle_time_ms: i32,
        [0..] error_code: i16,
        [0..; null(0..)] error_message: Option<Text> = Some(Text::default()),
        [0..=1; ignorable] results: Vec<UpdatableFeatureResult>,
    }

    pub struct UpdatableFeatureResult {
        [0..] feature: Text,
        [0..] error_code: i16,
        [0..; null(0..)] error_message: Option<Text> = Some(Text::default()),
    }
}
