//! Who the cluster's brokers are: DescribeCluster where it is spoken (KIP-700), otherwise what Metadata says.

use super::address::Address;
use super::cluster::{AutoCreation, Client, Topics};
use super::connection::Connection;
use super::error::ClientError;
use crate::wire::Request;
use crate::wire::describe_cluster::DescribeClusterRequest;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    pub id: Option<String>,
    /// -1 where none is known.
    pub controller: i32,
    /// By id.
    pub brokers: Vec<Broker>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    pub id: i32,
    pub address: String,
    pub rack: Option<String>,
    /// Registered, and not in service.
    pub is_fenced: bool,
}

impl Client {
    pub fn cluster(&mut self) -> Result<Cluster, ClientError> {
        let mut cluster = self.retrying(|client| match client.describe_cluster() {
            Err(ClientError::NoCommonVersion { .. }) => client.cluster_of_metadata(),
            outcome => outcome,
        })?;
        cluster.brokers.sort_by_key(|broker| broker.id);
        Ok(cluster)
    }

    fn describe_cluster(&mut self) -> Result<Cluster, ClientError> {
        let version = self.any()?.version::<DescribeClusterRequest>()?;
        let request = DescribeClusterRequest { include_fenced_brokers: version >= 2, ..Default::default() };
        let answer = self.call_any(&request)?;
        ClientError::check(answer.error_code, answer.error_message.as_deref(), || {
            "asking for the cluster".to_owned()
        })?;
        let brokers = answer.brokers.iter().map(|broker| Broker {
            id: broker.broker_id,
            address: shown(&broker.host, broker.port),
            rack: broker.rack.as_ref().map(|rack| rack.to_string()),
            is_fenced: broker.is_fenced,
        });
        Ok(Cluster {
            id: Some(answer.cluster_id.to_string()),
            controller: answer.controller_id,
            brokers: brokers.collect(),
        })
    }

    fn cluster_of_metadata(&mut self) -> Result<Cluster, ClientError> {
        let answer = self.metadata(Topics::None, AutoCreation::Forbidden)?;
        let brokers = answer.brokers.iter().map(|broker| Broker {
            id: broker.node_id,
            address: shown(&broker.host, broker.port),
            rack: broker.rack.as_ref().map(|rack| rack.to_string()),
            is_fenced: false,
        });
        Ok(Cluster {
            id: answer.cluster_id.as_ref().map(|id| id.to_string()),
            controller: answer.controller_id,
            brokers: brokers.collect(),
        })
    }

    /// The connection to a node, or to any.
    pub(super) fn at(&mut self, node: Option<i32>) -> Result<&mut Connection, ClientError> {
        let Some(node) = node else { return self.any() };
        if !self.brokers().contains_key(&node) {
            self.metadata(Topics::None, AutoCreation::Forbidden)?;
        }
        match self.brokers().contains_key(&node) {
            true => self.node(node),
            false => Err(ClientError::NoBroker(node.to_string())),
        }
    }

    /// Asks a node, or any.
    pub(super) fn call_at<R: Request>(
        &mut self,
        node: Option<i32>,
        request: &R,
    ) -> Result<R::Response, ClientError> {
        let outcome = self.at(node)?.call(request);
        match node {
            Some(node) => self.noting(node, outcome),
            None => self.noting_any(outcome),
        }
    }
}

/// As `Address` prints, of what a broker says.
fn shown(host: &str, port: i32) -> String {
    match u16::try_from(port) {
        Ok(port) => Address { host: host.to_owned(), port }.to_string(),
        Err(_) => format!("{host}:{port}"),
    }
}
