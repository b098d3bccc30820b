//! Why an option is refused: the key, and a sentence in the words that Kafka's tools show.

use crate::error::{ErrorCode, Refusal};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    pub key: String,
    pub message: String,
}

impl ConfigError {
    pub(super) fn invalid(key: &str, value: &str, reason: &str) -> ConfigError {
        let message = format!("Invalid value {value} for configuration {key}: {reason}");
        ConfigError { key: key.to_owned(), message }
    }

    pub fn code(&self) -> ErrorCode {
        ErrorCode::InvalidConfig
    }
}

impl From<ConfigError> for Refusal {
    fn from(error: ConfigError) -> Refusal {
        Refusal::new(error.code(), error.message)
    }
}
