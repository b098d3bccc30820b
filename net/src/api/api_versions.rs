//! ApiVersions (18), versions 0–4 (KIP-511, KIP-584): what this broker speaks, told from the same table that the dispatcher
//! serves from.
//!
//! A version that is not served is answered in version 0 with UNSUPPORTED_VERSION and the ranges, so that a newer client
//! can come down. Versions 0–3 leave out supported features whose minimum is 0.

use engine::{
    controller::{FEATURES, Feature, Image},
    error::ErrorCode,
};

use super::{SERVED, TELEMETRY, Telemetry};
use crate::wire::{
    ApiKey, Text,
    api_versions::{
        ApiVersion, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
    },
};

pub(super) fn answer(
    image: &Image,
    request: &ApiVersionsRequest,
    version: i16,
    telemetry: Telemetry,
) -> ApiVersionsResponse {
    // Kafka refuses names that would not do as a metric's label; from version 3 on they are always sent.
    let names = [&request.client_software_name, &request.client_software_version];
    if version >= 3 && !names.into_iter().all(is_label) {
        return ApiVersionsResponse { error_code: ErrorCode::InvalidRequest.code(), ..Default::default() };
    }
    let supported = FEATURES.iter().filter(|feature| version >= 4 || *feature.levels.start() > 0);
    ApiVersionsResponse {
        api_keys: ranges(telemetry),
        supported_features: supported.map(|feature| supports(feature)).collect(),
        // As in Kafka: what is finalized is as new as the metadata that says it.
        finalized_features_epoch: image.offset().0,
        finalized_features: FEATURES.iter().filter_map(|feature| finalized(image, feature)).collect(),
        ..Default::default()
    }
}

fn supports(feature: &Feature) -> SupportedFeatureKey {
    let name = Text::from_static(feature.name);
    let (min_version, max_version) = (*feature.levels.start(), *feature.levels.end());
    SupportedFeatureKey { name, min_version, max_version }
}

/// At level 0 it is none.
fn finalized(image: &Image, feature: &Feature) -> Option<FinalizedFeatureKey> {
    let level = image.feature(feature);
    let name = Text::from_static(feature.name);
    (level > 0).then_some(FinalizedFeatureKey { name, max_version_level: level, min_version_level: level })
}

/// For a version that is not served; to be encoded in version 0.
pub(super) fn unsupported(telemetry: Telemetry) -> ApiVersionsResponse {
    ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion.code(),
        api_keys: ranges(telemetry),
        ..Default::default()
    }
}

fn ranges(telemetry: Telemetry) -> Vec<ApiVersion> {
    let more: &[ApiKey] = match telemetry {
        Telemetry::Off => &[],
        Telemetry::On => &TELEMETRY,
    };
    let served = SERVED.iter().chain(more).map(|api| {
        let versions = api.advertised();
        ApiVersion { api_key: api.code(), min_version: *versions.start(), max_version: *versions.end() }
    });
    served.collect()
}

/// Letters, digits, `.` and `-`, with a letter or digit at both ends.
fn is_label(name: &Text) -> bool {
    let ends_well = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-')
        && ends_well(name.chars().next())
        && ends_well(name.chars().next_back())
}

#[cfg(test)]
mod tests {
    use engine::controller::MetadataRecord;

    use super::*;

    fn request(name: &str) -> ApiVersionsRequest {
        ApiVersionsRequest { client_software_name: name.into(), client_software_version: "2.14.0".into() }
    }

    #[test]
    fn every_served_api_is_named_with_its_range() {
        let image = Image::default();
        let response = answer(&image, &request("librdkafka"), 3, Telemetry::Off);
        assert_eq!(response.error_code, 0);
        let produce = &response.api_keys[0];
        assert_eq!((produce.api_key, produce.min_version, produce.max_version), (0, 0, 13));
        assert_eq!(response.api_keys.len(), SERVED.len());
    }

    #[test]
    fn a_software_name_that_is_no_label_is_refused_from_version_3() {
        let image = Image::default();
        for name in ["", "-x", "x.", "a b", "ü"] {
            assert_eq!(
                answer(&image, &request(name), 3, Telemetry::Off).error_code,
                ErrorCode::InvalidRequest.code(),
                "{name}"
            );
            assert_eq!(answer(&image, &request(name), 2, Telemetry::Off).error_code, 0, "{name}");
        }
        assert_eq!(answer(&image, &request("apache-kafka-java"), 4, Telemetry::Off).error_code, 0);
    }

    #[test]
    fn telemetry_is_told_of_where_it_is_on() {
        let image = Image::default();
        let tells = |telemetry| {
            let ranges = answer(&image, &request("librdkafka"), 4, telemetry).api_keys;
            TELEMETRY.map(|api| ranges.iter().any(|range| range.api_key == api.code()))
        };
        assert_eq!((tells(Telemetry::Off), tells(Telemetry::On)), ([false; 2], [true; 2]));
    }

    #[test]
    fn a_version_too_new_learns_the_ranges() {
        let response = unsupported(Telemetry::Off);
        assert_eq!(response.error_code, 35);
        assert!(response.api_keys.iter().any(|range| range.api_key == 18 && range.max_version == 4));
    }

    #[test]
    fn the_new_group_protocol_is_told_with_its_feature() {
        let image = Image::default();
        let response = answer(&image, &request("librdkafka"), 4, Telemetry::Off);
        assert!(response.api_keys.iter().any(|range| range.api_key == ApiKey::ConsumerGroupHeartbeat.code()));
        let finalized = &response.finalized_features[0];
        assert_eq!((&*finalized.name, finalized.max_version_level), ("group.version", 1));
        assert_eq!(response.supported_features.len(), 1);
        assert!(answer(&image, &request("librdkafka"), 3, Telemetry::Off).supported_features.is_empty());
    }

    #[test]
    fn a_feature_at_level_0_is_supported_and_not_finalized() {
        let mut image = Image::default();
        image.apply(&MetadataRecord::Feature { name: "group.version".to_owned(), level: 0 }).unwrap();
        let response = answer(&image, &request("librdkafka"), 4, Telemetry::Off);
        assert_eq!((response.supported_features.len(), response.finalized_features.len()), (1, 0));
    }
}
