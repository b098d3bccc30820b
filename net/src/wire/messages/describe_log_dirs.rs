//! DescribeLogDirs (35), versions 0–5: directories, and the replicas in them.
//!
//! 3 adds an error for the whole, 4 sizes of volumes (KIP-827), 5 whether a directory takes no new partitions (KIP-1066).

use crate::wire::Text;

message! {
    pub struct DescribeLogDirsRequest: request(DescribeLogDirs, DescribeLogDirsResponse) {
        [0..; null(0..)] topics: Option<Vec<DescribableLogDirTopic>> = Some(Vec::new()),
    }

    pub struct DescribableLogDirTopic {
        [0..] topic: Text,
        [0..] partitions: Vec<i32>,
    }

    pub struct DescribeLogDirsResponse: response(DescribeLogDirs) {
        [0..] throttle_time_ms: i32,
        [3..; ignorable] error_code: i16,
        [0..] results: Vec<DescribeLogDirsResult>,
    }

    pub struct DescribeLogDirsResult {
        [0..] error_code: i16,
        [0..] log_dir: Text,
        [0..] topics: Vec<DescribeLogDirsTopic>,
        [4..; ignorable] total_bytes: i64 = -1,
        [4..; ignorable] usable_bytes: i64 = -1,
        [5..; ignorable] is_cordoned: bool,
    }

    pub struct DescribeLogDirsTopic {
        [0..] name: Text,
        [0..] partitions: Vec<DescribeLogDirsPartition>,
    }

    pub struct DescribeLogDirsPartition {
        [0..] partition_index: i32,
        [0..] partition_size: i64,
        [0..] offset_lag: i64,
        [0..] is_future_key: bool,
    }
}
