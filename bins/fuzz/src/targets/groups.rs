//! The records of `__consumer_offsets`, and a coordinator that loads any sequence of them: what is read is written as the same,
//! and the groups that come out of it take members whose protocol bytes are anything, and let time pass.
//!
//! ```text
//! again and again: what u8 · then
//!   0  a record: key (chunk) · has a value u8 · value (chunk); of a log that is loaded the coordinator is the only writer
//!   1  JoinGroup: group, member, instance (texts) · protocol name (text) · metadata (chunk)
//!   2  SyncGroup: group, member (texts) · generation u16 · for member (text) · assignment (chunk)
//!   3  time passes: seconds u8
//!   4  questions: group (text)
//! ```

use bytes::Bytes;
use engine::base::{CoreId, Now, PartitionIndex, Timestamp};
use engine::group::{
    Groups,
    config::GroupConfig,
    effects::Effects,
    record::GroupRecord,
    request::{Caller, Client, Join, MemberIds, Protocol, Request, SkipAssignment, Sync},
};

use crate::{Reached, input::Input};

const PARTITION: PartitionIndex = PartitionIndex(3);
/// Rings of one moment: alarms that set each other would never end.
const RINGS_MAX: usize = 10_000;
/// Moments with an alarm that somebody waits for.
const MOMENTS_MAX: usize = 1_000;

pub fn run(bytes: &[u8]) -> Reached {
    let mut coordinator = Coordinator::new();
    let mut input = Input::new(bytes);
    let mut reached = Reached::Refused;
    let mut loading = true;
    while !input.is_empty() {
        let what = input.u8() % 5;
        if loading && what != 0 {
            loading = false;
            let (_, effects) = coordinator.groups.start(coordinator.now, PARTITION, None, usize::MAX);
            coordinator.carry_out(effects);
        }
        match what {
            0 => {
                let key = input.chunk();
                let value = (input.u8() % 2 == 1).then(|| input.chunk());
                if let Some(record) = record(key, value).filter(|_| loading) {
                    reached = Reached::Taken;
                    coordinator.groups.apply(PARTITION, &record);
                }
            }
            1 => coordinator.send(Request::Join(join(&mut input, coordinator.calls))),
            2 => coordinator.send(Request::Sync(sync(&mut input))),
            3 => coordinator.pass(input.u8()),
            _ => coordinator.look_at(&input.text()),
        }
    }
    // Alarms set new ones: longer than any timeout of a request, second by second; those of records may be weeks.
    (0..600).for_each(|_| coordinator.pass(1));
    coordinator.pass_until_answered();
    assert_eq!(coordinator.answers, coordinator.calls, "every call has one answer once time has passed");
    reached
}

fn record(key: &[u8], value: Option<&[u8]>) -> Option<GroupRecord> {
    let record = GroupRecord::decode(key, value).ok()?;
    let again = GroupRecord::decode(&record.encode_key(), record.encode_value().as_deref());
    assert_eq!(again.as_ref().ok(), Some(&record), "{again:?}");
    Some(record)
}

/// `number`: ids that the coordinator makes up are made of it, and no two are the same.
fn join(input: &mut Input<'_>, number: u64) -> Join {
    let (group, member, instance) = (input.text(), input.text(), input.text());
    let protocol = Protocol { name: input.text().into(), metadata: Bytes::copy_from_slice(input.chunk()) };
    Join {
        group,
        ids: if member.is_empty() { MemberIds::Given } else { MemberIds::Required },
        member,
        instance: (!instance.is_empty()).then_some(instance),
        client: Client { id: "app".into(), host: "/10.0.0.1".into() },
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        reason: None,
        skip_assignment: SkipAssignment::Understood,
        entropy: u128::from(number).to_be_bytes(),
    }
}

fn sync(input: &mut Input<'_>) -> Sync {
    let (group, member) = (input.text(), input.text());
    let generation = input.u16().into();
    let assignments = vec![(input.text(), Bytes::copy_from_slice(input.chunk()))];
    Sync { group, generation, member, instance: None, protocol_type: None, protocol: None, assignments }
}

/// Whose log takes everything at once.
struct Coordinator {
    groups: Groups,
    now: Now,
    calls: u64,
    answers: u64,
}

impl Coordinator {
    fn new() -> Coordinator {
        let groups = Groups::new(GroupConfig { bytes_max: 1 << 20, ..GroupConfig::default() });
        let now = Now { mono_ns: 1, wall: Timestamp(1_700_000_000_000) };
        Coordinator { groups, now, calls: 0, answers: 0 }
    }

    fn send(&mut self, request: Request) {
        self.calls += 1;
        let caller = Caller { core: CoreId(0), number: self.calls };
        let effects = self.groups.handle(self.now, caller, request, &|_| Ok(PARTITION));
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Effects) {
        self.answers += (effects.replies.len() + effects.settled.len()) as u64;
        for proposal in effects.proposals {
            for record in &proposal.records {
                let read = GroupRecord::decode(&record.encode_key(), record.encode_value().as_deref());
                assert_eq!(read.as_ref().ok(), Some(record), "what is proposed can be read again");
            }
            let (replies, effects) = self.groups.accept(self.now, proposal);
            self.answers += replies.len() as u64;
            self.carry_out(effects);
        }
    }

    fn pass(&mut self, seconds: u8) {
        self.pass_ms(u64::from(seconds) * 1000);
    }

    /// From alarm to alarm, however far they are apart.
    fn pass_until_answered(&mut self) {
        for _ in 0..MOMENTS_MAX {
            let Some(due) = self.groups.next_deadline().filter(|_| self.answers < self.calls) else { return };
            self.pass_ms(due.0.saturating_sub(self.now.mono_ns).div_ceil(1_000_000));
        }
    }

    fn pass_ms(&mut self, ms: u64) {
        self.now.mono_ns += ms * 1_000_000;
        self.now.wall.0 += ms as i64;
        for _ in 0..RINGS_MAX {
            if !self.groups.next_deadline().is_some_and(|due| self.now.reached(due)) {
                return;
            }
            if let Some(effects) = self.groups.ring(self.now) {
                self.carry_out(effects);
            }
        }
        panic!("{RINGS_MAX} alarms at one time");
    }

    fn look_at(&mut self, group: &str) {
        self.send(Request::Describe(vec![group.to_owned()]));
        self.send(Request::DescribeConsumer(vec![group.to_owned()]));
        self.send(Request::Delete(vec![group.to_owned()]));
    }
}
