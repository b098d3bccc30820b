use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::assignment::Assignment;
use super::{Assignor, Subscriber};
use crate::base::{PartitionIndex, TopicId};

fn topic(number: u8) -> TopicId {
    TopicId([number; 16])
}

/// Members' topics, and topics' sizes.
#[derive(Clone, Debug)]
struct Case {
    subscriptions: Vec<BTreeSet<TopicId>>,
    sizes: BTreeMap<TopicId, i32>,
}

impl Case {
    fn assign(&self, assignor: Assignor, before: &[Assignment]) -> Vec<Assignment> {
        let ids: Vec<String> = (0..self.subscriptions.len()).map(|at| format!("member-{at:03}")).collect();
        let members: Vec<Subscriber<'_>> = ids
            .iter()
            .zip(&self.subscriptions)
            .enumerate()
            .map(|(at, (id, topics))| Subscriber {
                id,
                instance: None,
                topics: topics.clone(),
                before: before.get(at),
            })
            .collect();
        assignor.assign(&members, &self.sizes)
    }
}

fn count(assignment: &Assignment) -> usize {
    assignment.values().map(BTreeSet::len).sum()
}

fn moved(before: &[Assignment], after: &[Assignment]) -> usize {
    let lost = |(before, after): (&Assignment, &Assignment)| {
        let partitions = before.iter().flat_map(|(topic, set)| set.iter().map(move |index| (topic, index)));
        partitions.filter(|(topic, index)| !after.get(topic).is_some_and(|set| set.contains(index))).count()
    };
    before.iter().zip(after).map(lost).sum()
}

fn sizes() -> impl Strategy<Value = BTreeMap<TopicId, i32>> {
    proptest::collection::btree_map((0u8..5).prop_map(topic), 0i32..12, 1..5)
}

fn alike() -> impl Strategy<Value = Case> {
    (sizes(), 1usize..9).prop_map(|(sizes, members)| Case {
        subscriptions: vec![sizes.keys().copied().collect(); members],
        sizes,
    })
}

fn mixed() -> impl Strategy<Value = Case> {
    (sizes(), proptest::collection::vec(any::<u8>(), 1..9)).prop_map(|(sizes, masks)| {
        let subscribed = |mask: u8| {
            let topics = sizes.keys().enumerate().filter(move |(at, _)| mask >> at & 1 == 1);
            topics.map(|(_, topic)| *topic).collect()
        };
        Case { subscriptions: masks.into_iter().map(subscribed).collect(), sizes: sizes.clone() }
    })
}

/// Every partition of a topic that somebody subscribes to has one owner, and that is a subscriber.
fn is_whole(case: &Case, assignments: &[Assignment]) -> Result<(), TestCaseError> {
    let mut owned = BTreeSet::new();
    for (topics, assignment) in case.subscriptions.iter().zip(assignments) {
        for (topic, partitions) in assignment {
            prop_assert!(topics.contains(topic), "a topic that the member did not subscribe to");
            prop_assert!(!partitions.is_empty());
            for partition in partitions {
                prop_assert!(owned.insert((*topic, *partition)), "two owners of one partition");
            }
        }
    }
    let wanted: BTreeSet<TopicId> = case.subscriptions.iter().flatten().copied().collect();
    let all = wanted.iter().flat_map(|topic| super::partitions(*topic, case.sizes[topic]));
    prop_assert_eq!(owned, all.collect::<BTreeSet<_>>());
    Ok(())
}

/// Whoever could take a partition has at most one less than its owner.
fn is_even(case: &Case, assignments: &[Assignment]) -> Result<(), TestCaseError> {
    for owner in assignments {
        for topic in owner.keys() {
            for (topics, other) in case.subscriptions.iter().zip(assignments) {
                prop_assert!(!topics.contains(topic) || count(owner) <= count(other) + 1);
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn every_partition_has_one_owner_who_subscribed(case in mixed(), others in mixed()) {
        for assignor in Assignor::ALL {
            let before = Case { sizes: case.sizes.clone(), ..others.clone() };
            let before = Case {
                subscriptions: before.subscriptions.iter()
                    .map(|topics| topics.iter().copied().filter(|topic| case.sizes.contains_key(topic)).collect())
                    .collect(),
                ..before
            }.assign(assignor, &[]);
            is_whole(&case, &case.assign(assignor, &before))?;
        }
    }

    #[test]
    fn uniform_gives_everybody_the_same_give_or_take_one(case in alike()) {
        let assignments = case.assign(Assignor::Uniform, &[]);
        is_whole(&case, &assignments)?;
        is_even(&case, &assignments)?;
    }

    #[test]
    fn uniform_of_different_subscriptions_leaves_nobody_two_behind_an_owner(case in mixed()) {
        let assignments = case.assign(Assignor::Uniform, &[]);
        is_whole(&case, &assignments)?;
        is_even(&case, &assignments)?;
    }

    #[test]
    fn an_assignment_that_is_even_stays(case in mixed()) {
        for assignor in Assignor::ALL {
            let before = case.assign(assignor, &[]);
            prop_assert_eq!(case.assign(assignor, &before), before);
        }
    }

    #[test]
    fn a_member_that_leaves_moves_only_what_it_had(mut case in alike()) {
        let mut before = case.assign(Assignor::Uniform, &[]);
        case.subscriptions.pop();
        before.pop();
        prop_assume!(!case.subscriptions.is_empty());
        prop_assert_eq!(moved(&before, &case.assign(Assignor::Uniform, &before)), 0);
    }

    #[test]
    fn a_member_that_joins_takes_no_more_than_its_share(mut case in alike()) {
        let before = case.assign(Assignor::Uniform, &[]);
        case.subscriptions.push(case.subscriptions[0].clone());
        let after = case.assign(Assignor::Uniform, &before);
        is_even(&case, &after)?;
        prop_assert_eq!(moved(&before, &after), count(after.last().unwrap()));
    }

    #[test]
    fn partitions_that_are_added_move_no_other(mut case in alike(), more in 1i32..5) {
        let before = case.assign(Assignor::Uniform, &[]);
        for size in case.sizes.values_mut() {
            *size += more;
        }
        let after = case.assign(Assignor::Uniform, &before);
        is_whole(&case, &after)?;
        is_even(&case, &after)?;
        prop_assert_eq!(moved(&before, &after), 0);
    }

    #[test]
    fn range_gives_whole_ranges_the_larger_ones_first(case in alike()) {
        let assignments = case.assign(Assignor::Range, &[]);
        is_whole(&case, &assignments)?;
        for (topic, size) in &case.sizes {
            let mut next = 0;
            let mut last = i32::MAX;
            for assignment in &assignments {
                let Some(range) = assignment.get(topic) else { continue };
                let expected: BTreeSet<_> = (next..next + range.len() as i32).map(PartitionIndex).collect();
                prop_assert_eq!(range, &expected);
                prop_assert!(range.len() as i32 <= last);
                (next, last) = (next + range.len() as i32, range.len() as i32);
            }
            prop_assert_eq!(next, *size);
        }
    }
}

#[test]
fn range_gives_a_static_member_its_range_under_any_member_id() {
    let (topics, sizes) = (BTreeSet::from([topic(1)]), BTreeMap::from([(topic(1), 3)]));
    let member = |id, instance| Subscriber { id, instance, topics: topics.clone(), before: None };
    let first = Assignor::Range.assign(&[member("a", Some("i")), member("b", None)], &sizes);
    let again = Assignor::Range.assign(&[member("b", None), member("z", Some("i"))], &sizes);
    assert_eq!((&first[0], &first[1]), (&again[1], &again[0]));
    assert_eq!(count(&first[0]), 2);
}

#[test]
fn a_topic_that_does_not_exist_is_given_to_nobody() {
    let case = Case {
        subscriptions: vec![BTreeSet::from([topic(1), topic(2)])],
        sizes: BTreeMap::from([(topic(1), 2)]),
    };
    for assignor in Assignor::ALL {
        let assignments = case.assign(assignor, &[]);
        assert_eq!(assignments[0].keys().collect::<Vec<_>>(), [&topic(1)]);
    }
}
