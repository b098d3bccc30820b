//! Whatever members, topics and time do: one partition has never two readers, and when all is quiet everything is read.

use super::clients::Client;
use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Event {
    Join {
        instance: Option<u8>,
        topics: u8,
    },
    Beat(prop::sample::Index),
    /// The request arrives, the answer does not.
    BeatUnheard(prop::sample::Index),
    Leave(prop::sample::Index),
    Away(prop::sample::Index),
    Crash(prop::sample::Index),
    Resubscribe(prop::sample::Index, u8),
    Grow(u8),
    Recreate(u8),
    Pass(u16),
    Reload,
}

fn event() -> impl Strategy<Value = Event> {
    let who = any::<prop::sample::Index>;
    prop_oneof![
        2 => (proptest::option::of(0u8..2), 0u8..8).prop_map(|(instance, topics)| Event::Join { instance, topics }),
        12 => who().prop_map(Event::Beat),
        2 => who().prop_map(Event::BeatUnheard),
        1 => who().prop_map(Event::Leave),
        1 => who().prop_map(Event::Away),
        1 => who().prop_map(Event::Crash),
        1 => (who(), 0u8..8).prop_map(|(who, topics)| Event::Resubscribe(who, topics)),
        1 => (0u8..3).prop_map(Event::Grow),
        1 => (0u8..3).prop_map(Event::Recreate),
        2 => (0u16..30_000).prop_map(Event::Pass),
        1 => Just(Event::Reload),
    ]
}

const NAMES: [&str; 3] = ["foo", "bar", "baz"];

fn named(mask: u8) -> Vec<&'static str> {
    NAMES.into_iter().enumerate().filter(|(at, _)| mask >> at & 1 == 1).map(|(_, name)| name).collect()
}

struct Run {
    world: World,
    clients: Vec<Client>,
    born: usize,
    next_topic: u8,
}

impl Run {
    fn new(assignment_interval_ms: i64) -> Run {
        let mut world = World::new();
        world.settings.assignment_interval_ms = assignment_interval_ms;
        world.topics.set("bar", 2, 4);
        Run { world, clients: Vec::new(), born: 0, next_topic: 3 }
    }

    fn beat(&mut self, at: usize, heard: bool) {
        let client = &mut self.clients[at];
        client.obey();
        let answer = self.world.beat(&client.request());
        if heard {
            client.hear(answer);
            // A member that is fenced has stopped; one that lives reads no more than the group thinks it does.
            self.nobody_reads_what_another_reads();
        } else {
            client.miss();
        }
    }

    /// A client owns only what the group counts as its, so two never own the same.
    fn nobody_reads_what_another_reads(&self) {
        let mut read = BTreeSet::new();
        for client in &self.clients {
            // Who was fenced and has not heard of it yet is a zombie: its commits are refused.
            let Some(member) = self.world.group.member(&client.id) else { continue };
            if member.epoch.0 < client.epoch || client.epoch == 0 || member.epoch == Epoch::LEAVE_STATIC {
                continue;
            }
            for partition in &client.owned {
                assert!(read.insert(*partition), "{partition:?} is read twice");
            }
        }
    }

    fn take(&mut self, at: usize, epoch: i32) {
        let client = self.clients.remove(at);
        if client.epoch > 0 {
            let mut request = plain(&client.id, epoch);
            request.instance = client.instance;
            let _ = self.world.beat(&request);
        }
    }

    fn step(&mut self, event: Event) {
        let pick = |index: &prop::sample::Index, count: usize| (count > 0).then(|| index.index(count));
        let count = self.clients.len();
        match event {
            Event::Join { instance, topics } => {
                self.born += 1;
                let id = format!("member-{:03}", self.born);
                let instance = instance.map(|instance| format!("instance-{instance}"));
                self.clients.push(Client::new(id, instance, named(topics)));
            }
            Event::Beat(who) => pick(&who, count).into_iter().for_each(|at| self.beat(at, true)),
            Event::BeatUnheard(who) => pick(&who, count).into_iter().for_each(|at| self.beat(at, false)),
            Event::Leave(who) => pick(&who, count).into_iter().for_each(|at| self.take(at, -1)),
            Event::Away(who) => {
                if let Some(at) = pick(&who, count) {
                    let epoch = if self.clients[at].instance.is_some() { -2 } else { -1 };
                    self.take(at, epoch);
                }
            }
            Event::Crash(who) => {
                if let Some(at) = pick(&who, count) {
                    self.clients.remove(at);
                }
            }
            Event::Resubscribe(who, topics) => {
                if let Some(at) = pick(&who, count) {
                    self.clients[at].resubscribe(named(topics));
                }
            }
            Event::Grow(topic) => {
                let name = NAMES[usize::from(topic)];
                if let Some((id, partitions)) = self.world.topics.by_name(name) {
                    self.world.topics.set(name, id.0[0], partitions + 1);
                }
            }
            Event::Recreate(topic) => {
                let name = NAMES[usize::from(topic)];
                self.next_topic += 1;
                self.world.topics.set(name, self.next_topic, 3);
            }
            Event::Pass(ms) => self.world.pass(i64::from(ms)),
            Event::Reload => {
                self.world.group = self.world.loaded();
                let alarms = self.world.group.alarms_when_loaded(&self.world.cx());
                self.world.alarms.clear();
                self.world.accept(&Decision { alarms, ..Decision::default() });
            }
        }
    }

    /// Nothing happens any more but heartbeats.
    fn settle(&mut self) {
        for _ in 0..40 {
            for at in 0..self.clients.len() {
                self.beat(at, true);
            }
            self.world.pass(5_000);
        }
    }

    fn everything_is_read(&self) {
        let mut wanted = BTreeSet::new();
        let mut read = BTreeSet::new();
        for client in self.clients.iter().filter(|client| client.epoch > 0) {
            for name in &client.topics {
                if let Some((topic, partitions)) = self.world.topics.by_name(name) {
                    wanted.extend((0..partitions).map(|index| (topic, PartitionIndex(index))));
                }
            }
            read.extend(client.owned.iter().copied());
        }
        assert_eq!(read, wanted);
        let members = self.clients.iter().filter(|client| client.epoch > 0).count();
        assert_eq!(self.world.group.len(), members);
        assert!(members == 0 || self.world.group.state() == State::Stable);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn a_partition_has_never_two_readers_and_in_the_end_one(
        events in proptest::collection::vec(event(), 1..80),
        interval in prop_oneof![Just(0i64), Just(1_000)],
    ) {
        let mut run = Run::new(interval);
        for event in events {
            run.step(event);
        }
        run.settle();
        run.everything_is_read();
    }
}
