//! Kafka's rules for topic names and ids (org.apache.kafka.common.internals.Topic, KIP-516). Pure words; core 0.

use super::limits::TOPIC_NAME_BYTES_MAX;
use crate::base::TopicId;
use crate::error::{ErrorCode, Refusal};

/// The name that the metadata log has in Kafka; no topic may take it.
pub(super) const METADATA_TOPIC: &str = "__cluster_metadata";

/// Kafka's own topics: not offered to consumers by pattern, not written to by name.
const INTERNAL: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];

pub fn is_internal(name: &str) -> bool {
    INTERNAL.contains(&name)
}

/// Whether a topic may have this name.
pub fn check(name: &str) -> Result<(), Refusal> {
    let reason = if name.is_empty() {
        "the empty string is not allowed".to_owned()
    } else if name == "." {
        "'.' is not allowed".to_owned()
    } else if name == ".." {
        "'..' is not allowed".to_owned()
    } else if name.chars().map(char::len_utf16).sum::<usize>() > TOPIC_NAME_BYTES_MAX {
        // Kafka counts UTF-16 units, and tells of the length before it tells of the characters.
        format!("the length of '{name}' is longer than the max allowed length {TOPIC_NAME_BYTES_MAX}")
    } else if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        format!("'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
    } else {
        return Ok(());
    };
    Err(Refusal::new(ErrorCode::InvalidTopicException, format!("Topic name is invalid: {reason}")))
}

/// Two names with the same unified form would share a metric's name in Kafka, so it lets only one of them exist.
/// None for a name without `.` and `_`, which collides with nothing but itself.
pub(super) fn unified(name: &str) -> Option<String> {
    name.contains(['.', '_']).then(|| name.replace('.', "_"))
}

/// Makes a topic's id of random bytes, as Kafka does: a version 4 UUID, which no reserved id is, and which does not print
/// with a leading `-` (tools would take it for an option).
pub fn topic_id_from_random(mut bytes: [u8; 16]) -> TopicId {
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    if bytes[0] >> 2 == 62 {
        bytes[0] &= 0x7f;
    }
    TopicId(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_refused_with_kafkas_words() {
        let refused = |name: &str| check(name).unwrap_err().message;
        assert_eq!(refused(""), "Topic name is invalid: the empty string is not allowed");
        assert_eq!(refused("."), "Topic name is invalid: '.' is not allowed");
        assert_eq!(refused(".."), "Topic name is invalid: '..' is not allowed");
        assert_eq!(
            refused("a b"),
            "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        );
        let long = "x".repeat(250);
        assert_eq!(
            refused(&long),
            format!(
                "Topic name is invalid: the length of '{long}' is longer than the max allowed length 249"
            )
        );
        assert_eq!(check(&"x".repeat(249)), Ok(()));
        assert_eq!(check("A-z_0.9"), Ok(()));
        assert!(check("naïve").is_err());
    }

    #[test]
    fn dots_and_underscores_are_one() {
        assert_eq!(unified("a.b_c"), unified("a_b.c"));
        assert_ne!(unified("a.b"), unified("a-b"));
        assert_eq!(unified("ab"), None);
    }

    #[test]
    fn a_random_id_is_never_reserved_and_never_looks_like_an_option() {
        for bytes in [[0; 16], [0xff; 16], [0xf8; 16], [0xfb; 16]] {
            let id = topic_id_from_random(bytes);
            assert!(!id.is_zero() && id != TopicId::METADATA);
            assert!(!id.to_string().starts_with('-'), "{id}");
        }
    }
}
