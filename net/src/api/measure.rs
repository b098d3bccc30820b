//! What one core counts about requests, by API: times by stage, bytes, errors by code. Lives on one core.

use std::{borrow::Cow, collections::BTreeMap};

use bytes::Bytes;
use engine::{
    error::ErrorCode,
    metrics::{Figures, Histogram, NANOSECONDS},
    shard::measure::REQUEST_SECONDS,
};

use super::Api;
use crate::{
    conn::{Extent, Kind, Passed},
    wire::ApiKey,
};

engine::metrics! {
    REQUEST_BYTES: "corelog_request_bytes_total" Counter One Broker
        "Bytes of requests, by API.";
    RESPONSE_BYTES: "corelog_response_bytes_total" Counter One Broker
        "Bytes of answers, by API.";
    ERRORS: "corelog_errors_total" Counter One Broker
        "Errors told to clients, by API and Kafka's code; each partition of a request counts.";
}

/// API keys below this have figures of their own; there are 93 of them in Kafka 4.3.
const KINDS: usize = 128;
/// A request whose key no API has.
const UNKNOWN: Kind = Kind(u8::MAX);

struct PerApi {
    queue_ns: Histogram,
    handle_ns: Histogram,
    send_ns: Histogram,
    wait_ns: Histogram,
    request_bytes: u64,
    response_bytes: u64,
    errors: BTreeMap<i16, u64>,
}

pub struct Measures {
    /// By API key, made at an API's first request.
    apis: [Option<Box<PerApi>>; KINDS],
}

impl Default for Measures {
    fn default() -> Measures {
        Measures { apis: [const { None }; KINDS] }
    }
}

impl Default for PerApi {
    fn default() -> PerApi {
        let histogram = || Histogram::new(NANOSECONDS);
        PerApi {
            queue_ns: histogram(),
            handle_ns: histogram(),
            send_ns: histogram(),
            wait_ns: histogram(),
            request_bytes: 0,
            response_bytes: 0,
            errors: BTreeMap::new(),
        }
    }
}

/// A frame's kind: its API key, if it is one that the codec knows.
pub(super) fn kind(request: &Bytes) -> Kind {
    let key = request.first_chunk::<2>().map(|key| i16::from_be_bytes(*key));
    let known = key.and_then(ApiKey::from_code).and_then(|api| u8::try_from(api.code()).ok());
    known.filter(|key| usize::from(*key) < KINDS).map_or(UNKNOWN, Kind)
}

/// What an answer may come to: that of a Fetch carries records; some tell of all topics, groups or members, whatever was asked.
pub(super) fn extent(kind: Kind) -> Extent {
    match ApiKey::from_code(i16::from(kind.0)) {
        Some(ApiKey::Fetch) => Extent::Bulky,
        Some(
            ApiKey::Metadata
            | ApiKey::OffsetFetch
            | ApiKey::JoinGroup
            | ApiKey::SyncGroup
            | ApiKey::DescribeGroups
            | ApiKey::ConsumerGroupDescribe
            | ApiKey::ListGroups
            | ApiKey::DescribeConfigs
            | ApiKey::DescribeLogDirs
            | ApiKey::DescribeProducers
            | ApiKey::DescribeTopicPartitions
            | ApiKey::ListConfigResources,
        ) => Extent::Unbounded,
        _ => Extent::Bounded,
    }
}

impl Measures {
    pub(super) fn passed(&mut self, kind: Kind, passed: Passed<'_>) {
        let Some(api) = self.apis.get_mut(usize::from(kind.0)) else { return };
        let api = api.get_or_insert_default();
        match passed {
            Passed::Queue { ns, request_bytes } => {
                api.queue_ns.record(ns);
                api.request_bytes += request_bytes as u64;
            }
            Passed::Handle { ns, response_bytes, told } => {
                api.handle_ns.record(ns);
                api.response_bytes += response_bytes as u64;
                if told.waited_ns > 0 {
                    api.wait_ns.record(told.waited_ns);
                }
                for (code, count) in &told.errors {
                    *api.errors.entry(*code).or_default() += u64::from(*count);
                }
            }
            Passed::Send { ns } => api.send_ns.record(ns),
        }
    }

    fn tell(&self, out: &mut Figures) {
        for (key, api) in self.apis.iter().enumerate() {
            let (Some(api), Some(key)) = (api, ApiKey::from_code(key as i16)) else { continue };
            let name = || ("api", Cow::Borrowed(key.name()));
            let stages = [
                ("queue", &api.queue_ns),
                ("handle", &api.handle_ns),
                ("wait", &api.wait_ns),
                ("send", &api.send_ns),
            ];
            for (stage, histogram) in stages {
                out.histogram(&REQUEST_SECONDS, vec![name(), ("stage", stage.into())], histogram);
            }
            out.number(&REQUEST_BYTES, vec![name()], api.request_bytes);
            out.number(&RESPONSE_BYTES, vec![name()], api.response_bytes);
            for (code, count) in &api.errors {
                let code = match ErrorCode::from_code(*code) {
                    Some(code) => Cow::Borrowed(code.name()),
                    None => Cow::Owned(code.to_string()),
                };
                out.number(&ERRORS, vec![name(), ("code", code)], *count);
            }
        }
    }
}

impl Api {
    /// Adds what this core's requests have come to.
    pub fn measure(&self, out: &mut Figures) {
        self.measures.borrow().tell(out);
    }
}

#[cfg(test)]
mod tests {
    use engine::base::CoreId;

    use super::*;
    use crate::conn::Told;

    #[test]
    fn a_kind_is_a_known_api_or_none() {
        assert_eq!(kind(&Bytes::from_static(&[0, 3, 0, 12])), Kind(3));
        for unknown in [&[0x7f, 0xff, 0, 0][..], &[0xff, 0xff, 0, 0], &[0], &[0, 4, 0, 0]] {
            assert_eq!(kind(&Bytes::copy_from_slice(unknown)), UNKNOWN);
        }
        for api in ApiKey::ALL {
            assert!(usize::from(api.code() as u16) < KINDS, "{}", api.name());
        }
    }

    #[test]
    fn an_api_is_told_from_its_first_request_on_with_its_errors_by_name() {
        let mut measures = Measures::default();
        measures.passed(UNKNOWN, Passed::Queue { ns: 1, request_bytes: 1 });
        measures.passed(Kind(0), Passed::Queue { ns: 1, request_bytes: 100 });
        let errors = vec![(ErrorCode::UnknownTopicId.code(), 2), (9999, 1)];
        let told = Told { errors, ..Told::default() };
        measures.passed(Kind(0), Passed::Handle { ns: 1, response_bytes: 10, told: &told });
        let mut figures = Figures::new(CoreId(0));
        measures.tell(&mut figures);
        let told: Vec<String> = figures
            .samples
            .iter()
            .map(|sample| {
                let labels: Vec<&str> = sample.labels.iter().map(|(_, value)| &**value).collect();
                format!("{} {}", sample.metric.name, labels.join(" "))
            })
            .collect();
        let expected = [
            "corelog_request_stage_seconds Produce queue",
            "corelog_request_stage_seconds Produce handle",
            "corelog_request_bytes_total Produce",
            "corelog_response_bytes_total Produce",
            "corelog_errors_total Produce UnknownTopicId",
            "corelog_errors_total Produce 9999",
        ];
        assert_eq!(told, expected);
    }
}
