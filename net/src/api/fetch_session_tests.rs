//! The cache of fetch sessions: what it tells, what it refuses, and who has to go when it is full.

use super::*;

const LIMITS: SessionLimits = SessionLimits { sessions: 2, partitions: 100 };

fn part(partition: i32, offset: i64) -> Part {
    Part { topic: "orders".into(), partition, offset, bytes_max: 10, leader_epoch: -1, ..Default::default() }
}

fn parts(partitions: std::ops::Range<i32>) -> Vec<Part> {
    partitions.map(|partition| part(partition, 0)).collect()
}

fn peer(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn asked(id: i32, epoch: i32) -> Asked {
    Asked { id, epoch, named: Named::ByName, reader: Reader::Consumer, peer: peer(1) }
}

fn told(high_watermark: i64) -> Told {
    Told { error: ErrorCode::None, high_watermark, log_start: 0, has_records: false }
}

/// A session of so many partitions, each at high watermark 5; its id.
fn open(sessions: &mut FetchSessions, partitions: i32, now_ms: u64) -> i32 {
    let all = parts(0..partitions);
    let context = sessions.begin(asked(NONE, 0), all.clone(), &[], now_ms).unwrap();
    assert_eq!(context, Context::Full(all.clone()));
    let random = now_ms as u32 * 31 + partitions as u32;
    sessions.open(asked(NONE, 0), all, &vec![told(5); partitions as usize], now_ms, random)
}

fn goes_on(sessions: &mut FetchSessions, id: i32, epoch: i32) -> Result<Context, ErrorCode> {
    sessions.begin(asked(id, epoch), Vec::new(), &[], 0)
}

#[test]
fn only_partitions_with_news_are_told() {
    let mut sessions = FetchSessions::new(CoreId(0), LIMITS);
    let id = open(&mut sessions, 4, 0);
    assert_ne!(id, NONE);
    assert_eq!(goes_on(&mut sessions, id, 1).unwrap().parts(), parts(0..4));
    let failed = Told { error: ErrorCode::NotLeaderOrFollower, ..told(-1) };
    let records = Told { has_records: true, ..told(6) };
    let news = sessions.tell(id, 2, &[told(5), records, told(6), failed]);
    assert_eq!(news, Ok(vec![false, true, true, true]));
    // What had records is served last; what had failed is told again though it is as it was.
    let context = goes_on(&mut sessions, id, 2).unwrap();
    let order: Vec<i32> = context.parts().iter().map(|part| part.partition).collect();
    assert_eq!(order, [0, 2, 3, 1]);
    let news = sessions.tell(id, 3, &[told(5), told(6), told(5), told(6)]);
    assert_eq!(news, Ok(vec![false, false, true, false]));
}

#[test]
fn a_request_adds_changes_and_forgets_partitions() {
    let mut sessions = FetchSessions::new(CoreId(0), LIMITS);
    let id = open(&mut sessions, 3, 0);
    let named = vec![part(1, 9), part(7, 2)];
    let context = sessions.begin(asked(id, 1), named, &[part(0, 0)], 0).unwrap();
    assert_eq!(context.parts(), [part(1, 9), part(2, 0), part(7, 2)]);
    assert_eq!(sessions.partitions, 3);
    // With its last partition the session ends.
    let forgotten = [part(1, 0), part(2, 0), part(7, 0)];
    let context = sessions.begin(asked(id, 2), Vec::new(), &forgotten, 0).unwrap();
    assert_eq!(context, Context::Sessionless(Vec::new()));
    assert_eq!(goes_on(&mut sessions, id, 3), Err(ErrorCode::FetchSessionIdNotFound));
    assert_eq!(sessions.partitions, 0);
}

#[test]
fn a_wrong_epoch_a_wrong_id_and_another_way_of_naming_are_refused() {
    let mut sessions = FetchSessions::new(CoreId(0), LIMITS);
    let id = open(&mut sessions, 1, 0);
    assert_eq!(goes_on(&mut sessions, id, 2), Err(ErrorCode::InvalidFetchSessionEpoch));
    assert_eq!(goes_on(&mut sessions, id + 1, 1), Err(ErrorCode::FetchSessionIdNotFound));
    let by_id = Asked { named: Named::ById, ..asked(id, 1) };
    let error = sessions.begin(by_id, Vec::new(), &[], 0);
    assert_eq!(error, Err(ErrorCode::FetchSessionTopicIdError));
    assert!(goes_on(&mut sessions, id, 1).is_ok());
    // A second request overtakes the first one's answer.
    assert!(goes_on(&mut sessions, id, 2).is_ok());
    assert_eq!(sessions.tell(id, 2, &[told(5)]), Err(ErrorCode::InvalidFetchSessionEpoch));
    assert_eq!(sessions.tell(id, 3, &[told(5)]), Ok(vec![false]));
}

#[test]
fn a_full_fetch_ends_the_session_that_it_names() {
    let mut sessions = FetchSessions::new(CoreId(0), LIMITS);
    for epoch in [0, -1] {
        let id = open(&mut sessions, 1, 0);
        let context = sessions.begin(asked(id, epoch), parts(0..1), &[], 0).unwrap();
        assert_eq!(context.parts(), parts(0..1));
        assert_eq!(goes_on(&mut sessions, id, 1), Err(ErrorCode::FetchSessionIdNotFound));
    }
    assert!(sessions.sessions.is_empty());
}

#[test]
fn a_full_cache_lets_go_of_the_unused_and_of_smaller_ones_that_are_old() {
    let mut sessions = FetchSessions::new(CoreId(0), LIMITS);
    let small = open(&mut sessions, 2, 0);
    let large = open(&mut sessions, 5, 0);
    assert_eq!(open(&mut sessions, 9, EVICTION_MS), NONE, "nothing is old yet");
    // Used a moment ago, but old: the smaller goes, and only for a bigger one.
    for id in [small, large] {
        assert!(sessions.begin(asked(id, 1), Vec::new(), &[], EVICTION_MS).is_ok());
    }
    assert_eq!(open(&mut sessions, 2, EVICTION_MS + 1), NONE);
    let bigger = open(&mut sessions, 3, EVICTION_MS + 1);
    assert_ne!(bigger, NONE);
    assert_eq!(goes_on(&mut sessions, small, 2), Err(ErrorCode::FetchSessionIdNotFound));
    // Unused for two minutes: the longest unused goes, whoever asks.
    assert_ne!(open(&mut sessions, 1, 2 * EVICTION_MS + 1), NONE);
    assert_eq!(goes_on(&mut sessions, large, 2), Err(ErrorCode::FetchSessionIdNotFound));
    assert!(goes_on(&mut sessions, bigger, 1).is_ok());
}

#[test]
fn a_follower_displaces_a_consumer() {
    let mut sessions = FetchSessions::new(CoreId(0), LIMITS);
    let consumers = [open(&mut sessions, 5, 0), open(&mut sessions, 6, 0)];
    let follower = Asked { reader: Reader::Follower, ..asked(NONE, 0) };
    assert_ne!(sessions.open(follower, parts(0..1), &[told(5)], 0, 99), NONE);
    assert_eq!(goes_on(&mut sessions, consumers[0], 1), Err(ErrorCode::FetchSessionIdNotFound));
    assert!(goes_on(&mut sessions, consumers[1], 1).is_ok());
}

#[test]
fn partitions_of_all_sessions_are_bounded() {
    let mut sessions = FetchSessions::new(CoreId(0), LIMITS);
    assert_eq!(open(&mut sessions, 101, 0), NONE);
    let id = open(&mut sessions, 60, 0);
    assert_eq!(open(&mut sessions, 60, 0), NONE);
    let other = open(&mut sessions, 40, 0);
    assert_ne!(other, NONE);
    // One that outgrows the bound begins again.
    let grown = sessions.begin(asked(id, 1), parts(60..70), &[], 0);
    assert_eq!(grown, Err(ErrorCode::FetchSessionIdNotFound));
    assert_eq!(sessions.partitions, 40);
    let nothing = FetchSessions::new(CoreId(0), SessionLimits::default());
    assert_eq!(open(&mut { nothing }, 1, 0), NONE);
}

#[test]
fn a_session_of_one_core_is_not_found_on_another() {
    let mut first = FetchSessions::new(CoreId(0), LIMITS);
    let mut second = FetchSessions::new(CoreId(1), LIMITS);
    let ids = [open(&mut first, 1, 0), open(&mut second, 1, 0)];
    assert_ne!(ids[0], ids[1]);
    assert_eq!(goes_on(&mut first, ids[1], 1), Err(ErrorCode::FetchSessionIdNotFound));
    assert_eq!(goes_on(&mut second, ids[0], 1), Err(ErrorCode::FetchSessionIdNotFound));
    let last = FetchSessions::new(CoreId(u16::MAX), LIMITS);
    assert!(last.ids.start > 0 && !last.ids.is_empty());
}

#[test]
fn epochs_go_round_without_the_first() {
    assert_eq!([next_epoch(0), next_epoch(i32::MAX)], [1, 1]);
}

#[test]
fn a_session_goes_to_another_core_with_its_connection() {
    let [mut here, mut there] = [0, 1].map(|core| FetchSessions::new(CoreId(core), LIMITS));
    let id = open(&mut here, 3, 0);
    assert!(here.take_of(peer(2)).is_empty());
    there.put(here.take_of(peer(1)));
    assert_eq!(goes_on(&mut here, id, 1), Err(ErrorCode::FetchSessionIdNotFound));
    assert_eq!((here.partitions, there.partitions), (0, 3));
    assert_eq!(goes_on(&mut there, id, 1).unwrap().parts(), parts(0..3));
    // Where there is no room it ends; its reader begins again.
    let mut full = FetchSessions::new(CoreId(2), SessionLimits { partitions: 2, ..LIMITS });
    full.put(there.take_of(peer(1)));
    assert_eq!(goes_on(&mut full, id, 2), Err(ErrorCode::FetchSessionIdNotFound));
    assert_eq!(full.partitions, 0);
}
