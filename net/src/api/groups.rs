//! What the APIs of groups share: which core coordinates a group, and who asks. Runs on the connection's core.

use std::net::IpAddr;
use std::sync::Arc;

use engine::{
    base::CoreId,
    controller::{GROUP_VERSION, Image},
    error::ErrorCode,
    group::{
        partition_of,
        request::{Client, Reply as GroupReply, Request},
    },
    shard::{
        command::{Command, Reply},
        group::OFFSETS_TOPIC,
    },
};

use super::{Api, split::Split};
use crate::wire::Text;

/// Read, delete, describe, describe and alter configs: all that a group has (KIP-430).
pub(super) const GROUP_OPERATIONS: i32 = 0b1101_0100_1000;

pub(super) const UNSUPPORTED: &str =
    "The protocol of KIP-848 is switched off: the feature group.version is finalized at 0.";

/// Whether the protocol of KIP-848 is on.
pub(super) fn speaks_consumer(api: &Api) -> bool {
    api.node.with_image(|image| image.feature(GROUP_VERSION) > 0)
}

/// The core that coordinates a group; none while there is no `__consumer_offsets`.
pub(super) fn core_of(image: &Image, group: &str) -> Option<CoreId> {
    let topic = image.topic(OFFSETS_TOPIC)?;
    let partitions = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    Some(topic.partition(partition_of(group, partitions))?.core)
}

/// Asks the group's coordinator.
pub(super) async fn ask(api: &Api, group: &str, request: Request) -> Result<GroupReply, ErrorCode> {
    let core = api.node.with_image(|image| core_of(image, group)).ok_or(ErrorCode::NotCoordinator)?;
    ask_core(api, core, request).await
}

pub(super) async fn ask_core(api: &Api, core: CoreId, request: Request) -> Result<GroupReply, ErrorCode> {
    match api.node.call(core, Command::Group(request)).await {
        Reply::Group(reply) => Ok(reply),
        _ => Err(ErrorCode::UnknownServerError),
    }
}

/// Asks each group's coordinator, all groups of a core at once; the answers in the order of `groups`. None: nobody coordinates it here.
pub(super) async fn ask_each<T>(
    api: &Api,
    groups: &[Text],
    request: impl Fn(Vec<String>) -> Request,
    answers: impl Fn(GroupReply) -> Option<Vec<T>>,
) -> impl Iterator<Item = Option<T>> {
    let mut split = Split::default();
    api.node.with_image(|image| {
        for group in groups {
            match core_of(image, group) {
                Some(core) => split.push(core, group.to_string()),
                None => split.skip(),
            }
        }
    });
    let (parts, order) = split.take();
    let mut answered = Vec::with_capacity(parts.len());
    for (core, groups) in parts {
        let reply = ask_core(api, core, request(groups)).await;
        answered.push(reply.ok().and_then(&answers).unwrap_or_default());
    }
    order.restore(answered)
}

/// Who asks, in texts of their own: a slice of the frame would keep all of it.
pub(super) fn client(id: Option<&Text>, host: IpAddr) -> Client {
    Client { id: id.map_or("", |id| id.as_str()).into(), host: shown_host(host) }
}

/// An address as Java's InetAddress prints it, which is what Kafka's tools show: no name, a slash, no `::`.
fn shown_host(host: IpAddr) -> Arc<str> {
    match host.to_canonical() {
        IpAddr::V4(host) => format!("/{host}").into(),
        IpAddr::V6(host) => {
            let words: Vec<String> = host.segments().iter().map(|word| format!("{word:x}")).collect();
            format!("/{}", words.join(":")).into()
        }
    }
}

pub(super) fn owned(text: Option<&Text>) -> Option<String> {
    text.map(|text| text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_shown_as_java_shows_it() {
        let shown = |text: &str| shown_host(text.parse().unwrap());
        assert_eq!(&*shown("127.0.0.1"), "/127.0.0.1");
        assert_eq!(&*shown("::ffff:10.0.0.1"), "/10.0.0.1");
        assert_eq!(&*shown("::1"), "/0:0:0:0:0:0:0:1");
    }
}
