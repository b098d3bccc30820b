//! What a tool can check about the source, so that nobody has to remember it: layers, file lengths, names, headers,
//! where `unsafe` may stand, and that the paths which the documents name exist.
//!
//! Every rule is a function from one source to its complaints, and has a canary: a made-up source that it must catch.
//! Reads the working tree only; must never write.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "tidy/words.rs"]
mod words;
use words::{paths, tokens};

const FILE_LINES_MAX: usize = 500;

/// Directories of the repository that documents may name.
const TOP_LEVEL: [&str; 7] = ["engine", "net", "bins", "benches", "scripts", "packaging", ".ci"];

/// A name that says nothing about what a file holds.
const NAMES_FORBIDDEN: [&str; 11] =
    ["util", "utils", "common", "helper", "helpers", "manager", "misc", "impl", "stuff", "new", "2"];

/// Whether the modules of one layer may import each other.
#[derive(Clone, Copy, PartialEq)]
enum Siblings {
    Apart,
    Together,
}
use Siblings::{Apart, Together};

type Layers = &'static [(&'static [&'static str], Siblings)];

/// Lower first. A module that is missing here is a complaint: place it before it grows imports.
const ENGINE: Layers = &[
    (&["base", "limits", "error", "op", "metrics"], Together),
    (&["record", "config"], Apart),
    (
        &["log", "compact", "producer", "replica", "group", "txn", "quota", "controller", "acl", "telemetry"],
        Apart,
    ),
    (&["io"], Apart),
    (&["shard", "bus"], Together),
];
const NET: Layers = &[
    (&["wire", "limits"], Together),
    (&["conn", "node", "peer", "client"], Together),
    (&["api"], Apart),
    (&["server"], Together),
    (&["admin"], Together),
];

/// `bins → net → engine`, `benches → net, engine`: what each crate may name.
const CRATES: [(&str, &[&str]); 4] =
    [("engine", &[]), ("net", &["engine"]), ("bins", &["net", "engine"]), ("benches", &["net", "engine"])];

struct Source {
    /// Relative to the repository, with `/`.
    path: String,
    text: String,
}

/// `engine/src/log/index.rs` is `engine` and `[log, index]`; nothing outside `src`.
fn module_of(path: &str) -> Option<(&str, Vec<&str>)> {
    let (name, inside) = path.strip_suffix(".rs")?.split_once("/src/")?;
    let mut modules: Vec<&str> = inside.split('/').collect();
    if matches!(modules.last(), Some(&"mod" | &"lib" | &"main")) {
        modules.pop();
    }
    Some((name, modules))
}

fn layer(layers: Layers, module: &str) -> Option<(usize, Siblings)> {
    let level = layers.iter().position(|(modules, _)| modules.contains(&module))?;
    Some((level, layers[level].1))
}

fn layers_hold(source: &Source) -> Vec<String> {
    let name = source.path.split('/').next().unwrap_or("");
    let Some((_, allowed)) = CRATES.iter().find(|(c, _)| *c == name) else { return Vec::new() };
    let module = module_of(&source.path).map_or(Vec::new(), |(_, module)| module);
    let layers = match name {
        "engine" => ENGINE,
        "net" => NET,
        _ => &[],
    };
    let mut complaints = BTreeSet::new();
    let own = module.first().copied().filter(|_| !layers.is_empty());
    if let Some(own) = own
        && layer(layers, own).is_none()
    {
        complaints.insert(format!("{}:1: module {own} has no layer in bins/tests/tidy.rs", source.path));
    }
    for path in paths(&tokens(&source.text)) {
        let root = path.words[0].as_str();
        let crate_named = CRATES.iter().find(|(c, _)| *c == root || root == format!("corelog_{c}"));
        if let Some((other, _)) = crate_named
            && *other != name
            && !allowed.contains(other)
        {
            complaints.insert(format!("{}:{}: {name} must not import {other}", source.path, path.line));
        }
        let supers = path.words.iter().take_while(|w| *w == "super").count();
        let target = match root {
            "crate" => path.words.get(1),
            "super" if supers == module.len() + path.inline_modules => path.words.get(supers),
            _ => None,
        };
        if let (Some(own), Some(target)) = (own, target)
            && let Some((own_level, siblings)) = layer(layers, own)
            && let Some((level, _)) = layer(layers, target)
            && own != target
            && (level > own_level || level == own_level && siblings == Apart)
        {
            complaints.insert(format!(
                "{}:{}: {own} (layer {own_level}) must not import {target} (layer {level})",
                source.path, path.line
            ));
        }
    }
    complaints.into_iter().collect()
}

/// The manifests say the same as the imports.
fn manifest_holds(source: &Source) -> Vec<String> {
    let Some((name, allowed)) = CRATES.iter().find(|(c, _)| source.path == format!("{c}/Cargo.toml")) else {
        return Vec::new();
    };
    let key = |line: &str| line.split(['.', '=', ' ']).next().unwrap_or("").replace("corelog-", "");
    let wrong = |key: &str| key != *name && CRATES.iter().any(|(c, _)| *c == key) && !allowed.contains(&key);
    let wrong = source.text.lines().map(key).filter(|key| wrong(key));
    wrong.map(|other| format!("{}: {name} must not depend on {other}", source.path)).collect()
}

fn is_short(source: &Source) -> Vec<String> {
    let generated = source.path.contains("vectors") || source.path.contains("generated");
    let lines = source.text.lines().count();
    if lines <= FILE_LINES_MAX || generated {
        return Vec::new();
    }
    vec![format!("{}: {lines} lines, at most {FILE_LINES_MAX}: split it by nouns", source.path)]
}

fn names_speak(source: &Source) -> Vec<String> {
    let says_nothing = |name: &str| name.split('_').any(|part| NAMES_FORBIDDEN.contains(&part));
    let stem = source.path.trim_end_matches(".rs");
    let mut complaints: Vec<String> = stem
        .split('/')
        .filter(|part| says_nothing(part))
        .map(|part| format!("{}: `{part}` says nothing", source.path))
        .collect();
    for pair in tokens(&source.text).windows(2) {
        if pair[0].text == "mod" && says_nothing(&pair[1].text) {
            complaints
                .push(format!("{}:{}: module `{}` says nothing", source.path, pair[0].line, pair[1].text));
        }
    }
    complaints
}

fn unsafe_stays_home(source: &Source) -> Vec<String> {
    if ["engine/src/io", "engine/src/bus"].iter().any(|home| source.path.starts_with(home)) {
        return Vec::new();
    }
    let tokens = tokens(&source.text);
    let found = tokens.iter().filter(|t| t.text == "unsafe");
    found
        .map(|t| format!("{}:{}: unsafe belongs in engine/src/io and engine/src/bus", source.path, t.line))
        .collect()
}

fn nothing_is_postponed(source: &Source) -> Vec<String> {
    let tokens = tokens(&source.text);
    let mut in_tests = source.path.contains("/tests/") || source.path.ends_with("tests.rs");
    let mut complaints = Vec::new();
    for at in 0..tokens.len() {
        let is = |words: &[&str]| {
            words.iter().enumerate().all(|(i, w)| tokens.get(at + i).is_some_and(|t| t.text == *w))
        };
        in_tests |= is(&["cfg", "(", "test", ")"]);
        let what = if is(&["todo", "!"]) || is(&["unimplemented", "!"]) {
            "a stub"
        } else if is(&["#", "[", "ignore"]) {
            "an ignored test"
        } else if in_tests
            && (is(&["thread", "::", "sleep"])
                || is(&["timer", "::", "sleep"])
                || is(&["sleep", "(", "Duration"]))
        {
            "a sleep in a test"
        } else {
            continue;
        };
        complaints.push(format!("{}:{}: {what}", source.path, tokens[at].line));
    }
    complaints
}

/// A sibling `tests.rs` is explained by the file beside it.
fn header_is_there(source: &Source) -> Vec<String> {
    if source.text.starts_with("//!") || source.path.ends_with("/tests.rs") {
        return Vec::new();
    }
    vec![format!("{}:1: no `//!` header: what, why, which core, what it must never do", source.path)]
}

/// Words in backticks and code blocks of a document that look like paths of the repository.
fn paths_named(text: &str) -> Vec<(usize, String)> {
    let (mut found, mut fenced) = (Vec::new(), false);
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let whole = fenced || line.starts_with("    ");
        let code = line.split('`').enumerate().filter(|(i, _)| whole || i % 2 == 1).map(|(_, part)| part);
        for word in code.flat_map(str::split_whitespace) {
            let word = word.trim_start_matches("./").trim_end_matches([',', '.', ';', ')']);
            let word = word.split(':').next().unwrap_or("");
            let special = word.find(['*', '{', '<', '$']).unwrap_or(word.len());
            let word =
                if special < word.len() { &word[..word[..special].rfind('/').unwrap_or(0)] } else { word };
            let top = word.split_once('/').is_some_and(|(top, _)| TOP_LEVEL.contains(&top));
            let document = !word.contains('/') && word.ends_with(".md");
            if top || document {
                found.push((number + 1, word.to_string()));
            }
        }
    }
    found
}

fn paths_exist(document: &Source, exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let missing = paths_named(&document.text).into_iter().filter(|(_, path)| !exists(path));
    missing.map(|(line, path)| format!("{}:{line}: {path} does not exist", document.path)).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("bins lies in the workspace").to_path_buf()
}

fn read(path: &str) -> Option<Source> {
    Some(Source { path: path.to_string(), text: fs::read_to_string(root().join(path)).ok()? })
}

fn sources(extension: &str) -> Vec<Source> {
    let (mut found, mut open) = (Vec::new(), CRATES.map(|(c, _)| c.to_string()).to_vec());
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(root().join(&directory)).into_iter().flatten().flatten() {
            let path = format!("{directory}/{}", entry.file_name().to_string_lossy());
            if path.ends_with("/target") {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(path),
                _ if path.ends_with(extension) => found.extend(read(&path)),
                _ => {}
            }
        }
    }
    assert!(!found.is_empty(), "no {extension} under {}", root().display());
    found
}

fn hold(rule: fn(&Source) -> Vec<String>, sources: &[Source]) {
    let complaints: Vec<String> = sources.iter().flat_map(rule).collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn modules_import_lower_layers_only() {
    hold(layers_hold, &sources(".rs"));
    hold(manifest_holds, &sources("Cargo.toml"));
}

#[test]
fn files_are_short() {
    hold(is_short, &sources(".rs"));
}

#[test]
fn names_say_what_they_hold() {
    hold(names_speak, &sources(".rs"));
}

#[test]
fn unsafe_is_where_it_may_be() {
    hold(unsafe_stays_home, &sources(".rs"));
}

#[test]
fn no_stub_no_ignored_test_no_sleeping_test() {
    hold(nothing_is_postponed, &sources(".rs"));
}

#[test]
fn every_file_has_a_header() {
    hold(header_is_there, &sources(".rs"));
}

#[test]
fn paths_in_documents_exist() {
    let documents = ["README.md", "ARCHITECTURE.md"].into_iter().filter_map(read);
    let complaints: Vec<String> =
        documents.flat_map(|d| paths_exist(&d, &|path| root().join(path).exists())).collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn complaints(rule: fn(&Source) -> Vec<String>, path: &str, text: &str) -> usize {
    rule(&Source { path: path.to_string(), text: text.to_string() }).len()
}

#[test]
fn canary_of_layers() {
    let cases = [
        (1, "engine/src/log/index.rs", "use crate::shard::Shard;"),
        (1, "engine/src/log/index.rs", "use crate::{base::Offset, io::{self, ring::Ring}};"),
        (2, "engine/src/log/index.rs", "use crate::{producer::{A, B},\n group as members};"),
        (1, "engine/src/log/index.rs", "fn f() { let x = crate::producer::new(); }"),
        (1, "engine/src/log/index.rs", "use super::super::quota::Bucket;"),
        (1, "engine/src/log/index.rs", "mod tests { use super::super::super::quota::Bucket; }"),
        (1, "engine/src/log.rs", "use super::shard::Turn;"),
        (1, "engine/src/io/ring.rs", "use net::wire::Frame;"),
        (1, "engine/src/attic.rs", "//! A module without a layer."),
        (1, "net/src/wire/frame.rs", "use crate::api::produce;"),
        (1, "net/src/api/fetch.rs", "use bins::server;"),
        (1, "benches/src/codec.rs", "use bins::server;"),
        (
            0,
            "engine/src/shard/produce.rs",
            "use crate::{log::Log, producer::State, bus::Post}; use super::super::io::Ring;",
        ),
        (0, "engine/src/log/index.rs", "use super::producer; use crate::log::Log; use std::{net::IpAddr};"),
        (
            0,
            "engine/src/log.rs",
            "// crate::shard::Shard\nconst A: &str = \"crate::shard::Shard\"; const B: char = '\"';",
        ),
        (0, "net/src/api/fetch.rs", "use engine::shard::Shard; use crate::wire::Frame;"),
        (0, "engine/src/lib.rs", "pub use crate::shard::Shard; pub use crate::log::Log;"),
    ];
    for (expected, path, text) in cases {
        assert_eq!(complaints(layers_hold, path, text), expected, "{path}: {text}");
    }
    assert_eq!(complaints(manifest_holds, "engine/Cargo.toml", "[dependencies]\nnet.workspace = true\n"), 1);
    assert_eq!(complaints(manifest_holds, "net/Cargo.toml", "[dependencies]\nengine.workspace = true\n"), 0);
}

#[test]
fn canary_of_lengths_names_and_headers() {
    assert_eq!(complaints(is_short, "net/src/api/fetch.rs", &"//\n".repeat(501)), 1);
    assert_eq!(complaints(is_short, "net/src/wire/vectors.rs", &"//\n".repeat(501)), 0);
    assert_eq!(complaints(names_speak, "net/src/util.rs", ""), 1);
    assert_eq!(complaints(names_speak, "net/src/common/log_manager.rs", "mod helpers {}"), 3);
    assert_eq!(complaints(names_speak, "net/src/api/fetch.rs", "mod tests {}"), 0);
    assert_eq!(complaints(header_is_there, "net/src/api/fetch.rs", "use std::fs;"), 1);
    assert_eq!(complaints(header_is_there, "net/src/api/fetch.rs", "//! Fetch."), 0);
}

#[test]
fn canary_of_unsafe_and_of_what_is_postponed() {
    let block = "fn f() { unsafe { g() } }";
    assert_eq!(complaints(unsafe_stays_home, "net/src/conn.rs", block), 1);
    assert_eq!(complaints(unsafe_stays_home, "engine/src/io/ring.rs", block), 0);
    assert_eq!(
        complaints(
            nothing_is_postponed,
            "net/src/conn.rs",
            "fn f() { todo!() }\nfn g() { unimplemented!() }"
        ),
        2
    );
    assert_eq!(
        complaints(nothing_is_postponed, "net/src/conn.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}"),
        1
    );
    let sleep = "fn f() { std::thread::sleep(second) }";
    assert_eq!(complaints(nothing_is_postponed, "bins/tests/start.rs", sleep), 1);
    assert_eq!(
        complaints(nothing_is_postponed, "net/src/conn.rs", &format!("#[cfg(test)] mod tests {{ {sleep} }}")),
        1
    );
    assert_eq!(complaints(nothing_is_postponed, "net/src/conn.rs", sleep), 0);
}

#[test]
fn canary_of_documents() {
    let text = "`engine/src/gone.rs`, `scripts/start --cores 0`, `GONE.md`, `a/b`\n```\nscripts/gone --all\n```\n    net/gone\n`net/src/{a,b}.rs`";
    let document = Source { path: "README.md".to_string(), text: text.to_string() };
    let found = paths_exist(&document, &|path| matches!(path, "scripts/start" | "net/src"));
    assert_eq!(found.len(), 4, "{found:?}");
}
