//! Who this data directory belongs to: `meta.properties` in Kafka's format, with Corelog's own format version.
//!
//! ```text
//! version=1            Kafka's version of this file
//! cluster.id=…         22 characters of base64
//! node.id=1
//! corelog.version=1    the formats below this directory; a newer one is refused
//! ```
//!
//! A directory that holds something else is refused: a start removes what it does not know.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use engine::{base::NodeId, config::properties, controller::topic_id_from_random, io::lock::LOCK_FILE};

use super::Refusal;

const FILE: &str = "meta.properties";
const FILE_NEW: &str = "meta.properties.new";
/// Kafka's version of the file's format.
const VERSION: &str = "1";
/// Of everything below the directory.
const CORELOG_VERSION: u32 = 1;
/// What a new directory may hold: a file system's own, and what a start leaves before it has an identity.
const IGNORED: [&str; 3] = ["lost+found", LOCK_FILE, FILE_NEW];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub cluster_id: String,
    pub node: NodeId,
}

/// Reads the directory's identity, none if it is new. `node`: what the options say, none if they say nothing.
pub fn read(directory: &Path, node: Option<NodeId>) -> Result<Option<Identity>, Refusal> {
    let path = directory.join(FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return nothing_else(directory).map(|()| None);
        }
        Err(error) => return Err(Refusal::one(format!("{} cannot be read: {error}", path.display()))),
    };
    parse(&text, node).map(Some).map_err(|reason| Refusal::one(format!("{}: {reason}", path.display())))
}

/// Gives a new directory its identity, durable before it returns. `random`: 16 random bytes.
pub fn create(directory: &Path, node: NodeId, random: [u8; 16]) -> io::Result<Identity> {
    let cluster_id = topic_id_from_random(random).to_string();
    let text = format!(
        "version={VERSION}\ncluster.id={cluster_id}\nnode.id={node}\ncorelog.version={CORELOG_VERSION}\n"
    );
    let new = directory.join(FILE_NEW);
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, directory.join(FILE))?;
    File::open(directory)?.sync_all()?;
    Ok(Identity { cluster_id, node })
}

fn nothing_else(directory: &Path) -> Result<(), Refusal> {
    let unreadable =
        |error| Refusal::one(format!("the data directory {} cannot be read: {error}", directory.display()));
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        if !IGNORED.iter().any(|ignored| name == *ignored) {
            return Err(Refusal::one(format!(
                "the data directory {} holds {} but no {FILE}: it is not Corelog's. Give the broker an empty one.",
                directory.display(),
                name.display()
            )));
        }
    }
    Ok(())
}

fn parse(text: &str, node: Option<NodeId>) -> Result<Identity, String> {
    let values = properties::parse(text).map_err(|error| error.to_string())?;
    let value = |key: &str| values.get(key).ok_or_else(|| format!("{key} is missing"));
    let Some(corelog) = values.get("corelog.version") else {
        return Err("corelog.version is missing: the data directory is another broker's, perhaps Apache Kafka's. Give \
                    Corelog one of its own."
            .into());
    };
    let corelog: u32 =
        corelog.parse().map_err(|_| format!("corelog.version is {corelog}, which is no number"))?;
    if corelog > CORELOG_VERSION || value("version")? != VERSION {
        return Err(format!(
            "the data directory was written by a newer Corelog (format {corelog}; this one knows {CORELOG_VERSION}). Start \
             that version, or a newer one."
        ));
    }
    let stored = value("node.id")?.parse().map(NodeId).map_err(|_| "node.id is no number".to_owned())?;
    if let Some(node) = node.filter(|node| *node != stored) {
        return Err(format!(
            "the data directory is that of node {stored}, and node.id is {node}. Start with the other directory, or \
             without node.id."
        ));
    }
    Ok(Identity { cluster_id: value("cluster.id")?.clone(), node: stored })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_read_back_as_it_was_made() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read(directory.path(), None), Ok(None));
        let made = create(directory.path(), NodeId(7), [9; 16]).unwrap();
        assert_eq!(made.cluster_id.len(), 22);
        assert_eq!(read(directory.path(), None), Ok(Some(made.clone())));
        assert_eq!(read(directory.path(), Some(NodeId(7))), Ok(Some(made)));
        assert!(read(directory.path(), Some(NodeId(8))).unwrap_err().0[0].contains("node 7"));
    }

    #[test]
    fn a_newer_format_and_another_brokers_directory_are_refused_with_a_sentence() {
        let newer = "version=1\ncluster.id=x\nnode.id=1\ncorelog.version=2\n";
        assert!(parse(newer, None).unwrap_err().contains("newer Corelog"));
        let kafka = "version=1\ncluster.id=x\nnode.id=1\ndirectory.id=y\n";
        assert!(parse(kafka, None).unwrap_err().contains("Apache Kafka"));
        assert!(parse("corelog.version=1\nversion=1\nnode.id=1\n", None).unwrap_err().contains("cluster.id"));
    }

    #[test]
    fn a_directory_with_other_files_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("lost+found")).unwrap();
        assert_eq!(read(directory.path(), None), Ok(None));
        fs::write(directory.path().join("thesis.tex"), "x").unwrap();
        assert!(read(directory.path(), None).unwrap_err().0[0].contains("thesis.tex"));
    }
}
