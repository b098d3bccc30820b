//! Levels of features: what may follow what, in Kafka's words.

use super::*;

impl Metadata {
    fn set(
        &mut self,
        name: &str,
        level: i16,
        upgrade: Upgrade,
        mode: Mode,
    ) -> Result<(), (ErrorCode, String)> {
        let changes = vec![FeatureChange { name: name.to_owned(), level, upgrade }];
        match self.carry_out(Instruction::UpdateFeatures { changes, mode }) {
            Outcome::FeaturesUpdated => Ok(()),
            Outcome::Refused(refusal) => Err((refusal.code, refusal.message)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_level_goes_down_and_up_again_and_is_what_it_was_after_a_replay() {
    let mut metadata = Metadata::started(1);
    assert_eq!(metadata.image.feature(GROUP_VERSION), 1, "nobody has said another");
    metadata.set("group.version", 0, Upgrade::SafeDowngrade, Mode::ValidateOnly).unwrap();
    assert_eq!(metadata.image.feature(GROUP_VERSION), 1);
    metadata.set("group.version", 0, Upgrade::SafeDowngrade, Mode::Apply).unwrap();
    assert_eq!(metadata.image.feature(GROUP_VERSION), 0);
    let mut replayed = Image::default();
    for record in metadata.image.encode_snapshot() {
        replayed.apply(&record).unwrap();
    }
    assert_eq!(replayed.feature(GROUP_VERSION), 0);
    metadata.set("group.version", 1, Upgrade::Upgrade, Mode::Apply).unwrap();
    assert_eq!(metadata.image.feature(GROUP_VERSION), 1);
}

#[test]
fn a_level_that_cannot_be_is_refused_in_kafkas_words_and_changes_nothing() {
    let mut metadata = Metadata::started(1);
    let before = metadata.image.clone();
    let cases = [
        ("group.version", 2, Upgrade::Upgrade, "Local controller 1 only supports versions 0-1"),
        ("no.such.feature", 1, Upgrade::Upgrade, "Local controller 1 does not support this feature."),
        ("no.such.feature", 0, Upgrade::SafeDowngrade, "Feature no.such.feature not found."),
        ("group.version", -1, Upgrade::UnsafeDowngrade, "A feature version cannot be less than 0."),
        ("group.version", 1, Upgrade::Unknown, "The controller does not support the given upgrade type."),
        (
            "group.version",
            0,
            Upgrade::Upgrade,
            "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.",
        ),
    ];
    for (name, level, upgrade, why) in cases {
        let message = format!("Invalid update version {level} for feature {name}. {why}");
        let refused = Err((ErrorCode::InvalidUpdateVersion, message));
        assert_eq!(metadata.set(name, level, upgrade, Mode::Apply), refused);
        assert_eq!(metadata.set(name, level, upgrade, Mode::ValidateOnly), refused);
    }
    assert_eq!(metadata.image, before);
    metadata.set("group.version", 0, Upgrade::UnsafeDowngrade, Mode::Apply).unwrap();
    let (_, newer) = metadata.set("group.version", 1, Upgrade::SafeDowngrade, Mode::Apply).unwrap_err();
    assert!(newer.ends_with("Can't downgrade to a newer version."), "{newer}");
}

/// As in Kafka: all or none.
#[test]
fn one_change_that_cannot_be_leaves_the_others_undone() {
    let mut metadata = Metadata::started(1);
    let change =
        |name: &str, level| FeatureChange { name: name.into(), level, upgrade: Upgrade::SafeDowngrade };
    let changes = vec![change("group.version", 0), change("no.such.feature", 0)];
    let outcome = metadata.carry_out(Instruction::UpdateFeatures { changes, mode: Mode::Apply });
    assert!(matches!(outcome, Outcome::Refused(_)));
    assert_eq!(metadata.image.feature(GROUP_VERSION), 1);
}
