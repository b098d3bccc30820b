//! OpenTelemetry's metrics (opentelemetry/proto/metrics/v1), as far as clients of Kafka send them: gauges and sums. Other kinds are
//! passed over. Any bytes are safe; names, attributes and points are bounded.
//!
//! ```text
//! MetricsData      1 ResourceMetrics*
//! ResourceMetrics  1 Resource { 1 KeyValue* } · 2 ScopeMetrics*
//! ScopeMetrics     2 Metric*
//! Metric           1 name · 5 Gauge { 1 NumberDataPoint* } · 7 Sum { 1 NumberDataPoint* · 2 temporality · 3 is monotonic }
//! NumberDataPoint  7 KeyValue* · 4 double · 6 integer
//! KeyValue         1 key · 2 AnyValue { 1 string · 2 bool · 3 integer · 4 double }
//! ```

use super::limits::{ATTRIBUTES_MAX, POINTS_MAX, TEXT_BYTES_MAX};
use super::protobuf::{Value, fields};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Gauge,
    /// Cumulative, and never falling.
    Sum,
}

/// One series' last value.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub name: String,
    /// `key=value` with commas between them, sorted.
    pub attributes: String,
    pub kind: Kind,
    pub value: f64,
}

type Attributes = Vec<(String, String)>;

/// None: these bytes are none.
pub fn read(bytes: &[u8]) -> Option<Vec<Point>> {
    let mut points = Vec::new();
    fields(bytes, |number, value| match number {
        1 => resource_metrics(value.bytes()?, &mut points),
        _ => Some(()),
    })?;
    Some(points)
}

fn resource_metrics(bytes: &[u8], points: &mut Vec<Point>) -> Option<()> {
    let mut shared = Attributes::new();
    // The resource may stand behind what it describes.
    fields(bytes, |number, value| match number {
        1 => fields(value.bytes()?, |number, value| attribute(number == 1, value, &mut shared)),
        _ => Some(()),
    })?;
    fields(bytes, |number, value| match number {
        2 => fields(value.bytes()?, |number, value| match number {
            2 => metric(value.bytes()?, &shared, points),
            _ => Some(()),
        }),
        _ => Some(()),
    })
}

fn metric(bytes: &[u8], shared: &Attributes, points: &mut Vec<Point>) -> Option<()> {
    let mut name = String::new();
    let mut data = Vec::new();
    fields(bytes, |number, value| {
        match number {
            1 => name = cut(value.text()?),
            5 => data.push((Kind::Gauge, value.bytes()?)),
            7 => data.push((sum_kind(value.bytes()?)?, value.bytes()?)),
            _ => {}
        }
        Some(())
    })?;
    for (kind, bytes) in data {
        fields(bytes, |number, value| match number {
            1 if points.len() < POINTS_MAX => {
                let mut attributes = shared.clone();
                if let Some(number) = number_of(value.bytes()?, &mut attributes)? {
                    let attributes = joined(attributes);
                    points.push(Point { name: name.clone(), attributes, kind, value: number });
                }
                Some(())
            }
            _ => Some(()),
        })?;
    }
    Some(())
}

/// A sum that may fall, or that counts from the push before, is told as it stands.
fn sum_kind(bytes: &[u8]) -> Option<Kind> {
    const CUMULATIVE: u64 = 2;
    let (mut temporality, mut is_monotonic) = (0, false);
    fields(bytes, |number, value| {
        match (number, value) {
            (2, Value::Varint(found)) => temporality = found,
            (3, Value::Varint(found)) => is_monotonic = found != 0,
            _ => {}
        }
        Some(())
    })?;
    Some(if is_monotonic && temporality == CUMULATIVE { Kind::Sum } else { Kind::Gauge })
}

/// Inner none: a point without a value.
fn number_of(bytes: &[u8], attributes: &mut Attributes) -> Option<Option<f64>> {
    let mut number = None;
    fields(bytes, |field, value| {
        match (field, value) {
            (4, Value::Fixed(bits)) => number = Some(f64::from_bits(bits)),
            (6, Value::Fixed(bits)) => number = Some(bits.cast_signed() as f64),
            _ => return attribute(field == 7, value, attributes),
        }
        Some(())
    })?;
    Some(number)
}

fn attribute(is_one: bool, value: Value<'_>, into: &mut Attributes) -> Option<()> {
    if !is_one || into.len() == ATTRIBUTES_MAX {
        return Some(());
    }
    let (mut key, mut text) = (String::new(), String::new());
    fields(value.bytes()?, |number, value| {
        match number {
            1 => key = cut(value.text()?),
            2 => text = any_value(value.bytes()?)?,
            _ => {}
        }
        Some(())
    })?;
    into.push((key, text));
    Some(())
}

fn any_value(bytes: &[u8]) -> Option<String> {
    let mut text = String::new();
    fields(bytes, |number, value| {
        match (number, value) {
            (1, value) => text = cut(value.text()?),
            (2, Value::Varint(found)) => text = (found != 0).to_string(),
            (3, Value::Varint(found)) => text = found.cast_signed().to_string(),
            (4, Value::Fixed(bits)) => text = f64::from_bits(bits).to_string(),
            _ => {}
        }
        Some(())
    })?;
    Some(text)
}

fn joined(mut attributes: Attributes) -> String {
    attributes.sort();
    attributes.dedup_by(|a, b| a.0 == b.0);
    let pairs: Vec<String> = attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(",")
}

fn cut(mut text: String) -> String {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A field of bytes.
    fn part(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        let mut length = bytes.len();
        while length > 127 {
            out.push((length & 127) as u8 | 128);
            length >>= 7;
        }
        out.push(length as u8);
        out.extend(bytes);
        out
    }

    fn pair(number: u8, key: &str, value: &str) -> Vec<u8> {
        part(number, &[part(1, key.as_bytes()), part(2, &part(1, value.as_bytes()))].concat())
    }

    /// A gauge of 2.5 and a sum of 7, with a resource's attribute and one of the point's own.
    pub fn pushed(name: &str) -> Vec<u8> {
        let point = |value: &[u8]| part(1, &[pair(7, "topic", "t"), value.to_vec()].concat());
        let gauge = part(5, &point(&[&[0x21][..], &2.5f64.to_le_bytes()].concat()));
        let sum = [point(&[&[0x31][..], &7u64.to_le_bytes()].concat()), vec![0x10, 2, 0x18, 1]].concat();
        let metrics = [
            part(2, &[part(1, name.as_bytes()), gauge].concat()),
            part(2, &[part(1, b"sum"), part(7, &sum)].concat()),
        ];
        let resource = part(1, &pair(1, "rack", "r"));
        part(1, &[part(2, &metrics.concat()), resource].concat())
    }

    #[test]
    fn gauges_and_sums_are_read_with_their_attributes() {
        let point = |name: &str, kind, value| Point {
            name: name.to_owned(),
            attributes: "rack=r,topic=t".to_owned(),
            kind,
            value,
        };
        let expected = vec![point("gauge", Kind::Gauge, 2.5), point("sum", Kind::Sum, 7.0)];
        assert_eq!(read(&pushed("gauge")), Some(expected));
        assert_eq!(read(b""), Some(Vec::new()));
    }

    #[test]
    fn cut_bytes_are_none_and_forged_ones_no_panic() {
        let whole = pushed("gauge");
        for end in 1..whole.len() {
            assert_eq!(read(&whole[..end]), None, "{end}");
        }
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..2_000 {
            let mut forged = whole.clone();
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(..forged.len());
                forged[at] = rng.u8(..);
            }
            let _ = read(&forged);
        }
    }

    #[test]
    fn a_long_name_is_cut_at_a_letter() {
        let points = read(&pushed(&"é".repeat(300))).unwrap();
        assert_eq!(points[0].name, "é".repeat(TEXT_BYTES_MAX / 2));
    }
}
