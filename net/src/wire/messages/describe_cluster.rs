//! DescribeCluster (60), versions 0–2.
//!
//! 1 tells brokers from controllers (KIP-919), 2 includes fenced brokers (KIP-1073).

use crate::wire::Text;

message! {
    pub struct DescribeClusterRequest: request(DescribeCluster, DescribeClusterResponse) {
        [0..] include_cluster_authorized_operations: bool,
        [1..] endpoint_type: i8 = 1,
        [2..] include_fenced_brokers: bool,
    }

    pub struct DescribeClusterResponse: response(DescribeCluster) {
        [0..] throttle_time_ms: i32,
        [0..] error_code: i16,
        [0..; null(0..)] error_message: Option<Text>,
        [1..] endpoint_type: i8 = 1,
        [0..] cluster_id: Text,
        [0..] controller_id: i32 = -1,
        [0..] brokers: Vec<DescribeClusterBroker>,
        [0..] cluster_authorized_operations: i32 = i32::MIN,
    }

    pub struct DescribeClusterBroker {
        [0..] broker_id: i32,
        [0..] host: Text,
        [0..] port: i32,
        [0..; null(0..)] rack: Option<Text>,
        [2..] is_fenced: bool,
    }
}
