//! How records look: sizes, keys, and how much a codec saves on them.

/// Sizes between two bounds, all equally likely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub min: usize,
    pub max: usize,
}

/// What a record's mark needs.
pub const RECORD_BYTES_MIN: usize = 32;
const RECORD_BYTES_MAX: usize = 16 << 20;

impl Sizes {
    /// `1024`, or `100-4096`.
    pub fn parse(text: &str) -> Result<Sizes, String> {
        let (min, max) = text.split_once('-').unwrap_or((text, text));
        let number = |text: &str| text.parse().map_err(|_| "write a size, or MIN-MAX".to_owned());
        let sizes = Sizes { min: number(min)?, max: number(max)? };
        if sizes.min > sizes.max || sizes.min < RECORD_BYTES_MIN || sizes.max > RECORD_BYTES_MAX {
            return Err(format!(
                "sizes lie between {RECORD_BYTES_MIN} and {RECORD_BYTES_MAX}, the smaller first"
            ));
        }
        Ok(sizes)
    }

    pub fn draw(self, random: &mut fastrand::Rng) -> usize {
        random.usize(self.min..=self.max)
    }
}

impl std::fmt::Display for Sizes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.min == self.max {
            true => write!(f, "{}", self.min),
            false => write!(f, "{}-{}", self.min, self.max),
        }
    }
}

/// Keys by their rank.
pub struct Keys {
    /// Sums of the weights up to each rank; empty where all weigh the same.
    sums: Vec<f64>,
    count: u32,
}

impl Keys {
    /// `skew` is the exponent of Zipf's law: rank `r` weighs `1 / r^skew`; 0 makes all alike.
    pub fn new(count: u32, skew: f64) -> Keys {
        let weight = |rank: u32| f64::from(rank).powf(-skew);
        let mut sum = 0.0;
        let sums = (1..=count).map(|rank| {
            sum += weight(rank);
            sum
        });
        Keys { sums: if skew > 0.0 { sums.collect() } else { Vec::new() }, count }
    }

    pub fn draw(&self, random: &mut fastrand::Rng) -> u32 {
        match self.sums.last() {
            None => random.u32(..self.count),
            Some(total) => {
                let drawn = random.f64() * total;
                (self.sums.partition_point(|sum| *sum <= drawn) as u32).min(self.count - 1)
            }
        }
    }
}

/// Bytes of which a codec saves about so many of a hundred: random ones, and behind them one that repeats, in pieces so short
/// that every record has both.
pub fn filling(length: usize, saved_percent: u8, random: &mut fastrand::Rng) -> Vec<u8> {
    const PIECE: usize = 100;
    let repeats = PIECE - usize::from(saved_percent.min(100));
    (0..length).map(|at| if at % PIECE < repeats { random.u8(..) } else { b'x' }).collect()
}

#[cfg(test)]
mod tests {
    use engine::record::{BatchBuilder, Codec, RecordData};

    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        for text in ["1024", "100-4096"] {
            assert_eq!(Sizes::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "1", "x", "4096-100", "100-", "32-99999999"] {
            assert!(Sizes::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_skew_prefers_the_first_keys() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut share = |skew| {
            let keys = Keys::new(1000, skew);
            (0..10_000).filter(|_| keys.draw(&mut random) < 10).count()
        };
        let (even, skewed) = (share(0.0), share(1.0));
        assert!((50..200).contains(&even) && (3500..4500).contains(&skewed), "{even} {skewed}");
    }

    #[test]
    fn a_codec_saves_what_was_asked_for() {
        let mut random = fastrand::Rng::with_seed(1);
        for percent in [0, 50, 90] {
            let value = filling(100_000, percent, &mut random);
            let mut builder = BatchBuilder::new(Codec::Zstd, 1 << 20);
            assert!(builder.push(RecordData { value: Some(&value), ..RecordData::default() }));
            let saved = 100.0 - builder.build().unwrap().len() as f64 / 1000.0;
            assert!((saved - f64::from(percent)).abs() < 8.0, "{percent}: {saved}");
        }
    }
}
