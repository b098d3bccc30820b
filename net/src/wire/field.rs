//! How each type of the protocol stands on the wire, in its legacy and its compact form.

use std::mem;

use bytes::Bytes;
use engine::base::{ClientInstanceId, TopicId};

use super::{Reader, Records, Text, WireError, Writer, limits};

/// What decides a field's form: the message's version, and whether that version is a flexible one.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    pub version: i16,
    pub form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Lengths are i16 or i32, −1 for null.
    Legacy,
    /// Lengths are varints of length + 1, 0 for null; structures end in tagged fields.
    Flexible,
}

impl Context {
    pub fn is_flexible(self) -> bool {
        self.form == Form::Flexible
    }
}

/// A type that a field can have.
pub trait Field: Sized {
    /// The fewest bytes that any value of this type takes.
    fn wire_bytes_min(context: Context) -> usize;
    fn read(reader: &mut Reader, context: Context) -> Result<Self, WireError>;
    fn write(&self, writer: &mut Writer, context: Context) -> Result<(), WireError>;

    fn is_null(&self) -> bool {
        false
    }
}

/// A type that has a null on the wire: a field that uses it is an `Option` of it.
pub trait Nullable: Field {
    fn read_nullable(reader: &mut Reader, context: Context) -> Result<Option<Self>, WireError>;
    fn write_null(writer: &mut Writer, context: Context);

    fn write_present(&self, writer: &mut Writer, context: Context) -> Result<(), WireError> {
        self.write(writer, context)
    }
}

impl<T: Nullable> Field for Option<T> {
    fn wire_bytes_min(_: Context) -> usize {
        // Every null is at least one byte, and no value is shorter than null.
        1
    }

    #[inline]
    fn read(reader: &mut Reader, context: Context) -> Result<Self, WireError> {
        T::read_nullable(reader, context)
    }

    #[inline]
    fn write(&self, writer: &mut Writer, context: Context) -> Result<(), WireError> {
        match self {
            Some(value) => value.write_present(writer, context),
            None => {
                T::write_null(writer, context);
                Ok(())
            }
        }
    }

    fn is_null(&self) -> bool {
        self.is_none()
    }
}

macro_rules! fixed {
    ($($type:ty: $bytes:literal, $read:expr, $write:expr;)*) => {$(
        impl Field for $type {
            fn wire_bytes_min(_: Context) -> usize {
                $bytes
            }

            #[inline]
            fn read(reader: &mut Reader, _: Context) -> Result<Self, WireError> {
                $read(reader)
            }

            #[inline]
            fn write(&self, writer: &mut Writer, _: Context) -> Result<(), WireError> {
                $write(writer, *self);
                Ok(())
            }
        }
    )*};
}

fixed! {
    i8: 1, Reader::i8, Writer::i8;
    i16: 2, Reader::i16, Writer::i16;
    i32: 4, Reader::i32, Writer::i32;
    i64: 8, Reader::i64, Writer::i64;
    bool: 1, |reader: &mut Reader| Ok(reader.i8()? != 0), |writer: &mut Writer, value| writer.i8(i8::from(value));
    ClientInstanceId: 16, |reader: &mut Reader| Ok(ClientInstanceId(reader.uuid()?)), |writer: &mut Writer, id: ClientInstanceId| writer.slice(&id.0);
    TopicId: 16, |reader: &mut Reader| Ok(TopicId(reader.uuid()?)), |writer: &mut Writer, id: TopicId| writer.slice(&id.0);
}

/// The width of a legacy length.
#[derive(Clone, Copy)]
enum Width {
    Two,
    Four,
}

/// A length or count; `None` is null.
fn read_length(reader: &mut Reader, context: Context, width: Width) -> Result<Option<usize>, WireError> {
    let length = match (context.form, width) {
        (Form::Flexible, _) => i64::from(reader.unsigned_varint()?) - 1,
        (Form::Legacy, Width::Two) => i64::from(reader.i16()?),
        (Form::Legacy, Width::Four) => i64::from(reader.i32()?),
    };
    match length {
        -1 => Ok(None),
        0.. => Ok(Some(length as usize)),
        _ => Err(WireError::BadLength(length)),
    }
}

fn write_length(writer: &mut Writer, context: Context, width: Width, length: usize) -> Result<(), WireError> {
    let longest = match width {
        Width::Two => limits::STRING_BYTES_MAX,
        Width::Four => limits::FRAME_BYTES_MAX - 1,
    };
    if length > longest {
        return Err(WireError::BadLength(length as i64));
    }
    match (context.form, width) {
        (Form::Flexible, _) => writer.unsigned_varint(length as u32 + 1),
        (Form::Legacy, Width::Two) => writer.i16(length as i16),
        (Form::Legacy, Width::Four) => writer.i32(length as i32),
    }
    Ok(())
}

fn write_null_length(writer: &mut Writer, context: Context, width: Width) {
    match (context.form, width) {
        (Form::Flexible, _) => writer.unsigned_varint(0),
        (Form::Legacy, Width::Two) => writer.i16(-1),
        (Form::Legacy, Width::Four) => writer.i32(-1),
    }
}

fn length_bytes_min(context: Context, width: Width) -> usize {
    match (context.form, width) {
        (Form::Flexible, _) => 1,
        (Form::Legacy, Width::Two) => 2,
        (Form::Legacy, Width::Four) => 4,
    }
}

/// A type that begins with its length: one that is null has no value.
macro_rules! sized {
    ($type:ty $([$generic:ident])?, $width:expr, $read:expr, $write:expr) => {
        impl$(<$generic: Field>)? Field for $type {
            fn wire_bytes_min(context: Context) -> usize {
                length_bytes_min(context, $width)
            }

            fn read(reader: &mut Reader, context: Context) -> Result<Self, WireError> {
                Self::read_nullable(reader, context)?.ok_or(WireError::Null)
            }

            fn write(&self, writer: &mut Writer, context: Context) -> Result<(), WireError> {
                write_length(writer, context, $width, self.len())?;
                $write(self, writer, context)
            }
        }

        impl$(<$generic: Field>)? Nullable for $type {
            fn read_nullable(reader: &mut Reader, context: Context) -> Result<Option<Self>, WireError> {
                match read_length(reader, context, $width)? {
                    Some(length) => $read(reader, context, length).map(Some),
                    None => Ok(None),
                }
            }

            fn write_null(writer: &mut Writer, context: Context) {
                write_null_length(writer, context, $width);
            }
        }
    };
}

sized!(Text, Width::Two, read_text, |text: &Text, writer: &mut Writer, _| {
    writer.slice(text.as_bytes());
    Ok(())
});
sized!(
    Bytes,
    Width::Four,
    |reader: &mut Reader, _, length| reader.bytes(length),
    |bytes: &Bytes, writer: &mut Writer, _| {
        writer.slice(bytes);
        Ok(())
    }
);
sized!(
    Records,
    Width::Four,
    |reader: &mut Reader, _, length| reader.bytes(length).map(Records::from),
    |records: &Records, writer: &mut Writer, _| {
        writer.records(records);
        Ok(())
    }
);
sized!(Vec<T> [T], Width::Four, read_elements, write_elements);

fn read_text(reader: &mut Reader, _: Context, length: usize) -> Result<Text, WireError> {
    if length > limits::STRING_BYTES_MAX {
        return Err(WireError::BadLength(length as i64));
    }
    Text::check(reader.bytes(length)?)
}

fn read_elements<T: Field>(reader: &mut Reader, context: Context, count: usize) -> Result<Vec<T>, WireError> {
    reader.admit(count, T::wire_bytes_min(context), mem::size_of::<T>())?;
    let mut elements = Vec::with_capacity(count);
    for _ in 0..count {
        elements.push(T::read(reader, context)?);
    }
    Ok(elements)
}

fn write_elements<T: Field>(elements: &[T], writer: &mut Writer, context: Context) -> Result<(), WireError> {
    elements.iter().try_for_each(|element| element.write(writer, context))
}
