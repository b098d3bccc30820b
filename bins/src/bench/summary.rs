//! Several runs in one table: of each figure the median, and the lowest and highest.

use std::io::{self, Write};

use super::figures::Figures;
use crate::cli::json::Object;
use crate::cli::table::Table;

#[derive(Default)]
pub struct Summary {
    /// By name, in the order in which a run tells them.
    values: Vec<(String, Vec<f64>)>,
}

impl Summary {
    pub fn add(&mut self, figures: &Figures) {
        for figure in figures.summed_up() {
            match self.values.iter_mut().find(|(name, _)| *name == figure.name) {
                Some((_, values)) => values.push(figure.value),
                None => self.values.push((figure.name, vec![figure.value])),
            }
        }
    }

    pub fn write(&self, as_json: bool, out: &mut dyn Write) -> io::Result<()> {
        let rows =
            self.values.iter().map(|(name, values)| (name, median(values), lowest(values), highest(values)));
        if as_json {
            let object = rows.fold(Object::new(), |object, (name, median, low, high)| {
                let spread = Object::new().number("median", median).number("min", low).number("max", high);
                object.object(name, spread)
            });
            return writeln!(out, "{}", Object::new().object("summary", object).end());
        }
        let mut table = Table::new(&["FIGURE", "MEDIAN", "LOWEST", "HIGHEST"]);
        for (name, median, low, high) in rows {
            let shown = |value: f64| format!("{value:.3}");
            table.row(vec![name.clone(), shown(median), shown(low), shown(high)]);
        }
        writeln!(out)?;
        table.write(out)
    }
}

fn lowest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn highest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        0 => (sorted[middle - 1] + sorted[middle]) / 2.0,
        _ => sorted[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
