//! Where a broker listens.

use std::fmt;

use super::error::ClientError;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    pub host: String,
    pub port: u16,
}

impl Address {
    /// `host:port`, `[v6]:port`.
    pub fn parse(text: &str) -> Result<Address, ClientError> {
        let wrong = || ClientError::Address(text.to_owned());
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(wrong)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        if host.is_empty() || bare.is_none() && host.contains(':') {
            return Err(wrong());
        }
        Ok(Address { host: host.to_owned(), port: port.parse().map_err(|_| wrong())? })
    }

    /// Several, with commas between them; at least one.
    pub fn parse_list(text: &str) -> Result<Vec<Address>, ClientError> {
        text.split(',').map(Address::parse).collect()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_print_as_they_were_written() {
        for text in ["127.0.0.1:9092", "localhost:1", "[::1]:9092"] {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Address::parse_list("a:1,b:2").unwrap().len(), 2);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "host", "host:", ":9092", "host:99999", "::1:9092", "a:1,"] {
            assert!(Address::parse_list(text).is_err(), "{text}");
        }
    }
}
