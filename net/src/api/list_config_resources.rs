//! ListConfigResources (74), versions 0–1 (KIP-1142): the resources that have options, by type. Version 0, which was
//! ListClientMetricsResources (KIP-714), asks for client metrics alone. Topics and this broker are always there; groups and
//! client metrics where something was set on them.

use engine::{
    controller::{ConfigResource as Configured, Image},
    error::ErrorCode,
};

use super::{Broker, resources::BROKER_LOGGER};
use crate::wire::{
    Text,
    list_config_resources::{ConfigResource, ListConfigResourcesRequest, ListConfigResourcesResponse},
};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;
const ALL: [i8; 5] = [TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP];

pub(super) fn answer(
    image: &Image,
    broker: &Broker,
    request: &ListConfigResourcesRequest,
    version: i16,
) -> ListConfigResourcesResponse {
    let asked = match &request.resource_types[..] {
        _ if version == 0 => &[CLIENT_METRICS][..],
        [] => &ALL[..],
        types => types,
    };
    if asked.iter().any(|kind| !ALL.contains(kind)) {
        let error_code = ErrorCode::UnsupportedVersion.code();
        return ListConfigResourcesResponse { error_code, ..Default::default() };
    }
    let mut config_resources = Vec::new();
    for resource_type in ALL.into_iter().filter(|kind| asked.contains(kind)) {
        let resource = |name: Text| ConfigResource { resource_name: name, resource_type };
        match resource_type {
            TOPIC => config_resources.extend(image.topics().map(|topic| resource((&*topic.name).into()))),
            BROKER | BROKER_LOGGER => config_resources.push(resource(broker.node.to_string().into())),
            _ => {
                let is_asked = |one: &&Configured| i8::try_from(one.type_code()) == Ok(resource_type);
                let names = image.configured().filter(is_asked).map(|one| resource(one.name().into()));
                config_resources.extend(names);
            }
        }
    }
    ListConfigResourcesResponse { config_resources, ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::broker;
    use engine::controller::MetadataRecord;

    fn ask(types: &[i8], version: i16) -> Result<Vec<(i8, String)>, i16> {
        let mut image = Image::default();
        for resource in [Configured::Group("g".to_owned()), Configured::ClientMetrics("m".to_owned())] {
            let (key, value) = ("k".to_owned(), Some("v".to_owned()));
            image.apply(&MetadataRecord::Config { resource, key, value }).unwrap();
        }
        let request = ListConfigResourcesRequest { resource_types: types.to_vec() };
        let response = answer(&image, &broker(), &request, version);
        let found = response.config_resources.into_iter();
        match response.error_code {
            0 => Ok(found.map(|one| (one.resource_type, one.resource_name.into())).collect()),
            code => Err(code),
        }
    }

    #[test]
    fn resources_are_listed_by_type() {
        let named = |kind: i8, name: &str| (kind, name.to_owned());
        assert_eq!(ask(&[], 0), Ok(vec![named(16, "m")]));
        assert_eq!(ask(&[], 1), Ok(vec![named(4, "1"), named(8, "1"), named(16, "m"), named(32, "g")]));
        assert_eq!(ask(&[32, 4], 1), Ok(vec![named(4, "1"), named(32, "g")]));
        assert_eq!(ask(&[32, 3], 1), Err(35));
    }
}
