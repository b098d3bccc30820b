//! Frames: four bytes of length, then that many bytes of header and body.

use bytes::{Buf, Bytes, BytesMut};

use super::{Chunk, Errors, Message, Request, RequestHeader, ResponseHeader, Text, WireError, Writer};

const LENGTH_BYTES: usize = 4;

/// What a receive buffer holds at its start.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A whole frame, cut from the buffer without a copy, without its length.
    Frame(Bytes),
    /// At least this many more bytes are needed; never more than the allowed frame.
    Missing(usize),
}

/// Cuts the next frame from `buffer`. A length below zero or above `frame_bytes_max` ends the connection: what follows
/// cannot be trusted to be a frame.
pub fn next(buffer: &mut BytesMut, frame_bytes_max: usize) -> Result<Next, WireError> {
    let Some(length) = buffer.first_chunk::<LENGTH_BYTES>() else {
        return Ok(Next::Missing(LENGTH_BYTES - buffer.len()));
    };
    let length = i32::from_be_bytes(*length);
    let size = usize::try_from(length).ok().filter(|size| *size <= frame_bytes_max);
    let Some(size) = size else {
        return Err(WireError::FrameSize { size: i64::from(length), bytes_max: frame_bytes_max });
    };
    let whole = LENGTH_BYTES + size;
    if buffer.len() < whole {
        return Ok(Next::Missing(whole - buffer.len()));
    }
    buffer.advance(LENGTH_BYTES);
    Ok(Next::Frame(buffer.split_to(size).freeze()))
}

/// A request as the chunks of one gathering write.
pub fn request_frame<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: Option<Text>,
) -> Result<Vec<Bytes>, WireError> {
    let mut writer = Writer::framed();
    let header = RequestHeader { api_key: R::API.code(), api_version: version, correlation_id, client_id };
    header.encode(&mut writer)?;
    request.encode(&mut writer, version)?;
    writer.finish_in_memory()
}

/// A response as the chunks of one gathering write.
pub fn response_frame<M: Message>(
    response: &M,
    version: i16,
    correlation_id: i32,
) -> Result<Vec<Bytes>, WireError> {
    written(response, version, correlation_id)?.finish_in_memory()
}

/// A response as chunks, some of them perhaps in files, and the errors that it tells.
pub fn told_frame<M: Message>(
    response: &M,
    version: i16,
    correlation_id: i32,
) -> Result<(Vec<Chunk>, Errors), WireError> {
    let mut writer = written(response, version, correlation_id)?;
    let errors = writer.take_errors();
    Ok((writer.finish()?, errors))
}

fn written<M: Message>(response: &M, version: i16, correlation_id: i32) -> Result<Writer, WireError> {
    let mut writer = Writer::framed();
    ResponseHeader { correlation_id }.encode(&mut writer, M::API, version);
    response.encode(&mut writer, version)?;
    Ok(writer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::produce::{PartitionProduceResponse, ProduceResponse, TopicProduceResponse};

    fn buffer(bytes: &[u8]) -> BytesMut {
        BytesMut::from(bytes)
    }

    #[test]
    fn frames_are_cut_one_by_one() {
        let mut received = buffer(&[0, 0, 0, 2, 7, 8, 0, 0, 0, 0, 0, 0]);
        assert_eq!(next(&mut received, 10), Ok(Next::Frame(Bytes::from_static(&[7, 8]))));
        assert_eq!(next(&mut received, 10), Ok(Next::Frame(Bytes::new())));
        assert_eq!(next(&mut received, 10), Ok(Next::Missing(2)));
    }

    #[test]
    fn a_frame_tells_which_errors_it_carries_at_any_depth() {
        let answer = |index, error_code| PartitionProduceResponse { index, error_code, ..Default::default() };
        let topic = TopicProduceResponse {
            partition_responses: vec![answer(0, 3), answer(1, 0), answer(2, 3), answer(3, -1)],
            ..Default::default()
        };
        let response = ProduceResponse { responses: vec![topic], ..Default::default() };
        let (_, errors) = told_frame(&response, 9, 1).unwrap();
        assert_eq!(errors, [(3, 2), (-1, 1)]);
    }

    #[test]
    fn an_unfinished_frame_says_what_is_missing() {
        assert_eq!(next(&mut buffer(&[]), 10), Ok(Next::Missing(4)));
        assert_eq!(next(&mut buffer(&[0, 0, 0, 9, 1]), 10), Ok(Next::Missing(8)));
    }

    #[test]
    fn a_length_out_of_bounds_is_refused() {
        for length in [-1, i32::MIN, 11, i32::MAX] {
            let outcome = next(&mut buffer(&length.to_be_bytes()), 10);
            assert_eq!(outcome, Err(WireError::FrameSize { size: i64::from(length), bytes_max: 10 }));
        }
    }
}
