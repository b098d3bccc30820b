//! Features (KIP-584): which this software supports, at which level each is finalized, and how that changes. Sentences are Kafka's
//! (org.apache.kafka.controller.FeatureControlManager). Runs on core 0; must never mutate.

use std::ops::RangeInclusive;

use super::decide::{FeatureChange, Upgrade};
use super::image::Image;
use super::record::MetadataRecord;
use crate::base::NodeId;
use crate::error::{ErrorCode, Refusal};

#[derive(Debug)]
pub struct Feature {
    pub name: &'static str,
    /// The levels that can be finalized.
    pub levels: RangeInclusive<i16>,
    /// Finalized where nobody has said another.
    pub level_first: i16,
}

/// The protocol of KIP-848: served from level 1 on.
pub const GROUP_VERSION: &Feature = &Feature { name: "group.version", levels: 0..=1, level_first: 1 };

pub const FEATURES: &[&Feature] = &[GROUP_VERSION];

/// All changes, or what is wrong with the first that is none.
pub(super) fn update(
    image: &Image,
    changes: &[FeatureChange],
    node: NodeId,
) -> Result<Vec<MetadataRecord>, Refusal> {
    let mut records = Vec::new();
    for change in changes {
        let (name, level) = (&change.name, change.level);
        check(image, change, node).map_err(|why| {
            let message = format!("Invalid update version {level} for feature {name}. {why}");
            Refusal::new(ErrorCode::InvalidUpdateVersion, message)
        })?;
        records.push(MetadataRecord::Feature { name: name.clone(), level });
    }
    Ok(records)
}

fn check(image: &Image, change: &FeatureChange, node: NodeId) -> Result<(), String> {
    if change.upgrade == Upgrade::Unknown {
        return Err("The controller does not support the given upgrade type.".to_owned());
    }
    if change.level < 0 {
        return Err("A feature version cannot be less than 0.".to_owned());
    }
    let Some(feature) = FEATURES.iter().find(|feature| feature.name == change.name) else {
        // What there is not is at 0 already, so far Kafka's checks let it pass.
        return Err(match change.level {
            0 => format!("Feature {} not found.", change.name),
            _ => format!("Local controller {node} does not support this feature."),
        });
    };
    if !feature.levels.contains(&change.level) {
        let (first, last) = (feature.levels.start(), feature.levels.end());
        return Err(format!("Local controller {node} only supports versions {first}-{last}"));
    }
    let current = image.feature(feature);
    if change.level < current && change.upgrade == Upgrade::Upgrade {
        let why = "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.";
        return Err(why.to_owned());
    }
    if change.level > current && change.upgrade != Upgrade::Upgrade {
        return Err("Can't downgrade to a newer version.".to_owned());
    }
    Ok(())
}
