//! What the codec costs: Produce and Fetch, both ways, small and large. Records are never copied, so large ones should cost
//! no more than small ones.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use engine::base::TopicId;
use net::wire::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchTopic, FetchableTopicResponse, PartitionData,
};
use net::wire::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceData,
    TopicProduceResponse,
};
use net::wire::{Message, Reader, Records, Request, RequestHeader, request_frame, response_frame};

use crate::record::{Line, measure};

const TOPIC: TopicId = TopicId([7; 16]);

/// Measures everything; each thing for about `time`.
pub fn run(time: Duration) -> Vec<Line> {
    let mut lines = Vec::new();
    for (partitions, record_bytes) in [(1, 1 << 10), (1, 1 << 20), (100, 1 << 10)] {
        let shape = format!("{partitions} x {} KiB", record_bytes >> 10);
        request(&mut lines, time, &format!("Produce request, {shape}"), &produce(partitions, record_bytes));
        response(&mut lines, time, &format!("Fetch response, {shape}"), &fetched(partitions, record_bytes));
    }
    for partitions in [1, 100] {
        request(&mut lines, time, &format!("Fetch request, {partitions}"), &fetch(partitions));
        response(&mut lines, time, &format!("Produce response, {partitions}"), &produced(partitions));
    }
    lines
}

fn records(bytes: usize) -> Option<Records> {
    Some(Records::from(Bytes::from(vec![7; bytes])))
}

pub(crate) fn produce(partitions: i32, bytes: usize) -> ProduceRequest {
    let data = |index| PartitionProduceData { index, records: records(bytes) };
    let partition_data = (0..partitions).map(data).collect();
    let topic = TopicProduceData { topic_id: TOPIC, partition_data, ..Default::default() };
    ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() }
}

fn produced(partitions: i32) -> ProduceResponse {
    let answer = |index| PartitionProduceResponse { index, base_offset: 1 << 40, ..Default::default() };
    let partition_responses = (0..partitions).map(answer).collect();
    let topic = TopicProduceResponse { topic_id: TOPIC, partition_responses, ..Default::default() };
    ProduceResponse { responses: vec![topic], ..Default::default() }
}

fn fetch(partitions: i32) -> FetchRequest {
    let position = |partition| FetchPartition {
        partition,
        fetch_offset: 1 << 40,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    let partitions = (0..partitions).map(position).collect();
    let topic = FetchTopic { topic_id: TOPIC, partitions, ..Default::default() };
    FetchRequest { max_wait_ms: 500, min_bytes: 1, topics: vec![topic], ..Default::default() }
}

pub(crate) fn fetched(partitions: i32, bytes: usize) -> FetchResponse {
    let data = |partition_index| PartitionData {
        partition_index,
        high_watermark: 1 << 40,
        records: records(bytes),
        ..Default::default()
    };
    let partitions = (0..partitions).map(data).collect();
    let topic = FetchableTopicResponse { topic_id: TOPIC, partitions, ..Default::default() };
    FetchResponse { responses: vec![topic], ..Default::default() }
}

/// The newest version: what clients of today speak.
fn newest<M: Message>() -> i16 {
    *M::API.versions().end()
}

fn request<R: Request>(lines: &mut Vec<Line>, time: Duration, name: &str, request: &R) {
    let version = newest::<R>();
    let encode = || request_frame(black_box(request), version, 1, None).expect("a request that can be said");
    let frame = Bytes::from(encode().concat());
    lines.push(measure(format!("{name}: encode"), frame.len(), time, encode));
    // Behind the length.
    let frame = frame.slice(4..);
    lines.push(measure(format!("{name}: decode"), frame.len(), time, || {
        let mut reader = Reader::new(black_box(frame.clone()));
        RequestHeader::decode(&mut reader).expect("a header");
        R::decode(&mut reader, version).expect("a request")
    }));
}

fn response<M: Message>(lines: &mut Vec<Line>, time: Duration, name: &str, response: &M) {
    let version = newest::<M>();
    let encode = || response_frame(black_box(response), version, 1).expect("a response that can be said");
    let frame = Bytes::from(encode().concat());
    lines.push(measure(format!("{name}: encode"), frame.len(), time, encode));
    // Behind the length, the correlation id and the header's tagged fields.
    let body = frame.slice(9..);
    lines.push(measure(format!("{name}: decode"), body.len(), time, || {
        M::decode(&mut Reader::new(black_box(body.clone())), version).expect("a response")
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_measured() {
        let lines = run(Duration::ZERO);
        assert_eq!(lines.len(), 20);
        assert!(lines.iter().all(|line| line.bytes > 0 && line.each > Duration::ZERO));
    }
}
