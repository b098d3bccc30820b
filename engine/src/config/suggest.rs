//! The known name nearest to an unknown one, for the sentence that refuses it.

/// `; did you mean …?`, or nothing where no name is near: more than a third of its letters would have to change.
pub(super) fn suggestion<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> String {
    // An absurd name is not worth the comparison.
    if unknown.len() > 200 {
        return String::new();
    }
    let nearest = known.map(|name| (distance(unknown, name), name)).min();
    match nearest {
        Some((edits, name)) if edits * 3 <= unknown.len().max(3) => format!("; did you mean {name}?"),
        _ => String::new(),
    }
}

/// Insertions, deletions and substitutions of bytes between two names.
fn distance(left: &str, right: &str) -> usize {
    let right = right.as_bytes();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, &from) in left.as_bytes().iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, &to) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(!from.eq_ignore_ascii_case(&to));
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_nonsense_is_not() {
        let known = || ["retention.ms", "retention.bytes", "segment.ms"].into_iter();
        assert_eq!(suggestion("retentoin.ms", known()), "; did you mean retention.ms?");
        assert_eq!(suggestion("Retention.Bytes", known()), "; did you mean retention.bytes?");
        assert_eq!(suggestion("xyzzy", known()), "");
        assert_eq!(suggestion("", known()), "");
    }
}
