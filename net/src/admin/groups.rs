//! Figures by group, within a bound: `METRICS_GROUPS_MAX` groups and `METRICS_GROUP_OFFSETS_MAX` of their offsets; how many were left out
//! is told too. A coordinator knows what was committed, the core of the partition knows where its log ends: the lag is joined here, and
//! only when somebody scrapes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use engine::{
    base::{Offset, PartitionIndex},
    group::figures::GroupFigures,
    shard::command::PartitionFigures,
};

use super::exposition::Text;
use crate::limits;

engine::metrics! {
    GROUPS: "corelog_groups" Gauge One Broker
        "Groups, by type and state.";
    GROUP_MEMBERS: "corelog_group_members" Gauge One Broker
        "Members of a group.";
    GROUP_COMMITTED: "corelog_group_committed_offset" Gauge One Broker
        "The offset that a group has committed for a partition: the next it wants.";
    GROUP_LAG: "corelog_group_lag_records" Gauge One Broker
        "From a group's committed offset to the partition's high watermark.";
    GROUPS_LEFT_OUT: "corelog_groups_left_out" Gauge One Broker
        "Series that are not told because there are too many: group (their members), offset (committed and lag).";
}

/// Where logs end, of the partitions that some group reads.
type Ends = HashMap<Arc<str>, HashMap<PartitionIndex, Option<Offset>>>;

#[derive(Default)]
pub struct Gathered {
    groups: Vec<GroupFigures>,
    /// By type and state, of all groups.
    counts: BTreeMap<(&'static str, &'static str), i64>,
    offsets: usize,
    groups_left_out: usize,
    offsets_left_out: usize,
    ends: Ends,
}

impl Gathered {
    /// How many offsets there is still room for.
    pub fn room(&self) -> usize {
        limits::METRICS_GROUP_OFFSETS_MAX - self.offsets
    }

    pub fn add(&mut self, figures: GroupFigures) {
        *self.counts.entry((figures.kind, figures.state)).or_default() += 1;
        self.offsets_left_out += figures.offsets_left_out;
        if self.groups.len() == limits::METRICS_GROUPS_MAX {
            self.groups_left_out += 1;
            self.offsets_left_out += figures.offsets.len();
            return;
        }
        self.offsets += figures.offsets.len();
        for (topic, partition, _) in &figures.offsets {
            self.ends.entry(topic.clone()).or_default().insert(*partition, None);
        }
        self.groups.push(figures);
    }

    /// To be called with every partition after the last group: what was committed was there by then.
    pub fn note_end(&mut self, topic: &str, figures: &PartitionFigures) {
        let partitions = self.ends.get_mut(topic);
        let end = partitions.and_then(|partitions| partitions.get_mut(&figures.partition.partition));
        if let Some(end) = end {
            *end = Some(figures.high_watermark);
        }
    }

    /// Writes one family after the other; `pause` is called between them.
    pub async fn tell(mut self, text: &mut Text, mut pause: impl AsyncFnMut()) {
        text.begin(&GROUPS_LEFT_OUT);
        text.number(&GROUPS_LEFT_OUT, &[("level", "group")], self.groups_left_out as i64);
        text.number(&GROUPS_LEFT_OUT, &[("level", "offset")], self.offsets_left_out as i64);
        if self.counts.is_empty() {
            return;
        }
        text.begin(&GROUPS);
        for ((kind, state), count) in &self.counts {
            text.number(&GROUPS, &[("type", kind), ("state", state)], *count);
        }
        self.groups.sort_by(|a, b| a.group.cmp(&b.group));
        text.begin(&GROUP_MEMBERS);
        for figures in &self.groups {
            text.number(&GROUP_MEMBERS, &[("group", &figures.group)], figures.members as i64);
        }
        pause().await;
        let committed: fn(Offset, Option<Offset>) -> Option<i64> = |offset, _| Some(offset.0);
        // After DeleteRecords or a new topic of the same name an offset may be beyond the end.
        let lag: fn(Offset, Option<Offset>) -> Option<i64> = |offset, end| Some((end?.0 - offset.0).max(0));
        for (metric, pick) in [(&GROUP_COMMITTED, committed), (&GROUP_LAG, lag)] {
            if self.offsets == 0 {
                break;
            }
            text.begin(metric);
            for figures in &self.groups {
                for (topic, partition, offset) in &figures.offsets {
                    let end = self.ends.get(topic).and_then(|ends| *ends.get(partition)?);
                    let Some(value) = pick(*offset, end) else { continue };
                    let partition = partition.to_string();
                    let labels = [("group", &*figures.group), ("topic", &**topic), ("partition", &partition)];
                    text.number(metric, &labels, value);
                }
            }
            pause().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::{
        base::{TopicId, TopicPartition},
        shard::measure::Traffic,
    };
    use futures_lite::future::block_on;

    use super::*;

    fn group(name: &str, offsets: &[(&str, i32, i64)]) -> GroupFigures {
        let offset = |(topic, partition, offset): &(&str, i32, i64)| {
            (Arc::from(*topic), PartitionIndex(*partition), Offset(*offset))
        };
        GroupFigures {
            group: name.into(),
            kind: "classic",
            state: "Stable",
            members: 2,
            offsets: offsets.iter().map(offset).collect(),
            offsets_left_out: 0,
        }
    }

    fn partition(index: i32, high_watermark: i64) -> PartitionFigures {
        PartitionFigures {
            partition: TopicPartition { topic: TopicId::ZERO, partition: PartitionIndex(index) },
            traffic: Traffic::default(),
            disk_bytes: 0,
            log_start: Offset(0),
            high_watermark: Offset(high_watermark),
            end: Offset(high_watermark),
        }
    }

    fn told(gathered: Gathered) -> String {
        let mut text = Text::default();
        block_on(gathered.tell(&mut text, async || {}));
        text.into_string()
    }

    #[test]
    fn lag_is_told_where_the_log_is_known() {
        let mut gathered = Gathered::default();
        gathered.add(group("g", &[("t", 0, 3), ("t", 1, 9), ("gone", 0, 1)]));
        gathered.note_end("t", &partition(0, 5));
        gathered.note_end("t", &partition(1, 5));
        gathered.note_end("other", &partition(0, 5));
        let text = told(gathered);
        let series = |name: &str, topic: &str, partition: i32, value: i64| {
            format!("{name}{{group=\"g\",topic=\"{topic}\",partition=\"{partition}\"}} {value}\n")
        };
        assert!(text.contains(&series("corelog_group_lag_records", "t", 0, 2)), "{text}");
        assert!(text.contains(&series("corelog_group_lag_records", "t", 1, 0)), "{text}");
        assert!(text.contains(&series("corelog_group_committed_offset", "gone", 0, 1)), "{text}");
        assert_eq!(text.matches("corelog_group_lag_records{").count(), 2, "{text}");
        assert!(text.contains("corelog_groups{type=\"classic\",state=\"Stable\"} 1\n"), "{text}");
        assert!(text.contains("corelog_group_members{group=\"g\"} 2\n"), "{text}");
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let mut gathered = Gathered::default();
        for number in 0..=limits::METRICS_GROUPS_MAX {
            gathered.add(group(&format!("g{number}"), &[("t", 0, 3)]));
        }
        gathered.add(GroupFigures { offsets_left_out: 7, ..group("last", &[]) });
        let text = told(gathered);
        assert!(text.contains("corelog_groups_left_out{level=\"group\"} 2\n"), "{text}");
        assert!(text.contains("corelog_groups_left_out{level=\"offset\"} 8\n"), "{text}");
        let all = limits::METRICS_GROUPS_MAX + 2;
        assert!(text.contains(&format!("state=\"Stable\"}} {all}\n")), "{text}");
    }
}
