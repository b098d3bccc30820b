//! IncrementalAlterConfigs (44), versions 0–1 (KIP-339): single options of a resource are set (0), deleted (1), appended to (2) or
//! subtracted from (3); the others stay. Levels of log lines (resource type 8) are set here at once; the controller decides on the rest.

use std::rc::Rc;

use engine::{
    controller::{ConfigEdit, ConfigOperation, ConfigStep, Instruction, Mode},
    error::{ErrorCode, Refusal},
};

use super::{
    Api, loggers,
    resources::{self, Answered, BROKER_LOGGER, Way},
};
use crate::wire::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, AlterableConfig, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};

pub(super) async fn handle(
    api: Rc<Api>,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let mode = Mode::of(request.validate_only);
    let (asked, changes) = resources::sort(request.resources.into_iter().map(|resource| {
        let AlterConfigsResource { resource_type, resource_name, configs } = resource;
        let way = if resource_type == BROKER_LOGGER {
            Way::Settled(loggers::alter(&api.broker, &resource_name, &configs, request.validate_only))
        } else {
            let steps: Result<Vec<ConfigStep>, Refusal> = configs.into_iter().map(step).collect();
            steps.map_or_else(
                |refusal| Way::Settled(Err(refusal)),
                |steps| Way::Controller(ConfigEdit::Increment(steps)),
            )
        };
        (resource_type, resource_name, way)
    }));
    let outcome = api.control(Instruction::AlterConfigs { resources: changes, mode }).await;
    let responses = resources::answer(asked, outcome).into_iter().map(respond).collect();
    IncrementalAlterConfigsResponse { responses, ..Default::default() }
}

fn step(config: AlterableConfig) -> Result<ConfigStep, Refusal> {
    let Some(operation) = ConfigOperation::from_code(config.config_operation) else {
        let message = format!("Unknown operations type {}", config.config_operation);
        return Err(Refusal::new(ErrorCode::InvalidRequest, message));
    };
    Ok(ConfigStep { key: config.name.into(), operation, value: config.value.map(String::from) })
}

fn respond(answered: Answered) -> AlterConfigsResourceResponse {
    let Answered { error_code, error_message, resource_type, resource_name } = answered;
    AlterConfigsResourceResponse { error_code, error_message, resource_type, resource_name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_operation_is_refused() {
        let config = |config_operation| AlterableConfig {
            name: "cleanup.policy".into(),
            config_operation,
            value: Some("compact".into()),
        };
        assert_eq!(step(config(2)).unwrap().operation, ConfigOperation::Append);
        for code in [-1, 4] {
            assert_eq!(step(config(code)).unwrap_err().message, format!("Unknown operations type {code}"));
        }
    }
}
