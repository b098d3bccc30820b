//! Figures for operators: counters and histograms that one core owns and counts up without a lock or an atomic, and the
//! snapshot of them that crosses cores when somebody asks. Plain data; names are fixed here and documented in
//! `packaging/metrics.md`.

mod figures;
mod histogram;

pub use figures::{Figures, Kind, Label, Metric, Sample, Scale, Spread, Value};
pub use histogram::{BYTES, COUNTS, Histogram, NANOSECONDS, NANOSECONDS_FINE};

/// Defines metrics, and the list `ALL` of them in the order of exposition.
#[macro_export]
macro_rules! metrics {
    ($($ident:ident: $name:literal $kind:ident $scale:ident $spread:ident $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $ident: $crate::metrics::Metric = $crate::metrics::Metric {
                name: $name,
                kind: $crate::metrics::Kind::$kind,
                scale: $crate::metrics::Scale::$scale,
                spread: $crate::metrics::Spread::$spread,
                help: $help,
            };
        )*

        pub const ALL: &[&$crate::metrics::Metric] = &[$(&$ident,)*];
    };
}
