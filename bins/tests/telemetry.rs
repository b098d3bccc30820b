//! Clients' own metrics (KIP-714), end to end: a subscription is set, a client asks, pushes, and is told at /metrics.

mod broker;
mod operator;

use broker::{Broker, start};
use engine::{
    base::{ClientInstanceId, Codec, Compression},
    error::ErrorCode,
};
use net::wire::{
    ApiKey,
    api_versions::ApiVersionsRequest,
    get_telemetry_subscriptions::GetTelemetrySubscriptionsRequest,
    incremental_alter_configs::{AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest},
    push_telemetry::PushTelemetryRequest,
};
use operator::{free, get};

const CLIENT_METRICS: i8 = 16;

fn subscribe(broker: &Broker, options: &[(&str, &str)]) {
    let configs = options.iter().map(|(name, value)| AlterableConfig {
        name: (*name).into(),
        config_operation: 0,
        value: Some((*value).into()),
    });
    let resource = AlterConfigsResource {
        resource_type: CLIENT_METRICS,
        resource_name: "all".into(),
        configs: configs.collect(),
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
    assert_eq!(broker.ask(&request, 1).responses[0].error_code, 0);
}

/// A field of bytes, in protocol buffers.
fn part(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

/// A gauge `fetch.lag` of 2.5, as OpenTelemetry writes it.
fn metrics() -> Vec<u8> {
    let point = [&[0x21][..], &2.5f64.to_le_bytes()].concat();
    let metric = [part(1, b"fetch.lag"), part(5, &part(1, &point))].concat();
    part(1, &part(2, &part(2, &metric)))
}

fn tells_of_telemetry(broker: &Broker) -> bool {
    let (client_software_name, client_software_version) = ("test".into(), "1".into());
    let request = ApiVersionsRequest { client_software_name, client_software_version };
    let answer = broker.ask(&request, 3);
    answer.api_keys.iter().any(|range| range.api_key == ApiKey::PushTelemetry.code())
}

#[test]
fn a_client_is_asked_for_its_metrics_and_they_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let admin = free();
    let broker = start(directory.path(), &["--client-telemetry", "--admin-listen", &admin.to_string()]);
    assert!(tells_of_telemetry(&broker));
    let ask = |id| broker.ask(&GetTelemetrySubscriptionsRequest { client_instance_id: id }, 0);
    let nothing = ask(ClientInstanceId::ZERO);
    assert_eq!((nothing.error_code, nothing.push_interval_ms), (0, 300_000));
    assert!(nothing.requested_metrics.is_empty());
    assert_ne!(nothing.client_instance_id, ClientInstanceId::ZERO);
    subscribe(&broker, &[("metrics", "fetch."), ("interval.ms", "60000")]);
    let told = ask(nothing.client_instance_id);
    assert_eq!((told.error_code, told.push_interval_ms, told.telemetry_max_bytes), (0, 60_000, 1 << 20));
    assert_eq!(told.requested_metrics, ["fetch."]);
    assert_eq!(told.accepted_compression_types, [4, 3, 1, 2]);
    let push = |codec: Codec, id, subscription_id| {
        let request = PushTelemetryRequest {
            client_instance_id: id,
            subscription_id,
            compression_type: codec.id().cast_signed(),
            metrics: Compression::from(codec).compress(&metrics()).unwrap().into(),
            ..Default::default()
        };
        ErrorCode::from_code(broker.ask(&request, 0).error_code).unwrap()
    };
    let (id, subscription) = (told.client_instance_id, told.subscription_id);
    assert_eq!(push(Codec::Zstd, ClientInstanceId::ZERO, subscription), ErrorCode::InvalidRequest);
    assert_eq!(push(Codec::Zstd, id, subscription), ErrorCode::None);
    assert_eq!(push(Codec::Zstd, id, subscription), ErrorCode::ThrottlingQuotaExceeded);
    let text = get(admin, "/metrics");
    let series = format!("instance_id=\"{id}\",name=\"fetch.lag\",attributes=\"\"}} 2.5\n");
    assert!(text.contains(&series), "{text}");
    assert!(text.contains("corelog_client_pushes_total{outcome=\"taken\"} 1\n"), "{text}");
    subscribe(&broker, &[("metrics", "other.")]);
    assert_eq!(push(Codec::Zstd, id, subscription), ErrorCode::UnknownSubscriptionId);
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4] {
        let told = ask(ClientInstanceId([codec.id() + 1; 16]));
        assert_eq!(push(codec, told.client_instance_id, told.subscription_id), ErrorCode::None, "{codec:?}");
    }
}

/// Clients that see it begin to poll, so a broker that has nobody to tell does not mention it.
#[test]
fn without_the_flag_nobody_hears_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let broker = start(directory.path(), &[]);
    assert!(!tells_of_telemetry(&broker));
}
