//! Changes of dynamic options, as AlterConfigs and IncrementalAlterConfigs share them: which resources the controller is
//! asked about, which are refused before, and the answers in the order of the request. Pure.

use engine::{
    controller::{ConfigAltered, ConfigChange, ConfigEdit, ConfigResource, Outcome},
    error::{ErrorCode, Refusal},
};

use crate::wire::Text;

/// Kafka's number of the resource that log levels are set on.
pub(super) const BROKER_LOGGER: i8 = 8;

/// What becomes of a resource that a request names.
pub(super) enum Way {
    /// The controller decides.
    Controller(ConfigEdit),
    /// It is decided already.
    Settled(Result<(), Refusal>),
}

/// A resource that a request names; settled where the controller is not asked.
pub(super) struct Asked {
    resource_type: i8,
    name: Text,
    settled: Option<Result<(), Refusal>>,
}

/// The answer for one resource.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub error_code: i16,
    pub error_message: Option<Text>,
    pub resource_type: i8,
    pub resource_name: Text,
}

/// Sorts out what the controller cannot be asked about.
pub(super) fn sort(resources: impl Iterator<Item = (i8, Text, Way)>) -> (Vec<Asked>, Vec<ConfigChange>) {
    let mut asked = Vec::new();
    let mut changes = Vec::new();
    for (resource_type, name, way) in resources {
        let edit = match way {
            Way::Controller(edit) => edit,
            Way::Settled(result) => {
                asked.push(Asked { resource_type, name, settled: Some(result) });
                continue;
            }
        };
        let resource = u8::try_from(resource_type)
            .ok()
            .and_then(|code| ConfigResource::new(code, name.to_string()))
            .ok_or_else(|| {
                let message = format!("Unknown resource type {resource_type}");
                Refusal::new(ErrorCode::InvalidRequest, message)
            });
        let refusal = resource.map(|resource| changes.push(ConfigChange { resource, edit })).err();
        asked.push(Asked { resource_type, name, settled: refusal.map(Err) });
    }
    (asked, changes)
}

/// The controller answers in the order asked; what it was not asked about has its answer already.
pub(super) fn answer(asked: Vec<Asked>, outcome: Outcome) -> Vec<Answered> {
    let unexpected = || Refusal::new(ErrorCode::UnknownServerError, "The controller gave another answer.");
    let (mut altered, whole) = match outcome {
        Outcome::ConfigsAltered(altered) => (altered.into_iter(), unexpected()),
        Outcome::Refused(refusal) => (Vec::new().into_iter(), refusal),
        _ => (Vec::new().into_iter(), unexpected()),
    };
    let mut result = |asked: &mut Asked| match asked.settled.take() {
        Some(settled) => settled,
        None => altered.next().map_or_else(|| Err(whole.clone()), |ConfigAltered { result, .. }| result),
    };
    let answered = asked.into_iter().map(|mut asked| {
        let (error_code, error_message) = match result(&mut asked) {
            Ok(()) => (0, None),
            Err(refusal) => (refusal.code.code(), Some(refusal.message.into())),
        };
        let Asked { resource_type, name: resource_name, .. } = asked;
        Answered { error_code, error_message, resource_type, resource_name }
    });
    answered.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit() -> Way {
        Way::Controller(ConfigEdit::Replace(Vec::new()))
    }

    #[test]
    fn answers_keep_the_order_of_the_request_around_what_was_refused_before() {
        let bad = Way::Settled(Err(Refusal::new(ErrorCode::InvalidRequest, "no such operation")));
        let request = [
            (2, "a".into(), edit()),
            (8, "1".into(), edit()),
            (2, "b".into(), bad),
            (8, "1".into(), Way::Settled(Ok(()))),
            (2, "c".into(), edit()),
        ];
        let (asked, changes) = sort(request.into_iter());
        let resources: Vec<_> = changes.iter().map(|change| change.resource.clone()).collect();
        assert_eq!(resources, ["a", "c"].map(|name| ConfigResource::Topic(name.to_owned())));
        let no = Refusal::new(ErrorCode::InvalidConfig, "no");
        let altered = resources.into_iter().zip([Ok(()), Err(no)]);
        let altered = altered.map(|(resource, result)| ConfigAltered { resource, result }).collect();
        let answered = answer(asked, Outcome::ConfigsAltered(altered));
        let codes: Vec<i16> = answered.iter().map(|answered| answered.error_code).collect();
        assert_eq!(codes, [0, 42, 42, 0, 40]);
        assert_eq!(answered[1].error_message.as_deref(), Some("Unknown resource type 8"));
    }

    #[test]
    fn a_refusal_of_the_whole_is_told_for_each_resource() {
        let (asked, _) = sort([(2, "a".into(), edit()), (4, "1".into(), edit())].into_iter());
        let answered = answer(asked, Outcome::Refused(Refusal::new(ErrorCode::NotController, "no")));
        assert_eq!(answered.iter().map(|a| a.error_code).collect::<Vec<_>>(), [41, 41]);
    }
}
