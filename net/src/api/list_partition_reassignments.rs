//! ListPartitionReassignments (46), version 0 (KIP-455). Replicas do not move yet, so none is on its way.

use crate::wire::list_partition_reassignments::ListPartitionReassignmentsResponse;

pub(super) fn answer() -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse { error_message: None, ..Default::default() }
}
