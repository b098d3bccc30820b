//! Times for people: milliseconds since 1970 as a UTC date, after ISO 8601.

use std::time::{SystemTime, UNIX_EPOCH};

use engine::base::Timestamp;

/// `2026-01-31T12:00:00.000Z`; `-` for none; the bare number where no date is near.
pub fn shown(time: Timestamp) -> String {
    const MS_PER_DAY: i64 = 86_400_000;
    if time.0 < 0 {
        return "-".to_owned();
    }
    let (days, ms) = (time.0 / MS_PER_DAY, time.0 % MS_PER_DAY);
    let (year, month, day) = date(days);
    if year > 9999 {
        return time.0.to_string();
    }
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1000)
}

/// Days since 1970 to year, month, day: eras of 400 years that begin in March, so that leap days come last.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The wall clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (-1, "-"),
            (i64::MAX, "9223372036854775807"),
        ];
        for (ms, text) in cases {
            assert_eq!(shown(Timestamp(ms)), text);
        }
    }
}
