//! JSON output, one object a line: a writer of fields in order, without a tree in memory.

use std::fmt::Write;

use super::text::base64;

#[derive(Default)]
pub struct Object {
    text: String,
}

impl Object {
    pub fn new() -> Object {
        Object { text: "{".to_owned() }
    }

    fn name(&mut self, name: &str) -> &mut String {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        quote(&mut self.text, name);
        self.text.push(':');
        &mut self.text
    }

    pub fn number(mut self, name: &str, number: impl std::fmt::Display) -> Object {
        let _ = write!(self.name(name), "{number}");
        self
    }

    pub fn text(mut self, name: &str, value: &str) -> Object {
        quote(self.name(name), value);
        self
    }

    /// Text where the bytes are UTF-8, otherwise base64 under `<name>_base64`; absent bytes are null.
    pub fn bytes(mut self, name: &str, value: Option<&[u8]>) -> Object {
        match value.map(std::str::from_utf8) {
            None => self.name(name).push_str("null"),
            Some(Ok(text)) => quote(self.name(name), text),
            Some(Err(_)) => {
                let coded = base64(value.unwrap_or_default());
                quote(self.name(&format!("{name}_base64")), &coded);
            }
        }
        self
    }

    pub fn object(mut self, name: &str, object: Object) -> Object {
        self.name(name).push_str(&object.end());
        self
    }

    pub fn array(mut self, name: &str, items: impl IntoIterator<Item = String>) -> Object {
        let text = self.name(name);
        text.push('[');
        for (place, item) in items.into_iter().enumerate() {
            if place > 0 {
                text.push(',');
            }
            text.push_str(&item);
        }
        text.push(']');
        self
    }

    pub fn end(mut self) -> String {
        self.text.push('}');
        self.text
    }
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_text_is_coded_and_says_so() {
        let object =
            Object::new().bytes("key", None).bytes("value", Some(&[0xff])).bytes("a", Some(b"\"\n\x01"));
        assert_eq!(object.end(), "{\"key\":null,\"value_base64\":\"/w==\",\"a\":\"\\\"\\n\\u0001\"}");
    }

    #[test]
    fn fields_stand_in_order() {
        let object = Object::new().number("n", 1).array("l", ["1".to_owned(), "2".to_owned()]).text("t", "x");
        assert_eq!(object.end(), "{\"n\":1,\"l\":[1,2],\"t\":\"x\"}");
    }
}
