//! Why a batch is refused. The peer's mistake, or damage on disk: the caller knows which, the code is for the peer.

use crate::base::Codec;
use crate::error::{ErrorCode, Refusal};
use crate::record::faults::Faults;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Fewer bytes than the header or the batch's length says; on disk the ordinary end of a torn tail.
    #[error("the batch is cut: {have} bytes of {need}")]
    Cut { have: usize, need: usize },
    /// The bytes are no batch, or its records are no records.
    #[error("the batch is damaged: {0}")]
    Corrupt(&'static str),
    #[error("the batch's CRC-32C is {computed:#010x}, its header says {stored:#010x}")]
    CrcMismatch { stored: u32, computed: u32 },
    /// Message formats 0 and 1, which Kafka 4.0 stopped accepting (KIP-724).
    #[error("message format {magic} is no longer supported; format 2 came with Kafka 0.11")]
    OldMagic { magic: i8 },
    #[error("the batch expands beyond {bytes_max} bytes")]
    TooLarge { bytes_max: usize },
    /// Well-formed bytes that a producer must not send.
    #[error("invalid record: {0}")]
    Invalid(&'static str),
    /// Records that break the topic's rules, all of them counted.
    #[error("{0}")]
    Rejected(Faults),
    /// A codec number that no version of the protocol names.
    #[error("compression codec {0} is unknown")]
    UnknownCodec(u8),
    /// The decompressor refused the bytes.
    #[error("the records do not decompress with {0:?}")]
    Decompression(Codec),
}

impl RecordError {
    /// Kafka's code for a client.
    pub fn code(&self) -> ErrorCode {
        match self {
            RecordError::Cut { .. } | RecordError::Corrupt(_) | RecordError::CrcMismatch { .. } => {
                ErrorCode::CorruptMessage
            }
            RecordError::OldMagic { .. } => ErrorCode::UnsupportedForMessageFormat,
            RecordError::TooLarge { .. } => ErrorCode::MessageTooLarge,
            // The CRC says that these are the producer's bytes: sending them again would not help, so no retriable code.
            RecordError::Invalid(_) | RecordError::Decompression(_) => ErrorCode::InvalidRecord,
            RecordError::Rejected(faults) => faults.code(),
            // What Apache Kafka answers, which has no class for such a number: UNSUPPORTED_COMPRESSION_TYPE is for codecs that it knows.
            RecordError::UnknownCodec(_) => ErrorCode::UnknownServerError,
        }
    }
}

impl From<RecordError> for Refusal {
    fn from(error: RecordError) -> Refusal {
        Refusal::new(error.code(), error.to_string())
    }
}
