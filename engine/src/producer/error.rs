//! Stored producer state that cannot be read. Never fatal: it can be rebuilt from the log, at the price of a scan.

/// Bytes of a snapshot or of a checkpoint that are not what was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    #[error("producer state of unknown version {0}: written by a newer version")]
    UnknownVersion(i16),
    #[error("producer snapshot is corrupt: its CRC is {stored:#010x}, that of its contents {computed:#010x}")]
    WrongCrc { stored: u32, computed: u32 },
    #[error("producer state is damaged: {0}")]
    Damaged(&'static str),
}
