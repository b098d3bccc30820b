//! Where the broker listens, and what clients are told of it. Resolves host names.

use std::{
    fs,
    net::{SocketAddr, ToSocketAddrs, UdpSocket},
};

use engine::config::{BrokerConfig, Listener, Protocol};

/// One address to listen on, and what clients are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The listener's name.
    pub name: String,
    pub address: SocketAddr,
    pub advertised_host: String,
    /// 0: the port that it listens on.
    pub advertised_port: u16,
}

pub fn resolve(config: &BrokerConfig) -> Result<Vec<Endpoint>, String> {
    config.listeners.iter().map(|listener| endpoint(listener, &config.advertised)).collect()
}

fn endpoint(listener: &Listener, advertised: &[Listener]) -> Result<Endpoint, String> {
    if listener.protocol != Protocol::Plaintext {
        return Err(format!(
            "listener {} asks for {}, which this version does not serve; PLAINTEXT it does",
            listener.name,
            listener.protocol.name()
        ));
    }
    let address = if listener.host.is_empty() {
        // Both families at once where there is IPv6.
        let any = if UdpSocket::bind("[::]:0").is_ok() { "[::]" } else { "0.0.0.0" };
        format!("{any}:{}", listener.port).parse().map_err(|error| format!("{any}: {error}"))?
    } else {
        (listener.host.as_str(), listener.port)
            .to_socket_addrs()
            .ok()
            .and_then(|mut addresses| addresses.next())
            .ok_or_else(|| {
                format!("listeners: {} is no address of a host that is known here", listener.host)
            })?
    };
    let told = advertised.iter().find(|advertised| advertised.name == listener.name).unwrap_or(listener);
    let told_host = if told.host.is_empty() || address.ip().is_unspecified() && told.host == listener.host {
        host_name()
    } else {
        told.host.clone()
    };
    let advertised_port = if told.port == listener.port { 0 } else { told.port };
    Ok(Endpoint { name: listener.name.clone(), address, advertised_host: told_host, advertised_port })
}

/// What clients are told by a broker that listens on every address and was told nothing: Kafka takes the host's name too.
fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}

/// `--admin-listen`
pub fn admin(text: &str) -> Result<SocketAddr, String> {
    let unknown = || format!("--admin-listen {text}: write host:port, as in 127.0.0.1:9644");
    text.to_socket_addrs().ok().and_then(|mut addresses| addresses.next()).ok_or_else(unknown)
}
