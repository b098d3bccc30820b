//! DescribeCluster (60), versions 0–2 (KIP-700; endpoint types: KIP-919, from 1; fenced brokers: from 2): the brokers and
//! the cluster's id. Only the brokers' endpoints are told: controllers have none of their own.

use engine::error::ErrorCode;

use super::{Broker, CLUSTER_OPERATIONS, OPERATIONS_UNASKED};
use crate::wire::{
    Text,
    describe_cluster::{DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse},
};

const BROKERS: i8 = 1;

pub(super) fn answer(broker: &Broker, request: &DescribeClusterRequest) -> DescribeClusterResponse {
    if request.endpoint_type != BROKERS {
        return DescribeClusterResponse {
            error_code: ErrorCode::InvalidRequest.code(),
            error_message: Some(Text::from_static("Only brokers' endpoints (type 1) are told here.")),
            endpoint_type: request.endpoint_type,
            ..Default::default()
        };
    }
    DescribeClusterResponse {
        cluster_id: broker.cluster_id.clone(),
        controller_id: broker.node.0,
        brokers: vec![DescribeClusterBroker {
            broker_id: broker.node.0,
            host: broker.host.clone(),
            port: i32::from(broker.port),
            rack: broker.rack.clone(),
            is_fenced: false,
        }],
        cluster_authorized_operations: if request.include_cluster_authorized_operations {
            CLUSTER_OPERATIONS
        } else {
            OPERATIONS_UNASKED
        },
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::broker;

    #[test]
    fn a_single_node_is_its_own_controller() {
        let response = answer(&broker(), &DescribeClusterRequest::default());
        assert_eq!((response.error_code, response.controller_id, response.brokers.len()), (0, 1, 1));
        assert_eq!(response.cluster_authorized_operations, i32::MIN);
        let controllers = DescribeClusterRequest { endpoint_type: 2, ..Default::default() };
        assert_eq!(answer(&broker(), &controllers).error_code, 42);
    }
}
