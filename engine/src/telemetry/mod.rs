//! Clients' own metrics (KIP-714): who may push what and when, and what was pushed last. Follows
//! org.apache.kafka.server.ClientMetricsManager. On the core that a client's instance id falls on, so that it does not matter which
//! connection it speaks over. Pure: time and what the client is subscribed to are arguments.
//!
//! Whatever a client sends is bounded: instances, series of one and of all, lengths of their names; what goes beyond is counted. Clients
//! are asked for cumulative sums, so that the last push is all there is to keep.

pub mod limits;
mod otlp;
mod protobuf;
mod subscription;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use crate::base::{ClientInstanceId, Codec, Now};
use crate::error::ErrorCode;
use crate::metrics::Figures;
use limits::{EXPANDED_BYTES_MAX, INSTANCES_MAX, SERIES_MAX, SERIES_OF_ONE_MAX, SILENCE_NS_MIN};
pub use otlp::{Kind, Point};
pub use subscription::{Asker, Subscription};

crate::metrics! {
    INSTANCES: "corelog_client_instances" Gauge One Broker
        "Clients that push their metrics or ask which to push (KIP-714).";
    PUSHES: "corelog_client_pushes_total" Counter One Broker
        "Pushes of clients' metrics, by outcome: taken, or the error that was answered.";
    LEFT_OUT: "corelog_client_series_left_out" Gauge One Broker
        "Series of clients that are not told because there are too many.";
    METRIC: "corelog_client_metric" Gauge One Broker
        "A gauge of a client, as it pushed it last, by OpenTelemetry's name with what tells its series apart.";
    METRIC_TOTAL: "corelog_client_metric_total" Counter One Broker
        "A sum of a client, as it pushed it last, by OpenTelemetry's name with what tells its series apart.";
}

#[derive(Clone, Debug)]
pub enum Request {
    /// GetTelemetrySubscriptions
    Get {
        id: ClientInstanceId,
        subscription: i32,
        interval_ms: u32,
    },
    Push(Push),
}

/// PushTelemetry
#[derive(Clone, Debug)]
pub struct Push {
    pub id: ClientInstanceId,
    pub client_id: Arc<str>,
    /// What the client is subscribed to by now.
    pub subscription: i32,
    pub interval_ms: u32,
    /// What it was told last.
    pub told: i32,
    pub is_last: bool,
    /// By Kafka's number.
    pub codec: i8,
    pub payload: Bytes,
    /// `telemetry.max.bytes`
    pub bytes_max: usize,
}

#[derive(Debug)]
struct Instance {
    subscription: i32,
    interval_ns: u64,
    got_ns: Option<u64>,
    pushed_ns: Option<u64>,
    seen_ns: u64,
    has_ended: bool,
    last_error: ErrorCode,
    client_id: Arc<str>,
    points: Vec<Point>,
    left_out: usize,
}

#[derive(Debug, Default)]
pub struct Telemetry {
    instances: BTreeMap<ClientInstanceId, Instance>,
    /// The ones silent longest first.
    by_silence: BTreeSet<(u64, ClientInstanceId)>,
    series: usize,
    pushes: BTreeMap<ErrorCode, u64>,
}

impl Telemetry {
    pub fn handle(&mut self, now: Now, request: Request) -> ErrorCode {
        let now_ns = now.mono_ns;
        match request {
            Request::Get { id, subscription, interval_ms } => {
                let instance = self.meet(now_ns, id, subscription, interval_ms);
                let outcome = instance.may_get(now_ns);
                if outcome == ErrorCode::None {
                    instance.last_error = outcome;
                }
                outcome
            }
            Request::Push(push) => {
                let outcome = self.push(now_ns, &push);
                *self.pushes.entry(outcome).or_default() += 1;
                outcome
            }
        }
    }

    fn push(&mut self, now_ns: u64, push: &Push) -> ErrorCode {
        let instance = self.meet(now_ns, push.id, push.subscription, push.interval_ms);
        let mut outcome = instance.may_push(now_ns, push);
        let mut points = Vec::new();
        if outcome == ErrorCode::None {
            match decode(push) {
                Ok(decoded) => points = decoded,
                Err(code) => outcome = code,
            }
        }
        instance.last_error = outcome;
        if outcome != ErrorCode::None {
            return outcome;
        }
        let Telemetry { instances, series, .. } = self;
        let Some(instance) = instances.get_mut(&push.id) else { return outcome };
        instance.has_ended = push.is_last;
        instance.client_id = push.client_id.clone();
        let all = points.len();
        let before = instance.points.len();
        // One that has ended tells nothing any more.
        let room = if push.is_last { 0 } else { SERIES_MAX.saturating_sub(*series - before) };
        points.truncate(room.min(SERIES_OF_ONE_MAX));
        instance.left_out = if push.is_last { 0 } else { all - points.len() };
        *series = *series - before + points.len();
        instance.points = points;
        outcome
    }

    /// The instance, made if it is new, and made anew if it is subscribed to something else by now.
    fn meet(
        &mut self,
        now_ns: u64,
        id: ClientInstanceId,
        subscription: i32,
        interval_ms: u32,
    ) -> &mut Instance {
        self.forget_silent(now_ns);
        let new = Instance {
            subscription,
            interval_ns: u64::from(interval_ms) * 1_000_000,
            got_ns: None,
            pushed_ns: None,
            seen_ns: now_ns,
            has_ended: false,
            last_error: ErrorCode::None,
            client_id: "".into(),
            points: Vec::new(),
            left_out: 0,
        };
        if self.instances.get(&id).is_some_and(|instance| instance.subscription != subscription) {
            self.forget(id);
        }
        if !self.instances.contains_key(&id) && self.instances.len() >= INSTANCES_MAX {
            let silent = self.by_silence.first().map(|(_, id)| *id);
            silent.into_iter().for_each(|id| self.forget(id));
        }
        let instance = self.instances.entry(id).or_insert(new);
        self.by_silence.remove(&(instance.seen_ns, id));
        instance.seen_ns = now_ns;
        self.by_silence.insert((now_ns, id));
        instance
    }

    /// Three intervals without a word are an end.
    fn forget_silent(&mut self, now_ns: u64) {
        let is_silent = |instance: &Instance| {
            let silence_ns = instance.interval_ns.saturating_mul(3).max(SILENCE_NS_MIN);
            now_ns.saturating_sub(instance.seen_ns) > silence_ns
        };
        // Intervals differ: whoever is silent long by the longest is found when all before are gone.
        while let Some((_, id)) = self.by_silence.first().copied()
            && self.instances.get(&id).is_none_or(is_silent)
        {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: ClientInstanceId) {
        if let Some(instance) = self.instances.remove(&id) {
            self.by_silence.remove(&(instance.seen_ns, id));
            self.series -= instance.points.len();
        }
    }

    pub fn tell(&mut self, now: Now, out: &mut Figures) {
        self.forget_silent(now.mono_ns);
        if self.pushes.is_empty() && self.instances.is_empty() {
            return;
        }
        out.number(&INSTANCES, Vec::new(), self.instances.len() as u64);
        for (outcome, count) in &self.pushes {
            let outcome = if *outcome == ErrorCode::None { "taken" } else { outcome.name() };
            out.number(&PUSHES, vec![("outcome", outcome.into())], *count);
        }
        let left_out: usize = self.instances.values().map(|instance| instance.left_out).sum();
        out.number(&LEFT_OUT, Vec::new(), left_out as u64);
        for (id, instance) in &self.instances {
            for point in &instance.points {
                let metric = match point.kind {
                    Kind::Gauge => &METRIC,
                    Kind::Sum => &METRIC_TOTAL,
                };
                let labels = vec![
                    ("client_id", instance.client_id.to_string().into()),
                    ("instance_id", id.to_string().into()),
                    ("name", point.name.clone().into()),
                    ("attributes", point.attributes.clone().into()),
                ];
                out.float(metric, labels, point.value);
            }
        }
    }
}

impl Instance {
    /// A client asks again after its interval, or when its last error says that it shall.
    fn may_get(&mut self, now_ns: u64) -> ErrorCode {
        let last = self.got_ns.max(self.pushed_ns);
        let is_early = last.is_some_and(|last| now_ns.saturating_sub(last) < self.interval_ns);
        let shall = [ErrorCode::UnknownSubscriptionId, ErrorCode::UnsupportedCompressionType];
        if is_early && !shall.contains(&self.last_error) {
            return ErrorCode::ThrottlingQuotaExceeded;
        }
        self.got_ns = Some(now_ns);
        ErrorCode::None
    }

    fn may_push(&mut self, now_ns: u64, push: &Push) -> ErrorCode {
        if self.has_ended {
            return ErrorCode::InvalidRequest;
        }
        let is_first = self.got_ns > self.pushed_ns;
        let is_early = self.pushed_ns.is_some_and(|last| now_ns.saturating_sub(last) < self.interval_ns);
        if is_early && !is_first && !push.is_last {
            return ErrorCode::ThrottlingQuotaExceeded;
        }
        self.pushed_ns = Some(now_ns);
        if push.told != self.subscription {
            return ErrorCode::UnknownSubscriptionId;
        }
        if codec_of(push).is_none() {
            return ErrorCode::UnsupportedCompressionType;
        }
        if push.payload.len() > push.bytes_max {
            return ErrorCode::TelemetryTooLarge;
        }
        ErrorCode::None
    }
}

fn codec_of(push: &Push) -> Option<Codec> {
    u8::try_from(push.codec).ok().and_then(Codec::from_id)
}

/// What cannot be read is INVALID_RECORD, as Kafka says of what its reporter throws at.
fn decode(push: &Push) -> Result<Vec<Point>, ErrorCode> {
    let codec = codec_of(push).ok_or(ErrorCode::UnsupportedCompressionType)?;
    let bytes_max = EXPANDED_BYTES_MAX.max(push.bytes_max);
    let expanded = codec.decompress(&push.payload, bytes_max).map_err(|_| ErrorCode::InvalidRecord)?;
    otlp::read(&expanded).ok_or(ErrorCode::InvalidRecord)
}
