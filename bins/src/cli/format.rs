//! `--format` of `corelog consume`: a text with places for what a record has.

use std::io::{self, Write};

use engine::record::Record;

use super::text::{base64, hex, unescape};
use super::time;

/// For the help of whoever takes a format.
pub const HELP: &str = "What to print of a record: %t topic, %p partition, %o offset, %T timestamp, %D date, %k key, %s value, \
                        %K and %S their lengths (-1 for null), %h headers, %% a percent sign; %k{hex}, %s{base64} and the like \
                        print bytes so; \\n, \\t, \\x00 and the like are understood [default: %s\\n]";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format(Vec<Piece>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Raw,
    Hex,
    Base64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Vec<u8>),
    Topic,
    Partition,
    Offset,
    Timestamp,
    Date,
    Key(Coding),
    Value(Coding),
    KeyLength,
    ValueLength,
    Headers(Coding),
}

impl Format {
    pub fn parse(format: &str) -> Result<Format, String> {
        let (mut pieces, mut literal, mut rest) = (Vec::new(), String::new(), format);
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            if c != '%' {
                literal.push(c);
                if c == '\\' {
                    // The character after a backslash belongs to it, whatever it is.
                    let next = rest.chars().next();
                    literal.extend(next);
                    rest = &rest[next.map_or(0, char::len_utf8)..];
                }
                continue;
            }
            let Some(letter) = rest.chars().next() else {
                return Err("--format: a % at the end means nothing".to_owned());
            };
            rest = &rest[letter.len_utf8()..];
            let mut coding = || take_coding(&mut rest);
            let piece = match letter {
                '%' => {
                    literal.push('%');
                    continue;
                }
                't' => Piece::Topic,
                'p' => Piece::Partition,
                'o' => Piece::Offset,
                'T' => Piece::Timestamp,
                'D' => Piece::Date,
                'k' => Piece::Key(coding()),
                's' | 'v' => Piece::Value(coding()),
                'K' => Piece::KeyLength,
                'S' | 'V' => Piece::ValueLength,
                'h' => Piece::Headers(coding()),
                other => return Err(format!("--format: %{other} means nothing")),
            };
            if !literal.is_empty() {
                pieces.push(Piece::Literal(unescape(&std::mem::take(&mut literal))?));
            }
            pieces.push(piece);
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(unescape(&literal)?));
        }
        Ok(Format(pieces))
    }

    pub fn write(
        &self,
        topic: &str,
        partition: i32,
        record: &Record<'_>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let length = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i64);
        for piece in &self.0 {
            match piece {
                Piece::Literal(bytes) => out.write_all(bytes)?,
                Piece::Topic => out.write_all(topic.as_bytes())?,
                Piece::Partition => write!(out, "{partition}")?,
                Piece::Offset => write!(out, "{}", record.offset)?,
                Piece::Timestamp => write!(out, "{}", record.timestamp)?,
                Piece::Date => out.write_all(time::shown(record.timestamp).as_bytes())?,
                Piece::Key(coding) => coding.write(record.key, out)?,
                Piece::Value(coding) => coding.write(record.value, out)?,
                Piece::KeyLength => write!(out, "{}", length(record.key))?,
                Piece::ValueLength => write!(out, "{}", length(record.value))?,
                Piece::Headers(coding) => {
                    for (place, header) in record.headers.iter().enumerate() {
                        out.write_all(if place > 0 { b"," } else { b"" })?;
                        out.write_all(header.key)?;
                        out.write_all(b"=")?;
                        coding.write(header.value, out)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn take_coding(rest: &mut &str) -> Coding {
    for (text, coding) in [("{hex}", Coding::Hex), ("{base64}", Coding::Base64)] {
        if let Some(after) = rest.strip_prefix(text) {
            *rest = after;
            return coding;
        }
    }
    Coding::Raw
}

impl Coding {
    fn write(self, bytes: Option<&[u8]>, out: &mut dyn Write) -> io::Result<()> {
        let bytes = bytes.unwrap_or_default();
        match self {
            Coding::Raw => out.write_all(bytes),
            Coding::Hex => out.write_all(hex(bytes).as_bytes()),
            Coding::Base64 => out.write_all(base64(bytes).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_cut_into_pieces() {
        let literal = |text: &str| Piece::Literal(text.as_bytes().to_vec());
        let parse = |text| Format::parse(text).map(|format| format.0);
        assert_eq!(
            parse("%k\\t%s{hex}{\\n"),
            Ok(vec![Piece::Key(Coding::Raw), literal("\t"), Piece::Value(Coding::Hex), literal("{\n")])
        );
        assert_eq!(parse("100%%\\\\%o"), Ok(vec![literal("100%\\"), Piece::Offset]));
        for text in ["%q", "%", "\\q", "é%é"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
