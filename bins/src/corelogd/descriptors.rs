//! How the process's file descriptors are shared out, so that connections never take those that files need: a segment that
//! cannot be opened takes its partition offline, a connection too many is closed.

use engine::{io, shard::settings::SegmentIo};

use super::settings::Settings;

/// Rings, eventfds, timers and listeners of one core.
const CORE: u64 = 48;
/// Standard streams, the lock, the operators' HTTP, probes of /proc, and what libraries open for a moment.
const PROCESS: u64 = 96;
/// Files with an Op in flight beyond the cache: flushes with log and index files, cold reads.
const FILES_IN_FLIGHT: u64 = 256;
/// Even a small limit leaves a core some files, and the broker some connections.
const FILES_MIN: u64 = 32;
const CONNECTIONS_MIN: u64 = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// Open files that a core keeps.
    pub files_per_core: usize,
    /// Connections of the whole broker.
    pub connections: usize,
}

impl Descriptors {
    /// Shares out what RLIMIT_NOFILE allows.
    pub fn share(limit: u64, settings: &Settings) -> Descriptors {
        let sockets = if settings.lent_bytes_min.is_some() { 2 } else { 1 };
        Descriptors::divide(limit, settings.cpus.len(), settings.segment_io, sockets)
    }

    /// `sockets`: how often a connection may have its socket, at least.
    fn divide(limit: u64, cores: usize, segment_io: SegmentIo, sockets: u64) -> Descriptors {
        let cores = cores.max(1) as u64;
        let files = (limit / 4 / cores).clamp(FILES_MIN, io::limits::OPEN_FILES_DEFAULT as u64);
        // A small limit has few partitions with a flush at a time.
        let in_flight = FILES_IN_FLIGHT.min(files);
        // A connection that is sent a range, or memory without a copy, has its socket twice; files that ranges hold are the cache's.
        let (pipes, sockets) = match segment_io {
            SegmentIo::Direct => (0, sockets),
            SegmentIo::Buffered => (2 * io::limits::PIPES_MAX as u64, sockets + 1),
        };
        let taken = PROCESS + cores * (CORE + files + in_flight + pipes);
        let connections = (limit.saturating_sub(taken) / sockets).max(CONNECTIONS_MIN);
        Descriptors {
            files_per_core: usize::try_from(files).unwrap_or(usize::MAX),
            connections: usize::try_from(connections).unwrap_or(usize::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_connections_together_stay_below_the_limit() {
        for limit in [1024, 4096, 10_000, 65_536, 1 << 20, u64::MAX] {
            for cores in [1, 2, 8, 64] {
                for (segment_io, sockets, each) in [
                    (SegmentIo::Direct, 1, 1),
                    (SegmentIo::Direct, 2, 2),
                    (SegmentIo::Buffered, 1, 2),
                    (SegmentIo::Buffered, 2, 3),
                ] {
                    let shares = Descriptors::divide(limit, cores, segment_io, sockets);
                    let Descriptors { files_per_core, connections } = shares;
                    let files = (files_per_core * cores) as u64;
                    if connections as u64 > CONNECTIONS_MIN {
                        let sockets = each * connections as u64;
                        assert!(files.saturating_add(sockets) < limit, "{limit} over {cores}");
                    }
                    assert!(files_per_core as u64 >= FILES_MIN);
                }
            }
        }
        assert!(Descriptors::divide(1024, 2, SegmentIo::Direct, 1).connections >= 200);
        assert!(Descriptors::divide(1 << 20, 2, SegmentIo::Direct, 1).connections > 1_000_000);
    }
}
