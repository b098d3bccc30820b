//! Fetch (1), versions 4–18 (leader epochs: KIP-320; sessions: KIP-227; topic ids: KIP-516).
//!
//! Asks each owning core for what is there. If that is less than `min_bytes`, and nothing failed, it waits: a Watch on each
//! of these cores for its part of what is missing; the first to wake ends the others, and all is fetched again, until
//! there is enough or `max_wait_ms` has passed. Partitions share `max_bytes` in the order asked; the first with data gives at
//! least one batch. What a session leaves out of requests and responses is added and taken away around this
//! (`fetch_sessions.rs`). What is fetched takes its memory from the core's before it is read (`fetch_lease.rs`), and holds none while it
//! waits. The last stable offset is the high watermark until transactions exist.

use std::{future::poll_fn, pin::Pin, rc::Rc, task::Poll};

use bytes::Bytes;
use engine::{
    base::{CoreId, Deadline, LeaderEpoch, Offset, PartitionIndex, TopicPartition},
    controller::Image,
    error::ErrorCode,
    record::{self, Codec},
    shard::command::{Bearer, Command, Fetch, FetchPartition, Fetched, Reply, Watch},
};

use super::{
    Api,
    fetch_lease::{self, Lease},
    fetch_parts::{self, Named, Part},
    fetch_sessions::{self, Context, Reader, Told},
    split::Split,
};
use crate::{
    conn::{Answer, Holding, Lies, Peer, Permit},
    limits,
    wire::{
        Records,
        fetch::{FetchRequest, FetchResponse, PartitionData},
    },
};

/// The first version whose readers know zstd (KIP-110).
const ZSTD_SINCE: i16 = 10;

/// One partition of the request, in order.
enum Asked {
    Core(CoreId, FetchPartition),
    Refused(ErrorCode),
}

pub(super) async fn handle(
    api: Rc<Api>,
    request: FetchRequest,
    version: i16,
    correlation: i32,
    peer: Peer,
) -> Answer {
    let session = fetch_sessions::Asked {
        id: request.session_id,
        epoch: request.session_epoch,
        named: Named::of(version),
        reader: if request.replica_id.max(request.replica_state.replica_id) >= 0 {
            Reader::Follower
        } else {
            Reader::Consumer
        },
        peer: peer.address,
    };
    let parts = fetch_parts::of(&request);
    let forgotten = fetch_parts::forgotten(&request);
    let begun = api.sessions.borrow_mut().begin(session, parts, &forgotten, api.node.now().mono_ms());
    let (mut memory, mut lies) = (None, None);
    let response = match begun {
        Ok(context) => {
            // Records in files are not looked into.
            let bearer = if version < ZSTD_SINCE { Bearer::Memory } else { Bearer::File };
            let asked = (context.parts(), session.named, bearer);
            let (fetched, permit, where_asked) = poll(&api, &request, asked, peer.holding).await;
            (memory, lies) = (Some(permit), where_asked);
            let fetched: Vec<_> = fetched.into_iter().map(|one| readable(one, version)).collect();
            let mut sessions = api.sessions.borrow_mut();
            let told: Vec<Told> = fetched.iter().map(told).collect();
            let read_committed = request.isolation_level == 1;
            let respond = |parts: Vec<Part>| {
                parts.into_iter().zip(fetched).map(move |(part, fetched)| {
                    let data = data(&part, fetched, read_committed);
                    (part, data)
                })
            };
            match context {
                Context::Sessionless(parts) => {
                    Ok((fetch_sessions::NONE, fetch_parts::by_topic(respond(parts))))
                }
                Context::Full(parts) => {
                    let [a, b, c, d, ..] = api.node.random();
                    let (now_ms, random) = (api.node.now().mono_ms(), u32::from_be_bytes([a, b, c, d]));
                    let id = sessions.open(session, parts.clone(), &told, now_ms, random);
                    Ok((id, fetch_parts::by_topic(respond(parts))))
                }
                Context::Incremental { id, epoch, parts } => sessions.tell(id, epoch, &told).map(|news| {
                    let all = respond(parts).zip(news);
                    (id, fetch_parts::by_topic(all.filter(|(_, news)| *news).map(|(answer, _)| answer)))
                }),
            }
        }
        Err(error) => Err(error),
    };
    let response = match response {
        Ok((session_id, responses)) => FetchResponse { session_id, responses, ..Default::default() },
        Err(error) => FetchResponse { error_code: error.code(), ..Default::default() },
    };
    let answer = super::reply(&response, version, correlation).about(lies);
    match memory {
        Some(permit) => answer.holding(permit),
        None => answer,
    }
}

/// What there is, once it is enough or the time is over.
async fn poll(
    api: &Rc<Api>,
    request: &FetchRequest,
    (parts, named, bearer): (&[Part], Named, Bearer),
    holding: Holding,
) -> (Vec<Fetched>, Permit, Option<Lies>) {
    let wait_ms = u64::try_from(request.max_wait_ms).unwrap_or(0).min(limits::FETCH_WAIT_MS_MAX);
    let deadline = api.node.now().after_ms(wait_ms);
    let bytes_min = usize::try_from(request.min_bytes).unwrap_or(0);
    let bytes_max = u32::try_from(request.max_bytes).unwrap_or(0).min(api.broker.fetch_bytes_max);
    let wanted =
        parts.iter().map(|part| usize::try_from(part.bytes_max).unwrap_or(0)).fold(0, usize::saturating_add);
    let wanted = wanted.min(bytes_max as usize);
    let mut bytes_before = None;
    loop {
        let asked = api.node.with_image(|image| place(image, parts, named));
        let lease = fetch_lease::take(&api.memory.answers, wanted, holding).await;
        let (mut fetched, permit) = fetch_leased(api, &asked, bytes_max, bearer, lease).await;
        let bytes: usize = fetched.iter().map(Fetched::bytes).sum();
        // A Watch that woke without more to read saw something else happen: answer with what there is.
        let stuck = bytes_before.replace(bytes) == Some(bytes);
        let enough = bytes >= bytes_min || stuck || wait_ms == 0 || asked.is_empty();
        if enough || api.node.now().reached(deadline) || !fetched.iter().all(is_at_end) {
            return (fetched, permit, lies(&asked));
        }
        // Nothing is held while it waits.
        fetched.iter_mut().for_each(|one| (one.records, one.range) = (Vec::new(), None));
        drop(permit);
        watch(api, &asked, &fetched, bytes_min - bytes, deadline).await;
    }
}

fn lies(asked: &[Asked]) -> Option<Lies> {
    Lies::of(asked.iter().filter_map(|one| match one {
        Asked::Core(core, _) => Some(*core),
        Asked::Refused(_) => None,
    }))
}

/// Is there nothing to read behind what was fetched, and no error to tell?
fn is_at_end(fetched: &Fetched) -> bool {
    let last = fetched.records.last().and_then(|records| record::headers(records).last());
    let next = last.map(|(_, header)| header.next_offset());
    let next = fetched.range.as_ref().map_or(next, |range| Some(range.next));
    fetched.error == ErrorCode::None && next.is_none_or(|next| next >= fetched.high_watermark)
}

fn place(image: &Image, parts: &[Part], named: Named) -> Vec<Asked> {
    let place = |part: &Part| {
        let (topic, unknown) = match named {
            Named::ById => (image.topic_by_id(part.topic_id), ErrorCode::UnknownTopicId),
            Named::ByName => (image.topic(&part.topic), ErrorCode::UnknownTopicOrPartition),
        };
        let index = PartitionIndex(part.partition);
        match topic.map(|topic| (topic.id, topic.partition(index))) {
            None => Asked::Refused(unknown),
            Some((_, None)) => Asked::Refused(ErrorCode::UnknownTopicOrPartition),
            Some((topic, Some(image))) => Asked::Core(
                image.core,
                FetchPartition {
                    partition: TopicPartition { topic, partition: index },
                    offset: Offset(part.offset),
                    bytes_max: u32::try_from(part.bytes_max).unwrap_or(0),
                    leader_epoch: (part.leader_epoch >= 0).then_some(LeaderEpoch(part.leader_epoch)),
                },
            ),
        }
    };
    parts.iter().map(place).collect()
}

/// What is there now, as far as there is memory for it.
async fn fetch_leased(
    api: &Rc<Api>,
    asked: &[Asked],
    bytes_max: u32,
    bearer: Bearer,
    lease: Lease,
) -> (Vec<Fetched>, Permit) {
    let bytes_max = bytes_max.min(u32::try_from(lease.bytes()).unwrap_or(u32::MAX));
    let fetched = fetch(api, asked, bytes_max, bearer).await;
    let bytes = fetched.iter().map(cost).sum();
    let memory = match lease.settle(bytes) {
        Ok(permit) => return (fetched, permit),
        Err(memory) => memory,
    };
    // One large batch, or many small ones: given back, and read again when there is room.
    drop(fetched);
    let mut permit = memory.await;
    let fetched = fetch(api, asked, bytes_max, bearer).await;
    permit.resize(fetched.iter().map(cost).sum());
    (fetched, permit)
}

/// What an answer occupies until it is sent: what is in a file, nothing.
fn cost(fetched: &Fetched) -> usize {
    fetched.memory_bytes() + fetched.records.len() * limits::PIECE_COST_BYTES
}

/// What is there now, in the order asked.
async fn fetch(api: &Rc<Api>, asked: &[Asked], bytes_max: u32, bearer: Bearer) -> Vec<Fetched> {
    let mut split = Split::default();
    for partition in asked {
        match partition {
            Asked::Core(core, partition) => split.push(*core, partition.clone()),
            Asked::Refused(_) => split.skip(),
        }
    }
    let (groups, order) = split.take();
    let cores = groups.len();
    let calls: Vec<_> = groups
        .into_iter()
        .map(|(core, partitions)| {
            api.node.call(core, Command::Fetch(Fetch { partitions, bytes_max, bearer }))
        })
        .collect();
    let mut answers = Vec::with_capacity(cores);
    for call in calls {
        let Reply::Fetched(fetched) = call.await else { unreachable!("a Fetch is answered with Fetched") };
        answers.push(fetched);
    }
    let mut fetched: Vec<Fetched> = order
        .restore(answers)
        .zip(asked)
        .map(|(fetched, asked)| match (fetched, asked) {
            (Some(fetched), _) => fetched,
            (None, Asked::Refused(error)) => refused(*error),
            (None, Asked::Core(..)) => refused(ErrorCode::UnknownServerError),
        })
        .collect();
    if cores > 1 {
        share(&mut fetched, bytes_max as usize);
    }
    fetched
}

/// Each core has kept to `bytes_max` by itself; together they may have exceeded it. What comes later in the request goes.
fn share(fetched: &mut [Fetched], bytes_max: usize) {
    let mut bytes = 0;
    for partition in fetched {
        let kept = partition.records.iter().take_while(|records| {
            let fits = bytes == 0 || bytes + records.len() <= bytes_max;
            bytes += if fits { records.len() } else { 0 };
            fits
        });
        let kept = kept.count();
        let length = partition.range.as_ref().map_or(0, |range| range.bytes.length as usize);
        let range_goes = bytes > 0 && bytes + length > bytes_max && length > 0;
        bytes += if range_goes { 0 } else { length };
        if kept < partition.records.len() || range_goes {
            partition.records.truncate(kept);
            partition.range = partition.range.take().filter(|_| !range_goes);
            // Nothing more goes in, or a later batch would take the place of an earlier one.
            bytes = bytes.max(bytes_max).max(1);
        }
    }
}

/// Waits until one core has its part of the missing bytes, or until the deadline.
async fn watch(api: &Rc<Api>, asked: &[Asked], fetched: &[Fetched], missing: usize, deadline: Deadline) {
    let mut split = Split::default();
    for (asked, fetched) in asked.iter().zip(fetched) {
        if let Asked::Core(core, partition) = asked {
            // Everything up to there was returned; an offset beyond it was an error.
            split.push(*core, (partition.partition, fetched.high_watermark.max(partition.offset)));
        }
    }
    let (groups, _) = split.take();
    let share = missing.div_ceil(groups.len().max(1)).max(1);
    let bytes_min = u32::try_from(share).unwrap_or(u32::MAX);
    let mut calls: Vec<_> = groups
        .into_iter()
        .map(|(core, partitions)| {
            api.node.call(core, Command::Watch(Watch { partitions, bytes_min, deadline }))
        })
        .collect();
    // Dropping the other calls cancels their Watches.
    poll_fn(|cx| {
        let woken = calls.iter_mut().any(|call| Pin::new(call).poll(cx).is_ready());
        if woken || calls.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await
}

fn refused(error: ErrorCode) -> Fetched {
    let none = Offset(-1);
    let (records, range) = (Vec::new(), None);
    Fetched { error, high_watermark: none, last_stable: none, log_start: none, records, range }
}

/// Readers of older versions cannot open zstd (KIP-110): they are told so rather than sent what they would choke on.
fn readable(fetched: Fetched, version: i16) -> Fetched {
    let is_zstd = |header: record::BatchHeader| header.codec() == Ok(Codec::Zstd);
    let holds_zstd = |records: &Bytes| record::headers(records).any(|(_, header)| is_zstd(header));
    if version < ZSTD_SINCE && fetched.records.iter().any(holds_zstd) {
        let error = ErrorCode::UnsupportedCompressionType;
        return Fetched { error, records: Vec::new(), ..fetched };
    }
    fetched
}

fn told(fetched: &Fetched) -> Told {
    Told {
        error: fetched.error,
        high_watermark: fetched.high_watermark.0,
        log_start: fetched.log_start.0,
        has_records: !fetched.is_empty(),
    }
}

fn data(part: &Part, fetched: Fetched, read_committed: bool) -> PartitionData {
    PartitionData {
        partition_index: part.partition,
        error_code: fetched.error.code(),
        high_watermark: fetched.high_watermark.0,
        last_stable_offset: fetched.last_stable.0,
        log_start_offset: fetched.log_start.0,
        aborted_transactions: read_committed.then(Vec::new),
        records: Some(match fetched.range {
            Some(range) => Records::in_file(range.bytes),
            None => fetched.records.into_iter().collect(),
        }),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetched(sizes: &[usize]) -> Fetched {
        let records = sizes.iter().map(|size| Bytes::from(vec![0; *size])).collect();
        Fetched { error: ErrorCode::None, records, ..refused(ErrorCode::None) }
    }

    fn kept(partitions: &[&[usize]], bytes_max: usize) -> Vec<Vec<usize>> {
        let mut partitions: Vec<Fetched> = partitions.iter().map(|sizes| fetched(sizes)).collect();
        share(&mut partitions, bytes_max);
        partitions.iter().map(|p| p.records.iter().map(Bytes::len).collect()).collect()
    }

    #[test]
    fn partitions_share_the_limit_in_the_order_asked() {
        assert_eq!(kept(&[&[10, 10], &[10]], 30), [vec![10, 10], vec![10]]);
        assert_eq!(kept(&[&[10, 10], &[10]], 29), [vec![10, 10], vec![]]);
        assert_eq!(kept(&[&[10, 10], &[5]], 15), [vec![10], vec![]]);
    }

    #[test]
    fn the_first_batch_goes_out_whatever_its_size() {
        assert_eq!(kept(&[&[], &[100, 1], &[1]], 10), [vec![], vec![100], vec![]]);
        assert_eq!(kept(&[&[100], &[1]], 0), [vec![100], vec![]]);
    }

    #[test]
    fn a_reader_that_cannot_open_zstd_is_told_so() {
        for (codec, refused_below) in [(Codec::Zstd, ZSTD_SINCE), (Codec::Lz4, 0)] {
            let mut builder = record::BatchBuilder::new(codec, 1 << 10);
            assert!(builder.push(record::RecordData::default()));
            let records = vec![builder.build().unwrap()];
            for version in [4, 9, 10, 17] {
                let sent =
                    Fetched { error: ErrorCode::None, records: records.clone(), ..refused(ErrorCode::None) };
                let answered = readable(sent, version);
                assert_eq!(answered.error == ErrorCode::UnsupportedCompressionType, version < refused_below);
                assert_eq!(answered.records.is_empty(), version < refused_below);
            }
        }
    }

    #[test]
    fn an_unknown_topic_is_answered_in_kafkas_words() {
        let parts = [Part { topic: "orders".into(), ..Default::default() }];
        for (named, expected) in
            [(Named::ByName, ErrorCode::UnknownTopicOrPartition), (Named::ById, ErrorCode::UnknownTopicId)]
        {
            let asked = place(&Image::default(), &parts, named);
            assert!(matches!(asked[..], [Asked::Refused(error)] if error == expected));
            let partition = data(&parts[0], refused(expected), true);
            assert_eq!(partition.error_code, expected.code());
            assert_eq!(partition.aborted_transactions, Some(vec![]));
        }
    }
}
