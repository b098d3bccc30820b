//! The headers before each body.
//!
//! Request header v1 is key, version, correlation id, client id; v2 adds tagged fields and goes with flexible bodies. The client id has a
//! legacy length in both, so that any broker can read any header. (v0 belonged to ControlledShutdown 0 alone.)
//! Response header v0 is the correlation id; v1 adds tagged fields and goes with flexible bodies, except that of ApiVersions, which
//! must be readable by a client that does not know yet what the broker speaks.

use super::{
    ApiKey, Reader, Text, WireError, Writer,
    field::{Context, Field, Form},
};

/// Legacy lengths, whatever the body has.
const LEGACY: Context = Context { version: 1, form: Form::Legacy };

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// As sent: perhaps an API that is not known here.
    pub api_key: i16,
    /// As sent: perhaps a version that is not served.
    pub api_version: i16,
    pub correlation_id: i32,
    pub client_id: Option<Text>,
}

impl RequestHeader {
    /// Reads the header and leaves the reader at the body. The version need not be one that is served: the answer to a
    /// version too new needs the correlation id. Behind an unknown key nothing can be read with confidence.
    pub fn decode(reader: &mut Reader) -> Result<RequestHeader, WireError> {
        let header = RequestHeader {
            api_key: reader.i16()?,
            api_version: reader.i16()?,
            correlation_id: reader.i32()?,
            client_id: Field::read(reader, LEGACY)?,
        };
        if header.is_flexible() {
            reader.tagged_fields(|_, _| Ok(false))?;
        }
        Ok(header)
    }

    pub fn encode(&self, writer: &mut Writer) -> Result<(), WireError> {
        writer.i16(self.api_key);
        writer.i16(self.api_version);
        writer.i32(self.correlation_id);
        self.client_id.write(writer, LEGACY)?;
        if self.is_flexible() {
            writer.unsigned_varint(0);
        }
        Ok(())
    }

    pub fn api(&self) -> Option<ApiKey> {
        ApiKey::from_code(self.api_key)
    }

    fn is_flexible(&self) -> bool {
        self.api().is_some_and(|api| api.is_flexible(self.api_version))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHeader {
    pub correlation_id: i32,
}

impl ResponseHeader {
    pub fn decode(reader: &mut Reader, api: ApiKey, version: i16) -> Result<ResponseHeader, WireError> {
        let correlation_id = reader.i32()?;
        if Self::is_flexible(api, version) {
            reader.tagged_fields(|_, _| Ok(false))?;
        }
        Ok(ResponseHeader { correlation_id })
    }

    pub fn encode(self, writer: &mut Writer, api: ApiKey, version: i16) {
        writer.i32(self.correlation_id);
        if Self::is_flexible(api, version) {
            writer.unsigned_varint(0);
        }
    }

    fn is_flexible(api: ApiKey, version: i16) -> bool {
        api != ApiKey::ApiVersions && api.is_flexible(version)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn bytes_of(write: impl FnOnce(&mut Writer)) -> Bytes {
        let mut writer = Writer::new();
        write(&mut writer);
        Bytes::from(writer.finish_in_memory().unwrap().concat())
    }

    #[test]
    fn a_header_is_read_whatever_the_version() {
        for (api_key, api_version) in [(18, 3), (18, 99), (0, 3), (0, 13), (999, 0)] {
            let client_id = Some(Text::from("me"));
            let header = RequestHeader { api_key, api_version, correlation_id: 7, client_id };
            let bytes = bytes_of(|writer| header.encode(writer).unwrap());
            let mut reader = Reader::new(bytes);
            assert_eq!(RequestHeader::decode(&mut reader), Ok(header));
            assert_eq!(reader.finish(), Ok(()));
        }
    }

    #[test]
    fn a_flexible_header_keeps_the_legacy_client_id() {
        let header =
            RequestHeader { api_key: 18, api_version: 3, correlation_id: 1, client_id: Some("a".into()) };
        let bytes = bytes_of(|writer| header.encode(writer).unwrap());
        assert_eq!(bytes, &[0, 18, 0, 3, 0, 0, 0, 1, 0, 1, b'a', 0][..]);
    }

    #[test]
    fn the_answer_to_api_versions_has_the_oldest_header() {
        let header = ResponseHeader { correlation_id: 5 };
        assert_eq!(bytes_of(|writer| header.encode(writer, ApiKey::ApiVersions, 3)).len(), 4);
        assert_eq!(bytes_of(|writer| header.encode(writer, ApiKey::Produce, 8)).len(), 4);
        assert_eq!(bytes_of(|writer| header.encode(writer, ApiKey::Produce, 9)).len(), 5);
    }
}
