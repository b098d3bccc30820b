//! Who is at the other end of a connection, as far as subscriptions to client metrics tell clients apart; and the way to the core that
//! remembers an instance. Runs on the connection's core.

use std::{cell::RefCell, collections::HashMap, net::SocketAddr, sync::Arc};

use engine::{
    base::{ClientInstanceId, CoreId},
    controller::ConfigResource,
    error::ErrorCode,
    shard::command::{Command, Reply},
    telemetry::{Asker, Request, Subscription},
};

use super::Api;
use crate::wire::{Text, api_versions::ApiVersionsRequest};

/// Of a name of software or of its version; what is longer is no such thing.
const SOFTWARE_BYTES_MAX: usize = 256;

/// What software each connection of this core said that it is (ApiVersions, KIP-511).
#[derive(Default)]
pub(super) struct Clients(RefCell<HashMap<SocketAddr, Software>>);

pub(super) struct Software {
    name: Box<str>,
    version: Box<str>,
}

impl Clients {
    pub fn met(&self, peer: SocketAddr, request: &ApiVersionsRequest) {
        let (name, version) = (&request.client_software_name, &request.client_software_version);
        if name.len().max(version.len()) <= SOFTWARE_BYTES_MAX {
            let software = Software { name: name.as_str().into(), version: version.as_str().into() };
            self.0.borrow_mut().insert(peer, software);
        }
    }

    pub fn gone(&self, peer: SocketAddr) -> Option<Software> {
        self.0.borrow_mut().remove(&peer)
    }

    /// It comes from another core.
    pub fn came(&self, peer: SocketAddr, software: Software) {
        self.0.borrow_mut().insert(peer, software);
    }

    pub fn asking(&self, peer: SocketAddr, client_id: Option<&Text>) -> Asking {
        let known = self.0.borrow();
        let (name, version) = known.get(&peer).map_or(("", ""), |one| (&*one.name, &*one.version));
        Asking(Asker {
            client_id: client_id.map_or_else(String::new, |id| id.to_string()),
            software_name: name.to_owned(),
            software_version: version.to_owned(),
            address: peer.ip().to_canonical().to_string(),
            port: peer.port().to_string(),
        })
    }
}

/// A client that asks about telemetry.
pub(super) struct Asking(Asker);

impl Asking {
    pub fn client_id(&self) -> Arc<str> {
        self.0.client_id.as_str().into()
    }

    pub fn subscription(&self, api: &Api, id: ClientInstanceId) -> Subscription {
        api.node.with_image(|image| {
            let all = image.configured().filter(|one| matches!(one, ConfigResource::ClientMetrics(_)));
            Subscription::of(all.map(|one| image.overrides(one)), id, &self.0)
        })
    }

    /// Asks the core that the id falls on: always the same, whichever connection the client uses.
    pub async fn ask(&self, api: &Api, id: ClientInstanceId, request: Request) -> ErrorCode {
        let cores = api.node.with_image(|image| image.broker(api.broker.node).map_or(1, |one| one.cores));
        let core = CoreId(u16::from_be_bytes([id.0[14], id.0[15]]) % cores.max(1));
        match api.node.call(core, Command::Telemetry(request)).await {
            Reply::Telemetry(code) => code,
            _ => ErrorCode::UnknownServerError,
        }
    }
}
