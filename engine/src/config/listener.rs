//! Where a broker listens and what it tells clients: `NAME://host:port` lists and the protocol behind each name.

use std::net::IpAddr;

use crate::config::error::ConfigError;
use crate::config::key::entries;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    Plaintext,
    Ssl,
    SaslPlaintext,
    SaslSsl,
}

impl Protocol {
    pub const ALL: [Protocol; 4] =
        [Protocol::Plaintext, Protocol::Ssl, Protocol::SaslPlaintext, Protocol::SaslSsl];

    pub fn name(self) -> &'static str {
        match self {
            Protocol::Plaintext => "PLAINTEXT",
            Protocol::Ssl => "SSL",
            Protocol::SaslPlaintext => "SASL_PLAINTEXT",
            Protocol::SaslSsl => "SASL_SSL",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// In capitals.
    pub name: String,
    pub protocol: Protocol,
    /// Empty for every address; IPv6 without its brackets.
    pub host: String,
    pub port: u16,
}

/// Reads `listeners` or `advertised.listeners`. Names are distinct, each with a protocol from `map`.
pub(super) fn parse(key: &str, value: &str, map: &str) -> Result<Vec<Listener>, ConfigError> {
    let mut all: Vec<Listener> = Vec::new();
    for entry in entries(value) {
        let listener = parse_one(entry, map).map_err(|reason| ConfigError::invalid(key, value, &reason))?;
        if all.iter().any(|other| other.name == listener.name) {
            let reason =
                format!("Each listener must have a different name, {} is there twice", listener.name);
            return Err(ConfigError::invalid(key, value, &reason));
        }
        if key == "listeners"
            && let Some(other) = all.iter().find(|other| share_a_port(other, &listener))
        {
            let reason = format!(
                "Each listener must have a different port unless exactly one listener has an IPv4 address and the \
                 other IPv6 address; {} and {} have one",
                other.name, listener.name
            );
            return Err(ConfigError::invalid(key, value, &reason));
        }
        all.push(listener);
    }
    Ok(all)
}

/// The kernel would let both have it, and spread the connections over them.
fn share_a_port(one: &Listener, other: &Listener) -> bool {
    let families = [one, other].map(|listener| listener.host.parse::<IpAddr>().map(|ip| ip.is_ipv4()));
    let differ = matches!(families, [Ok(one), Ok(other)] if one != other);
    one.port == other.port && one.port != 0 && !differ
}

fn parse_one(entry: &str, map: &str) -> Result<Listener, String> {
    let unreadable = || format!("{entry} is no NAME://host:port");
    let (name, address) = entry.split_once("://").ok_or_else(unreadable)?;
    let (host, port) = address.rsplit_once(':').ok_or_else(unreadable)?;
    let port = port.parse::<u16>().map_err(|_| unreadable())?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']').ok_or_else(unreadable)?,
        None if host.contains(':') => return Err(unreadable()),
        None => host,
    };
    if name.is_empty() || host.contains(char::is_whitespace) {
        return Err(unreadable());
    }
    let name = name.to_ascii_uppercase();
    let protocol = protocol_of(&name, map).ok_or_else(|| {
        format!("No security protocol defined for listener {name}: see listener.security.protocol.map")
    })?;
    Ok(Listener { name, protocol, host: host.to_owned(), port })
}

fn protocol_of(name: &str, map: &str) -> Option<Protocol> {
    let mapped = entries(map)
        .filter_map(|entry| entry.split_once(':'))
        .find(|(listener, _)| listener.trim().eq_ignore_ascii_case(name))
        .map_or(name, |(_, protocol)| protocol.trim());
    Protocol::ALL.into_iter().find(|protocol| protocol.name().eq_ignore_ascii_case(mapped))
}

/// `address:number,address:number`, as `max.connections.per.ip.overrides` has it.
pub(super) fn parse_ip_numbers(key: &str, value: &str) -> Result<Vec<(IpAddr, u32)>, ConfigError> {
    entries(value)
        .map(|entry| {
            let pair = entry.rsplit_once(':').and_then(|(host, number)| {
                let ip = host.trim().trim_start_matches('[').trim_end_matches(']').parse().ok()?;
                Some((ip, number.trim().parse().ok()?))
            });
            // A name may stand for other addresses tomorrow.
            pair.ok_or_else(|| ConfigError::invalid(key, value, "Not IP address:number, as in 10.0.0.1:5"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "PLAINTEXT:PLAINTEXT,INTERNAL:SASL_PLAINTEXT";

    #[test]
    fn listeners_are_read_with_their_protocol() {
        let all = parse("listeners", "plaintext://:9092, INTERNAL://[::1]:9093,SSL://host.example:9094", MAP)
            .unwrap();
        let shown: Vec<_> =
            all.iter().map(|one| (one.name.as_str(), one.protocol, one.host.as_str(), one.port)).collect();
        assert_eq!(
            shown,
            [
                ("PLAINTEXT", Protocol::Plaintext, "", 9092),
                ("INTERNAL", Protocol::SaslPlaintext, "::1", 9093),
                ("SSL", Protocol::Ssl, "host.example", 9094),
            ]
        );
        assert_eq!(
            parse_ip_numbers("k", "127.0.0.1:5,[::1]:6").unwrap(),
            [([127, 0, 0, 1].into(), 5), ("::1".parse().unwrap(), 6)]
        );
    }

    #[test]
    fn what_is_no_listener_is_refused() {
        for value in [
            "9092",
            "PLAINTEXT://a",
            "PLAINTEXT://a:70000",
            "OTHER://:1",
            "://:1",
            "PLAINTEXT://::1:9",
            "PLAINTEXT://:1,PLAINTEXT://:2",
            "PLAINTEXT://:1,INTERNAL://127.0.0.1:1",
            "PLAINTEXT://127.0.0.1:1,INTERNAL://127.0.0.2:1",
        ] {
            parse("listeners", value, MAP).unwrap_err();
        }
        for value in ["PLAINTEXT://127.0.0.1:1,INTERNAL://[::1]:1", "PLAINTEXT://:0,INTERNAL://:0"] {
            parse("listeners", value, MAP).unwrap();
        }
        parse("advertised.listeners", "PLAINTEXT://a:1,INTERNAL://b:1", MAP).unwrap();
    }
}
