//! Leader epochs of one log (KIP-101): where a term of leadership ended, and the file that Kafka's tools read them from. A
//! term without records leaves no trace, as in Kafka, where the next one starts at the same offset and takes its place.

use super::{EpochStart, Log};
use crate::base::{LeaderEpoch, Offset};

/// `leader-epoch-checkpoint` beside the segments, in Kafka's format: a line with the version 0, one with the number of
/// entries, then a line `epoch start` for each. Written with each flush that adds an epoch, and at a clean stop; never
/// read here: the checkpoint holds the same.
pub fn encode_epochs(epochs: &[EpochStart]) -> String {
    let entries = epochs.iter().map(|entry| format!("{} {}\n", entry.epoch.0, entry.start.0));
    format!("0\n{}\n{}", epochs.len(), entries.collect::<String>())
}

impl Log {
    /// The epoch `wanted`, or the nearest older one with records, and the offset behind it; -1 and -1 where that cannot be
    /// said: an epoch later than the leader's, or -1 itself. An epoch older than everything kept ends where the log's
    /// first known one starts.
    pub fn end_of_epoch(&self, wanted: LeaderEpoch, leader: LeaderEpoch) -> (LeaderEpoch, Offset) {
        const UNKNOWN: (LeaderEpoch, Offset) = (LeaderEpoch(-1), Offset(-1));
        if wanted.0 < 0 {
            return UNKNOWN;
        }
        // The leader's own term began at the end of the log if it has no records yet.
        let latest = self.latest_epoch().map_or(leader, |latest| latest.max(leader));
        if wanted >= latest {
            return if wanted == latest { (wanted, self.next()) } else { UNKNOWN };
        }
        let later = self.epochs().partition_point(|entry| entry.epoch <= wanted);
        let end = self.epochs().get(later).map_or(self.next(), |entry| entry.start);
        let epoch = later.checked_sub(1).map_or(wanted, |index| self.epochs()[index].epoch);
        (epoch, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Epoch 2 from 0, epoch 5 from 10, the end at 14.
    fn log() -> Log {
        let start = |epoch, start| EpochStart { epoch: LeaderEpoch(epoch), start: Offset(start) };
        Log { epochs: vec![start(2, 0), start(5, 10)], next: Offset(14), ..Log::empty(Offset(0)) }
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins() {
        // Asked, leader's; found, end: as Kafka's LeaderEpochFileCache.endOffsetFor.
        for (wanted, leader, epoch, end) in [
            (5, 5, 5, 14),
            (2, 5, 2, 10),
            (3, 5, 2, 10),
            (4, 5, 2, 10),
            (1, 5, 1, 0),
            (6, 5, -1, -1),
            (-1, 5, -1, -1),
            // The leader has come into office and written nothing.
            (7, 7, 7, 14),
            (5, 7, 5, 14),
            (6, 7, 5, 14),
        ] {
            let found = log().end_of_epoch(LeaderEpoch(wanted), LeaderEpoch(leader));
            assert_eq!(found, (LeaderEpoch(epoch), Offset(end)), "{wanted} of leader {leader}");
        }
    }

    #[test]
    fn an_empty_log_knows_its_leaders_epoch() {
        let log = Log::empty(Offset(3));
        assert_eq!(log.end_of_epoch(LeaderEpoch(4), LeaderEpoch(4)), (LeaderEpoch(4), Offset(3)));
        assert_eq!(log.end_of_epoch(LeaderEpoch(2), LeaderEpoch(4)), (LeaderEpoch(2), Offset(3)));
    }

    #[test]
    fn the_file_is_kafkas() {
        assert_eq!(encode_epochs(log().epochs()), "0\n2\n2 0\n5 10\n");
        assert_eq!(encode_epochs(&[]), "0\n0\n");
    }
}
