//! AlterConfigs (33), versions 0–2 (KIP-133): from here on exactly these options are set on a resource. Deprecated for
//! IncrementalAlterConfigs, which does not undo what somebody else has set.

use std::rc::Rc;

use engine::controller::{ConfigEdit, Instruction, Mode};

use super::{
    Api,
    resources::{self, Answered, Way},
};
use crate::wire::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResourceResponse, AlterConfigsResponse,
};

pub(super) async fn handle(api: Rc<Api>, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let mode = Mode::of(request.validate_only);
    let (asked, changes) = resources::sort(request.resources.into_iter().map(|resource| {
        let AlterConfigsResource { resource_type, resource_name, configs } = resource;
        let pairs = configs.into_iter().map(|config| (config.name.into(), config.value.map(String::from)));
        (resource_type, resource_name, Way::Controller(ConfigEdit::Replace(pairs.collect())))
    }));
    let outcome = api.control(Instruction::AlterConfigs { resources: changes, mode }).await;
    let responses = resources::answer(asked, outcome).into_iter().map(respond).collect();
    AlterConfigsResponse { responses, ..Default::default() }
}

fn respond(answered: Answered) -> AlterConfigsResourceResponse {
    let Answered { error_code, error_message, resource_type, resource_name } = answered;
    AlterConfigsResourceResponse { error_code, error_message, resource_type, resource_name }
}
