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

/// Milliseconds since 1970, an ISO 8601 date with or without a time (UTC unless it says otherwise), or how long ago
/// (`-1h`).
pub fn parse(text: &str) -> Result<Timestamp, String> {
    if let Some(ago) = text.strip_prefix('-') {
        return Ok(Timestamp(now().0.saturating_sub(duration(ago)?).max(0)));
    }
    if text.bytes().all(|byte| byte.is_ascii_digit())
        && let Ok(ms) = text.parse()
    {
        return Ok(Timestamp(ms));
    }
    parse_date(text).filter(|time| time.0 >= 0).ok_or_else(|| {
        format!(
            "{text} is no time; write 2026-01-31T12:00:00Z, milliseconds since 1970, or -1h for an hour ago"
        )
    })
}

/// `250ms`, `90s`, `15m`, `1h30m`, `7d`, and ISO 8601's `P7DT1H30M`, in milliseconds.
pub fn duration(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text} is no duration; write 250ms, 90s, 15m, 1h30m, 7d or PT1H30M");
    let lower = text.to_ascii_lowercase();
    let (mut rest, mut total) = (lower.strip_prefix('p').unwrap_or(&lower), 0i64);
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        rest = rest.strip_prefix('t').unwrap_or(rest);
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(|byte| byte.is_ascii_alphabetic() && *byte != b't').count();
        let unit = match &rest[..letters] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            _ => return Err(wrong()),
        };
        rest = &rest[letters..];
        total = number.checked_mul(unit).and_then(|ms| total.checked_add(ms)).ok_or_else(wrong)?;
    }
    Ok(total)
}

fn parse_date(text: &str) -> Option<Timestamp> {
    let number = |text: &str, range: std::ops::RangeInclusive<i64>| {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number| plain && range.contains(number))
    };
    let (day, clock) = text.split_once(['T', 't', ' ']).unwrap_or((text, "00:00"));
    let mut parts = day.splitn(3, '-');
    let year = number(parts.next()?, 1970..=9999)?;
    let month = number(parts.next()?, 1..=12)?;
    let day = number(parts.next()?, 1..=31)?;
    let (clock, east_minutes) = match clock.strip_suffix(['Z', 'z']) {
        Some(clock) => (clock, 0),
        None => match clock.rfind(['+', '-']) {
            None => (clock, 0),
            Some(at) => {
                let (hours, minutes) = clock[at + 1..].split_once(':').unwrap_or((&clock[at + 1..], "0"));
                let minutes = number(hours, 0..=18)? * 60 + number(minutes, 0..=59)?;
                (&clock[..at], if clock[at..].starts_with('-') { -minutes } else { minutes })
            }
        },
    };
    let mut parts = clock.splitn(3, ':');
    let hour = number(parts.next()?, 0..=23)?;
    let minute = number(parts.next()?, 0..=59)?;
    let (second, fraction) = match parts.next() {
        None => ("0", "0"),
        Some(second) => second.split_once('.').unwrap_or((second, "0")),
    };
    let second = number(second, 0..=59)?;
    let ms = number(&format!("{fraction:0<3}")[..3], 0..=999)?;
    let days = days_of(year, month, day);
    if date(days) != (year, month, day) {
        return None;
    }
    Some(Timestamp(((days * 24 + hour) * 60 + minute - east_minutes) * 60_000 + second * 1000 + ms))
}

/// The reverse of `date`.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let from_march = (month + 9) % 12;
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
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

    #[test]
    fn dates_are_read_as_they_are_written() {
        let cases = [
            ("1700000000123", 1_700_000_000_123),
            ("2023-11-14T22:13:20.123Z", 1_700_000_000_123),
            ("2023-11-15T00:13:20.1234+02:00", 1_700_000_000_123),
            ("2023-11-14 17:13:20-05", 1_700_000_000_000),
            ("2000-02-29", 951_782_400_000),
            ("1970-01-01T00:00", 0),
        ];
        for (text, ms) in cases {
            assert_eq!(parse(text), Ok(Timestamp(ms)), "{text}");
        }
        for text in
            ["", "x", "2023-02-29", "2023-1", "2023-01-01T24:00", "1969-12-31", "2023-01-01T1:2:3:4", "+5"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_have_units() {
        let cases = [
            ("250ms", 250),
            ("1h30m", 5_400_000),
            ("P7DT1H", 608_400_000),
            ("pt90s", 90_000),
            ("2w", 1_209_600_000),
        ];
        for (text, ms) in cases {
            assert_eq!(duration(text), Ok(ms), "{text}");
        }
        for text in ["", "p", "5", "h", "1x", "99999999999999999h", "1h-2m", "é"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
