//! Figures by topic and partition, within a bound: above `METRICS_PARTITIONS_MAX` partitions only topics are told, above
//! `METRICS_TOPICS_MAX` topics only the cores' sums. Which of it holds is told too, so that nobody takes a gap for silence.

use std::sync::Arc;

use engine::{metrics::Metric, shard::command::PartitionFigures};

use super::exposition::Text;
use crate::limits;

engine::metrics! {
    TOLD: "corelog_metrics_told" Gauge One Broker
        "1 where series of this level are told, 0 where there are too many of them: topic, partition.";
    TOPIC_BYTES_IN: "corelog_topic_bytes_in_total" Counter One Broker
        "Bytes of record batches taken from producers, by topic.";
    TOPIC_RECORDS_IN: "corelog_topic_records_in_total" Counter One Broker
        "Records taken from producers, by topic.";
    TOPIC_BYTES_OUT: "corelog_topic_bytes_out_total" Counter One Broker
        "Bytes of record batches read for fetches, by topic.";
    TOPIC_RECORDS_OUT: "corelog_topic_records_out_total" Counter One Broker
        "Records read for fetches, by topic.";
    TOPIC_SIZE: "corelog_topic_size_bytes" Gauge One Broker
        "Size of a topic's log files, indexes not included.";
    TOPIC_PARTITIONS: "corelog_topic_partitions" Gauge One Broker
        "Partitions of a topic.";
    PARTITION_BYTES_IN: "corelog_partition_bytes_in_total" Counter One Broker
        "Bytes of record batches taken from producers, by partition.";
    PARTITION_RECORDS_IN: "corelog_partition_records_in_total" Counter One Broker
        "Records taken from producers, by partition.";
    PARTITION_BYTES_OUT: "corelog_partition_bytes_out_total" Counter One Broker
        "Bytes of record batches read for fetches, by partition.";
    PARTITION_RECORDS_OUT: "corelog_partition_records_out_total" Counter One Broker
        "Records read for fetches, by partition.";
    PARTITION_SIZE: "corelog_partition_size_bytes" Gauge One Broker
        "Size of a partition's log files, indexes not included.";
    PARTITION_START: "corelog_partition_log_start_offset" Gauge One Broker
        "A partition's first offset.";
    PARTITION_HIGH_WATERMARK: "corelog_partition_high_watermark" Gauge One Broker
        "A partition's high watermark.";
    PARTITION_END: "corelog_partition_log_end_offset" Gauge One Broker
        "A partition's log end offset.";
}

type Pick = fn(&PartitionFigures) -> u64;

const OF_TOPICS: [(&Metric, Pick); 6] = [
    (&TOPIC_BYTES_IN, |one| one.traffic.bytes_in),
    (&TOPIC_RECORDS_IN, |one| one.traffic.records_in),
    (&TOPIC_BYTES_OUT, |one| one.traffic.bytes_out),
    (&TOPIC_RECORDS_OUT, |one| one.traffic.records_out),
    (&TOPIC_SIZE, |one| one.disk_bytes),
    (&TOPIC_PARTITIONS, |_| 1),
];

const OF_PARTITIONS: [(&Metric, Pick); 8] = [
    (&PARTITION_BYTES_IN, |one| one.traffic.bytes_in),
    (&PARTITION_RECORDS_IN, |one| one.traffic.records_in),
    (&PARTITION_BYTES_OUT, |one| one.traffic.bytes_out),
    (&PARTITION_RECORDS_OUT, |one| one.traffic.records_out),
    (&PARTITION_SIZE, |one| one.disk_bytes),
    (&PARTITION_START, |one| one.log_start.0.max(0) as u64),
    (&PARTITION_HIGH_WATERMARK, |one| one.high_watermark.0.max(0) as u64),
    (&PARTITION_END, |one| one.end.0.max(0) as u64),
];

/// Topics' partitions on their way into the text: a topic's sums always, its partitions while there are few.
#[derive(Default)]
pub struct Collected {
    /// Sorted by name, then by partition, before it is told.
    partitions: Vec<(Arc<str>, PartitionFigures)>,
    topics: std::collections::BTreeMap<Arc<str>, [u64; OF_TOPICS.len()]>,
    seen: usize,
}

impl Collected {
    pub fn add(&mut self, topic: Arc<str>, figures: PartitionFigures) {
        self.seen += 1;
        if self.topics.len() <= limits::METRICS_TOPICS_MAX || self.topics.contains_key(&topic) {
            let sums = self.topics.entry(topic.clone()).or_default();
            for (sum, (_, pick)) in sums.iter_mut().zip(OF_TOPICS) {
                *sum += pick(&figures);
            }
        }
        if self.seen <= limits::METRICS_PARTITIONS_MAX {
            self.partitions.push((topic, figures));
        }
    }

    /// Writes one family after the other; `pause` is called between them.
    pub async fn tell(mut self, text: &mut Text, mut pause: impl AsyncFnMut()) {
        let tells_topics = self.topics.len() <= limits::METRICS_TOPICS_MAX;
        let tells_partitions = self.seen <= limits::METRICS_PARTITIONS_MAX;
        text.begin(&TOLD);
        text.number(&TOLD, &[("level", "partition")], i64::from(tells_partitions));
        text.number(&TOLD, &[("level", "topic")], i64::from(tells_topics));
        if tells_topics {
            for (index, (metric, _)) in OF_TOPICS.iter().enumerate().filter(|_| !self.topics.is_empty()) {
                text.begin(metric);
                for (topic, sums) in &self.topics {
                    text.number(metric, &[("topic", topic)], sums[index] as i64);
                }
                pause().await;
            }
        }
        if tells_partitions && !self.partitions.is_empty() {
            self.partitions.sort_by(|(a, one), (b, other)| {
                (a, one.partition.partition).cmp(&(b, other.partition.partition))
            });
            for (metric, pick) in OF_PARTITIONS {
                text.begin(metric);
                for (topic, figures) in &self.partitions {
                    let partition = figures.partition.partition.to_string();
                    let labels = [("topic", &**topic), ("partition", partition.as_str())];
                    text.number(metric, &labels, pick(figures) as i64);
                }
                pause().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::{
        base::{Offset, PartitionIndex, TopicId, TopicPartition},
        shard::measure::Traffic,
    };
    use futures_lite::future::block_on;

    use super::*;

    fn told(topics: usize, partitions: i32) -> String {
        let mut collected = Collected::default();
        for topic in 0..topics {
            for index in (0..partitions).rev() {
                let figures = PartitionFigures {
                    partition: TopicPartition { topic: TopicId::ZERO, partition: PartitionIndex(index) },
                    traffic: Traffic { bytes_in: 10, ..Traffic::default() },
                    disk_bytes: 7,
                    log_start: Offset(1),
                    high_watermark: Offset(2),
                    end: Offset(3),
                };
                collected.add(format!("t{topic}").into(), figures);
            }
        }
        let mut text = Text::default();
        block_on(collected.tell(&mut text, async || {}));
        text.into_string()
    }

    #[test]
    fn few_partitions_are_told_each_and_by_topic() {
        let text = told(2, 3);
        assert!(text.contains("corelog_topic_bytes_in_total{topic=\"t1\"} 30\n"), "{text}");
        assert!(text.contains("corelog_topic_partitions{topic=\"t0\"} 3\n"), "{text}");
        assert!(
            text.contains("corelog_partition_log_end_offset{topic=\"t1\",partition=\"2\"} 3\n"),
            "{text}"
        );
        assert!(text.contains("corelog_metrics_told{level=\"partition\"} 1\n"), "{text}");
    }

    #[test]
    fn beyond_the_limits_partitions_go_first_and_topics_next() {
        let text = told(2, limits::METRICS_PARTITIONS_MAX as i32);
        assert!(text.contains("corelog_metrics_told{level=\"partition\"} 0\n"), "{text}");
        assert!(!text.contains("corelog_partition_"), "{text}");
        let sum = 10 * limits::METRICS_PARTITIONS_MAX;
        assert!(text.contains(&format!("corelog_topic_bytes_in_total{{topic=\"t1\"}} {sum}\n")), "{text}");
        let text = told(limits::METRICS_TOPICS_MAX + 1, 1);
        assert!(text.contains("corelog_metrics_told{level=\"topic\"} 0\n"), "{text}");
        assert!(!text.contains("corelog_topic_"), "{text}");
    }

    #[test]
    fn a_broker_without_topics_says_so() {
        assert!(!told(0, 0).contains("corelog_topic_bytes"));
    }
}
