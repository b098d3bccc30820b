//! Messages as other implementations print them, read back into one form, so that names and values can be compared without a line
//! of conversion per message: `Name { a_b: 1, c: [Some("x"), None] }` in Rust, `Name(aB=1, c=['x', null])` in Java.

use std::collections::BTreeMap;

use engine::base::TopicId;

#[derive(Debug, PartialEq)]
pub enum Printed {
    /// Field names without case and underscores.
    Structure(BTreeMap<String, Printed>),
    List(Vec<Printed>),
    Null,
    /// Numbers, and text: Java prints text in lists without quotes.
    Atom(String),
}

/// Fields that only versions older or newer than the other implementation's have: it does not print them.
const OURS_ALONE: [&str; 5] = ["iscordoned", "isdefault", "maxnumoffsets", "oldstyleoffsets", "timeoutms"];

/// What is not a field of ours: InitProducerId 6 is not stable and not served, unknown tagged fields are not kept.
const THEIRS_ALONE: [&str; 5] = [
    "unknowntaggedfields",
    "enable2pc",
    "keeppreparedtxn",
    "ongoingtxnproducerid",
    "ongoingtxnproducerepoch",
];

impl Printed {
    pub fn parse(text: &str) -> Printed {
        let mut rest = text;
        let printed = value(&mut rest);
        assert_eq!(rest, "", "left over of {text}");
        printed
    }

    /// Drops, in every structure, the fields above that the other side lacks. Of bytes only the length is compared: Java prints them
    /// as a list of numbers.
    pub fn reconcile(&mut self, other: &mut Printed) {
        match (self, other) {
            (Printed::Atom(ours), theirs @ Printed::List(_)) if ours.ends_with(" bytes") => {
                if let Printed::List(numbers) = theirs {
                    *theirs = Printed::Atom(format!("{} bytes", numbers.len()));
                }
            }
            (Printed::Structure(ours), Printed::Structure(theirs)) => {
                ours.retain(|name, _| theirs.contains_key(name) || !OURS_ALONE.contains(&name.as_str()));
                theirs.retain(|name, _| ours.contains_key(name) || !THEIRS_ALONE.contains(&name.as_str()));
                for (name, mine) in ours {
                    if let Some(yours) = theirs.get_mut(name) {
                        mine.reconcile(yours);
                    }
                }
            }
            (Printed::List(ours), Printed::List(theirs)) => {
                ours.iter_mut().zip(theirs).for_each(|(mine, yours)| mine.reconcile(yours));
            }
            _ => {}
        }
    }
}

fn take<'a>(rest: &mut &'a str, length: usize) -> &'a str {
    let (taken, left) = rest.split_at(length);
    *rest = left;
    taken
}

fn skip(rest: &mut &str, token: &str) -> bool {
    let found = rest.strip_prefix(token);
    *rest = found.unwrap_or(rest);
    found.is_some()
}

fn until<'a>(rest: &mut &'a str, stops: &[char]) -> &'a str {
    take(rest, rest.find(stops).unwrap_or(rest.len()))
}

fn value(rest: &mut &str) -> Printed {
    if skip(rest, "b\"") {
        return Printed::Atom(format!("{} bytes", bytes_length(rest)));
    }
    for quote in ['"', '\''] {
        if skip(rest, &quote.to_string()) {
            let text = until(rest, &[quote]).to_owned();
            take(rest, 1);
            return Printed::Atom(text);
        }
    }
    if skip(rest, "[") {
        let mut list = Vec::new();
        while !skip(rest, "]") {
            list.push(value(rest));
            skip(rest, ", ");
        }
        return Printed::List(list);
    }
    if skip(rest, "{}") {
        return Printed::Atom("{}".into());
    }
    if skip(rest, "Some(") {
        let inner = value(rest);
        assert!(skip(rest, ")"));
        return inner;
    }
    if skip(rest, "Records(") {
        let length = until(rest, &[')']).to_owned();
        take(rest, 1);
        return Printed::Atom(length);
    }
    let word = until(rest, &[' ', '(', ')', '}', ']', ',']);
    if skip(rest, " { ") || skip(rest, "(") {
        return structure(rest);
    }
    match word {
        "None" | "null" => Printed::Null,
        _ if word.len() == 36 => Printed::Atom(topic_id(word)),
        _ => Printed::Atom(word.to_owned()),
    }
}

/// Up to the closing quote, with Rust's escapes of one byte each.
fn bytes_length(rest: &mut &str) -> usize {
    let mut length = 0;
    while !skip(rest, "\"") {
        let escape = if skip(rest, "\\x") {
            2
        } else if skip(rest, "\\") {
            1
        } else {
            rest.chars().next().map_or(0, char::len_utf8)
        };
        take(rest, escape);
        length += 1;
    }
    length
}

fn structure(rest: &mut &str) -> Printed {
    let mut fields = BTreeMap::new();
    while !(skip(rest, " }") || skip(rest, ")")) {
        let name = until(rest, &[':', '=']).replace('_', "").to_lowercase();
        let _ = skip(rest, ": ") || skip(rest, "=");
        fields.insert(name, value(rest));
        skip(rest, ", ");
    }
    Printed::Structure(fields)
}

/// A uuid in hexadecimal, as Kafka prints it.
fn topic_id(hyphenated: &str) -> String {
    let digits = hyphenated.replace('-', "");
    TopicId(u128::from_str_radix(&digits, 16).unwrap().to_be_bytes()).to_string()
}

#[test]
fn rust_and_java_print_the_same_message_alike() {
    let rust =
        Printed::parse(r#"A { topic_name: Some("x"), list: [1, -2], none: None, inner: B { ok: true } }"#);
    let java = Printed::parse("AData(topicName='x', list=[1, -2], none=null, inner=B(ok=true))");
    assert_eq!(rust, java);
    assert_ne!(rust, Printed::parse("A(topicName='y', list=[1, -2], none=null, inner=B(ok=true))"));
}
