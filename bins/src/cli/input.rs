//! One line of `corelog produce`'s input as a record: key and value as they stand, as hexadecimal digits, or as the JSON that
//! `corelog consume --json` prints.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::text::{from_base64, from_hex};

/// How a line is read.
#[derive(Clone, Debug)]
pub enum Form {
    /// What separates a key from its value, if lines have keys.
    Plain(Option<Vec<u8>>),
    /// The same, of hexadecimal digits.
    Hex(Option<Vec<u8>>),
    Json,
}

/// What a line says; what it leaves open the command line decides.
#[derive(Debug, Default, PartialEq)]
pub struct Parsed<'a> {
    pub key: Option<Cow<'a, [u8]>>,
    pub value: Option<Cow<'a, [u8]>>,
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    pub partition: Option<i32>,
    pub timestamp: Option<i64>,
}

impl Form {
    pub fn parse<'a>(&self, line: &'a [u8]) -> Result<Parsed<'a>, String> {
        match self {
            Form::Plain(separator) => {
                let (key, value) = cut(line, separator.as_deref());
                Ok(Parsed { key: key.map(Cow::from), value: Some(value.into()), ..Parsed::default() })
            }
            Form::Hex(separator) => {
                let (key, value) = cut(line, separator.as_deref());
                let key = key.map(from_hex).transpose()?.map(Cow::from);
                Ok(Parsed { key, value: Some(from_hex(value)?.into()), ..Parsed::default() })
            }
            Form::Json => parse_json(line),
        }
    }
}

fn cut<'a>(line: &'a [u8], separator: Option<&[u8]>) -> (Option<&'a [u8]>, &'a [u8]) {
    let found = match separator {
        None => None,
        Some([byte]) => line.iter().position(|found| found == byte).map(|at| (at, 1)),
        Some(text) => line.windows(text.len()).position(|found| found == text).map(|at| (at, text.len())),
    };
    match found {
        None => (None, line),
        Some((at, length)) => (Some(&line[..at]), &line[at + length..]),
    }
}

fn parse_json<'a>(line: &[u8]) -> Result<Parsed<'a>, String> {
    let value = serde_json::from_slice(line).map_err(|error| format!("it is no JSON: {error}"))?;
    let Value::Object(mut fields) = value else { return Err("it is no JSON object".to_owned()) };
    let mut parsed = Parsed {
        key: take_bytes(&mut fields, "key")?.map(Cow::from),
        value: take_bytes(&mut fields, "value")?.map(Cow::from),
        partition: take_number(&mut fields, "partition")?
            .map(|number| i32::try_from(number).map_err(|_| format!("partition {number} cannot be")))
            .transpose()?,
        timestamp: take_number(&mut fields, "timestamp")?,
        headers: Vec::new(),
    };
    match fields.remove("headers") {
        None | Some(Value::Null) => {}
        Some(Value::Array(headers)) => {
            for header in headers {
                let Value::Object(mut header) = header else {
                    return Err("a header is no object".to_owned());
                };
                let key = take_bytes(&mut header, "key")?.ok_or("a header has no key")?;
                parsed.headers.push((key, take_bytes(&mut header, "value")?));
            }
        }
        Some(_) => return Err("headers are no array".to_owned()),
    }
    // Where it came from is not where it goes.
    let _ = (fields.remove("topic"), fields.remove("offset"));
    match fields.keys().next() {
        None => Ok(parsed),
        Some(name) => Err(format!(
            "{name} means nothing here; known are key, value, headers, partition, timestamp, and key_base64 and value_base64"
        )),
    }
}

/// A string, or whatever else stands there as JSON; `<name>_base64` for bytes that are no text.
fn take_bytes(fields: &mut Map<String, Value>, name: &str) -> Result<Option<Vec<u8>>, String> {
    let coded = format!("{name}_base64");
    match (fields.remove(name), fields.remove(&coded)) {
        (None | Some(Value::Null), None | Some(Value::Null)) => Ok(None),
        (None | Some(Value::Null), Some(Value::String(text))) => {
            from_base64(&text).map(Some).ok_or_else(|| format!("{coded} is no base64"))
        }
        (None | Some(Value::Null), Some(_)) => Err(format!("{coded} is no string")),
        (Some(_), Some(_)) => Err(format!("both {name} and {coded}")),
        (Some(Value::String(text)), None) => Ok(Some(text.into_bytes())),
        (Some(value), None) => Ok(Some(value.to_string().into_bytes())),
    }
}

fn take_number(fields: &mut Map<String, Value>, name: &str) -> Result<Option<i64>, String> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| format!("{name} is no whole number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both<'a>(key: Option<&'a [u8]>, value: &'a [u8]) -> Parsed<'a> {
        Parsed { key: key.map(Cow::from), value: Some(value.into()), ..Parsed::default() }
    }

    #[test]
    fn a_separator_cuts_at_its_first_place() {
        let plain = Form::Plain(Some(b"::".to_vec()));
        assert_eq!(plain.parse(b"a::b::c"), Ok(both(Some(b"a"), b"b::c")));
        assert_eq!(plain.parse(b"a:b"), Ok(both(None, b"a:b")));
        let hex = Form::Hex(Some(b"\t".to_vec()));
        assert_eq!(hex.parse(b"00\tff 01"), Ok(both(Some(&[0]), &[0xff, 1])));
        assert!(hex.parse(b"x").is_err());
    }

    #[test]
    fn json_is_read_as_consume_prints_it() {
        let line = br#"{"topic":"t","partition":3,"offset":9,"timestamp":5,"key":null,"value_base64":"/w==","headers":[{"key":"h","value":"v"},{"key":"n","value":null}]}"#;
        let parsed = Form::Json.parse(line).unwrap();
        assert_eq!((parsed.partition, parsed.timestamp, parsed.key), (Some(3), Some(5), None));
        assert_eq!(parsed.value.as_deref(), Some(&[0xff][..]));
        assert_eq!(parsed.headers, [(b"h".to_vec(), Some(b"v".to_vec())), (b"n".to_vec(), None)]);
        assert_eq!(
            Form::Json.parse(br#"{"value":{"a":1}}"#).unwrap().value.as_deref(),
            Some(&b"{\"a\":1}"[..])
        );
    }

    #[test]
    fn json_that_means_something_else_is_refused() {
        for line in [
            &b"x"[..],
            b"[1]",
            b"{\"valeu\":1}",
            b"{\"value_base64\":\"*\"}",
            b"{\"key\":\"a\",\"key_base64\":\"\"}",
            b"{\"partition\":\"1\"}",
            b"{\"partition\":99999999999}",
            b"{\"headers\":{}}",
            b"{\"headers\":[{}]}",
        ] {
            assert!(Form::Json.parse(line).is_err(), "{}", String::from_utf8_lossy(line));
        }
    }
}
