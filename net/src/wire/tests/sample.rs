//! Random values of every field type: what a version can carry, extremes included.

use bytes::Bytes;
use engine::base::{ClientInstanceId, TopicId};
use fastrand::Rng;

use crate::wire::{Records, Text, field::Context};

pub trait Sample: Sized {
    fn sample(rng: &mut Rng, context: Context) -> Self;
}

macro_rules! integers {
    ($($type:ident),*) => {$(
        impl Sample for $type {
            fn sample(rng: &mut Rng, _: Context) -> Self {
                match rng.u8(..8) {
                    0 => $type::MIN,
                    1 => $type::MAX,
                    2 => -1,
                    3 => 0,
                    _ => rng.$type(..),
                }
            }
        }
    )*};
}

integers!(i8, i16, i32, i64);

impl Sample for bool {
    fn sample(rng: &mut Rng, _: Context) -> Self {
        rng.bool()
    }
}

impl Sample for ClientInstanceId {
    fn sample(rng: &mut Rng, context: Context) -> Self {
        ClientInstanceId(TopicId::sample(rng, context).0)
    }
}

impl Sample for TopicId {
    fn sample(rng: &mut Rng, _: Context) -> Self {
        if rng.u8(..8) == 0 { TopicId::ZERO } else { TopicId(rng.u128(..).to_be_bytes()) }
    }
}

fn letters(rng: &mut Rng, length: usize) -> String {
    (0..length).map(|_| rng.lowercase()).collect()
}

impl Sample for Text {
    fn sample(rng: &mut Rng, _: Context) -> Self {
        // Up to 200 bytes, so that compact lengths of two bytes occur.
        let longest = if rng.u8(..8) == 0 { 200 } else { 10 };
        let length = rng.usize(..=longest);
        letters(rng, length).into()
    }
}

impl Sample for Records {
    fn sample(rng: &mut Rng, _: Context) -> Self {
        let piece_count = rng.usize(..4);
        let mut piece = || {
            let length = rng.usize(..3000);
            Bytes::from(letters(rng, length).into_bytes())
        };
        (0..piece_count).map(|_| piece()).collect()
    }
}

impl Sample for Bytes {
    fn sample(rng: &mut Rng, _: Context) -> Self {
        let length = rng.usize(..300);
        Bytes::from(letters(rng, length).into_bytes())
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(rng: &mut Rng, context: Context) -> Self {
        (rng.u8(..4) > 0).then(|| T::sample(rng, context))
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(rng: &mut Rng, context: Context) -> Self {
        let count = rng.usize(..4);
        (0..count).map(|_| T::sample(rng, context)).collect()
    }
}
