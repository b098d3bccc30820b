//! The flow of a new connection, on core 0: every core asks it for a place before it serves one, and tells it of the end.

use std::net::IpAddr;

use super::{
    Shard,
    command::{CallId, Reply},
    settings::BrokerOptions,
};
use crate::{
    base::Now,
    config::{BrokerConfig, Layers, Overrides},
    controller::{ConfigResource, Image},
    quota::ConnectionLimits,
};

impl Shard {
    pub(super) fn admit(&mut self, now: Now, call: CallId, ip: IpAddr) {
        let admission = self.connections.admit(now, ip);
        self.reply(call, Reply::Admitted(admission));
    }

    /// The options may have changed.
    pub(super) fn limit_connections(&mut self) {
        if let Some(limits) = limits(&self.image, &self.config.options) {
            self.connections.set_limits(limits);
        }
    }
}

fn limits(image: &Image, options: &BrokerOptions) -> Option<ConnectionLimits> {
    let node = ConfigResource::Broker(options.node.0.to_string());
    let layers = Layers {
        topic: &Overrides::new(),
        dynamic_broker: image.overrides(&node),
        dynamic_cluster: image.overrides(&ConfigResource::Broker(String::new())),
        static_broker: &options.overrides,
    };
    // What was accepted once is valid; should a later version refuse it, the limits stay as they are.
    let config = BrokerConfig::resolve(&layers)
        .inspect_err(|error| tracing::warn!(%error, "the limits of connections are not changed"))
        .ok()?;
    let overrides = config.connections_per_ip_overrides.iter();
    Some(ConnectionLimits {
        all: config.connections_max,
        by_host: options.connections_max,
        per_ip: config.connections_per_ip_max,
        per_ip_overrides: overrides.map(|(ip, count)| (*ip, *count as usize)).collect(),
        per_second: config.connections_per_second_max,
    })
}
