//! Replay of the records, and of a snapshot of them, rebuilds the live image, whatever was asked in which order.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Random {
    Create(String, i32, Option<String>),
    Delete(String),
    Grow(String, i32),
    Alter(u8, String, String, Option<String>),
    AllocateProducerIds,
    Start(u16),
}

fn any_instruction() -> impl Strategy<Value = Random> {
    let name = || "[ab][._]?[ab]?";
    let key = || prop::sample::select(vec!["a", "b", "list", "unknown"]).prop_map(str::to_owned);
    let value = || prop::option::of("[a-z]{0,3}");
    prop_oneof![
        4 => (name(), -2..6i32, value()).prop_map(|(name, partitions, value)| Random::Create(name, partitions, value)),
        2 => name().prop_map(Random::Delete),
        2 => (name(), -1..9i32).prop_map(|(name, count)| Random::Grow(name, count)),
        2 => (prop::sample::select(vec![2u8, 4, 16, 32]), name(), key(), value())
            .prop_map(|(code, name, key, value)| Random::Alter(code, name, key, value)),
        1 => Just(Random::AllocateProducerIds),
        1 => (1..5u16).prop_map(Random::Start),
    ]
}

proptest! {
    #[test]
    fn replay_and_snapshot_rebuild_the_live_image(instructions in prop::collection::vec(any_instruction(), 0..60)) {
        let mut metadata = Metadata::started(2);
        for instruction in instructions {
            match instruction {
                Random::Create(name, partitions, value) => {
                    let mut topic = metadata.new_topic(&name, partitions);
                    topic.configs.extend(value.map(|value| ("a".to_owned(), Some(value))));
                    metadata.create(vec![topic]);
                }
                Random::Delete(name) => _ = metadata.delete(vec![by_name(&name)]),
                Random::Grow(name, count) => _ = metadata.grow(&name, count, None),
                Random::Alter(code, name, key, value) => {
                    let name = if code == 4 { "1".to_owned() } else { name };
                    let operation = if value.is_some() { ConfigOperation::Set } else { ConfigOperation::Delete };
                    let resource = ConfigResource::new(code, name).unwrap();
                    _ = metadata.alter(resource, step(&key, operation, value.as_deref()));
                }
                Random::AllocateProducerIds => _ = metadata.carry_out(Instruction::AllocateProducerIds),
                Random::Start(cores) => metadata.start(cores),
            }
            let loads = metadata.loads();
            prop_assert_eq!(loads.iter().sum::<usize>(), metadata.image.partition_count());
        }
        metadata.image.stand_at(Offset(metadata.records.len() as i64));

        let through_bytes = |records: &[MetadataRecord]| {
            let mut image = Image::default();
            for record in records {
                let mut bytes = Vec::new();
                record.encode(&mut bytes);
                image.apply(&MetadataRecord::decode(&bytes).unwrap()).unwrap();
            }
            image.stand_at(metadata.image.offset());
            image
        };
        prop_assert_eq!(&through_bytes(&metadata.records), &metadata.image);
        prop_assert_eq!(&through_bytes(&metadata.image.encode_snapshot()), &metadata.image);
    }

    #[test]
    fn records_in_any_order_never_panic(records in prop::collection::vec(super::super::record::tests::any_record(), 0..40)) {
        let mut image = Image::default();
        for record in &records {
            let _ = image.apply(record);
        }
        let _ = image.encode_snapshot();
    }
}
