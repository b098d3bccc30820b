//! A client as KIP-848 wants it: it owns what it was told, gives up before it goes on, and begins anew when it is fenced.

use super::*;

pub(super) struct Client {
    pub id: String,
    pub instance: Option<String>,
    pub topics: Vec<&'static str>,
    pub epoch: i32,
    pub owned: BTreeSet<(TopicId, PartitionIndex)>,
    /// What it was told last; it gives up and takes up a heartbeat later.
    told: BTreeSet<(TopicId, PartitionIndex)>,
    says_all: bool,
}

impl Client {
    pub fn new(id: String, instance: Option<String>, topics: Vec<&'static str>) -> Client {
        Client {
            id,
            instance,
            topics,
            epoch: 0,
            owned: BTreeSet::new(),
            told: BTreeSet::new(),
            says_all: true,
        }
    }

    pub fn request(&self) -> ConsumerHeartbeat {
        let mut owned: BTreeMap<TopicId, Vec<PartitionIndex>> = BTreeMap::new();
        for (topic, partition) in &self.owned {
            owned.entry(*topic).or_default().push(*partition);
        }
        let mut request = plain(&self.id, self.epoch);
        request.instance.clone_from(&self.instance);
        if self.says_all || self.epoch == 0 {
            request.rebalance_timeout_ms = 20_000;
            request.topics = Some(self.topics.iter().map(|topic| topic.to_string()).collect());
        }
        request.owned = Some(owned.into_iter().collect());
        request
    }

    pub fn resubscribe(&mut self, topics: Vec<&'static str>) {
        self.topics = topics;
        self.says_all = true;
    }

    pub fn hear(&mut self, answer: Result<ConsumerHeartbeatReply, ErrorCode>) {
        match answer {
            Ok(reply) => {
                self.epoch = reply.epoch.0;
                self.says_all = false;
                if let Some(assignment) = reply.assignment {
                    let all = assignment.into_iter();
                    self.told =
                        all.flat_map(|(topic, set)| set.into_iter().map(move |p| (topic, p))).collect();
                }
            }
            // It will be let in when the one before it is over.
            Err(ErrorCode::UnreleasedInstanceId) => {}
            Err(ErrorCode::FencedMemberEpoch | ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId) => {
                self.begin_anew();
            }
            Err(other) => panic!("{other}"),
        }
    }

    /// No answer came: it says everything again, and is told everything again.
    pub fn miss(&mut self) {
        self.says_all = true;
    }

    pub fn begin_anew(&mut self) {
        (self.epoch, self.says_all) = (0, true);
        self.owned.clear();
        self.told.clear();
    }

    /// Stops and starts reading as it was told.
    pub fn obey(&mut self) {
        self.owned.clone_from(&self.told);
    }
}
