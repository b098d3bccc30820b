//! A string of the protocol: checked UTF-8 that is usually a slice of the frame it came in, so that a topic's name goes
//! from request to reply without an allocation.
//!
//! It keeps the frame's memory alive: whoever stores one for longer than a request stores `to_string()` of it.

use std::{borrow::Borrow, fmt, hash, ops::Deref, str};

use bytes::Bytes;

use super::WireError;

#[derive(Clone, Default)]
pub struct Text(Bytes);

impl Text {
    pub const fn from_static(text: &'static str) -> Text {
        Text(Bytes::from_static(text.as_bytes()))
    }

    /// The bytes as text, if they are UTF-8.
    pub fn check(bytes: Bytes) -> Result<Text, WireError> {
        match str::from_utf8(&bytes) {
            Ok(_) => Ok(Text(bytes)),
            Err(_) => Err(WireError::NotUtf8),
        }
    }

    pub fn as_str(&self) -> &str {
        // Every constructor has checked; checking short text again is cheaper than an `unsafe` block to look after.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        Text(Bytes::from(text.into_bytes()))
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Text {
        Text::from(text.as_str())
    }
}

impl From<Text> for String {
    fn from(text: Text) -> String {
        text.as_str().to_owned()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

// Equality, order and hash are those of `str`, as `Borrow<str>` demands: UTF-8 bytes order as their text does.
impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        self.0 == other.0
    }
}

impl Eq for Text {}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Text) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Text) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl hash::Hash for Text {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn text_is_found_by_str_in_a_map() {
        let map = HashMap::from([(Text::from("orders"), 1)]);
        assert_eq!(map.get("orders"), Some(&1));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused() {
        assert_eq!(Text::check(Bytes::from_static(&[0xff])), Err(WireError::NotUtf8));
        assert_eq!(Text::check(Bytes::from_static("é".as_bytes())).unwrap(), "é");
    }
}
