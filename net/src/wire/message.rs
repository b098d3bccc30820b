//! `message!`: one definition of a message's fields and the versions that carry them; its types, defaults, reading and
//! writing follow from it.
//!
//! ```text
//! message! {
//!     /// What it is.
//!     pub struct FetchRequest: request(Fetch, FetchResponse) {   // or `response(Fetch)`; inner ones: nothing
//!         [0..=14] replica_id: i32 = -1,           // versions, name, type; a default, if not the type's own
//!         [12..; tag(0) null(12..) ignorable] cluster_id: Option<Text>,
//!         [0..] topics: Vec<FetchTopic>,
//!     }
//! }
//! ```
//!
//! Fields stand in wire order. `tag(n)` makes a tagged field, written only when it differs from its default. `null(v)` are the
//! versions in which an `Option` may be null. A field that a version lacks reads as its default; writing another value
//! there is an error, unless the field is `ignorable`: then it is left out.

use super::{ApiKey, Reader, WireError, Writer};

/// A request's or response's body.
pub trait Message: Sized {
    const API: ApiKey;

    /// Reads a body of `version` and leaves what follows it unread.
    fn decode_first(reader: &mut Reader, version: i16) -> Result<Self, WireError>;

    /// Reads a body of `version`, to its last byte: what follows is an error.
    fn decode(reader: &mut Reader, version: i16) -> Result<Self, WireError> {
        let message = Self::decode_first(reader, version)?;
        reader.finish()?;
        Ok(message)
    }

    /// Writes a body of `version`. After an error what was written is worth nothing.
    fn encode(&self, writer: &mut Writer, version: i16) -> Result<(), WireError>;
}

/// A request, and the message that answers it.
pub trait Request: Message {
    type Response: Message;
}

macro_rules! message {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident $(: $kind:ident($($role:tt)*))? {
            $(
                $(#[$field_meta:meta])*
                [$versions:expr $(; $($option:tt)*)?] $field:ident: $type:ty $(= $default:expr)?,
            )*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                $name { $($field: message!(@default $($default)?),)* }
            }
        }

        impl $crate::wire::field::Field for $name {
            fn wire_bytes_min(context: $crate::wire::field::Context) -> usize {
                let mut bytes = usize::from(context.is_flexible());
                $(
                    if message!(@tag $($($option)*)?).is_none() && ($versions).contains(&context.version) {
                        bytes += <$type as $crate::wire::field::Field>::wire_bytes_min(context);
                    }
                )*
                bytes
            }

            fn read(
                reader: &mut $crate::wire::Reader,
                context: $crate::wire::field::Context,
            ) -> Result<Self, $crate::wire::WireError> {
                let mut message = Self::default();
                $(
                    if message!(@tag $($($option)*)?).is_none() && ($versions).contains(&context.version) {
                        message.$field = message!(@read reader, context, $field, $type, $($($option)*)?);
                    }
                )*
                if context.is_flexible() {
                    #[allow(unused_variables)]
                    reader.tagged_fields(|tag, reader| {
                        $(
                            if message!(@tag $($($option)*)?) == Some(tag) && ($versions).contains(&context.version) {
                                message.$field = message!(@read reader, context, $field, $type, $($($option)*)?);
                                return Ok(true);
                            }
                        )*
                        Ok(false)
                    })?;
                }
                Ok(message)
            }

            fn write(
                &self,
                writer: &mut $crate::wire::Writer,
                context: $crate::wire::field::Context,
            ) -> Result<(), $crate::wire::WireError> {
                let mut tag_count = 0;
                $(
                    let carried = ($versions).contains(&context.version);
                    if message!(@tag $($($option)*)?).is_none() && carried {
                        message!(@write self, writer, context, $field, $($($option)*)?);
                    } else if message!(@tag $($($option)*)?).is_some() || !message!(@ignorable $($($option)*)?) {
                        let default: $type = message!(@default $($default)?);
                        if self.$field != default {
                            if carried {
                                tag_count += 1;
                            } else if !message!(@ignorable $($($option)*)?) {
                                let (field, version) = (stringify!($field), context.version);
                                return Err($crate::wire::WireError::NotInVersion { field, version });
                            }
                        }
                    }
                )*
                if !context.is_flexible() {
                    return Ok(());
                }
                writer.unsigned_varint(tag_count);
                if tag_count > 0 {
                    // Tags are numbered in the order of their fields, so this order is the ascending one.
                    $(
                        if let Some(tag) = message!(@tag $($($option)*)?) {
                            let default: $type = message!(@default $($default)?);
                            if ($versions).contains(&context.version) && self.$field != default {
                                writer.tagged_field(tag, |writer| {
                                    message!(@write self, writer, context, $field, $($($option)*)?);
                                    Ok(())
                                })?;
                            }
                        }
                    )*
                }
                Ok(())
            }
        }

        // A structure that may be null is preceded by a byte: −1 for null, 1 for a value.
        impl $crate::wire::field::Nullable for $name {
            fn read_nullable(
                reader: &mut $crate::wire::Reader,
                context: $crate::wire::field::Context,
            ) -> Result<Option<Self>, $crate::wire::WireError> {
                match reader.i8()? {
                    ..0 => Ok(None),
                    _ => $crate::wire::field::Field::read(reader, context).map(Some),
                }
            }

            fn write_null(writer: &mut $crate::wire::Writer, _: $crate::wire::field::Context) {
                writer.i8(-1);
            }

            fn write_present(
                &self,
                writer: &mut $crate::wire::Writer,
                context: $crate::wire::field::Context,
            ) -> Result<(), $crate::wire::WireError> {
                writer.i8(1);
                $crate::wire::field::Field::write(self, writer, context)
            }
        }

        #[cfg(test)]
        impl $crate::wire::tests::sample::Sample for $name {
            fn sample(rng: &mut fastrand::Rng, context: $crate::wire::field::Context) -> Self {
                let mut message = Self::default();
                $(
                    if ($versions).contains(&context.version) {
                        message.$field = loop {
                            let value = <$type as $crate::wire::tests::sample::Sample>::sample(rng, context);
                            let null = $crate::wire::field::Field::is_null(&value);
                            if !null || message!(@nullable context.version; $($($option)*)?) {
                                break value;
                            }
                        };
                    }
                )*
                message
            }
        }

        $(message!(@role $name $kind $($role)*);)?
    )*};

    (@default) => { Default::default() };
    (@default $default:expr) => { $default };

    (@tag) => { None::<u32> };
    (@tag tag($tag:literal) $($rest:tt)*) => { Some::<u32>($tag) };
    (@tag $other:tt $($rest:tt)*) => { message!(@tag $($rest)*) };

    (@ignorable) => { false };
    (@ignorable ignorable $($rest:tt)*) => { true };
    (@ignorable $other:tt $($rest:tt)*) => { message!(@ignorable $($rest)*) };

    (@nullable $version:expr;) => { false };
    (@nullable $version:expr; null($versions:expr) $($rest:tt)*) => { ($versions).contains(&$version) };
    (@nullable $version:expr; $other:tt $($rest:tt)*) => { message!(@nullable $version; $($rest)*) };

    (@read $reader:ident, $context:ident, $field:ident, $type:ty, $($option:tt)*) => {{
        let value = <$type as $crate::wire::field::Field>::read($reader, $context)?;
        message!(@check_null value, $context, $field, $($option)*);
        value
    }};

    (@write $self:ident, $writer:ident, $context:ident, $field:ident, $($option:tt)*) => {{
        message!(@check_null $self.$field, $context, $field, $($option)*);
        $crate::wire::field::Field::write(&$self.$field, $writer, $context)?;
        message!(@note $writer, $self.$field, $field);
    }};

    // Errors are counted where they are written, whichever answer tells them.
    (@note $writer:ident, $value:expr, error_code) => { $writer.note_error($value); };
    (@note $writer:ident, $value:expr, $other:ident) => {};

    (@check_null $value:expr, $context:ident, $field:ident, $($option:tt)*) => {
        if $crate::wire::field::Field::is_null(&$value) && !message!(@nullable $context.version; $($option)*) {
            let (field, version) = (stringify!($field), $context.version);
            return Err($crate::wire::WireError::NullInVersion { field, version });
        }
    };

    (@role $name:ident request $api:ident, $response:ident) => {
        message!(@message $name $api);

        impl $crate::wire::Request for $name {
            type Response = $response;
        }
    };
    (@role $name:ident response $api:ident) => {
        message!(@message $name $api);
    };
    (@message $name:ident $api:ident) => {
        impl $crate::wire::Message for $name {
            const API: $crate::wire::ApiKey = $crate::wire::ApiKey::$api;

            fn decode_first(
                reader: &mut $crate::wire::Reader,
                version: i16,
            ) -> Result<Self, $crate::wire::WireError> {
                <Self as $crate::wire::field::Field>::read(reader, Self::API.context(version)?)
            }

            fn encode(&self, writer: &mut $crate::wire::Writer, version: i16) -> Result<(), $crate::wire::WireError> {
                $crate::wire::field::Field::write(self, writer, Self::API.context(version)?)
            }
        }
    };
}
