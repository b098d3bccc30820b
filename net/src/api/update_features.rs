//! UpdateFeatures (57), versions 0–2 (KIP-584, KIP-778, KIP-1022): changes the level at which a feature is finalized, all that is asked
//! for or nothing. There is `group.version`: at 0 members of the new group protocol are refused as in Kafka, with UNSUPPORTED_VERSION,
//! and leave when their sessions end. The answer comes when every core knows, so the timeout has nothing to bound.

use std::rc::Rc;

use engine::{
    controller::{FeatureChange, Instruction, Mode, Outcome, Upgrade},
    error::{ErrorCode, Refusal},
};

use super::Api;
use crate::wire::{
    Text,
    update_features::{
        FeatureUpdateKey, UpdatableFeatureResult, UpdateFeaturesRequest, UpdateFeaturesResponse,
    },
};

pub(super) async fn handle(
    api: Rc<Api>,
    request: UpdateFeaturesRequest,
    version: i16,
) -> UpdateFeaturesResponse {
    let mode = Mode::of(request.validate_only);
    let changes = request.feature_updates.iter().map(|update| change(update, version)).collect();
    let outcome = api.control(Instruction::UpdateFeatures { changes, mode }).await;
    respond(request.feature_updates, outcome)
}

fn change(update: &FeatureUpdateKey, version: i16) -> FeatureChange {
    let upgrade = match update.allow_downgrade {
        true => Upgrade::SafeDowngrade,
        // Version 0 does not say which way; what it leaves out is an upgrade.
        false if version == 0 => Upgrade::Upgrade,
        false => Upgrade::from_code(update.upgrade_type),
    };
    FeatureChange { name: update.feature.to_string(), level: update.max_version_level, upgrade }
}

fn respond(updates: Vec<FeatureUpdateKey>, outcome: Outcome) -> UpdateFeaturesResponse {
    let refusal = match outcome {
        Outcome::FeaturesUpdated => {
            let result = |update: FeatureUpdateKey| UpdatableFeatureResult {
                feature: update.feature,
                error_code: 0,
                error_message: Some(Text::from_static("NONE")),
            };
            let results = updates.into_iter().map(result).collect();
            return UpdateFeaturesResponse { error_message: None, results, ..Default::default() };
        }
        Outcome::Refused(refusal) => refusal,
        _ => Refusal::new(ErrorCode::UnknownServerError, "The controller gave another answer."),
    };
    let why = "The update failed for all features since the following feature had an error";
    UpdateFeaturesResponse {
        error_code: refusal.code.code(),
        error_message: Some(format!("{why}: {}", refusal.message).into()),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_0_may_go_down_where_it_says_so() {
        let update = |allow_downgrade, upgrade_type| FeatureUpdateKey {
            feature: "group.version".into(),
            max_version_level: 0,
            allow_downgrade,
            upgrade_type,
        };
        assert_eq!(change(&update(true, 1), 0).upgrade, Upgrade::SafeDowngrade);
        assert_eq!(change(&update(false, 1), 0).upgrade, Upgrade::Upgrade);
        assert_eq!(change(&update(false, 3), 1).upgrade, Upgrade::UnsafeDowngrade);
        assert_eq!(change(&update(false, 9), 2).upgrade, Upgrade::Unknown);
    }

    #[test]
    fn a_refusal_is_that_of_all() {
        let refusal = Refusal::new(ErrorCode::InvalidUpdateVersion, "no");
        let response = respond(Vec::new(), Outcome::Refused(refusal));
        let said = response.error_message.unwrap();
        assert_eq!(response.error_code, 95);
        assert_eq!(&*said, "The update failed for all features since the following feature had an error: no");
    }
}
