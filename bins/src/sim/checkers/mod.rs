//! One checker per promise. Each is handed what the broker did and what the simulator knows to be true, and answers with the promise
//! that was broken. Pure.

pub mod acknowledged;
pub mod compaction;
pub mod durable;
pub mod failure;
pub mod groups;
pub mod metadata;
pub mod offsets;
pub mod ranges;
pub mod recovered;
pub mod segments;
pub mod stale;
pub mod starts;

use std::fmt;

macro_rules! promises {
    ($($name:ident: $sentence:literal,)*) => {
        /// What Corelog promises and a checker watches.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Promise { $($name,)* }

        impl Promise {
            pub const ALL: &[Promise] = &[$(Promise::$name,)*];

            pub fn sentence(self) -> &'static str {
                match self { $(Promise::$name => $sentence,)* }
            }
        }
    };
}

promises! {
    AcknowledgedKept: "what was acknowledged is there after any stop",
    AcknowledgedDurable: "nothing is acknowledged or shown before the disk holds it",
    OffsetsDense: "offsets are dense, and batches keep the order in which a client sent them",
    NoStaleContent: "every record is what a client sent to this offset of this topic, once",
    RangesWhole: "what is sent from a file was written there before, whole, and stays as it was",
    RecoveredEqualsLive: "a start finds exactly what the last process left",
    LogStartKept: "a log start moves as asked, never back, and is told of when the disk holds it",
    SegmentsGoInTime: "a segment goes only below a log start and a recovery point that the disk holds",
    SegmentsWellFormed: "segment and index files hold what they say",
    LatestKept: "compaction keeps the newest record of each key",
    DeletedStaysDeleted: "a superseded record goes with compaction, and no deleted key comes back",
    RecordsUntouched: "compaction takes records away and changes nothing else, no offset and no byte",
    ActiveUntouched: "compaction keeps to segments that a durable checkpoint has sealed, of compacted topics",
    TombstonesStay: "a tombstone stays for its time",
    SwapsWhole: "a compacted segment takes the place of others when the disk holds all of it",
    OneOwner: "one partition never has two owners in one generation",
    CommitsKept: "an acknowledged commit is kept, and committed offsets are what was committed last",
    GenerationsRise: "generations and epochs of groups never go back",
    FencedRefused: "who is no member any more, or of an earlier generation, commits nothing",
    GroupsReplayed: "what a coordinator knows of groups is what their log says",
    MetadataKept: "topics that were made are there, deleted ones are not, and leader epochs rise",
    FailureContained: "a failing device stops what it must, and nothing else",
    DeviceRules: "an Op keeps to the rules of the device",
    Answers: "every command is answered, once",
    NoPanic: "nothing that a device does makes the engine panic",
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub promise: Promise,
    pub detail: String,
}

pub type Verdict = Result<(), Violation>;

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken promise: {}.\n  {}", self.promise.sentence(), self.detail)
    }
}

impl Promise {
    pub fn broken<T>(self, detail: impl Into<String>) -> Result<T, Violation> {
        Err(Violation { promise: self, detail: detail.into() })
    }

    /// `Ok` if it holds.
    pub fn holds(self, holds: bool, detail: impl FnOnce() -> String) -> Verdict {
        if holds { Ok(()) } else { self.broken(detail()) }
    }
}
