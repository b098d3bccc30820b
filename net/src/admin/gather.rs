//! Asks every core for its figures, and writes them. Waits for cores; never for long.

use std::{sync::Arc, time::Duration};

use engine::{
    base::{CoreId, TopicId},
    group::figures::GroupPage,
    shard::command::{Command, PartitionPage, Reply},
};
use futures_lite::future;
use glommio::timer::Timer;

use super::{Admin, exposition::Text, groups::Gathered, partitions::Collected, process};
use crate::limits;

impl Admin {
    /// The exposition; none if a core does not answer in time.
    pub(super) async fn metrics(&self) -> Option<String> {
        in_time(async {
            let calls: Vec<_> = self.cores().map(|core| self.node.call(core, Command::Measure)).collect();
            let mut all = Vec::with_capacity(calls.len());
            for call in calls {
                let Reply::Measured(figures) = call.await else {
                    unreachable!("a Measure is answered with Measured")
                };
                all.push(*figures);
            }
            let mut text = Text::default();
            text.figures(all);
            let mut groups = Gathered::default();
            for core in self.cores() {
                self.gather_groups(core, &mut groups).await;
            }
            let mut collected = Collected::default();
            for core in self.cores() {
                self.collect(core, &mut collected, &mut groups).await;
            }
            collected.tell(&mut text, future::yield_now).await;
            groups.tell(&mut text, future::yield_now).await;
            process::tell(&self.about, &mut text);
            text.into_string()
        })
        .await
    }

    /// Does every core answer?
    pub(super) async fn is_ready(&self) -> bool {
        let nothing = PartitionPage { after: None, count: 0 };
        in_time(async {
            let calls: Vec<_> =
                self.cores().map(|core| self.node.call(core, Command::MeasurePartitions(nothing))).collect();
            for call in calls {
                call.await;
            }
        })
        .await
        .is_some()
    }

    fn cores(&self) -> impl Iterator<Item = CoreId> + use<> {
        (0..self.about.cores).map(CoreId)
    }

    /// The groups that one core coordinates, a page at a time.
    async fn gather_groups(&self, core: CoreId, into: &mut Gathered) {
        let mut after = None;
        loop {
            let (groups, offsets) = (limits::METRICS_PAGE_GROUPS, into.room());
            let page = Command::MeasureGroups(GroupPage { after, groups, offsets });
            let Reply::GroupsMeasured(figures) = self.node.call(core, page).await else {
                unreachable!("a MeasureGroups is answered with GroupsMeasured")
            };
            let is_last = figures.len() < groups;
            after = figures.last().map(|one| one.group.clone());
            figures.into_iter().for_each(|one| into.add(one));
            if is_last {
                return;
            }
        }
    }

    /// One core's partitions, a page at a time: no turn is long.
    async fn collect(&self, core: CoreId, into: &mut Collected, groups: &mut Gathered) {
        let mut page = PartitionPage { after: None, count: limits::METRICS_PAGE_PARTITIONS };
        // Ordered by topic: one look-up for all partitions of one.
        let mut known: Option<(TopicId, Option<Arc<str>>)> = None;
        loop {
            let Reply::PartitionsMeasured(figures) =
                self.node.call(core, Command::MeasurePartitions(page)).await
            else {
                unreachable!("a MeasurePartitions is answered with PartitionsMeasured")
            };
            for one in &figures {
                let topic = one.partition.topic;
                let name = match &known {
                    Some((id, name)) if *id == topic => name.clone(),
                    _ => self.node.with_image(|image| Some(image.topic_by_id(topic)?.name.clone())),
                };
                known = Some((topic, name.clone()));
                // The metadata log is no topic, and a topic may be gone by now.
                if let Some(name) = name {
                    groups.note_end(&name, one);
                    into.add(name, *one);
                }
            }
            page.after = figures.last().map(|one| one.partition);
            if figures.len() < page.count {
                return;
            }
        }
    }
}

async fn in_time<T>(work: impl Future<Output = T>) -> Option<T> {
    let late = async {
        Timer::new(Duration::from_millis(limits::METRICS_WAIT_MS_MAX)).await;
        None
    };
    future::or(async { Some(work.await) }, late).await
}
