//! Java's properties format, as `server.properties` is written: `key=value`, `key: value` or `key value`; `#` and `!`
//! begin a comment; a line that ends in an odd number of backslashes goes on in the next; `\t \n \r \f \uXXXX`, and any
//! other character after a backslash stands for itself.

use crate::config::error::ConfigError;
use crate::config::topic::Overrides;

/// The pairs of a file; of a key that is given twice the last, as Java has it.
pub fn parse(text: &str) -> Result<Overrides, ConfigError> {
    let mut pairs = Overrides::new();
    let mut lines = text.split(['\n', '\r']).zip(1u32..);
    while let Some((line, number)) = lines.next() {
        let start = line.trim_start_matches(is_blank);
        if start.is_empty() || start.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = start.to_owned();
        while ends_in_continuation(&logical) {
            logical.pop();
            // A carriage return and its line feed are one end of line, not two.
            match lines.next() {
                Some((next, _)) => logical.push_str(next.trim_start_matches(is_blank)),
                None => break,
            }
        }
        let (key, value) = split(&logical);
        pairs.insert(unescape(key, number)?, unescape(value, number)?);
    }
    Ok(pairs)
}

/// One `key=value` of the command line (`-o`); no escapes.
pub fn parse_pair(text: &str) -> Result<(String, String), ConfigError> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err(ConfigError { key: text.to_owned(), message: format!("{text} is no key=value") }),
    }
}

fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\x0c')
}

fn ends_in_continuation(line: &str) -> bool {
    line.bytes().rev().take_while(|&byte| byte == b'\\').count() % 2 == 1
}

/// Key and value of a logical line, escapes still in them.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.char_indices().find(|&(_, letter)| {
        let ends = !escaped && (is_blank(letter) || letter == '=' || letter == ':');
        escaped = letter == '\\' && !escaped;
        ends
    });
    let (key, rest) = line.split_at(end.map_or(line.len(), |(at, _)| at));
    let rest = rest.trim_start_matches(is_blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start_matches(is_blank))
}

fn unescape(text: &str, line: u32) -> Result<String, ConfigError> {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\x0c'),
            Some('u') => {
                let digits: String = letters.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
                out.push(code.and_then(char::from_u32).ok_or_else(|| ConfigError {
                    key: text.to_owned(),
                    message: format!("line {line}: \\u needs four hexadecimal digits of a character"),
                })?);
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    // What an operator cannot see does not count: Kafka trims values when it parses them.
    Ok(out.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_javas() {
        let text = "# comment\n! comment\n\na=1\nb : 2\nc 3\n  d=x\\\n   y\\\n   z\r\ne\\=f=g\\tg\nempty=\nbare\n\
                    path=C\\:\\\\tmp\nu=\\u00e9\na = 4 \nurl=PLAINTEXT://:9092\n#last=\\\nend=1";
        let pairs = parse(text).unwrap();
        for (key, value) in [
            ("a", "4"),
            ("b", "2"),
            ("c", "3"),
            ("d", "xyz"),
            ("e=f", "g\tg"),
            ("empty", ""),
            ("bare", ""),
            ("path", "C:\\tmp"),
            ("u", "é"),
            ("url", "PLAINTEXT://:9092"),
            ("end", "1"),
        ] {
            assert_eq!(pairs.get(key).map(String::as_str), Some(value), "{key}");
        }
        assert_eq!(pairs.len(), 11);
    }

    #[test]
    fn a_bad_escape_names_its_line() {
        assert!(parse("a=1\nb=\\u12").unwrap_err().message.contains("line 2"));
        assert!(parse("b=\\ud800").is_err());
        assert_eq!(parse("cut=x\\").unwrap()["cut"], "x");
    }

    #[test]
    fn a_pair_of_the_command_line_keeps_its_value() {
        assert_eq!(parse_pair("a=b=c").unwrap(), ("a".to_owned(), "b=c".to_owned()));
        assert!(parse_pair("=1").is_err());
        assert!(parse_pair("a").is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "[a-f=:\\\\#!u0-9 \t\r\n]{0,80}") {
            let _ = parse(&text);
        }
    }
}
