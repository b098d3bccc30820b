//! Assignment by range, as org.apache.kafka.clients.consumer.RangeAssignor does it: of each topic every subscriber gets neighbouring
//! partitions, the first ones one more where they do not divide evenly. Racks are not looked at. Pure.

use std::collections::BTreeMap;

use crate::client::groups::Partitions;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    pub id: String,
    pub instance: Option<String>,
    pub topics: Vec<String>,
}

/// What each of `members` gets, in their order.
pub fn assign(members: &[Subscriber], sizes: &BTreeMap<String, i32>) -> Vec<Partitions> {
    let mut order: Vec<usize> = (0..members.len()).collect();
    // Static members come first, by their instance: they keep their places when they come back with another id.
    let key = |at: &usize| {
        let member = &members[*at];
        (member.instance.is_none(), member.instance.as_deref(), member.id.as_str())
    };
    order.sort_by(|a, b| key(a).cmp(&key(b)));
    let mut assigned = vec![Partitions::new(); members.len()];
    for (topic, count) in sizes {
        let subscribers: Vec<usize> =
            order.iter().copied().filter(|at| members[*at].topics.contains(topic)).collect();
        let Ok(number) = i32::try_from(subscribers.len()) else { continue };
        let mut next = 0;
        for (place, at) in (0..number).zip(subscribers) {
            let share = count / number + i32::from(place < count % number);
            if share > 0 {
                assigned[at].insert(topic.clone(), (next..next + share).collect());
            }
            next += share;
        }
    }
    assigned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, instance: Option<&str>, topics: &[&str]) -> Subscriber {
        let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
        Subscriber { id: id.to_owned(), instance: instance.map(str::to_owned), topics }
    }

    fn shown(members: &[Subscriber], sizes: &[(&str, i32)]) -> Vec<Vec<(String, Vec<i32>)>> {
        let sizes = sizes.iter().map(|(topic, count)| ((*topic).to_owned(), *count)).collect();
        assign(members, &sizes).into_iter().map(|partitions| partitions.into_iter().collect()).collect()
    }

    #[test]
    fn neighbours_go_to_one_member_and_the_first_get_one_more() {
        let members = [member("b", None, &["t", "u"]), member("a", None, &["t"])];
        let t = |partitions: &[i32]| ("t".to_owned(), partitions.to_vec());
        let found = shown(&members, &[("t", 5), ("u", 1), ("v", 9)]);
        assert_eq!(found, [vec![t(&[3, 4]), ("u".to_owned(), vec![0])], vec![t(&[0, 1, 2])]]);
    }

    #[test]
    fn static_members_stand_first_whatever_their_ids() {
        let members =
            [member("a", None, &["t"]), member("z", Some("1"), &["t"]), member("y", Some("2"), &["t"])];
        let found = shown(&members, &[("t", 2)]);
        assert_eq!(found, [vec![], vec![("t".to_owned(), vec![0])], vec![("t".to_owned(), vec![1])]]);
    }
}
