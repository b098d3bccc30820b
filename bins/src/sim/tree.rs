//! The simulated disk's directories: names that a power loss may forget. A change of names is stable after a sync of its directory
//! (or of the file system); a power loss keeps any subset of the others that respects each name's order. Lives in the simulator.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;

use super::file::{File, Stamp};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeId(usize);

/// Names and what they stand for from then on; one change is kept or lost as a whole.
type Renaming = Vec<(String, Option<NodeId>)>;

#[derive(Clone, Debug, Default)]
struct Directory {
    seen: BTreeMap<String, NodeId>,
    stable: BTreeMap<String, NodeId>,
    pending: Vec<(Stamp, Renaming)>,
}

#[derive(Clone, Debug)]
enum Node {
    File(File),
    Directory(Directory),
}

#[derive(Clone, Debug)]
pub struct Tree {
    /// Never reused; the root first.
    nodes: Vec<Node>,
}

const ROOT: NodeId = NodeId(0);

impl Default for Tree {
    fn default() -> Tree {
        Tree { nodes: vec![Node::Directory(Directory::default())] }
    }
}

impl Tree {
    pub fn find(&self, path: &str) -> Option<NodeId> {
        let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
        parts.into_iter().try_fold(ROOT, |at, part| self.directory(at)?.seen.get(part).copied())
    }

    /// By names that a power loss leaves.
    pub fn find_stable(&self, path: &str) -> Option<NodeId> {
        let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
        parts.into_iter().try_fold(ROOT, |at, part| self.directory(at)?.stable.get(part).copied())
    }

    pub fn file(&self, id: NodeId) -> Option<&File> {
        match &self.nodes[id.0] {
            Node::File(file) => Some(file),
            Node::Directory(_) => None,
        }
    }

    pub fn file_mut(&mut self, id: NodeId) -> Option<&mut File> {
        match &mut self.nodes[id.0] {
            Node::File(file) => Some(file),
            Node::Directory(_) => None,
        }
    }

    pub fn files_mut(&mut self) -> impl Iterator<Item = &mut File> {
        self.nodes.iter_mut().filter_map(|node| match node {
            Node::File(file) => Some(file),
            Node::Directory(_) => None,
        })
    }

    /// Name, node and whether it is a directory, sorted by name.
    pub fn list(&self, path: &str) -> Vec<(String, NodeId, bool)> {
        let directory = self.find(path).and_then(|id| self.directory(id));
        let entries = directory.into_iter().flat_map(|directory| &directory.seen);
        entries.map(|(name, id)| (name.clone(), *id, self.directory(*id).is_some())).collect()
    }

    /// The file at this path, made with the directories above it if it was not there.
    pub fn create(&mut self, stamp: Stamp, path: &str) -> Option<NodeId> {
        if let Some(found) = self.find(path) {
            return Some(found);
        }
        let (above, name) = split(path);
        let mut at = ROOT;
        for part in above.split('/').filter(|part| !part.is_empty() && *part != ".") {
            at = match self.directory(at)?.seen.get(part) {
                Some(found) => *found,
                None => self.add(stamp, at, part, Node::Directory(Directory::default()))?,
            };
        }
        self.add(stamp, at, name, Node::File(File::default()))
    }

    /// The directory above a path.
    pub fn above(&self, path: &str) -> Option<NodeId> {
        self.find(split(path).0)
    }

    pub fn rename(&mut self, stamp: Stamp, from: &str, to: &str) -> bool {
        let (Some(id), Some(above)) = (self.find(from), self.above(from)) else { return false };
        if self.above(to) != Some(above) || self.find(to).is_some() {
            return false;
        }
        let change = vec![(split(from).1.to_owned(), None), (split(to).1.to_owned(), Some(id))];
        self.change(stamp, above, change)
    }

    /// Removes a file, or a directory with all below it, name by name.
    pub fn remove(&mut self, stamp: Stamp, path: &str) -> bool {
        let (Some(id), Some(above)) = (self.find(path), self.above(path)) else { return false };
        let children = self.directory(id).map(|directory| directory.seen.keys().cloned().collect::<Vec<_>>());
        for child in children.into_iter().flatten() {
            self.remove(stamp, &format!("{path}/{child}"));
        }
        self.change(stamp, above, vec![(split(path).1.to_owned(), None)])
    }

    /// Makes the names below a directory stable, as far as they had changed by `upto`.
    pub fn sync_names(&mut self, id: NodeId, upto: Stamp) -> bool {
        let Node::Directory(directory) = &mut self.nodes[id.0] else { return false };
        let count = directory.pending.partition_point(|(stamp, _)| *stamp <= upto);
        for (_, change) in directory.pending.drain(..count) {
            apply(&mut directory.stable, change);
        }
        true
    }

    /// Everything that had happened by `upto`.
    pub fn sync(&mut self, upto: Stamp) {
        for id in (0..self.nodes.len()).map(NodeId) {
            self.sync_names(id, upto);
        }
        self.files_mut().for_each(|file| file.sync(upto));
    }

    /// A sync of all that fails: what it covered is stable or never will be.
    pub fn fail_sync(&mut self, random: &mut Rng) {
        self.files_mut().for_each(|file| file.fail_sync(random));
    }

    pub fn lose_power(&mut self, random: &mut Rng) {
        for node in &mut self.nodes {
            match node {
                Node::File(file) => file.lose_power(random),
                Node::Directory(directory) => directory.lose_power(random),
            }
        }
    }

    fn directory(&self, id: NodeId) -> Option<&Directory> {
        match &self.nodes[id.0] {
            Node::Directory(directory) => Some(directory),
            Node::File(_) => None,
        }
    }

    fn add(&mut self, stamp: Stamp, above: NodeId, name: &str, node: Node) -> Option<NodeId> {
        let id = NodeId(self.nodes.len());
        self.nodes.push(node);
        self.change(stamp, above, vec![(name.to_owned(), Some(id))]).then_some(id)
    }

    fn change(&mut self, stamp: Stamp, id: NodeId, change: Renaming) -> bool {
        let Node::Directory(directory) = &mut self.nodes[id.0] else { return false };
        apply(&mut directory.seen, change.clone());
        directory.pending.push((stamp, change));
        true
    }
}

impl Directory {
    fn lose_power(&mut self, random: &mut Rng) {
        let luck = random.usize(0..4);
        let mut lost: BTreeSet<String> = BTreeSet::new();
        for (_, change) in std::mem::take(&mut self.pending) {
            let held_back = change.iter().any(|(name, _)| lost.contains(name));
            let kept = match luck {
                0 => false,
                1 => true,
                _ => random.bool(),
            };
            if kept && !held_back {
                apply(&mut self.stable, change);
            } else {
                lost.extend(change.into_iter().map(|(name, _)| name));
            }
        }
        self.seen.clone_from(&self.stable);
    }
}

fn apply(names: &mut BTreeMap<String, NodeId>, change: Renaming) {
    for (name, target) in change {
        match target {
            Some(id) => names.insert(name, id),
            None => names.remove(&name),
        };
    }
}

/// Directory and last part of a path.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or((".", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_lost_with_the_power_until_its_directory_is_synced() {
        let mut outcomes = BTreeSet::new();
        for seed in 0..30 {
            let mut tree = Tree::default();
            tree.create(Stamp(1), "a/b").expect("created");
            let above = tree.find("a").expect("there");
            tree.sync_names(above, Stamp(1));
            tree.lose_power(&mut Rng::with_seed(seed));
            outcomes.insert(tree.find("a/b").is_some());
            tree.sync(Stamp(1));
        }
        assert_eq!(outcomes.len(), 2, "the entry of `a` in the root was not synced");
    }

    #[test]
    fn a_rename_is_kept_or_lost_as_one() {
        for seed in 0..30 {
            let mut tree = Tree::default();
            tree.create(Stamp(1), "a/f").expect("created");
            tree.sync(Stamp(1));
            assert!(tree.rename(Stamp(2), "a", "b"));
            tree.create(Stamp(3), "a/g").expect("created");
            tree.lose_power(&mut Rng::with_seed(seed));
            assert_ne!(tree.find("a/f").is_some(), tree.find("b/f").is_some());
        }
    }
}
