//! Rust source as words: comments and literals left out, use-groups unfolded into the paths that they name. As much of
//! the grammar as the rules of `bins/tests/tidy.rs` need; must never fail on a source that compiles.

#[derive(Debug, PartialEq)]
pub struct Token {
    pub line: usize,
    pub text: String,
}

/// Words and punctuation, with comments, literals and lifetimes left out.
pub fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let (mut at, mut line, mut found) = (0, 1, Vec::new());
    let ends = |from: usize, pattern: &str| {
        text[from..].find(pattern).map_or(bytes.len(), |i| from + i + pattern.len())
    };
    while at < bytes.len() {
        let rest = &bytes[at..];
        let next = match rest[0] {
            b'/' if rest.starts_with(b"//") => text[at..].find('\n').map_or(bytes.len(), |i| at + i),
            b'/' if rest.starts_with(b"/*") => ends(at, "*/"),
            b'"' => {
                let mut end = at + 1;
                while end < bytes.len() && bytes[end] != b'"' {
                    end += if bytes[end] == b'\\' { 2 } else { 1 };
                }
                end + 1
            }
            b'\'' if rest.len() > 2 && rest[1] == b'\\' => ends(at + 3, "'"),
            b'\'' => match text[at + 1..].chars().next() {
                Some(c) if text[at + 1 + c.len_utf8()..].starts_with('\'') => at + c.len_utf8() + 2,
                _ => at + 1,
            },
            c if c == b'_' || c.is_ascii_alphanumeric() => {
                let end = rest
                    .iter()
                    .position(|c| *c != b'_' && !c.is_ascii_alphanumeric())
                    .map_or(bytes.len(), |i| at + i);
                let word = &text[at..end];
                let hashes = bytes[end..].iter().take_while(|c| **c == b'#').count();
                if matches!(word, "r" | "br" | "cr") && bytes.get(end + hashes) == Some(&b'"') {
                    ends(end + hashes + 1, &format!("\"{}", "#".repeat(hashes)))
                } else {
                    if at == 0 || bytes[at - 1] != b'\'' {
                        found.push(Token { line, text: word.to_string() });
                    }
                    end
                }
            }
            b':' if rest.starts_with(b"::") => {
                found.push(Token { line, text: "::".to_string() });
                at + 2
            }
            c => {
                if c.is_ascii_punctuation() {
                    found.push(Token { line, text: (c as char).to_string() });
                }
                at + 1
            }
        };
        let next = next.min(bytes.len());
        line += bytes[at..next].iter().filter(|c| **c == b'\n').count();
        at = next;
    }
    found
}

fn is_word(token: &Token) -> bool {
    token.text.starts_with(|c: char| c == '_' || c.is_ascii_alphanumeric())
}

/// A path of at least two words, use-groups unfolded, with the depth of inline modules around it.
pub struct NamedPath {
    pub line: usize,
    pub inline_modules: usize,
    pub words: Vec<String>,
}

pub fn paths(tokens: &[Token]) -> Vec<NamedPath> {
    let (mut found, mut at, mut depth, mut inline) = (Vec::new(), 0, 0usize, Vec::new());
    while at < tokens.len() {
        let next = |i: usize| tokens.get(at + i).map_or("", |t| t.text.as_str());
        match tokens[at].text.as_str() {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                inline.retain(|opened| *opened < depth + 1);
            }
            "mod" if next(2) == "{" => inline.push(depth + 1),
            _ if is_word(&tokens[at]) && next(1) == "::" => {
                let mut leaves = Vec::new();
                let end = unfold(tokens, at, Vec::new(), &mut leaves);
                found.extend(leaves.into_iter().map(|(line, words)| NamedPath {
                    line,
                    inline_modules: inline.len(),
                    words,
                }));
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Reads one tree (`a::b::{c, d::e}`) and returns where it ends.
fn unfold(
    tokens: &[Token],
    mut at: usize,
    mut words: Vec<String>,
    leaves: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    let line = tokens.get(at).map_or(0, |t| t.line);
    loop {
        match tokens.get(at) {
            Some(token) if is_word(token) || token.text == "*" => words.push(token.text.clone()),
            Some(token) if token.text == "{" => {
                at += 1;
                while at < tokens.len() && tokens[at].text != "}" {
                    at = unfold(tokens, at, words.clone(), leaves).max(at + 1);
                    while at < tokens.len() && !matches!(tokens[at].text.as_str(), "," | "}") {
                        at += 1; // `as name`
                    }
                    at += usize::from(tokens.get(at).is_some_and(|t| t.text == ","));
                }
                return at + 1;
            }
            _ => break,
        }
        at += 1;
        match tokens.get(at) {
            Some(token) if token.text == "::" => at += 1,
            _ => break,
        }
    }
    leaves.push((line, words));
    at
}
