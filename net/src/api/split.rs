//! One request's parts by the core that owns them, and the answers back in the order asked. Pure.

use engine::base::CoreId;

/// Parts of a request, grouped by core; each remembers its place in the request.
pub(super) struct Split<T> {
    groups: Vec<(CoreId, Vec<T>)>,
    /// For each part of the request in order: its group, or none if it was answered on the spot.
    places: Vec<Option<u32>>,
}

impl<T> Default for Split<T> {
    fn default() -> Split<T> {
        Split { groups: Vec::new(), places: Vec::new() }
    }
}

impl<T> Split<T> {
    /// The next part goes to this core.
    pub(super) fn push(&mut self, core: CoreId, part: T) {
        let group = match self.groups.iter().position(|(other, _)| *other == core) {
            Some(group) => group,
            None => {
                self.groups.push((core, Vec::new()));
                self.groups.len() - 1
            }
        };
        self.groups[group].1.push(part);
        // Groups are cores, fewer than 2^16.
        self.places.push(Some(group as u32));
    }

    /// The next part needs no core.
    pub(super) fn skip(&mut self) {
        self.places.push(None);
    }

    /// The groups to send, and the order to bring the answers back into.
    pub(super) fn take(self) -> (Vec<(CoreId, Vec<T>)>, Order) {
        (self.groups, Order { places: self.places })
    }
}

pub(super) struct Order {
    places: Vec<Option<u32>>,
}

impl Order {
    /// Answers by group, each in the order of its parts, to one iterator in the order of the request; none for what was
    /// skipped, and for an answer that is missing.
    pub(super) fn restore<A>(self, groups: Vec<Vec<A>>) -> impl Iterator<Item = Option<A>> {
        let mut groups: Vec<_> = groups.into_iter().map(Vec::into_iter).collect();
        self.places.into_iter().map(move |place| groups.get_mut(place? as usize)?.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_back_in_the_order_asked() {
        let mut split = Split::default();
        for (core, part) in [(1, 10), (0, 20), (1, 30), (0, 40)] {
            split.push(CoreId(core), part);
            split.skip();
        }
        let (groups, order) = split.take();
        assert_eq!(groups, [(CoreId(1), vec![10, 30]), (CoreId(0), vec![20, 40])]);
        let answers = groups.into_iter().map(|(_, parts)| parts).collect();
        let restored: Vec<Option<i32>> = order.restore(answers).collect();
        assert_eq!(restored, [Some(10), None, Some(20), None, Some(30), None, Some(40), None]);
    }

    #[test]
    fn a_core_that_answers_too_little_leaves_gaps() {
        let mut split = Split::default();
        split.push(CoreId(0), 1);
        split.push(CoreId(0), 2);
        let (_, order) = split.take();
        assert_eq!(order.restore(vec![vec![1]]).collect::<Vec<_>>(), [Some(1), None]);
    }
}
