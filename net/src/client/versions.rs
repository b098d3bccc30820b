//! Which versions both sides speak: ApiVersions first, the highest common one afterwards.
//!
//! A broker that does not know our ApiVersions answers in version 0 with code 35; then version 0 is asked for (KIP-511).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use bytes::Bytes;
use engine::error::ErrorCode;

use super::connection::Connection;
use super::error::ClientError;
use crate::wire::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use crate::wire::{ApiKey, Message, Text};

/// Where the error code stands in an answer to ApiVersions: behind the correlation id, in every version.
const ERROR_CODE_AT: RangeInclusive<usize> = 4..=5;

#[derive(Clone, Debug, Default)]
pub struct Versions {
    broker: BTreeMap<ApiKey, RangeInclusive<i16>>,
}

impl Versions {
    pub(super) fn unknown() -> Versions {
        Versions::default()
    }

    /// What `answer` says of the APIs that are known here.
    fn of(answer: &ApiVersionsResponse) -> Versions {
        let known = answer.api_keys.iter().filter_map(|range| {
            Some((ApiKey::from_code(range.api_key)?, range.min_version..=range.max_version))
        });
        Versions { broker: known.collect() }
    }

    pub(super) fn negotiate(connection: &mut Connection) -> Result<Versions, ClientError> {
        let request = ApiVersionsRequest {
            client_software_name: Text::from_static("corelog"),
            client_software_version: Text::from_static(env!("CARGO_PKG_VERSION")),
        };
        let (outgoing, incoming) = connection.halves();
        let mut version = *ApiKey::ApiVersions.versions().end();
        loop {
            let ticket = outgoing.send_version(&request, version)?;
            let answer = incoming.frame(ApiVersionsRequest::API.name())?;
            let refused = is_unsupported(&answer) && version > 0;
            let read_as = if refused { 0 } else { version };
            let answer = incoming.open(answer, &ticket, read_as)?;
            if refused {
                version = 0;
                continue;
            }
            ClientError::check(answer.error_code, None, || "asking for API versions".to_owned())?;
            return Ok(Versions::of(&answer));
        }
    }

    /// The highest version that both sides speak and that is not above `at_most`.
    pub fn highest(&self, api: ApiKey, at_most: i16) -> Option<i16> {
        let (ours, theirs) = (api.versions(), self.broker.get(&api)?);
        let highest = (*ours.end()).min(*theirs.end()).min(at_most);
        (ours.contains(&highest) && theirs.contains(&highest)).then_some(highest)
    }
}

fn is_unsupported(answer: &Bytes) -> bool {
    answer.get(ERROR_CODE_AT) == Some(&ErrorCode::UnsupportedVersion.code().to_be_bytes()[..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::api_versions::ApiVersion;

    fn broker(min_version: i16, max_version: i16) -> Versions {
        let api_key = ApiKey::Produce.code();
        let unknown = ApiVersion { api_key: 9999, min_version: 0, max_version: 1 };
        let known = ApiVersion { api_key, min_version, max_version };
        Versions::of(&ApiVersionsResponse { api_keys: vec![unknown, known], ..Default::default() })
    }

    #[test]
    fn the_highest_common_version_is_chosen() {
        let ours = *ApiKey::Produce.versions().end();
        assert_eq!(broker(0, 99).highest(ApiKey::Produce, i16::MAX), Some(ours));
        assert_eq!(broker(0, 7).highest(ApiKey::Produce, i16::MAX), Some(7));
        assert_eq!(broker(0, 99).highest(ApiKey::Produce, 12), Some(12));
    }

    #[test]
    fn no_common_version_is_none() {
        assert_eq!(broker(0, 2).highest(ApiKey::Produce, i16::MAX), None);
        assert_eq!(broker(90, 99).highest(ApiKey::Produce, i16::MAX), None);
        assert_eq!(broker(0, 9).highest(ApiKey::Fetch, i16::MAX), None);
    }
}
