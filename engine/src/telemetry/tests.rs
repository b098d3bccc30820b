use super::*;

const SECOND: u64 = 1_000_000_000;
const ID: ClientInstanceId = ClientInstanceId([5; 16]);

fn at(seconds: u64) -> Now {
    Now { mono_ns: 1_000 * SECOND + seconds * SECOND, ..Now::default() }
}

fn get(subscription: i32) -> Request {
    Request::Get { id: ID, subscription, interval_ms: 10_000 }
}

fn push(change: impl FnOnce(&mut Push)) -> Request {
    let mut push = Push {
        id: ID,
        client_id: "app".into(),
        subscription: 1,
        interval_ms: 10_000,
        told: 1,
        is_last: false,
        codec: 0,
        payload: otlp::tests::pushed("gauge").into(),
        bytes_max: 1 << 20,
    };
    change(&mut push);
    Request::Push(push)
}

fn told(telemetry: &mut Telemetry, seconds: u64) -> usize {
    let mut figures = Figures::new(crate::base::CoreId(0));
    telemetry.tell(at(seconds), &mut figures);
    figures.samples.iter().filter(|sample| sample.metric.name.starts_with("corelog_client_metric")).count()
}

#[test]
fn a_client_asks_pushes_at_its_interval_and_ends() {
    let mut telemetry = Telemetry::default();
    for (seconds, request, expected) in [
        (0, get(1), ErrorCode::None),
        (1, get(1), ErrorCode::ThrottlingQuotaExceeded),
        (2, push(|_| ()), ErrorCode::None),
        (5, push(|_| ()), ErrorCode::ThrottlingQuotaExceeded),
        (12, push(|_| ()), ErrorCode::None),
        (22, push(|push| push.told = 9), ErrorCode::UnknownSubscriptionId),
        // It is told to ask again, so it may at once.
        (23, get(1), ErrorCode::None),
        (24, push(|push| push.codec = 9), ErrorCode::UnsupportedCompressionType),
        (34, push(|push| push.bytes_max = 3), ErrorCode::TelemetryTooLarge),
        (44, push(|push| push.payload = Bytes::from_static(b"\x0a\xff")), ErrorCode::InvalidRecord),
        (54, push(|push| push.codec = 1), ErrorCode::InvalidRecord),
        (55, push(|push| push.is_last = true), ErrorCode::None),
        (70, push(|_| ()), ErrorCode::InvalidRequest),
    ] {
        assert_eq!(telemetry.handle(at(seconds), request), expected, "after {seconds} s");
    }
}

/// A field that nobody knows is passed over, however long it is.
#[test]
fn a_push_expands_to_so_much_and_more_where_more_may_be_sent() {
    let mut payload = otlp::tests::pushed("gauge");
    payload.extend([0x7a, 0x80, 0x80, 0xc0, 0x01]);
    payload.resize(payload.len() + (3 << 20), 0);
    let payload = crate::base::Compression::from(Codec::Gzip).compress(&payload).unwrap();
    for (bytes_max, expected) in [(1 << 20, ErrorCode::InvalidRecord), (4 << 20, ErrorCode::None)] {
        let request = push(|push| {
            push.codec = 1;
            push.bytes_max = bytes_max;
            push.payload = payload.clone().into();
        });
        assert_eq!(Telemetry::default().handle(at(0), request), expected, "{bytes_max}");
    }
}

#[test]
fn a_changed_subscription_is_asked_for_anew() {
    let mut telemetry = Telemetry::default();
    assert_eq!(telemetry.handle(at(0), get(1)), ErrorCode::None);
    assert_eq!(telemetry.handle(at(1), push(|push| push.subscription = 2)), ErrorCode::UnknownSubscriptionId);
    assert_eq!(telemetry.handle(at(2), get(2)), ErrorCode::None);
}

#[test]
fn what_was_pushed_last_is_told_until_the_client_ends_or_is_silent() {
    let mut telemetry = Telemetry::default();
    telemetry.handle(at(0), push(|_| ()));
    assert_eq!(told(&mut telemetry, 1), 2);
    assert_eq!(told(&mut telemetry, 60), 0, "three intervals of silence");
    telemetry.handle(at(60), push(|_| ()));
    telemetry.handle(at(61), push(|push| push.is_last = true));
    assert_eq!(told(&mut telemetry, 62), 0);
}

#[test]
fn series_and_instances_are_bounded_and_the_rest_is_counted() {
    let mut telemetry = Telemetry::default();
    let name = |number: usize| ClientInstanceId((number as u128 + 1).to_be_bytes());
    for number in 0..INSTANCES_MAX + 10 {
        telemetry.handle(at(0), push(|push| push.id = name(number)));
    }
    assert_eq!(telemetry.instances.len(), INSTANCES_MAX);
    assert_eq!(telemetry.by_silence.len(), INSTANCES_MAX);
    assert!(telemetry.series <= SERIES_MAX);
    let kept: usize = telemetry.instances.values().map(|instance| instance.points.len()).sum();
    assert_eq!(kept, telemetry.series);
    let left_out: usize = telemetry.instances.values().map(|instance| instance.left_out).sum();
    assert_eq!(kept + left_out, 2 * INSTANCES_MAX);
}
